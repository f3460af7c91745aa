// SPDX-License-Identifier: Apache-2.0
// Who is meant, which rule decides, and what limits are charged.
#include "verdicts.h"

namespace redoubt::policy::test {
namespace {

const std::string kKeyA = std::string(64, 'a'), kKeyB = std::string(64, 'b');
const std::string kPrincipals = R"("principals":[{"id":"alice","algorithm":"ed25519","public_key":"0x)" +
                                kKeyA + R"("},{"id":"bob","algorithm":"ed25519","public_key":"0x)" + kKeyB +
                                "\"}],";

PublicKey key(std::uint8_t byte) {
    return {KeyAlgorithm::Ed25519, Bytes(32, byte)};
}

Document document(const std::string& rules, const std::string& more = "") {
    return parsed("{" + kPrincipals + more + R"("redoubt_policy":1,"rules":[)" + rules + "]}");
}

std::string rule(const std::string& name, const std::string& effect, const std::string& principals,
                 const std::string& members = "", const std::string& operations = R"(["any"])") {
    return R"({"name":")" + name + R"(","effect":")" + effect + R"(","principals":)" + principals +
           R"(,"operations":)" + operations + members + "}";
}

TEST(Evaluator, the_open_policy_allows_everything_to_anyone) {
    const Document open = parsed(R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]})");
    EXPECT_TRUE(open.open);
    for (std::size_t i = 0; i < kOperations; ++i) {
        Facts facts;
        facts.operation = static_cast<Operation>(i);
        const Verdict verdict = evaluate(open, facts);
        ASSERT_TRUE(verdict.allowed());
        EXPECT_EQ(verdict.candidates[0].rule->name, "open");
        EXPECT_TRUE(verdict.candidates[0].charges.empty());
    }
}

TEST(Evaluator, principals_are_keys_hosts_or_anyone) {
    const PublicKey alice = key(0xaa), bob = key(0xbb), stranger = key(0xcc);
    const Asker askers[] = {{&alice, ""},       {&bob, ""},    {&stranger, ""}, {nullptr, "app"},
                            {nullptr, "batch"}, {nullptr, ""}, {&alice, "app"}};
    struct Row {
        std::string principals;
        std::string who; // one digit for each asker
    };
    for (const Row& row : std::vector<Row>{{R"(["alice"])", "1000001"},
                                           {R"(["alice","bob"])", "1100001"},
                                           {R"(["host"])", "0001100"},
                                           {R"(["host:app"])", "0001000"},
                                           {R"(["host:app","bob"])", "0101000"},
                                           {R"(["anyone"])", "1111111"},
                                           {R"(["host:ap"])", "0000000"}}) {
        const Document allow = document(rule("r", "allow", row.principals));
        const Document deny = document(rule("r", "deny", row.principals));
        for (std::size_t i = 0; i < std::size(askers); ++i) {
            Facts facts;
            facts.asker = askers[i];
            const Verdict verdict = evaluate(allow, facts);
            EXPECT_EQ(verdict.allowed(), row.who[i] == '1') << row.principals << i;
            if (!verdict.allowed()) {
                ASSERT_EQ(verdict.misses.size(), 1u);
                EXPECT_EQ(verdict.misses[0].why, Miss::Why::Principal);
            }
            EXPECT_EQ(evaluate(deny, facts).denied_by != nullptr, row.who[i] == '1') << row.principals << i;
        }
    }
}

TEST(Evaluator, deny_wins_and_allow_rules_are_tried_in_order) {
    const Document doc =
        document(rule("small", "allow", R"(["anyone"])", on("transaction.value", R"({"at_most":10})"),
                      R"(["sign-transaction"])") +
                 "," +
                 rule("stop", "deny", R"(["anyone"])", on("transaction.nonce", R"({"is":3})"),
                      R"(["sign-transaction"])") +
                 "," + rule("stop-too", "deny", R"(["anyone"])", on("transaction.nonce", R"({"is":3})")) +
                 "," + rule("all", "allow", R"(["host"])", "", R"(["sign-transaction","export"])"));
    ethereum::Transaction transaction = transfer();
    Facts facts = facts_of(transaction);
    Verdict verdict = evaluate(doc, facts); // nobody says who asks, and the value is 1000
    EXPECT_EQ(verdict.denied_by, nullptr);
    ASSERT_EQ(verdict.misses.size(), 2u);
    EXPECT_EQ(verdict.misses[0].rule->name, "small");
    EXPECT_EQ(verdict.misses[0].field, "transaction.value");
    EXPECT_EQ(verdict.misses[1].why, Miss::Why::Principal);
    facts.asker.host_name = "app";
    verdict = evaluate(doc, facts);
    ASSERT_EQ(verdict.candidates.size(), 1u);
    EXPECT_EQ(verdict.candidates[0].rule->name, "all");
    EXPECT_TRUE(verdict.misses.empty());
    transaction.value = 10;
    verdict = evaluate(doc, facts);
    ASSERT_EQ(verdict.candidates.size(), 2u);
    EXPECT_EQ(verdict.candidates[0].rule->name, "small");
    transaction.nonce = 3;
    verdict = evaluate(doc, facts);
    ASSERT_NE(verdict.denied_by, nullptr);
    EXPECT_EQ(verdict.denied_by->name, "stop");
    EXPECT_FALSE(verdict.allowed());
    facts.operation = Operation::Update; // of which no rule speaks but the last deny rule
    facts.transaction = nullptr;
    verdict = evaluate(doc, facts);
    EXPECT_TRUE(verdict.denied_by == nullptr && verdict.candidates.empty() && verdict.misses.empty());
}

TEST(Evaluator, misses_are_bounded) {
    std::string rules;
    for (int i = 0; i < 20; ++i)
        rules += (i == 0 ? "" : ",") + rule("r" + std::to_string(i), "allow", R"(["host"])");
    const Document doc = document(rules);
    EXPECT_EQ(evaluate(doc, Facts{}).misses.size(), kMaxMisses);
}

const std::string kValueLimit =
    R"({"name":"wei","window_seconds":60,"amount":"500","amount_of":"transaction.value"})";

TEST(Evaluator, limits_of_the_rule_and_then_of_the_document_are_charged) {
    const Document doc = document(
        rule("pay", "allow", R"(["anyone"])",
             R"(,"limits":[{"name":"n","window_seconds":3600,"count":5},)" + kValueLimit + "]",
             R"(["sign-transaction","sign-message"])"),
        R"("limits":[{"name":"n","window_seconds":60,"count":9,"per":"principal"},)" + kValueLimit + "],");
    EXPECT_TRUE(doc.has_limits());
    ethereum::Transaction transaction = transfer();
    Verdict verdict = evaluate(doc, facts_of(transaction));
    ASSERT_EQ(verdict.candidates.size(), 1u);
    const auto& charges = verdict.candidates[0].charges;
    ASSERT_EQ(charges.size(), 4u);
    EXPECT_EQ(charges[0].limit, &doc.rules[0].limits[0]);
    EXPECT_EQ(charges[1].limit, &doc.rules[0].limits[1]);
    EXPECT_EQ(charges[2].limit, &doc.limits[0]);
    EXPECT_EQ(charges[3].limit, &doc.limits[1]);
    EXPECT_TRUE(charges[0].amount.is_zero() && charges[2].amount.is_zero());
    EXPECT_EQ(charges[1].amount, ethereum::Uint256(1000));
    EXPECT_EQ(charges[3].amount, ethereum::Uint256(1000));
    for (std::size_t i = 0; i < charges.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            EXPECT_NE(charges[i].counter, charges[j].counter);
    // A message has no value: the rule's amount cannot be counted.
    Facts message;
    message.operation = Operation::SignMessage;
    verdict = evaluate(doc, message);
    EXPECT_FALSE(verdict.allowed());
    ASSERT_EQ(verdict.misses.size(), 1u);
    EXPECT_EQ(verdict.misses[0].why, Miss::Why::Amount);
    EXPECT_EQ(verdict.misses[0].field, "transaction.value");
}

TEST(Evaluator, document_limits_count_signatures_and_what_they_can_read) {
    const Document doc =
        document(rule("all", "allow", R"(["anyone"])"),
                 R"("limits":[{"name":"n","window_seconds":60,"count":9},)" + kValueLimit + "],");
    for (std::size_t i = 0; i < kOperations; ++i) {
        Facts facts;
        facts.operation = static_cast<Operation>(i);
        const Verdict verdict = evaluate(doc, facts);
        ASSERT_TRUE(verdict.allowed());
        EXPECT_EQ(verdict.candidates[0].charges.size(), i <= 5 ? 1u : 0u) << i;
    }
    const Document cost = document(
        rule("all", "allow", R"(["anyone"])"),
        R"("limits":[{"name":"c","window_seconds":60,"amount":"1","amount_of":"transaction.cost"}],)");
    ethereum::Transaction transaction = transfer();
    transaction.value = all_ones();
    const Verdict verdict = evaluate(cost, facts_of(transaction));
    EXPECT_FALSE(verdict.allowed()); // the cost is above 2^256
    ASSERT_EQ(verdict.misses.size(), 1u);
    EXPECT_EQ(verdict.misses[0].why, Miss::Why::Amount);
    EXPECT_EQ(verdict.misses[0].field, "transaction.cost");
}

TEST(Evaluator, amounts_of_calls_are_read_from_their_arguments) {
    const std::string function = R"j("function":"transfer(address to,uint256 amount)")j";
    const std::string amount = R"({"name":"t","window_seconds":60,"amount":"5","amount_of":"call.amount")";
    const Document in_rule =
        document(rule("pay", "allow", R"(["anyone"])", "," + function + R"(,"limits":[)" + amount + "}]",
                      R"(["sign-transaction"])"));
    const Document of_key = document(rule("all", "allow", R"(["anyone"])"),
                                     R"("limits":[)" + amount + "," + function +
                                         R"(,"contract":"0x1111111111111111111111111111111111111111"}],)");
    ethereum::Transaction transaction = transfer();
    transaction.data = *from_hex("a9059cbb" + word(0x22) + word(77));
    const Facts facts = facts_of(transaction);
    for (const Document* doc : {&in_rule, &of_key}) {
        const Verdict verdict = evaluate(*doc, facts);
        ASSERT_TRUE(verdict.allowed());
        ASSERT_EQ(verdict.candidates[0].charges.size(), 1u);
        EXPECT_EQ(verdict.candidates[0].charges[0].amount, ethereum::Uint256(77));
    }
    transaction.to = address(0x12); // another contract
    EXPECT_TRUE(evaluate(of_key, facts).candidates[0].charges.empty());
    EXPECT_EQ(evaluate(in_rule, facts).candidates[0].charges.size(), 1u);
    transaction.to = address(0x11);
    transaction.data.pop_back(); // not strict
    EXPECT_FALSE(evaluate(in_rule, facts).allowed());
    const Verdict verdict = evaluate(of_key, facts);
    EXPECT_FALSE(verdict.allowed());
    ASSERT_EQ(verdict.misses.size(), 1u);
    EXPECT_EQ(verdict.misses[0].field, "call.amount");
    transaction.data = {0xa9, 0x05, 0x9c, 0xbc}; // another function
    EXPECT_TRUE(evaluate(of_key, facts).candidates[0].charges.empty());
}

TEST(Evaluator, counters_keep_their_names) {
    Limit limit;
    limit.name = "daily";
    limit.rule = "pay";
    const PublicKey alice = key(0xaa), bob = key(0xbb);
    const Asker by_alice{&alice, ""}, by_bob{&bob, ""}, by_app{nullptr, "app"}, by_batch{nullptr, "batch"},
        by_nobody{};
    // SHA-256 of what the format says, computed by another program: a change loses what is counted.
    EXPECT_EQ(to_hex(counter_id(limit, by_alice)), "f0e97124995ef5606e5f0de6a17547f5");
    EXPECT_EQ(counter_id(limit, by_alice), counter_id(limit, by_bob));
    limit.window_seconds = 7;
    limit.most_count = 8;
    EXPECT_EQ(counter_id(limit, by_alice), counter_id(limit, by_nobody));
    limit.per = Limit::Per::Principal;
    EXPECT_EQ(to_hex(counter_id(limit, by_alice)), "6b38c0198cc9a8ebe8472b8c85a1c2ad");
    EXPECT_NE(counter_id(limit, by_alice), counter_id(limit, by_bob));
    EXPECT_NE(counter_id(limit, by_alice), counter_id(limit, by_app));
    EXPECT_EQ(to_hex(counter_id(limit, by_app)), "b8fd85a50a30a3e70312641aee451c39");
    EXPECT_EQ(counter_id(limit, by_app), counter_id(limit, by_batch));
    EXPECT_EQ(counter_id(limit, by_app), counter_id(limit, by_nobody));
    Limit other = limit;
    other.rule = "";
    other.name = "paydaily";
    EXPECT_NE(counter_id(limit, by_alice), counter_id(other, by_alice));
}

} // namespace
} // namespace redoubt::policy::test
