// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "policy/open_policy.h"
#include "trust/key_policy.h"
#include "trust/manifest.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

const std::string kKeys =
    R"("kms_keys":[{"arn":"arn:aws:kms:us-east-1:000000000000:key/a","purpose":"vault"}])";

std::string with(const std::string& members) {
    return R"({"redoubt_manifest":1,)" + kKeys + (members.empty() ? "" : "," + members) + "}";
}

TEST(Manifest, defaults_are_the_strict_ones) {
    const auto manifest = parse_manifest(with(""));
    ASSERT_TRUE(manifest) << manifest.error().describe();
    EXPECT_EQ(manifest->reference_keys.mode, ReferenceKeys::Mode::None);
    EXPECT_TRUE(manifest->verify_before_release);
    EXPECT_EQ(manifest->limits.vault_lease_seconds, 3600u);
    EXPECT_EQ(manifest->min_epoch, 0u);
}

TEST(Manifest, the_digest_is_of_the_content_not_of_its_layout) {
    const auto a = parse_manifest(with(R"("min_epoch":7,"require_policy":true)"));
    const auto b = parse_manifest("{ \"require_policy\" : true,\n \"min_epoch\":7, " + kKeys +
                                  ", \"redoubt_manifest\":1 }");
    const auto c = parse_manifest(with(R"("min_epoch":8,"require_policy":true)"));
    ASSERT_TRUE(a && b && c);
    EXPECT_EQ(a->digest(), b->digest());
    EXPECT_NE(a->digest(), c->digest());
}

TEST(Manifest, everything_unknown_or_out_of_range_is_refused) {
    const std::string bad[] = {
        "{}",
        R"({"redoubt_manifest":2,)" + kKeys + "}",
        R"({"redoubt_manifest":1})",
        with(R"("comment":"x")"),
        with(R"("min_epoch":-1)"),
        with(R"("min_epoch":1.0)"),
        with(R"("min_epoch":9007199254740992)"),
        with(R"("min_epoch":1,"min_epoch":1)"),
        with(R"("reference_keys":"all")"),
        with(R"("reference_keys":"any","require_policy":true)"),
        with(R"("reference_keys":[{"address":"0x00","policy_digest":""}])"),
        with(R"("require_policy":1)"),
        with(R"("limits":{"vault_lease_seconds":9})"),
        with(R"("limits":{"vault_lease_seconds":86401})"),
        with(R"("limits":{"vault_lease":3600})"),
        with(R"("vault_commitments":{"vault-00":"00"})"),
        with(R"("owners":[{"id":"a","algorithm":"rsa","public_key":"00"}])"),
        with(R"("owners":[{"id":"a","algorithm":"ed25519","public_key":"00"}])"),
        with(R"("authorities":[""])"),
        R"({"redoubt_manifest":1,"kms_keys":[]})",
        R"({"redoubt_manifest":1,"kms_keys":[{"arn":"alias/x","purpose":"vault"}]})",
        R"({"redoubt_manifest":1,"kms_keys":[{"arn":"arn:a","purpose":"vault"},{"arn":"arn:a","purpose":"reference"}]})",
        R"({"redoubt_manifest":1,"kms_keys":[{"arn":"arn:a","purpose":"both"}]})",
        with("") + " ",
    };
    for (const auto& text : bad) {
        const auto manifest = parse_manifest(text);
        if (text.back() == ' ') {
            EXPECT_TRUE(manifest) << "white space is no content";
            continue;
        }
        ASSERT_FALSE(manifest) << text;
        EXPECT_EQ(manifest.error().code, Code::ManifestInvalid) << text;
    }
}

TEST(Manifest, takes_every_member) {
    const auto manifest = parse_manifest(with(
        R"("owners":[{"id":"alice","algorithm":"ed25519","public_key":")" + std::string(64, 'a') +
        R"("}],"min_epoch":4,"vault_commitments":{"vault-)" + std::string(32, '1') + R"(":")" +
        std::string(64, '2') + R"("},"reference_keys":[{"address":"0x)" + std::string(40, '3') +
        R"(","policy_digest":")" + std::string(64, '4') +
        R"("}],"require_policy":true,"verify_before_release":false,"limits":{"vault_lease_seconds":60,"key_cache_entries":5,"key_cache_seconds":6},"authorities":["sign.example:443"])"));
    ASSERT_TRUE(manifest) << manifest.error().describe();
    EXPECT_EQ(manifest->owners.size(), 1u);
    EXPECT_EQ(manifest->vault_commitments.size(), 1u);
    EXPECT_EQ(manifest->reference_keys.by_address.size(), 1u);
    EXPECT_EQ(manifest->limits.key_cache_entries, 5u);
    EXPECT_EQ(manifest->authorities[0], "sign.example:443");
    EXPECT_FALSE(manifest->verify_before_release);
}

std::string person(const std::string& id, const std::string& key, const std::string& algorithm = "ed25519") {
    return R"({"id":")" + id + R"(","algorithm":")" + algorithm + R"(","public_key":")" + key + "\"}";
}

TEST(Manifest, names_principals_each_once_beside_owners) {
    const std::string a(64, 'a'), b(64, 'b'), point = "04" + std::string(128, 'c');
    const auto manifest = parse_manifest(with(R"("owners":[)" + person("alice", a) + R"(],"principals":[)" +
                                              person("alice", a) + "," + person("bot", b) + "," +
                                              person("p", point, "ecdsa-p256-sha256") + "]"));
    ASSERT_TRUE(manifest) << manifest.error().describe();
    ASSERT_EQ(manifest->principals.size(), 3u);
    EXPECT_EQ(manifest->owners.size(), 1u) << "an owner may be a principal, too";
    const auto* bot = manifest->find_principal("bot");
    ASSERT_NE(bot, nullptr);
    EXPECT_EQ(bot->public_key, *from_hex(b));
    EXPECT_EQ(bot->algorithm, OwnerAlgorithm::Ed25519);
    EXPECT_EQ(manifest->find_principal("p")->algorithm, OwnerAlgorithm::EcdsaP256);
    EXPECT_EQ(manifest->find_principal("bo"), nullptr);
    EXPECT_EQ(manifest->find_principal(""), nullptr);
    EXPECT_NE(manifest->digest(), parse_manifest(with(R"("owners":[)" + person("alice", a) + "]"))->digest())
        << "who may make keys is measured";
    const auto owners_only = parse_manifest(with(R"("owners":[)" + person("alice", a) + "]"));
    EXPECT_EQ(owners_only->find_principal("alice"), nullptr) << "an owner is no principal by that";
}

TEST(Manifest, refuses_principals_that_are_none_or_too_many) {
    std::string sixty_five;
    for (int i = 0; i < 65; ++i) {
        Bytes key(32, static_cast<std::uint8_t>(i + 1));
        sixty_five += (i == 0 ? "" : ",") + person("p" + std::to_string(i), to_hex(key));
        const bool fits = i < 64;
        EXPECT_EQ(parse_manifest(with(R"("principals":[)" + sixty_five + "]")).has_value(), fits) << i;
    }
    const std::string a(64, 'a');
    for (const std::string& list :
         {std::string("{}"), std::string(R"("alice")"), std::string(R"(["alice"])"),
          "[" + person("", a) + "]", "[" + person(std::string(65, 'x'), a) + "]",
          "[" + person("a", a, "rsa") + "]", "[" + person("a", "0x" + a) + "]",
          "[" + person("a", a.substr(2)) + "]", "[" + person("a", a, "ecdsa-p256-sha256") + "]",
          "[" + person("a", "02" + std::string(128, 'c'), "ecdsa-p256-sha256") + "]",
          "[" + person("a", a) + "," + person("a", std::string(64, 'b')) + "]",
          "[" + person("a", a) + "," + person("b", a) + "]",
          R"([{"id":"a","algorithm":"ed25519","public_key":")" + a + R"(","role":"x"}])",
          R"([{"id":"a","public_key":")" + a + R"("}])"}) {
        const auto manifest = parse_manifest(with(R"("principals":)" + list));
        ASSERT_FALSE(manifest) << list;
        EXPECT_EQ(manifest.error().code, Code::ManifestInvalid) << list;
    }
}

TEST(OpenPolicy, its_literal_is_canonical) {
    json::Document document;
    const auto root = document.parse(policy::kOpenPolicy);
    ASSERT_TRUE(root);
    EXPECT_EQ(*json::canonical(*root), policy::kOpenPolicy);
}

TEST(KeyPolicy, has_one_allow_for_each_pair_and_denies_planting) {
    KeyPolicyInput input;
    input.administrators = {"arn:aws:iam::000000000000:root"};
    input.users = {"arn:aws:iam::000000000000:role/host"};
    input.pairs.resize(2);
    input.pairs[0].pcr0.fill(0x11);
    input.pairs[0].pcr16.fill(0x22);
    input.pairs[1].pcr0.fill(0x33);
    input.pairs[1].pcr16.fill(0x44);
    const std::string text = render_key_policy(input);
    json::Document document;
    const auto root = document.parse(text);
    ASSERT_TRUE(root);
    int pinned = 0;
    bool denies_encrypt = false;
    const auto statements = root->get("Statement");
    ASSERT_TRUE(statements);
    for (const auto statement : *statements) {
        const bool allow = statement.get("Effect")->text() == "Allow";
        const auto actions = statement.get("Action");
        ASSERT_TRUE(actions);
        for (const auto action : *actions) {
            if (allow && action.text() == "kms:Decrypt") {
                const auto condition = statement.get("Condition")->get("StringEqualsIgnoreCase");
                ASSERT_TRUE(condition);
                EXPECT_EQ(condition->size(), 2u);
                ++pinned;
            }
            EXPECT_FALSE(allow && (action.text() == "kms:*" || action.text() == "kms:Encrypt" ||
                                   action.text() == "kms:CreateGrant"));
            denies_encrypt = denies_encrypt || (!allow && action.text() == "kms:Encrypt");
        }
    }
    EXPECT_EQ(pinned, 2);
    EXPECT_TRUE(denies_encrypt);
}

} // namespace
} // namespace redoubt::trust
