// SPDX-License-Identifier: Apache-2.0
// Structured fields (RFC 8941) as far as signature headers need them, and in one form only: the one that the
// RFC's section 4.1 writes. What a sender wrote and what a verifier would write of it are then the same
// bytes, so that a signature over one is a signature over the other. No optional space, no leading zero, no
// backslash in a string (nothing here needs one).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace redoubt::policy {

// Reads from the front. What is not there as asked is nullopt or false, and the reader is of no more use.
// Views point into the text.
class FieldReader {
  public:
    explicit FieldReader(std::string_view text) noexcept : rest_(text) {}

    bool finished() const noexcept { return rest_.empty(); }
    std::string_view rest() const noexcept { return rest_; }
    bool take(char c) noexcept;                // that character, or nothing is taken
    bool take(std::string_view text) noexcept; // the same of a text
    bool next_is(char c) const noexcept { return rest_.starts_with(c); }

    std::optional<std::string_view> key() noexcept;           // of a dictionary or a parameter
    std::optional<std::string_view> string() noexcept;        // printable ASCII; without the quotes
    std::optional<std::int64_t> integer() noexcept;           // at most 15 digits
    std::optional<std::string_view> byte_sequence() noexcept; // the text between the colons, not yet decoded
    // Parameters as components have them: any number of ;key (which is true) and ;key="string".
    bool skip_parameters() noexcept;

  private:
    std::string_view take_first(std::size_t n) noexcept;
    std::string_view rest_;
};

// Without the spaces and tabs that HTTP lets stand around a field's value.
std::string_view trimmed_field(std::string_view value) noexcept;

} // namespace redoubt::policy
