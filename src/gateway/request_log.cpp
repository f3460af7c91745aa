// SPDX-License-Identifier: Apache-2.0
#include "gateway/request_log.h"

#include "base/clock.h"
#include "base/json.h"
#include "gateway/metrics.h"
#include "gateway/routes.h"
#include "gateway/trace_context.h"

#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxKey = 64; // of a path: longer than any key's name

LogLevel level_of(int status) noexcept {
    return status >= 500 ? LogLevel::Warning : LogLevel::Info;
}

} // namespace

RequestLog::RequestLog(bool all, Line line, std::function<std::int64_t()> now_ms)
    : all_(all), line_(line ? std::move(line) : Line(log_json)),
      now_ms_(now_ms ? std::move(now_ms) : std::function<std::int64_t()>(monotonic_ms)) {}

Front::Watch RequestLog::watch() {
    return [this](const net::HttpRequest& request, const Call& call, const net::HttpResponse& response,
                  std::int64_t elapsed_us) { take(request, call, response, elapsed_us); };
}

bool RequestLog::wanted(int status) {
    if (all_)
        return true;
    if (status < 400)
        return false;
    const std::int64_t now = now_ms_();
    if (now - second_began_ >= 1'000) {
        second_began_ = now;
        failures_ = refusals_ = 0;
        if (const auto left_out = std::exchange(left_out_, 0); left_out > 0)
            line_(LogLevel::Warning, "requests that have no line of their own",
                  [&](json::Writer& writer) { writer.member("count", left_out); });
    }
    const bool fits = status >= 500 ? ++failures_ <= kFailuresASecond : ++refusals_ <= kRefusalsASecond;
    left_out_ += fits ? 0 : 1;
    return fits;
}

void RequestLog::take(const net::HttpRequest& request, const Call& call, const net::HttpResponse& response,
                      std::int64_t elapsed_us) {
    if (!wanted(response.status))
        return;
    line_(level_of(response.status), "request", [&](json::Writer& writer) {
        writer.member("request_id", call.request_id);
        if (const auto trace = parse_trace_parent(call.trace_parent))
            writer.member("trace_id", trace->trace_id).member("span_id", trace->parent_id);
        if (!call.caller.name.empty())
            writer.member("client", call.caller.name);
        writer.member("method", request.method.size() <= 32 ? std::string_view(request.method) : "other")
            .member("route", call.route != nullptr ? route_name(call.route) : route_name(request));
        if (const auto key = key_of_path(request.path); !key.empty() && key.size() <= kMaxKey)
            writer.member("key", key);
        writer.member("status", static_cast<std::uint64_t>(response.status));
        if (const auto code = code_in(response); !code.empty())
            writer.member("code", code);
        if (const auto enclave = response.header("redoubt-enclave"); !enclave.empty())
            writer.member("enclave", enclave);
        writer.member("ms", static_cast<std::uint64_t>(elapsed_us / 1000));
    });
}

} // namespace redoubt::gateway
