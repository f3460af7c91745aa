// SPDX-License-Identifier: Apache-2.0
// Calldata written word by word, and functions and values drawn at random, the same in every run.
#pragma once

#include "ethereum/abi.h"

#include <deque>
#include <gtest/gtest.h>
#include <random>
#include <stdexcept>

namespace redoubt::ethereum::abi {

inline Function function_of(std::string_view signature) {
    auto out = parse_function(signature);
    if (!out)
        throw std::runtime_error(std::string(signature) + ": " + out.error().describe());
    return std::move(*out);
}

inline Bytes word(const Uint256& value) {
    return to_bytes(to_big_endian(value));
}

// 2^256 − value
inline Bytes minus(std::uint64_t value) {
    Uint256 out;
    out.limbs = {~value + 1, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    return word(out);
}

// Bytes or text, with zeros up to a whole word.
inline Bytes padded(std::string_view text) {
    Bytes out = to_bytes(text);
    out.resize((out.size() + 31) / 32 * 32);
    return out;
}

inline Bytes join(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const auto& part : parts)
        append(out, part);
    return out;
}

// With the function's selector.
inline Bytes call(const Function& function, ByteView arguments) {
    Bytes out = to_bytes(function.selector());
    append(out, arguments);
    return out;
}

inline void expect_accepted(std::string_view signature, const Bytes& arguments) {
    const Function function = function_of(signature);
    const Bytes calldata = call(function, arguments);
    const auto values = decode_call(function, calldata);
    ASSERT_TRUE(values) << signature << ": " << values.error().describe();
    EXPECT_EQ(to_hex(encode_arguments(*values)), to_hex(arguments)) << signature;
}

// `reason` is a part of the error's sentence.
inline void expect_refused(std::string_view signature, const Bytes& arguments, std::string_view reason,
                           Code code = Code::InvalidField) {
    const Function function = function_of(signature);
    const auto values = decode_call(function, call(function, arguments));
    ASSERT_FALSE(values) << signature;
    EXPECT_EQ(values.error().code, code) << signature;
    EXPECT_NE(values.error().text.view().find(reason), std::string_view::npos)
        << signature << ": " << values.error().describe();
}

inline bool same(const std::vector<Value>& a, const std::vector<Value>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Value& x, const Value& y) {
        return *x.type == *y.type && x.number == y.number && as_text(x.bytes) == as_text(y.bytes) &&
               same(x.children, y.children);
    });
}

class RandomCalls {
  public:
    explicit RandomCalls(std::uint64_t seed) : engine_(seed) {}

    std::size_t below(std::size_t bound) { return engine_() % bound; }

    Function function() {
        Function out;
        out.name = "f";
        for (std::size_t i = below(5); i > 0; --i)
            out.inputs.push_back(type(3));
        return out;
    }

    // Of the function, which must outlive them, as must this object.
    std::vector<Value> values(const Function& function) { return values(function.inputs); }

  private:
    Type type(std::size_t depth) {
        Type out;
        out.kind = static_cast<Kind>(below(11));
        if (depth == 0 &&
            (out.kind == Kind::Array || out.kind == Kind::FixedArray || out.kind == Kind::Tuple))
            out.kind = Kind::Bytes;
        if (out.kind == Kind::Uint || out.kind == Kind::Int)
            out.size = static_cast<std::uint16_t>(8 * (1 + below(32)));
        if (out.kind == Kind::FixedBytes)
            out.size = static_cast<std::uint16_t>(1 + below(32));
        if (out.kind == Kind::FixedArray)
            out.length = static_cast<std::uint32_t>(below(4));
        if (out.kind == Kind::Array || out.kind == Kind::FixedArray)
            out.children.push_back(type(depth - 1));
        if (out.kind == Kind::Tuple)
            for (std::size_t i = below(4); i > 0; --i)
                out.children.push_back(type(depth - 1));
        return out;
    }

    std::vector<Value> values(const std::vector<Type>& types) {
        std::vector<Value> out;
        for (const auto& t : types)
            out.push_back(value(t));
        return out;
    }

    Value value(const Type& t) {
        Value out;
        out.type = &t;
        switch (t.kind) {
        case Kind::Uint:
            out.number = *from_big_endian(bytes(t.size / 8u));
            break;
        case Kind::Int: {
            Bytes number = to_bytes(bytes(t.size / 8u));
            number.insert(number.begin(), 32 - number.size(), number[0] >= 0x80 ? 0xff : 0);
            out.number = *from_big_endian(number);
            break;
        }
        case Kind::Bool:
            out.number = below(2);
            break;
        case Kind::Address:
            out.number = *from_big_endian(bytes(20));
            break;
        case Kind::FixedBytes:
            out.bytes = bytes(t.size);
            break;
        case Kind::Function:
            out.bytes = bytes(24);
            break;
        case Kind::Bytes:
            out.bytes = bytes(below(70));
            break;
        case Kind::String:
            out.bytes = string(below(40));
            break;
        case Kind::Tuple:
            out.children = values(t.children);
            break;
        case Kind::Array:
        case Kind::FixedArray:
            for (std::size_t i = t.kind == Kind::Array ? below(4) : t.length; i > 0; --i)
                out.children.push_back(value(t.children[0]));
            break;
        }
        return out;
    }

    ByteView bytes(std::size_t size) {
        Bytes& out = storage_.emplace_back(size);
        for (auto& byte : out)
            byte = static_cast<std::uint8_t>(engine_());
        return out;
    }

    ByteView string(std::size_t characters) {
        static constexpr std::string_view kCharacters[] = {
            "a", "\"", "\n", "é", "€", "🚀", std::string_view("\0", 1)};
        Bytes& out = storage_.emplace_back();
        for (std::size_t i = 0; i < characters; ++i)
            append(out, as_bytes(kCharacters[below(std::size(kCharacters))]));
        return out;
    }

    std::mt19937_64 engine_;
    std::deque<Bytes> storage_; // what the values view
};

} // namespace redoubt::ethereum::abi
