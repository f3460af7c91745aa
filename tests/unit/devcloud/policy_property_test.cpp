// SPDX-License-Identifier: Apache-2.0
// Random policies, decided by the evaluator and by a naive one that is written here from IAM's rules alone:
// it reads the JSON anew for each question, and shares no code with the evaluator.
#include "devcloud/access.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

namespace redoubt::devcloud {
namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, std::vector<std::string>>; // of lower-case keys

// ---- The naive evaluator.

char small(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}
std::string small(std::string text) {
    for (char& c : text)
        c = small(c);
    return text;
}

bool glob(const std::string& p, const std::string& t, std::size_t i = 0, std::size_t j = 0) {
    if (i == p.size())
        return j == t.size();
    if (p[i] == '*')
        return glob(p, t, i + 1, j) || (j < t.size() && glob(p, t, i, j + 1));
    return j < t.size() && (p[i] == '?' || p[i] == t[j]) && glob(p, t, i + 1, j + 1);
}

std::vector<std::string> list(const Json& value) {
    if (!value.is_array())
        return {value.is_string() ? value.get<std::string>() : value.dump()};
    std::vector<std::string> out;
    for (const auto& element : value)
        out.push_back(element.is_string() ? element.get<std::string>() : element.dump());
    return out;
}

bool naive_single(const std::string& op, const std::string& wanted, const std::string& actual) {
    if (op == "StringEquals")
        return wanted == actual;
    if (op == "StringEqualsIgnoreCase" || op == "Bool")
        return small(wanted) == small(actual);
    if (op == "StringLike")
        return glob(wanted, actual);
    char* end = nullptr;
    const double a = std::strtod(actual.c_str(), &end);
    if (actual.empty() || *end != '\0')
        return false;
    const double w = std::stod(wanted);
    if (op == "NumericEquals")
        return !(a < w) && !(a > w);
    return op == "NumericLessThan" ? a < w : a >= w; // NumericGreaterThanEquals
}

bool naive_condition(std::string op, const std::string& key, const Json& wanted, const Values& values) {
    const auto found = values.find(small(key));
    if (op == "Null")
        return (found == values.end()) == (list(wanted).front() == "true");
    std::string set;
    if (const auto colon = op.find(':'); colon != std::string::npos) {
        set = op.substr(0, colon);
        op = op.substr(colon + 1);
    }
    bool if_exists = false;
    if (op.ends_with("IfExists")) {
        if_exists = true;
        op.resize(op.size() - 8);
    }
    bool negated = false;
    if (const auto at = op.find("Not"); at != std::string::npos) {
        negated = true;
        op.erase(at, 3);
    }
    if (found == values.end()) {
        if (if_exists)
            return true;
        if (set == "ForAllValues")
            return true;
        if (set == "ForAnyValue")
            return false;
        return negated;
    }
    int good = 0, matching = 0;
    for (const auto& actual : found->second) {
        bool any = false;
        for (const auto& text : list(wanted))
            any = any || naive_single(op, text, actual);
        matching += any;
        good += any != negated;
    }
    if (set == "ForAnyValue")
        return good > 0;
    if (set == "ForAllValues")
        return good == static_cast<int>(found->second.size());
    return negated ? matching == 0 : matching > 0;
}

bool naive_conditions(const Json& statement, const Values& values) {
    if (!statement.contains("Condition"))
        return true;
    for (const auto& [op, block] : statement["Condition"].items())
        for (const auto& [key, wanted] : block.items())
            if (!naive_condition(op, key, wanted, values))
                return false;
    return true;
}

struct Question {
    const Principal& principal;
    std::string action, resource;
    const Values& values;
};

// 0: no, 1: by account, 2: by name.
int naive_principal(const Json& statement, const Principal& principal) {
    const auto& element =
        statement.contains("Principal") ? statement["Principal"] : statement["NotPrincipal"];
    const auto names = element.is_string() ? std::vector<std::string>{"*"} : list(element["AWS"]);
    const auto has = [&](const std::string& name) {
        return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool account = has(principal.account) || has("arn:aws:iam::" + principal.account + ":root");
    const bool root = principal.kind == Principal::Kind::Root;
    if (statement.contains("NotPrincipal")) {
        const bool spared = has("*") || (account && (root || has(principal.arn)) &&
                                         (principal.role_arn.empty() || has(principal.role_arn)));
        return spared ? 0 : 2;
    }
    if (has("*") || (!root && has(principal.arn)) || has(principal.role_arn))
        return 2;
    return account ? 1 : 0;
}

bool naive_action_and_resource(const Json& s, const Question& q) {
    bool action = false, resource = false;
    for (const auto& text : list(s.contains("Action") ? s["Action"] : s["NotAction"]))
        action = action || glob(small(text), small(q.action));
    for (const auto& text : list(s.contains("Resource") ? s["Resource"] : s["NotResource"]))
        resource = resource || glob(text, q.resource);
    return action == s.contains("Action") && resource == s.contains("Resource");
}

struct Naive {
    bool deny = false, named = false, account = false;
};
Naive naive_policy(const Json& policy, const Question& q, bool identity) {
    Naive out;
    for (const auto& s : policy["Statement"]) {
        const int principal = identity ? 2 : naive_principal(s, q.principal);
        if (principal == 0 || !naive_action_and_resource(s, q) || !naive_conditions(s, q.values))
            continue;
        if (s["Effect"] == "Deny")
            out.deny = true;
        else
            (principal == 2 ? out.named : out.account) = true;
    }
    return out;
}

char naive_decide(const Json& key_policy, const std::vector<Json>& identity, const Question& q,
                  const std::string& owner, ResourceRule rule) {
    const auto key = naive_policy(key_policy, q, false);
    bool deny = key.deny, iam = q.principal.kind == Principal::Kind::Root;
    for (const auto& policy : identity) {
        const auto found = naive_policy(policy, q, true);
        deny = deny || found.deny;
        iam = iam || found.named;
    }
    if (deny)
        return 'D';
    if (q.principal.account != owner)
        return (key.named || key.account) && iam ? 'A' : 'N';
    if (rule == ResourceRule::Independent)
        return key.named || iam ? 'A' : 'N';
    return key.named || (key.account && iam) ? 'A' : 'N';
}

// ---- Random policies, questions and principals.

class Dice {
  public:
    explicit Dice(std::uint32_t seed) : engine_(seed) {}
    std::size_t below(std::size_t n) { return engine_() % n; }
    bool one_in(std::size_t n) { return below(n) == 0; }
    template<class T>
    const T& of(const std::vector<T>& all) {
        return all[below(all.size())];
    }

  private:
    std::mt19937 engine_;
};

const std::string kHome = "111122223333", kAway = "999999999999";
const std::vector<std::string> kPrincipals = {"*",
                                              "111122223333",
                                              "arn:aws:iam::111122223333:root",
                                              "arn:aws:iam::999999999999:root",
                                              "arn:aws:iam::111122223333:user/ann",
                                              "arn:aws:iam::111122223333:role/signer",
                                              "arn:aws:sts::111122223333:assumed-role/signer/i-0",
                                              "arn:aws:iam::999999999999:user/ann"};
const std::vector<std::string> kActionPatterns = {"kms:Decrypt", "kms:Encrypt", "kms:*",    "*",
                                                  "KMS:dec*",    "kms:?ncrypt", "kms:Re*To"};
const std::vector<std::string> kActions = {"kms:Decrypt", "kms:Encrypt", "kms:ReEncryptTo"};
const std::vector<std::string> kResourcePatterns = {"*", "arn:aws:kms:us-east-1:111122223333:key/a",
                                                    "arn:aws:kms:*:111122223333:key/*", "arn:*/b",
                                                    "arn:aws:kms:us-east-1:111122223333:key/?"};
const std::vector<std::string> kResources = {"arn:aws:kms:us-east-1:111122223333:key/a",
                                             "arn:aws:kms:us-east-1:111122223333:key/b"};
const std::vector<std::string> kKeys = {"t:One", "T:two", "t:three"};
const std::vector<std::string> kTexts = {"a", "A", "ab", "b", "", "a*"};
const std::vector<std::string> kNumbers = {"1", "2", "3.5", "-1"};
const std::vector<std::string> kTextOperators = {
    "StringEquals",  "StringNotEquals",        "StringLike",
    "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"};
const std::vector<std::string> kNumberOperators = {"NumericEquals", "NumericNotEquals", "NumericLessThan",
                                                   "NumericGreaterThanEquals"};

Json some(Dice& dice, const std::vector<std::string>& all) {
    if (dice.one_in(2))
        return dice.of(all);
    Json out = Json::array();
    for (std::size_t i = 0; i <= dice.below(3); ++i)
        out.push_back(dice.of(all));
    return out;
}

Json random_conditions(Dice& dice) {
    Json block = Json::object();
    for (std::size_t i = 0; i <= dice.below(2); ++i) {
        if (dice.one_in(6)) {
            block["Null"][dice.of(kKeys)] = dice.one_in(2) ? "true" : "false";
            continue;
        }
        const bool number = dice.one_in(3);
        std::string op = dice.of(number ? kNumberOperators : kTextOperators);
        if (dice.one_in(4))
            op += "IfExists";
        if (dice.one_in(3))
            op = (dice.one_in(2) ? "ForAnyValue:" : "ForAllValues:") + op;
        block[op][dice.of(kKeys)] = some(dice, number ? kNumbers : kTexts);
    }
    return block;
}

Json random_policy(Dice& dice, bool identity) {
    Json policy = {{"Version", dice.one_in(2) ? "2012-10-17" : "2008-10-17"}};
    policy["Statement"] = Json::array();
    for (std::size_t i = 0; i <= dice.below(3); ++i) {
        Json s;
        const bool deny = dice.one_in(5);
        s["Effect"] = deny ? "Deny" : "Allow";
        if (!identity) {
            const char* name = deny && dice.one_in(3) ? "NotPrincipal" : "Principal";
            if (dice.one_in(6))
                s[name] = "*";
            else
                s[name] = {{"AWS", some(dice, kPrincipals)}};
        }
        s[dice.one_in(6) ? "NotAction" : "Action"] = some(dice, kActionPatterns);
        s[dice.one_in(6) ? "NotResource" : "Resource"] = some(dice, kResourcePatterns);
        if (dice.one_in(2))
            s["Condition"] = random_conditions(dice);
        policy["Statement"].push_back(s);
    }
    return policy;
}

Principal random_principal(Dice& dice) {
    switch (dice.below(5)) {
    case 0:
        return root_principal(kHome);
    case 1:
        return user_principal(kHome, "ann", "AIDA1");
    case 2:
        return session_principal(kHome, "signer", "AROA1", "i-0");
    case 3:
        return root_principal(kAway);
    default:
        return user_principal(kAway, "ann", "AIDA2");
    }
}

Values random_values(Dice& dice) {
    Values values;
    for (const auto& key : kKeys)
        if (!dice.one_in(3))
            for (std::size_t i = 0; i <= dice.below(3); ++i)
                values[small(key)].push_back(dice.of(dice.one_in(2) ? kTexts : kNumbers));
    return values;
}

TEST(PolicyProperty, agrees_with_a_naive_evaluator) {
    constexpr std::uint32_t kSeed = 20'261'124;
    RecordProperty("seed", int(kSeed));
    std::printf("seed %u\n", kSeed);
    Dice dice(kSeed);
    std::map<char, int> seen;
    for (int i = 0; i < 20'000; ++i) {
        const auto key_policy = random_policy(dice, false);
        auto principal = random_principal(dice);
        std::vector<Json> identity;
        for (std::size_t n = dice.below(3); n > 0; --n) {
            identity.push_back(random_policy(dice, true));
            principal.identity_policies.push_back({"p" + std::to_string(n), identity.back().dump()});
        }
        const auto given = random_values(dice);
        ConditionValues values;
        for (const auto& [key, texts] : given)
            for (const auto& text : texts)
                values.add(key, text);
        const Question question{principal, dice.of(kActions), dice.of(kResources), given};
        const auto rule = dice.one_in(3) ? ResourceRule::Independent : ResourceRule::Delegating;
        const auto text = key_policy.dump();
        // A root user has no identity policies; the evaluator must not look at them.
        if (principal.kind == Principal::Kind::Root)
            identity.clear();

        const auto access = decide_access(principal, question.action,
                                          {question.resource, kHome, rule, PolicyKind::Key, text}, values);
        ASSERT_TRUE(access) << access.error().message << text;
        using V = Access::Verdict;
        const char got = access->allowed() ? 'A'
                         : access->verdict == V::DeniedByResource || access->verdict == V::DeniedByIdentity
                             ? 'D'
                             : 'N';
        const char wanted = naive_decide(key_policy, identity, question, kHome, rule);
        ++seen[wanted];
        ASSERT_EQ(got, wanted) << "case " << i << "\nkey policy " << text << "\nidentity "
                               << Json(identity).dump() << "\nvalues " << Json(given).dump() << "\n"
                               << principal.arn << " " << question.action << " " << question.resource << "\n"
                               << access->detail;
    }
    for (const char verdict : {'A', 'D', 'N'})
        EXPECT_GT(seen[verdict], 1'000) << verdict; // the cases are worth something
}

} // namespace
} // namespace redoubt::devcloud
