// SPDX-License-Identifier: Apache-2.0
#include "nitro/cbor.h"

#include "base/utf8.h"

namespace redoubt::nitro::cbor {

namespace {

constexpr int kMaxDepth = 8;
constexpr std::uint8_t kFalse = 0xf4, kTrue = 0xf5, kNull = 0xf6, kBreak = 0xff;
constexpr std::uint8_t kIndefiniteMap = 0xbf;
constexpr std::uint64_t kInt64Max = 0x7fff'ffff'ffff'ffff;

std::uint8_t first_byte(const Cursor& cursor) noexcept {
    return cursor.empty() ? std::uint8_t{0} : cursor.rest()[0];
}

bool skip_item(Reader& in, int depth) noexcept {
    if (depth == 0)
        return false;
    const auto major = in.peek();
    if (!major)
        return false;
    std::size_t items = 0;
    switch (*major) {
    case Major::Unsigned:
    case Major::Negative:
        // i64 holds less than CBOR's integers do; what it can't say, nothing here understands.
        return *major == Major::Unsigned ? in.u64().has_value() : in.i64().has_value();
    case Major::Bytes:
        return in.bytes().has_value();
    case Major::Text:
        return in.text().has_value();
    case Major::Simple:
        return in.next_is_null() ? in.null() : in.boolean().has_value();
    case Major::Tag:
        return in.tag() && skip_item(in, depth - 1);
    case Major::Array: {
        const auto size = in.array();
        if (!size)
            return false;
        items = *size;
        break;
    }
    case Major::Map: {
        const auto head = in.map();
        if (!head)
            return false;
        items = 2 * head->size; // at most the bytes that are left
        break;
    }
    }
    for (; items > 0; --items) {
        if (!skip_item(in, depth - 1))
            return false;
    }
    return true;
}

} // namespace

std::optional<Major> Reader::peek() const noexcept {
    if (cursor_.empty())
        return std::nullopt;
    return static_cast<Major>(first_byte(cursor_) >> 5);
}

bool Reader::next_is_null() const noexcept {
    return first_byte(cursor_) == kNull;
}

// RFC 8949, section 3: three bits of major type, five of argument; 24…27 announce 1, 2, 4 or 8 bytes of it.
std::optional<std::uint64_t> Reader::head(Major wanted) noexcept {
    const std::uint8_t initial = cursor_.u8();
    const std::uint8_t additional = initial & 0x1f;
    std::uint64_t value = additional, smallest = 0;
    switch (additional) {
    case 24:
        value = cursor_.u8();
        smallest = 24;
        break;
    case 25:
        value = cursor_.u16();
        smallest = 0x100;
        break;
    case 26:
        value = cursor_.u32();
        smallest = 0x1'0000;
        break;
    case 27:
        value = cursor_.u64();
        smallest = 0x1'0000'0000;
        break;
    default:
        break;
    }
    if (additional > 27 || value < smallest || static_cast<Major>(initial >> 5) != wanted)
        cursor_.fail();
    if (!cursor_.ok())
        return std::nullopt;
    return value;
}

bool Reader::null() noexcept {
    if (cursor_.u8() != kNull)
        cursor_.fail();
    return cursor_.ok();
}

std::optional<bool> Reader::boolean() noexcept {
    const std::uint8_t byte = cursor_.u8();
    if (byte != kFalse && byte != kTrue)
        cursor_.fail();
    if (!cursor_.ok())
        return std::nullopt;
    return byte == kTrue;
}

std::optional<std::uint64_t> Reader::u64() noexcept {
    return head(Major::Unsigned);
}

std::optional<std::int64_t> Reader::i64() noexcept {
    const bool negative = peek() == Major::Negative;
    const auto value = head(negative ? Major::Negative : Major::Unsigned);
    if (!value)
        return std::nullopt;
    if (*value > kInt64Max) {
        cursor_.fail();
        return std::nullopt;
    }
    const auto magnitude = static_cast<std::int64_t>(*value);
    return negative ? -1 - magnitude : magnitude;
}

std::optional<ByteView> Reader::bytes() noexcept {
    const auto size = head(Major::Bytes);
    if (!size)
        return std::nullopt;
    const ByteView view = cursor_.take(*size);
    if (!cursor_.ok())
        return std::nullopt;
    return view;
}

std::optional<std::string_view> Reader::text() noexcept {
    const auto size = head(Major::Text);
    if (!size)
        return std::nullopt;
    const ByteView view = cursor_.take(*size);
    if (!is_utf8(as_text(view)))
        cursor_.fail();
    if (!cursor_.ok())
        return std::nullopt;
    return as_text(view);
}

std::optional<std::size_t> Reader::array() noexcept {
    const auto size = head(Major::Array);
    if (size && *size > cursor_.rest().size()) // an item is at least one byte
        cursor_.fail();
    if (!cursor_.ok())
        return std::nullopt;
    return size;
}

std::optional<Reader::MapHead> Reader::map(bool allow_indefinite) noexcept {
    if (allow_indefinite && first_byte(cursor_) == kIndefiniteMap) {
        (void)cursor_.u8();
        return MapHead{true, 0};
    }
    const auto size = head(Major::Map);
    if (size && *size > cursor_.rest().size() / 2)
        cursor_.fail();
    if (!cursor_.ok())
        return std::nullopt;
    return MapHead{false, *size};
}

bool Reader::at_break() noexcept {
    if (first_byte(cursor_) != kBreak)
        return false;
    (void)cursor_.u8();
    return true;
}

std::optional<std::uint64_t> Reader::tag() noexcept {
    return head(Major::Tag);
}

bool Reader::skip() noexcept {
    if (!skip_item(*this, kMaxDepth))
        cursor_.fail();
    return cursor_.ok();
}

Writer& Writer::head(Major major, std::uint64_t value) {
    const auto initial = [&](std::uint8_t additional) {
        return static_cast<std::uint8_t>(static_cast<std::uint8_t>(major) << 5 | additional);
    };
    redoubt::Writer out(out_);
    if (value < 24)
        out.u8(initial(static_cast<std::uint8_t>(value)));
    else if (value < 0x100)
        out.u8(initial(24)).u8(static_cast<std::uint8_t>(value));
    else if (value < 0x1'0000)
        out.u8(initial(25)).u16(static_cast<std::uint16_t>(value));
    else if (value < 0x1'0000'0000)
        out.u8(initial(26)).u32(static_cast<std::uint32_t>(value));
    else
        out.u8(initial(27)).u64(value);
    return *this;
}

Writer& Writer::u64(std::uint64_t value) {
    return head(Major::Unsigned, value);
}

Writer& Writer::negative(std::int64_t value) {
    return head(Major::Negative, static_cast<std::uint64_t>(-1 - value));
}

Writer& Writer::bytes(ByteView value) {
    head(Major::Bytes, value.size());
    append(out_, value);
    return *this;
}

Writer& Writer::text(std::string_view value) {
    head(Major::Text, value.size());
    append(out_, as_bytes(value));
    return *this;
}

Writer& Writer::array(std::size_t size) {
    return head(Major::Array, size);
}

Writer& Writer::map(std::size_t pairs) {
    return head(Major::Map, pairs);
}

Writer& Writer::map_indefinite() {
    out_.push_back(kIndefiniteMap);
    return *this;
}

Writer& Writer::end() {
    out_.push_back(kBreak);
    return *this;
}

Writer& Writer::tag(std::uint64_t value) {
    return head(Major::Tag, value);
}

Writer& Writer::null() {
    out_.push_back(kNull);
    return *this;
}

Writer& Writer::boolean(bool value) {
    out_.push_back(value ? kTrue : kFalse);
    return *this;
}

Writer& Writer::raw(ByteView encoded) {
    append(out_, encoded);
    return *this;
}

} // namespace redoubt::nitro::cbor
