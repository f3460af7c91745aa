// SPDX-License-Identifier: Apache-2.0
#include "enclave/sessions.h"

#include "base/json.h"
#include "crypto/random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

namespace redoubt::enclave {
namespace {

constexpr ByteArray<8> kTag = {0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
constexpr UnixMs kNow = 1'800'000'000'123;

policy::PublicKey numbered(std::size_t n) {
    Bytes bytes(32, 7);
    bytes[0] = static_cast<std::uint8_t>(n);
    bytes[1] = static_cast<std::uint8_t>(n >> 8);
    return {policy::KeyAlgorithm::Ed25519, std::move(bytes)};
}

class SessionsTest : public testing::Test {
  protected:
    Session session(std::size_t principal, UnixMs expires = kNow + 1000) {
        return {.principal = numbered(principal), .key = random.secret(32), .expires = expires};
    }
    std::optional<Code> refused(Session wanted, UnixMs now = kNow) {
        const auto id = sessions.add(std::move(wanted), now);
        return id ? std::optional<Code>() : id.error().code;
    }
    crypto::SystemRandom random;
    Sessions sessions{kTag, random};
};

TEST_F(SessionsTest, a_session_is_found_by_its_id_until_it_ends) {
    auto wanted = session(1);
    const Secret key = wanted.key.clone();
    const auto id = sessions.add(std::move(wanted), kNow);
    ASSERT_TRUE(id);
    EXPECT_TRUE(id->starts_with("session-0011223344556677"));
    EXPECT_EQ(id->size(), 56u);
    const auto found = sessions.find(*id, kNow + 999);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->principal, numbered(1));
    EXPECT_TRUE(equal_secrets(found->key, key));
    EXPECT_EQ(sessions.find(*id, kNow + 1000), nullptr);
    sessions.remove_ended(kNow + 999);
    EXPECT_EQ(sessions.size(), 1u);
    sessions.remove_ended(kNow + 1000);
    EXPECT_EQ(sessions.size(), 0u);
    EXPECT_EQ(sessions.find(*id, kNow), nullptr);
    EXPECT_TRUE(equal_secrets(found->key, key)) << "whoever found it may go on with it";
}

TEST_F(SessionsTest, other_ids_name_no_session) {
    const auto id = sessions.add(session(1), kNow);
    ASSERT_TRUE(id);
    for (std::size_t i = 0; i < id->size(); ++i) {
        std::string other = *id;
        other[i] = other[i] == '0' ? '1' : '0';
        EXPECT_EQ(sessions.find(other, kNow), nullptr);
    }
    EXPECT_EQ(sessions.find("", kNow), nullptr);
    EXPECT_EQ(sessions.find(*id + "0", kNow), nullptr);
    EXPECT_EQ(sessions.find(std::string(1 << 20, 's'), kNow), nullptr);
    Sessions another({9}, random);
    EXPECT_EQ(another.find(*id, kNow), nullptr);
}

TEST_F(SessionsTest, times_and_keys_that_a_session_cannot_have_are_refused) {
    EXPECT_EQ(refused(session(1, kNow)), Code::InvalidField);
    EXPECT_EQ(refused(session(1, kNow - 1)), Code::InvalidField);
    EXPECT_EQ(refused(session(1, kNow + Sessions::kLongestMs + 1)), Code::InvalidField);
    EXPECT_EQ(refused(session(1, kNow + Sessions::kLongestMs)), std::nullopt);
    for (const std::size_t size : {0u, 16u, 31u, 33u, 64u}) {
        auto wanted = session(1);
        wanted.key = random.secret(size);
        EXPECT_EQ(refused(std::move(wanted)), Code::InvalidField) << size;
    }
    EXPECT_EQ(sessions.size(), 1u);
}

TEST_F(SessionsTest, one_principal_has_so_many_and_leaves_room_for_others) {
    std::set<std::string> ids;
    for (std::size_t i = 0; i < Sessions::kMaxOfOne; ++i) {
        const auto id = sessions.add(session(1, kNow + 1000 + static_cast<UnixMs>(i)), kNow);
        ASSERT_TRUE(id);
        EXPECT_TRUE(ids.insert(*id).second);
    }
    EXPECT_EQ(refused(session(1)), Code::TooManyRequests);
    EXPECT_EQ(refused(session(2)), std::nullopt);
    auto other_algorithm = session(1);
    other_algorithm.principal.algorithm = policy::KeyAlgorithm::EcdsaP256;
    EXPECT_EQ(refused(std::move(other_algorithm)), std::nullopt) << "another key";
    EXPECT_EQ(refused(session(1, kNow + 5000), kNow + 1000), std::nullopt) << "one of them has ended";
    EXPECT_EQ(refused(session(1, kNow + 5000), kNow + 1000), Code::TooManyRequests);
}

TEST_F(SessionsTest, all_principals_together_have_so_many) {
    for (std::size_t i = 0; i < Sessions::kMaxSessions; ++i)
        ASSERT_EQ(refused(session(i / 32)), std::nullopt);
    EXPECT_EQ(refused(session(60'000)), Code::TooManyRequests);
    EXPECT_EQ(sessions.size(), Sessions::kMaxSessions);
    EXPECT_EQ(refused(session(60'000, kNow + 5000), kNow + 1000), std::nullopt);
    EXPECT_EQ(sessions.size(), 1u) << "what had ended is gone";
}

TEST_F(SessionsTest, many_threads_add_find_and_remove) {
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (UnixMs i = 0; i < 200; ++i) {
                    const UnixMs now = kNow + i;
                    const auto id = sessions.add(session(t, now + 20), now);
                    const auto found = id ? sessions.find(*id, now) : nullptr;
                    // Another thread's clock may be further on.
                    wrong += (id && (!found || found->principal == numbered(t))) ? 0 : 1;
                    sessions.remove_ended(now);
                }
            });
    }
    EXPECT_EQ(wrong, 0);
}

TEST(SessionInfo, is_canonical_json_that_names_enclave_principal_and_time) {
    ByteArray<32> enclave{};
    enclave.fill(0xab);
    const std::string info = session_info(enclave, numbered(1), 1'800'000'100'000);
    EXPECT_EQ(info, R"({"enclave":"abababababababababababababababababababababababababababababababab",)"
                    R"("expires":1800000100000,"principal":")" +
                        to_hex(policy::principal_digest(numbered(1))) + R"(","redoubt_session":1})");
    json::Document document;
    const auto value = document.parse(info);
    ASSERT_TRUE(value);
    EXPECT_EQ(json::canonical(*value).value_or(""), info);
    EXPECT_NE(session_info(enclave, numbered(2), 1'800'000'100'000), info);
    EXPECT_NE(session_info(enclave, numbered(1), 1'800'000'100'001), info);
}

} // namespace
} // namespace redoubt::enclave
