// SPDX-License-Identifier: Apache-2.0
// One line of JSON per event on stderr, for the host-side programs and the enclave's console. Field values
// are the caller's: never a secret, a request body or a signed transaction. Thread-safe (one write(2) a
// line).
#pragma once

#include <functional>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace redoubt::json {
class Writer;
}

namespace redoubt {

enum class LogLevel { Debug, Info, Warning, Error };

void set_log_level(LogLevel lowest) noexcept;
void set_log_program(std::string_view name); // "gateway": the line's "program"; call before threads start

using LogField = std::pair<std::string_view, std::string_view>;
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
// For lines whose fields are numbers, or not always there: `more` adds members.
void log_json(LogLevel level, std::string_view event, const std::function<void(json::Writer&)>& more);

} // namespace redoubt
