// SPDX-License-Identifier: Apache-2.0
// What KMS was asked, as CloudTrail would tell it: one JSON object a line in DATA_DIR/events.jsonl.
//
//   {"eventTime":"2026-01-02T03:04:05Z","eventName":"Decrypt","requestId":UUID,
//    "principal":ARN|null,"keyArn":ARN|null,"encryptionContext":{…},
//    "moduleId":TEXT|null,"pcr0":HEX|null,"pcr16":HEX|null,"errorCode":TEXT|null}
//
// The attestation's members are set only when its document verified. No secret ever stands here.
#pragma once

#include "base/clock.h"
#include "net/endpoint.h"

#include <deque>
#include <map>
#include <string>

namespace redoubt::devcloud {

struct Event {
    UnixMs time = 0;
    std::string name, request_id;
    // Empty: null.
    std::string principal, key_arn, module_id, pcr0, pcr16, error_code;
    std::map<std::string, std::string> encryption_context;
};

class EventLog {
  public:
    // Keeps the newest kRemembered lines of an existing file for recent(). A line that a crash cut short is
    // left out, and ended, so that the next one stands by itself. Error: Io.
    static Result<EventLog> open(const std::string& path);
    // One write(2); a failure to write is logged and does not fail the call that it tells of.
    void append(const Event& event);
    // The newest `limit` events, oldest first, as a JSON array.
    std::string recent(std::size_t limit) const;

    static constexpr std::size_t kRemembered = 1'000;

  private:
    explicit EventLog(net::Fd file) : file_(std::move(file)) {}
    net::Fd file_;
    bool torn_ = false; // the file's last line has no end
    std::deque<std::string> lines_;
};

} // namespace redoubt::devcloud
