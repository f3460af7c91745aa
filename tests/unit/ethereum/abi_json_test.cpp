// SPDX-License-Identifier: Apache-2.0
#include "abi_support.h"

namespace redoubt::ethereum::abi {
namespace {

class AbiJson : public testing::Test {
  protected:
    Result<Function> function(const std::string& text) {
        const auto value = document_.parse(text, limits_);
        EXPECT_TRUE(value) << text;
        return parse_function(*value);
    }
    Result<std::vector<Function>> abi(const std::string& text) {
        const auto value = document_.parse(text, limits_);
        EXPECT_TRUE(value) << text.substr(0, 200);
        return parse_abi(*value);
    }
    // Of a function with one input.
    Result<Function> input(const std::string& text) {
        return function(R"({"type":"function","name":"f","inputs":[)" + text + "]}");
    }

    std::string json_of(const Function& f, const Bytes& arguments) {
        const Bytes calldata = call(f, arguments);
        const auto values = decode_call(f, calldata);
        if (!values)
            return values.error().describe();
        std::string out;
        json::Writer writer(out);
        write_call_json(writer, f, *values);
        EXPECT_TRUE(document_.parse(out, limits_)) << out;
        return out;
    }

    json::Limits limits_{.bytes = 1 << 24, .depth = 64, .values = 1 << 20};
    json::Document document_;
};

TEST_F(AbiJson, a_compilers_entry_is_read) {
    const auto f = function(R"({
        "type": "function", "name": "pay", "stateMutability": "payable", "outputs": [], "gas": 1,
        "inputs": [
            {"name": "orders", "type": "tuple[2][]", "internalType": "struct Order[2][]", "components": [
                {"name": "to", "type": "address"},
                {"name": "inner", "type": "tuple", "components": [{"name": "", "type": "uint256[]"}]}]},
            {"type": "bytes4"}]})");
    ASSERT_TRUE(f) << f.error().describe();
    EXPECT_EQ(f->signature(), "pay((address,(uint256[]))[2][],bytes4)");
    EXPECT_EQ(f->inputs[0].name, "orders");
    EXPECT_EQ(f->inputs[0].children[0].children[0].children[1].name, "inner");
    EXPECT_EQ(f->inputs[1].name, "");
}

TEST_F(AbiJson, both_forms_give_the_same_function) {
    const auto f =
        function(R"({"type":"function","name":"f","inputs":[{"name":"a","type":"tuple[]","components":[
        {"name":"b","type":"int8"},{"name":"c","type":"string[0]"}]},{"name":"d","type":"uint"}]})");
    ASSERT_TRUE(f);
    const Function same = function_of("function f((int8 b, string[0] c)[] a, uint256 d) view;");
    EXPECT_EQ(f->inputs, same.inputs);
    EXPECT_EQ(f->name, same.name);
}

TEST_F(AbiJson, broken_entries_are_refused) {
    for (const std::string text :
         {"[]", "1", "{}", R"({"type":"function"})", R"({"type":"function","name":"f"})",
          R"({"name":"f","inputs":[]})", R"({"type":1,"name":"f","inputs":[]})",
          R"({"type":"event","name":"f","inputs":[]})", R"({"type":"function","name":"","inputs":[]})",
          R"({"type":"function","name":"f(","inputs":[]})", R"({"type":"function","name":1,"inputs":[]})",
          R"({"type":"function","name":"f","inputs":{}})", R"({"type":"function","name":"f","inputs":[1]})",
          R"({"type":"function","name":"f","inputs":["uint256"]})"}) {
        const auto f = function(text);
        ASSERT_FALSE(f) << text;
        EXPECT_EQ(f.error().code, Code::InvalidField);
    }
    EXPECT_TRUE(function(R"({"type":"function","name":"f","inputs":[]})"));
}

TEST_F(AbiJson, broken_types_are_refused) {
    EXPECT_TRUE(input(R"({"type":"uint256[3][]"})"));
    for (const std::string type : {"",
                                   "uint257",
                                   "uint256 ",
                                   " uint256",
                                   "uint256[",
                                   "uint256]",
                                   "uint256[]]",
                                   "uint256[]x",
                                   "uint256[ ]",
                                   "uint256[1 ]",
                                   "uint256[01]",
                                   "uint256[-1]",
                                   "uint256[1048577]",
                                   "uint256[][",
                                   "[]",
                                   "(uint256)",
                                   "tuple(uint256)",
                                   "address payable",
                                   "bytes memory",
                                   "fixed",
                                   "fixed128x18",
                                   "Foo",
                                   "[1]uint256"}) {
        const auto f = input(R"({"type":")" + type + R"("})");
        ASSERT_FALSE(f) << type;
        EXPECT_EQ(f.error().code, Code::InvalidField);
    }
    EXPECT_FALSE(input(R"({"type":"tuple"})"));
    EXPECT_FALSE(input(R"({"type":"tuple","components":1})"));
    EXPECT_FALSE(input(R"({"type":"uint8","components":[]})"));
    EXPECT_TRUE(input(R"({"type":"tuple","components":[]})"));
    EXPECT_FALSE(input(R"({"type":"uint8","name":"a b"})"));
    EXPECT_FALSE(input(R"({"type":"uint8","name":"a\""})"));
    EXPECT_FALSE(input(R"({"type":"uint8","name":null})"));
    EXPECT_FALSE(input(R"({"type":"uint8","name":"a"},{"type":"uint8","name":"a"})"));
    EXPECT_TRUE(input(R"({"type":"uint8","name":""},{"type":"uint8","name":""})"));
}

TEST_F(AbiJson, depth_and_number_of_types_are_bounded) {
    const auto nested = [](int depth) {
        std::string out = R"({"type":"bool"})";
        for (int i = 0; i < depth; ++i)
            out = R"({"type":"tuple","components":[)" + out + "]}";
        return out;
    };
    limits_.depth = 200;
    EXPECT_TRUE(input(nested(16)));
    EXPECT_FALSE(input(nested(17)));
    EXPECT_FALSE(input(nested(80)));
    const auto wide = [](int types) {
        std::string out = R"({"type":"bool"})";
        for (int i = 1; i < types; ++i)
            out += R"(,{"type":"bool"})";
        return out;
    };
    EXPECT_TRUE(input(wide(256)));
    EXPECT_FALSE(input(wide(257)));
    std::string arrays = "bool";
    for (int i = 0; i < 16; ++i)
        arrays += "[]";
    EXPECT_TRUE(input(R"({"type":")" + arrays + R"("})"));
    EXPECT_FALSE(input(R"({"type":")" + arrays + R"([]"})"));
}

TEST_F(AbiJson, an_abi_has_the_functions_among_its_entries) {
    const auto functions = abi(R"([
        {"type":"constructor","inputs":[{"type":"Foo"}]}, {"type":"receive"}, {"type":"event","name":"transfer"},
        {"type":"function","name":"transfer","inputs":[{"type":"address"},{"type":"uint256"}]},
        {"type":"error","name":"E","inputs":[]},
        {"type":"function","name":"transfer","inputs":[{"type":"address"}]}])");
    ASSERT_TRUE(functions);
    ASSERT_EQ(functions->size(), 2u);
    EXPECT_EQ((*functions)[0].signature(), "transfer(address,uint256)");
    EXPECT_EQ((*functions)[1].signature(), "transfer(address)");

    EXPECT_TRUE(abi("[]")->empty());
    for (const std::string text :
         {"{}", "null", "[1]", R"([{"name":"f","inputs":[]}])", R"([{"type":"function"}])"}) {
        const auto refused = abi(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code, Code::InvalidField);
    }
}

TEST_F(AbiJson, two_functions_with_one_selector_are_ambiguous) {
    const auto two = [&](const std::string& a, const std::string& b) {
        return abi(R"([{"type":"function","name":")" + a + R"(","inputs":[]},{"type":"function","name":")" +
                   b + R"(","inputs":[]}])");
    };
    const auto same = two("f", "f");
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code, Code::AmbiguousField);
    EXPECT_TRUE(two("f", "g"));
    // A known collision: both are 0x42966c68.
    const auto known = abi(R"([{"type":"function","name":"burn","inputs":[{"type":"uint256"}]},
        {"type":"function","name":"collate_propagate_storage","inputs":[{"type":"bytes16"}]}])");
    ASSERT_FALSE(known);
    EXPECT_EQ(known.error().code, Code::AmbiguousField);
}

TEST_F(AbiJson, the_number_of_functions_is_bounded) {
    std::string text = "[";
    for (int i = 0; i < 1024; ++i)
        text += R"({"type":"function","name":"f)" + std::to_string(i) + R"(","inputs":[]},)";
    EXPECT_EQ(abi(text + R"({"type":"fallback"}])")->size(), 1024u);
    const auto more = abi(text + R"({"type":"function","name":"g","inputs":[]}])");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Code::TooLarge);
}

TEST_F(AbiJson, a_transfer_is_written) {
    EXPECT_EQ(
        json_of(function_of("transfer(address to, uint256 amount)"),
                join({word(*from_quantity("0xd8da6bf26964af9d7eed9e03e53415d37aa96045")),
                      word(*from_decimal("1000000000000000000000"))})),
        R"x({"function":"transfer(address,uint256)","name":"transfer","selector":"0xa9059cbb","arguments":[)x"
        R"({"name":"to","type":"address","value":"0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"},)"
        R"({"name":"amount","type":"uint256","value":"1000000000000000000000"}]})");
}

TEST_F(AbiJson, every_kind_of_value_is_written) {
    const auto value = [&](std::string_view type, const Bytes& arguments) {
        const std::string text = json_of(function_of("f(" + std::string(type) + ")"), arguments);
        const auto root = document_.parse(text, limits_);
        if (!root || !root->get("arguments"))
            return text;
        return std::string(root->get("arguments")->begin().operator*().get("value")->raw());
    };
    EXPECT_EQ(value("uint256", minus(1)),
              "\"115792089237316195423570985008687907853269984665640564039457584007913129639935\"");
    EXPECT_EQ(value("int256", minus(1)), "\"-1\"");
    EXPECT_EQ(value("int8", minus(128)), "\"-128\"");
    EXPECT_EQ(value("int8", word(127)), "\"127\"");
    EXPECT_EQ(value("int256", word(0)), "\"0\"");
    Bytes least(32, 0);
    least[0] = 0x80;
    EXPECT_EQ(value("int256", least),
              "\"-57896044618658097711785492504343953926634992332820282019728792003956564819968\"");
    EXPECT_EQ(value("bool", word(1)), "true");
    EXPECT_EQ(value("bool", word(0)), "false");
    EXPECT_EQ(value("address", word(0)), "\"0x0000000000000000000000000000000000000000\"");
    EXPECT_EQ(value("bytes3", padded("abc")), "\"0x616263\"");
    EXPECT_EQ(value("function", padded("abc")), "\"0x616263" + std::string(42, '0') + "\"");
    EXPECT_EQ(value("bytes", join({word(32), word(2), padded("hi")})), "\"0x6869\"");
    EXPECT_EQ(value("bytes", join({word(32), word(0)})), "\"0x\"");
    EXPECT_EQ(value("string", join({word(32), word(4), padded("a\"\n\x01")})), R"("a\"\n\u0001")");
    EXPECT_EQ(value("uint8[]", join({word(32), word(2), word(1), word(2)})), R"(["1","2"])");
    EXPECT_EQ(value("uint8[]", join({word(32), word(0)})), "[]");
    EXPECT_EQ(value("uint8[1][2]", join({word(1), word(2)})), R"([["1"],["2"]])");
    EXPECT_EQ(value("(bool a, (int8)[1] b)", join({word(1), word(7)})),
              R"([{"name":"a","type":"bool","value":true},{"name":"b","type":"(int8)[1]","value":[)"
              R"([{"name":"","type":"int8","value":"7"}]]}])");
    EXPECT_EQ(value("()", {}), "[]");
}

TEST_F(AbiJson, the_deepest_call_is_35_arrays_and_objects_deep) {
    std::string type = "bool";
    for (int i = 0; i < 16; ++i)
        type = "(" + type + ")";
    const std::string text = json_of(function_of("f(" + type + ")"), word(1));
    EXPECT_TRUE(document_.parse(text, {.depth = 2 * kMaxDepth + 3}));
    EXPECT_FALSE(document_.parse(text, {.depth = 2 * kMaxDepth + 2}));
}

TEST_F(AbiJson, values_survive_a_move_of_their_function) {
    Function f = function_of("f(uint8 a)");
    const Bytes calldata = call(f, word(3));
    const auto values = decode_call(f, calldata);
    const Function moved = std::move(f);
    EXPECT_EQ(values->at(0).type, moved.inputs.data());
    EXPECT_EQ(values->at(0).type->name, "a");
}

} // namespace
} // namespace redoubt::ethereum::abi
