// SPDX-License-Identifier: Apache-2.0
#include "trust/key_policy.h"

#include "base/json.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

const std::string kAdministrator = "arn:aws:iam::111122223333:role/KeyAdmin";
const std::string kUser = "arn:aws:iam::444455556666:role/hosts/redoubt";
const std::string kLambda = "arn:aws:iam::444455556666:role/lambda";

KeyPolicyInput policy_input() {
    KeyPolicyInput input;
    input.administrators = {kAdministrator};
    input.users = {kUser};
    input.pairs.resize(1);
    input.pairs[0].pcr0.fill(1);
    input.pairs[0].pcr16.fill(2);
    return input;
}

std::string refusal(const KeyPolicyInput& input, bool development = false) {
    const auto status = check_key_policy(input, development);
    return status ? "" : std::string(status.error().text.view());
}

std::vector<std::string> sids(const KeyPolicyInput& input) {
    const std::string text = render_key_policy(input);
    json::Document document;
    const auto root = document.parse(text);
    EXPECT_TRUE(root) << text;
    std::vector<std::string> out;
    const auto statements = root->get("Statement");
    EXPECT_TRUE(statements) << text;
    for (const auto statement : *statements)
        out.emplace_back(statement.get("Sid")->text());
    return out;
}

TEST(KeyPolicyInput, names_administrators_and_users_apart) {
    EXPECT_EQ(refusal(policy_input()), "");
    auto input = policy_input();
    input.users.push_back(kAdministrator);
    EXPECT_EQ(refusal(input), "who administers the key must not use it: name two principals");
    EXPECT_EQ(refusal(input, true), "who administers the key must not use it: name two principals");
    input = policy_input();
    input.users = {"arn:aws:iam::111122223333:root"};
    EXPECT_NE(refusal(input), "");
    EXPECT_NE(refusal(input, true), "") << "the administrator is one of that account";
    input.users = {"arn:aws:iam::444455556666:root"};
    EXPECT_EQ(refusal(input, true), "");
    input = policy_input();
    input.administrators.clear();
    EXPECT_NE(refusal(input, true), "");
}

TEST(KeyPolicyInput, takes_the_root_of_the_users_account_as_administrator_in_development_only) {
    const std::string root = "arn:aws:iam::444455556666:root";
    auto input = policy_input();
    input.administrators = {kAdministrator, root};
    const auto status = check_key_policy(input, false);
    ASSERT_FALSE(status) << "root stands for the hosts' role, too";
    EXPECT_EQ(status.error().text.view(), "who administers the key must not use it: name two principals");
    EXPECT_EQ(status.error().context, root);
    EXPECT_EQ(refusal(input, true), "");
    input.users = {root};
    EXPECT_NE(refusal(input, true), "") << "that root itself";
    input.users = {kUser};
    input.administrators = {"arn:aws:iam::111122223333:root"};
    EXPECT_EQ(refusal(input), "") << "the root of another account";
    input.purpose = KmsPurpose::Reference;
    input.encryptors = {"arn:aws:iam::111122223333:role/lambda"};
    EXPECT_EQ(refusal(input), "who administers the key must not encrypt with it: name two principals");
    input.encryptors = {kLambda};
    EXPECT_EQ(refusal(input), "");
    // As on one machine.
    input.administrators = input.encryptors = {root};
    EXPECT_EQ(refusal(input, true), "");
}

TEST(KeyPolicyInput, lets_only_others_encrypt_and_only_under_a_reference_key) {
    auto input = policy_input();
    input.encryptors = {kLambda};
    EXPECT_NE(refusal(input, true), "");
    input.purpose = KmsPurpose::Reference;
    EXPECT_EQ(refusal(input), "");
    for (const auto& other : {kAdministrator, kUser}) {
        input.encryptors = {other};
        EXPECT_NE(refusal(input), "") << other;
        EXPECT_EQ(refusal(input, true), "") << other;
    }
}

TEST(KeyPolicyInput, takes_full_arns_only) {
    for (const char* bad :
         {"", "*", "111122223333", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/a?",
          "arn:aws:sts::111122223333:assumed-role/a/b", "arn:aws:iam::11112222333:role/a",
          "arn:aws:iam::111122223333:role/", "arn:aws:iam::111122223333:group/a",
          "arn:x:iam::111122223333:root", "arn:aws:iam:eu-west-1:111122223333:root",
          "arn:aws:iam::111122223333:role/a b", "AROAEXAMPLE"}) {
        auto input = policy_input();
        input.users = {bad};
        EXPECT_NE(refusal(input, true), "") << bad;
        input = policy_input();
        input.auditors = {bad};
        EXPECT_NE(refusal(input, true), "") << bad;
    }
    auto input = policy_input();
    input.users = {"arn:aws-cn:iam::444455556666:user/ops/a", kUser};
    EXPECT_EQ(refusal(input), "");
    input.users.push_back(kUser);
    EXPECT_EQ(refusal(input), "a principal is named twice");
}

TEST(KeyPolicyInput, pins_no_debug_enclave_and_no_pair_twice) {
    auto input = policy_input();
    input.pairs[0].pcr0.fill(0);
    EXPECT_NE(refusal(input), "");
    EXPECT_EQ(refusal(input, true), "");
    input = policy_input();
    input.pairs[0].pcr16.fill(0);
    EXPECT_NE(refusal(input, true), "");
    input = policy_input();
    input.pairs.push_back(input.pairs[0]);
    EXPECT_EQ(refusal(input), "a pair of measurements is named twice");
    input.pairs[1].pcr16.fill(3);
    EXPECT_EQ(refusal(input), "");
    input.pairs.clear();
    EXPECT_EQ(refusal(input), "") << "closed";
    for (std::uint8_t i = 1; i <= kMaxPolicyPairs + 1; ++i) {
        EXPECT_EQ(refusal(input), "") << int{i};
        input.pairs.push_back(policy_input().pairs[0]);
        input.pairs.back().pcr0.fill(i);
    }
    EXPECT_EQ(refusal(input), "at most 8 pairs of measurements fit a policy");
    input = policy_input();
    input.pcr3.resize(1);
    EXPECT_NE(refusal(input, true), "");
    input.users.clear();
    EXPECT_NE(refusal(input, true), "");
}

TEST(KeyPolicyText, has_the_statements_that_its_input_asks_for) {
    using Sids = std::vector<std::string>;
    EXPECT_EQ(sids(policy_input()),
              (Sids{"AdministerWithoutUse", "UseByMeasuredEnclave1", "DenyOtherImages", "DenyOtherManifests",
                    "DenyUseByOthers", "DenyPlantingAndGrants", "DenyChangeByOthers"}));
    auto closed = policy_input();
    closed.pairs.clear();
    EXPECT_EQ(sids(closed),
              (Sids{"AdministerWithoutUse", "DenyUse", "DenyPlantingAndGrants", "DenyChangeByOthers"}));
    auto full = policy_input();
    full.purpose = KmsPurpose::Reference;
    full.encryptors = {kLambda};
    full.auditors = {"arn:aws:iam::111122223333:role/Auditor"};
    full.pcr3.resize(1);
    full.pcr4.resize(1);
    full.pairs.resize(2);
    full.pairs[0].pcr8.emplace();
    // With one image's signer pinned, the other's may be anybody: no denial of other signers.
    EXPECT_EQ(sids(full),
              (Sids{"AdministerWithoutUse", "ReadWithoutUse", "EncryptReferenceKeys", "UseByMeasuredEnclave1",
                    "UseByMeasuredEnclave2", "DenyOtherImages", "DenyOtherManifests", "DenyOtherRoles",
                    "DenyOtherInstances", "DenyUseByOthers", "DenyPlantingAndGrants", "DenyEncryptByOthers",
                    "DenyChangeByOthers"}));
    full.pairs[1].pcr8.emplace();
    EXPECT_EQ(sids(full)[9], "DenyOtherSigners");
}

TEST(KeyPolicyText, of_eight_pairs_fits_kms) {
    auto input = policy_input();
    input.pairs.clear();
    for (std::uint8_t i = 1; i <= kMaxPolicyPairs; ++i) {
        input.pairs.push_back(policy_input().pairs[0]);
        input.pairs.back().pcr0.fill(i);
        input.pairs.back().pcr8.emplace().fill(i);
    }
    for (int i = 0; i < 8; ++i)
        input.users.push_back("arn:aws:iam::444455556666:role/" + std::string(60, 'u') + std::to_string(i));
    EXPECT_EQ(refusal(input), "");
    EXPECT_LT(render_key_policy(input).size(), 32'768u); // AWS KMS Developer Guide, "Resource quotas"
}

} // namespace
} // namespace redoubt::trust
