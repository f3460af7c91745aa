// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <array>

namespace redoubt {

namespace {

struct Entry {
    std::string_view name;
    int status;
};

constexpr std::array kEntries{
#define REDOUBT_CODE(name, text, status) Entry{text, status},
    REDOUBT_CODES(REDOUBT_CODE)
#undef REDOUBT_CODE
};

} // namespace

std::string_view code_name(Code code) noexcept {
    const auto index = static_cast<std::size_t>(code);
    return index < kEntries.size() ? kEntries[index].name : "internal";
}

int http_status(Code code) noexcept {
    const auto index = static_cast<std::size_t>(code);
    return index < kEntries.size() ? kEntries[index].status : 500;
}

std::optional<Code> code_from_name(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kEntries.size(); ++i)
        if (kEntries[i].name == name)
            return static_cast<Code>(i);
    return std::nullopt;
}

std::string Error::describe() const {
    std::string out(code_name(code));
    out += ": ";
    out += text.view();
    if (!context.empty()) {
        out += " (";
        out += context;
        out += ')';
    }
    return out;
}

} // namespace redoubt
