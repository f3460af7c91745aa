// SPDX-License-Identifier: Apache-2.0
// What documents with rules may say, and where the error is when they say something else.
#include "crypto/hash.h"
#include "verdicts.h"

namespace redoubt::policy::test {
namespace {

const std::string kKey = std::string(64, 'a');
const std::string kPoint = // the generator of P-256 (SEC 2)
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const std::string kRule =
    R"({"name":"r","effect":"allow","principals":["anyone"],"operations":["sign-transaction"]})";

std::string principal(const std::string& id, const std::string& key = kKey,
                      const std::string& algorithm = "ed25519") {
    return R"({"id":")" + id + R"(","algorithm":")" + algorithm + R"(","public_key":"0x)" + key + "\"}";
}

std::string with(const std::string& members) { // and one rule
    return R"({"redoubt_policy":1,"rules":[)" + kRule + "]," + members + "}";
}

std::string with_rules(const std::string& rules) {
    return R"({"redoubt_policy":1,"rules":)" + rules + "}";
}

std::string rule(const std::string& members) { // a rule whose other members are these
    return with_rules(R"([{"name":"r",)" + members + "}]");
}

std::string allow(const std::string& members, const std::string& operations = R"(["sign-transaction"])") {
    return rule(R"("effect":"allow","principals":["anyone"],"operations":)" + operations + "," + members);
}

std::string condition(const std::string& field, const std::string& test,
                      const std::string& operations = R"(["any"])") {
    return allow(R"("conditions":{")" + field + "\":" + test + "}", operations);
}

void places(const std::vector<std::pair<std::string, std::string>>& rows) {
    for (const auto& [document, place] : rows)
        EXPECT_EQ(error_place(document), place) << document;
}

TEST(PolicyMembers, all_members_are_read) {
    const Document doc = parsed(
        R"({"redoubt_policy":1,"version":9007199254740991,"not_after":5,"threshold":2,"time_lock_seconds":31622400,)"
        R"("principals":[)" +
        principal("alice") + "," + principal("bob", kPoint, "ecdsa-p256-sha256") + R"(],"owners":[)" +
        principal("ann") + "," + principal("ben", std::string(64, 'b')) +
        R"(],"addresses":{"book":["0x1111111111111111111111111111111111111111"]},)"
        R"("limits":[{"name":"l","window_seconds":31622400,"count":9007199254740991}],"rules":[{"name":"r",)"
        R"("effect":"deny","principals":["bob","host","host:app"],"operations":["derive","move"]}]})");
    EXPECT_FALSE(doc.open);
    EXPECT_EQ(doc.version, 9'007'199'254'740'991u);
    EXPECT_EQ(doc.not_after, 5);
    EXPECT_EQ(doc.threshold, 2u);
    EXPECT_EQ(doc.time_lock_seconds, 31'622'400u);
    ASSERT_NE(doc.find_principal("bob"), nullptr);
    EXPECT_EQ(doc.find_principal("bob")->key.algorithm, KeyAlgorithm::EcdsaP256);
    EXPECT_EQ(doc.find_principal(doc.principals[0].key), &doc.principals[0]);
    EXPECT_EQ(doc.find_principal("carol"), nullptr);
    EXPECT_EQ(doc.find_principal(doc.owners[1].key), nullptr);
    ASSERT_EQ(doc.rules.size(), 1u);
    EXPECT_FALSE(doc.rules[0].allow);
    EXPECT_TRUE(doc.rules[0].any_host && !doc.rules[0].anyone);
    EXPECT_EQ(doc.rules[0].hosts, std::vector<std::string>{"app"});
    EXPECT_EQ(doc.rules[0].operations, 1u << 6 | 1u << 13);
    EXPECT_TRUE(doc.has_limits());
    const auto again = open_document(as_bytes(doc.canonical), doc.digest);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->canonical, doc.canonical);
    EXPECT_EQ(parsed(with_rules("[" + kRule + "]")).version, 1u);
}

TEST(PolicyMembers, principals_and_owners_are_keys_that_are_named_once) {
    places({
        {with(R"("principals":[])"), "principals"},
        {with(R"("principals":[1])"), "principals[0]"},
        {with(R"("principals":[{"id":"a"}])"), "principals[0].algorithm"},
        {with("\"principals\":[" + principal("a b") + "]"), "principals[0].id"},
        {with("\"principals\":[" + principal("host") + "]"), "principals[0]"},
        {with("\"principals\":[" + principal("anyone") + "]"), "principals[0]"},
        {with("\"principals\":[" + principal("session-1") + "]"), "principals[0]"},
        {with("\"principals\":[" + principal("a", kKey, "ES256") + "]"), "principals[0].algorithm"},
        {with("\"principals\":[" + principal("a", kKey + "aa") + "]"), "principals[0].public_key"},
        {with("\"principals\":[" + principal("a", std::string(64, 'A')) + "]"), "principals[0].public_key"},
        {with("\"principals\":[" + principal("a", kPoint.substr(0, 129) + "6", "ecdsa-p256-sha256") + "]"),
         "principals[0].public_key"},
        {with("\"principals\":[" + principal("a", "02" + kPoint.substr(2, 64), "ecdsa-p256-sha256") + "]"),
         "principals[0].public_key"},
        {with("\"principals\":[" + principal("a") + "," + principal("b") + "]"), "principals[1]"},
        {with("\"principals\":[" + principal("a") + "," + principal("a", std::string(64, 'b')) + "]"),
         "principals[1]"},
        {with("\"owners\":[" + principal("a") + "]"), "threshold"},
        {with(R"("threshold":1)"), "threshold"},
        {with(R"("time_lock_seconds":1)"), "time_lock_seconds"},
        {with("\"threshold\":0,\"owners\":[" + principal("a") + "]"), "threshold"},
        {with("\"threshold\":2,\"owners\":[" + principal("a") + "]"), "threshold"},
        {with("\"time_lock_seconds\":31622401,\"threshold\":1,\"owners\":[" + principal("a") + "]"),
         "time_lock_seconds"},
        {with(R"("version":0)"), "version"},
        {with(R"("version":9007199254740992)"), "version"},
        {with(R"("comment":"x")"), "comment"},
        {R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}],"version":2})", "rules"},
    });
    std::string most, more;
    for (std::size_t i = 0; i <= kMaxPrincipals; ++i) {
        most = more;
        more +=
            (i == 0 ? "" : ",") + principal("p" + std::to_string(i), to_hex(crypto::sha256(as_bytes(more))));
    }
    EXPECT_EQ(parsed(with("\"principals\":[" + most + "]")).principals.size(), kMaxPrincipals);
    EXPECT_EQ(error_place(with("\"principals\":[" + more + "]")), "principals");
}

TEST(PolicyMembers, address_books_have_addresses) {
    const std::string one = "\"0x1111111111111111111111111111111111111111\"";
    places({
        {with(R"("addresses":{})"), "addresses"},
        {with(R"("addresses":{"a":[]})"), "addresses.a"},
        {with(R"("addresses":{"a b":[)" + one + "]}"), "addresses.a b"},
        {with(R"("addresses":{"a":[)" + one + "," + one + "]}"), "addresses.a"},
        {with(R"("addresses":{"a":["@b"]})"), "addresses.a[0]"},
        {with(R"("addresses":{"a":["0x111111111111111111111111111111111111111"]})"), "addresses.a[0]"},
        // EIP-55's example with one letter in the other case, and in capitals.
        {with(R"("addresses":{"a":["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"]})"), "addresses.a[0]"},
        {with(R"("addresses":{"a":["0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED"]})"), "addresses.a[0]"},
    });
    parsed(with(R"("addresses":{"a":["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],"b":[)"
                R"("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"]})"));
}

TEST(PolicyMembers, rules_are_complete_and_named_once) {
    const std::string who = R"("principals":["anyone"],)", what = R"("operations":["any"])";
    places({
        {with_rules("[]"), "rules"},
        {with_rules("[" + kRule + "," + kRule + "]"), "rules[1].name"},
        {rule(R"("effect":"Allow",)" + who + what), "rules[0].effect"},
        {rule(who + what), "rules[0].effect"},
        {rule(R"("effect":"allow",)" + what), "rules[0]"},
        {rule(R"("effect":"allow","principals":[],)" + what), "rules[0].principals"},
        {rule(R"("effect":"allow","principals":["alice"],)" + what), "rules[0].principals[0]"},
        {rule(R"("effect":"allow","principals":["host","host"],)" + what), "rules[0].principals[1]"},
        {rule(R"("effect":"allow","principals":["host:"],)" + what), "rules[0].principals[0]"},
        {rule(R"("effect":"allow",)" + who + R"("operations":[])"), "rules[0].operations"},
        {rule(R"("effect":"allow",)" + who + R"("operations":["sign"])"), "rules[0].operations[0]"},
        {rule(R"("effect":"allow",)" + who + R"("operations":["any","move"])"), "rules[0].operations[0]"},
        {rule(R"("effect":"allow",)" + who + R"("operations":["move","move"])"), "rules[0].operations[1]"},
        {rule(R"("effect":"deny",)" + who + what + R"(,"limits":[{"name":"a"}])"), "rules[0].limits"},
        {allow(R"("conditions":{})"), "rules[0].conditions"},
        {allow(R"j("function":"transfer(address to,uint256 amount)")j", R"(["any"])"), "rules[0].function"},
        {allow(R"("function":"transfer(")"), "rules[0].function"},
        {allow(R"("note":"x")"), "rules[0].note"},
    });
}

TEST(PolicyMembers, conditions_name_fields_operators_and_operands_that_fit) {
    const auto at = [](const std::string& rest) { return "rules[0].conditions." + rest; };
    const std::string value = "transaction.value";
    for (const char* bad : {R"({"is":-1})", R"({"is":1.0})", R"({"is":9007199254740992})", R"({"is":"01"})",
                            R"({"is":"-1"})", R"({"is":"0x1"})", R"({"is":true})", R"({"is":[1]})"})
        EXPECT_EQ(error_place(condition(value, bad)), at(value + ".is")) << bad;
    EXPECT_EQ(error_place(condition(value, R"({"is":")" + kOverMost + "\"}")), at(value + ".is"));
    places({
        {condition(value, "{}"), at(value)},
        {condition(value, "1"), at(value)},
        {condition(value, R"({"above":1})"), at(value + ".above")},
        {condition(value, R"({"in":[]})"), at(value + ".in")},
        {condition(value, R"({"in":[5,"5"]})"), at(value + ".in")},
        {condition(value, R"({"in":[5,"x"]})"), at(value + ".in[1]")},
        {condition(value, R"({"at_least":2,"at_most":1})"), at(value)},
        {condition(value, R"({"starts_with":"1"})"), at(value + ".starts_with")},
        {condition(value, R"({"matches":"1"})"), at(value + ".matches")},
        {condition(value, R"({"under":"m"})"), at(value + ".under")},
        {condition("transaction.deploys", R"({"in":[true]})"), at("transaction.deploys.in")},
        {condition("transaction.deploys", R"({"is":1})"), at("transaction.deploys.is")},
        {condition("transaction.to", R"({"is":"@book"})"), at("transaction.to.is")},
        {condition("transaction.to", R"({"is":"0x11"})"), at("transaction.to.is")},
        {condition("transaction.to", R"({"at_least":1})"), at("transaction.to.at_least")},
        {condition("transaction.selector", R"({"is":"0xa9059c"})"), at("transaction.selector.is")},
        {condition("transaction.selector", R"({"starts_with":"0x"})"),
         at("transaction.selector.starts_with")},
        {condition("transaction.selector", R"({"starts_with":"0x0102030405"})"),
         at("transaction.selector.starts_with")},
        {condition("transaction.data", R"({"is":"0xAA"})"), at("transaction.data.is")},
        {condition("message_text", R"({"starts_with":""})"), at("message_text.starts_with")},
        {condition("message_text", R"({"matches":"a**"})"), at("message_text.matches")},
        {condition("path", R"({"is":"m/44h"})"), at("path.is")},
        {condition("path", R"({"not_in":["m"]})"), at("path.not_in")},
        {condition("time", R"({"from":0})"), at("time.from")},
        {condition("time", R"({"from":2,"before":2})"), at("time")},
        {condition("time", R"({"of_day":["08:00","08:00"]})"), at("time.of_day")},
        {condition("time", R"({"of_day":["08:00","24:00"]})"), at("time.of_day")},
        {condition("time", R"({"of_day":["8:00","09:00"]})"), at("time.of_day")},
        {condition("time", R"({"weekdays":[]})"), at("time.weekdays")},
        {condition("time", R"({"weekdays":["mon","mon"]})"), at("time.weekdays")},
        {condition("time", R"({"is":1})"), at("time.is")},
        {condition("transaction.vaule", R"({"is":1})"), at("transaction.vaule")},
        {condition("transaction.authorizations[-1].nonce", R"({"is":1})"),
         at("transaction.authorizations[-1].nonce")},
        {condition("call.amount", R"({"is":1})", R"(["sign-transaction"])"), at("call.amount")},
        {condition("message.", R"({"is":1})"), at("message.")},
        {condition("message.a[01]", R"({"is":1})"), at("message.a[01]")},
        {condition("message.a[x]", R"({"is":1})"), at("message.a[x]")},
        {condition("message.a", R"({"is":1,"at_least":1,"matches":"x"})"), at("message.a.matches")},
        {condition("message.a", R"({"in":[1,"x"]})"), at("message.a.in[1]")},
        {condition("message.a", R"({"is":"0xAB"})"), at("message.a.is")},
        {condition("message.a", R"({"is":"@book"})"), at("message.a.is")},
        {condition("message.a", R"({"is":null})"), at("message.a.is")},
        {condition("message.a", R"({"in":[true]})"), at("message.a.in")},
        {condition("digest", R"({"starts_with":"0x00"})", R"(["sign-message"])"), at("digest")},
        {condition("validator", R"({"is":"0x1111111111111111111111111111111111111111"})", R"(["sign-data"])"),
         at("validator")},
        {condition("message_size", R"({"is":1})", R"(["sign-hash"])"), at("message_size")},
    });
}

TEST(PolicyMembers, fields_of_calls_are_the_functions_arguments) {
    const auto of = [](const std::string& field, const std::string& test) {
        return allow(
            R"j("function":"f(uint256 a,(address to,uint8)[] list,int8[2],bytes4 b)","conditions":{")j" +
            field + "\":" + test + "}");
    };
    for (const char* name : {"call.a", "call.list[0].1", "call.2[-2]", "call.list.length", "call.b"})
        parsed(of(name, name == std::string_view("call.b") ? R"({"starts_with":"0x00"})" : R"({"is":1})"));
    for (const char* name : {"call.c", "call.0", "call.list", "call.list[0]", "call.list.to", "call.2[2]",
                             "call.2[-3]", "call.2[-0]", "call.a.x", "call.a[0]", "call.a.length",
                             "call.list[0].0", "call.list.length.x", "call.b.length", "call."})
        EXPECT_EQ(error_place(of(name, R"({"is":1})")), "rules[0].conditions." + std::string(name));
    EXPECT_EQ(error_place(of("call.2[0]", R"({"is":")" + kMost + "\"}")), "rules[0].conditions.call.2[0].is");
}

TEST(PolicyMembers, limits_are_of_a_count_or_an_amount) {
    const std::string name = R"({"name":"l","window_seconds":60)";
    const auto in_rule = [&](const std::string& rest) { return allow("\"limits\":[" + name + rest + "}]"); };
    const auto of_key = [&](const std::string& rest) { return with("\"limits\":[" + name + rest + "}]"); };
    const std::string amount = R"(,"amount":"5","amount_of":"transaction.value")", count = R"(,"count":1)";
    parsed(in_rule(amount + R"(,"per":"rule")"));
    parsed(of_key(count + R"(,"per":"key")"));
    parsed(of_key(R"(,"amount":"5","amount_of":"message.permitted.amount")"));
    const std::string function = R"j(,"function":"f(uint256 a,int256 b)")j",
                      contract = R"(,"contract":"0x1111111111111111111111111111111111111111")",
                      call = R"(,"amount":"5","amount_of":"call.a")";
    parsed(of_key(call + function + contract));
    places({
        {with(R"("limits":[])"), "limits"},
        {with("\"limits\":[" + name + count + "}," + name + count + "}]"), "limits[1].name"},
        {with(R"("limits":[{"name":"l","count":1}])"), "limits[0]"},
        {with(R"("limits":[{"name":"l","count":1,"window_seconds":0}])"), "limits[0].window_seconds"},
        {with(R"("limits":[{"name":"l","count":1,"window_seconds":31622401}])"), "limits[0].window_seconds"},
        {of_key(""), "limits[0]"},
        {of_key(count + amount), "limits[0]"},
        {of_key(R"(,"amount":"5")"), "limits[0]"},
        {of_key(R"(,"count":0)"), "limits[0].count"},
        {of_key(R"(,"count":"1")"), "limits[0].count"},
        {of_key(R"(,"amount":5,"amount_of":"transaction.value")"), "limits[0].amount"},
        {of_key(R"(,"amount":"0","amount_of":"transaction.value")"), "limits[0].amount"},
        {of_key(R"(,"amount":"1","amount_of":"transaction.gas")"), "limits[0].amount_of"},
        {of_key(R"(,"amount":"1","amount_of":"message.a[all]")"), "limits[0].amount_of"},
        {of_key(call), "limits[0].amount_of"},
        {of_key(call + function), "limits[0]"},
        {of_key(call + contract), "limits[0]"},
        {of_key(count + function + contract), "limits[0]"},
        {of_key(amount + function + contract), "limits[0].amount_of"},
        {of_key(R"(,"amount":"5","amount_of":"call.b")" + function + contract), "limits[0].amount_of"},
        {of_key(count + R"(,"per":"rule")"), "limits[0].per"},
        {in_rule(count + R"(,"per":"key")"), "rules[0].limits[0].per"},
        {in_rule(call + function + contract), "rules[0].limits[0].function"},
        {allow("\"limits\":[" + name + count + "}]", R"(["sign-hash","export"])"), "rules[0].limits"},
        {allow("\"limits\":[" + name + count + "}]", R"(["any"])"), "rules[0].limits"},
        {in_rule(R"(,"amount":"1","amount_of":"message.a")"), "rules[0].limits[0].amount_of"},
    });
}

TEST(PolicyMembers, limits_come_to_32_counters_at_most) {
    const auto limits = [](std::size_t count, const std::string& per) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i)
            out += (i == 0 ? "" : ",") + std::string(R"({"name":"l)") + std::to_string(i) +
                   R"(","window_seconds":1,"count":1,"per":")" + per + "\"}";
        return "[" + out + "]";
    };
    parsed(with("\"limits\":" + limits(32, "key")));
    EXPECT_EQ(error_place(with("\"limits\":" + limits(33, "key"))), "limits");
    // Alice, and whoever does not sign: two for each limit.
    const std::string alice = "\"principals\":[" + principal("alice") + "],";
    parsed(with(alice + "\"limits\":" + limits(16, "principal")));
    EXPECT_EQ(error_place(with(alice + "\"limits\":" + limits(17, "principal"))), "limits");
}

} // namespace
} // namespace redoubt::policy::test
