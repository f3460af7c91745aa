// SPDX-License-Identifier: Apache-2.0
#include "ethereum/abi_layout.h"

#include <algorithm>

namespace redoubt::ethereum::abi {

namespace {

constexpr std::size_t kWord = 32;

void put(Bytes& out, const Value& value);

void put_padded(Bytes& out, ByteView bytes) {
    append(out, bytes);
    out.resize(out.size() + (kWord - bytes.size() % kWord) % kWord);
}

void put_sequence(Bytes& out, const std::vector<Value>& values) {
    const std::size_t start = out.size();
    std::vector<std::size_t> offsets; // where those of the dynamic values are to be written
    for (const auto& value : values)
        if (is_dynamic(*value.type)) {
            offsets.push_back(out.size());
            out.resize(out.size() + kWord);
        } else {
            put(out, value);
        }
    auto at = offsets.begin();
    for (const auto& value : values)
        if (is_dynamic(*value.type)) {
            const auto offset = to_big_endian(out.size() - start);
            std::copy(offset.begin(), offset.end(), out.begin() + static_cast<std::ptrdiff_t>(*at++));
            put(out, value);
        }
}

void put(Bytes& out, const Value& value) {
    switch (value.type->kind) {
    case Kind::FixedBytes:
    case Kind::Function:
        return put_padded(out, value.bytes);
    case Kind::Bytes:
    case Kind::String:
        append(out, to_big_endian(value.bytes.size()));
        return put_padded(out, value.bytes);
    case Kind::Array:
        append(out, to_big_endian(value.children.size()));
        return put_sequence(out, value.children);
    case Kind::FixedArray:
    case Kind::Tuple:
        return put_sequence(out, value.children);
    default:
        return append(out, to_big_endian(value.number));
    }
}

} // namespace

Bytes encode_arguments(const std::vector<Value>& values) {
    Bytes out;
    put_sequence(out, values);
    return out;
}

} // namespace redoubt::ethereum::abi
