// SPDX-License-Identifier: Apache-2.0
#include "crypto/ber.h"

#include <algorithm>

namespace redoubt::crypto::ber {

namespace {

// Up to 65535, which is more than any limit above this file.
std::size_t shortest_length(Cursor& in) noexcept {
    const std::uint8_t first = in.u8();
    if (first < 0x80)
        return first;
    if (first == 0x81) {
        const std::uint8_t length = in.u8();
        if (length < 0x80)
            in.fail();
        return length;
    }
    if (first == 0x82) {
        const std::uint16_t length = in.u16();
        if (length < 0x100)
            in.fail();
        return length;
    }
    in.fail();
    return 0;
}

} // namespace

bool next_is(const Cursor& in, std::uint8_t tag) noexcept {
    return !in.empty() && in.rest()[0] == tag;
}

ByteView element(Cursor& in, std::uint8_t tag) noexcept {
    if (in.u8() != tag)
        in.fail();
    return in.take(shortest_length(in));
}

ByteView element(Cursor& in, std::uint8_t tag, std::size_t size) noexcept {
    const ByteView contents = element(in, tag);
    if (contents.size() != size) {
        in.fail();
        return {};
    }
    return contents;
}

void expect(Cursor& in, ByteView bytes) noexcept {
    const ByteView found = in.take(bytes.size());
    if (!std::equal(found.begin(), found.end(), bytes.begin(), bytes.end()))
        in.fail();
}

void open_indefinite(Cursor& in, std::uint8_t tag) noexcept {
    if (in.u8() != tag || in.u8() != 0x80)
        in.fail();
}

void close_indefinite(Cursor& in) noexcept {
    if (in.u16() != 0)
        in.fail();
}

void append_element(Bytes& out, std::uint8_t tag, ByteView contents) {
    Writer writer(out);
    writer.u8(tag);
    if (contents.size() < 0x80)
        writer.u8(static_cast<std::uint8_t>(contents.size()));
    else if (contents.size() < 0x100)
        writer.u8(0x81).u8(static_cast<std::uint8_t>(contents.size()));
    else
        writer.u8(0x82).u16(static_cast<std::uint16_t>(contents.size()));
    writer.bytes(contents);
}

} // namespace redoubt::crypto::ber
