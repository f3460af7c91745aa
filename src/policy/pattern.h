// SPDX-License-Identifier: Apache-2.0
// Patterns over bytes that take time linear in the value: what a condition's `matches` means. Elements are a
// literal, `\x` for one of \ . * + ? [ ], `.` for any byte but a line feed, and `[a-z0-9_]` or `[^…]`
// (ASCII; a `-` that is the first or the last, and a `^` that is not the first, mean themselves). `*`, `+` or
// `?` may follow each, unless it is a byte of a character outside ASCII. No groups, no alternatives, no
// backtracking: at most 64 elements, whose set of positions is one machine word. The whole value must match.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace redoubt::policy {

class Pattern {
  public:
    static constexpr std::size_t kMaxElements = 64, kMaxText = 512; // characters of the pattern
    static Result<Pattern> parse(std::string_view text);            // Error: InvalidField
    bool matches(std::string_view value) const noexcept;

  private:
    std::array<std::uint64_t, 256> accepts_{}; // for each byte the elements that take it
    std::uint64_t repeats_ = 0, optional_ = 0; // elements with * or +; with * or ?
    std::size_t size_ = 0;
};

} // namespace redoubt::policy
