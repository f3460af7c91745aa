// SPDX-License-Identifier: Apache-2.0
#include "crypto/bip32.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

const Secp256k1& curve() {
    static const Secp256k1 instance(Hash32{7, 8, 9});
    return instance;
}

Secret secret(std::string_view hex) {
    const auto bytes = from_hex(hex);
    EXPECT_TRUE(bytes) << hex;
    return Secret::copy_of(bytes.value_or(Bytes{}));
}

std::string text(const Result<Secret>& result) {
    return result ? to_hex(result->view(SecretAccess("compare it in a test"))) : result.error().describe();
}

std::string key_at(const Secret& seed, std::string_view path) {
    return text(derive_hd_key(curve(), seed, *parse_hd_path(path)));
}

// Of "test test test test test test test test test test test junk", the mnemonic of Ethereum's development
// nodes, whose accounts everybody knows.
constexpr std::string_view kDevelopmentSeed =
    "9dfc3c64c2f8bede1533b6a79f8570e5943e0b8fd1cf77107adf7b72cef42185"
    "d564a3aee24cab43f80e3c4538087d70fc824eabbad596a23c97b6ee8322ccc0";

TEST(HdPath, reads_indices_hardened_or_not) {
    EXPECT_EQ(*parse_hd_path("m"), HdPath{});
    EXPECT_EQ(*parse_hd_path("m/0"), HdPath{0});
    EXPECT_EQ(*parse_hd_path("m/0'"), HdPath{kHardened});
    EXPECT_EQ(*parse_hd_path(kDefaultHdPath), (HdPath{kHardened | 44, kHardened | 60, kHardened, 0, 0}));
    EXPECT_EQ(*parse_hd_path("m/44h/60H/0'/0/7"), (HdPath{kHardened | 44, kHardened | 60, kHardened, 0, 7}));
    EXPECT_EQ(*parse_hd_path("m/2147483647/2147483647'"), (HdPath{0x7fffffff, 0xffffffff}));
}

TEST(HdPath, refuses_what_could_be_read_in_two_ways) {
    for (const char* bad : {"",
                            "/",
                            "M",
                            "m/",
                            "m//0",
                            "m/0/",
                            "n/0",
                            "0",
                            "0/1",
                            "/0",
                            "m0",
                            "mm/0",
                            "m/00",
                            "m/01",
                            "m/-1",
                            "m/+1",
                            "m/ 1",
                            "m/1 ",
                            " m/1",
                            "m/1''",
                            "m/1'h",
                            "m/'",
                            "m/h",
                            "m/x",
                            "m/0x1",
                            "m/1.",
                            "m/1\n",
                            "m/2147483648",
                            "m/2147483648'",
                            "m/4294967296",
                            "m/18446744073709551616",
                            "m/99999999999999999999999999"}) {
        const auto path = parse_hd_path(bad);
        ASSERT_FALSE(path) << bad;
        EXPECT_EQ(path.error().code, Code::InvalidField);
    }
    EXPECT_FALSE(parse_hd_path(std::string_view("m/1\0", 4)));
}

TEST(HdPath, has_at_most_sixteen_indices) {
    std::string longest = "m";
    for (std::size_t i = 0; i < kMaxPathLength; ++i)
        longest += "/1'";
    EXPECT_EQ(parse_hd_path(longest)->size(), 16u);
    EXPECT_FALSE(parse_hd_path(longest + "/1"));
}

TEST(HdPath, prints_what_reads_back) {
    EXPECT_EQ(hd_path_text({}), "m");
    EXPECT_EQ(hd_path_text({kHardened | 44, 0xffffffff, 0x7fffffff, 0}), "m/44'/2147483647'/2147483647/0");
    EXPECT_EQ(hd_path_text(*parse_hd_path("m/44h/60H/0'/0/7")), "m/44'/60'/0'/0/7");
}

TEST(HdKey, is_the_account_that_wallets_show) {
    const Secret seed = secret(kDevelopmentSeed);
    EXPECT_EQ(key_at(seed, kDefaultHdPath),
              "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    EXPECT_EQ(key_at(seed, "m/44'/60'/0'/0/1"),
              "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");
    EXPECT_NE(key_at(seed, "m/44'/60'/0'/0'/1"), key_at(seed, "m/44'/60'/0'/0/1"));
}

TEST(HdKey, agrees_with_the_first_vector_of_bip_32) {
    const Secret seed = secret("000102030405060708090a0b0c0d0e0f");
    EXPECT_EQ(key_at(seed, "m"), "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35");
    // xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs
    EXPECT_EQ(text(derive_extended_key(curve(), seed, *parse_hd_path("m/0'/1"))),
              "0488ade4"
              "02"
              "5c1bd648"
              "00000001"
              "2a7857631386ba23dacac34180dd1983734e444fdbf774041578e9b6adb37c19"
              "00"
              "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368");
}

TEST(HdKey, seeds_have_16_to_64_bytes) {
    for (const std::size_t size : {0u, 1u, 15u, 65u, 128u}) {
        const auto key = derive_hd_key(curve(), Secret(size), {});
        ASSERT_FALSE(key) << size;
        EXPECT_EQ(key.error().code, Code::InvalidField);
        EXPECT_FALSE(derive_extended_key(curve(), Secret(size), {}));
    }
    std::string before;
    for (std::size_t size = kMinSeed; size <= kMaxSeed; ++size) {
        const std::string key = key_at(Secret(size), "m/0");
        EXPECT_EQ(key.size(), 64u) << key;
        EXPECT_NE(key, before);
        before = key;
    }
}

TEST(HdKey, paths_have_at_most_sixteen_indices) {
    const Secret seed(32);
    EXPECT_TRUE(derive_hd_key(curve(), seed, HdPath(kMaxPathLength, 1)));
    const auto deep = derive_hd_key(curve(), seed, HdPath(kMaxPathLength + 1, 1));
    ASSERT_FALSE(deep);
    EXPECT_EQ(deep.error().code, Code::InvalidField);
    EXPECT_FALSE(derive_extended_key(curve(), seed, HdPath(kMaxPathLength + 1, 1)));
}

} // namespace
} // namespace redoubt::crypto
