// SPDX-License-Identifier: Apache-2.0
#include "policy/pattern.h"

namespace redoubt::policy {

namespace {

using Class = std::array<bool, 256>;

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::InvalidField, text);
}

// The elements of a pattern, one after the other.
class Elements {
  public:
    explicit Elements(std::string_view text) noexcept : text_(text) {}
    bool at_end() const noexcept { return at_ == text_.size(); }
    // Of a character that is several bytes, the last one alone would be repeated.
    bool repeatable() const noexcept { return at_end() || static_cast<std::uint8_t>(text_[at_]) < 0x80; }

    Status take(Class& accepts) {
        const char c = text_[at_++];
        if (c == '*' || c == '+' || c == '?')
            return invalid("a pattern's * + ? stand behind one element each: write \\* for the character");
        if (c == ']')
            return invalid("a pattern's ] closes nothing: write \\] for the character");
        if (c == '[')
            return take_class(accepts);
        if (c == '.') {
            accepts.fill(true);
            accepts['\n'] = false;
            return {};
        }
        if (c == '\\') {
            REDOUBT_TRY(const char escaped, escape());
            accepts[static_cast<std::uint8_t>(escaped)] = true;
            return {};
        }
        accepts[static_cast<std::uint8_t>(c)] = true;
        return {};
    }

    char repetition() noexcept { // *, + or ?, or 0
        const char c = at_end() ? '\0' : text_[at_];
        if (c != '*' && c != '+' && c != '?')
            return '\0';
        ++at_;
        return c;
    }

  private:
    Result<char> escape() {
        const char c = at_end() ? '\0' : text_[at_++];
        if (c == '\0' || std::string_view("\\.*+?[]").find(c) == std::string_view::npos)
            return invalid("a pattern's \\ stands before one of \\ . * + ? [ ] only");
        return c;
    }

    Result<char> class_byte() {
        if (at_end())
            return invalid("a pattern's [ is not closed: write \\[ for the character");
        const char c = text_[at_++];
        if (c == '\\')
            return escape();
        if (c == '[' || static_cast<std::uint8_t>(c) >= 0x80)
            return invalid(
                "inside a pattern's [ ] stand ASCII characters and ranges of them; [ is written \\[");
        return c;
    }

    // A ^ that is not the first, and a - that is the first or the last, mean themselves.
    Status take_class(Class& accepts) {
        const bool others = !at_end() && text_[at_] == '^';
        if (others)
            ++at_;
        Class listed{};
        bool any = false;
        while (at_end() || text_[at_] != ']') {
            REDOUBT_TRY(const char first, class_byte());
            char last = first;
            if (text_.substr(at_).starts_with('-') && !text_.substr(at_).starts_with("-]")) {
                ++at_;
                REDOUBT_TRY(last, class_byte());
            }
            if (first > last)
                return invalid("a pattern's range goes from the lower to the higher character");
            for (auto byte = static_cast<std::uint8_t>(first); byte <= static_cast<std::uint8_t>(last);
                 ++byte)
                listed[byte] = true;
            any = true;
        }
        ++at_;
        if (!any)
            return invalid("a pattern's [ ] must list at least one character");
        for (std::size_t byte = 0; byte < listed.size(); ++byte)
            accepts[byte] = listed[byte] != others;
        return {};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
    if (text.size() > kMaxText)
        return invalid("a pattern has at most 512 bytes");
    Pattern out;
    Elements elements(text);
    while (!elements.at_end()) {
        if (out.size_ == kMaxElements)
            return invalid("a pattern has at most 64 elements");
        const std::uint64_t bit = std::uint64_t{1} << out.size_++;
        Class accepts{};
        const bool repeatable = elements.repeatable();
        REDOUBT_CHECK(elements.take(accepts));
        for (std::size_t byte = 0; byte < accepts.size(); ++byte)
            out.accepts_[byte] |= accepts[byte] ? bit : 0;
        const char repetition = elements.repetition();
        if (repetition != '\0' && !repeatable)
            return invalid("a pattern's * + ? stand behind ASCII characters, [ ] and . only");
        out.repeats_ |= repetition == '*' || repetition == '+' ? bit : 0;
        out.optional_ |= repetition == '*' || repetition == '?' ? bit : 0;
    }
    return out;
}

// Position i is "the elements before i are done". A set of positions is a word; position 64, the end of a
// pattern of 64 elements, does not fit and is `done`.
bool Pattern::matches(std::string_view value) const noexcept {
    const auto bit = [](std::size_t i) { return i < 64 ? std::uint64_t{1} << i : 0; };
    bool done = size_ == 0;
    std::uint64_t at = bit(0);
    // Skips optional elements: in the sum of a row of ones and a one in it, the carry runs to the row's end.
    const auto skip = [&](std::uint64_t positions, bool& end) {
        const std::uint64_t in_rows = positions & optional_, sum = optional_ + in_rows;
        end = end || sum < in_rows;
        return positions | (sum ^ optional_);
    };
    at = skip(at, done);
    for (const char c : value) {
        const std::uint64_t taken = at & accepts_[static_cast<std::uint8_t>(c)];
        done = size_ == 64 && (taken >> 63) != 0;
        at = (taken << 1) | (taken & repeats_);
        at = skip(at, done);
        if (at == 0 && !done)
            return false;
    }
    return done || (size_ < 64 && (at & bit(size_)) != 0);
}

} // namespace redoubt::policy
