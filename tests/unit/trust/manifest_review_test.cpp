// SPDX-License-Identifier: Apache-2.0
#include "trust/manifest_review.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

Manifest manifest(const std::string& members,
                  const std::string& keys = R"({"arn":"arn:a","purpose":"vault"})") {
    const auto parsed = parse_manifest(R"({"redoubt_manifest":1,"kms_keys":[)" + keys + "]" + members + "}");
    EXPECT_TRUE(parsed) << members;
    return parsed ? *parsed : Manifest{};
}

bool warns(const Manifest& of, std::string_view begins) {
    for (const auto& warning : manifest_warnings(of))
        if (warning.find(begins) != std::string::npos)
            return true;
    return false;
}

TEST(ManifestReview, says_what_is_weak_and_nothing_of_what_is_not) {
    const auto weak = manifest(R"(,"reference_keys":"any")");
    for (const auto* word :
         {"reference_keys", "require_policy", "owners", "vault_commitments", "authorities", "min_epoch"})
        EXPECT_TRUE(warns(weak, word)) << word;
    EXPECT_FALSE(warns(weak, "verify_before_release"));
    const std::string owner =
        R"({"id":"a","algorithm":"ed25519","public_key":")" + std::string(64, '1') + "\"}";
    const auto strict =
        manifest(R"(,"require_policy":true,"min_epoch":1,"authorities":["signer.example"],"owners":[)" +
                 owner + R"(],"vault_commitments":{"vault-)" + std::string(32, '2') + R"(":")" +
                 std::string(64, '3') + R"("})");
    EXPECT_EQ(manifest_warnings(strict), std::vector<std::string>{});
    const auto raw = manifest(R"(,"reference_keys":[{"address":"0x)" + std::string(40, '4') +
                              R"(","policy_digest":")" + std::string(64, '5') + R"(","raw_signing":true}])");
    EXPECT_TRUE(warns(raw, "1 of reference_keys may sign raw digests"));
}

TEST(ManifestReview, white_space_and_order_of_members_are_no_change) {
    const auto a = *parse_manifest(
        R"({"redoubt_manifest":1,"min_epoch":2,"kms_keys":[{"arn":"arn:a","purpose":"vault"}]})");
    const auto b = manifest(R"( , "min_epoch" : 2 )");
    EXPECT_EQ(a.digest(), b.digest());
    EXPECT_TRUE(manifest_changes(a, b).empty());
}

TEST(ManifestReview, names_each_member_that_changed) {
    const auto before = manifest(R"(,"min_epoch":1,"limits":{"vault_lease_seconds":60})");
    const auto after = manifest(R"(,"min_epoch":2,"require_policy":true)");
    const auto changes = manifest_changes(before, after);
    ASSERT_EQ(changes.size(), 3u);
    EXPECT_EQ(changes[0].path, "limits.vault_lease_seconds");
    EXPECT_EQ(changes[0].kind, ManifestChange::Kind::Removed);
    EXPECT_EQ(changes[0].before, "60");
    EXPECT_EQ(changes[1].path, "min_epoch");
    EXPECT_EQ(changes[1].kind, ManifestChange::Kind::Changed);
    EXPECT_EQ(changes[1].after, "2");
    EXPECT_EQ(changes[2].path, "require_policy");
    EXPECT_EQ(changes[2].kind, ManifestChange::Kind::Added);
    EXPECT_EQ(changes[2].after, "true");
}

TEST(ManifestReview, elements_are_told_by_their_name_and_order_is_a_change) {
    const std::string a = R"({"arn":"arn:a","purpose":"vault"})", b = R"({"arn":"arn:b","purpose":"vault"})";
    const auto changed = manifest_changes(manifest("", a + "," + b), manifest("", b + "," + a));
    ASSERT_EQ(changed.size(), 1u);
    EXPECT_EQ(changed[0].path, "kms_keys order");
    const auto purpose = manifest_changes(manifest("", a + "," + b),
                                          manifest("", a + R"(,{"arn":"arn:b","purpose":"reference"})"));
    ASSERT_EQ(purpose.size(), 1u);
    EXPECT_EQ(purpose[0].path, "kms_keys[arn:b].purpose");
}

TEST(ManifestReview, is_empty_exactly_if_the_digests_are_equal) {
    const std::vector<std::string> members = {"",
                                              R"(,"min_epoch":0)",
                                              R"(,"min_epoch":1)",
                                              R"(,"authorities":[])",
                                              R"(,"authorities":["a"])",
                                              R"(,"authorities":["a","b"])",
                                              R"(,"authorities":["b","a"])",
                                              R"(,"limits":{})",
                                              R"(,"reference_keys":"any")",
                                              R"(,"reference_keys":"none")",
                                              R"(,"reference_keys":[])",
                                              R"(,"owners":[])",
                                              R"(,"vault_commitments":{})",
                                              R"(,"verify_before_release":true)"};
    for (const auto& a : members)
        for (const auto& b : members)
            EXPECT_EQ(manifest_changes(manifest(a), manifest(b)).empty(),
                      manifest(a).digest() == manifest(b).digest())
                << a << " " << b;
}

} // namespace
} // namespace redoubt::trust
