// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "base/declassify.h"

#include <array>
#include <bit>
#include <cstring>
#include <openssl/crypto.h>

namespace redoubt {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr char kBase64Digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// A digit's value, or a negative number. Without a branch or a look-up: private keys are written in
// hexadecimal, too.
int hex_value(char c) noexcept {
    const int digit = c - '0';
    const int letter = (c | 0x20) - 'a';
    // All ones where 0 ≤ x ≤ most, else zero: the sign of x | (most - x), spread.
    const auto within = [](int x, int most) { return ~((x | (most - x)) >> 31); };
    const int is_digit = within(digit, 9);
    const int is_letter = within(letter, 5);
    return (digit & is_digit) | ((letter + 10) & is_letter) | ~(is_digit | is_letter);
}

constexpr std::int8_t kNoDigit = -1;
constexpr auto kBase64Values = [] {
    std::array<std::int8_t, 256> out{};
    out.fill(kNoDigit);
    for (std::size_t i = 0; i < 64; ++i)
        out[static_cast<unsigned char>(kBase64Digits[i])] = static_cast<std::int8_t>(i);
    return out;
}();

// The 24 bits of four digits; negative where one is none.
std::int32_t read_four_digits(const char* text) noexcept {
    const auto value = [&](std::size_t i) -> std::int32_t {
        return kBase64Values[static_cast<unsigned char>(text[i])];
    };
    const std::int32_t a = value(0), b = value(1), c = value(2), d = value(3);
    return (a | b | c | d) < 0 ? kNoDigit : a << 18 | b << 12 | c << 6 | d;
}

// The four bytes that eight digits stand for; `bad` gets the top bit of each that is none. As
// hex_value(), without a branch or a look-up, and for all eight in one.
std::uint32_t read_eight_digits(const char* text, std::uint64_t& bad) noexcept {
    static_assert(std::endian::native == std::endian::little, "the first digit is the lowest byte");
    constexpr std::uint64_t kEach = 0x0101010101010101, kTop = 0x80 * kEach;
    // The top bit of each byte that is at least `least`; bytes from 0x80 on are none of these digits.
    constexpr auto from = [](std::uint64_t eight, std::uint64_t least) {
        return ((eight | kTop) - least * kEach) & kTop;
    };
    std::uint64_t x = 0;
    std::memcpy(&x, text, sizeof x);
    const std::uint64_t lower = x | 0x20 * kEach;
    const std::uint64_t digits = from(x, '0') & ~from(x, '9' + 1);
    const std::uint64_t letters = from(lower, 'a') & ~from(lower, 'f' + 1);
    bad |= ~((digits | letters) & ~x) & kTop;
    std::uint64_t v = (x & 0x0f * kEach) + 9 * (letters >> 7);
    v = (v << 4 | v >> 8) & 0x00ff00ff00ff00ff;
    v = (v | v >> 8) & 0x0000ffff0000ffff;
    return static_cast<std::uint32_t>(v | v >> 16);
}

} // namespace

Bytes to_bytes(ByteView view) {
    return Bytes(view.begin(), view.end());
}

Bytes to_bytes(std::string_view text) {
    return to_bytes(as_bytes(text));
}

// Sixteen bytes at a time, as vectors of whatever the processor has: a nibble gets '0' added, and what is
// between '9' and 'a' besides where it is more than nine. No branch, no look-up.
void write_hex(ByteView bytes, char* out) noexcept {
    typedef std::uint8_t Sixteen __attribute__((vector_size(16)));
    const auto digits = [](Sixteen nibbles) {
        return nibbles + '0' + ((nibbles > 9) & static_cast<std::uint8_t>('a' - '9' - 1));
    };
    std::size_t i = 0;
    for (; i + sizeof(Sixteen) <= bytes.size(); i += sizeof(Sixteen), out += 2 * sizeof(Sixteen)) {
        Sixteen x;
        std::memcpy(&x, bytes.data() + i, sizeof x);
        const Sixteen high = digits(x >> 4), low = digits(x & 15);
        const Sixteen first =
            __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const Sixteen second =
            __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        std::memcpy(out, &first, sizeof first);
        std::memcpy(out + sizeof first, &second, sizeof second);
    }
    for (; i < bytes.size(); ++i) {
        *out++ = kHexDigits[bytes[i] >> 4];
        *out++ = kHexDigits[bytes[i] & 15];
    }
}

std::string to_hex(ByteView bytes) {
    std::string out(bytes.size() * 2, '\0');
    write_hex(bytes, out.data());
    return out;
}

void append_hex(std::string& out, ByteView bytes) {
    const std::size_t before = out.size();
    out.resize(before + bytes.size() * 2);
    write_hex(bytes, out.data() + before);
}

std::string to_hex0x(ByteView bytes) {
    std::string out(2 + bytes.size() * 2, '0');
    out[1] = 'x';
    write_hex(bytes, out.data() + 2);
    return out;
}

bool from_hex_exact(std::string_view text, std::span<std::uint8_t> out) noexcept {
    if (text.size() != out.size() * 2)
        return false;
    std::uint64_t bad = 0;
    std::size_t i = 0;
    for (; i + 4 <= out.size(); i += 4) {
        const std::uint32_t four = read_eight_digits(text.data() + 2 * i, bad);
        std::memcpy(out.data() + i, &four, sizeof four);
    }
    int seen = 0; // negative when one digit was none
    for (; i < out.size(); ++i) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        seen |= high | low;
        out[i] = static_cast<std::uint8_t>((high & 15) << 4 | (low & 15));
    }
    return declassified((bad == 0) & (seen >= 0));
}

std::optional<Bytes> from_hex(std::string_view text) {
    if (text.size() % 2 != 0)
        return std::nullopt;
    Bytes out(text.size() / 2);
    if (!from_hex_exact(text, out))
        return std::nullopt;
    return out;
}

std::optional<Bytes> from_hex0x(std::string_view text) {
    if (!text.starts_with("0x"))
        return std::nullopt;
    return from_hex(text.substr(2));
}

std::string to_base64(ByteView bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

void append_base64(std::string& out, ByteView bytes) {
    const std::size_t before = out.size();
    out.resize(before + (bytes.size() + 2) / 3 * 4, '=');
    char* to = out.data() + before;
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3, to += 4) {
        const std::uint32_t v = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                static_cast<std::uint32_t>(bytes[i + 1]) << 8 | bytes[i + 2];
        to[0] = kBase64Digits[v >> 18];
        to[1] = kBase64Digits[v >> 12 & 63];
        to[2] = kBase64Digits[v >> 6 & 63];
        to[3] = kBase64Digits[v & 63];
    }
    if (i < bytes.size()) {
        const bool two = i + 2 == bytes.size();
        const std::uint32_t v = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                (two ? static_cast<std::uint32_t>(bytes[i + 1]) << 8 : 0);
        to[0] = kBase64Digits[v >> 18];
        to[1] = kBase64Digits[v >> 12 & 63];
        if (two)
            to[2] = kBase64Digits[v >> 6 & 63];
    }
}

namespace {

// Of a text of whole fours.
std::size_t padding_of(std::string_view text) noexcept {
    return !text.ends_with('=') ? 0 : text[text.size() - 2] == '=' ? 2 : 1;
}

} // namespace

std::optional<std::size_t> size_of_base64(std::string_view text) noexcept {
    if (text.size() % 4 != 0)
        return std::nullopt;
    return text.size() / 4 * 3 - padding_of(text);
}

std::optional<Bytes> from_base64(std::string_view text) {
    const auto size = size_of_base64(text);
    if (!size)
        return std::nullopt;
    Bytes out(*size);
    if (!from_base64_exact(text, out))
        return std::nullopt;
    return out;
}

bool from_base64_exact(std::string_view text, std::span<std::uint8_t> out) noexcept {
    if (size_of_base64(text) != out.size())
        return false;
    if (text.empty())
        return true;
    const std::size_t padding = padding_of(text);
    const char* from = text.data();
    std::uint8_t* to = out.data();
    for (std::size_t whole = out.size() / 3; whole > 0; --whole, from += 4, to += 3) {
        const std::int32_t v = read_four_digits(from);
        if (v < 0)
            return false;
        to[0] = static_cast<std::uint8_t>(v >> 16);
        to[1] = static_cast<std::uint8_t>(v >> 8);
        to[2] = static_cast<std::uint8_t>(v);
    }
    if (padding == 0)
        return true;
    // The bits beyond the last byte are zeros, so that bytes have one text.
    const char last[4] = {from[0], from[1], padding == 2 ? 'A' : from[2], 'A'};
    const std::int32_t v = read_four_digits(last);
    if (v < 0 || (v & (padding == 2 ? 0xffff : 0xff)) != 0)
        return false;
    to[0] = static_cast<std::uint8_t>(v >> 16);
    if (padding == 1)
        to[1] = static_cast<std::uint8_t>(v >> 8);
    return true;
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
    return a.size() == b.size() &&
           (a.empty() || declassified(CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0));
}

void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

} // namespace redoubt
