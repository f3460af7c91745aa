// SPDX-License-Identifier: Apache-2.0
// Every field and every operator of the language, at its edges.
#include "ethereum/abi.h"
#include "ethereum/typed_data.h"
#include "verdicts.h"

namespace redoubt::policy::test {
namespace {

using ethereum::Transaction;
using ethereum::TransactionType;

struct Row {
    std::string field, test;
    Is expected;
};

void check(const std::vector<Row>& rows, const Facts& facts, std::string_view more = "",
           std::string_view before = "") {
    for (const Row& row : rows)
        EXPECT_EQ(outcome(std::string(before) + on(row.field, row.test), facts, more), row.expected)
            << row.field << " " << row.test;
}

TEST(PolicyTable, integers_are_exact_at_their_ends) {
    Transaction transaction = transfer();
    transaction.value = all_ones();
    check({{"transaction.value", R"({"is":")" + kMost + "\"}", Is::True},
           {"transaction.value", R"({"at_least":")" + kMost + "\"}", Is::True},
           {"transaction.value", R"({"at_most":")" + kMost.substr(0, kMost.size() - 1) + "4\"}", Is::False},
           {"transaction.value", R"({"not_in":[1,"2"]})", Is::True},
           {"transaction.value", R"({"not_in":[1,")" + kMost + "\"]}", Is::False},
           {"transaction.value", R"({"in":[1,")" + kMost + "\"]}", Is::True},
           {"transaction.cost", R"({"at_least":0})", Is::Unreadable}}, // it overflows
          facts_of(transaction));
    transaction.value = 9'007'199'254'740'991;
    check({{"transaction.value", R"({"is":9007199254740991})", Is::True},
           {"transaction.value", R"({"is":"9007199254740991"})", Is::True},
           {"transaction.value", R"({"at_least":9007199254740991,"at_most":9007199254740991})", Is::True},
           {"transaction.value", R"({"at_most":"9007199254740990"})", Is::False},
           {"transaction.value", R"({"at_least":"9007199254740992"})", Is::False},
           {"transaction.value", R"({"at_least":1,"not_in":[9007199254740991]})", Is::False}},
          facts_of(transaction));
}

TEST(PolicyTable, a_transaction_has_these_fields) {
    Transaction transaction = transfer();
    const std::string here = R"("0x1111111111111111111111111111111111111111")";
    check({{"transaction.chain_id", R"({"is":1})", Is::True},
           {"transaction.chain_id", R"({"in":["10","8453"]})", Is::False},
           {"transaction.type", R"({"is":2})", Is::True},
           {"transaction.to", R"({"is":)" + here + "}", Is::True},
           {"transaction.to", R"({"not_in":[)" + here + "]}", Is::False},
           {"transaction.to", R"({"is":"0x1111111111111111111111111111111111111112"})", Is::False},
           {"transaction.deploys", R"({"is":false})", Is::True},
           {"transaction.deploys", R"({"is":true})", Is::False},
           {"transaction.cost", R"({"is":631000})", Is::True}, // 1000 + 21000 * 30
           {"transaction.gas", R"({"is":21000})", Is::True},
           {"transaction.nonce", R"({"is":7})", Is::True},
           {"transaction.gas_price", R"({"at_least":0})", Is::False},
           {"transaction.max_fee_per_gas", R"({"is":30})", Is::True},
           {"transaction.max_priority_fee_per_gas", R"({"is":2})", Is::True},
           {"transaction.fee_per_gas", R"({"is":30})", Is::True},
           {"transaction.max_fee_per_blob_gas", R"({"at_least":0})", Is::False},
           {"transaction.blobs", R"({"is":0})", Is::True},
           {"transaction.data_size", R"({"is":0})", Is::True},
           {"transaction.data", R"({"is":"0x"})", Is::True},
           {"transaction.selector", R"({"not_in":["0xa9059cbb"]})", Is::False}, // absent
           {"transaction.access_list.length", R"({"is":0})", Is::True},
           {"transaction.authorizations.length", R"({"is":0})", Is::True},
           {"transaction.authorizations[all].chain_id", R"({"is":1})", Is::True},
           {"transaction.authorizations[any].chain_id", R"({"at_least":0})", Is::False},
           {"transaction.authorizations[0].chain_id", R"({"at_least":0})", Is::False},
           {"path", R"({"under":"m"})", Is::False},
           {"time", R"({"before":1})", Is::True}},
          facts_of(transaction));
    transaction.data = {0xa9, 0x05, 0x9c};
    check({{"transaction.selector", R"({"starts_with":"0xa9"})", Is::False},
           {"transaction.data", R"({"starts_with":"0xa905"})", Is::True},
           {"transaction.data", R"({"starts_with":"0xa9059cbb"})", Is::False}},
          facts_of(transaction));
    transaction.data.push_back(0xbb);
    check({{"transaction.selector", R"({"is":"0xa9059cbb"})", Is::True},
           {"transaction.selector", R"({"starts_with":"0xa9"})", Is::True},
           {"transaction.data", R"({"in":["0x","0xa9059cbb"]})", Is::True},
           {"transaction.data_size", R"({"at_least":4,"at_most":4})", Is::True}},
          facts_of(transaction));
    transaction.to.reset(); // a deployment
    check({{"transaction.to", R"({"not_in":[)" + here + "]}", Is::False},
           {"transaction.selector", R"({"is":"0xa9059cbb"})", Is::False},
           {"transaction.data", R"({"is":"0xa9059cbb"})", Is::True},
           {"transaction.deploys", R"({"is":true})", Is::True}},
          facts_of(transaction));
}

TEST(PolicyTable, transactions_of_each_type_have_their_own_fees) {
    Transaction legacy = transfer();
    legacy.type = TransactionType::Legacy;
    legacy.chain_id.reset();
    legacy.gas_price = 5;
    check({{"transaction.chain_id", R"({"not_in":[1]})", Is::False},
           {"transaction.type", R"({"is":0})", Is::True},
           {"transaction.gas_price", R"({"is":5})", Is::True},
           {"transaction.fee_per_gas", R"({"is":5})", Is::True},
           {"transaction.max_fee_per_gas", R"({"at_least":0})", Is::False},
           {"transaction.max_priority_fee_per_gas", R"({"at_least":0})", Is::False},
           {"transaction.cost", R"({"is":106000})", Is::True}},
          facts_of(legacy));
    Transaction blob = transfer();
    blob.type = TransactionType::Blob;
    blob.max_fee_per_blob_gas = 3;
    blob.blob_versioned_hashes.resize(2);
    check({{"transaction.max_fee_per_blob_gas", R"({"is":3})", Is::True},
           {"transaction.blobs", R"({"is":2})", Is::True},
           {"transaction.cost", R"({"is":1417432})", Is::True}}, // 631000 + 2 * 131072 * 3
          facts_of(blob));
    Transaction code = transfer();
    code.type = TransactionType::SetCode;
    code.authorization_list.resize(2);
    code.authorization_list[0].authorization = {1, address(0x22), 3};
    code.authorization_list[1].authorization = {0, address(0x33), 4};
    check({{"transaction.authorizations.length", R"({"is":2})", Is::True},
           {"transaction.authorizations[0].nonce", R"({"is":3})", Is::True},
           {"transaction.authorizations[1].nonce", R"({"is":4})", Is::True},
           {"transaction.authorizations[2].nonce", R"({"at_least":0})", Is::False},
           {"transaction.authorizations[all].nonce", R"({"at_least":3})", Is::True},
           {"transaction.authorizations[all].chain_id", R"({"is":1})", Is::False},
           {"transaction.authorizations[any].chain_id", R"({"is":0})", Is::True},
           {"transaction.authorizations[any].address",
            R"({"is":"0x3333333333333333333333333333333333333333"})", Is::True},
           {"transaction.authorizations[all].address",
            R"({"in":["0x3333333333333333333333333333333333333333"]})", Is::False}},
          facts_of(code));
}

TEST(PolicyTable, addresses_come_from_books_too) {
    const Transaction transaction = transfer();
    const std::string books =
        R"("addresses":{"ours":["0x1111111111111111111111111111111111111111"],"others":[)"
        R"("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","0x2222222222222222222222222222222222222222"]},)";
    check({{"transaction.to", R"({"is":"@ours"})", Is::True},
           {"transaction.to", R"({"in":["@others"]})", Is::False},
           {"transaction.to", R"({"in":["@others","@ours"]})", Is::True},
           {"transaction.to", R"({"not_in":["@others"]})", Is::True},
           {"transaction.to", R"({"not_in":["@ours","0x2222222222222222222222222222222222222222"]})",
            Is::False},
           {"transaction.to", R"({"is":"@ours","not_in":["@others"]})", Is::True}},
          facts_of(transaction), books);
}

// f(uint256 amount, int8 small, address[] to, (bytes data, string note)[2] pair, uint256)
const std::string kFunction =
    R"j(,"function":"f(uint256 amount,int8 small,address[] to,(bytes data,string note)[2] pair,bytes4)")j";

Transaction call(std::string_view small = std::string(64, 'f')) {
    const std::string selector = [] {
        const auto function =
            ethereum::abi::parse_function("f(uint256,int8,address[],(bytes,string)[2],bytes4)");
        return to_hex(function->selector());
    }();
    const std::string item = word(0x40) + word(0x80) + word(2) + "beef" + std::string(60, '0') + word(2) +
                             "6869" + std::string(60, '0'); // data 0xbeef, note "hi"
    const std::string empty = word(0x40) + word(0x60) + word(0) + word(0);
    const std::string arguments = word(5) + std::string(small) + word(0xa0) + word(0x100) + "01020304" +
                                  std::string(56, '0') + word(2) + std::string(24, '0') +
                                  std::string(40, '1') + std::string(24, '0') + std::string(40, '2') +
                                  word(0x40) + word(0x100) + item + empty;
    Transaction out = transfer();
    out.data = *from_hex(selector + arguments);
    return out;
}

TEST(PolicyTable, conditions_look_into_calls) {
    const Transaction transaction = call();
    check({{"call.amount", R"({"is":5})", Is::True},
           {"call.small", R"({"is":"-1"})", Is::True},
           {"call.small", R"({"at_most":"-1","at_least":"-1"})", Is::True},
           {"call.small", R"({"at_least":0})", Is::False},
           {"call.small", R"({"in":["-2","0",3]})", Is::False},
           {"call.to.length", R"({"is":2})", Is::True},
           {"call.to[0]", R"({"is":"0x1111111111111111111111111111111111111111"})", Is::True},
           {"call.to[-1]", R"({"is":"0x2222222222222222222222222222222222222222"})", Is::True},
           {"call.to[-2]", R"({"is":"0x1111111111111111111111111111111111111111"})", Is::True},
           {"call.to[-3]", R"({"not_in":["0x1111111111111111111111111111111111111111"]})", Is::False},
           {"call.to[2]", R"({"not_in":["0x1111111111111111111111111111111111111111"]})", Is::False},
           {"call.to[any]", R"({"is":"0x2222222222222222222222222222222222222222"})", Is::True},
           {"call.to[all]", R"({"is":"0x2222222222222222222222222222222222222222"})", Is::False},
           {"call.to[all]", R"({"not_in":["0x3333333333333333333333333333333333333333"]})", Is::True},
           {"call.pair.length", R"({"is":2})", Is::True},
           {"call.pair[0].data", R"({"is":"0xbeef"})", Is::True},
           {"call.pair[0].data.length", R"({"is":2})", Is::True},
           {"call.pair[1].data", R"({"is":"0x"})", Is::True},
           {"call.pair[0].note", R"({"matches":"h[a-z]"})", Is::True},
           {"call.pair[all].note", R"({"in":["","hi"]})", Is::True},
           {"call.pair[any].note.length", R"({"is":0})", Is::True},
           {"call.4", R"({"is":"0x01020304"})", Is::True},
           {"call.4", R"({"starts_with":"0x0102"})", Is::True}},
          facts_of(transaction), "", kFunction);
}

TEST(PolicyTable, calldata_that_is_not_strict_holds_in_deny_rules_only) {
    Transaction transaction = call();
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::True);
    transaction.data.push_back(0);
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::Unreadable);
    check({{"call.amount", R"({"is":5})", Is::Unreadable},
           {"call.to[9]", R"({"is":"0x1111111111111111111111111111111111111111"})", Is::Unreadable},
           {"transaction.value", R"({"is":1})", Is::False}}, // that much can be read
          facts_of(transaction), "", kFunction);
    transaction.data.resize(4);
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::Unreadable);
    transaction.data.resize(3);
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::False);
    transaction = call();
    transaction.data[0] ^= 1; // another function
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::False);
    transaction = call();
    transaction.to.reset();
    EXPECT_EQ(outcome(kFunction, facts_of(transaction)), Is::False);
    // int8 -1 that is not sign-extended.
    EXPECT_EQ(outcome(kFunction, facts_of(call(std::string(62, '0') + "ff"))), Is::Unreadable);
}

TEST(PolicyTable, typed_data_is_read_by_its_types) {
    const std::string text = R"({"types":{"Order":[{"name":"to","type":"address"},
        {"name":"amount","type":"uint256"},{"name":"delta","type":"int64"},{"name":"legs","type":"Leg[]"},
        {"name":"note","type":"string"},{"name":"ok","type":"bool"},{"name":"tag","type":"bytes4"},
        {"name":"none","type":"Leg"},{"name":"empty","type":"uint8[]"}],
        "Leg":[{"name":"length","type":"uint8"},{"name":"blob","type":"bytes"}]},
        "primaryType":"Order","domain":{"name":"Shop","chainId":5,
        "verifyingContract":"0x1111111111111111111111111111111111111111"},
        "message":{"to":"0x2222222222222222222222222222222222222222","amount":"0x10","delta":-3,
        "legs":[{"length":1,"blob":"0xaabb"},{"length":9,"blob":"0x"}],"note":"42","ok":true,
        "tag":"0x01020304","none":null,"empty":[]}})";
    json::Document json;
    const auto root = json.parse(text);
    ASSERT_TRUE(root);
    const auto digest = ethereum::typed_data_digest(*root);
    ASSERT_TRUE(digest) << digest.error().describe();
    Facts facts;
    facts.operation = Operation::SignTypedData;
    facts.typed_data = *root;
    check({{"typed_data.primary_type", R"({"is":"Order"})", Is::True},
           {"typed_data.type", R"({"starts_with":"Order(address to,uint256 amount,"})", Is::True},
           {"typed_data.type", R"({"matches":".*Leg(uint8.*"})", Is::True},
           {"domain.name", R"({"is":"Shop"})", Is::True},
           {"domain.version", R"({"not_in":["1"]})", Is::False},
           {"domain.chain_id", R"({"is":5})", Is::True},
           {"domain.verifying_contract", R"({"is":"0x1111111111111111111111111111111111111111"})", Is::True},
           {"domain.salt", R"({"starts_with":"0x00"})", Is::False},
           {"message.to", R"({"is":"0x2222222222222222222222222222222222222222"})", Is::True},
           {"message.to", R"({"is":"0x22"})", Is::Unreadable},
           {"message.to", R"({"is":17})", Is::Unreadable},
           {"message.amount", R"({"is":16})", Is::True},
           {"message.amount", R"({"is":"16"})", Is::True},
           {"message.amount", R"({"at_least":"-1","at_most":")" + kMost + "\"}", Is::True},
           {"message.amount", R"({"is":"sixteen"})", Is::Unreadable},
           {"message.amount", R"({"starts_with":"1"})", Is::Unreadable},
           {"message.delta", R"({"is":"-3"})", Is::True},
           {"message.delta", R"({"at_least":0})", Is::False},
           {"message.note", R"({"is":"42"})", Is::Unreadable}, // a number, and the field a text
           {"message.note", R"({"matches":"42"})", Is::True},
           {"message.note", R"({"starts_with":"42"})", Is::True},
           {"message.note.length", R"({"is":2})", Is::True},
           {"message.ok", R"({"is":true})", Is::True},
           {"message.ok", R"({"is":false})", Is::False},
           {"message.ok", R"({"is":1})", Is::Unreadable},
           {"message.tag", R"({"in":["0x01020304","0x"]})", Is::True},
           {"message.tag.length", R"({"at_least":0})", Is::False}, // of bytes4 there is none
           {"message.legs", R"({"is":1})", Is::Unreadable},
           {"message.legs.length", R"({"is":2})", Is::True},
           {"message.legs[0].length", R"({"is":1})", Is::True},
           {"message.legs[-1].length", R"({"is":9})", Is::True},
           {"message.legs[0].blob", R"({"is":"0xaabb"})", Is::True},
           {"message.legs[0].blob.length", R"({"is":2})", Is::True},
           {"message.legs[all].length", R"({"at_most":9})", Is::True},
           {"message.legs[any].length", R"({"is":2})", Is::False},
           {"message.legs[2].length", R"({"at_least":0})", Is::False},
           {"message.legs[all].absent", R"({"is":0})", Is::False},
           {"message.none.length", R"({"at_least":0})", Is::False}, // null
           {"message.empty[all]", R"({"is":7})", Is::True},
           {"message.empty[any]", R"({"is":7})", Is::False},
           {"message.absent", R"({"not_in":["x"]})", Is::False},
           {"message.to.x", R"({"is":1})", Is::False},
           {"message.to[0]", R"({"is":1})", Is::False}},
          facts);
}

TEST(PolicyTable, other_requests_have_their_fields) {
    Facts message;
    message.operation = Operation::SignMessage;
    const Bytes text = to_bytes("I accept 7"), binary = {0xff, 0x00};
    message.message = text;
    const ethereum::Address validator = address(0x44);
    check({{"message_text", R"({"is":"I accept 7"})", Is::True},
           {"message_text", R"({"matches":"I accept [0-9]+"})", Is::True},
           {"message_text", R"({"matches":"I accept"})", Is::False},
           {"message_text", R"({"starts_with":"I ","not_in":["I accept 8"]})", Is::True},
           {"message_bytes", R"({"starts_with":"0x4920"})", Is::True},
           {"message_size", R"({"is":10})", Is::True},
           {"validator", R"({"not_in":["0x1111111111111111111111111111111111111111"]})", Is::False}},
          message);
    message.message = binary;
    message.validator = &validator;
    check({{"message_text", R"({"matches":".*"})", Is::False},
           {"message_bytes", R"({"is":"0xff00"})", Is::True},
           {"validator", R"({"is":"0x4444444444444444444444444444444444444444"})", Is::True}},
          message);
    Facts authorization;
    authorization.operation = Operation::SignAuthorization;
    const ethereum::Authorization what{0, address(0x55), 3};
    authorization.authorization = &what;
    check({{"authorization.chain_id", R"({"is":0})", Is::True},
           {"authorization.address", R"({"is":"0x5555555555555555555555555555555555555555"})", Is::True},
           {"authorization.nonce", R"({"at_most":2})", Is::False}},
          authorization);
    Facts hash;
    hash.operation = Operation::SignHash;
    Hash32 digest{};
    digest[0] = 0x12;
    hash.digest = &digest;
    check({{"digest", R"({"starts_with":"0x12"})", Is::True},
           {"digest", R"({"is":"0x)" + to_hex(Hash32{}) + "\"}", Is::False}},
          hash);
    Facts exported;
    exported.operation = Operation::Export;
    exported.recipient = "cold";
    check({{"recipient", R"({"in":["cold","hot"]})", Is::True}, {"recipient", R"({"is":"hot"})", Is::False}},
          exported);
}

TEST(PolicyTable, paths_are_compared_index_by_index) {
    const crypto::HdPath path = *crypto::parse_hd_path("m/44'/60'/0'/0/7");
    const Transaction transaction = transfer();
    Facts facts = facts_of(transaction);
    facts.path = &path;
    check({{"path", R"({"is":"m/44'/60'/0'/0/7"})", Is::True},
           {"path", R"({"in":["m","m/44'/60'/0'/0/8"]})", Is::False},
           {"path", R"({"under":"m/44'/60'/0'"})", Is::True},
           {"path", R"({"under":"m/44'/60'/0'/0/7"})", Is::True},
           {"path", R"({"under":"m/44'/60'/0'/0/7/0"})", Is::False},
           {"path", R"({"under":"m/44'/60'/0"})", Is::False},
           {"path", R"({"under":"m"})", Is::True}},
          facts);
}

TEST(PolicyTable, a_derivation_is_allowed_for_all_its_paths_and_denied_for_one) {
    const std::vector<crypto::HdPath> paths = {*crypto::parse_hd_path("m/1"),
                                               *crypto::parse_hd_path("m/2/3")};
    Facts facts;
    facts.operation = Operation::Derive;
    facts.derived = paths;
    const auto allows = [&](const char* test) {
        return evaluate(parsed(with_rule("allow", "derive", on("path", test))), facts).allowed();
    };
    const auto denies = [&](const char* test) {
        return evaluate(parsed(with_rule("deny", "derive", on("path", test))), facts).denied_by != nullptr;
    };
    EXPECT_TRUE(allows(R"({"under":"m"})"));
    EXPECT_FALSE(allows(R"({"under":"m/2"})"));
    EXPECT_TRUE(denies(R"({"under":"m/2"})"));
    EXPECT_FALSE(denies(R"({"under":"m/3"})"));
}

TEST(PolicyTable, times_are_utc_and_may_pass_midnight) {
    const Transaction transaction = transfer();
    const auto at = [&](UnixMs now, const std::string& test) {
        Facts facts = facts_of(transaction);
        facts.now = now;
        return outcome(on("time", test), facts);
    };
    constexpr UnixMs kDay = 86'400'000, kHour = 3'600'000;
    constexpr UnixMs kMonday = 20'423 * kDay; // 2025-12-01
    EXPECT_EQ(at(kMonday, R"({"from":1764547200000})"), Is::True);
    EXPECT_EQ(at(kMonday, R"({"from":1764547200001})"), Is::False);
    EXPECT_EQ(at(kMonday, R"({"before":1764547200000})"), Is::False);
    EXPECT_EQ(at(kMonday, R"({"before":1764547200001})"), Is::True);
    const std::string office = R"({"of_day":["08:30","17:00"]})", night = R"({"of_day":["22:00","06:00"]})";
    EXPECT_EQ(at(kMonday + 8 * kHour + 1'799'999, office), Is::False);
    EXPECT_EQ(at(kMonday + 8 * kHour + 1'800'000, office), Is::True);
    EXPECT_EQ(at(kMonday + 17 * kHour - 1, office), Is::True);
    EXPECT_EQ(at(kMonday + 17 * kHour, office), Is::False);
    EXPECT_EQ(at(kMonday + 22 * kHour - 1, night), Is::False);
    EXPECT_EQ(at(kMonday + 22 * kHour, night), Is::True);
    EXPECT_EQ(at(kMonday + 24 * kHour, night), Is::True);
    EXPECT_EQ(at(kMonday + 6 * kHour - 1, night), Is::True);
    EXPECT_EQ(at(kMonday + 6 * kHour, night), Is::False);
    EXPECT_EQ(at(kMonday + 23 * kHour, R"({"of_day":["22:00","00:00"]})"), Is::True);
    EXPECT_EQ(at(kMonday + 24 * kHour, R"({"of_day":["22:00","00:00"]})"), Is::False);
    const char* days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (int day = 0; day < 7; ++day)
        for (int named = 0; named < 7; ++named)
            EXPECT_EQ(
                at(kMonday + day * kDay + kHour, R"({"weekdays":[")" + std::string(days[named]) + "\"]}"),
                day == named ? Is::True : Is::False);
    EXPECT_EQ(at(kMonday - 1, R"({"weekdays":["sun"]})"), Is::True);
    EXPECT_EQ(at(0, R"({"weekdays":["thu"],"of_day":["00:00","00:01"],"before":60000})"), Is::True);
}

} // namespace
} // namespace redoubt::policy::test
