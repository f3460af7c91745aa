// SPDX-License-Identifier: Apache-2.0
#include "devcloud/access.h"

#include <gtest/gtest.h>

namespace redoubt::devcloud {
namespace {

const std::string kAccount = "111122223333";
const std::string kKey = "arn:aws:kms:us-east-1:111122223333:key/0f0e0d0c-0b0a-4908-8706-050403020100";
const std::string kPcr(96, 'a');
const std::string kOther(96, 'b');

const Principal kRoot = root_principal(kAccount);
// What an instance of Redoubt may do by its identity policy.
Principal with_instance_policy(Principal principal) {
    principal.identity_policies = {
        {"instance",
         R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt",)"
         R"("kms:GenerateDataKey","kms:DescribeKey","secretsmanager:GetSecretValue"],"Resource":"*"}})"}};
    return principal;
}
const Principal kSession = with_instance_policy(session_principal(kAccount, "signer", "AROAEXAMPLE", "i-0"));
const Principal kStranger =
    with_instance_policy(session_principal("999999999999", "signer", "AROAEXAMPLE", "i-0"));

enum class Verdict { Allowed, DeniedExplicitly, NotAllowed };
using Values = std::map<std::string, std::string>;

std::string policy_of(const std::string& statements) {
    return R"({"Version":"2012-10-17","Statement":[)" + statements + "]}";
}

// A statement for the role with one condition block.
std::string role_statement(const std::string& effect, const std::string& condition,
                           const std::string& action = R"("kms:Decrypt")") {
    return R"({"Sid":"Enclave","Effect":")" + effect +
           R"(","Principal":{"AWS":"arn:aws:iam::111122223333:role/signer"},"Action":)" + action +
           R"(,"Resource":"*")" + (condition.empty() ? "" : R"(,"Condition":)" + condition) + "}";
}

std::string for_principal(const std::string& principal, const std::string& action = R"("kms:*")") {
    return R"({"Effect":"Allow","Principal":)" + principal + R"(,"Action":)" + action + R"(,"Resource":"*"})";
}

struct Decision {
    Verdict verdict;
    std::string detail;
};

Decision decide(const std::string& policy, const Principal& principal, std::string_view action,
                const Values& given = {}) {
    ConditionValues values;
    for (const auto& [key, value] : given)
        values.add(key, value);
    const auto access = decide_access(
        principal, action, {kKey, kAccount, ResourceRule::Delegating, PolicyKind::Key, policy}, values);
    EXPECT_TRUE(access) << access.error().message << "\n" << policy;
    if (!access)
        return {Verdict::NotAllowed, ""};
    switch (access->verdict) {
    case Access::Verdict::Allowed:
        return {Verdict::Allowed, access->detail};
    case Access::Verdict::DeniedByResource:
    case Access::Verdict::DeniedByIdentity:
    case Access::Verdict::DeniedBySession:
        return {Verdict::DeniedExplicitly, access->detail};
    default:
        return {Verdict::NotAllowed, access->detail};
    }
}

struct Case {
    const char* what;
    std::string statements;
    const Principal& principal;
    std::string_view action;
    Values values;
    Verdict verdict;
};

const std::string kPin16 =
    R"({"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR16":")" + kPcr + R"("}})";
const std::string kPinBoth = R"({"StringEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":")" + kPcr +
                             R"(","kms:RecipientAttestation:PCR16":")" + kPcr + R"("}})";
const std::string kImage = "kms:RecipientAttestation:ImageSha384";
const std::string kP16 = "kms:RecipientAttestation:PCR16";

TEST(Policy, decides_as_iam_does) {
    const std::string allow = role_statement("Allow", "");
    const std::string root = for_principal(R"({"AWS":"arn:aws:iam::111122223333:root"})");
    const auto with = [](const std::string& condition) { return role_statement("Allow", condition); };
    const auto deny_unless = [&](const std::string& condition) {
        return root +
               R"(,{"Sid":"Deny","Effect":"Deny","Principal":"*","Action":["kms:Decrypt","kms:ReEncrypt*"],)" +
               R"("Resource":"*","Condition":)" + condition + "}";
    };
    const auto A = Verdict::Allowed, D = Verdict::DeniedExplicitly, N = Verdict::NotAllowed;
    const Case cases[] = {
        // Principals
        {"the role matches its sessions", allow, kSession, "kms:Decrypt", {}, A},
        {"the role is not the root user", allow, kRoot, "kms:Decrypt", {}, N},
        {"a role of the same name elsewhere", allow, kStranger, "kms:Decrypt", {}, N},
        {"the session's own ARN",
         for_principal(R"({"AWS":"arn:aws:sts::111122223333:assumed-role/signer/i-0"})"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"another session's ARN",
         for_principal(R"({"AWS":"arn:aws:sts::111122223333:assumed-role/signer/i-1"})"),
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"everybody", for_principal(R"("*")"), kStranger, "kms:Decrypt", {}, A},
        {"everybody as AWS", for_principal(R"({"AWS":"*"})"), kStranger, "kms:Decrypt", {}, A},
        {"one of several",
         for_principal(R"({"AWS":["arn:aws:iam::111122223333:user/ann",)"
                       R"("arn:aws:iam::111122223333:role/signer"]})"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"a user",
         for_principal(R"({"AWS":"arn:aws:iam::111122223333:user/signer"})"),
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"a service", for_principal(R"({"Service":"lambda.amazonaws.com"})"), kRoot, "kms:Decrypt", {}, N},
        // The account delegates to IAM
        {"the root user by the account", root, kRoot, "kms:PutKeyPolicy", {}, A},
        {"the role by the account, as IAM allows", root, kSession, "kms:Decrypt", {}, A},
        {"the role by the account, as IAM does not", root, kSession, "kms:PutKeyPolicy", {}, N},
        {"the account by its number",
         for_principal(R"({"AWS":"111122223333"})"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"another account",
         for_principal(R"({"AWS":"arn:aws:iam::999999999999:root"})"),
         kRoot,
         "kms:Decrypt",
         {},
         N},
        {"the role by name needs no IAM",
         role_statement("Allow", "", R"("kms:PutKeyPolicy")"),
         kSession,
         "kms:PutKeyPolicy",
         {},
         A},
        // Actions
        {"another action", allow, kSession, "kms:Encrypt", {}, N},
        {"a wildcard", role_statement("Allow", "", R"("kms:Gen*")"), kSession, "kms:GenerateDataKey", {}, A},
        {"one character", role_statement("Allow", "", R"("kms:?ecrypt")"), kSession, "kms:Decrypt", {}, A},
        {"another case", role_statement("Allow", "", R"("KMS:decrypt")"), kSession, "kms:Decrypt", {}, A},
        {"every action", role_statement("Allow", "", R"("*")"), kSession, "kms:Decrypt", {}, A},
        {"another service", role_statement("Allow", "", R"("s3:*")"), kSession, "kms:Decrypt", {}, N},
        {"one of several actions",
         role_statement("Allow", "", R"(["kms:Encrypt","kms:Decrypt"])"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        // Resources
        {"the key's ARN",
         R"({"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":")" + kKey + R"("})",
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"another key's ARN",
         R"({"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:key/x"})",
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"a pattern of ARNs",
         R"({"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"arn:aws:kms:*:111122223333:key/*"})",
         kSession,
         "kms:Decrypt",
         {},
         A},
        // Deny
        {"a deny beats an allow",
         allow + "," + R"({"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"})",
         kSession,
         "kms:Decrypt",
         {},
         D},
        {"a deny before an allow",
         R"({"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"},)" + allow,
         kSession,
         "kms:Decrypt",
         {},
         D},
        {"a deny of another action",
         allow + "," + R"({"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"})",
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"a deny for the account",
         allow + "," +
             R"({"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"})",
         kSession,
         "kms:Decrypt",
         {},
         D},
        {"a deny of all but one action",
         allow + "," + R"({"Effect":"Deny","Principal":"*","NotAction":"kms:Decrypt","Resource":"*"})",
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"what such a deny is for",
         root + "," +
             R"({"Sid":"D","Effect":"Deny","Principal":"*","NotAction":"kms:Decrypt","Resource":"*"})",
         kRoot,
         "kms:Encrypt",
         {},
         D},
        // PCR pins
        {"the pair", with(kPinBoth), kSession, "kms:Decrypt", {{kImage, kPcr}, {kP16, kPcr}}, A},
        {"another PCR0", with(kPinBoth), kSession, "kms:Decrypt", {{kImage, kOther}, {kP16, kPcr}}, N},
        {"another PCR16", with(kPinBoth), kSession, "kms:Decrypt", {{kImage, kPcr}, {kP16, kOther}}, N},
        {"no PCR16", with(kPinBoth), kSession, "kms:Decrypt", {{kImage, kPcr}}, N},
        {"no attestation", with(kPinBoth), kSession, "kms:Decrypt", {}, N},
        {"upper-case hex", with(kPin16), kSession, "kms:Decrypt", {{kP16, std::string(96, 'A')}}, A},
        {"StringEquals minds the case",
         with(R"({"StringEquals":{"kms:RecipientAttestation:PCR16":"AA"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aa"}},
         N},
        {"a condition key in another case",
         with(R"({"StringEquals":{"KMS:recipientattestation:pcr16":"aa"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aa"}},
         A},
        {"one of two values",
         with(R"({"StringEquals":{"kms:RecipientAttestation:PCR16":["aa","bb"]}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "bb"}},
         A},
        {"a prefix is not a match",
         with(R"({"StringEquals":{"kms:RecipientAttestation:PCR16":"aa"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aaa"}},
         N},
        // Deny without the pin, as the vault key's policy has it
        {"a deny unless attested, unattested",
         deny_unless(R"({"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"aa"}})"),
         kRoot,
         "kms:Decrypt",
         {},
         D},
        {"a deny unless attested, wrongly attested",
         deny_unless(R"({"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"aa"}})"),
         kRoot,
         "kms:Decrypt",
         {{kImage, "bb"}},
         D},
        {"a deny unless attested, attested",
         deny_unless(R"({"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"aa"}})"),
         kRoot,
         "kms:Decrypt",
         {{kImage, "AA"}},
         A},
        {"StringNotEquals minds the case",
         deny_unless(R"({"StringNotEquals":{"kms:RecipientAttestation:ImageSha384":"aa"}})"),
         kRoot,
         "kms:Decrypt",
         {{kImage, "AA"}},
         D},
        {"one of several is enough not to be denied",
         deny_unless(R"({"StringNotEquals":{"kms:RecipientAttestation:ImageSha384":["aa","bb"]}})"),
         kRoot,
         "kms:Decrypt",
         {{kImage, "bb"}},
         A},
        {"a deny by Null, unattested",
         deny_unless(R"({"Null":{"kms:RecipientAttestation:PCR16":"true"}})"),
         kRoot,
         "kms:Decrypt",
         {},
         D},
        {"a deny by Null, attested",
         deny_unless(R"({"Null":{"kms:RecipientAttestation:PCR16":true}})"),
         kRoot,
         "kms:Decrypt",
         {{kP16, "aa"}},
         A},
        {"a deny's second action by wildcard",
         deny_unless(R"({"Null":{"kms:RecipientAttestation:PCR16":"true"}})"),
         kRoot,
         "kms:ReEncryptFrom",
         {},
         D},
        // The other operators
        {"StringLike",
         with(R"({"StringLike":{"kms:EncryptionContext:app":"red?ubt-*"}})"),
         kSession,
         "kms:Decrypt",
         {{"kms:EncryptionContext:app", "redoubt-prod"}},
         A},
        {"StringLike minds the case",
         with(R"({"StringLike":{"kms:EncryptionContext:app":"red*"}})"),
         kSession,
         "kms:Decrypt",
         {{"kms:EncryptionContext:app", "Redoubt"}},
         N},
        {"StringLike on a missing key",
         with(R"({"StringLike":{"kms:EncryptionContext:app":"*"}})"),
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"StringEquals knows no wildcard",
         with(R"({"StringEquals":{"kms:EncryptionContext:app":"*"}})"),
         kSession,
         "kms:Decrypt",
         {{"kms:EncryptionContext:app", "x"}},
         N},
        {"StringNotLike",
         with(R"({"StringNotLike":{"kms:EncryptionContext:app":"red*"}})"),
         kSession,
         "kms:Decrypt",
         {{"kms:EncryptionContext:app", "blue"}},
         A},
        {"StringNotEquals on a missing key",
         with(R"({"StringNotEquals":{"kms:EncryptionContext:app":"x"}})"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"Bool",
         with(R"({"Bool":{"aws:SecureTransport":"true"}})"),
         kSession,
         "kms:Decrypt",
         {{"aws:SecureTransport", "true"}},
         A},
        {"Bool, the other way",
         with(R"({"Bool":{"aws:SecureTransport":true}})"),
         kSession,
         "kms:Decrypt",
         {{"aws:SecureTransport", "false"}},
         N},
        {"Bool on a missing key",
         with(R"({"Bool":{"aws:SecureTransport":"false"}})"),
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"Null false wants the key",
         with(R"({"Null":{"kms:RecipientAttestation:PCR16":"false"}})"),
         kSession,
         "kms:Decrypt",
         {},
         N},
        {"Null false with the key",
         with(R"({"Null":{"kms:RecipientAttestation:PCR16":"false"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aa"}},
         A},
        {"IfExists on a missing key",
         with(R"({"StringEqualsIfExists":{"kms:RecipientAttestation:PCR16":"aa"}})"),
         kSession,
         "kms:Decrypt",
         {},
         A},
        {"IfExists on a present key",
         with(R"({"StringEqualsIfExists":{"kms:RecipientAttestation:PCR16":"aa"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "bb"}},
         N},
        {"two operators, both",
         with(R"({"StringEquals":{"kms:RecipientAttestation:PCR16":"aa"},)"
              R"("Bool":{"aws:SecureTransport":"true"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aa"}, {"aws:SecureTransport", "true"}},
         A},
        {"two operators, one",
         with(R"({"StringEquals":{"kms:RecipientAttestation:PCR16":"aa"},)"
              R"("Bool":{"aws:SecureTransport":"true"}})"),
         kSession,
         "kms:Decrypt",
         {{kP16, "aa"}, {"aws:SecureTransport", "false"}},
         N},
        {"an empty value is a value",
         with(R"({"StringEquals":{"kms:EncryptionContext:app":""}})"),
         kSession,
         "kms:Decrypt",
         {{"kms:EncryptionContext:app", ""}},
         A},
    };
    for (const auto& c : cases)
        EXPECT_EQ(decide(policy_of(c.statements), c.principal, c.action, c.values).verdict, c.verdict)
            << c.what;
}

TEST(Policy, names_the_statement_and_the_register_that_did_not_match) {
    const auto detail = decide(policy_of(role_statement("Allow", kPinBoth)), kSession, "kms:Decrypt",
                               {{kImage, kPcr}, {kP16, kOther}})
                            .detail;
    EXPECT_NE(detail.find("statement Enclave"), std::string::npos) << detail;
    EXPECT_NE(detail.find("PCR16 is " + kOther), std::string::npos) << detail;
    EXPECT_EQ(detail.find("ImageSha384"), std::string::npos) << detail;
}

TEST(Policy, names_an_unnamed_statement_by_its_place) {
    const auto decision = decide(
        policy_of(R"({"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"})"), kRoot, "kms:Decrypt");
    EXPECT_EQ(decision.verdict, Verdict::DeniedExplicitly);
    EXPECT_NE(decision.detail.find("statement #1"), std::string::npos) << decision.detail;
}

TEST(Policy, default_policy_gives_the_account_everything) {
    EXPECT_EQ(decide(default_key_policy(kAccount), kRoot, "kms:ScheduleKeyDeletion").verdict,
              Verdict::Allowed);
    EXPECT_EQ(decide(default_key_policy(kAccount), kStranger, "kms:Decrypt").verdict, Verdict::NotAllowed);
}

TEST(Policy, accepts_a_single_statement_object) {
    EXPECT_EQ(decide(R"({"Statement":)" + role_statement("Allow", "") + "}", kSession, "kms:Decrypt").verdict,
              Verdict::Allowed);
}

TEST(Policy, refuses_what_it_would_not_evaluate) {
    const auto statement = [](const std::string& rest) { return policy_of("{" + rest + "}"); };
    const std::string ok_head = R"("Effect":"Allow","Principal":"*","Action":"kms:*")";
    const std::string refused[] = {
        "",
        "[]",
        "{",
        "null",
        R"({"Version":"2012-10-17"})",
        policy_of(""),
        R"({"Version":"2013-01-01","Statement":)" + role_statement("Allow", "") + "}",
        R"({"Version":"2012-10-17","Extra":1,"Statement":)" + role_statement("Allow", "") + "}",
        policy_of(role_statement("Permit", "")),
        policy_of(role_statement("allow", "")),
        policy_of(role_statement("Allow", "") + "," + role_statement("Deny", "")), // the same Sid
        policy_of(role_statement("Allow", "", R"("Decrypt")")),
        policy_of(role_statement("Allow", "", R"("kms:")")),
        policy_of(role_statement("Allow", "", "[]")),
        policy_of(role_statement("Allow", "", "7")),
        statement(ok_head),                                                  // no Resource
        statement(ok_head + R"(,"Resource":"key/1")"),                       // no ARN
        statement(ok_head + R"(,"Resource":"*","NotAction":"kms:Decrypt")"), // both
        statement(ok_head + R"(,"Resource":"*","Resource":"*")"),            // twice
        statement(R"("Effect":"Allow","Principal":"*","Resource":"*")"),     // no Action
        statement(R"("Effect":"Allow","Action":"kms:*","Resource":"*")"),    // no Principal
        statement(R"("Effect":"Allow","NotPrincipal":"*","Action":"kms:*","Resource":"*")"),
        statement(ok_head + R"(,"Resource":"*","Conditions":{})"),
        statement(ok_head + R"(,"Resource":"*","Sid":7)"),
        policy_of(for_principal(R"("arn:aws:iam::111122223333:role/signer")")),
        policy_of(for_principal(R"({"AWS":"arn:aws:iam::111122223333:role/*"})")),
        policy_of(for_principal(R"({"AWS":"arn:aws:iam::1111:role/signer"})")),
        policy_of(for_principal(R"({"AWS":"arn:aws:iam::111122223333:role/"})")),
        policy_of(for_principal(R"({"AWS":"arn:aws:s3::111122223333:role/signer"})")),
        policy_of(for_principal(R"({"AWS":"signer"})")),
        policy_of(for_principal(R"({"AWS":[]})")),
        policy_of(for_principal(R"({"Human":"ann"})")),
        policy_of(for_principal("{}")),
        policy_of(role_statement("Allow", R"({"StringMatches":{"kms:CallerAccount":"1"}})")),
        policy_of(role_statement("Allow", R"({"stringequals":{"kms:CallerAccount":"1"}})")),
        policy_of(role_statement("Allow", R"({"NullIfExists":{"kms:CallerAccount":"true"}})")),
        policy_of(role_statement("Allow", R"({"Null":{"kms:CallerAccount":"yes"}})")),
        policy_of(role_statement("Allow", R"({"Bool":{"aws:SecureTransport":"1"}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{"CallerAccount":"1"}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{"kms:CallerAccount":7}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{"kms:CallerAccount":[]}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":"x"})")),
        policy_of(role_statement("Allow", R"({"NumericEquals":{"kms:CallerAccount":"one"}})")),
        policy_of(role_statement("Allow", R"({"DateLessThan":{"aws:CurrentTime":"yesterday"}})")),
        policy_of(role_statement("Allow", R"({"ArnLike":{"aws:PrincipalArn":"signer"}})")),
        policy_of(role_statement("Allow", R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})")),
        policy_of(role_statement("Allow", R"({"BinaryEquals":{"kms:CallerAccount":"AA=="}})")),
        policy_of(role_statement("Allow", R"({"ForAnyValue:Null":{"kms:CallerAccount":"true"}})")),
        policy_of(role_statement("Allow", R"({"ForSomeValue:StringEquals":{"kms:CallerAccount":"1"}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{"kms:CallerAccount":"${aws:SourceIp}"}})")),
        policy_of(role_statement("Allow", R"({"StringEquals":{"kms:CallerAccount":"${aws:username"}})")),
        policy_of(
            role_statement("Allow", R"({"StringEquals":{"kms:CallerAccount":"${aws:username, 'x'}"}})")),
        statement(ok_head + R"(,"Resource":"*","NotResource":"*")"),
        statement(R"("Effect":"Deny","Principal":"*","NotPrincipal":"*","Action":"kms:*","Resource":"*")"),
        statement(R"("Effect":["Allow"],"Principal":"*","Action":"kms:*","Resource":"*")"),
        statement(R"("Effect":"Allow","Principal":"*","Action":"kms:${aws:username}","Resource":"*")"),
        policy_of(for_principal(R"({"AWS":"arn:aws:iam::111122223333:user/${aws:username}"})")),
        policy_of(for_principal(R"({"CanonicalUser":"x"})")),
        policy_of(role_statement("Allow", "[]")),
    };
    for (const auto& policy : refused) {
        const auto parsed = Policy::parse(policy, PolicyKind::Key);
        ASSERT_FALSE(parsed) << policy;
        EXPECT_EQ(parsed.error().type, "MalformedPolicyDocumentException") << policy;
    }
}

TEST(Policy, has_a_principal_or_a_resource_as_its_kind_wants) {
    const std::string principal = R"("Principal":"*",)", resource = R"("Resource":"*",)";
    const auto text = [](const std::string& rest) {
        return R"({"Statement":{)" + rest + R"("Effect":"Allow","Action":"*"}})";
    };
    const std::pair<PolicyKind, std::string> good[] = {{PolicyKind::Key, principal + resource},
                                                       {PolicyKind::Secret, principal + resource},
                                                       {PolicyKind::Trust, principal},
                                                       {PolicyKind::Identity, resource}};
    for (const auto& [kind, rest] : good) {
        EXPECT_TRUE(Policy::parse(text(rest), kind)) << rest;
        for (const auto& other : {principal + resource, principal, resource, std::string()})
            if (other != rest) {
                EXPECT_FALSE(Policy::parse(text(other), kind)) << int(kind) << other;
            }
    }
}

} // namespace
} // namespace redoubt::devcloud
