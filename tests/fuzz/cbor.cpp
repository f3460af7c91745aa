// SPDX-License-Identifier: Apache-2.0
// The CBOR reader on any bytes: no crash, and one encoding for each item: what it accepts, written again, is
// the same bytes. Seeds: corpus/cbor.
#include "nitro/cbor.h"

#include <cstdlib>

using namespace redoubt;
namespace cbor = redoubt::nitro::cbor;
using cbor::Major;
using cbor::Reader;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Reads one item and writes it again. False where the reader refuses.
bool copy(Reader& in, cbor::Writer& out, int depth) {
    const auto major = in.peek();
    if (!major || depth == 0)
        return false;
    switch (*major) {
    case Major::Unsigned: {
        const auto value = in.u64();
        if (value)
            out.u64(*value);
        return value.has_value();
    }
    case Major::Negative: {
        const auto value = in.i64();
        require(!value || *value < 0);
        if (value)
            out.negative(*value);
        return value.has_value();
    }
    case Major::Bytes: {
        const auto value = in.bytes();
        if (value)
            out.bytes(*value);
        return value.has_value();
    }
    case Major::Text: {
        const auto value = in.text();
        if (value)
            out.text(*value);
        return value.has_value();
    }
    case Major::Simple: {
        if (in.next_is_null()) {
            out.null();
            return in.null();
        }
        const auto value = in.boolean();
        if (value)
            out.boolean(*value);
        return value.has_value();
    }
    case Major::Tag: {
        const auto value = in.tag();
        if (value)
            out.tag(*value);
        return value && copy(in, out, depth - 1);
    }
    case Major::Array: {
        const auto size = in.array();
        if (!size)
            return false;
        out.array(*size);
        for (std::size_t i = 0; i < *size; ++i) {
            if (!copy(in, out, depth - 1))
                return false;
        }
        return true;
    }
    case Major::Map: {
        const auto head = in.map(true);
        if (!head)
            return false;
        if (head->indefinite)
            out.map_indefinite();
        else
            out.map(head->size);
        for (std::size_t i = 0; head->indefinite ? !in.at_break() : i < head->size; ++i) {
            if (!copy(in, out, depth - 1) || !copy(in, out, depth - 1))
                return false;
        }
        if (head->indefinite)
            out.end();
        return true;
    }
    }
    return false;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    Reader in(input);
    Bytes written;
    cbor::Writer out(written);
    const bool copied = copy(in, out, 8);
    if (copied) {
        require(in.ok());
        const ByteView read = input.first(size - in.rest().size());
        require(written == to_bytes(read));
    }

    Reader skipper(input);
    const bool skipped = skipper.skip();
    require(skipped == skipper.ok());
    // Skipping accepts no more than reading does: no indefinite map.
    if (skipped)
        require(copied && skipper.rest().size() == in.rest().size());
    return 0;
}
