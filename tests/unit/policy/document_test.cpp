// SPDX-License-Identifier: Apache-2.0
#include "policy/document.h"

#include "crypto/hash.h"
#include "policy/open_policy.h"

#include <gtest/gtest.h>

namespace redoubt::policy {
namespace {

const std::string kRules = R"("rules":[{"effect":"allow","name":"open"}])";
const std::string kKey(64, '1');

std::string recipient(std::string_view id, std::string_view key = kKey) {
    return R"({"id":")" + std::string(id) + R"(","public_key":"0x)" + std::string(key) + "\"}";
}

std::string with_recipients(std::string_view list) {
    return R"({"redoubt_policy":1,"export_recipients":)" + std::string(list) + "," + kRules + "}";
}

Code refusal(std::string_view text) {
    const auto parsed = parse_document(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? Code::Internal : parsed.error().code;
}

TEST(PolicyDocument, the_open_policy_is_one_and_has_its_digest) {
    const auto parsed = parse_document(kOpenPolicy);
    ASSERT_TRUE(parsed) << parsed.error().describe();
    EXPECT_EQ(parsed->canonical, kOpenPolicy);
    EXPECT_EQ(parsed->digest, open_policy_digest());
    EXPECT_TRUE(parsed->export_recipients.empty());
    EXPECT_EQ(parsed->find_recipient("cold-storage"), nullptr);
}

TEST(PolicyDocument, recipients_are_found_by_their_ids) {
    const auto parsed = parse_document(with_recipients(
        "[" + recipient("cold-storage") + "," + recipient("B.2_c", "ab" + std::string(62, '0')) + "]"));
    ASSERT_TRUE(parsed) << parsed.error().describe();
    ASSERT_EQ(parsed->export_recipients.size(), 2u);
    ASSERT_NE(parsed->find_recipient("B.2_c"), nullptr);
    EXPECT_EQ(parsed->find_recipient("B.2_c")->public_key[0], 0xab);
    EXPECT_EQ(to_hex(parsed->find_recipient("cold-storage")->public_key), kKey);
    EXPECT_EQ(parsed->find_recipient("b.2_c"), nullptr);
    EXPECT_EQ(parsed->find_recipient(""), nullptr);
}

TEST(PolicyDocument, says_until_when_the_key_signs) {
    const auto with = [](const std::string& time) {
        return R"({"redoubt_policy":1,"not_after":)" + time + "," + kRules + "}";
    };
    const auto parsed = parse_document(with("1798761600000"));
    ASSERT_TRUE(parsed) << parsed.error().describe();
    EXPECT_EQ(parsed->not_after, 1'798'761'600'000);
    EXPECT_NE(parsed->digest, open_policy_digest());
    EXPECT_EQ(parse_document(kOpenPolicy)->not_after, 0);
    EXPECT_EQ(parse_document(with("9007199254740991"))->not_after, 9'007'199'254'740'991);
    for (const char* bad : {"0", "-1", "9007199254740992", "1.0", "1e3", "\"1\"", "null", "true"})
        EXPECT_EQ(refusal(with(bad)), Code::InvalidField) << bad;
}

TEST(PolicyDocument, the_canonical_form_and_digest_are_those_of_the_format) {
    const std::string canonical = R"({"export_recipients":[{"id":"cold-storage","public_key":"0x)" + kKey +
                                  R"("}],"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]})";
    for (const std::string& spelling :
         {canonical, with_recipients("[" + recipient("cold-storage") + "]"),
          R"( { "rules" : [ { "name" : "open" , "effect" : "allow" } ],
                "export_recipients" : [ { "public_key" : "0x)" +
              kKey + "\", \"id\" : \"cold\\u002dstorage\" } ],\n\"redoubt_policy\" : 1 }\n"}) {
        const auto parsed = parse_document(spelling);
        ASSERT_TRUE(parsed) << spelling << parsed.error().describe();
        EXPECT_EQ(parsed->canonical, canonical);
        EXPECT_EQ(parsed->digest, crypto::sha256(as_bytes(canonical)));
    }
    EXPECT_NE(parse_document(canonical)->digest, open_policy_digest());
}

TEST(PolicyDocument, refuses_rules_that_say_too_little_or_too_much) {
    for (const std::string rules : {
             R"(,"rules":[])",
             R"(,"rules":{})",
             R"(,"rules":null)",
             R"(,"rules":"open")",
             R"(,"rules":["open"])",
             R"(,"rules":[{"effect":"allow"}])",
             R"(,"rules":[{"name":"open"}])",
             R"(,"rules":[{"effect":"deny","name":"open"}])",
             R"(,"rules":[{"effect":"allow","name":"Open"}])",
             R"(,"rules":[{"effect":"allow","name":"open","operations":["sign"]}])",
             R"(,"rules":[{"effect":"allow","name":"open"},{"effect":"allow","name":"open"}])",
             R"(,"rules":[{"effect":"allow","name":"open"},{"effect":"deny","name":"weekend"}])",
             R"(,"rules":[{"effect":true,"name":"open"}])",
             R"(,"rules":[[{"effect":"allow","name":"open"}]])",
             "",
         })
        EXPECT_EQ(refusal(R"({"redoubt_policy":1)" + rules + "}"), Code::InvalidField);
}

TEST(PolicyDocument, refuses_what_it_does_not_know) {
    for (const std::string& text : {
             std::string(),
             std::string("[]"),
             std::string("null"),
             "{" + kRules + "}",
             R"({"redoubt_policy":2,)" + kRules + "}",
             R"({"redoubt_policy":"1",)" + kRules + "}",
             R"({"redoubt_policy":1.0,)" + kRules + "}",
             R"({"redoubt_policy":1,"redoubt_policy":1,)" + kRules + "}",
             R"({"redoubt_policy":1,"owners":[],)" + kRules + "}",
             R"({"redoubt_policy":1,)" + kRules + "," + kRules + "}",
             R"({"redoubt_policy":1,)" + kRules + "} {}",
             "\xef\xbb\xbf" + std::string(kOpenPolicy),
         })
        EXPECT_EQ(refusal(text), Code::InvalidField);
}

TEST(PolicyDocument, refuses_recipients_that_are_malformed_or_named_twice) {
    const std::string other(64, '2');
    for (const std::string& list : {
             std::string("[]"),
             std::string("{}"),
             std::string("null"),
             std::string(R"(["cold-storage"])"),
             std::string(R"([{"id":"a"}])"),
             R"([{"public_key":"0x)" + kKey + "\"}]",
             R"([{"id":1,"public_key":"0x)" + kKey + "\"}]",
             R"([{"id":"a","public_key":"0x)" + kKey + R"(","note":""}])",
             R"([{"id":"a","public_key":")" + kKey + "\"}]",
             "[" + recipient("a", kKey.substr(1)) + "]",
             "[" + recipient("a", kKey.substr(2)) + "]",
             "[" + recipient("a", kKey + "11") + "]",
             "[" + recipient("a", "AB" + kKey.substr(2)) + "]",
             "[" + recipient("a", "0g" + kKey.substr(2)) + "]",
             "[" + recipient("") + "]",
             "[" + recipient("a b") + "]",
             "[" + recipient("a/b") + "]",
             "[" + recipient("\xc3\xa4") + "]",
             "[" + recipient(std::string(65, 'a')) + "]",
             "[" + recipient("a") + "," + recipient("a", other) + "]",
             "[" + recipient("a") + "," + recipient("b") + "]",
         })
        EXPECT_EQ(refusal(with_recipients(list)), Code::InvalidField);
    EXPECT_TRUE(parse_document(with_recipients("[" + recipient(std::string(64, 'a')) + "]")));
}

TEST(PolicyDocument, has_sixteen_recipients_at_most_and_64_KiB) {
    const auto list = [](std::size_t count) {
        std::string out = "[";
        for (std::size_t i = 0; i < count; ++i) {
            const Hash32 key = crypto::sha256(as_bytes(std::to_string(i)));
            out += (i == 0 ? "" : ",") + recipient("r" + std::to_string(i), to_hex(key));
        }
        return with_recipients(out + "]");
    };
    const auto most = parse_document(list(kMaxRecipients));
    ASSERT_TRUE(most) << most.error().describe();
    EXPECT_EQ(most->export_recipients.size(), kMaxRecipients);
    EXPECT_EQ(refusal(list(kMaxRecipients + 1)), Code::InvalidField);
    const std::string open(kOpenPolicy);
    EXPECT_TRUE(parse_document(open + std::string(kMaxDocument - open.size(), ' ')));
    EXPECT_EQ(refusal(open + std::string(kMaxDocument - open.size() + 1, ' ')), Code::InvalidField);
}

Code opening(std::string_view stored, const Hash32& digest) {
    const auto opened = open_document(as_bytes(stored), digest);
    EXPECT_FALSE(opened) << stored;
    return opened ? Code::Internal : opened.error().code;
}

TEST(OpenDocument, takes_exactly_the_bytes_that_the_key_is_bound_to) {
    const auto opened = open_document(as_bytes(kOpenPolicy), open_policy_digest());
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(opened->digest, open_policy_digest());
    const auto with = parse_document(with_recipients("[" + recipient("cold-storage") + "]"));
    const auto again = open_document(as_bytes(with->canonical), with->digest);
    ASSERT_TRUE(again) << again.error().describe();
    EXPECT_NE(again->find_recipient("cold-storage"), nullptr);

    EXPECT_EQ(opening(with->canonical, open_policy_digest()), Code::RecordInvalid);
    EXPECT_EQ(opening(kOpenPolicy, with->digest), Code::RecordInvalid);
    EXPECT_EQ(opening("", open_policy_digest()), Code::RecordInvalid);
    EXPECT_EQ(opening(std::string(kOpenPolicy) + " ", open_policy_digest()), Code::RecordInvalid);
    for (std::size_t i = 0; i < kOpenPolicy.size(); ++i) {
        std::string changed(kOpenPolicy);
        changed[i] ^= 0x01;
        EXPECT_EQ(opening(changed, open_policy_digest()), Code::RecordInvalid) << i;
    }
}

TEST(OpenDocument, says_that_it_does_not_evaluate_what_it_does_not_know) {
    for (const std::string& text :
         {std::string(R"({"redoubt_policy":2,"rules":[]})"), std::string("text"), std::string(),
          std::string(R"({"redoubt_policy":1,"rules":[{"effect":"deny","name":"weekend"}]})"),
          " " + std::string(kOpenPolicy), // known, but not in canonical form
          R"({"rules":[{"effect":"allow","name":"open"}],"redoubt_policy":1})" + std::string()})
        EXPECT_EQ(opening(text, crypto::sha256(as_bytes(text))), Code::PolicyRequired);
}

} // namespace
} // namespace redoubt::policy
