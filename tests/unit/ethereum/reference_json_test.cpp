// SPDX-License-Identifier: Apache-2.0
// The AWS sample's transaction_payload. The signed forms are what that sample's eth-account gives for them.
#include "ethereum/transaction_json.h"

#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

Result<ParsedTransaction> parse(std::string_view text) {
    static json::Document document;
    const auto value = document.parse(text);
    EXPECT_TRUE(value) << text;
    if (!value)
        return std::unexpected(value.error());
    return transaction_from_reference_json(*value);
}

Code refusal(std::string_view text) {
    const auto parsed = parse(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? Code::Internal : parsed.error().code;
}

// A legacy transaction with these members more.
std::string legacy(const std::string& members) {
    return R"({"nonce":0,"gas":21000,"gasPrice":20000000000,)" + members + "}";
}

std::string dynamic(const std::string& members) {
    return R"({"nonce":0,"gas":21000,"maxFeePerGas":2,"maxPriorityFeePerGas":1,"value":1,)" + members + "}";
}

TEST(ReferenceJson, the_golden_vectors_come_out_byte_for_byte) {
    const crypto::Secp256k1 curve(Hash32{});
    const Secret key =
        Secret::copy_of(*from_hex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"));
    EXPECT_EQ(to_checksum(address_of(*curve.public_key(key))), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
    const auto sign = [&](std::string_view payload) -> Bytes {
        const auto parsed = parse(payload);
        EXPECT_TRUE(parsed) << payload;
        if (!parsed)
            return {};
        return serialise(parsed->transaction, *curve.sign(key, signing_hash(parsed->transaction)));
    };
    const Bytes dynamic_fee = sign(
        R"({"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,)"
        R"("gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000})");
    EXPECT_EQ(to_hex0x(dynamic_fee), "0x02f873048084b2d05e0085174876e800830186a094a5d3241a1591061f2a4bb69ca02"
                                     "15f66520e67cf872386f26fc1000080c0"
                                     "01a0e8c684356fdce00c6ec284b66d1698ca7b5fdbda27475a85d0bdb3f0eeb10ea0a04"
                                     "b12a3276ccd66f232e728e69d691b3b42"
                                     "a95377055ace63be984ce46229f69f");
    EXPECT_EQ(to_hex0x(transaction_hash(dynamic_fee)),
              "0xe7eb30b75689d5daf42443ed2adfbac3adc4b22f5b8c0a85b62b5459e7aa16a4");
    const std::string to = R"("to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf")";
    EXPECT_EQ(to_hex0x(sign(legacy(R"("value":0.01,)" + to))),
              "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc10000801ba0b811"
              "ad4e1570b5"
              "41ee3cfe20ba92fd8e1278e0ee29deb9900795ff1fe69f66eda04e67f0262b18bd01642d532ab7ed582eea55abcc29"
              "fd4bfa2908"
              "a606ef99ea18");
    EXPECT_EQ(to_hex0x(sign(legacy(R"("value":0.01,"chainId":1,)" + to))),
              "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc100008025a0b3e6"
              "c0f006fe21"
              "bac8ba95acce89421314418f8ff232bbd88232f398080eafc8a03e9bf71869a50b5f31520426f7c3ebd293daaab628"
              "6eb6857051"
              "2ef48c26d63d");
}

TEST(ReferenceJson, value_is_an_exact_decimal_of_ether) {
    const std::pair<std::string_view, std::string_view> values[] = {
        {"0", "0"},
        {"1", "1000000000000000000"},
        {"0.01", "10000000000000000"},
        {"0.010", "10000000000000000"},
        {"1.1", "1100000000000000000"},
        {"0.1234567890123456789000", ""}, // 19 decimals that count
        {"0.123456789012345678", "123456789012345678"},
        {"0.123456789012345678000", "123456789012345678"}, // trailing zeros lose nothing
        {"0.000000000000000001", "1"},
        {"1e-18", "1"},
        {"1E-18", "1"},
        {"1e-07", "100000000000"}, // as Python writes it
        {"1.5e-7", "150000000000"},
        {"1E2", "100000000000000000000"},
        {"1e+2", "100000000000000000000"},
        {"1e0", "1000000000000000000"},
        {"12.5e1", "125000000000000000000"},
        {"10e-19", "1"},
        {"0.30000000000000004", "300000000000000040"},
        {"0e99999", "0"},
        {"0.0e-99999", "0"},
        {"0.00000000000000000000000000001e11", "1"},
        {"115792089237316195423570985008687907853269984665640564039457.584007913129639935",
         "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
        {"1e59", "100000000000000000000000000000000000000000000000000000000000000000000000000000"},
        // Refused: finer than a wei
        {"1e-19", ""},
        {"0.0000000000000000001", ""},
        {"1.1234567890123456789", ""},
        {"1e-99999", ""},
        {"1e-18446744073709551616", ""},
    };
    for (const auto& [token, wei] : values)
        for (const auto& written : {std::string(token), "\"" + std::string(token) + "\""}) {
            const auto parsed = parse(legacy("\"value\":" + written));
            if (wei.empty()) {
                ASSERT_FALSE(parsed) << written;
                EXPECT_EQ(parsed.error().code, Code::PrecisionLost) << written;
            } else {
                ASSERT_TRUE(parsed) << written << " " << parsed.error().describe();
                EXPECT_EQ(to_decimal(parsed->transaction.value), wei) << written;
            }
        }
}

TEST(ReferenceJson, a_value_that_is_no_amount_is_refused) {
    for (const std::string& token :
         {std::string("-1"), std::string("-0"), std::string("-0.0"), std::string("true"), std::string("[]"),
          std::string("{}"), std::string("1e60"), std::string("1e99999"),
          std::string("1e18446744073709551616"),
          std::string("115792089237316195423570985008687907853269984665640564039457.584007913129639936"),
          "\"1" + std::string(128, '0') + "\"", "0." + std::string(127, '0')})
        EXPECT_EQ(refusal(legacy("\"value\":" + token)), Code::InvalidField) << token;
    for (const std::string_view text :
         {"",      " ",  "1 ",  " 1",  "+1",       "-1",  "01",  "00",    ".5",    "5.",   "1e", "1e+",
          "1e1.5", "e5", "1,5", "0x1", "Infinity", "NaN", "1_0", "1.2.3", "1e5e5", "1.e5", "--1"})
        EXPECT_EQ(refusal(legacy("\"value\":\"" + std::string(text) + "\"")), Code::InvalidField) << text;
    EXPECT_EQ(refusal(legacy(R"("to":null)")), Code::MissingField);
    EXPECT_EQ(refusal(legacy(R"("value":null)")), Code::MissingField);
}

TEST(ReferenceJson, numbers_are_integers_or_0x_hex) {
    const auto parsed = parse(
        R"({"nonce":"0x1f","gas":"0x5208","gasPrice":"0x4a817c800","chainId":"0x1","type":"0x0","value":1})");
    ASSERT_TRUE(parsed) << parsed.error().describe();
    EXPECT_EQ(parsed->transaction.nonce, 31u);
    EXPECT_EQ(parsed->transaction.gas, 21000u);
    EXPECT_EQ(parsed->transaction.gas_price, Uint256(20'000'000'000));
    EXPECT_EQ(parsed->transaction.chain_id, Uint256(1));
    for (const std::string_view token : {"\"1\"", "1.0", "1e1", "-1", "\"0x\"", "\"0x01\"", "\"\"", "true"})
        EXPECT_EQ(refusal(legacy("\"value\":1,\"chainId\":" + std::string(token))), Code::InvalidField)
            << token;
}

TEST(ReferenceJson, data_is_hex_with_or_without_0x) {
    const auto data = [](std::string_view text) {
        const auto parsed = parse(legacy("\"value\":0,\"data\":\"" + std::string(text) + "\""));
        return parsed ? std::optional(parsed->transaction.data) : std::nullopt;
    };
    EXPECT_EQ(data("0xab01"), (Bytes{0xab, 1}));
    EXPECT_EQ(data("AB01"), (Bytes{0xab, 1}));
    EXPECT_EQ(data(""), Bytes());
    EXPECT_EQ(data("0x"), Bytes());
    EXPECT_FALSE(data("0xab0"));
    EXPECT_FALSE(data("ab0"));
    EXPECT_FALSE(data("hello!"));
    EXPECT_EQ(refusal(legacy("\"value\":0,\"data\":5")), Code::InvalidField);
}

TEST(ReferenceJson, to_is_an_address_or_a_creation) {
    for (const auto member : {R"("to":null,)", R"("to":"",)", ""}) {
        const auto parsed = parse(legacy(member + std::string(R"("value":0)")));
        ASSERT_TRUE(parsed) << member;
        EXPECT_FALSE(parsed->transaction.to);
    }
    EXPECT_TRUE(parse(legacy(R"("value":0,"to":"0xa5d3241a1591061f2a4bb69ca0215f66520e67cf")")));
    for (const auto to : {"\"0x\"", "\"0xA5d3241a1591061f2a4bb69ca0215f66520e67cf\"", "0", "{}",
                          "\"a5d3241a1591061f2a4bb69ca0215f66520e67cf\""})
        EXPECT_EQ(refusal(legacy(R"("value":0,"to":)" + std::string(to))), Code::InvalidField) << to;
}

TEST(ReferenceJson, from_is_passed_through) {
    const auto parsed = parse(legacy(R"("value":0,"from":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf")"));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->from, *parse_address("0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"));
    EXPECT_FALSE(parse(legacy(R"("value":0)"))->from);
    EXPECT_EQ(refusal(legacy(R"("value":0,"from":"")")), Code::InvalidField);
}

TEST(ReferenceJson, the_chain_id_may_be_missing_in_legacy_only) {
    EXPECT_FALSE(parse(legacy(R"("value":0)"))->transaction.chain_id);
    EXPECT_FALSE(parse(legacy(R"("value":0,"chainId":null)"))->transaction.chain_id);
    EXPECT_EQ(refusal(dynamic(R"("type":2)")), Code::MissingField);
    EXPECT_EQ(refusal(dynamic(R"("chainId":null)")), Code::MissingField);
    EXPECT_EQ(refusal(dynamic(R"("chainId":0)")), Code::BadTransaction);
    EXPECT_EQ(refusal(legacy(R"("value":0,"chainId":0)")), Code::BadTransaction);
    EXPECT_TRUE(parse(dynamic(R"("chainId":1)")));
}

TEST(ReferenceJson, access_lists_have_eth_accounts_shape) {
    const auto keys = [](std::string_view list) {
        const auto parsed = parse(
            dynamic(R"("chainId":1,"accessList":[{"address":"0x1111111111111111111111111111111111111111",)"
                    R"("storageKeys":)" +
                    std::string(list) + "}]"));
        return parsed ? std::optional(parsed->transaction.access_list.at(0).storage_keys) : std::nullopt;
    };
    Hash32 seven{};
    seven[31] = 7;
    EXPECT_EQ(keys("[7,\"0x7\",\"0x" + std::string(63, '0') + "7\"]"),
              (std::vector<Hash32>{seven, seven, seven}));
    EXPECT_EQ(keys("[]"), std::vector<Hash32>());
    for (const std::string_view list : {"[\"7\"]", "[\"0x07\"]", "[-7]", "[7.0]", "[null]", "null", "7"})
        EXPECT_FALSE(keys(list)) << list;
}

TEST(ReferenceJson, other_refusals_have_the_codes_of_the_other_dialect) {
    EXPECT_EQ(refusal(legacy(R"("value":0,"gasLimit":21000)")), Code::UnknownField);
    EXPECT_EQ(refusal(legacy(R"("value":0,"input":"0x")")), Code::UnknownField);
    EXPECT_EQ(refusal(legacy(R"("value":0,"memo":1)")), Code::UnknownField);
    EXPECT_EQ(refusal(legacy(R"("value":0,"maxFeePerGas":1)")), Code::AmbiguousField);
    EXPECT_EQ(refusal(legacy(R"("value":0,"type":0,"accessList":[])")), Code::AmbiguousField);
    EXPECT_EQ(refusal(legacy(R"("value":0,"type":3)")), Code::UnsupportedType);
    EXPECT_EQ(refusal(dynamic(R"("chainId":1,"authorizationList":[])")), Code::UnsupportedType);
    EXPECT_EQ(refusal(R"({"value":1,"gas":1,"gasPrice":1})"), Code::MissingField);
    EXPECT_EQ(refusal(R"({"value":1,"nonce":1,"gasPrice":1})"), Code::MissingField);
    EXPECT_EQ(refusal(R"({"value":1,"nonce":1,"gas":1})"), Code::MissingField);
    EXPECT_EQ(refusal("[]"), Code::InvalidField);
    EXPECT_EQ(static_cast<int>(parse(legacy(R"("value":0,"chainId":1,"accessList":[])"))->transaction.type),
              1);
}

} // namespace
} // namespace redoubt::ethereum
