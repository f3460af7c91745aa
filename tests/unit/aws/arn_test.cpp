// SPDX-License-Identifier: Apache-2.0
#include "aws/arn.h"

#include <gtest/gtest.h>

namespace redoubt::aws {
namespace {

constexpr const char* kGood = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

TEST(KmsKeyArn, is_taken_apart) {
    const auto arn = parse_kms_key_arn(kGood);
    ASSERT_TRUE(arn);
    EXPECT_EQ(arn->text, kGood);
    EXPECT_EQ(arn->partition, "aws");
    EXPECT_EQ(arn->region, "us-east-1");
    EXPECT_EQ(arn->account, "111122223333");
    EXPECT_EQ(arn->key_id, "1234abcd-12ab-34cd-56ef-1234567890ab");
}

TEST(KmsKeyArn, may_be_of_any_partition_and_of_a_multi_region_key) {
    const std::pair<const char*, const char*> cases[] = {
        {"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
         "aws-us-gov"},
        {"arn:aws-cn:kms:cn-northwest-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "aws-cn"},
        {"arn:aws-iso-b:kms:us-isob-east-1:000000000000:key/00000000-0000-0000-0000-000000000000",
         "aws-iso-b"},
        {"arn:aws-eusc:kms:eusc-de-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "aws-eusc"},
    };
    for (const auto& [text, partition] : cases) {
        const auto arn = parse_kms_key_arn(text);
        ASSERT_TRUE(arn) << text;
        EXPECT_EQ(arn->partition, partition);
    }
}

TEST(KmsKeyArn, is_refused_in_any_other_form) {
    const std::string id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const std::string cases[] = {
        "",
        id,
        "alias/name",
        "arn:aws:kms:us-east-1:111122223333:alias/name",
        "arn:aws:kms:us-east-1:111122223333:key/alias",
        "arn:aws:kms:us-east-1:111122223333:key/",
        "arn:aws:kms:us-east-1:111122223333:" + id,
        "arn:aws:kms:us-east-1:111122223333:key/" + id + " ",
        " arn:aws:kms:us-east-1:111122223333:key/" + id,
        "arn:aws:kms:us-east-1:111122223333:key/" + id + ":x",
        "arn:aws:kms:us-east-1:111122223333:key/" + id + "/x",
        "arn:aws:kms:us-east-1:111122223333:key/1234ABCD-12ab-34cd-56ef-1234567890ab", // capitals
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef1234567890abcd",
        "arn:aws:kms:us-east-1:111122223333:key/1234abcg-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890a",
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890abc",
        "arn:aws:s3:us-east-1:111122223333:key/" + id,
        "urn:aws:kms:us-east-1:111122223333:key/" + id,
        "arn:azure:kms:us-east-1:111122223333:key/" + id,
        "arn::kms:us-east-1:111122223333:key/" + id,
        "arn:aws-:kms:us-east-1:111122223333:key/" + id,
        "arn:aws--cn:kms:us-east-1:111122223333:key/" + id,
        "arn:aws:kms:us-east-1:11112222333:key/" + id,
        "arn:aws:kms:us-east-1:1111222233334:key/" + id,
        "arn:aws:kms:us-east-1:11112222333x:key/" + id,
        "arn:aws:kms:us-east-1::key/" + id,
        "arn:aws:kms::111122223333:key/" + id,
        std::string(kGood) + '\0',
        "arn:aws:kms:us-east-1:111122223333:key/" + id + std::string(300, 'a'),
    };
    for (const std::string& text : cases) {
        const auto arn = parse_kms_key_arn(text);
        ASSERT_FALSE(arn) << text;
        EXPECT_EQ(arn.error().code, Code::InvalidField);
    }
}

// The region becomes part of a host name: whatever could lead elsewhere is refused.
TEST(KmsKeyArn, has_a_region_that_is_one_label_of_a_host_name) {
    for (const char* region :
         {"us-east-1.evil", "us-east-1/x", "us-east-1#", "us-east-1@x", "us_east-1", "US-EAST-1", "us-east",
          "us-east-", "us-east-x", "us-east-123", "-us-east-1", "us--east-1", "us-1", "1-1", "us-east-1%2e",
          "a", "us-east-1 ", "us-east-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1"}) {
        const std::string text =
            std::string("arn:aws:kms:") + region + ":111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        EXPECT_FALSE(parse_kms_key_arn(text)) << region;
    }
    for (const char* region : {"us-east-1", "ap-southeast-12", "us-gov-east-1", "mx-central-1"}) {
        const std::string text =
            std::string("arn:aws:kms:") + region + ":111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        EXPECT_TRUE(parse_kms_key_arn(text)) << region;
    }
}

TEST(KmsHost, comes_from_the_arn_and_the_partition) {
    const std::pair<const char*, const char*> cases[] = {
        {"aws", "kms.us-east-1.amazonaws.com"},       {"aws-us-gov", "kms.us-east-1.amazonaws.com"},
        {"aws-cn", "kms.us-east-1.amazonaws.com.cn"}, {"aws-eusc", "kms.us-east-1.amazonaws.eu"},
        {"aws-iso", "kms.us-east-1.c2s.ic.gov"},      {"aws-iso-b", "kms.us-east-1.sc2s.sgov.gov"},
    };
    const auto arn = parse_kms_key_arn(kGood);
    ASSERT_TRUE(arn);
    for (const auto& [partition, host] : cases) {
        const auto suffix = partition_suffix(partition);
        ASSERT_TRUE(suffix) << partition;
        EXPECT_EQ(kms_host(*arn, *suffix), host);
    }
    EXPECT_EQ(kms_host(*arn, "redoubt.test"), "kms.us-east-1.redoubt.test");
}

TEST(PartitionSuffix, is_not_guessed) {
    for (const char* partition : {"", "AWS", "aws-new", "amazonaws.com", "aws-iso-"}) {
        const auto suffix = partition_suffix(partition);
        ASSERT_FALSE(suffix) << partition;
        EXPECT_EQ(suffix.error().code, Code::InvalidField);
    }
}

} // namespace
} // namespace redoubt::aws
