// SPDX-License-Identifier: Apache-2.0
// The published vectors of noble-curves and Project Wycheproof.
#include "crypto/secp256k1.h"

#include "crypto/hash.h"
#include "support/vectors.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace redoubt::crypto {
namespace {

using nlohmann::json;

const Secp256k1& curve() {
    static const Secp256k1 instance(Hash32{4, 5, 6});
    return instance;
}

Hash32 number(const std::string& hex) {
    Hash32 out{};
    EXPECT_TRUE(from_hex_exact(hex, out)) << hex;
    return out;
}

// Either parity: these vectors do not state one.
bool verifies(const PublicKey& key, const Hash32& digest, Hash32 r, Hash32 s) {
    return curve().verify(key, digest, {r, s, 0}) || curve().verify(key, digest, {r, s, 1});
}

TEST(Secp256k1Vectors, noble_curves_signatures_are_reproduced_byte_for_byte) {
    REDOUBT_NEED_VECTORS(vectors);
    const auto data = json::parse(tests::read_file(vectors / "secp256k1/noble-curves/ecdsa.json"));
    std::size_t count = 0;
    for (const auto& test : data["valid"]) {
        const auto key = Secret::copy_of(number(test["d"]));
        const auto digest = number(test["m"]);
        const auto signature = curve().sign(key, digest);
        ASSERT_TRUE(signature) << test.dump();
        EXPECT_EQ(to_hex(signature->r) + to_hex(signature->s), test["signature"]) << test.dump();
        EXPECT_TRUE(curve().verify(*curve().public_key(key), digest, *signature)) << test.dump();
        ++count;
    }
    EXPECT_GT(count, 2000u);
    for (const auto& test : data["invalid"]["sign"]) {
        const auto key = from_hex(test["d"].get<std::string>());
        const auto digest = from_hex(test["m"].get<std::string>());
        if (!key || !digest || digest->size() != 32)
            continue;
        EXPECT_FALSE(curve().sign(Secret::copy_of(*key), number(test["m"]))) << test.dump();
    }
}

TEST(Secp256k1Vectors, noble_curves_public_keys_are_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    std::ifstream in(vectors / "secp256k1/noble-curves/privates-2.txt");
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (second == std::string::npos)
            continue;
        // Decimal; the file's larger numbers do not matter here.
        if (first > 18)
            continue;
        auto value = std::stoull(line.substr(0, first));
        Hash32 bytes{};
        for (std::size_t i = 32; value != 0; value >>= 8)
            bytes[--i] = static_cast<std::uint8_t>(value);
        const auto point = curve().public_key(Secret::copy_of(bytes));
        ASSERT_TRUE(point) << line;
        EXPECT_EQ(to_hex(*point), line.substr(first + 1, 64) + line.substr(second + 1, 64));
        ++count;
    }
    EXPECT_GE(count, 20u);
}

TEST(Secp256k1Vectors, wycheproof_signatures_are_judged_as_it_says_except_for_high_s) {
    REDOUBT_NEED_VECTORS(vectors);
    const auto data = json::parse(
        tests::read_file(vectors / "secp256k1/wycheproof/ecdsa_secp256k1_sha256_p1363_test.json"));
    std::size_t valid = 0, invalid = 0, high = 0, large_x = 0;
    const auto half = number("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
    for (const auto& group : data["testGroups"]) {
        const auto key_bytes = from_hex(group["publicKey"]["uncompressed"].get<std::string>());
        ASSERT_TRUE(key_bytes && key_bytes->size() == 65);
        const auto key = *to_array<64>(ByteView(*key_bytes).subspan(1));
        for (const auto& test : group["tests"]) {
            const auto signature = from_hex(test["sig"].get<std::string>());
            ASSERT_TRUE(signature) << test.dump();
            if (signature->size() != 64) { // has no form here at all
                EXPECT_EQ(test["result"], "invalid");
                continue;
            }
            const auto digest = sha256(*from_hex(test["msg"].get<std::string>()));
            const auto r = *to_array<32>(ByteView(*signature).first(32));
            const auto s = *to_array<32>(ByteView(*signature).last(32));
            const bool expected = test["result"] == "valid";
            const bool accepted = verifies(key, digest, r, s);
            if (s > half) {
                EXPECT_FALSE(accepted) << test.dump();
                ++high;
            } else if (expected && !accepted) {
                // R's x is r + n: valid ECDSA, which no Ethereum transaction can express. Such an r is less
                // than p - n, which is below 2^129.
                EXPECT_TRUE(std::all_of(r.begin(), r.begin() + 15, [](std::uint8_t byte) {
                    return byte == 0;
                })) << test.dump();
                ++large_x;
            } else {
                EXPECT_EQ(accepted, expected) << test.dump();
            }
            accepted ? ++valid : ++invalid;
        }
    }
    EXPECT_GT(valid, 85u);
    EXPECT_GT(invalid, 60u);
    EXPECT_GT(high, 100u);
    EXPECT_LE(large_x, 5u);
}

} // namespace
} // namespace redoubt::crypto
