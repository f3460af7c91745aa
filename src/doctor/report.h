// SPDX-License-Identifier: Apache-2.0
// What the doctor found, one finding a check: what is so, and what to change where it should not be so.
// Sentences hold names, numbers, ARNs, error codes and the beginnings of measurements; never a credential.
#pragma once

#include "base/bytes.h"

#include <functional>
#include <string>
#include <vector>

namespace redoubt::doctor {

enum class Level { Ok, Warn, Fail, Skipped };
std::string_view level_name(Level level) noexcept; // "ok", "warn", "fail", "skipped"

struct Finding {
    Level level = Level::Ok;
    std::string check;    // stable name: "kms-policy"
    std::string subject;  // what was looked at where a check runs more than once: a key's ARN, a host
    std::string sentence; // one line
    std::string change;   // what to do; empty when all is well
};

class Report {
  public:
    // `found` gets each finding as it comes, `progress` what is being waited for. Either may be empty.
    explicit Report(std::function<void(const Finding&)> found = {},
                    std::function<void(const std::string&)> progress = {})
        : found_(std::move(found)), progress_(std::move(progress)) {}

    void add(Finding finding);
    void ok(std::string check, std::string subject, std::string sentence);
    void warn(std::string check, std::string subject, std::string sentence, std::string change);
    void fail(std::string check, std::string subject, std::string sentence, std::string change);
    void skipped(std::string check, std::string subject, std::string sentence);
    void waiting(const std::string& what) const;

    const std::vector<Finding>& findings() const noexcept { return findings_; }
    bool fine() const noexcept; // nothing fails

  private:
    std::vector<Finding> findings_;
    std::function<void(const Finding&)> found_;
    std::function<void(const std::string&)> progress_;
};

// "ok       kms-policy  sentence" and, where there is one, the change on a second line.
std::string text_line(const Finding& finding);
// {"ok":true,"checks":[{"check","subject","status","sentence","change"}…]}
std::string json_report(const Report& report);

// The first 16 hex digits and "…": enough to tell measurements apart.
std::string short_hex(ByteView bytes);
std::string short_hex(std::string_view hex);
// Printable ASCII of at most 300 characters, for what another program or service said.
std::string printable(std::string_view text);

} // namespace redoubt::doctor
