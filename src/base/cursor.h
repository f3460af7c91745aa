// SPDX-License-Identifier: Apache-2.0
// The one bounds-checked reader that every binary parser uses, and its writing counterpart. Integers are
// big-endian. A read past the end fails, returns zero or an empty view, and makes every later read fail too,
// so a parser may read a whole structure and ask ok() once.
#pragma once

#include "base/bytes.h"

namespace redoubt {

class Cursor {
  public:
    explicit Cursor(ByteView bytes) noexcept : rest_(bytes) {}

    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(big_endian(1)); }
    std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(big_endian(2)); }
    std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(big_endian(4)); }
    std::uint64_t u64() noexcept { return big_endian(8); }

    // The next n bytes, viewing the input.
    ByteView take(std::size_t n) noexcept {
        if (n > rest_.size()) {
            fail();
            return {};
        }
        const auto out = rest_.first(n);
        rest_ = rest_.subspan(n);
        return out;
    }

    // A length of 2 or 4 bytes, at most `limit`, and that many bytes.
    ByteView block16(std::size_t limit = 0xffff) noexcept { return limited(u16(), limit); }
    ByteView block32(std::size_t limit) noexcept { return limited(u32(), limit); }

    template<std::size_t N>
    ByteArray<N> array() noexcept {
        ByteArray<N> out{};
        const auto view = take(N);
        for (std::size_t i = 0; i < view.size(); ++i)
            out[i] = view[i];
        return out;
    }

    void fail() noexcept {
        ok_ = false;
        rest_ = {};
    }
    bool ok() const noexcept { return ok_; }
    // All read, and nothing was short.
    bool finished() const noexcept { return ok_ && rest_.empty(); }
    bool empty() const noexcept { return rest_.empty(); }
    ByteView rest() const noexcept { return rest_; }

  private:
    std::uint64_t big_endian(std::size_t n) noexcept {
        std::uint64_t v = 0;
        for (auto byte : take(n))
            v = v << 8 | byte;
        return v;
    }
    ByteView limited(std::size_t n, std::size_t limit) noexcept {
        if (n > limit) {
            fail();
            return {};
        }
        return take(n);
    }

    ByteView rest_;
    bool ok_ = true;
};

// Appends to a byte string that the caller owns.
class Writer {
  public:
    explicit Writer(Bytes& out) noexcept : out_(out) {}

    Writer& u8(std::uint8_t v) { return big_endian(v, 1); }
    Writer& u16(std::uint16_t v) { return big_endian(v, 2); }
    Writer& u32(std::uint32_t v) { return big_endian(v, 4); }
    Writer& u64(std::uint64_t v) { return big_endian(v, 8); }
    Writer& bytes(ByteView view) {
        append(out_, view);
        return *this;
    }
    // The caller has bounded the length; a longer view is a programming error and is cut by the reader's
    // limits.
    Writer& block16(ByteView view) { return u16(static_cast<std::uint16_t>(view.size())).bytes(view); }
    Writer& block32(ByteView view) { return u32(static_cast<std::uint32_t>(view.size())).bytes(view); }

  private:
    Writer& big_endian(std::uint64_t v, int n) {
        for (int i = n - 1; i >= 0; --i)
            out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
        return *this;
    }

    Bytes& out_;
};

} // namespace redoubt
