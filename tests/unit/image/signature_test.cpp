// SPDX-License-Identifier: Apache-2.0
#include "image/signature.h"

#include "by_hand.h"
#include "unit/nitro/forge.h"

#include <openssl/pem.h>

namespace redoubt::image {
namespace {

using namespace tests;
using nitro::tests::kHour;
using nitro::tests::kNow;
using nitro::tests::make_key;
using nitro::tests::Shape;
namespace cbor = nitro::cbor;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
}

Secret pem_of(const crypto::Pkey& key) { // PKCS #8
    BIO* bio = BIO_new(BIO_s_mem());
    EXPECT_EQ(PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    return Secret::copy_of(as_bytes(text_of(bio)));
}

std::string certificate_pem(ByteView der) {
    const unsigned char* at = der.data();
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    BIO* bio = BIO_new(BIO_s_mem());
    EXPECT_EQ(PEM_write_bio_X509(bio, certificate), 1);
    X509_free(certificate);
    return text_of(bio);
}

// A key, and a certificate that it made for itself.
struct Signer {
    crypto::Pkey key;
    Bytes der;
    std::string pem;

    explicit Signer(const char* curve = "P-384", Shape shape = nitro::tests::leaf_shape("release"))
        : key(make_key(curve)), der(nitro::tests::make_certificate(shape, key, shape.subject, key)),
          pem(certificate_pem(der)) {}
};

void numbers(cbor::Writer& out, ByteView bytes) {
    out.array(bytes.size());
    for (const std::uint8_t byte : bytes)
        out.u64(byte);
}

Bytes payload_by_hand(const crypto::Hash48& pcr0, std::uint64_t index = 0) {
    Bytes out;
    cbor::Writer writer(out);
    writer.map(2).text("register_index").u64(index).text("register_value");
    numbers(writer, pcr0);
    return out;
}

struct Tuple {
    std::string pem;
    Bytes cose;
};

Bytes section_by_hand(const std::vector<Tuple>& tuples) {
    Bytes out;
    cbor::Writer writer(out);
    writer.array(tuples.size());
    for (const Tuple& tuple : tuples) {
        writer.map(2).text("signing_certificate");
        numbers(writer, as_bytes(tuple.pem));
        writer.text("signature");
        numbers(writer, tuple.cose);
    }
    return out;
}

Bytes cose_by_hand(const Signer& signer, ByteView payload, Bytes header = nitro::tests::es384_header(),
                   const EVP_MD* digest = EVP_sha384()) {
    const Bytes signature =
        nitro::tests::sign_raw(signer.key, nitro::tests::to_be_signed(payload, header), digest);
    return nitro::tests::cose(payload, signature, header);
}

Bytes signed_by_hand(ByHand image, const Signer& signer) {
    const Bytes content = to_bytes("kernelreboot=kinitapplication");
    image.parts.push_back(
        {kSignature,
         section_by_hand({{signer.pem, cose_by_hand(signer, payload_by_hand(pcr_by_hand(content)))}})});
    return image.bytes();
}

std::string_view refusal(const Bytes& section, const crypto::Hash48& pcr0) {
    const auto signature = read_signature(section);
    if (!signature)
        return signature.error().text.view();
    const auto status = check_signature(*signature, pcr0);
    return status ? "" : status.error().text.view();
}

bool says(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

const crypto::Hash48 kPcr0 = {1, 2, 3, 200, 255};

TEST(ImageSignature, MadeByHandAsNitroCliWritesItHolds) {
    const Signer signer;
    const Bytes file = signed_by_hand(some_image(), signer);
    const auto eif = read_eif(file);
    ASSERT_TRUE(eif);
    const auto values = measure(*eif);
    EXPECT_EQ(refusal(to_bytes(eif->signature()), values.pcr0), "");
    EXPECT_EQ(values.pcr8, pcr_by_hand(signer.der));
}

TEST(ImageSignature, IsMadeInTheFormThatNitroCliWrites) {
    const Signer signer;
    const auto section = sign_pcr0(kPcr0, pem_of(signer.key), as_bytes(signer.pem), kNow);
    ASSERT_TRUE(section);
    const auto signature = read_signature(*section);
    ASSERT_TRUE(signature);
    EXPECT_EQ(signature->algorithm, -35);
    EXPECT_EQ(signature->protected_header, nitro::tests::es384_header());
    EXPECT_EQ(signature->payload, payload_by_hand(kPcr0));
    EXPECT_EQ(signature->signature.size(), 96u);
    EXPECT_EQ(signature->certificate.der, signer.der);
    EXPECT_TRUE(check_signature(*signature, kPcr0));
    // All but the signature itself is fixed.
    const Bytes cose = nitro::tests::cose(payload_by_hand(kPcr0), signature->signature);
    EXPECT_EQ(*section, section_by_hand({{signer.pem, cose}}));
}

TEST(ImageSignature, IsMadeWithKeysInEachOfOpenSslsForms) {
    const Signer signer;
    BIO* bio = BIO_new(BIO_s_mem());
    ASSERT_EQ(
        PEM_write_bio_PrivateKey_traditional(bio, signer.key.get(), nullptr, nullptr, 0, nullptr, nullptr),
        1);
    const std::string sec1 = text_of(bio);
    ASSERT_TRUE(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    // What `openssl ecparam -name secp384r1 -genkey` writes, with and without -noout.
    const std::string with_parameters =
        "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n" + sec1;
    for (const std::string& pem : {sec1, with_parameters})
        EXPECT_TRUE(sign_pcr0(kPcr0, Secret::copy_of(as_bytes(pem)), as_bytes(signer.pem), kNow))
            << pem.substr(0, 30);
}

TEST(ImageSignature, IsMadeOnlyWithAP384KeyAndItsOwnCertificate) {
    const Signer signer, other, p256("P-256"), p521("P-521");
    const auto code = [](const crypto::Pkey& key, const std::string& pem) {
        const auto section = sign_pcr0(kPcr0, pem_of(key), as_bytes(pem), kNow);
        return section ? std::optional<Code>() : section.error().code;
    };
    EXPECT_EQ(code(signer.key, signer.pem), std::nullopt);
    EXPECT_EQ(code(other.key, signer.pem), Code::KeyInvalid);
    EXPECT_EQ(code(p256.key, p256.pem), Code::KeyInvalid);
    EXPECT_EQ(code(p521.key, p521.pem), Code::KeyInvalid);
    EXPECT_EQ(code(signer.key, ""), Code::ImageInvalid);
    EXPECT_EQ(code(signer.key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
              Code::ImageInvalid);
    for (const char* text : {"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"})
        EXPECT_EQ(sign_pcr0(kPcr0, Secret::copy_of(as_bytes(text)), as_bytes(signer.pem), kNow).error().code,
                  Code::KeyInvalid);
}

TEST(ImageSignature, IsNotMadeWithACertificateThatIsNotValidNow) {
    const Signer signer; // kNow ± 1 h
    const auto made = [&](UnixMs now) {
        return sign_pcr0(kPcr0, pem_of(signer.key), as_bytes(signer.pem), now);
    };
    EXPECT_TRUE(made(kNow - kHour));
    EXPECT_TRUE(made(kNow + kHour));
    EXPECT_TRUE(says(made(kNow - kHour - 1000).error().text.view(), "not valid yet"));
    EXPECT_TRUE(says(made(kNow + kHour + 1000).error().text.view(), "expired"));
    const auto certificate = read_signing_certificate(as_bytes(signer.pem));
    EXPECT_TRUE(certificate->valid_at(kNow));
    EXPECT_FALSE(certificate->valid_at(kNow + kHour + 1000));
}

TEST(ImageSignature, HoldsTheOneCertificateWhateverElseItsFileHolds) {
    const Signer signer, other;
    const Secret key = pem_of(signer.key);
    const std::string key_text(as_text(key.view(SecretAccess("make a combined PEM file"))));
    for (const std::string& file : {key_text + signer.pem, signer.pem + key_text,
                                    "words\n" + signer.pem + other.pem, signer.pem + other.pem + key_text}) {
        const auto section = sign_pcr0(kPcr0, key, as_bytes(file), kNow);
        ASSERT_TRUE(section);
        const auto signature = read_signature(*section);
        ASSERT_TRUE(signature);
        const Bytes cose = nitro::tests::cose(payload_by_hand(kPcr0), signature->signature);
        EXPECT_EQ(*section, section_by_hand({{signer.pem, cose}}));
        // Neither as text nor as numbers, each after a 0x18.
        Bytes text = *section;
        std::erase(text, std::uint8_t{0x18});
        EXPECT_FALSE(says(as_text(text), "PRIVATE KEY"));
    }
}

TEST(ImageSignature, MayBeES256Es384OrES512WithAKeyOfThatCurve) {
    const Bytes es256 = {0xa1, 0x01, 0x26}, es384 = {0xa1, 0x01, 0x38, 0x22},
                es512 = {0xa1, 0x01, 0x38, 0x23};
    const Signer p256("P-256"), p384("P-384"), p521("P-521");
    const Bytes payload = payload_by_hand(kPcr0);
    const auto verdict = [&](const Signer& signer, const Bytes& header, const EVP_MD* digest) {
        return refusal(section_by_hand({{signer.pem, cose_by_hand(signer, payload, header, digest)}}), kPcr0);
    };
    EXPECT_EQ(verdict(p256, es256, EVP_sha256()), "");
    EXPECT_EQ(verdict(p384, es384, EVP_sha384()), "");
    EXPECT_EQ(verdict(p521, es512, EVP_sha512()), "");
    EXPECT_TRUE(says(verdict(p256, es384, EVP_sha384()), "not one for the signature's algorithm"));
    EXPECT_TRUE(says(verdict(p384, es256, EVP_sha256()), "not one for the signature's algorithm"));
    EXPECT_TRUE(says(verdict(p384, es384, EVP_sha256()), "not one by its certificate's key"));
    EXPECT_TRUE(says(verdict(p256, {0xa1, 0x01, 0x27}, EVP_sha256()), "another algorithm")); // EdDSA
    EXPECT_TRUE(
        says(verdict(p384, {0xa1, 0x01, 0x39, 0x01, 0x00}, EVP_sha384()), "another algorithm")); // RS256
}

TEST(ImageSignature, ByAnotherKeyOrOverAnotherPayloadIsRefused) {
    const Signer signer, other;
    const Bytes payload = payload_by_hand(kPcr0);
    EXPECT_TRUE(says(refusal(section_by_hand({{signer.pem, cose_by_hand(other, payload)}}), kPcr0),
                     "not one by its certificate's key"));
    crypto::Hash48 another = kPcr0;
    another[47] ^= 1;
    EXPECT_TRUE(says(refusal(section_by_hand({{signer.pem, cose_by_hand(signer, payload)}}), another),
                     "not this image's PCR0"));
    EXPECT_TRUE(
        says(refusal(section_by_hand({{signer.pem, cose_by_hand(signer, payload_by_hand(kPcr0, 1))}}), kPcr0),
             "not this image's PCR0"));
    Bytes longer = payload;
    longer.push_back(0);
    EXPECT_TRUE(says(refusal(section_by_hand({{signer.pem, cose_by_hand(signer, longer)}}), kPcr0),
                     "not this image's PCR0"));
}

TEST(ImageSignature, OnlyTheFirstOfSeveralCounts) {
    const Signer signer, other;
    const Tuple good{signer.pem, cose_by_hand(signer, payload_by_hand(kPcr0))};
    const Tuple bad{other.pem, cose_by_hand(signer, payload_by_hand(kPcr0))};
    EXPECT_EQ(refusal(section_by_hand({good, bad}), kPcr0), "");
    EXPECT_NE(refusal(section_by_hand({bad, good}), kPcr0), "");
}

TEST(ImageSignature, MayCarryCosesTagAndNoOther) {
    const Signer signer;
    const Bytes cose = cose_by_hand(signer, payload_by_hand(kPcr0));
    for (const std::uint64_t tag : {18u, 98u}) {
        Bytes tagged;
        cbor::Writer(tagged).tag(tag).raw(cose);
        EXPECT_EQ(refusal(section_by_hand({{signer.pem, tagged}}), kPcr0) == "", tag == 18);
    }
}

TEST(ImageSignature, OfAnotherShapeIsRefused) {
    const Signer signer;
    const Bytes payload = payload_by_hand(kPcr0);
    const Bytes cose = cose_by_hand(signer, payload);
    const Bytes signature = nitro::tests::sign_raw(signer.key, nitro::tests::to_be_signed(payload));
    const auto shape = [](const std::function<void(cbor::Writer&)>& write) {
        Bytes out;
        cbor::Writer writer(out);
        write(writer);
        return out;
    };
    const auto tuple = [&](cbor::Writer& w) {
        w.map(2).text("signing_certificate");
        numbers(w, as_bytes(signer.pem));
        w.text("signature");
        numbers(w, cose);
    };
    const Bytes good = shape([&](auto& w) { tuple(w.array(1)); });
    ASSERT_EQ(refusal(good, kPcr0), "");
    Bytes trailing = good;
    trailing.push_back(0);
    const Bytes sections[] = {
        {},
        trailing,
        shape([&](auto& w) { w.array(0); }),
        shape([&](auto& w) { tuple(w); }),          // no array around it
        shape([&](auto& w) { tuple(w.array(2)); }), // the second is missing
        shape([&](auto& w) {
            w.array(1).map(1).text("signature");
            numbers(w, cose);
        }),
        shape([&](auto& w) { // bytes in place of numbers
            w.array(1)
                .map(2)
                .text("signing_certificate")
                .bytes(as_bytes(signer.pem))
                .text("signature")
                .bytes(cose);
        }),
        shape([&](auto& w) { // a number that is no byte
            w.array(1).map(2).text("signing_certificate");
            numbers(w, as_bytes(signer.pem));
            w.text("signature").array(1).u64(256);
        }),
        shape([&](auto& w) { // a member that nothing knows
            w.array(1).map(3).text("signing_certificate");
            numbers(w, as_bytes(signer.pem));
            w.text("signature");
            numbers(w, cose);
            w.text("more").null();
        }),
    };
    for (const Bytes& section : sections)
        EXPECT_FALSE(read_signature(section))
            << to_hex(ByteView(section).first(std::min<std::size_t>(section.size(), 40)));

    const Bytes header = nitro::tests::es384_header();
    const Bytes coses[] = {
        {},
        shape([&](auto& w) { w.array(3).bytes(header).map(0).bytes(payload); }),
        shape(
            [&](auto& w) { w.array(4).bytes(header).map(1).u64(4).u64(1).bytes(payload).bytes(signature); }),
        shape([&](auto& w) { w.array(4).bytes(header).map(0).null().bytes(signature); }),
        shape([&](auto& w) { w.array(4).bytes({}).map(0).bytes(payload).bytes(signature); }),
        shape([&](auto& w) { w.array(4).bytes(Bytes{0xa0}).map(0).bytes(payload).bytes(signature); }),
        shape([&](auto& w) { // alg and something else
            w.array(4)
                .bytes(Bytes{0xa2, 0x01, 0x38, 0x22, 0x02, 0x80})
                .map(0)
                .bytes(payload)
                .bytes(signature);
        }),
        shape([&](auto& w) { w.raw(cose).null(); }),
    };
    for (const Bytes& one : coses)
        EXPECT_FALSE(read_signature(section_by_hand({{signer.pem, one}}))) << to_hex(one);
    for (const std::size_t size : {0u, 95u, 97u, 192u}) {
        Bytes other = signature;
        other.resize(size);
        EXPECT_NE(refusal(section_by_hand({{signer.pem, nitro::tests::cose(payload, other)}}), kPcr0), "");
    }
    EXPECT_NE(refusal(section_by_hand({{signer.pem, nitro::tests::cose(payload, Bytes(96))}}), kPcr0), "");
    EXPECT_NE(refusal(section_by_hand({{"no certificate", cose}}), kPcr0), "");
    EXPECT_FALSE(read_signature(Bytes(kMaxSignatureSection + 1)));
}

TEST(SigningCertificate, IsToldInOpenSslsWords) {
    const Signer signer;
    const auto certificate =
        read_signing_certificate(as_bytes("# with words around it\n" + signer.pem + "and after\n"));
    ASSERT_TRUE(certificate);
    EXPECT_EQ(certificate->issuer, (std::map<std::string, std::string>{{"commonName", "release"}}));
    EXPECT_EQ(certificate->algorithm, "ecdsa-with-SHA384");
    EXPECT_EQ(certificate->not_before_text, "Jan  2 02:04:05 2026 GMT");
    EXPECT_EQ(certificate->not_after_text, "Jan  2 04:04:05 2026 GMT");
    EXPECT_EQ(certificate->not_before, kNow - kHour);
    EXPECT_EQ(certificate->not_after, kNow + kHour);
    EXPECT_FALSE(certificate->signature.empty());
    EXPECT_EQ(pcr8_of(*certificate), pcr_by_hand(signer.der));
}

// Each byte of a small signed image is changed in turn.
TEST(ImageSignature, LosesWhatEachChangedByteOfTheFileDecides) {
    const Signer signer;
    const Bytes file = signed_by_hand(some_image(), signer);
    const auto whole = read_eif(file);
    ASSERT_TRUE(whole);
    const auto before = measure(*whole);
    ASSERT_TRUE(before.pcr8);
    const auto within = [&](ByteView part, std::size_t at) {
        return file.data() + at >= part.data() && file.data() + at < part.data() + part.size();
    };
    // The COSE_Sign1 begins after its member's name.
    const std::string_view section = as_text(whole->signature());
    const std::size_t cose_at = section.rfind("\x69signature") + 10;
    std::size_t measured = 0, unmeasured = 0, in_cose = 0, in_certificate = 0;
    for (std::size_t at = 0; at < file.size(); ++at) {
        Bytes changed = file;
        changed[at] ^= 1;
        const auto eif = read_eif(changed);
        if (!eif)
            continue;
        ASSERT_NE(eif->crc_computed, eif->crc_stored) << at;
        const auto after = measure(*eif);
        const bool same = after.pcr0 == before.pcr0 && after.pcr1 == before.pcr1 && after.pcr2 == before.pcr2;
        const auto part = std::find_if(whole->sections.begin(), whole->sections.end(),
                                       [&](const Section& s) { return within(s.data, at); });
        if (part == whole->sections.end() || part->type == SectionType::Metadata) {
            // Headers and metadata: an enclave is the same with either, and as well signed.
            EXPECT_TRUE(same) << at;
            EXPECT_EQ(after.pcr8, before.pcr8) << at;
            ++unmeasured;
        } else if (part->type != SectionType::Signature) {
            EXPECT_FALSE(same) << at;
            EXPECT_FALSE(after.pcr8) << at; // the signature is another image's
            ++measured;
        } else if (file.data() + at >= part->data.data() + cose_at) {
            EXPECT_TRUE(same) << at;
            EXPECT_FALSE(after.pcr8) << at;
            ++in_cose;
        } else {
            // The certificate's own bytes are PCR8. PEM has some that say nothing (line ends).
            EXPECT_TRUE(same) << at;
            const auto signature = read_signature(eif->signature());
            if (after.pcr8) {
                EXPECT_EQ(after.pcr8 == before.pcr8, signature->certificate.der == signer.der) << at;
            }
            ++in_certificate;
        }
    }
    EXPECT_EQ(measured, std::string_view("kernelreboot=kinitapplication").size());
    EXPECT_GT(unmeasured, std::string_view(kSomeMetadata).size());
    EXPECT_EQ(in_cose, section.size() - cose_at);
    EXPECT_EQ(in_certificate, cose_at);
}

} // namespace
} // namespace redoubt::image
