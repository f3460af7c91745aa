// SPDX-License-Identifier: Apache-2.0
// RLPTests of ethereum/tests and ethers' RLP cases.
#include "ethereum/rlp.h"
#include "support.h"

namespace redoubt::ethereum {
namespace {

struct Item {
    bool is_list = false;
    Bytes string;
    std::vector<Item> items;
    bool operator==(const Item&) const = default;
};

template<class Sink>
void put(Sink& sink, const Item& item) {
    if (!item.is_list)
        return sink.string(item.string);
    rlp::Sizer payload;
    for (const auto& child : item.items)
        put(payload, child);
    sink.list(payload.size());
    for (const auto& child : item.items)
        put(sink, child);
}

Bytes encode(const Item& item) {
    Bytes out;
    rlp::Writer writer(out);
    put(writer, item);
    return out;
}

Item read(rlp::Reader& in) {
    Item out;
    out.is_list = in.next_is_list();
    if (!out.is_list) {
        out.string = to_bytes(in.string());
        return out;
    }
    rlp::Reader list = in.list();
    while (!list.empty())
        out.items.push_back(read(list));
    if (!list.finished())
        in.fail();
    return out;
}

std::optional<Item> decode(ByteView bytes) {
    rlp::Reader in(bytes);
    Item out = read(in);
    return in.finished() ? std::optional(std::move(out)) : std::nullopt;
}

// Strings are text, or with "#" a decimal number; numbers are integers.
Item item_of(const json::Value& value) {
    Item out;
    if (value.is_array()) {
        out.is_list = true;
        for (const json::Value child : value)
            out.items.push_back(item_of(child));
        return out;
    }
    const std::string_view text = value.text();
    if (value.is_number()) {
        out.string = to_minimal_big_endian(from_decimal(text).value());
    } else if (text == "#115792089237316195423570985008687907853269984665640564039457584007913129639936") {
        out.string.resize(33); // 2^256, the one number of the file that is no Uint256
        out.string[0] = 1;
    } else if (text.starts_with('#')) {
        out.string = to_minimal_big_endian(from_decimal(text.substr(1)).value());
    } else {
        out.string = to_bytes(text);
    }
    return out;
}

Item hex_item_of(const json::Value& value) {
    Item out;
    out.is_list = value.is_array();
    if (out.is_list)
        for (const json::Value child : value)
            out.items.push_back(hex_item_of(child));
    else
        out.string = bytes_of(value.text());
    return out;
}

TEST(RlpVectors, ethereum_tests_agree) {
    REDOUBT_NEED_VECTORS(vectors);
    const auto folder = vectors / "ethereum" / "ethereum-tests-RLPTests";
    int valid = 0, invalid = 0;
    for (const auto name : {"rlptest.json", "invalidRLPTest.json", "RandomRLPTests/example.json"}) {
        const VectorFile file(folder / name);
        for (const json::Value test : file.root()) {
            const auto in = test.get("in");
            ASSERT_TRUE(in);
            const Bytes bytes = bytes_of(text_of(test, "out"));
            const auto item = decode(bytes);
            if (in->text() == "INVALID") {
                EXPECT_FALSE(item) << test.name();
                ++invalid;
                continue;
            }
            ASSERT_TRUE(item) << test.name();
            EXPECT_EQ(encode(*item), bytes) << test.name();
            if (in->text() != "VALID") {
                EXPECT_EQ(*item, item_of(*in)) << test.name();
            }
            ++valid;
        }
    }
    EXPECT_EQ(valid, 29);
    EXPECT_EQ(invalid, 26);
}

TEST(RlpVectors, ethers_agrees) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "rlp.json.gz");
    int count = 0;
    for (const json::Value test : file.root()) {
        const Item item = hex_item_of(test.get("decoded").value());
        const Bytes bytes = bytes_of(text_of(test, "encoded"));
        EXPECT_EQ(encode(item), bytes) << text_of(test, "name");
        EXPECT_EQ(decode(bytes), item) << text_of(test, "name");
        ++count;
    }
    EXPECT_EQ(count, 61);
}

} // namespace
} // namespace redoubt::ethereum
