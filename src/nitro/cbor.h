// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949), the strict subset that NSM and COSE use: unsigned and negative integers, byte and text
// strings, arrays, maps, tags, null, booleans. The reader refuses non-shortest integers, indefinite strings
// and arrays, reserved values, floats, and depth over 8. Indefinite *maps* are accepted only where the caller
// asks: attestation payloads since 2025-07, and replies of the NSM.
#pragma once

#include "base/cursor.h"
#include "base/result.h"

namespace redoubt::nitro::cbor {

enum class Major : std::uint8_t { Unsigned, Negative, Bytes, Text, Array, Map, Tag, Simple };

// A pull reader. Each call reads one item head or leaf; on failure the reader is poisoned and ok() is false.
class Reader {
  public:
    explicit Reader(ByteView bytes) noexcept : cursor_(bytes) {}

    std::optional<Major> peek() const noexcept;
    bool next_is_null() const noexcept;
    bool null() noexcept; // consumes f6
    std::optional<bool> boolean() noexcept;
    std::optional<std::uint64_t> u64() noexcept;
    std::optional<std::int64_t> i64() noexcept; // either sign
    std::optional<ByteView> bytes() noexcept;
    std::optional<std::string_view> text() noexcept; // valid UTF-8
    std::optional<std::size_t> array() noexcept;     // its length; at most the bytes that are left
    struct MapHead {
        bool indefinite;
        std::size_t size; // pairs, for definite maps
    };
    std::optional<MapHead> map(bool allow_indefinite = false) noexcept;
    bool at_break() noexcept; // consumes ff when it is next
    std::optional<std::uint64_t> tag() noexcept;
    bool skip() noexcept; // one whole item, bounded in depth

    bool ok() const noexcept { return cursor_.ok(); }
    bool finished() const noexcept { return cursor_.finished(); }
    ByteView rest() const noexcept { return cursor_.rest(); }

  private:
    std::optional<std::uint64_t> head(Major wanted) noexcept;
    Cursor cursor_;
};

// Appends items; lengths shortest form. The caller keeps counts honest.
class Writer {
  public:
    explicit Writer(Bytes& out) noexcept : out_(out) {}
    Writer& u64(std::uint64_t value);
    Writer& negative(std::int64_t value); // value < 0
    Writer& bytes(ByteView value);
    Writer& text(std::string_view value);
    Writer& array(std::size_t size);
    Writer& map(std::size_t pairs);
    Writer& map_indefinite();
    Writer& end(); // break
    Writer& tag(std::uint64_t value);
    Writer& null();
    Writer& boolean(bool value);
    Writer& raw(ByteView encoded);

  private:
    Writer& head(Major major, std::uint64_t value);
    Bytes& out_;
};

} // namespace redoubt::nitro::cbor
