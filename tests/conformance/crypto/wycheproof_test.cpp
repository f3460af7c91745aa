// SPDX-License-Identifier: Apache-2.0
// Project Wycheproof's ECDSA signatures over secp256k1. This project verifies by recovery and accepts a low s
// only (EIP-2), from r, s and parity; the encodings of the files (IEEE P1363, DER) are read here.
#include "base/cursor.h"
#include "support.h"

#include <openssl/evp.h>

namespace redoubt::crypto {
namespace {

struct Numbers {
    Hash32 r, s;
};

std::optional<Numbers> read_p1363(ByteView bytes) {
    if (bytes.size() != 64)
        return std::nullopt;
    return Numbers{array_of(bytes.first(32)), array_of(bytes.last(32))};
}

// A positive INTEGER of at most 256 bits in its one DER form.
std::optional<Hash32> read_integer(Cursor& in) {
    const std::uint8_t tag = in.u8();
    const std::uint8_t size = in.u8();
    ByteView bytes = in.take(size);
    if (!in.ok() || tag != 0x02 || bytes.empty() || size > 33 || (bytes[0] & 0x80) != 0)
        return std::nullopt;
    if (bytes.size() > 1 && bytes[0] == 0) {
        if ((bytes[1] & 0x80) == 0)
            return std::nullopt;
        bytes = bytes.subspan(1);
    }
    if (bytes.size() > 32)
        return std::nullopt;
    Hash32 out{};
    std::ranges::copy(bytes, out.end() - static_cast<std::ptrdiff_t>(bytes.size()));
    return out;
}

std::optional<Numbers> read_der(ByteView bytes) {
    Cursor in(bytes);
    const std::uint8_t tag = in.u8();
    const std::uint8_t size = in.u8();
    if (tag != 0x30 || size != in.rest().size() || size > 70)
        return std::nullopt;
    const auto r = read_integer(in);
    const auto s = read_integer(in);
    if (!r || !s || !in.finished())
        return std::nullopt;
    return Numbers{*r, *s};
}

Hash32 sha3_256(ByteView data) {
    Hash32 out;
    unsigned int size = 0;
    EXPECT_EQ(EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_sha3_256(), nullptr), 1);
    EXPECT_EQ(size, out.size());
    return out;
}

const Hash32 kOrder = array_of(bytes_of("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
const Hash32 kHalfOrder =
    array_of(bytes_of("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"));
// p - n: R's x may be r + n where r is less, which Ethereum's parity cannot say.
const Hash32 kFieldMinusOrder =
    array_of(bytes_of("000000000000000000000000000000014551231950b75fc4402da1722fc9baee"));

Hash32 negated(const Hash32& s) { // n - s, for s ≤ n
    Hash32 out;
    int borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        const int digit = kOrder[i] - s[i] - borrow;
        borrow = digit < 0;
        out[i] = static_cast<std::uint8_t>(digit);
    }
    return out;
}

// How many of the two parities make it the key's signature: never both.
int accepted(const PublicKey& key, const Hash32& digest, const Numbers& numbers) {
    const int count = static_cast<int>(curve().verify(key, digest, {numbers.r, numbers.s, 0})) +
                      static_cast<int>(curve().verify(key, digest, {numbers.r, numbers.s, 1}));
    EXPECT_LE(count, 1);
    return count;
}

struct Counts {
    std::size_t valid = 0;      // accepted
    std::size_t high_s = 0;     // valid ECDSA, refused; with n - s in place of s accepted
    std::size_t large_x = 0;    // valid ECDSA, refused: R's x is r + n
    std::size_t invalid = 0;    // refused
    std::size_t unreadable = 0; // invalid: no r and s of 256 bits can be read
    std::size_t tests = 0;
    bool operator==(const Counts&) const = default;
};

void PrintTo(const Counts& counts, std::ostream* out) { // as GoogleTest calls it
    *out << counts.valid << ", " << counts.high_s << ", " << counts.large_x << ", " << counts.invalid << ", "
         << counts.unreadable << ", " << counts.tests;
}

using Read = std::optional<Numbers> (*)(ByteView);
using Digest = Hash32 (*)(ByteView);

Counts judge(const std::filesystem::path& path, Read read, Digest digest_of) {
    const VectorFile file(path);
    Counts counts;
    const auto groups = file.root().get("testGroups");
    for (const json::Value group : *groups) {
        const Bytes point = bytes_of(text_of(*group.get("publicKey"), "uncompressed"));
        EXPECT_EQ(point.at(0), 4);
        const auto key = array_of<64>(ByteView(point).subspan(1));
        const auto tests = group.get("tests");
        for (const json::Value test : *tests) {
            ++counts.tests;
            const bool valid = text_of(test, "result") == "valid";
            const Hash32 digest = digest_of(bytes_of(text_of(test, "msg")));
            const auto numbers = read(bytes_of(text_of(test, "sig")));
            if (!numbers) {
                EXPECT_FALSE(valid) << test.raw();
                ++counts.unreadable;
                continue;
            }
            const int made = accepted(key, digest, *numbers);
            if (!valid) {
                EXPECT_EQ(made, 0) << test.raw();
                ++counts.invalid;
            } else if (numbers->s > kHalfOrder) {
                EXPECT_EQ(made, 0) << test.raw();
                const bool with_low_s = accepted(key, digest, {numbers->r, negated(numbers->s)}) == 1;
                EXPECT_TRUE(with_low_s || numbers->r < kFieldMinusOrder) << test.raw();
                ++(with_low_s ? counts.high_s : counts.large_x);
            } else if (made == 0) {
                EXPECT_LT(numbers->r, kFieldMinusOrder) << test.raw();
                ++counts.large_x;
            } else {
                ++counts.valid;
            }
        }
    }
    std::cout << path.filename().string() << ": " << counts.tests << " signatures: " << counts.valid
              << " accepted, " << counts.invalid << " and " << counts.unreadable
              << " that cannot be read refused as invalid; refused though valid: " << counts.high_s
              << " with a high s, " << counts.large_x << " whose R is beyond n\n";
    return counts;
}

TEST(WycheproofEcdsa, p1363_signatures_are_judged_as_it_says) {
    REDOUBT_NEED_VECTORS(vectors);
    EXPECT_EQ(
        judge(vectors / "secp256k1/wycheproof/ecdsa_secp256k1_sha256_p1363_test.json", read_p1363, sha256),
        (Counts{95, 70, 2, 67, 18, 252}));
}

TEST(WycheproofEcdsa, der_signatures_are_judged_as_it_says) {
    REDOUBT_NEED_VECTORS(vectors);
    EXPECT_EQ(judge(vectors / "secp256k1/wycheproof/ecdsa_secp256k1_sha256_test.json", read_der, sha256),
              (Counts{96, 70, 2, 74, 234, 476}));
}

TEST(WycheproofEcdsa, signatures_of_sha3_digests_are_judged_as_it_says) {
    REDOUBT_NEED_VECTORS(vectors);
    EXPECT_EQ(judge(vectors / "secp256k1/wycheproof/ecdsa_secp256k1_sha3_256_test.json", read_der, sha3_256),
              (Counts{93, 78, 1, 69, 233, 474}));
}

TEST(WycheproofEcdsa, bitcoin_signatures_are_judged_as_it_says) {
    REDOUBT_NEED_VECTORS(vectors);
    // High s is invalid there, as it is here.
    EXPECT_EQ(
        judge(vectors / "secp256k1/wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json", read_der, sha256),
        (Counts{161, 0, 1, 69, 232, 463}));
}

TEST(WycheproofEcdh, is_not_part_of_this_project) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "secp256k1/wycheproof/ecdh_secp256k1_test.json");
    const auto count = file.root().get("numberOfTests")->u64();
    EXPECT_EQ(count, 752u);
    std::cout << "ecdh_secp256k1_test.json: " << count.value_or(0)
              << " tests not applicable (no key agreement over secp256k1 here)\n";
}

} // namespace
} // namespace redoubt::crypto
