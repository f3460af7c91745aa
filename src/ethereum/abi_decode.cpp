// SPDX-License-Identifier: Apache-2.0
// Decoding never follows an offset. The canonical encoding puts the tails of a sequence behind its heads, in
// order and without gaps, so the decoder reads the bytes once from the first to the last and compares each
// offset with where it is.
#include "base/cursor.h"
#include "base/utf8.h"
#include "ethereum/abi_layout.h"

#include <algorithm>
#include <span>

namespace redoubt::ethereum::abi {

namespace {

constexpr std::size_t kWord = 32;
constexpr std::size_t kFunction = 24; // an address and a selector

Status malformed_end() {
    return fail(Code::InvalidField, "the calldata ends before its arguments do");
}

bool all_zero(ByteView bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// Is a word the two's complement, or the unsigned form, of an integer of so many bits?
bool fits(ByteView word, const Type& type) noexcept {
    const std::size_t unused = kWord - type.size / 8;
    const bool negative = type.kind == Kind::Int && (word[unused] & 0x80) != 0;
    const std::uint8_t filler = negative ? 0xff : 0;
    return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(unused),
                       [&](std::uint8_t byte) { return byte == filler; });
}

class Decoder {
  public:
    // `count` values, their heads first. A tuple has a layout for each of them, an array has one for all.
    Status sequence(std::span<const Layout> layouts, std::size_t count, std::uint64_t heads_size, Cursor& in,
                    std::vector<Value>& out) {
        const std::size_t start = in.rest().size();
        Cursor heads(in.take(heads_size));
        if (!in.ok())
            return malformed_end();
        if (count > values_left_)
            return fail(Code::TooLarge, "the calldata holds more than 8192 values");
        values_left_ -= count;
        out.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const Layout& layout = layouts[layouts.size() == 1 ? 0 : i];
            Value& value = out.emplace_back();
            value.type = layout.type;
            if (!layout.dynamic) {
                REDOUBT_CHECK(read(layout, heads, value));
                continue;
            }
            const auto offset = from_big_endian(heads.take(kWord));
            if (offset != Uint256(start - in.rest().size()))
                return fail(Code::InvalidField,
                            "an offset in the calldata is not where the canonical encoding puts it");
            REDOUBT_CHECK(read(layout, in, value));
        }
        return {};
    }

    // Arguments and components, whose names and types are told with their values.
    Status components(const Layout& layout, Cursor& in, std::vector<Value>& out) {
        for (const auto& child : layout.children) {
            if (child.text > text_left_)
                return fail(Code::TooLarge, "the names and types of the calldata's values are too long");
            text_left_ -= child.text;
        }
        return sequence(layout.children, layout.children.size(), layout.heads, in, out);
    }

  private:
    // A value, from where its head or its tail is.
    Status read(const Layout& layout, Cursor& in, Value& value) {
        switch (layout.type->kind) {
        case Kind::Bytes:
        case Kind::String:
            return bytes(layout, in, value);
        case Kind::Array:
            return array(layout.children[0], in, value);
        case Kind::FixedArray:
            return sequence(layout.children, layout.type->length, layout.heads, in, value.children);
        case Kind::Tuple:
            return components(layout, in, value.children);
        default:
            return word(*layout.type, in, value);
        }
    }

    static Status word(const Type& type, Cursor& in, Value& value) {
        const ByteView word = in.take(kWord);
        if (!in.ok())
            return malformed_end();
        if (type.kind == Kind::FixedBytes || type.kind == Kind::Function) {
            value.bytes = word.first(type.kind == Kind::Function ? kFunction : type.size);
            if (!all_zero(word.subspan(value.bytes.size())))
                return fail(Code::InvalidField, "padding in the calldata is not zero");
            return {};
        }
        value.number = from_big_endian(word).value_or(Uint256());
        if (type.kind == Kind::Bool && value.number > Uint256(1))
            return fail(Code::InvalidField, "a bool in the calldata is neither 0 nor 1");
        if (type.kind == Kind::Address && !all_zero(word.first(kWord - 20)))
            return fail(Code::InvalidField, "an address in the calldata is longer than 20 bytes");
        if ((type.kind == Kind::Uint || type.kind == Kind::Int) && !fits(word, type))
            return fail(Code::InvalidField, "an integer in the calldata does not fit its type");
        return {};
    }

    // A length that `rest` bytes can have elements for, when each has `unit` bytes.
    static Result<std::size_t> length(Cursor& in, std::uint64_t unit) {
        const auto claimed = from_big_endian(in.take(kWord));
        if (!in.ok() || !claimed)
            return std::unexpected(malformed_end().error());
        if (unit == 0)
            return claimed->fits_u64() ? claimed->limbs[0] : UINT64_MAX; // sequence() counts them
        if (*claimed > Uint256(in.rest().size() / unit))
            return std::unexpected(malformed_end().error());
        return claimed->limbs[0];
    }

    static Status bytes(const Layout& layout, Cursor& in, Value& value) {
        REDOUBT_TRY(const std::size_t size, length(in, 1));
        value.bytes = in.take(size);
        const ByteView padding = in.take((kWord - size % kWord) % kWord);
        if (!in.ok())
            return malformed_end();
        if (!all_zero(padding))
            return fail(Code::InvalidField, "padding in the calldata is not zero");
        if (layout.type->kind == Kind::String && !is_utf8(as_text(value.bytes)))
            return fail(Code::InvalidField, "a string in the calldata is not UTF-8");
        return {};
    }

    Status array(const Layout& element, Cursor& in, Value& value) {
        REDOUBT_TRY(const std::size_t count, length(in, element.head));
        return sequence({&element, 1}, count, count * element.head, in, value.children);
    }

    std::size_t values_left_ = kMaxValues;
    std::size_t text_left_ = kMaxText;
};

} // namespace

Result<std::vector<Value>> decode_call(const Function& function, ByteView calldata) {
    REDOUBT_TRY(const Layout layout, layout_of(function));
    Cursor in(calldata);
    const auto selector = in.array<4>();
    if (!in.ok() || selector != function.selector())
        return fail(Code::InvalidField, "the calldata is not of this function: its selector is another");
    std::vector<Value> out;
    REDOUBT_CHECK(Decoder().components(layout, in, out));
    if (!in.finished())
        return fail(Code::InvalidField, "the calldata goes on after its arguments");
    return out;
}

} // namespace redoubt::ethereum::abi
