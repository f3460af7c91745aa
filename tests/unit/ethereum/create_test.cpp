// SPDX-License-Identifier: Apache-2.0
#include "ethereum/create.h"

#include "crypto/keccak.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

Address address(std::string_view text) {
    return parse_address(text).value();
}

// A widely published example of four contracts made by one account.
TEST(Create, addresses_follow_from_sender_and_nonce) {
    const Address sender = address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
    EXPECT_EQ(create_address(sender, 0), address("0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"));
    EXPECT_EQ(create_address(sender, 1), address("0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"));
    EXPECT_EQ(create_address(sender, 2), address("0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91"));
    EXPECT_EQ(create_address(sender, 3), address("0xfffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c"));
}

TEST(Create, every_length_of_nonce_is_encoded_as_rlp_says) {
    const Address sender = address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
    for (const std::uint64_t nonce :
         {std::uint64_t{0}, std::uint64_t{0x7f}, std::uint64_t{0x80}, std::uint64_t{0xff},
          std::uint64_t{0x100}, std::uint64_t{1} << 32, UINT64_MAX}) {
        Bytes number = to_minimal_big_endian(nonce);
        if (number.size() != 1 || number[0] >= 0x80)
            number.insert(number.begin(), static_cast<std::uint8_t>(0x80 + number.size()));
        Bytes list{static_cast<std::uint8_t>(0xc0 + 21 + number.size()), 0x80 + 20};
        append(list, sender);
        append(list, number);
        const Hash32 hash = crypto::keccak256(list);
        EXPECT_TRUE(std::equal(hash.begin() + 12, hash.end(), create_address(sender, nonce).begin()))
            << nonce;
    }
}

TEST(Create, eip_1014_examples) {
    struct Example {
        std::string_view deployer, salt, init_code, result;
    };
    constexpr std::string_view kZeroSalt = "0000000000000000000000000000000000000000000000000000000000000000";
    constexpr std::string_view kCafe = "00000000000000000000000000000000000000000000000000000000cafebabe";
    const Example examples[] = {
        {"0x0000000000000000000000000000000000000000", kZeroSalt, "00",
         "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"},
        {"0xdeadbeef00000000000000000000000000000000", kZeroSalt, "00",
         "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"},
        {"0xdeadbeef00000000000000000000000000000000",
         "000000000000000000000000feed000000000000000000000000000000000000", "00",
         "0xD04116cDd17beBE565EB2422F2497E06cC1C9833"},
        {"0x0000000000000000000000000000000000000000", kZeroSalt, "deadbeef",
         "0x70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"},
        {"0x00000000000000000000000000000000deadbeef", kCafe, "deadbeef",
         "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"},
        {"0x00000000000000000000000000000000deadbeef", kCafe,
         "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
         "0x1d8bfDC5D46DC4f61D6b6115972536eBE6A8854C"},
        {"0x0000000000000000000000000000000000000000", kZeroSalt, "",
         "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"},
    };
    for (const auto& example : examples) {
        Hash32 salt;
        ASSERT_TRUE(from_hex_exact(example.salt, salt));
        const Hash32 hash = crypto::keccak256(from_hex(example.init_code).value());
        EXPECT_EQ(to_checksum(create2_address(address(example.deployer), salt, hash)), example.result);
    }
}

TEST(Create, a_call_of_the_deployment_proxy_creates_by_its_salt_and_init_code) {
    EXPECT_EQ(to_checksum(kDeploymentProxy), "0x4e59b44847b379578588920cA78FbF26c0B4956C");
    Transaction t;
    t.to = kDeploymentProxy;
    t.data = Bytes(32, 7);
    append(t.data, Bytes{0xde, 0xad, 0xbe, 0xef});
    Hash32 salt;
    salt.fill(7);
    EXPECT_EQ(deterministic_deployment(t),
              create2_address(kDeploymentProxy, salt, crypto::keccak256(Bytes{0xde, 0xad, 0xbe, 0xef})));

    Transaction other = t;
    other.data.resize(33);
    EXPECT_TRUE(deterministic_deployment(other));
    other.data.resize(32); // no init code
    EXPECT_FALSE(deterministic_deployment(other));
    other.data.resize(31);
    EXPECT_FALSE(deterministic_deployment(other));
    other.data.clear();
    EXPECT_FALSE(deterministic_deployment(other));

    other = t;
    (*other.to)[19] ^= 1;
    EXPECT_FALSE(deterministic_deployment(other));
    other.to.reset();
    EXPECT_FALSE(deterministic_deployment(other));
}

} // namespace
} // namespace redoubt::ethereum
