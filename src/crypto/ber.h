// SPDX-License-Identifier: Apache-2.0
// The little of BER (X.690) that KMS's blobs need, over a Cursor: one-byte tags, shortest definite lengths
// (section 10.1), and the indefinite form where the caller asks for it (section 8.1.3.6). Anything else makes
// the cursor fail, so a parser asks it once.
#pragma once

#include "base/cursor.h"

namespace redoubt::crypto::ber {

inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;
inline constexpr std::uint8_t kContext0 = 0x80;            // [0], primitive
inline constexpr std::uint8_t kContext0Constructed = 0xa0; // [0], constructed

// Is this the next tag? Reads nothing.
bool next_is(const Cursor& in, std::uint8_t tag) noexcept;
// An element of definite length with this tag: its contents.
ByteView element(Cursor& in, std::uint8_t tag) noexcept;
// An element whose contents must be `size` bytes.
ByteView element(Cursor& in, std::uint8_t tag, std::size_t size) noexcept;
// Exactly these bytes.
void expect(Cursor& in, ByteView bytes) noexcept;
// The start of an element of indefinite length, and the end-of-contents octets that close it.
void open_indefinite(Cursor& in, std::uint8_t tag) noexcept;
void close_indefinite(Cursor& in) noexcept;

// Appends tag, shortest length and contents.
void append_element(Bytes& out, std::uint8_t tag, ByteView contents);

} // namespace redoubt::crypto::ber
