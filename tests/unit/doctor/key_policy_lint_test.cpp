// SPDX-License-Identifier: Apache-2.0
#include "doctor/key_policy_lint.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace redoubt::doctor::tests {
namespace {

using LintJson = nlohmann::json;
using Codes = std::set<std::string>;

const std::string kAdmin = "arn:aws:iam::111122223333:role/KeyAdmin";
const std::string kHost = "arn:aws:iam::444455556666:role/host";
const std::string kLambda = "arn:aws:iam::444455556666:role/lambda";

trust::KeyPolicyInput lint_input(std::size_t pairs = 2) {
    trust::KeyPolicyInput input;
    input.administrators = {kAdmin};
    input.users = {kHost};
    input.pairs.resize(pairs);
    for (std::size_t i = 0; i < pairs; ++i) {
        input.pairs[i].pcr0.fill(static_cast<std::uint8_t>(0x11 + i));
        input.pairs[i].pcr16.fill(static_cast<std::uint8_t>(0xa1 + i));
    }
    return input;
}

LintJson lint_policy(const trust::KeyPolicyInput& input = lint_input()) {
    return LintJson::parse(trust::render_key_policy(input));
}

Codes codes_of(const LintJson& policy, trust::KmsPurpose purpose = trust::KmsPurpose::Vault) {
    const auto findings = lint_key_policy(policy.dump(), {purpose});
    EXPECT_TRUE(findings) << policy.dump();
    Codes out;
    for (const auto& finding : findings.value_or(std::vector<LintFinding>{})) {
        EXPECT_FALSE(finding.sentence.empty() || finding.change.empty()) << finding.code;
        out.insert(finding.code);
    }
    return out;
}

LintJson& lint_statement(LintJson& policy, const std::string& sid) {
    for (auto& candidate : policy["Statement"])
        if (candidate["Sid"] == sid)
            return candidate;
    ADD_FAILURE() << "no statement " << sid;
    return policy["Statement"][0];
}

void lint_remove(LintJson& policy, const std::string& sid) {
    auto& list = policy["Statement"];
    const auto before = list.size();
    for (auto at = list.begin(); at != list.end(); ++at)
        if ((*at)["Sid"] == sid) {
            list.erase(at);
            break;
        }
    ASSERT_EQ(list.size() + 1, before) << sid;
}

LintJson& equals(LintJson& policy, const std::string& sid = "UseByMeasuredEnclave1") {
    return lint_statement(policy, sid)["Condition"]["StringEqualsIgnoreCase"];
}

constexpr const char* kImage = "kms:RecipientAttestation:ImageSha384";
constexpr const char* kManifest = "kms:RecipientAttestation:PCR16";

TEST(KeyPolicyLint, finds_nothing_in_what_is_rendered) {
    EXPECT_EQ(codes_of(lint_policy()), Codes{});
    EXPECT_EQ(codes_of(lint_policy(lint_input(0))), Codes{}) << "a closed key";
    auto full = lint_input();
    full.administrators.push_back("arn:aws:iam::111122223333:role/Deploy");
    full.auditors = {"arn:aws:iam::111122223333:role/Auditor"};
    full.pcr3.resize(1);
    full.pcr3[0].fill(3);
    full.pcr4.resize(2);
    full.pcr4[0].fill(4);
    full.pcr4[1].fill(5);
    for (auto& pair : full.pairs)
        pair.pcr8.emplace().fill(8);
    EXPECT_EQ(codes_of(lint_policy(full)), Codes{});
    auto reference = lint_input();
    reference.purpose = trust::KmsPurpose::Reference;
    EXPECT_EQ(codes_of(lint_policy(reference), trust::KmsPurpose::Reference), Codes{});
    reference.encryptors = {kLambda};
    EXPECT_EQ(codes_of(lint_policy(reference), trust::KmsPurpose::Reference), Codes{});
    // What a reference key needs, a vault's key must not have.
    EXPECT_EQ(codes_of(lint_policy(reference)), (Codes{"allow-planting", "planting-not-denied"}));
}

TEST(KeyPolicyLint, names_each_denial_that_is_missing) {
    const std::vector<std::pair<const char*, Codes>> missing = {
        {"DenyOtherImages", {"image-not-denied"}},
        {"DenyOtherManifests", {"manifest-not-denied"}},
        {"DenyUseByOthers", {"use-not-limited"}},
        {"DenyPlantingAndGrants", {"planting-not-denied", "grants-not-denied", "copies-not-denied"}},
        {"DenyChangeByOthers", {"change-not-denied"}},
        {"AdministerWithoutUse", {"locked"}}};
    for (const auto& [sid, codes] : missing) {
        auto policy = lint_policy();
        lint_remove(policy, sid);
        EXPECT_EQ(codes_of(policy), codes) << sid;
    }
}

TEST(KeyPolicyLint, a_denial_that_spares_somebody_or_something_is_none) {
    const std::vector<std::function<void(LintJson&)>> narrowings = {
        [](LintJson& s) {
            s["Principal"] = {{"AWS", kHost}};
        },
        [](LintJson& s) {
            s["Condition"]["Bool"] = {{"aws:SecureTransport", "false"}};
        },
        [](LintJson& s) { s["Action"] = "kms:Decrypt"; },
        [](LintJson& s) { s["Resource"] = "arn:aws:kms:eu-west-1:111122223333:key/other"; },
        [](LintJson& s) { s["Effect"] = "Allow"; }};
    for (std::size_t i = 0; i < narrowings.size(); ++i) {
        auto policy = lint_policy();
        narrowings[i](lint_statement(policy, "DenyOtherImages"));
        EXPECT_TRUE(codes_of(policy).contains("image-not-denied")) << i;
    }
    auto planting = lint_policy();
    lint_statement(planting,
                   "DenyPlantingAndGrants")["Condition"]["Bool"] = {{"aws:SecureTransport", "false"}};
    EXPECT_TRUE(codes_of(planting).contains("planting-not-denied"));
    auto spared = lint_policy();
    lint_statement(spared, "DenyChangeByOthers")["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] = "*";
    EXPECT_EQ(codes_of(spared), (Codes{"change-not-denied"}));
}

TEST(KeyPolicyLint, a_denial_that_spares_a_pattern_or_a_variable_limits_nobody) {
    for (const char* pattern : {"arn:aws:iam::*:*", "arn:aws:iam::444455556666:role/*",
                                "arn:aws:iam::444455556666:role/hos?", "${aws:PrincipalArn}"})
        for (const char* op : {"ArnNotEquals", "ArnNotLike", "StringNotLike"}) {
            auto policy = lint_policy();
            auto& use = lint_statement(policy, "DenyUseByOthers")["Condition"];
            use = {{op, {{"aws:PrincipalArn", {kHost, pattern}}}}};
            EXPECT_EQ(codes_of(policy), Codes{"use-not-limited"}) << op << " " << pattern;
            use = {{op, {{"aws:PrincipalArn", {kHost, kLambda}}}}};
            EXPECT_EQ(codes_of(policy), Codes{}) << op;
            lint_statement(policy,
                           "DenyChangeByOthers")["Condition"] = {{op, {{"aws:PrincipalArn", pattern}}}};
            EXPECT_EQ(codes_of(policy), Codes{"change-not-denied"}) << op << " " << pattern;
        }
    auto account = lint_policy();
    lint_statement(account,
                   "DenyUseByOthers")["Condition"]["StringNotLike"] = {{"aws:PrincipalAccount", "4444*"}};
    EXPECT_EQ(codes_of(account), Codes{"use-not-limited"});
}

TEST(KeyPolicyLint, a_reference_key_is_encrypted_under_by_its_encryptors_alone) {
    const auto reference = [](std::vector<std::string> encryptors) {
        auto input = lint_input();
        input.purpose = trust::KmsPurpose::Reference;
        input.encryptors = std::move(encryptors);
        return lint_policy(input);
    };
    const auto codes = [](const LintJson& policy) { return codes_of(policy, trust::KmsPurpose::Reference); };
    auto policy = reference({kLambda});
    lint_statement(policy, "DenyEncryptByOthers")["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] =
        "arn:aws:iam::444455556666:role/*";
    EXPECT_EQ(codes(policy), Codes{"encrypt-not-limited"});
    lint_remove(policy, "DenyEncryptByOthers");
    EXPECT_EQ(codes(policy), Codes{"encrypt-not-limited"});
    EXPECT_EQ(codes(reference({kLambda, kHost})), Codes{"encrypts-and-uses"});
    EXPECT_EQ(codes(reference({kLambda, kAdmin})), Codes{"administers-and-uses"});
    policy = reference({kLambda});
    lint_statement(policy, "UseByMeasuredEnclave2")["Action"].push_back("kms:Encrypt");
    EXPECT_EQ(codes(policy), Codes{"encrypts-and-uses"});
    // Nobody may encrypt, whatever is allowed.
    policy = reference({});
    lint_statement(policy, "UseByMeasuredEnclave2")["Action"].push_back("kms:Encrypt");
    EXPECT_EQ(codes(policy), Codes{});
    lint_remove(policy, "DenyPlantingAndGrants");
    EXPECT_TRUE(codes(policy).contains("encrypt-not-limited"));
}

TEST(KeyPolicyLint, names_each_allowance_that_pins_too_little) {
    const std::vector<std::pair<std::function<void(LintJson&)>, const char*>> changes = {
        {[](LintJson& p) { equals(p).erase(kImage); }, "image-not-pinned"},
        {[](LintJson& p) { equals(p).erase(kManifest); }, "manifest-not-pinned"},
        {[](LintJson& p) { lint_statement(p, "UseByMeasuredEnclave1").erase("Condition"); },
         "image-not-pinned"},
        {[](LintJson& p) {
             equals(p)[kImage] = {std::string(96, '1'), std::string(96, '2')};
         },
         "pairs-mixed"},
        {[](LintJson& p) { equals(p)[kImage] = std::string(96, '0'); }, "pin-debug"},
        {[](LintJson& p) { equals(p)[kImage] = "1234"; }, "pin-malformed"},
        {[](LintJson& p) { equals(p)[kImage] = LintJson::array(); }, "pairs-mixed"},
        {[](LintJson& p) {
             auto& condition = lint_statement(p, "UseByMeasuredEnclave1")["Condition"];
             condition["StringEquals"] = {{kImage, std::string(96, 'A')}};
         },
         "pin-case"},
        {[](LintJson& p) {
             auto& condition = lint_statement(p, "UseByMeasuredEnclave1")["Condition"];
             condition["StringLike"] = {{kImage, "11*"}};
         },
         "pin-wildcard"},
        {[](LintJson& p) {
             auto& condition = lint_statement(p, "UseByMeasuredEnclave1")["Condition"];
             condition = {{"StringEqualsIgnoreCaseIfExists", condition["StringEqualsIgnoreCase"]}};
         },
         "pin-optional"},
        {[](LintJson& p) {
             auto& condition = lint_statement(p, "UseByMeasuredEnclave1")["Condition"];
             condition = {{"ForAllValues:StringEquals", condition["StringEqualsIgnoreCase"]}};
         },
         "manifest-not-pinned"},
        {[](LintJson& p) { lint_remove(p, "UseByMeasuredEnclave2"); }, "stale-pin"},
        {[](LintJson& p) { lint_statement(p, "UseByMeasuredEnclave1")["Principal"] = "*"; },
         "allow-everybody"},
        {[](LintJson& p) {
             lint_statement(p, "UseByMeasuredEnclave1")["Principal"] = {{"AWS", "444455556666"}};
         },
         "account-uses"},
        {[](LintJson& p) {
             lint_statement(p, "AdministerWithoutUse")["Principal"] = {
                 {"AWS", "arn:aws:iam::111122223333:root"}};
         },
         "account-administers"},
        {[](LintJson& p) {
             lint_statement(p, "UseByMeasuredEnclave1")["Principal"] = {{"Service", "lambda.amazonaws.com"}};
         },
         "allow-service"},
        {[](LintJson& p) {
             lint_statement(p, "UseByMeasuredEnclave1")["Principal"] = {{"AWS", "AROAIIAM7K4CEXAMPLE"}};
         },
         "principal-gone"},
        {[](LintJson& p) {
             lint_statement(p, "UseByMeasuredEnclave1")["Principal"] = {{"AWS", {kHost, kAdmin}}};
         },
         "administers-and-uses"},
        {[](LintJson& p) { lint_statement(p, "UseByMeasuredEnclave1")["Action"] = "kms:D*"; },
         "wildcard-action"},
        {[](LintJson& p) {
             auto& statement = lint_statement(p, "UseByMeasuredEnclave1");
             statement.erase("Action");
             statement["NotAction"] = "kms:PutKeyPolicy";
         },
         "not-action"},
        {[](LintJson& p) {
             auto& statement = lint_statement(p, "DenyOtherImages");
             statement.erase("Principal");
             statement["NotPrincipal"] = {{"AWS", kAdmin}};
         },
         "not-principal"},
        {[](LintJson& p) { lint_statement(p, "UseByMeasuredEnclave1").erase("Resource"); }, "no-effect"},
        {[](LintJson& p) { lint_statement(p, "UseByMeasuredEnclave1")["Resource"] = "arn:aws:kms:::key/x"; },
         "resource-not-the-key"},
        {[](LintJson& p) { p["Id"] = std::string(40'000, 'x'); }, "too-long"}};
    for (const auto& [change, code] : changes) {
        auto policy = lint_policy();
        change(policy);
        EXPECT_TRUE(codes_of(policy).contains(code)) << code;
    }
}

TEST(KeyPolicyLint, planting_and_grants_are_weak_where_no_denial_strikes_them) {
    auto policy = lint_policy();
    policy["Statement"].push_back({{"Sid", "More"},
                                   {"Effect", "Allow"},
                                   {"Principal", {{"AWS", kLambda}}},
                                   {"Action", {"kms:Encrypt", "kms:CreateGrant"}},
                                   {"Resource", "*"}});
    EXPECT_EQ(codes_of(policy), Codes{}) << "the denials are stronger";
    lint_remove(policy, "DenyPlantingAndGrants");
    const auto codes = codes_of(policy);
    EXPECT_TRUE(codes.contains("allow-planting") && codes.contains("allow-grants"));
}

TEST(KeyPolicyLint, what_is_no_policy_is_an_error) {
    for (const char* bad : {"", "[]", "{}", R"({"Statement":7})", R"({"Statement":[{"Effect":"Maybe"}]})",
                            R"({"Statement":[{"Effect":"Allow","Resource":{}}]})"})
        EXPECT_FALSE(lint_key_policy(bad, {})) << bad;
    EXPECT_TRUE(lint_key_policy(R"({"Statement":[]})", {}));
}

} // namespace
} // namespace redoubt::doctor::tests
