// SPDX-License-Identifier: Apache-2.0
#include "enclave/challenges.h"

#include "crypto/random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

namespace redoubt::enclave {
namespace {

constexpr ByteArray<8> kTag = {0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
constexpr UnixMs kNow = 1'800'000'000'123;

class ChallengesTest : public testing::Test {
  protected:
    std::optional<Code> take(std::string_view challenge, UnixMs now = kNow) {
        const auto status = challenges.take(challenge, now);
        return status ? std::optional<Code>() : status.error().code;
    }
    crypto::SystemRandom random;
    Challenges challenges{kTag, random};
};

TEST_F(ChallengesTest, a_challenge_is_taken_once) {
    const std::string challenge = challenges.issue(kNow);
    EXPECT_TRUE(challenge.starts_with("0011223344556677-"));
    EXPECT_EQ(challenge.size(), 99u);
    EXPECT_EQ(challenge.find_first_not_of("0123456789abcdef-"), std::string::npos);
    EXPECT_EQ(take(challenge), std::nullopt);
    EXPECT_EQ(take(challenge), Code::ChallengeInvalid);
    EXPECT_EQ(take(challenges.issue(kNow)), std::nullopt);
}

TEST_F(ChallengesTest, challenges_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(seen.insert(challenges.issue(kNow)).second);
}

TEST_F(ChallengesTest, a_challenge_ends_after_its_life) {
    const std::string challenge = challenges.issue(kNow), other = challenges.issue(kNow);
    EXPECT_EQ(take(challenge, kNow + Challenges::kLifeMs), Code::ChallengeInvalid);
    EXPECT_EQ(take(challenge, kNow + Challenges::kLifeMs - 1), std::nullopt);
    EXPECT_EQ(take(other, kNow + Challenges::kLifeMs + 1), Code::ChallengeInvalid);
    EXPECT_EQ(take(challenge, kNow + Challenges::kLifeMs + 1), Code::ChallengeInvalid);
}

TEST_F(ChallengesTest, one_of_another_enclave_is_refused) {
    Challenges same_tag(kTag, random), other_tag({1}, random);
    EXPECT_EQ(take(same_tag.issue(kNow)), Code::ChallengeInvalid) << "another key";
    EXPECT_EQ(take(other_tag.issue(kNow)), Code::ChallengeInvalid);
}

TEST_F(ChallengesTest, one_with_any_character_changed_is_refused) {
    const std::string challenge = challenges.issue(kNow);
    for (std::size_t i = 0; i < challenge.size(); ++i)
        for (const char c : {'0', '1', 'f', 'F', '-', ' ', '\0'}) {
            std::string changed = challenge;
            if (changed[i] == c)
                continue;
            changed[i] = c;
            EXPECT_EQ(take(changed), Code::ChallengeInvalid) << changed;
        }
    EXPECT_EQ(take(challenge + "0"), Code::ChallengeInvalid);
    EXPECT_EQ(take(challenge.substr(0, 98)), Code::ChallengeInvalid);
    EXPECT_EQ(take(""), Code::ChallengeInvalid);
    EXPECT_EQ(take(std::string(1 << 20, '0')), Code::ChallengeInvalid);
    EXPECT_EQ(take(challenge), std::nullopt);
}

TEST_F(ChallengesTest, remembers_no_more_than_its_bound_and_forgets_what_ended) {
    const std::string first = challenges.issue(kNow);
    ASSERT_EQ(take(first), std::nullopt);
    for (std::size_t i = 1; i < Challenges::kMaxUsed; ++i)
        ASSERT_EQ(take(challenges.issue(kNow + 1)), std::nullopt);
    const std::string more = challenges.issue(kNow + 1);
    EXPECT_EQ(take(more), Code::Overloaded);
    EXPECT_EQ(take(first), Code::ChallengeInvalid) << "used before, full or not";
    const UnixMs end = kNow + Challenges::kLifeMs; // the first one's
    EXPECT_EQ(take(more, end), std::nullopt) << "it was not used up by being refused";
    EXPECT_EQ(take(challenges.issue(end), end), Code::Overloaded);
    EXPECT_EQ(take(challenges.issue(end + 1), end + 1), std::nullopt);
}

TEST_F(ChallengesTest, of_many_threads_one_takes_it) {
    for (int round = 0; round < 20; ++round) {
        const std::string challenge = challenges.issue(kNow);
        std::atomic<int> taken = 0;
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i)
                threads.emplace_back([&] {
                    taken += challenges.take(challenges.issue(kNow), kNow).has_value() ? 0 : 100;
                    taken += challenges.take(challenge, kNow).has_value() ? 1 : 0;
                });
        }
        EXPECT_EQ(taken, 1);
    }
}

} // namespace
} // namespace redoubt::enclave
