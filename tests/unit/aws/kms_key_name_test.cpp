// SPDX-License-Identifier: Apache-2.0
#include "aws/kms_key_name.h"

#include "aws/arn.h"

#include <gtest/gtest.h>

namespace redoubt::aws {
namespace {

constexpr const char* kNamedId = "1234abcd-12ab-34cd-56ef-1234567890ab";
const std::string kNamedArn = std::string("arn:aws:kms:us-east-1:111122223333:key/") + kNamedId;

TEST(KmsKeyName, is_an_arn_an_id_an_alias_or_the_arn_of_one) {
    using Kind = KmsKeyName::Kind;
    struct {
        std::string text;
        Kind kind;
        const char *region, *account, *key_id;
    } const cases[] = {
        {kNamedArn, Kind::KeyArn, "us-east-1", "111122223333", kNamedId},
        {kNamedId, Kind::KeyId, "", "", kNamedId},
        {"mrk-1234abcd12ab34cd56ef1234567890ab", Kind::KeyId, "", "", "mrk-1234abcd12ab34cd56ef1234567890ab"},
        {"alias/a", Kind::Alias, "", "", ""},
        {"alias/aws/Ebs_1-x", Kind::Alias, "", "", ""},
        {"alias/" + std::string(250, 'x'), Kind::Alias, "", "", ""},
        {"arn:aws:kms:eu-west-1:111122223333:alias/a/b", Kind::AliasArn, "eu-west-1", "111122223333", ""},
    };
    for (const auto& [text, kind, region, account, key_id] : cases) {
        const auto name = parse_kms_key_name(text);
        ASSERT_TRUE(name) << text;
        EXPECT_EQ(name->kind, kind) << text;
        EXPECT_EQ(name->text, text);
        EXPECT_EQ(name->region, region) << text;
        EXPECT_EQ(name->account, account) << text;
        EXPECT_EQ(name->key_id, key_id) << text;
    }
}

TEST(KmsKeyName, is_nothing_else) {
    for (const std::string& text :
         {std::string(), std::string("key"), std::string("alias/"), std::string("alias/a b"),
          std::string("alias/a:b"), std::string("Alias/a"), "alias/" + std::string(251, 'x'),
          std::string(kNamedId) + "\n", std::string("key/") + kNamedId, "x" + kNamedArn,
          std::string("arn:aws:kms:us-east-1:111122223333:alias/"),
          std::string("arn:aws:s3:us-east-1:111122223333:alias/a"),
          std::string("arn:aws:kms:us_east:111122223333:alias/a"),
          std::string("arn:aws:kms:us-east-1:1111:alias/a"),
          std::string("arn:aws:kms:us-east-1:111122223333:x:alias/a"),
          std::string("1234ABCD-12ab-34cd-56ef-1234567890ab")})
        EXPECT_FALSE(parse_kms_key_name(text)) << text;
}

TEST(KmsKeyName, an_answer_must_be_the_key_that_was_named_as_far_as_the_name_says) {
    const auto may_be = [](const std::string& name, const std::string& answered,
                           const char* region = "us-east-1") {
        const auto parsed = parse_kms_key_name(name);
        EXPECT_TRUE(parsed) << name;
        return parsed && may_be_key(answered, &*parsed, region);
    };
    const std::string other_id =
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac";
    const std::string other_account = std::string("arn:aws:kms:us-east-1:444455556666:key/") + kNamedId;
    const std::string other_region = std::string("arn:aws:kms:us-east-2:111122223333:key/") + kNamedId;
    const std::string alias_arn = "arn:aws:kms:us-east-1:111122223333:alias/a";

    EXPECT_TRUE(may_be(kNamedArn, kNamedArn));
    EXPECT_FALSE(may_be(kNamedArn, other_id));
    EXPECT_FALSE(may_be(kNamedArn, other_account));
    EXPECT_TRUE(may_be(kNamedId, kNamedArn));
    EXPECT_TRUE(may_be(kNamedId, other_account)); // a bare id says no account
    EXPECT_FALSE(may_be(kNamedId, other_id));
    EXPECT_TRUE(may_be("alias/a", other_id));
    EXPECT_TRUE(may_be(alias_arn, other_id));
    EXPECT_FALSE(may_be(alias_arn, other_account));
    for (const std::string& name : {kNamedArn, std::string(kNamedId), std::string("alias/a"), alias_arn}) {
        EXPECT_FALSE(may_be(name, other_region)) << name;
        EXPECT_FALSE(may_be(name, alias_arn)) << name;
        EXPECT_FALSE(may_be(name, kNamedId)) << name;
        EXPECT_FALSE(may_be(name, "")) << name;
        EXPECT_FALSE(may_be(name, std::string("arn:aws-cn:kms:us-east-1:111122223333:key/") + kNamedId));
    }
    EXPECT_TRUE(may_be_key(other_account, nullptr, "us-east-1"));
    EXPECT_FALSE(may_be_key(other_region, nullptr, "us-east-1"));
    EXPECT_FALSE(may_be_key("", nullptr, "us-east-1"));
}

TEST(Region, is_words_and_a_number_and_belongs_to_one_partition) {
    const std::pair<const char*, const char*> cases[] = {
        {"us-east-1", "aws"},
        {"ap-southeast-4", "aws"},
        {"cn-north-1", "aws-cn"},
        {"us-gov-west-1", "aws-us-gov"},
        {"eusc-de-east-1", "aws-eusc"},
        {"us-iso-east-1", "aws-iso"},
        {"us-isob-east-1", "aws-iso-b"},
        {"eu-isoe-west-1", "aws-iso-e"},
        {"us-isof-south-1", "aws-iso-f"},
    };
    for (const auto& [region, partition] : cases) {
        EXPECT_TRUE(is_region(region)) << region;
        EXPECT_EQ(partition_of_region(region), partition);
        EXPECT_TRUE(partition_suffix(partition)) << partition;
    }
    for (const char* text :
         {"", "us", "us-east", "us-east-", "us-east-1a", "us-east-123", "US-east-1", "us.east-1",
          "us-east-1.evil.example", "us--east-1", "-us-east-1", "us-east-1 ", "us-1"})
        EXPECT_FALSE(is_region(text)) << text;
}

} // namespace
} // namespace redoubt::aws
