// SPDX-License-Identifier: Apache-2.0
// Recursive Length Prefix (yellow paper, appendix B), read strictly: every value has one accepted encoding.
// Refused are lengths that a shorter form could say, a prefix before a single byte below 0x80, integers with
// leading zeros, and nesting deeper than the reader was made for.
#pragma once

#include "base/cursor.h"
#include "ethereum/uint256.h"

namespace redoubt::ethereum::rlp {

inline constexpr std::size_t kMaxDepth = 16; // lists around an item; transactions need 4

// Reads the items of one list's content (or the outermost item). As with Cursor, a failed read returns zero
// or nothing and makes every later one fail, so a structure may be read whole and finished() asked once. A
// list has its own reader: ask that for finished(), too.
class Reader {
  public:
    explicit Reader(ByteView bytes, std::size_t depth = kMaxDepth) noexcept : in_(bytes), depth_(depth) {}

    // Is there a next item, and is it a list?
    bool next_is_list() const noexcept { return !in_.empty() && in_.rest()[0] >= 0xc0; }

    ByteView string() noexcept; // views the input
    Reader list() noexcept;
    // Minimal big-endian; zero is the empty string.
    std::uint64_t u64() noexcept;
    Uint256 u256() noexcept;
    template<std::size_t N>
    ByteArray<N> array() noexcept {
        const auto out = to_array<N>(string());
        if (!out)
            fail();
        return out.value_or(ByteArray<N>{});
    }

    void fail() noexcept { in_.fail(); }
    bool ok() const noexcept { return in_.ok(); }
    bool empty() const noexcept { return in_.empty(); }
    bool finished() const noexcept { return in_.finished(); }

  private:
    ByteView payload(bool list) noexcept;
    ByteView integer(std::size_t most) noexcept;

    Cursor in_;
    std::size_t depth_;
};

// Bytes of a list in all, its prefix included, when its content has `payload` bytes.
std::size_t size_of_list(std::size_t payload) noexcept;

// Writer and Sizer take the same calls, so that one function template can first measure and then write into a
// buffer of the right size. list() announces a list; the calls for its content follow.
class Writer {
  public:
    explicit Writer(Bytes& out) noexcept : out_(out) {}

    void string(ByteView bytes);
    void integer(ByteView big_endian); // of any length; leading zeros are left out
    void integer(std::uint64_t value);
    void integer(const Uint256& value);
    void list(std::size_t payload) { prefix(0xc0, payload); }

  private:
    void prefix(std::uint8_t base, std::size_t size);
    Bytes& out_;
};

class Sizer {
  public:
    void string(ByteView bytes) noexcept;
    void integer(ByteView big_endian) noexcept;
    void integer(std::uint64_t value) noexcept;
    void integer(const Uint256& value) noexcept;
    void list(std::size_t payload) noexcept { size_ += size_of_list(payload) - payload; }

    std::size_t size() const noexcept { return size_; }

  private:
    std::size_t size_ = 0;
};

} // namespace redoubt::ethereum::rlp
