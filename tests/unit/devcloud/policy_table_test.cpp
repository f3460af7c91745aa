// SPDX-License-Identifier: Apache-2.0
// The policy evaluator case by case: operators on values, and what policies decide together.
#include "devcloud/access.h"
#include "devcloud/pattern.h"

#include <gtest/gtest.h>

namespace redoubt::devcloud {
namespace {

using Strings = std::vector<std::string>;

// ---- Conditions: OPERATOR(wanted) on the values of one key; "-" alone: the request has no such key.

struct OperatorCase {
    const char* op;
    const char* wanted; // JSON
    Strings actual;
    bool holds;
};
const Strings kMissing = {"-"};

const OperatorCase kOperatorCases[] = {
    {"StringEquals", R"("a")", {"a"}, true},
    {"StringEquals", R"("a")", {"A"}, false},
    {"StringEquals", R"("a")", {"ab"}, false},
    {"StringEquals", R"("a*")", {"ab"}, false},
    {"StringEquals", R"("a*")", {"a*"}, true},
    {"StringEquals", R"("")", {""}, true},
    {"StringEquals", R"("")", kMissing, false},
    {"StringEquals", R"(["a","b"])", {"b"}, true},
    {"StringEquals", R"(["a","b"])", {"c"}, false},
    {"StringEquals", R"("a")", {"b", "a"}, true},
    {"StringEquals", R"("a")", kMissing, false},
    {"StringEquals", "true", {"true"}, true},
    {"StringEqualsIfExists", R"("a")", kMissing, true},
    {"StringEqualsIfExists", R"("a")", {"b"}, false},
    {"StringEqualsIfExists", R"("a")", {"a"}, true},
    {"StringNotEquals", R"("a")", {"b"}, true},
    {"StringNotEquals", R"("a")", {"a"}, false},
    {"StringNotEquals", R"("a")", kMissing, true},
    {"StringNotEquals", R"(["a","b"])", {"b"}, false},
    {"StringNotEquals", R"(["a","b"])", {"c"}, true},
    {"StringNotEquals", R"("a")", {"b", "a"}, false},
    {"StringNotEqualsIfExists", R"("a")", kMissing, true},
    {"StringNotEqualsIfExists", R"("a")", {"a"}, false},
    {"StringEqualsIgnoreCase", R"("aB")", {"Ab"}, true},
    {"StringEqualsIgnoreCase", R"("aB")", {"Abc"}, false},
    {"StringEqualsIgnoreCase", R"("aB")", kMissing, false},
    {"StringNotEqualsIgnoreCase", R"("aB")", {"Ab"}, false},
    {"StringNotEqualsIgnoreCase", R"("aB")", {"x"}, true},
    {"StringNotEqualsIgnoreCase", R"("aB")", kMissing, true},
    {"StringLike", R"("a*c")", {"abbc"}, true},
    {"StringLike", R"("a*c")", {"ac"}, true},
    {"StringLike", R"("a*c")", {"acd"}, false},
    {"StringLike", R"("a?c")", {"abc"}, true},
    {"StringLike", R"("a?c")", {"ac"}, false},
    {"StringLike", R"("*")", {""}, true},
    {"StringLike", R"("*")", kMissing, false},
    {"StringLike", R"("A*")", {"abc"}, false},
    {"StringLike", R"(["x*","a*"])", {"abc"}, true},
    {"StringLike", R"("a${*}c")", {"a*c"}, true},
    {"StringLike", R"("a${*}c")", {"abc"}, false},
    {"StringLike", R"("a${?}c")", {"a?c"}, true},
    {"StringLike", R"("a${?}c")", {"abc"}, false},
    {"StringLike", R"("a${$}c")", {"a$c"}, true},
    {"StringLike", R"("*${*}")", {"ab*"}, true},
    {"StringEquals", R"("a${*}c")", {"a*c"}, true},
    {"StringLikeIfExists", R"("a*")", kMissing, true},
    {"StringLikeIfExists", R"("a*")", {"b"}, false},
    {"StringNotLike", R"("a*")", {"b"}, true},
    {"StringNotLike", R"("a*")", {"ab"}, false},
    {"StringNotLike", R"("a*")", kMissing, true},
    {"Bool", R"("true")", {"true"}, true},
    {"Bool", R"("true")", {"false"}, false},
    {"Bool", R"("false")", {"false"}, true},
    {"Bool", "true", {"TRUE"}, true},
    {"Bool", R"("false")", kMissing, false},
    {"BoolIfExists", R"("false")", kMissing, true},
    {"BoolIfExists", R"("true")", {"false"}, false},
    {"Null", R"("true")", kMissing, true},
    {"Null", R"("true")", {"x"}, false},
    {"Null", R"("false")", kMissing, false},
    {"Null", R"("false")", {""}, true},
    {"Null", "false", {"x"}, true},
    {"NumericEquals", R"("10")", {"10"}, true},
    {"NumericEquals", "10", {"10.0"}, true},
    {"NumericEquals", R"("10")", {"11"}, false},
    {"NumericEquals", R"("10")", {"ten"}, false},
    {"NumericEquals", R"("10")", kMissing, false},
    {"NumericEquals", R"(["1","2"])", {"2"}, true},
    {"NumericNotEquals", R"("10")", {"11"}, true},
    {"NumericNotEquals", R"("10")", {"10"}, false},
    {"NumericNotEquals", R"("10")", kMissing, true},
    {"NumericLessThan", R"("10")", {"9"}, true},
    {"NumericLessThan", R"("10")", {"10"}, false},
    {"NumericLessThan", R"("10")", {"-3"}, true},
    {"NumericLessThan", R"("10")", {"9x"}, false},
    {"NumericLessThanEquals", R"("10")", {"10"}, true},
    {"NumericLessThanEquals", R"("10")", {"10.5"}, false},
    {"NumericGreaterThan", R"("10")", {"11"}, true},
    {"NumericGreaterThan", R"("10")", {"10"}, false},
    {"NumericGreaterThan", R"("9")", {"10"}, true},
    {"NumericGreaterThanEquals", R"("10")", {"10"}, true},
    {"NumericGreaterThanEquals", R"("10")", {"9"}, false},
    {"NumericGreaterThanEqualsIfExists", R"("10")", kMissing, true},
    {"DateEquals", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:05Z"}, true},
    {"DateEquals", R"("2026-01-02T03:04:05Z")", {"1767323045"}, true},
    {"DateEquals", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:06Z"}, false},
    {"DateNotEquals", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:06Z"}, true},
    {"DateNotEquals", R"("2026-01-02T03:04:05Z")", kMissing, true},
    {"DateLessThan", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:04Z"}, true},
    {"DateLessThan", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:05Z"}, false},
    {"DateLessThanEquals", R"("2026-01-02T03:04:05Z")", {"2026-01-02T03:04:05Z"}, true},
    {"DateGreaterThan", R"("2026-01-02")", {"2026-01-02T00:00:01Z"}, true},
    {"DateGreaterThan", R"("2026-01-02")", {"2026-01-02T00:00:00Z"}, false},
    {"DateGreaterThan", "1767323044", {"2026-01-02T03:04:05Z"}, true},
    {"DateGreaterThanEquals", R"("2026-01-02")", {"2026-01-02T00:00:00Z"}, true},
    {"DateGreaterThanEquals", R"("2026-01-02")", kMissing, false},
    {"DateLessThan", R"("2026-01-02")", {"soon"}, false},
    {"ArnEquals", R"("arn:aws:iam::1:role/a")", {"arn:aws:iam::1:role/a"}, true},
    {"ArnEquals", R"("arn:aws:iam::1:role/a*")", {"arn:aws:iam::1:role/ab"}, true},
    {"ArnEquals", R"("arn:aws:iam::1:role/a")", {"arn:aws:iam::1:role/A"}, false},
    {"ArnLike", R"("arn:aws:iam::*:role/a")", {"arn:aws:iam::1:role/a"}, true},
    {"ArnLike", R"("arn:aws:iam::*:role/a")", {"arn:aws:iam:x:1:role/a"}, false},
    {"ArnLike", R"("arn:aws:*:*:*:user/*")", {"arn:aws:iam::1:role/a"}, false},
    {"ArnLike", R"("*")", {"arn:aws:iam::1:role/a"}, true},
    {"ArnLike", R"("*")", {"no arn"}, false},
    {"ArnLike", R"("arn:*:*:*:*:*")", {"arn:aws:iam::1:role/a:b:c"}, true},
    {"ArnLike", R"("arn:aws:iam::1:role/?")", {"arn:aws:iam::1:role/a"}, true},
    {"ArnLike", R"("arn:aws:iam::1:role/a")", kMissing, false},
    {"ArnLikeIfExists", R"("arn:aws:iam::1:role/a")", kMissing, true},
    {"ArnNotEquals", R"("arn:aws:iam::1:role/a")", {"arn:aws:iam::1:role/b"}, true},
    {"ArnNotEquals", R"("arn:aws:iam::1:role/a")", {"arn:aws:iam::1:role/a"}, false},
    {"ArnNotLike", R"("arn:aws:iam::*:role/a")", {"arn:aws:iam::1:role/a"}, false},
    {"ArnNotLike", R"("arn:aws:iam::*:role/a")", kMissing, true},
    {"ForAnyValue:StringEquals", R"(["a","b"])", {"x", "b"}, true},
    {"ForAnyValue:StringEquals", R"(["a","b"])", {"x", "y"}, false},
    {"ForAnyValue:StringEquals", R"("a")", kMissing, false},
    {"ForAnyValue:StringEqualsIfExists", R"("a")", kMissing, true},
    {"ForAnyValue:StringNotEquals", R"("a")", {"a", "b"}, true},
    {"ForAnyValue:StringNotEquals", R"("a")", {"a", "a"}, false},
    {"ForAnyValue:StringNotEquals", R"("a")", kMissing, false},
    {"ForAnyValue:StringLike", R"("a*")", {"x", "ab"}, true},
    {"ForAnyValue:StringLike", R"("a*")", {"x", "b"}, false},
    {"ForAnyValue:NumericLessThan", R"("3")", {"5", "2"}, true},
    {"ForAnyValue:NumericLessThan", R"("3")", {"5", "4"}, false},
    {"ForAnyValue:StringEqualsIgnoreCase", R"("A")", {"b", "a"}, true},
    {"ForAllValues:StringEquals", R"(["a","b"])", {"a", "b"}, true},
    {"ForAllValues:StringEquals", R"(["a","b"])", {"a"}, true},
    {"ForAllValues:StringEquals", R"(["a","b"])", {"a", "c"}, false},
    {"ForAllValues:StringEquals", R"("a")", kMissing, true},
    {"ForAllValues:StringEqualsIfExists", R"("a")", kMissing, true},
    {"ForAllValues:StringNotEquals", R"("a")", {"b", "c"}, true},
    {"ForAllValues:StringNotEquals", R"("a")", {"b", "a"}, false},
    {"ForAllValues:StringNotEquals", R"("a")", kMissing, true},
    {"ForAllValues:StringLike", R"(["a*","b*"])", {"ab", "ba"}, true},
    {"ForAllValues:StringLike", R"(["a*","b*"])", {"ab", "cd"}, false},
    {"ForAllValues:ArnLike", R"("arn:aws:iam::1:role/*")", {"arn:aws:iam::1:role/a"}, true},
    {"ForAllValues:Bool", R"("true")", {"true", "false"}, false},
};

TEST(PolicyTable, compares_values_as_iam_does) {
    for (const auto& c : kOperatorCases) {
        const std::string text = std::string("{\"") + c.op + "\":{\"Test:Key\":" + c.wanted + "}}";
        json::Document document;
        const auto root = document.parse(text);
        ASSERT_TRUE(root) << text;
        const auto conditions = parse_conditions(*root, true);
        ASSERT_TRUE(conditions) << text << conditions.error().message;
        ASSERT_EQ(conditions->size(), 1u);
        ConditionValues values;
        if (c.actual != kMissing)
            for (const auto& value : c.actual)
                values.add("test:KEY", value); // keys are compared without regard to case
        EXPECT_EQ(condition_holds(conditions->front(), values), c.holds)
            << text << " on " << ::testing::PrintToString(c.actual);
    }
}

// ---- Policies together.

const std::string kHome = "111122223333", kAway = "999999999999";
const std::string kKey = "arn:aws:kms:us-east-1:111122223333:key/0f0e0d0c-0b0a-4908-8706-050403020100";

std::string policy_of(const std::string& statements) {
    return statements.empty() ? "" : R"({"Version":"2012-10-17","Statement":[)" + statements + "]}";
}
// What a statement says beside Effect; Resource "*" unless it says one.
std::string statement(const std::string& effect, std::string rest) {
    if (rest.find("Resource") == std::string::npos && rest.find("no-resource") == std::string::npos)
        rest += R"(,"Resource":"*")";
    return R"({"Effect":")" + effect + "\"," + rest + "}";
}
std::string principal_of(const std::string& arn) {
    return R"("Principal":{"AWS":")" + arn + R"("},)";
}
std::string iam(const std::string& name, const std::string& account = kHome) {
    return "arn:aws:iam::" + account + ":" + name;
}
const std::string kDecrypt = R"("Action":"kms:Decrypt")", kAll = R"("Action":"kms:*")";
const std::string kEverybody = R"("Principal":"*",)";
const std::string kRootOfHome = principal_of(iam("root"));

enum class Who { Root, Ann, Session, AwayRoot, AwayUser, AwaySession };
Principal principal_for(Who who) {
    switch (who) {
    case Who::Root:
        return root_principal(kHome);
    case Who::Ann:
        return user_principal(kHome, "ann", "AIDAANN");
    case Who::Session:
        return session_principal(kHome, "signer", "AROASIGNER", "i-0");
    case Who::AwayRoot:
        return root_principal(kAway);
    case Who::AwayUser:
        return user_principal(kAway, "ann", "AIDAAWAY");
    case Who::AwaySession:
        break;
    }
    return session_principal(kAway, "signer", "AROAAWAY", "i-0");
}

enum class Says { Yes, DenyR, DenyI, DenyS, NoR, NoI, NoS };
Says says(Access::Verdict verdict) {
    using V = Access::Verdict;
    switch (verdict) {
    case V::Allowed:
        return Says::Yes;
    case V::DeniedByResource:
        return Says::DenyR;
    case V::DeniedByIdentity:
        return Says::DenyI;
    case V::DeniedBySession:
        return Says::DenyS;
    case V::NotAllowedByResource:
        return Says::NoR;
    case V::NotAllowedByIdentity:
        return Says::NoI;
    case V::NotAllowedBySession:
        break;
    }
    return Says::NoS;
}

struct AccessCase {
    const char* what;
    Who who;
    ResourceRule rule;
    std::string resource, identity; // statements
    Says says;
    std::string session{}; // statements of a session policy
    const char* action = "kms:Decrypt";
    const char* grant = ""; // "key": a grant to the caller, "account": to its account
};

constexpr auto D = ResourceRule::Delegating, I = ResourceRule::Independent, N = ResourceRule::Identity;

std::vector<AccessCase> access_cases() {
    const auto allow = [](const std::string& rest) { return statement("Allow", rest); };
    const auto deny = [](const std::string& rest) { return statement("Deny", rest); };
    const std::string ann = principal_of(iam("user/ann")), role = principal_of(iam("role/signer"));
    const std::string session = principal_of("arn:aws:sts::111122223333:assumed-role/signer/i-0");
    const std::string away_root = principal_of(iam("root", kAway));
    const std::string away_ann = principal_of(iam("user/ann", kAway));
    const std::string away_role = principal_of(iam("role/signer", kAway));
    const std::string delegate = allow(kRootOfHome + kAll), may = allow(kDecrypt);
    const auto resource = [](const std::string& r) { return kDecrypt + ",\"Resource\":" + r; };
    const auto not_principal = [](const std::string& list) {
        return R"("NotPrincipal":{"AWS":[)" + list + "]}," + kDecrypt;
    };
    const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
    const auto when = [](const std::string& condition) { return kDecrypt + R"(,"Condition":)" + condition; };
    using enum Says;
    return {
        // Delegating (keys, trust), one account
        {"nothing", Who::Ann, D, "", "", NoR},
        {"identity alone", Who::Ann, D, "", may, NoR},
        {"root without a policy", Who::Root, D, "", "", NoR},
        {"delegated and identity", Who::Ann, D, delegate, may, Yes},
        {"delegated, no identity", Who::Ann, D, delegate, "", NoI},
        {"delegated, identity of another action", Who::Ann, D, delegate, allow(R"("Action":"kms:Encrypt")"),
         NoI},
        {"delegated to root", Who::Root, D, delegate, "", Yes},
        {"delegated by number", Who::Ann, D, allow(principal_of(kHome) + kAll), may, Yes},
        {"delegation of one action only", Who::Ann, D, allow(kRootOfHome + R"("Action":"kms:Encrypt")"), may,
         NoR},
        {"delegated to another account", Who::Ann, D, allow(away_root + kAll), may, NoR},
        {"user named", Who::Ann, D, allow(ann + kDecrypt), "", Yes},
        {"user named, root asks", Who::Root, D, allow(ann + kDecrypt), "", NoR},
        {"role named", Who::Session, D, allow(role + kDecrypt), "", Yes},
        {"session named", Who::Session, D, allow(session + kDecrypt), "", Yes},
        {"role named, user asks", Who::Ann, D, allow(role + kDecrypt), may, NoR},
        {"everybody", Who::Ann, D, allow(kEverybody + kDecrypt), "", Yes},
        {"everybody as AWS", Who::Session, D, allow(R"("Principal":{"AWS":"*"},)" + kDecrypt), "", Yes},
        {"everybody, root asks", Who::Root, D, allow(kEverybody + kDecrypt), "", Yes},
        {"a service only", Who::Ann, D, allow(R"("Principal":{"Service":"ec2.amazonaws.com"},)" + kDecrypt),
         may, NoR},
        {"federated only", Who::Ann, D, allow(R"("Principal":{"Federated":"*"},)" + kDecrypt), may, NoR},
        {"named for another action", Who::Ann, D, allow(ann + R"("Action":"kms:Encrypt")"), may, NoR},
        {"NotAction allows the rest", Who::Ann, D, allow(ann + R"("NotAction":"kms:Encrypt")"), "", Yes},
        {"NotAction leaves it out", Who::Ann, D, allow(ann + R"("NotAction":["kms:Dec*","kms:X"])"), "", NoR},
        {"action in another case", Who::Ann, D, allow(ann + R"("Action":"KMS:DECRYPT")"), "", Yes},
        {"action with a question mark", Who::Ann, D, allow(ann + R"("Action":"kms:Decryp?")"), "", Yes},
        {"a grant", Who::Ann, D, "", "", Yes, "", "kms:Decrypt", "key"},
        {"a grant to the account, no identity", Who::Ann, D, "", "", NoR, "", "kms:Decrypt", "account"},
        {"a grant to the account, identity", Who::Ann, D, "", may, Yes, "", "kms:Decrypt", "account"},
        {"a grant against a deny", Who::Ann, D, deny(kEverybody + kDecrypt), "", DenyR, "", "kms:Decrypt",
         "key"},
        {"a grant against an identity deny", Who::Ann, D, "", deny(kDecrypt), DenyI, "", "kms:Decrypt",
         "key"},

        // Deny
        {"deny beats allow", Who::Ann, D, allow(ann + kDecrypt) + "," + deny(ann + kDecrypt), may, DenyR},
        {"deny first in order", Who::Ann, D, deny(ann + kDecrypt) + "," + allow(ann + kDecrypt), may, DenyR},
        {"deny everybody", Who::Root, D, delegate + "," + deny(kEverybody + kDecrypt), "", DenyR},
        {"deny the account", Who::Ann, D, allow(ann + kDecrypt) + "," + deny(kRootOfHome + kDecrypt), may,
         DenyR},
        {"deny another user", Who::Ann, D, delegate + "," + deny(principal_of(iam("user/bob")) + kDecrypt),
         may, Yes},
        {"deny another action", Who::Ann, D, delegate + "," + deny(ann + R"("Action":"kms:Encrypt")"), may,
         Yes},
        {"deny another key", Who::Ann, D, delegate + "," + deny(ann + resource(quoted(kKey + "x"))), may,
         Yes},
        {"deny the role", Who::Session, D, allow(session + kDecrypt) + "," + deny(role + kDecrypt), may,
         DenyR},
        {"deny the session", Who::Session, D, allow(role + kDecrypt) + "," + deny(session + kDecrypt), "",
         DenyR},
        {"identity denies", Who::Ann, D, allow(ann + kDecrypt), deny(kDecrypt), DenyI},
        {"identity allows and denies", Who::Ann, D, delegate, may + "," + deny(kDecrypt), DenyI},
        {"both deny: the resource is told", Who::Ann, D, deny(ann + kDecrypt), deny(kDecrypt), DenyR},
        {"deny with NotAction", Who::Ann, D, delegate + "," + deny(ann + R"("NotAction":"kms:Decrypt")"), may,
         Yes},
        {"deny with NotAction of another", Who::Ann, D,
         delegate + "," + deny(ann + R"("NotAction":"kms:E*")"), may, DenyR},

        // NotPrincipal: spared only when every identity is named
        {"spared user and account", Who::Ann, D,
         delegate + "," + deny(not_principal(quoted(iam("user/ann")) + "," + quoted(iam("root")))), may, Yes},
        {"spared user without the account", Who::Ann, D,
         delegate + "," + deny(not_principal(quoted(iam("user/ann")))), may, DenyR},
        {"spared account without the user", Who::Ann, D,
         delegate + "," + deny(not_principal(quoted(iam("root")))), may, DenyR},
        {"spared root", Who::Root, D, delegate + "," + deny(not_principal(quoted(iam("root")))), "", Yes},
        {"spared root, another account's", Who::Root, D,
         delegate + "," + deny(not_principal(quoted(iam("root", kAway)))), "", DenyR},
        {"spared session, role, account", Who::Session, D,
         delegate + "," +
             deny(not_principal(quoted(iam("root")) + "," + quoted(iam("role/signer")) +
                                R"(,"arn:aws:sts::111122223333:assumed-role/signer/i-0")")),
         may, Yes},
        {"spared role and account only", Who::Session, D,
         delegate + "," + deny(not_principal(quoted(iam("root")) + "," + quoted(iam("role/signer")))), may,
         DenyR},
        {"spared everybody", Who::Ann, D, delegate + "," + deny(R"("NotPrincipal":"*",)" + kDecrypt), may,
         Yes},

        // Resources
        {"the key's ARN", Who::Ann, D, allow(ann + resource(quoted(kKey))), "", Yes},
        {"another ARN", Who::Ann, D,
         allow(ann + resource(quoted("arn:aws:kms:us-east-1:111122223333:key/x"))), "", NoR},
        {"one of two ARNs", Who::Ann, D,
         allow(ann + resource("[\"arn:aws:kms:x:1:key/y\",\"" + kKey + "\"]")), "", Yes},
        {"a pattern of ARNs", Who::Ann, D, allow(ann + resource(quoted("arn:aws:kms:*:111122223333:key/*"))),
         "", Yes},
        {"NotResource leaves it out", Who::Ann, D, allow(ann + kDecrypt + ",\"NotResource\":" + quoted(kKey)),
         "", NoR},
        {"NotResource of another", Who::Ann, D,
         allow(ann + kDecrypt + R"(,"NotResource":"arn:aws:kms:x:1:key/y")"), "", Yes},
        {"identity of one ARN", Who::Ann, D, delegate, allow(resource(quoted(kKey))), Yes},
        {"identity of another ARN", Who::Ann, D, delegate, allow(resource(quoted(kKey + "0"))), NoI},
        {"identity by NotResource", Who::Ann, D, delegate,
         allow(kDecrypt + R"(,"NotResource":"arn:aws:kms:x:1:key/y")"), Yes},
        {"resource by the caller's account", Who::Ann, D, delegate,
         allow(resource(R"("arn:aws:kms:*:${aws:PrincipalAccount}:key/*")")), Yes},
        {"resource by the caller's name", Who::Ann, D, delegate,
         allow(resource(R"("arn:aws:kms:*:*:key/${aws:username}")")), NoI},
        {"a variable without a value", Who::Session, D, delegate,
         allow(resource(R"("arn:aws:kms:*:*:*${aws:username}*")")), NoI},

        // Conditions
        {"condition met", Who::Ann, D, allow(ann + when(R"({"Bool":{"aws:SecureTransport":"true"}})")), "",
         Yes},
        {"condition not met", Who::Ann, D, allow(ann + when(R"({"Bool":{"aws:SecureTransport":"false"}})")),
         "", NoR},
        {"two operators, one not met", Who::Ann, D,
         allow(ann +
               when(R"({"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"kms:CallerAccount":"1"}})")),
         "", NoR},
        {"two keys, one not met", Who::Ann, D,
         allow(ann + when(R"({"StringEquals":{"kms:CallerAccount":"111122223333","kms:Missing":"1"}})")), "",
         NoR},
        {"two keys, both met", Who::Ann, D,
         allow(
             ann +
             when(
                 R"({"StringEquals":{"kms:CallerAccount":"111122223333","kms:CALLERACCOUNT2":"x"},"Null":{"kms:Missing":"true"}})")),
         "", NoR},
        {"a delegation under a condition", Who::Ann, D,
         allow(kRootOfHome + when(R"({"StringEquals":{"kms:CallerAccount":"111122223333"}})")), may, Yes},
        {"a delegation whose condition fails", Who::Ann, D,
         allow(kRootOfHome + when(R"({"StringEquals":{"kms:CallerAccount":"1"}})")), may, NoR},
        {"identity under a condition", Who::Ann, D, delegate,
         allow(when(R"({"StringEquals":{"aws:username":"ann"}})")), Yes},
        {"identity whose condition fails", Who::Ann, D, delegate,
         allow(when(R"({"StringEquals":{"aws:username":"bob"}})")), NoI},
        {"the user's id", Who::Ann, D, delegate, allow(when(R"({"StringEquals":{"aws:userid":"AIDAANN"}})")),
         Yes},
        {"a variable in a condition", Who::Ann, D, delegate,
         allow(when(R"({"StringEquals":{"kms:CallerAccount":"${aws:PrincipalAccount}"}})")), Yes},
        {"a variable in a condition, another value", Who::Ann, D, delegate,
         allow(when(R"({"StringEquals":{"aws:userid":"${aws:username}"}})")), NoI},
        {"deny unless attested, not attested", Who::Root, D,
         delegate + "," +
             deny(kEverybody +
                  when(R"({"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"aa"}})")),
         "", DenyR},
        {"deny whose condition fails", Who::Ann, D,
         delegate + "," + deny(kEverybody + when(R"({"Null":{"aws:SecureTransport":"true"}})")), may, Yes},
        {"a principal by condition", Who::Session, D,
         allow(kEverybody + when(R"({"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/sig*"}})")), "", Yes},
        {"another principal by condition", Who::Ann, D,
         allow(kEverybody + when(R"({"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/sig*"}})")), "", NoR},

        // Across accounts: both sides
        {"away, both", Who::AwayUser, D, allow(away_ann + kDecrypt), may, Yes},
        {"away, resource alone", Who::AwayUser, D, allow(away_ann + kDecrypt), "", NoI},
        {"away, identity alone", Who::AwayUser, D, delegate, may, NoR},
        {"away, by account and identity", Who::AwayUser, D, allow(away_root + kDecrypt), may, Yes},
        {"away, by account alone", Who::AwaySession, D, allow(away_root + kDecrypt), "", NoI},
        {"away, everybody and identity", Who::AwayUser, D, allow(kEverybody + kDecrypt), may, Yes},
        {"away, everybody alone", Who::AwayUser, D, allow(kEverybody + kDecrypt), "", NoI},
        {"away, role and identity", Who::AwaySession, D, allow(away_role + kDecrypt), may, Yes},
        {"away, the home role's namesake", Who::AwaySession, D, allow(role + kDecrypt), may, NoR},
        {"away root", Who::AwayRoot, D, allow(away_root + kDecrypt), "", Yes},
        {"away root, not named", Who::AwayRoot, D, delegate, "", NoR},
        {"away, a grant and identity", Who::AwayUser, D, delegate, may, Yes, "", "kms:Decrypt", "key"},
        {"away, a grant alone", Who::AwayUser, D, delegate, "", NoI, "", "kms:Decrypt", "key"},
        {"away, resource denies", Who::AwayUser, D, allow(away_ann + kDecrypt) + "," + deny(away_root + kAll),
         may, DenyR},
        {"away, identity denies", Who::AwayUser, D, allow(away_ann + kDecrypt), may + "," + deny(kAll),
         DenyI},

        // Independent (secrets)
        {"either: identity", Who::Ann, I, "", may, Yes},
        {"either: resource", Who::Ann, I, allow(ann + kDecrypt), "", Yes},
        {"either: neither", Who::Ann, I, "", "", NoI},
        {"either: the account alone", Who::Ann, I, allow(kRootOfHome + kDecrypt), "", NoI},
        {"either: the account and identity", Who::Ann, I, allow(kRootOfHome + kDecrypt), may, Yes},
        {"either: root", Who::Root, I, "", "", Yes},
        {"either: root denied", Who::Root, I, deny(kEverybody + kDecrypt), "", DenyR},
        {"either: identity denies", Who::Ann, I, allow(ann + kDecrypt), deny(kDecrypt), DenyI},
        {"either: away, identity alone", Who::AwayUser, I, "", may, NoR},
        {"either: away, both", Who::AwayUser, I, allow(away_ann + kDecrypt), may, Yes},
        {"either: away, resource alone", Who::AwayUser, I, allow(away_ann + kDecrypt), "", NoI},

        // Identity alone
        {"no resource: identity", Who::Ann, N, "", may, Yes},
        {"no resource: none", Who::Ann, N, "", "", NoI},
        {"no resource: root", Who::Root, N, "", "", Yes},
        {"no resource: denied", Who::Ann, N, "", may + "," + deny(kAll), DenyI},
        {"no resource: NotAction", Who::Ann, N, "", allow(R"("NotAction":"iam:*")"), Yes},

        // Session policies
        {"session policy allows", Who::Session, D, delegate, may, Yes, may},
        {"session policy is silent", Who::Session, D, delegate, may, NoS, allow(R"("Action":"kms:Encrypt")")},
        {"session policy denies", Who::Session, D, delegate, may, DenyS, may + "," + deny(kDecrypt)},
        {"session policy alone", Who::Session, D, delegate, "", NoI, may},
        {"session policy limits a named role", Who::Session, D, allow(role + kDecrypt), "", NoS,
         allow(R"("Action":"kms:Encrypt")")},
        {"session policy and a named role", Who::Session, D, allow(role + kDecrypt), "", Yes, may},
    };
}

TEST(PolicyTable, decides_as_iam_does) {
    for (const auto& c : access_cases()) {
        auto principal = principal_for(c.who);
        if (!c.identity.empty())
            principal.identity_policies = {{"inline", policy_of(c.identity)}};
        principal.session_policy = policy_of(c.session);
        ConditionValues values;
        values.add("aws:PrincipalAccount", principal.account);
        values.add("aws:PrincipalArn", principal.role_arn.empty() ? principal.arn : principal.role_arn);
        values.add("aws:userid", principal.user_id);
        if (principal.kind == Principal::Kind::User)
            values.add("aws:username", principal.name);
        values.add("aws:SecureTransport", "true");
        values.add("kms:CallerAccount", principal.account);
        const auto policy = policy_of(c.resource);
        Resource resource{kKey, kHome, c.rule, PolicyKind::Key, policy};
        if (c.rule == ResourceRule::Identity)
            resource = {"*", principal.account, c.rule};
        if (*c.grant != '\0') {
            resource.grant = "0f";
            resource.grant_to_account = std::string_view(c.grant) == "account";
        }
        const auto access = decide_access(principal, c.action, resource, values);
        ASSERT_TRUE(access) << c.what << ": " << access.error().message;
        EXPECT_EQ(int(says(access->verdict)), int(c.says)) << c.what << ": " << access->detail;
        EXPECT_FALSE(access->detail.empty()) << c.what;
    }
}

// Federated principals: AssumeRoleWithWebIdentity's callers, by a role's trust policy alone.
TEST(PolicyTable, lets_the_federated_in_by_their_provider_alone) {
    const std::string provider = iam("oidc-provider/issuer.example");
    const auto caller = federated_principal(provider, "subject");
    const std::string action = R"("Action":"sts:AssumeRoleWithWebIdentity")";
    const auto trust = [&](const std::string& principal, const std::string& condition = "") {
        return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)" + principal + "," +
               action + condition + "}]}";
    };
    const std::string named = R"({"Federated":")" + provider + R"("})";
    const struct {
        std::string policy;
        bool allowed;
    } cases[] = {
        {trust(named), true},
        {trust(R"({"Federated":"cognito-identity.amazonaws.com"})"), false},
        {trust(R"({"AWS":"*"})"), false},
        {trust("\"*\""), true},
        {trust(named, R"(,"Condition":{"StringEquals":{"issuer.example:sub":"subject"}})"), true},
        {trust(named, R"(,"Condition":{"StringEquals":{"issuer.example:sub":"another"}})"), false},
    };
    for (const auto& c : cases) {
        ConditionValues values;
        values.add("issuer.example:sub", "subject");
        const auto access = decide_access(
            caller, "sts:AssumeRoleWithWebIdentity",
            {iam("role/signer"), kHome, ResourceRule::Delegating, PolicyKind::Trust, c.policy}, values);
        ASSERT_TRUE(access) << c.policy;
        EXPECT_EQ(access->allowed(), c.allowed) << c.policy << access->detail;
    }
}

TEST(PolicyTable, has_at_least_200_cases) {
    EXPECT_GE(std::size(kOperatorCases) + access_cases().size(), 200u);
}

TEST(PolicyTable, takes_variables_literally_in_the_older_version) {
    auto ann = principal_for(Who::Ann);
    ConditionValues values;
    values.add("aws:username", "ann");
    values.add("test:key", "ann");
    const auto decide = [&](const std::string& version) {
        ann.identity_policies = {
            {"p", "{" + version +
                      R"("Statement":{"Effect":"Allow","Action":"*","Resource":"*",)"
                      R"("Condition":{"StringEquals":{"test:key":"${aws:username}"}}}})"}};
        return decide_access(ann, "kms:ListKeys", {"*", kHome, ResourceRule::Identity}, values)->allowed();
    };
    EXPECT_TRUE(decide(R"("Version":"2012-10-17",)"));
    EXPECT_FALSE(decide(R"("Version":"2008-10-17",)"));
    EXPECT_FALSE(decide(""));
}

TEST(PolicyTable, takes_a_variables_value_literally) {
    auto ann = user_principal(kHome, "*", "AIDA");
    ann.identity_policies = {
        {"p", R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*",)"
              R"("Condition":{"StringLike":{"test:key":"${aws:username}"}}}})"}};
    for (const auto& [value, allowed] : {std::pair{"*", true}, std::pair{"anything", false}}) {
        ConditionValues values;
        values.add("aws:username", "*");
        values.add("test:key", value);
        EXPECT_EQ(decide_access(ann, "kms:ListKeys", {"*", kHome, ResourceRule::Identity}, values)->allowed(),
                  allowed)
            << value;
    }
}

TEST(PolicyTable, tells_the_statement_and_the_condition) {
    auto ann = principal_for(Who::Ann);
    ann.identity_policies = {{"mine",
                              R"({"Statement":{"Sid":"S1","Effect":"Allow","Action":"*","Resource":"*",)"
                              R"("Condition":{"NumericLessThan":{"test:n":"3"}}}})"}};
    ConditionValues values;
    values.add("test:n", "5");
    const auto access = decide_access(ann, "kms:ListKeys", {"*", kHome, ResourceRule::Identity}, values);
    ASSERT_TRUE(access);
    EXPECT_FALSE(access->allowed());
    for (const char* part : {"mine", "S1", "test:n is 5", "NumericLessThan wants 3"})
        EXPECT_NE(access->detail.find(part), std::string::npos) << part << ": " << access->detail;
}

} // namespace
} // namespace redoubt::devcloud
