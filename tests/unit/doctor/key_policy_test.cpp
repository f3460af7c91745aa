// SPDX-License-Identifier: Apache-2.0
#include "doctor/key_policy_check.h"
#include "doctor/policy_statement.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace redoubt::doctor::tests {
namespace {

using Json = nlohmann::json;

trust::MeasurementPair pair_of(std::uint8_t image, std::uint8_t manifest) {
    trust::MeasurementPair out{};
    out.pcr0.fill(image);
    out.pcr16.fill(manifest);
    return out;
}

const std::string kRole = "arn:aws:iam::000000000000:role/path/redoubt-instance";
const std::string kSession = "arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123";

Json rendered(trust::KmsPurpose purpose = trust::KmsPurpose::Vault,
              std::vector<trust::MeasurementPair> pairs = {pair_of(0xaa, 0xbb)}) {
    trust::KeyPolicyInput input;
    input.purpose = purpose;
    input.administrators = {"arn:aws:iam::000000000000:root"};
    input.users = {kRole};
    input.pairs = std::move(pairs);
    return Json::parse(trust::render_key_policy(input));
}

std::vector<PolicyProblem> examine(const Json& policy, trust::MeasurementPair pair = pair_of(0xaa, 0xbb),
                                   trust::KmsPurpose purpose = trust::KmsPurpose::Vault,
                                   const std::string& caller = kSession) {
    const auto problems = examine_key_policy(policy.dump(), {purpose, pair, caller});
    EXPECT_TRUE(problems) << policy.dump();
    return problems.value_or(std::vector<PolicyProblem>{});
}

bool mentions(const std::vector<PolicyProblem>& problems, const std::string& part) {
    for (const auto& problem : problems)
        if (problem.sentence.find(part) != std::string::npos)
            return true;
    return false;
}

std::string all(const std::vector<PolicyProblem>& problems) {
    std::string out;
    for (const auto& problem : problems)
        out += problem.sentence + "\n";
    return out;
}

Json& statement(Json& policy, const std::string& sid) {
    for (auto& candidate : policy["Statement"])
        if (candidate["Sid"] == sid)
            return candidate;
    ADD_FAILURE() << "no statement " << sid;
    return policy["Statement"][0];
}

void remove(Json& policy, const std::string& sid) {
    Json kept = Json::array();
    for (const auto& candidate : policy["Statement"])
        if (candidate["Sid"] != sid)
            kept.push_back(candidate);
    policy["Statement"] = kept;
}

TEST(KeyPolicy, as_rendered_has_no_problem_for_any_of_its_pairs) {
    for (const auto purpose : {trust::KmsPurpose::Vault, trust::KmsPurpose::Reference}) {
        const auto policy = rendered(purpose, {pair_of(1, 2), pair_of(3, 4)});
        EXPECT_EQ(all(examine(policy, pair_of(1, 2), purpose)), "");
        EXPECT_EQ(all(examine(policy, pair_of(3, 4), purpose)), "");
        EXPECT_EQ(all(examine(policy, pair_of(3, 4), purpose, "")), "");
        // A pair is a pair: the image of one with the manifest of the other is neither.
        const auto mixed = examine(policy, pair_of(1, 4), purpose);
        EXPECT_TRUE(mentions(mixed, "no statement allows kms:Decrypt to this pair")) << all(mixed);
    }
}

TEST(KeyPolicy, of_another_image_is_told_with_both_values) {
    const auto problems = examine(rendered(), pair_of(0xcc, 0xbb));
    EXPECT_TRUE(mentions(problems, "UseByMeasuredEnclave1: it names PCR0 aaaaaaaaaaaaaaaa…, but the enclave "
                                   "measures cccccccccccccccc…"))
        << all(problems);
    EXPECT_TRUE(mentions(problems, "DenyOtherImages denies this enclave"));
    EXPECT_FALSE(mentions(problems, "PCR16"));
    for (const auto& problem : problems)
        EXPECT_TRUE(problem.fails && !problem.change.empty());
}

TEST(KeyPolicy, of_another_manifest_is_told_with_both_values) {
    const auto problems = examine(rendered(), pair_of(0xaa, 0xdd));
    EXPECT_TRUE(
        mentions(problems, "it names PCR16 bbbbbbbbbbbbbbbb…, but the enclave measures dddddddddddddddd…"))
        << all(problems);
    EXPECT_FALSE(mentions(problems, "PCR0 "));
}

TEST(KeyPolicy, without_a_denial_names_what_is_missing) {
    auto no_image = rendered();
    remove(no_image, "DenyOtherImages");
    EXPECT_TRUE(mentions(examine(no_image), "no statement denies other images")) << all(examine(no_image));
    auto no_manifest = rendered();
    remove(no_manifest, "DenyOtherManifests");
    EXPECT_TRUE(mentions(examine(no_manifest), "no statement denies other manifests"));
    auto planting = rendered();
    remove(planting, "DenyPlantingAndGrants");
    EXPECT_TRUE(mentions(examine(planting), "kms:Encrypt, kms:ReEncryptFrom"));
    // A denial under one more condition leaves the rest open.
    auto narrowed = rendered();
    statement(narrowed, "DenyOtherImages")["Condition"]["Bool"] = {{"aws:SecureTransport", "true"}};
    EXPECT_TRUE(mentions(examine(narrowed), "no statement denies other images"));
    // So does one that names somebody.
    auto somebody = rendered();
    statement(somebody, "DenyOtherManifests")["Principal"] = {{"AWS", kRole}};
    EXPECT_TRUE(mentions(examine(somebody), "no statement denies other manifests"));
    // Or that an absent key does not meet.
    auto if_exists = rendered();
    auto& condition = statement(if_exists, "DenyOtherImages")["Condition"];
    condition["StringNotEqualsIgnoreCaseIfExists"] = condition["StringNotEqualsIgnoreCase"];
    condition.erase("StringNotEqualsIgnoreCase");
    EXPECT_TRUE(mentions(examine(if_exists), "no statement denies other images"));
}

TEST(KeyPolicy, of_the_account_alone_protects_nothing) {
    const Json policy = {{"Version", "2012-10-17"},
                         {"Statement",
                          {{"Sid", "Root"},
                           {"Effect", "Allow"},
                           {"Principal", {{"AWS", "arn:aws:iam::000000000000:root"}}},
                           {"Action", "kms:*"},
                           {"Resource", "*"}}}};
    const auto problems = examine(policy);
    EXPECT_TRUE(mentions(problems, "the nearest is Root: it does not name PCR0; it does not name PCR16"))
        << all(problems);
    EXPECT_TRUE(mentions(problems, "no statement denies other images"));
}

TEST(KeyPolicy, that_names_one_measurement_only_is_incomplete_unless_the_other_is_denied) {
    auto policy = rendered();
    statement(policy, "UseByMeasuredEnclave1")["Condition"]["StringEqualsIgnoreCase"].erase(
        "kms:RecipientAttestation:PCR16");
    EXPECT_EQ(all(examine(policy)), "");
    remove(policy, "DenyOtherManifests");
    EXPECT_TRUE(mentions(examine(policy), "it does not name PCR16"));
}

TEST(KeyPolicy, for_another_role_is_told) {
    const auto problems = examine(rendered(), pair_of(0xaa, 0xbb), trust::KmsPurpose::Vault,
                                  "arn:aws:sts::000000000000:assumed-role/other/i-1");
    EXPECT_TRUE(mentions(problems, "it is for " + kRole +
                                       ", but the credentials are those of arn:aws:sts::"
                                       "000000000000:assumed-role/other/i-1"))
        << all(problems);
    const auto elsewhere = examine(rendered(), pair_of(0xaa, 0xbb), trust::KmsPurpose::Vault,
                                   "arn:aws:sts::999999999999:assumed-role/redoubt-instance/i-1");
    EXPECT_TRUE(mentions(elsewhere, "it is for "));
}

TEST(KeyPolicy, with_upper_case_under_a_strict_operator_is_told) {
    auto policy = rendered();
    auto& condition = statement(policy, "UseByMeasuredEnclave1")["Condition"];
    condition = {{"StringEquals",
                  {{"kms:RecipientAttestation:ImageSha384", std::string(96, 'A')},
                   {"kms:RecipientAttestation:PCR16", std::string(96, 'b')}}}};
    EXPECT_TRUE(mentions(examine(policy), "only in the case of its letters")) << all(examine(policy));
}

TEST(KeyPolicy, may_spell_things_as_iam_lets_it) {
    auto policy = rendered();
    auto& allow = statement(policy, "UseByMeasuredEnclave1");
    allow["Action"] = "kms:*";
    allow["Principal"] = {{"AWS", {"000000000000"}}};
    allow["Condition"] = {{"StringEquals",
                           {{"KMS:recipientattestation:pcr0", {std::string(96, '1'), std::string(96, 'a')}},
                            {"kms:RecipientAttestation:PCR16", std::string(96, 'b')}}}};
    EXPECT_EQ(all(examine(policy)), "");
    // A version that an absent attestation passes pins nothing.
    allow["Condition"] = {{"StringEqualsIfExists",
                           {{"kms:RecipientAttestation:PCR0", std::string(96, 'a')},
                            {"kms:RecipientAttestation:PCR16", std::string(96, 'b')}}}};
    remove(policy, "DenyOtherImages");
    EXPECT_TRUE(mentions(examine(policy), "it does not name PCR0"));
}

TEST(KeyPolicy, conditions_that_are_not_known_are_warned_of) {
    auto policy = rendered();
    statement(policy, "UseByMeasuredEnclave1")["Condition"]["StringEquals"] = {{"aws:SourceVpce", "vpce-1"}};
    const auto problems = examine(policy);
    ASSERT_EQ(problems.size(), 1u) << all(problems);
    EXPECT_FALSE(problems[0].fails);
    EXPECT_TRUE(mentions(problems, "aws:sourcevpce"));
}

TEST(KeyPolicy, a_flat_denial_is_told) {
    auto policy = rendered();
    policy["Statement"].push_back(
        {{"Sid", "Stop"}, {"Effect", "Deny"}, {"Principal", "*"}, {"Action", "kms:Dec*"}, {"Resource", "*"}});
    EXPECT_TRUE(mentions(examine(policy), "statement Stop denies kms:Decrypt whatever is measured"));
    policy["Statement"].back()["Principal"] = {{"AWS", "arn:aws:iam::000000000000:role/someone-else"}};
    EXPECT_EQ(all(examine(policy)), "");
}

TEST(KeyPolicy, that_is_none_is_an_error) {
    for (const char* bad :
         {"", "[]", "{}", R"({"Statement":7})", R"({"Statement":["x"]})",
          R"({"Statement":[{"Effect":"Maybe"}]})", R"({"Statement":[{"Effect":"Allow","Action":{}}]})",
          R"({"Statement":[{"Effect":"Allow","Action":"a","Condition":[]}]})"})
        EXPECT_FALSE(examine_key_policy(bad, {})) << bad;
    EXPECT_TRUE(examine_key_policy(R"({"Statement":[]})", {}));
}

TEST(Pattern, stars_and_question_marks_match_as_in_iam) {
    EXPECT_TRUE(matches_pattern("kms:*", "kms:Decrypt"));
    EXPECT_TRUE(matches_pattern("KMS:dec????", "kms:Decrypt"));
    EXPECT_TRUE(matches_pattern("*", ""));
    EXPECT_TRUE(matches_pattern("k*:*y*t", "kms:Decrypt"));
    EXPECT_FALSE(matches_pattern("kms:Decrypt", "kms:DecryptX"));
    EXPECT_FALSE(matches_pattern("kms:Decrypt?", "kms:Decrypt"));
    EXPECT_FALSE(matches_pattern("", "x"));
    EXPECT_FALSE(matches_pattern("s3:*", "kms:Decrypt"));
}

} // namespace
} // namespace redoubt::doctor::tests
