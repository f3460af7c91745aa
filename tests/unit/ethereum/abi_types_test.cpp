// SPDX-License-Identifier: Apache-2.0
#include "abi_support.h"

namespace redoubt::ethereum::abi {
namespace {

std::string selector(std::string_view signature) {
    return to_hex(function_of(signature).selector());
}

std::string canonical_of(std::string_view signature) {
    return function_of(signature).signature();
}

void expect_no_function(std::string_view signature, std::string_view reason) {
    const auto function = parse_function(signature);
    ASSERT_FALSE(function) << signature << " is read as " << function->signature();
    EXPECT_EQ(function.error().code, Code::InvalidField);
    EXPECT_NE(function.error().text.view().find(reason), std::string_view::npos)
        << signature << ": " << function.error().describe();
}

// As 4byte.directory and the contracts' own ABIs have them.
TEST(AbiTypes, selectors_of_known_functions_are_right) {
    EXPECT_EQ(selector("transfer(address,uint256)"), "a9059cbb");
    EXPECT_EQ(selector("approve(address,uint256)"), "095ea7b3");
    EXPECT_EQ(selector("transferFrom(address,address,uint256)"), "23b872dd");
    EXPECT_EQ(selector("safeTransferFrom(address,address,uint256,bytes)"), "b88d4fde");
    EXPECT_EQ(selector("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"), "d505accf");
    EXPECT_EQ(selector("multicall(bytes[])"), "ac9650d8");
    EXPECT_EQ(selector("exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"),
              "414bf389");
    EXPECT_EQ(selector("deposit()"), "d0e30db0");
}

TEST(AbiTypes, a_signature_may_be_written_as_in_source) {
    EXPECT_EQ(canonical_of("function transfer(address to, uint256 amount) external returns (bool);"),
              "transfer(address,uint256)");
    EXPECT_EQ(canonical_of(" transfer ( address to , uint amount ) "), "transfer(address,uint256)");
    EXPECT_EQ(canonical_of("function f(\n\taddress payable[] calldata who,\n\tint[2] memory x\n) public\n"
                           "payable virtual override returns (uint a, bytes memory)"),
              "f(address[],int256[2])");
    EXPECT_EQ(canonical_of("f(tuple(uint8 a, (bool,string)[3] b)[] calldata orders, byte, function)"),
              "f((uint8,(bool,string)[3])[],bytes1,function)");
    EXPECT_EQ(canonical_of("$_a9()"), "$_a9()");
    EXPECT_EQ(canonical_of("f(()[0])"), "f(()[0])");
    EXPECT_EQ(canonical_of("f(uint256[1048576][])"), "f(uint256[1048576][])");
    EXPECT_EQ(canonical_of("f(address payable)"), "f(address)");
    EXPECT_EQ(canonical_of("tuple(uint)"), "tuple(uint256)");
}

TEST(AbiTypes, names_are_kept) {
    const Function f = function_of("f((address to, uint256)[] payments, bytes32 memo)");
    EXPECT_EQ(f.name, "f");
    ASSERT_EQ(f.inputs.size(), 2u);
    EXPECT_EQ(f.inputs[0].name, "payments");
    EXPECT_EQ(f.inputs[0].kind, Kind::Array);
    const Type& payment = f.inputs[0].children.at(0);
    EXPECT_EQ(payment.kind, Kind::Tuple);
    EXPECT_EQ(payment.name, "");
    EXPECT_EQ(payment.children.at(0).name, "to");
    EXPECT_EQ(payment.children.at(1).name, "");
    EXPECT_EQ(f.inputs[1].name, "memo");
    EXPECT_EQ(f.inputs[1].size, 32);
}

TEST(AbiTypes, every_size_that_solidity_has_and_no_other) {
    int accepted = 0;
    for (int size = 0; size <= 300; ++size)
        for (const std::string base : {"uint", "int", "bytes"}) {
            const std::string text = "f(" + base + std::to_string(size) + ")";
            const auto f = parse_function(text);
            const bool wanted =
                base == "bytes" ? size >= 1 && size <= 32 : size >= 8 && size <= 256 && size % 8 == 0;
            EXPECT_EQ(f.has_value(), wanted) << text;
            if (f) {
                EXPECT_EQ(f->signature(), text);
                EXPECT_EQ(f->inputs[0].size, size);
                ++accepted;
            }
        }
    EXPECT_EQ(accepted, 96);
}

TEST(AbiTypes, types_that_are_not_of_the_abi_are_refused) {
    for (const auto type : {"uint08", "uint0256", "uint2560000000", "bytes01", "Uint256", "addres", "IERC20",
                            "fixedness", "uint_", "int256x", "1", "bytes 32", "mapping(uint=>uint)", "*"})
        EXPECT_FALSE(parse_function("f(" + std::string(type) + ")")) << type;
    expect_no_function("f(IERC20 token)", "enums and contracts by name");
    expect_no_function("f(fixed128x18)", "fixed and ufixed");
    expect_no_function("f(ufixed)", "fixed and ufixed");
    expect_no_function("f(function(uint256) external g)", "a comma or");
    expect_no_function("f(uint256[] storage x)", "library");
    expect_no_function("f(uint256 storage)", "library");
}

TEST(AbiTypes, what_could_be_read_in_two_ways_is_refused) {
    expect_no_function("transfer(address uint256)", "is a comma missing");
    expect_no_function("f(uint256 memory)", "is a comma missing");
    expect_no_function("f(address calldata x)", "is a comma missing");
    expect_no_function("f(uint256 payable)", "is a comma missing");
    expect_no_function("f(address payable payable)", "is a comma missing");
    expect_no_function("f(bytes memory memory)", "is a comma missing");
    expect_no_function("f(uint256 indexed x)", "is a comma missing");
    expect_no_function("f(address to, uint256 to)", "one name");
    expect_no_function("f((bool a, bool a) x)", "one name");
    EXPECT_EQ(canonical_of("f((bool a) x, (bool a) y)"), "f((bool),(bool))");
}

TEST(AbiTypes, broken_signatures_are_refused) {
    for (const auto text : {"",
                            " ",
                            "f",
                            "f(",
                            "f)",
                            "f(uint256",
                            "f(uint256,)",
                            "f(,uint256)",
                            "f(,)",
                            "(uint256)",
                            "function",
                            "function (uint256)",
                            "9f()",
                            "f()(",
                            "f())",
                            "f()]",
                            "f(uint256[)",
                            "f(uint256])",
                            "f(uint256[-1])",
                            "f(uint256[01])",
                            "f(uint256[1048577])",
                            "f(uint256[0x2])",
                            "f(uint256[2 3])",
                            "f(uint256[][)",
                            "f(uint256 x y)",
                            "f(tuple)",
                            "f(tuple[])",
                            "f((uint256)",
                            "f(uint256))",
                            "f(uint256);;",
                            "f();x",
                            "f() external external",
                            "f() external public",
                            "f() view pure",
                            "f() internal",
                            "f() private",
                            "f() onlyOwner",
                            "f() returns",
                            "f() returns (bool",
                            "f() returns (bool) returns (bool)",
                            "f() returns (Foo)",
                            "f() override(A)",
                            "event f()",
                            "f\x80()",
                            "f(uint256\xc2\xa0x)",
                            "f(uint256=1)"})
        EXPECT_FALSE(parse_function(text)) << text;
    EXPECT_FALSE(parse_function(std::string_view("f()\0", 4)));
}

TEST(AbiTypes, bounds_are_exact) {
    const auto repeat = [](std::string_view text, std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i)
            out += text;
        return out;
    };
    const auto nested = [&](std::size_t tuples, std::size_t arrays) {
        return "f(" + repeat("(", tuples) + "uint256" + repeat(")", tuples) + repeat("[]", arrays) + ")";
    };
    EXPECT_TRUE(parse_function(nested(16, 0)));
    EXPECT_TRUE(parse_function(nested(0, 16)));
    EXPECT_TRUE(parse_function(nested(7, 9)));
    expect_no_function(nested(17, 0), "16 deep");
    expect_no_function(nested(0, 17), "16 deep");
    expect_no_function(nested(7, 10), "16 deep");
    expect_no_function("f(" + repeat("(", 2000), "16 deep");
    expect_no_function("f(uint256" + repeat("[]", 1500) + ")", "16 deep");

    EXPECT_TRUE(parse_function("f(bool" + repeat(",bool", 255) + ")"));
    expect_no_function("f(bool" + repeat(",bool", 256) + ")", "256 types");
    EXPECT_TRUE(parse_function("f((bool)[]" + repeat(",(bool)[]", 84) + ",bool)")); // 85 · 3 + 1
    expect_no_function("f((bool)[]" + repeat(",(bool)[]", 85) + ")", "256 types");

    EXPECT_TRUE(parse_function(repeat("a", 256) + "(bool " + repeat("b", 256) + ")"));
    EXPECT_FALSE(parse_function(repeat("a", 257) + "()"));
    EXPECT_FALSE(parse_function("f(bool " + repeat("b", 257) + ")"));
    EXPECT_TRUE(parse_function("f()" + repeat(" ", kMaxSignature - 3)));
    expect_no_function("f()" + repeat(" ", kMaxSignature - 2), "4096 characters");
}

TEST(AbiTypes, random_types_are_read_back_from_their_canonical_form) {
    RandomCalls random(1);
    for (int round = 0; round < 1000; ++round) {
        const Function f = random.function();
        const auto back = parse_function(f.signature());
        ASSERT_TRUE(back) << f.signature();
        EXPECT_EQ(back->inputs, f.inputs) << f.signature();
        EXPECT_EQ(back->signature(), f.signature());
    }
}

} // namespace
} // namespace redoubt::ethereum::abi
