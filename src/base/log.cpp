// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"

#include <atomic>
#include <cerrno>
#include <string>
#include <unistd.h>

namespace redoubt {

namespace {
std::atomic<LogLevel> lowest_level{LogLevel::Info};
std::string& program_name() {
    static std::string* const name = new std::string("redoubt");
    return *name;
}
constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
} // namespace

void set_log_level(LogLevel lowest) noexcept {
    lowest_level = lowest;
}

void set_log_program(std::string_view name) {
    program_name() = name;
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    log_json(level, event, [&](json::Writer& writer) {
        for (const auto& [name, value] : fields)
            writer.member(name, value);
    });
}

void log_json(LogLevel level, std::string_view event, const std::function<void(json::Writer&)>& more) {
    if (level < lowest_level.load(std::memory_order_relaxed))
        return;
    std::string line;
    json::Writer writer(line);
    writer.begin_object()
        .member("time", to_iso8601(system_time_ms()))
        .member("level", kNames[static_cast<int>(level)])
        .member("program", program_name())
        .member("event", event);
    more(writer);
    writer.end_object();
    line.push_back('\n');
    for (std::string_view rest = line; !rest.empty();) {
        const ssize_t written = write(STDERR_FILENO, rest.data(), rest.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; // nowhere to report a log that cannot be written
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

} // namespace redoubt
