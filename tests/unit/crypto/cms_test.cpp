// SPDX-License-Identifier: Apache-2.0
#include "crypto/cms.h"

#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "unit/crypto/cms_shape.h"
#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

const RecipientKey& key() {
    static const RecipientKey instance = [] {
        auto made = RecipientKey::generate();
        return std::move(*made);
    }();
    return instance;
}

Bytes made(ByteView plaintext, std::uint64_t seed = 5652) {
    SeededRandom random(seed);
    auto blob = make_enveloped_data(key().public_der(), plaintext, random);
    EXPECT_TRUE(blob);
    return blob.value_or(Bytes{});
}

std::optional<Bytes> opened(ByteView blob) {
    const auto result = open_enveloped_data(key(), blob);
    if (!result) {
        EXPECT_EQ(result.error().code, Code::KmsReplyInvalid);
        EXPECT_TRUE(result.error().context.empty());
        return std::nullopt;
    }
    return to_bytes(result->view(SecretAccess("compare it in a test")));
}

std::string_view sentence(ByteView blob) {
    const auto result = open_enveloped_data(key(), blob);
    return result ? "" : result.error().text.view();
}

// Where the parts of a blob lie in it.
struct Places {
    std::size_t identifier, encrypted_key, iv, content, content_size;

    explicit Places(ByteView blob) {
        const auto parsed = parse_enveloped_data(blob);
        EXPECT_TRUE(parsed);
        const auto offset = [&](ByteView part) {
            return static_cast<std::size_t>(part.data() - blob.data());
        };
        identifier = offset(parsed->key_identifier);
        encrypted_key = offset(parsed->encrypted_key);
        iv = offset(parsed->iv);
        content_size = parsed->content.size();
        content = blob.size() - 10 - content_size; // five end-of-contents octets follow
    }
    static bool within(std::size_t at, std::size_t from, std::size_t size) {
        return at >= from && at < from + size;
    }
    bool free_text(std::size_t at) const { // malleable, as CBC is
        return within(at, iv, 16) || within(at, content, content_size);
    }
    bool structure(std::size_t at) const {
        return !free_text(at) && !within(at, identifier, 32) && !within(at, encrypted_key, 256);
    }
};

// The valid shape around this test's key, for variations.
Shape shape(std::size_t plaintext_size = 32) {
    const Bytes blob = made(Bytes(plaintext_size, 0x42));
    const auto parsed = parse_enveloped_data(blob);
    Shape out;
    out.identifier = to_bytes(parsed->key_identifier);
    out.encrypted_key = to_bytes(parsed->encrypted_key);
    out.iv = to_bytes(parsed->iv);
    out.content = {parsed->content};
    return out;
}

TEST(Cms, opens_what_it_makes) {
    SeededRandom random(1);
    for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 32u, 100u, 112u, 113u, 127u, 255u, 1024u, 8191u}) {
        const Bytes plaintext = random.bytes(size);
        const Bytes blob = made(plaintext, size);
        const auto parsed = parse_enveloped_data(blob);
        ASSERT_TRUE(parsed) << size;
        EXPECT_EQ(to_bytes(parsed->key_identifier), to_bytes(sha256(key().public_der())));
        EXPECT_EQ(parsed->content.size(), size / 16 * 16 + 16);
        EXPECT_EQ(opened(blob), plaintext) << size;
    }
}

TEST(Cms, makes_the_shape_that_kms_writes) {
    const Bytes blob = made(Bytes(32, 7));
    EXPECT_EQ(blob.size(), 493u); // as KMS's reply of 32 bytes
    EXPECT_EQ(to_hex(ByteView(blob).first(32)), "308006092a864886f70d010703a0803080020102318201"
                                                "6b3082016702010280");
    EXPECT_EQ(to_hex(ByteView(blob).last(10)), "00000000000000000000");
    Shape same = shape();
    EXPECT_EQ(same.encode().size(), blob.size());
    EXPECT_TRUE(opened(same.encode()));
}

TEST(Cms, refuses_to_make_what_it_cannot) {
    SeededRandom random(2);
    const auto too_long = make_enveloped_data(key().public_der(), Bytes(8192), random);
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, Code::InvalidField);
    const auto bad_key = make_enveloped_data(Bytes{1, 2, 3}, Bytes(32), random);
    ASSERT_FALSE(bad_key);
    EXPECT_EQ(bad_key.error().code, Code::InvalidField);
}

TEST(Cms, every_altered_byte_of_the_structure_is_refused) {
    const Bytes blob = made(Bytes(32, 7));
    const Places places(blob);
    std::size_t positions = 0;
    for (std::size_t at = 0; at < blob.size(); ++at) {
        if (!places.structure(at))
            continue;
        ++positions;
        Bytes altered = blob;
        for (unsigned difference = 1; difference < 256; ++difference) {
            altered[at] = static_cast<std::uint8_t>(blob[at] ^ difference);
            ASSERT_FALSE(parse_enveloped_data(altered)) << "byte " << at << " ^ " << difference;
            ASSERT_FALSE(opened(altered)) << "byte " << at << " ^ " << difference;
        }
    }
    EXPECT_EQ(positions, blob.size() - 32 - 256 - 16 - 48);
}

TEST(Cms, every_altered_byte_of_the_key_identifier_is_refused) {
    const Bytes blob = made(Bytes(32, 7));
    const Places places(blob);
    for (std::size_t at = places.identifier; at < places.identifier + 32; ++at)
        for (unsigned difference = 1; difference < 256; ++difference) {
            Bytes altered = blob;
            altered[at] ^= static_cast<std::uint8_t>(difference);
            ASSERT_EQ(sentence(altered), "the KMS reply is encrypted to another recipient key");
        }
}

TEST(Cms, every_altered_byte_of_the_encrypted_key_is_refused) {
    const Bytes blob = made(Bytes(32, 7));
    const Places places(blob);
    for (std::size_t at = places.encrypted_key; at < places.encrypted_key + 256; ++at)
        for (const unsigned difference : {0x01u, 0x80u, 0xffu}) {
            Bytes altered = blob;
            altered[at] ^= static_cast<std::uint8_t>(difference);
            ASSERT_EQ(sentence(altered), "the KMS reply does not decrypt") << "byte " << at;
        }
}

TEST(Cms, an_altered_iv_or_content_never_opens_to_the_same_plaintext) {
    // CBC authenticates nothing: what is refused here is refused by its padding only.
    for (const std::size_t size : {std::size_t{11}, std::size_t{32}}) {
        const Bytes plaintext(size, 0x33);
        const Bytes blob = made(plaintext);
        const Places places(blob);
        std::size_t refused = 0, different = 0;
        for (std::size_t at = 0; at < blob.size(); ++at) {
            if (!places.free_text(at))
                continue;
            for (unsigned bit = 0; bit < 8; ++bit) {
                Bytes altered = blob;
                altered[at] ^= static_cast<std::uint8_t>(1u << bit);
                const auto result = opened(altered);
                if (!result)
                    ++refused;
                else
                    ++different;
                ASSERT_NE(result, plaintext) << "byte " << at << " bit " << bit;
            }
        }
        EXPECT_GT(refused, 0u);
        EXPECT_GT(different, 0u);
    }
}

TEST(Cms, a_removed_or_inserted_byte_is_refused) {
    const Bytes blob = made(Bytes(32, 7));
    for (std::size_t at = 0; at < blob.size(); ++at) {
        Bytes shorter = blob;
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(at));
        ASSERT_FALSE(parse_enveloped_data(shorter)) << at;
        for (const std::uint8_t extra :
             {std::uint8_t{0x00}, std::uint8_t{0x04}, std::uint8_t{0x30}, std::uint8_t{0x80}}) {
            Bytes longer = blob;
            longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(at), extra);
            ASSERT_FALSE(parse_enveloped_data(longer)) << at;
        }
    }
}

TEST(Cms, every_truncation_is_refused) {
    const Bytes blob = made(Bytes(32, 7));
    for (std::size_t size = 0; size < blob.size(); ++size) {
        ASSERT_FALSE(parse_enveloped_data(ByteView(blob).first(size))) << size;
        ASSERT_FALSE(opened(ByteView(blob).first(size))) << size;
    }
}

TEST(Cms, refuses_a_reply_with_trailing_bytes) {
    const Bytes blob = made(Bytes(32, 7));
    for (unsigned byte = 0; byte < 256; ++byte) {
        Bytes longer = blob;
        longer.push_back(static_cast<std::uint8_t>(byte));
        ASSERT_FALSE(opened(longer));
    }
    Bytes twice = blob;
    append(twice, blob);
    EXPECT_FALSE(opened(twice));
    Bytes more_ends = blob;
    append(more_ends, Bytes{0, 0});
    EXPECT_FALSE(opened(more_ends));
}

TEST(CmsShape, accepts_primitive_content) {
    Shape s = shape();
    s.primitive = true;
    EXPECT_EQ(opened(s.encode()), Bytes(32, 0x42));
}

TEST(CmsShape, accepts_content_in_several_octet_strings) {
    Shape s = shape(100);
    const Bytes whole = s.content[0];
    s.content = {Bytes(whole.begin(), whole.begin() + 5), Bytes(whole.begin() + 5, whole.begin() + 6),
                 Bytes(whole.begin() + 6, whole.end())};
    EXPECT_EQ(opened(s.encode()), Bytes(100, 0x42));
}

TEST(CmsShape, refuses_content_that_is_not_whole_blocks) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{17}, std::size_t{31}})
        for (const bool primitive : {false, true}) {
            Shape s = shape();
            s.content = {Bytes(size, 1)};
            s.primitive = primitive;
            EXPECT_FALSE(parse_enveloped_data(s.encode())) << size;
        }
    Shape s = shape();
    s.content = {};
    EXPECT_FALSE(parse_enveloped_data(s.encode()));
    s = shape();
    s.content.push_back({}); // an empty OCTET STRING beside the real one
    EXPECT_FALSE(parse_enveloped_data(s.encode()));
}

TEST(CmsShape, bounds_the_content) {
    for (const bool primitive : {false, true}) {
        Shape s = shape();
        s.primitive = primitive;
        s.content = {Bytes(8192, 1)};
        EXPECT_TRUE(parse_enveloped_data(s.encode()));
        s.content = {Bytes(8208, 1)};
        EXPECT_FALSE(parse_enveloped_data(s.encode()));
    }
    Shape s = shape();
    s.content = {Bytes(8192, 1), Bytes(16, 1)};
    EXPECT_FALSE(parse_enveloped_data(s.encode()));
}

TEST(CmsShape, refuses_another_key_identifier) {
    Shape s = shape();
    s.identifier = to_bytes(sha256(RecipientKey::generate()->public_der()));
    EXPECT_EQ(sentence(s.encode()), "the KMS reply is encrypted to another recipient key");
    for (const std::size_t size : {std::size_t{0}, std::size_t{20}, std::size_t{31}, std::size_t{33}}) {
        s.identifier = Bytes(size, 1);
        EXPECT_FALSE(parse_enveloped_data(s.encode())) << size;
    }
}

TEST(CmsShape, refuses_other_oaep_parameters) {
    const struct {
        const char* name;
        std::string_view identifier;
    } others[] = {
        {"empty parameters, so SHA-1", "300d06092a864886f70d0101073000"},
        {"no parameters", "300b06092a864886f70d010107"},
        {"NULL parameters", "300d06092a864886f70d0101070500"},
        {"SHA-1 written out", "303406092a864886f70d0101073027a009300706052b0e03021a"
                              "a11a301806092a864886f70d010108300b06052b0e03021a0500"},
        {"MGF1 left at SHA-1", "301e06092a864886f70d0101073011a00f300d06096086480165030402010500"},
        {"hash left at SHA-1",
         "302b06092a864886f70d010107301ea11c301a06092a864886f70d010108300d06096086480165030402010500"},
        {"SHA-384",
         "303c06092a864886f70d010107302fa00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d"
         "06096086480165030402020500"},
        {"no NULL in the hash",
         "303806092a864886f70d010107302ba00d300b0609608648016503040201a11a301806092a864886f70d010108"
         "300b0609608648016503040201"},
        {"a label",
         "304f06092a864886f70d0101073042a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d"
         "06096086480165030402010500a211300f06092a864886f70d01010904024142"},
        {"PKCS#1 v1.5", "300d06092a864886f70d0101010500"},
    };
    for (const auto& [name, identifier] : others) {
        Shape s = shape();
        s.key_algorithm = *from_hex(identifier);
        EXPECT_EQ(sentence(s.encode()),
                  "the KMS reply must use RSAES-OAEP with SHA-256, MGF1 with SHA-256 and no label")
            << name;
    }
}

TEST(CmsShape, refuses_a_second_recipient) {
    Shape s = shape();
    s.recipients = 2;
    EXPECT_EQ(sentence(s.encode()), "the KMS reply must name one recipient and nothing beside it");
    s.recipients = 0;
    EXPECT_FALSE(opened(s.encode()));
}

TEST(CmsShape, refuses_other_versions_and_types) {
    const auto refuses = [](auto change) {
        Shape s = shape();
        change(s);
        return !parse_enveloped_data(s.encode());
    };
    EXPECT_FALSE(refuses([](Shape&) {}));
    for (const auto version : Bytes{0, 1, 3, 4}) {
        EXPECT_TRUE(refuses([&](Shape& s) { s.version = version; }));
        EXPECT_TRUE(refuses([&](Shape& s) { s.recipient_version = version; }));
    }
    EXPECT_TRUE(refuses([](Shape& s) { s.type = *from_hex("06092a864886f70d010701"); })); // data
    EXPECT_TRUE(refuses([](Shape& s) { s.type = *from_hex("06092a864886f70d010702"); })); // signedData
    EXPECT_TRUE(refuses([](Shape& s) { s.content_type = *from_hex("06092a864886f70d010702"); }));
    EXPECT_TRUE(
        refuses([](Shape& s) { s.content_algorithm = *from_hex("0609608648016503040102"); })); // AES-128-CBC
    EXPECT_TRUE(
        refuses([](Shape& s) { s.content_algorithm = *from_hex("060960864801650304012e"); })); // AES-256-GCM
    EXPECT_TRUE(refuses([](Shape& s) { s.iv = Bytes(12, 1); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.iv = Bytes(17, 1); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.encrypted_key = Bytes(255, 1); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.encrypted_key = Bytes(384, 1); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.after_content = *from_hex("a1023000"); })); // unprotectedAttrs
    EXPECT_TRUE(refuses([](Shape& s) { s.originator = *from_hex("a000"); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.after_recipient = *from_hex("0500"); }));
    EXPECT_TRUE(refuses([](Shape& s) { s.definite = true; })); // DER: not what KMS writes
}

TEST(CmsCrypto, every_failure_has_one_code_and_one_sentence) {
    const Bytes blob = made(Bytes(32, 0x42));
    std::vector<Bytes> failing;
    Shape s = shape();
    s.encrypted_key.back() ^= 1; // OAEP
    failing.push_back(s.encode());
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{16}, std::size_t{31}, std::size_t{33}}) { // key length
        s = shape();
        s.encrypted_key = *encrypt_oaep(key().public_der(), Bytes(size, 1));
        failing.push_back(s.encode());
    }
    s = shape();
    s.content = {Bytes(s.content[0].begin(), s.content[0].end() - 16)}; // the padding is gone
    failing.push_back(s.encode());
    for (const Bytes& bytes : failing)
        EXPECT_EQ(sentence(bytes), "the KMS reply does not decrypt");
}

// A blob whose decrypted content is exactly `padded`, padding included.
Bytes with_padded_content(const Bytes& padded) {
    SeededRandom random(77);
    const Bytes content_key = random.bytes(32);
    Shape s = shape();
    s.encrypted_key = *encrypt_oaep(key().public_der(), content_key);
    const CipherContext context(EVP_CIPHER_CTX_new());
    EXPECT_EQ(EVP_EncryptInit_ex2(context.get(), EVP_aes_256_cbc(), content_key.data(), s.iv.data(), nullptr),
              1);
    EVP_CIPHER_CTX_set_padding(context.get(), 0);
    Bytes content(padded.size());
    int n = 0;
    EXPECT_EQ(
        EVP_EncryptUpdate(context.get(), content.data(), &n, padded.data(), static_cast<int>(padded.size())),
        1);
    s.content = {content};
    return s.encode();
}

TEST(CmsCrypto, accepts_each_padding_and_refuses_each_malformed_one) {
    for (unsigned last = 0; last < 256; ++last) {
        Bytes padded(32, 0xee);
        const bool possible = last >= 1 && last <= 16;
        for (unsigned i = 0; i < (possible ? last : 16); ++i)
            padded[31 - i] = static_cast<std::uint8_t>(last);
        const auto result = opened(with_padded_content(padded));
        if (possible)
            EXPECT_EQ(result, Bytes(32 - last, 0xee)) << last;
        else
            EXPECT_EQ(result, std::nullopt) << last;
        if (!possible)
            continue;
        for (unsigned i = 1; i < last; ++i) { // one wrong byte among the padding
            Bytes wrong = padded;
            wrong[31 - i] ^= 0x80;
            EXPECT_EQ(opened(with_padded_content(wrong)), std::nullopt) << last << " at " << i;
        }
    }
}

TEST(CmsCrypto, another_key_does_not_open_it) {
    const auto other = RecipientKey::generate();
    Shape s = shape();
    s.identifier = to_bytes(sha256(other->public_der())); // even where the identifier is its own
    const auto result = open_enveloped_data(*other, s.encode());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().text.view(), "the KMS reply does not decrypt");
}

} // namespace
} // namespace redoubt::crypto
