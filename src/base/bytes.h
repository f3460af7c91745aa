// SPDX-License-Identifier: Apache-2.0
// Byte strings and their text forms. Everything here is a pure function; nothing throws on input.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
template<std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;
using Hash32 = ByteArray<32>;

// The bytes of a text, and a text of bytes; both view the argument's memory.
inline ByteView as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Bytes to_bytes(ByteView view);
Bytes to_bytes(std::string_view text);

// Lower-case hexadecimal without a prefix, and with "0x".
std::string to_hex(ByteView bytes);
std::string to_hex0x(ByteView bytes);
// Adds the digits alone.
void append_hex(std::string& out, ByteView bytes);
void write_hex(ByteView bytes, char* out) noexcept; // `out` has room for 2 * bytes.size()

// Strict: an even number of digits, either case, no prefix, no space; anything else is nullopt. `from_hex0x`
// demands a lower-case "0x". The empty string (or bare "0x") is the empty byte string.
std::optional<Bytes> from_hex(std::string_view text);
std::optional<Bytes> from_hex0x(std::string_view text);
// As from_hex, and exactly out.size() bytes long. Constant-time in the digits: fit for secrets. Where it says
// false, `out` is of no use.
bool from_hex_exact(std::string_view text, std::span<std::uint8_t> out) noexcept;

// RFC 4648 section 4 with padding. Decoding refuses white space, missing padding and non-zero trailing bits,
// so that a byte string has one text form only.
std::string to_base64(ByteView bytes);
void append_base64(std::string& out, ByteView bytes);
std::optional<Bytes> from_base64(std::string_view text);
// How many bytes from_base64() would give of a text of this form; nullopt: its length is none of base64's.
std::optional<std::size_t> size_of_base64(std::string_view text) noexcept;
// As from_base64, and exactly out.size() bytes long. Where it says false, `out` is of no use.
bool from_base64_exact(std::string_view text, std::span<std::uint8_t> out) noexcept;

// Constant-time in the contents; lengths and the answer are public.
bool equal_constant_time(ByteView a, ByteView b) noexcept;

void append(Bytes& out, ByteView bytes);

template<std::size_t N>
std::optional<ByteArray<N>> to_array(ByteView bytes) noexcept {
    if (bytes.size() != N)
        return std::nullopt;
    ByteArray<N> out;
    for (std::size_t i = 0; i < N; ++i)
        out[i] = bytes[i];
    return out;
}

} // namespace redoubt
