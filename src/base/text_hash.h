// SPDX-License-Identifier: Apache-2.0
// For maps by std::string that are asked with views: std::unordered_map<std::string, T, TextHash,
// std::equal_to<>>. Not for texts that a client chooses.
#pragma once

#include <functional>
#include <string_view>

namespace redoubt {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>()(text);
    }
};

} // namespace redoubt
