// SPDX-License-Identifier: Apache-2.0
#include "abi_support.h"

namespace redoubt::ethereum::abi {
namespace {

Uint256 power_of_two(std::size_t exponent) {
    Uint256 out;
    out.limbs[exponent / 64] = std::uint64_t{1} << (exponent % 64);
    return out;
}

constexpr std::string_view kEndsEarly = "ends before its arguments";
constexpr std::string_view kOffset = "an offset";
constexpr std::string_view kPadding = "padding";
constexpr std::string_view kGoesOn = "goes on after";

// The examples of the Solidity documentation, "Contract ABI Specification".
TEST(AbiDecode, the_specifications_examples) {
    Function f = function_of("baz(uint32,bool)");
    Bytes calldata = join({{0xcd, 0xcd, 0x77, 0xc0}, word(69), word(1)});
    auto values = decode_call(f, calldata);
    ASSERT_TRUE(values);
    ASSERT_EQ(values->size(), 2u);
    EXPECT_EQ((*values)[0].number, Uint256(69));
    EXPECT_EQ((*values)[1].number, Uint256(1));
    EXPECT_EQ((*values)[1].type, &f.inputs[1]);

    f = function_of("bar(bytes3[2])");
    calldata = join({{0xfc, 0xe3, 0x53, 0xf6}, padded("abc"), padded("def")});
    values = decode_call(f, calldata);
    ASSERT_TRUE(values);
    ASSERT_EQ((*values)[0].children.size(), 2u);
    EXPECT_EQ(as_text((*values)[0].children[0].bytes), "abc");
    EXPECT_EQ(as_text((*values)[0].children[1].bytes), "def");

    f = function_of("sam(bytes,bool,uint[])");
    calldata = join({{0xa5, 0x64, 0x3b, 0xf2},
                     word(0x60),
                     word(1),
                     word(0xa0),
                     word(4),
                     padded("dave"),
                     word(3),
                     word(1),
                     word(2),
                     word(3)});
    values = decode_call(f, calldata);
    ASSERT_TRUE(values);
    EXPECT_EQ(as_text((*values)[0].bytes), "dave");
    EXPECT_EQ((*values)[0].bytes.data(), calldata.data() + 4 + 4 * 32); // a view
    ASSERT_EQ((*values)[2].children.size(), 3u);
    EXPECT_EQ((*values)[2].children[2].number, Uint256(3));

    f = function_of("f(uint256,uint32[],bytes10,bytes)");
    calldata = join({{0x8b, 0xe6, 0x52, 0x46},
                     word(0x123),
                     word(0x80),
                     padded("1234567890"),
                     word(0xe0),
                     word(2),
                     word(0x456),
                     word(0x789),
                     word(0xd),
                     padded("Hello, world!")});
    values = decode_call(f, calldata);
    ASSERT_TRUE(values);
    EXPECT_EQ((*values)[1].children.at(1).number, Uint256(0x789));
    EXPECT_EQ(as_text((*values)[2].bytes), "1234567890");
    EXPECT_EQ(as_text((*values)[3].bytes), "Hello, world!");

    f = function_of("g(uint256[][],string[])");
    calldata = join({{0x22, 0x89, 0xb1, 0x8c},
                     word(0x40),
                     word(0x140),
                     word(2), // [[1, 2], [3]]
                     word(0x40),
                     word(0xa0),
                     word(2),
                     word(1),
                     word(2),
                     word(1),
                     word(3),
                     word(3), // ["one", "two", "three"]
                     word(0x60),
                     word(0xa0),
                     word(0xe0),
                     word(3),
                     padded("one"),
                     word(3),
                     padded("two"),
                     word(5),
                     padded("three")});
    values = decode_call(f, calldata);
    ASSERT_TRUE(values);
    EXPECT_EQ((*values)[0].children.at(1).children.at(0).number, Uint256(3));
    EXPECT_EQ(as_text((*values)[1].children.at(2).bytes), "three");
    EXPECT_EQ(call(f, encode_arguments(*values)), calldata);
}

TEST(AbiDecode, another_selector_is_refused) {
    const Function f = function_of("transfer(address,uint256)");
    Bytes calldata = call(f, join({word(1), word(2)}));
    EXPECT_TRUE(decode_call(f, calldata));
    for (std::size_t i = 0; i < 4; ++i) {
        Bytes other = calldata;
        other[i] ^= 1;
        EXPECT_FALSE(decode_call(f, other));
    }
    const Function empty = function_of("f()");
    EXPECT_TRUE(decode_call(empty, empty.selector()));
    EXPECT_FALSE(decode_call(empty, {}));
    EXPECT_FALSE(decode_call(empty, ByteView(empty.selector()).first(3)));
    EXPECT_FALSE(decode_call(empty, call(empty, Bytes{0})));
}

TEST(AbiDecode, integers_stay_within_their_width) {
    expect_accepted("f(uint8)", word(255));
    expect_refused("f(uint8)", word(256), "an integer");
    expect_refused("f(uint8)", minus(1), "an integer");
    expect_accepted("f(uint248)", word(power_of_two(247)));
    expect_refused("f(uint248)", word(power_of_two(248)), "an integer");
    expect_accepted("f(uint256)", minus(1));

    expect_accepted("f(int8)", word(127));
    expect_accepted("f(int8)", minus(128));
    expect_refused("f(int8)", word(128), "an integer");
    expect_refused("f(int8)", word(255), "an integer");
    expect_refused("f(int8)", minus(129), "an integer");
    Bytes dirty = minus(1);
    dirty[0] = 0x7f; // the sign must go all the way up
    expect_refused("f(int8)", dirty, "an integer");
    expect_refused("f(int248)", dirty, "an integer");
    expect_accepted("f(int256)", dirty);
    expect_accepted("f(int16)", minus(32768));
    expect_refused("f(int16)", word(32768), "an integer");
}

TEST(AbiDecode, bools_and_addresses_are_clean) {
    expect_accepted("f(bool,bool)", join({word(0), word(1)}));
    expect_refused("f(bool)", word(2), "a bool");
    expect_refused("f(bool)", word(power_of_two(255)), "a bool");
    expect_refused("f(bool)", word(power_of_two(64)), "a bool");
    Bytes address(32, 0xff);
    std::fill(address.begin(), address.begin() + 12, std::uint8_t{0});
    expect_accepted("f(address)", address);
    for (std::size_t i = 0; i < 12; ++i) {
        Bytes dirty = address;
        dirty[i] = 1;
        expect_refused("f(address)", dirty, "an address");
    }
}

TEST(AbiDecode, padding_is_zero) {
    expect_accepted("f(bytes3)", padded("abc"));
    expect_refused("f(bytes3)", padded("abcd"), kPadding);
    expect_accepted("f(bytes32)", Bytes(32, 0xff));
    Bytes function(32, 0);
    std::fill(function.begin(), function.begin() + 24, std::uint8_t{0xff});
    expect_accepted("f(function)", function);
    function[24] = 1;
    expect_refused("f(function)", function, kPadding);
    for (const std::string type : {"f(bytes)", "f(string)"}) {
        expect_accepted(type, join({word(32), word(3), padded("abc")}));
        expect_refused(type, join({word(32), word(3), padded("abcd")}), kPadding);
        Bytes last = join({word(32), word(3), padded("abc")});
        last.back() = 1;
        expect_refused(type, last, kPadding);
        expect_accepted(type, join({word(32), word(0)}));
        expect_refused(type, join({word(32), word(0), word(0)}), kGoesOn);
        expect_accepted(type, join({word(32), word(32), padded(std::string(32, 'x'))}));
        expect_refused(type, join({word(32), word(32), padded(std::string(32, 'x')), word(0)}), kGoesOn);
        // Without the padding of the last word.
        Bytes cut = join({word(32), word(3), padded("abc")});
        cut.pop_back();
        expect_refused(type, cut, kEndsEarly);
    }
}

TEST(AbiDecode, strings_are_utf8) {
    const auto string = [](std::string_view text) {
        return join({word(32), word(text.size()), padded(text)});
    };
    for (const std::string_view text :
         {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        expect_accepted("f(string)", string(text));
    expect_accepted("f(string)", string(std::string_view("\0a", 2)));
    for (const std::string_view text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf", "\xe0\xa0",
          "\xe1\x80\x7f", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
          "\xf0\x90\x80\xc0", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe"}) {
        expect_refused("f(string)", string(text), "UTF-8");
        expect_accepted("f(bytes)", string(text));
    }
}

TEST(AbiDecode, every_truncation_and_every_extension_is_refused) {
    const Function f = function_of("f(uint256,(bytes,uint8[])[],bytes10,string[2])");
    const Bytes arguments = join({word(7), word(0x80), padded("0123456789"), word(0x180), word(1), word(0x20),
                                  word(0x40), word(0x80), word(3), padded("abc"), word(1), word(9),
                                  word(0x40), word(0x80), word(2), padded("hi"), word(0)});
    const Bytes calldata = call(f, arguments);
    const auto values = decode_call(f, calldata);
    ASSERT_TRUE(values) << values.error().describe();
    EXPECT_EQ(call(f, encode_arguments(*values)), calldata);
    for (std::size_t size = 0; size < calldata.size(); ++size)
        EXPECT_FALSE(decode_call(f, ByteView(calldata).first(size))) << size;
    for (const std::size_t more : {1u, 4u, 31u, 32u, 64u}) {
        Bytes longer = calldata;
        longer.resize(longer.size() + more);
        EXPECT_FALSE(decode_call(f, longer)) << more;
    }
}

TEST(AbiDecode, offsets_are_where_the_canonical_encoding_puts_them) {
    const std::string two = "f(bytes,bytes)";
    const Bytes a = join({word(1), padded("a")});
    const Bytes b = join({word(1), padded("b")});
    expect_accepted(two, join({word(0x40), word(0x80), a, b}));
    expect_refused(two, join({word(0x80), word(0x40), b, a}), kOffset);          // tails in another order
    expect_refused(two, join({word(0x40), word(0x40), a}), kOffset);             // shared
    expect_refused(two, join({word(0x40), word(0x40), a, a}), kOffset);          // shared, the other unused
    expect_refused(two, join({word(0x40), word(0xa0), a, word(0), b}), kOffset); // a gap
    expect_refused(two, join({word(0x60), word(0xa0), word(0), a, b}), kOffset); // a gap after the heads
    expect_refused(two, join({word(0x40), word(0x60), a, b}), kOffset);          // overlapping
    expect_refused(two, join({word(0x40), word(0x81), a, b}), kOffset);
    expect_refused(two, join({word(0), word(0x80), a, b}), kOffset); // into its own head
    expect_refused(two, join({word(power_of_two(64)), word(0x80), a, b}), kOffset);
    expect_refused(two, join({minus(1), word(0x80), a, b}), kOffset);
    Bytes high = word(0x40); // right in its low 64 bits alone
    high[0] = 1;
    expect_refused(two, join({high, word(0x80), a, b}), kOffset);

    // Offsets count from the beginning of the heads they are in.
    const std::string nested = "f((bytes)[])";
    expect_accepted(nested, join({word(0x20), word(1), word(0x20), word(0x20), a}));
    expect_refused(nested, join({word(0x20), word(1), word(0x40), word(0x20), a}), kOffset);
    expect_refused(nested, join({word(0x20), word(1), word(0x20), word(0x40), a}), kOffset);
    expect_refused(nested, join({word(0x20), word(1), word(0x20), word(0), a}), kOffset);
}

TEST(AbiDecode, huge_lengths_are_refused_without_being_believed) {
    for (const Uint256 length : {Uint256(2), Uint256(UINT32_MAX), Uint256(UINT64_MAX), power_of_two(59),
                                 power_of_two(64), power_of_two(255)}) {
        expect_refused("f(bytes)", join({word(32), word(length)}), kEndsEarly);
        expect_refused("f(string)", join({word(32), word(length)}), kEndsEarly);
        expect_refused("f(uint8[])", join({word(32), word(length), word(1)}), kEndsEarly);
        expect_refused("f(bytes[])", join({word(32), word(length), word(64)}), kEndsEarly);
        expect_refused("f(uint8[2][])", join({word(32), word(length), word(1), word(1)}), kEndsEarly);
    }
    expect_refused("f(bytes)", join({word(32), word(33), word(0)}), kEndsEarly);
    expect_refused("f(uint256[1048576])", Bytes(64), kEndsEarly);
    expect_refused("f(string[1048576])", join({word(32), word(32)}), kEndsEarly);
    // 2^80 elements, 2^320, and as many in every element of an array.
    expect_refused("f(bool[1048576][1048576][1048576][1048576])", Bytes(64), kEndsEarly);
    std::string deep = "f(bool";
    for (int i = 0; i < 15; ++i)
        deep += "[1048576]";
    expect_refused(deep + ")", Bytes(64), kEndsEarly);
    expect_refused(deep + "[])", join({word(32), word(1), word(0)}), kEndsEarly);
    expect_accepted(deep + "[])", join({word(32), word(0)}));
}

TEST(AbiDecode, the_number_of_values_is_bounded) {
    const auto ones = [](std::size_t count) {
        Bytes out = join({word(32), word(count)});
        out.resize(out.size() + 32 * count);
        return out;
    };
    expect_accepted("f(uint8[])", ones(kMaxValues - 1)); // and the array itself
    expect_refused("f(uint8[])", ones(kMaxValues), "8192 values", Code::TooLarge);
    expect_refused("f(uint8[8192])", Bytes(std::size_t{32} * 8192), "8192 values", Code::TooLarge);
    expect_accepted("f(uint8[8191])", Bytes(std::size_t{32} * 8191));
}

TEST(AbiDecode, elements_without_bytes_count) {
    for (const std::string type : {"f(uint8[0][])", "f(()[])", "f(()[2][0][])"}) {
        expect_accepted(type, join({word(32), word(0)}));
        expect_accepted(type, join({word(32), word(5)}));
        expect_accepted(type, join({word(32), word(kMaxValues - 1)}));
        for (const Uint256 length :
             {Uint256(kMaxValues), Uint256(UINT64_MAX), power_of_two(64), power_of_two(255)})
            expect_refused(type, join({word(32), word(length)}), "8192 values", Code::TooLarge);
    }
    expect_accepted("f(()[8191])", {});
    expect_refused("f(()[8192])", {}, "8192 values", Code::TooLarge);
    expect_refused("f(()[1048576][1048576])", {}, "8192 values", Code::TooLarge);
    expect_accepted("f(()[90][89])", {}); // 1 + 89 + 8010
    expect_refused("f(()[91][90])", {}, "8192 values", Code::TooLarge);
    // Solidity's definition: T[0] of a dynamic type is dynamic.
    expect_accepted("f(string[0],uint8)", join({word(64), word(7)}));
    expect_refused("f(string[0],uint8)", word(7), kEndsEarly);
    expect_refused("f(string[0],uint8)", join({word(32), word(7)}), kOffset);
    expect_accepted("f(string[0],string[0])", join({word(64), word(64)}));
}

TEST(AbiDecode, the_text_of_the_values_is_bounded) {
    // A long type, with no values in it, as a component of each element.
    std::string type = "f(((bool";
    for (int i = 0; i < 200; ++i)
        type += ",bool";
    type += ")[0])[])"; // each element: a name of 0 and a type of 1009 characters
    expect_accepted(type, join({word(32), word(1000)}));
    expect_refused(type, join({word(32), word(1100)}), "too long", Code::TooLarge);
}

TEST(AbiDecode, tuples_in_arrays_in_tuples) {
    const Function f = function_of("f(((address to, uint96[] parts)[] pays, bool last)[1] x)");
    const Bytes arguments = join({
        word(0x20),                              // x
        word(0x20),                              // x[0]
        word(0x40), word(1),                     // x[0].pays, x[0].last
        word(2), word(0x40), word(0xc0),         // of pays: length, pays[0], pays[1]
        word(0xa), word(0x40), word(1), word(5), // pays[0]
        word(0xb), word(0x40), word(0),          // pays[1]
    });
    const Bytes calldata = call(f, arguments);
    const auto values = decode_call(f, calldata);
    ASSERT_TRUE(values) << values.error().describe();
    const Value& tuple = (*values)[0].children.at(0);
    EXPECT_EQ(tuple.type->children.at(1).name, "last");
    EXPECT_EQ(tuple.children.at(1).number, Uint256(1));
    const Value& pays = tuple.children.at(0);
    ASSERT_EQ(pays.children.size(), 2u);
    EXPECT_EQ(pays.children[0].children.at(0).number, Uint256(0xa));
    EXPECT_EQ(pays.children[0].children.at(1).children.at(0).number, Uint256(5));
    EXPECT_EQ(pays.children[1].children.at(0).number, Uint256(0xb));
    EXPECT_TRUE(pays.children[1].children.at(1).children.empty());
    EXPECT_EQ(encode_arguments(*values), arguments);
}

TEST(AbiDecode, types_out_of_bounds_are_refused) {
    const auto refused = [](const Type& type) {
        const Function f{"f", {type}};
        const auto values = decode_call(f, call(f, Bytes(64)));
        return !values && values.error().code == Code::InvalidField &&
               values.error().text.view().find("out of bounds") != std::string_view::npos;
    };
    Type bad;
    for (const int size : {0, 7, 9, 264}) {
        bad.size = static_cast<std::uint16_t>(size);
        bad.kind = Kind::Uint;
        EXPECT_TRUE(refused(bad)) << size;
        bad.kind = Kind::Int;
        EXPECT_TRUE(refused(bad)) << size;
    }
    bad.kind = Kind::FixedBytes;
    for (const int size : {0, 33}) {
        bad.size = static_cast<std::uint16_t>(size);
        EXPECT_TRUE(refused(bad)) << size;
    }
    Type byte;
    byte.size = 8;
    EXPECT_FALSE(refused(byte));
    Type array;
    array.kind = Kind::Array;
    EXPECT_TRUE(refused(array));
    array.children = {byte, byte};
    EXPECT_TRUE(refused(array));
    array.kind = Kind::FixedArray;
    array.children = {byte};
    array.length = kMaxLength + 1;
    EXPECT_TRUE(refused(array));
    byte.children = {Type()};
    EXPECT_TRUE(refused(byte));

    Type deep;
    deep.size = 8;
    for (int i = 0; i < 17; ++i) {
        Type tuple;
        tuple.kind = Kind::Tuple;
        tuple.children.push_back(std::move(deep));
        deep = std::move(tuple);
        EXPECT_EQ(refused(deep), i == 16) << i;
    }
    Type wide;
    wide.kind = Kind::Tuple;
    wide.children.resize(255, Type{.kind = Kind::Bool, .children = {}, .name = {}});
    EXPECT_FALSE(refused(wide));
    wide.children.resize(256, Type{.kind = Kind::Bool, .children = {}, .name = {}});
    EXPECT_TRUE(refused(wide));
}

} // namespace
} // namespace redoubt::ethereum::abi
