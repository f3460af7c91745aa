// SPDX-License-Identifier: Apache-2.0
#include "ethereum/transaction_json.h"

#include "random_transaction.h"

#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

Result<ParsedTransaction> parse(std::string_view text) {
    static json::Document document;
    const auto value = document.parse(text);
    EXPECT_TRUE(value) << text;
    if (!value)
        return std::unexpected(value.error());
    return transaction_from_json(*value);
}

using Members = std::vector<std::pair<std::string, std::string>>;
using Changes = std::vector<std::string>;

// `"name":value` replaces or adds a member, `-name` removes one.
std::string changed(Members members, const Changes& changes) {
    for (const auto& change : changes) {
        const bool removes = change.starts_with('-');
        const std::size_t colon = change.find(':');
        const std::string name = removes ? change.substr(1) : change.substr(1, colon - 2);
        std::erase_if(members, [&](const auto& member) { return member.first == name; });
        if (!removes)
            members.emplace_back(name, change.substr(colon + 1));
    }
    std::string out = "{";
    for (const auto& [name, value] : members)
        out += (out.size() > 1 ? ",\"" : "\"") + name + "\":" + value;
    return out + "}";
}

const Members kCommon = {{"chainId", "1"},
                         {"nonce", "7"},
                         {"gas", "21000"},
                         {"to", "\"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23\""},
                         {"value", "\"0xde0b6b3a7640000\""}};

// A dynamic-fee transaction with changes.
std::string with(const Changes& changes) {
    Members members = kCommon;
    members.emplace_back("type", "2");
    members.emplace_back("maxFeePerGas", "\"0x77359400\"");
    members.emplace_back("maxPriorityFeePerGas", "\"1000000000\"");
    return changed(members, changes);
}

// One with a gasPrice, of this type if any.
std::string priced(const std::string& type, const Changes& changes = {}) {
    Members members = kCommon;
    if (!type.empty())
        members.emplace_back("type", type);
    members.emplace_back("gasPrice", "5");
    return changed(members, changes);
}

Code refusal(std::string_view text) {
    const auto parsed = parse(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? Code::Internal : parsed.error().code;
}

TEST(TransactionJson, reads_every_member_exactly) {
    const auto parsed = parse(
        with({"\"data\":\"0xAbcd\"", "\"from\":\"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf\"",
              R"("accessList":[{"address":"0x1111111111111111111111111111111111111111",)"
              R"("storageKeys":["0x00000000000000000000000000000000000000000000000000000000000000ff"]},)"
              R"({"address":"0x2222222222222222222222222222222222222222","storageKeys":[]}])"}));
    ASSERT_TRUE(parsed) << parsed.error().describe();
    Hash32 key{};
    key[31] = 0xff;
    Transaction wanted;
    wanted.type = TransactionType::DynamicFee;
    wanted.chain_id = 1;
    wanted.nonce = 7;
    wanted.gas = 21000;
    wanted.max_fee_per_gas = 2'000'000'000;
    wanted.max_priority_fee_per_gas = 1'000'000'000;
    wanted.to = *parse_address("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
    wanted.value = 1'000'000'000'000'000'000;
    wanted.data = {0xab, 0xcd};
    wanted.access_list = {{*to_array<20>(Bytes(20, 0x11)), {key}}, {*to_array<20>(Bytes(20, 0x22)), {}}};
    EXPECT_EQ(parsed->transaction, wanted);
    EXPECT_EQ(parsed->from, *parse_address("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
}

TEST(TransactionJson, what_it_writes_it_reads_back) {
    RandomTransactions random(31);
    for (int round = 0; round < 1000; ++round) {
        Transaction t = random.transaction();
        if (!t.to && t.data.empty())
            t.to = random.address();
        const Address from = random.address();
        std::string text;
        json::Writer writer(text);
        write_transaction_json(writer, t, from);
        const auto back = parse(text);
        ASSERT_TRUE(back) << back.error().describe() << " " << text;
        EXPECT_EQ(back->transaction, t);
        EXPECT_EQ(back->from, from);
    }
}

TEST(TransactionJson, writes_the_form_of_json_rpc) {
    const auto written = [](const Transaction& t) {
        std::string text;
        json::Writer writer(text);
        write_transaction_json(writer, t, *to_array<20>(Bytes(20, 0x11)));
        return text;
    };
    auto t = parse(with({"\"data\":\"0x01\"",
                         "\"accessList\":[{\"address\":"
                         "\"0x2222222222222222222222222222222222222222\",\"storageKeys\":[]}]"}))
                 ->transaction;
    EXPECT_EQ(
        written(t),
        R"({"type":"0x2","chainId":"0x1","from":"0x1111111111111111111111111111111111111111","nonce":"0x7",)"
        R"("maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x3b9aca00","gas":"0x5208",)"
        R"("to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","value":"0xde0b6b3a7640000","input":"0x01",)"
        R"("accessList":[{"address":"0x2222222222222222222222222222222222222222","storageKeys":[]}]})");
    t = Transaction{};
    t.data = {0xfe};
    EXPECT_EQ(
        written(t),
        R"({"type":"0x0","chainId":null,"from":"0x1111111111111111111111111111111111111111","nonce":"0x0",)"
        R"("gasPrice":"0x0","gas":"0x0","to":null,"value":"0x0","input":"0xfe"})");
}

TEST(TransactionJson, the_type_is_declared_or_left_no_choice) {
    const auto type = [](const std::string& text) {
        const auto parsed = parse(text);
        EXPECT_TRUE(parsed) << text << (parsed ? "" : parsed.error().describe());
        return parsed ? static_cast<int>(parsed->transaction.type) : -1;
    };
    EXPECT_EQ(type(with({})), 2);
    EXPECT_EQ(type(with({"-type"})), 2);
    EXPECT_EQ(type(with({"\"type\":null"})), 2);
    EXPECT_EQ(type(with({"\"type\":\"0x2\""})), 2);
    EXPECT_EQ(type(with({"\"type\":\"2\""})), 2);
    EXPECT_EQ(type(priced("0")), 0);
    EXPECT_EQ(type(priced("\"0x0\"")), 0);
    EXPECT_EQ(type(priced("")), 0);
    EXPECT_EQ(type(priced("1")), 1);
    EXPECT_EQ(type(priced("", {"\"accessList\":[]"})), 1);
    EXPECT_EQ(type(priced("", {"\"accessList\":null"})), 0);
    EXPECT_EQ(type(priced("0", {"\"accessList\":null"})), 0);

    EXPECT_EQ(refusal(with({"\"gasPrice\":1"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"-type", "\"gasPrice\":1"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"\"type\":0"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"\"type\":1", "\"gasPrice\":1"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(priced("2")), Code::AmbiguousField);
    EXPECT_EQ(refusal(priced("0", {"\"accessList\":[]"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"-type", "-maxFeePerGas", "-maxPriorityFeePerGas"})), Code::MissingField);
    EXPECT_EQ(refusal(with({"\"type\":\"eip1559\""})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"type\":\"0x02\""})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"type\":true"})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"type\":2.0"})), Code::InvalidField);
}

TEST(TransactionJson, types_that_are_not_supported_are_called_that) {
    EXPECT_EQ(refusal(with({"\"type\":5"})), Code::UnsupportedType);
    EXPECT_EQ(refusal(with({"\"type\":\"0x6\"", "\"frames\":[]"})), Code::UnsupportedType);
    EXPECT_EQ(refusal(with({"\"type\":\"0x7f\""})), Code::UnsupportedType);
    EXPECT_TRUE(parse(with({"\"authorizationList\":null", "\"maxFeePerBlobGas\":null"})));
}

constexpr const char* kBlobHash = "\"0x0100000000000000000000000000000000000000000000000000000000000001\"";
constexpr const char* kAuthorization =
    R"({"chainId":1,"address":"0x1111111111111111111111111111111111111111","nonce":0,"yParity":0,"r":"0x1","s":"0x1"})";

std::string hashes(const std::string& list) {
    return "\"blobVersionedHashes\":[" + list + "]";
}

std::string authorizations(const std::string& list) {
    return "\"authorizationList\":[" + list + "]";
}

TEST(TransactionJson, blob_transactions_are_inferred_and_held_to_eip_4844) {
    const std::string fee = "\"maxFeePerBlobGas\":1";
    const auto blob = parse(with({"-type", fee, hashes(kBlobHash)}));
    ASSERT_TRUE(blob) << blob.error().describe();
    EXPECT_EQ(blob->transaction.type, TransactionType::Blob);
    EXPECT_EQ(blob->transaction.blob_versioned_hashes.size(), 1u);
    EXPECT_TRUE(parse(with({"\"type\":3", fee, hashes(kBlobHash)})));
    EXPECT_EQ(refusal(with({fee, hashes(kBlobHash)})), Code::AmbiguousField) << "declared as type 2";
    EXPECT_EQ(refusal(with({"-type", hashes(kBlobHash)})), Code::MissingField);
    EXPECT_EQ(refusal(with({"-type", fee})), Code::MissingField);
    EXPECT_EQ(refusal(with({"-type", fee, hashes("")})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"-type", fee, hashes("\"0x02" + std::string(62, '0') + "\"")})),
              Code::BadTransaction);
    EXPECT_EQ(refusal(with({"-type", fee, hashes("\"0x01\"")})), Code::InvalidField);
    std::string seven = kBlobHash;
    for (int i = 0; i < 6; ++i)
        seven += std::string(",") + kBlobHash;
    EXPECT_EQ(refusal(with({"-type", fee, hashes(seven)})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"-type", fee, hashes(kBlobHash), "-to", "\"data\":\"0x00\""})),
              Code::BadTransaction);
    EXPECT_EQ(refusal(with({"-type", fee, hashes(kBlobHash), "\"blobs\":[\"0x00\"]"})), Code::UnknownField);
    EXPECT_EQ(refusal(with({"-type", fee, hashes(kBlobHash), authorizations(kAuthorization)})),
              Code::AmbiguousField);
}

TEST(TransactionJson, set_code_transactions_are_inferred_and_held_to_eip_7702) {
    const auto parsed = parse(with({"-type", authorizations(kAuthorization)}));
    ASSERT_TRUE(parsed) << parsed.error().describe();
    EXPECT_EQ(parsed->transaction.type, TransactionType::SetCode);
    EXPECT_TRUE(parse(with({"\"type\":4", authorizations(kAuthorization)})));
    EXPECT_EQ(refusal(with({authorizations(kAuthorization)})), Code::AmbiguousField) << "declared as type 2";
    EXPECT_EQ(refusal(with({"\"type\":4"})), Code::MissingField);
    EXPECT_EQ(refusal(with({"-type", authorizations("")})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"-type", "-to", "\"data\":\"0x00\"", authorizations(kAuthorization)})),
              Code::BadTransaction);
    const auto changed = [](const std::string& from, const std::string& to) {
        std::string out = kAuthorization;
        out.replace(out.find(from), from.size(), to);
        return refusal(with({"-type", authorizations(out)}));
    };
    EXPECT_EQ(changed("\"yParity\":0", "\"yParity\":2"), Code::InvalidField);
    EXPECT_EQ(changed("\"yParity\":0", "\"yParity\":0,\"v\":28"), Code::AmbiguousField);
    EXPECT_EQ(changed("\"yParity\":0", "\"yParity\":null"), Code::MissingField);
    EXPECT_EQ(changed("\"r\":\"0x1\"", "\"r\":0"), Code::InvalidField);
    EXPECT_EQ(changed("\"s\":\"0x1\"",
                      "\"s\":\"0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1\""),
              Code::InvalidField)
        << "EIP-2";
    EXPECT_EQ(changed("\"nonce\":0", "\"nonce\":\"0xffffffffffffffff\""), Code::BadTransaction);
    EXPECT_EQ(changed("\"nonce\":0", "\"nonce\":0,\"x\":1"), Code::UnknownField);
    const std::string nested =
        R"({"chainId":0,"address":"0x1111111111111111111111111111111111111111","nonce":0,"signature":{"v":28,"r":"0x1","s":"0x1"}})";
    const auto ethers = parse(with({"-type", authorizations(nested)}));
    ASSERT_TRUE(ethers) << ethers.error().describe();
    EXPECT_EQ(ethers->transaction.authorization_list[0].signature.y_parity, 1);
}

TEST(TransactionJson, unknown_members_are_refused) {
    for (const auto name : {"memo", "gasprice", "Nonce", "v", "r", "s", "hash", "privateKey", "yParity", ""})
        EXPECT_EQ(refusal(with({"\"" + std::string(name) + "\":null"})), Code::UnknownField) << name;
    EXPECT_EQ(refusal(with({"\"accessList\":[{\"address\":\"0x1111111111111111111111111111111111111111\","
                            "\"storageKeys\":[],\"x\":1}]"})),
              Code::UnknownField);
    EXPECT_EQ(refusal("[]"), Code::InvalidField);
    EXPECT_EQ(refusal("null"), Code::InvalidField);
    EXPECT_EQ(refusal("\"0x\""), Code::InvalidField);
}

TEST(TransactionJson, what_is_missing_is_named) {
    const std::pair<std::string_view, std::string_view> members[] = {
        {"nonce", "the transaction needs nonce"},
        {"gas", "the transaction needs gas"},
        {"maxFeePerGas", "the transaction needs maxFeePerGas"},
        {"maxPriorityFeePerGas", "the transaction needs maxPriorityFeePerGas"},
        {"chainId", "a typed transaction needs chainId"},
        {"to", "the transaction needs to, or data with the init code of a contract to create"}};
    for (const auto& [name, text] : members)
        for (const auto& change : {"-" + std::string(name), "\"" + std::string(name) + "\":null"}) {
            const auto parsed = parse(with({change}));
            ASSERT_FALSE(parsed) << change;
            EXPECT_EQ(parsed.error().code, Code::MissingField) << change;
            EXPECT_EQ(parsed.error().text.view(), text);
        }
    EXPECT_EQ(refusal(priced("1", {"-gasPrice"})), Code::MissingField);
    EXPECT_EQ(refusal("{}"), Code::MissingField);
    for (const auto entry :
         {"{}", "{\"address\":\"0x1111111111111111111111111111111111111111\"}", "{\"storageKeys\":[]}"})
        EXPECT_EQ(refusal(with({"\"accessList\":[" + std::string(entry) + "]"})), Code::MissingField);
    const auto without_value = parse(with({"-value"}));
    ASSERT_TRUE(without_value);
    EXPECT_TRUE(without_value->transaction.value.is_zero());
}

TEST(TransactionJson, a_legacy_transaction_lacks_its_chain_id_only_when_asked_to) {
    EXPECT_EQ(refusal(priced("0", {"-chainId"})), Code::MissingField);
    EXPECT_EQ(refusal(priced("", {"-chainId"})), Code::MissingField);
    const auto parsed = parse(priced("0", {"-chainId", "\"chainId\":null"}));
    ASSERT_TRUE(parsed) << parsed.error().describe();
    EXPECT_FALSE(parsed->transaction.chain_id);
    EXPECT_EQ(refusal(priced("1", {"-chainId", "\"chainId\":null"})), Code::MissingField);
    EXPECT_EQ(refusal(priced("0", {"-chainId", "\"chainId\":0"})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"\"chainId\":\"0x0\""})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"\"chainId\":\"mainnet\""})), Code::InvalidField);
}

TEST(TransactionJson, integers_are_exact_or_refused) {
    const auto value = [](std::string_view token) {
        const auto parsed = parse(with({"\"value\":" + std::string(token)}));
        EXPECT_TRUE(parsed) << token;
        return parsed ? to_decimal(parsed->transaction.value) : "";
    };
    EXPECT_EQ(value("9007199254740994"), "9007199254740994"); // 2^53 + 2
    EXPECT_EQ(value("\"9007199254740993\""), "9007199254740993");
    EXPECT_EQ(value("1000000000000000000000"), "1000000000000000000000");
    EXPECT_EQ(value("\"1000000000000000000000000000001\""), "1000000000000000000000000000001");
    EXPECT_EQ(value("\"0xFfFf\""), "65535");
    EXPECT_EQ(value("\"0x0\""), "0");
    EXPECT_EQ(value("\"\\u0030x10\""), "16");
    for (const std::string_view token :
         {"1.0",      "1e3",
          "1E3",      "-1",
          "-0",       "0.5",
          "\"1.0\"",  "\"1e3\"",
          "\"-1\"",   "\"+1\"",
          "\"01\"",   "\"\"",
          "\" 1\"",   "\"1 \"",
          "\"0x\"",   "\"0x01\"",
          "\"0x00\"", "\"0X1\"",
          "\"x1\"",   "\"ff\"",
          "\"0xg\"",  "\"0x1.0\"",
          "true",     "false",
          "[]",       "[1]",
          "{}",       "115792089237316195423570985008687907853269984665640564039457584007913129639936"})
        for (const auto name : {"value", "nonce", "gas", "chainId", "maxFeePerGas", "maxPriorityFeePerGas"})
            EXPECT_EQ(refusal(with({"\"" + std::string(name) + "\":" + std::string(token)})),
                      Code::InvalidField)
                << name << " " << token;
    EXPECT_EQ(refusal(with({"\"gas\":18446744073709551616"})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"nonce\":18446744073709551616"})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"nonce\":\"18446744073709551615\""})), Code::BadTransaction);
    EXPECT_EQ(refusal(with({"\"maxPriorityFeePerGas\":2000000001"})), Code::BadTransaction);
    EXPECT_TRUE(parse(with({"\"maxPriorityFeePerGas\":2000000000"})));
}

TEST(TransactionJson, two_names_of_one_member_must_agree) {
    EXPECT_TRUE(parse(with({"-gas", "\"gasLimit\":21000"})));
    EXPECT_TRUE(parse(with({"\"gas\":null", "\"gasLimit\":21000"})));
    EXPECT_TRUE(parse(with({"\"gas\":\"0x5208\"", "\"gasLimit\":21000"})));
    EXPECT_EQ(refusal(with({"\"gasLimit\":21001"})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"\"gasLimit\":\"0x\""})), Code::InvalidField);
    EXPECT_EQ(refusal(with({"\"gas\":\"0x\"", "\"gasLimit\":21000"})), Code::InvalidField);
    EXPECT_EQ(parse(with({"\"input\":\"0xab\""}))->transaction.data, Bytes{0xab});
    EXPECT_EQ(parse(with({"\"data\":\"0xab\"", "\"input\":\"0xAB\""}))->transaction.data, Bytes{0xab});
    EXPECT_EQ(parse(with({"\"data\":null", "\"input\":\"0xab\""}))->transaction.data, Bytes{0xab});
    EXPECT_EQ(refusal(with({"\"data\":\"0xab\"", "\"input\":\"0x\""})), Code::AmbiguousField);
    EXPECT_EQ(refusal(with({"\"data\":\"0xab\"", "\"input\":\"0xa\""})), Code::InvalidField);
}

TEST(TransactionJson, bytes_and_addresses_are_strict) {
    for (const std::string_view token :
         {"\"0xa\"", "\"ab\"", "\"\"", "\"0xzz\"", "\"0x 1\"", "1", "[]", "\"0Xab\""})
        EXPECT_EQ(refusal(with({"\"data\":" + std::string(token)})), Code::InvalidField) << token;
    EXPECT_TRUE(parse(with({"\"data\":\"0x\""}))->transaction.data.empty());
    for (const auto name : {"to", "from"})
        for (const std::string_view token :
             {"\"\"", "\"0x\"", "1", "{}", "\"2c7536E3605D9C16a7a3D7b1898e529396a65c23\"",
              "\"0x2c7536e3605D9C16a7a3D7b1898e529396a65c23\"",
              "\"0x2c7536E3605D9C16a7a3D7b1898e529396a65c2\"", "\"vitalik.eth\""})
            EXPECT_EQ(refusal(with({"\"" + std::string(name) + "\":" + std::string(token)})),
                      Code::InvalidField)
                << name << " " << token;
    EXPECT_TRUE(parse(with({"\"to\":\"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23\""})));
    EXPECT_FALSE(parse(with({"\"from\":null"}))->from);
    const auto creation = parse(with({"\"to\":null", "\"data\":\"0x00\""}));
    ASSERT_TRUE(creation);
    EXPECT_FALSE(creation->transaction.to);
    EXPECT_EQ(refusal(with({"-to", "\"data\":\"0x\""})), Code::MissingField);
}

TEST(TransactionJson, access_lists_are_strict) {
    const std::string address = "\"0x1111111111111111111111111111111111111111\"";
    const auto entry = [&](const std::string& keys) {
        return with({"\"accessList\":[{\"address\":" + address + ",\"storageKeys\":" + keys + "}]"});
    };
    EXPECT_TRUE(parse(entry("[\"0x" + std::string(64, 'f') + "\"]")));
    for (const std::string& keys :
         {std::string("null"), std::string("{}"), std::string("[1]"), std::string("[\"0x1\"]"),
          "[\"0x" + std::string(63, 'f') + "\"]", "[\"0x" + std::string(66, 'f') + "\"]",
          "[\"" + std::string(64, 'f') + "\"]", std::string("[null]")})
        EXPECT_EQ(refusal(entry(keys)), Code::InvalidField) << keys;
    for (const std::string& list :
         {std::string("{}"), std::string("\"\""), std::string("[[]]"), std::string("[null]"),
          "[[" + address + ",[]]]", std::string("[{\"address\":1,\"storageKeys\":[]}]"),
          std::string("[{\"address\":\"0x\",\"storageKeys\":[]}]")})
        EXPECT_EQ(refusal(with({"\"accessList\":" + list})), Code::InvalidField) << list;
}

} // namespace
} // namespace redoubt::ethereum
