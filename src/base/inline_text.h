// SPDX-License-Identifier: Apache-2.0
// A short text that is where its owner is: copying it allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace redoubt {

// Of at most N characters; what is assigned beyond is cut off, so whoever assigns has looked at the length.
template<std::size_t N>
class InlineText {
  public:
    static_assert(N <= UINT8_MAX);

    constexpr InlineText() = default;
    constexpr InlineText(std::string_view text) noexcept
        : size_(static_cast<std::uint8_t>(std::min(text.size(), N))) {
        std::copy_n(text.begin(), size_, text_.begin());
    }
    constexpr InlineText(const char* text) noexcept : InlineText(std::string_view(text)) {}
    InlineText(const std::string& text) noexcept : InlineText(std::string_view(text)) {}

    constexpr operator std::string_view() const noexcept { return {text_.data(), size_}; }
    constexpr std::string_view view() const noexcept { return *this; }
    std::string str() const { return std::string(view()); }
    constexpr bool empty() const noexcept { return size_ == 0; }
    friend constexpr bool operator==(const InlineText& a, std::string_view b) noexcept {
        return a.view() == b;
    }

  private:
    std::array<char, N> text_; // from size_ on: nothing
    std::uint8_t size_ = 0;
};

} // namespace redoubt
