// SPDX-License-Identifier: Apache-2.0
// noble-curves' vectors of secp256k1: deterministic signatures byte for byte, and public keys.
#include "support.h"

#include <sstream>

namespace redoubt::crypto {
namespace {

std::string signed_hex(const Secret& key, const Hash32& digest) {
    const auto signature = curve().sign(key, digest);
    if (!signature)
        return signature.error().describe();
    const auto point = curve().public_key(key);
    EXPECT_TRUE(point && curve().verify(*point, digest, *signature));
    return to_hex(signature->r) + to_hex(signature->s);
}

std::string compressed_hex(const Secret& key) {
    const auto point = curve().public_key(key);
    return point ? to_hex(compressed(*point)) : point.error().describe();
}

TEST(NobleCurves, signatures_are_reproduced_byte_for_byte) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "secp256k1/noble-curves/ecdsa.json");
    std::size_t made = 0;
    std::size_t without_entropy = 0;
    std::size_t entropy = 0;
    std::size_t refused_keys = 0;
    const auto valid = file.root().get("valid");
    for (const json::Value test : *valid) {
        EXPECT_EQ(signed_hex(secret_of_hex(text_of(test, "d")), array_of(bytes_of(text_of(test, "m")))),
                  text_of(test, "signature"));
        ++made;
    }
    // Extra entropy in the nonce is not offered here; the same keys and messages without it are.
    const auto extra = file.root().get("extraEntropy");
    for (const json::Value test : *extra) {
        EXPECT_EQ(signed_hex(secret_of_hex(text_of(test, "d")), array_of(bytes_of(text_of(test, "m")))),
                  text_of(test, "signature"));
        ++without_entropy;
        entropy += test.size() - 3;
    }
    const auto sign = file.root().get("invalid")->get("sign");
    for (const json::Value test : *sign) {
        const auto signature =
            curve().sign(secret_of_hex(text_of(test, "d")), array_of(bytes_of(text_of(test, "m"))));
        ASSERT_FALSE(signature) << test.raw();
        EXPECT_EQ(signature.error().code, Code::KeyInvalid);
        ++refused_keys;
    }
    EXPECT_EQ(made, 2019u);
    EXPECT_EQ(without_entropy, 5u);
    EXPECT_EQ(refused_keys, 4u);
    std::cout << "noble ecdsa: " << made << " + " << without_entropy << " signatures, " << refused_keys
              << " invalid keys refused; " << entropy << " signatures with extra entropy not applicable\n";
}

TEST(NobleCurves, no_key_is_recovered_where_verification_must_fail) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "secp256k1/noble-curves/ecdsa.json");
    std::size_t refused = 0;
    const auto verify = file.root().get("invalid")->get("verify");
    for (const json::Value test : *verify) {
        const Bytes numbers = bytes_of(text_of(test, "signature"));
        for (const std::uint8_t parity : {std::uint8_t{0}, std::uint8_t{1}}) {
            // This floor takes no encoded point: what it recovers must not be the one that is given.
            const auto key = curve().recover(
                array_of(bytes_of(text_of(test, "m"))),
                {array_of(ByteView(numbers).first(32)), array_of(ByteView(numbers).last(32)), parity});
            if (key) {
                EXPECT_NE(to_hex(compressed(*key)), text_of(test, "Q")) << test.raw();
                EXPECT_NE("04" + to_hex(*key), text_of(test, "Q")) << test.raw();
            }
        }
        ++refused;
    }
    EXPECT_EQ(refused, 25u);
    std::cout << "noble ecdsa: " << refused << " invalid signatures or points recover to no such key\n";
}

TEST(NobleCurves, nonces_are_those_of_rfc_6979) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "secp256k1/noble-curves/rfc6979.json");
    std::size_t first = 0;
    std::size_t later = 0;
    for (const json::Value test : file.root()) {
        // The nonce itself never leaves the library, but r is the x of its point.
        const auto signature =
            curve().sign(secret_of_hex(text_of(test, "d")), sha256(as_bytes(text_of(test, "message"))));
        const auto point = curve().public_key(secret_of_hex(text_of(test, "k0")));
        ASSERT_TRUE(signature && point) << test.raw();
        EXPECT_EQ(to_hex(signature->r), to_hex(ByteView(*point).first(32))) << test.raw();
        ++first;
        later += 2; // k1 and k15 are used when earlier ones are out of range
    }
    EXPECT_EQ(first, 10u);
    EXPECT_EQ(later, 20u);
    std::cout << "noble rfc6979: " << first << " nonces; " << later << " later candidates not applicable\n";
}

TEST(NobleCurves, public_keys_are_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "secp256k1/noble-curves/points.json");
    const auto valid = *file.root().get("valid");
    const auto invalid = *file.root().get("invalid");
    std::size_t keys = 0;
    std::size_t refused = 0;
    std::size_t compressions = 0;
    std::size_t rest = 0;
    for (const json::Value set : valid)
        for (const json::Value test : set) {
            if (set.name() == "pointFromScalar") {
                EXPECT_EQ(compressed_hex(secret_of_hex(text_of(test, "d"))), text_of(test, "expected"));
                ++keys;
            } else if (set.name() == "pointCompress" && text_of(test, "P").size() == 130 &&
                       text_of(test, "expected").size() == 66) {
                const auto point = array_of<64>(ByteView(bytes_of(text_of(test, "P"))).subspan(1));
                EXPECT_EQ(to_hex(compressed(point)), text_of(test, "expected"));
                ++compressions;
            } else {
                ++rest;
            }
        }
    for (const json::Value set : invalid)
        for (const json::Value test : set) {
            if (set.name() == "pointFromScalar") {
                EXPECT_FALSE(curve().public_key(secret_of_hex(text_of(test, "d")))) << test.raw();
                ++refused;
            } else {
                ++rest;
            }
        }
    EXPECT_EQ(keys, 16u);
    EXPECT_EQ(refused, 4u);
    EXPECT_EQ(compressions, 60u);
    EXPECT_EQ(rest, 2462u);
    std::cout << "noble points: " << keys << " public keys, " << refused << " invalid private keys refused, "
              << compressions << " points compressed; " << rest
              << " of reading and adding points not applicable\n";
}

TEST(NobleCurves, public_keys_of_its_list_of_private_keys_are_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    std::istringstream in(tests::read_file(vectors / "secp256k1/noble-curves/privates-2.txt"));
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) { // decimal:x:y
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        ASSERT_NE(second, std::string::npos) << line;
        const auto number = ethereum::from_decimal(line.substr(0, first));
        ASSERT_TRUE(number) << line;
        const auto point = curve().public_key(Secret::copy_of(ethereum::to_big_endian(*number)));
        ASSERT_TRUE(point) << line;
        EXPECT_EQ(to_hex(*point), line.substr(first + 1, second - first - 1) + line.substr(second + 1));
        ++count;
    }
    EXPECT_EQ(count, 45u);
    std::cout << "noble privates-2: " << count << " public keys\n";
}

TEST(NobleCurves, schnorr_and_endomorphism_are_not_part_of_this_project) {
    REDOUBT_NEED_VECTORS(vectors);
    const std::string csv = tests::read_file(vectors / "secp256k1/noble-curves/schnorr.csv");
    const auto lines = std::ranges::count(csv, '\n');
    const VectorFile file(vectors / "secp256k1/noble-curves/endomorphism.json");
    EXPECT_EQ(lines, 16);
    EXPECT_EQ(file.root().size(), 3u);
    std::cout
        << "noble schnorr: " << lines << " lines, endomorphism: " << file.root().size()
        << " cases not applicable (BIP-340 is not offered; the library's scalar splitting is its own)\n";
}

} // namespace
} // namespace redoubt::crypto
