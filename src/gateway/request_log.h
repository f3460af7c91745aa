// SPDX-License-Identifier: Apache-2.0
// A line of JSON for a request, among the gateway's other lines (base/log.h): ids, client, route, key,
// status, code and time, and never a body, a signature, a token or a query. Loop thread only.
//
// Without `all`, as clients must not be able to fill the log: failures (5xx) at most kFailuresASecond, other
// refusals at most kRefusalsASecond; what was left out is said by a line of its own. With it every request
// has its line.
#pragma once

#include "base/log.h"
#include "gateway/front.h"

#include <functional>
#include <string>

namespace redoubt::gateway {

class RequestLog {
  public:
    // `line`: where lines go; empty: the program's log. `now_ms`: monotonic; empty: the machine's.
    using Line = std::function<void(LogLevel level, std::string_view event,
                                    const std::function<void(json::Writer&)>& more)>;
    explicit RequestLog(bool all, Line line = {}, std::function<std::int64_t()> now_ms = {});

    Front::Watch watch();

    static constexpr int kFailuresASecond = 20, kRefusalsASecond = 5;

  private:
    void take(const net::HttpRequest& request, const Call& call, const net::HttpResponse& response,
              std::int64_t elapsed_us);
    bool wanted(int status);

    bool all_;
    Line line_;
    std::function<std::int64_t()> now_ms_;
    std::int64_t second_began_ = 0;
    int failures_ = 0, refusals_ = 0; // in this second
    std::uint64_t left_out_ = 0;      // since the last line that said so
};

} // namespace redoubt::gateway
