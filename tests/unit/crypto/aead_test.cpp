// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

struct Case {
    std::string_view key, nonce, aad, plaintext, sealed;
};

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16.
constexpr Case kCases[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de657"
     "ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "393ba7a0a"
     "bcc9f662898015adb094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf"
     "5aa0de657"
     "ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6"
     "393ba7a0a"
     "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

Bytes opened(const Result<Secret>& result) {
    EXPECT_TRUE(result);
    return result ? to_bytes(result->view(SecretAccess("compare it in a test"))) : Bytes{};
}

TEST(Aead, gives_the_answers_of_the_gcm_paper) {
    for (const Case& c : kCases) {
        const auto key = Secret::copy_of(*from_hex(c.key));
        const auto nonce = *to_array<12>(*from_hex(c.nonce));
        const Bytes aad = *from_hex(c.aad);
        const Bytes plaintext = *from_hex(c.plaintext);
        const Bytes sealed = aead_seal(key, nonce, aad, plaintext);
        EXPECT_EQ(to_hex(sealed), c.sealed);
        EXPECT_EQ(opened(aead_open(key, nonce, aad, sealed)), plaintext);
    }
}

TEST(Aead, opens_what_it_sealed_at_every_length) {
    SeededRandom random(38);
    for (std::size_t size = 0; size < 70; ++size) {
        const Secret key = random.secret(kAeadKeySize);
        const auto nonce = random.array<12>();
        const Bytes plaintext = random.bytes(size);
        const Bytes aad = random.bytes(random.below(40));
        const Bytes sealed = aead_seal(key, nonce, aad, plaintext);
        EXPECT_EQ(sealed.size(), size + kAeadTagSize);
        EXPECT_EQ(opened(aead_open(key, nonce, aad, sealed)), plaintext);
    }
}

class AeadTamper : public testing::Test {
  protected:
    void expect_refused(const Secret& k, const ByteArray<12>& n, ByteView a, ByteView bytes) {
        const auto result = aead_open(k, n, a, bytes);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::RecordInvalid);
        if (first_sentence.empty())
            first_sentence = result.error().text.view();
        EXPECT_EQ(result.error().text.view(), first_sentence);
        EXPECT_TRUE(result.error().context.empty());
    }

    SeededRandom random{39};
    const Secret key = random.secret(kAeadKeySize);
    const ByteArray<12> nonce = random.array<12>();
    const Bytes aad = random.bytes(29);
    const Bytes plaintext = random.bytes(45);
    const Bytes sealed = aead_seal(key, nonce, aad, plaintext);
    std::string_view first_sentence;
};

TEST_F(AeadTamper, every_flipped_bit_is_refused) {
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        Bytes altered = sealed;
        altered[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        expect_refused(key, nonce, aad, altered);
    }
    for (std::size_t bit = 0; bit < aad.size() * 8; ++bit) {
        Bytes altered = aad;
        altered[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        expect_refused(key, nonce, altered, sealed);
    }
    for (std::size_t bit = 0; bit < 96; ++bit) {
        auto altered = nonce;
        altered[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        expect_refused(key, altered, aad, sealed);
    }
    for (std::size_t bit = 0; bit < 256; ++bit) {
        Secret altered = key.clone();
        altered.mutable_view(SecretAccess("alter it in a test"))[bit / 8] ^=
            static_cast<std::uint8_t>(1u << bit % 8);
        expect_refused(altered, nonce, aad, sealed);
    }
}

TEST_F(AeadTamper, every_truncation_and_extension_is_refused) {
    for (std::size_t size = 0; size < sealed.size(); ++size)
        expect_refused(key, nonce, aad, ByteView(sealed).first(size));
    for (int byte = 0; byte < 256; ++byte) {
        Bytes longer = sealed;
        longer.push_back(static_cast<std::uint8_t>(byte));
        expect_refused(key, nonce, aad, longer);
    }
    expect_refused(key, nonce, ByteView(aad).first(aad.size() - 1), sealed);
    expect_refused(key, nonce, {}, sealed);
}

TEST_F(AeadTamper, bytes_moved_between_aad_and_ciphertext_are_refused) {
    Bytes longer_aad = aad;
    longer_aad.push_back(sealed[0]);
    expect_refused(key, nonce, longer_aad, ByteView(sealed).subspan(1));
}

TEST_F(AeadTamper, a_key_of_another_size_is_refused) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{16}, std::size_t{31}, std::size_t{33}})
        expect_refused(Secret(size), nonce, aad, sealed);
}

TEST_F(AeadTamper, sealing_under_a_key_of_another_size_ends_the_process) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH((void)aead_seal(Secret(16), nonce, aad, plaintext), "OpenSSL failed");
}

} // namespace
} // namespace redoubt::crypto
