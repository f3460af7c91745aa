// SPDX-License-Identifier: Apache-2.0
// IAM's wildcards: '*' for any run of characters, '?' for exactly one. No other character is special, but the
// two that stand for a literal '*' and '?' in a pattern (policy_variables.h writes them; a policy cannot).
#pragma once

#include <string_view>

namespace redoubt::devcloud {

inline constexpr char kLiteralStar = '\x01';
inline constexpr char kLiteralQuestion = '\x02';

// At most |pattern| × |text| steps.
bool matches_pattern(std::string_view pattern, std::string_view text) noexcept;
// ASCII letters without regard to case.
bool matches_pattern_ignoring_case(std::string_view pattern, std::string_view text) noexcept;
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

} // namespace redoubt::devcloud
