// SPDX-License-Identifier: Apache-2.0
// The form, measured on KMS's own replies (RFC 5652 sections 3 and 6, RFC 4055 section 4.1, RFC 3565):
//
//   30 80                               ContentInfo
//     06 09 1.2.840.113549.1.7.3        id-envelopedData
//     a0 80
//       30 80                           EnvelopedData
//         02 01 02                      version 2
//         31 len                        recipientInfos: one KeyTransRecipientInfo
//           30 len
//             02 01 02                  version 2: named by subjectKeyIdentifier
//             80 20 <SHA-256 of the recipient's SubjectPublicKeyInfo>
//             30 3c RSAES-OAEP { [0] SHA-256, [1] MGF1 with SHA-256 }
//             04 82 01 00 <encrypted content key>
//         30 80                         EncryptedContentInfo
//           06 09 1.2.840.113549.1.7.1  id-data
//           30 1d aes256-CBC, 04 10 <iv>
//           a0 80 { 04 len <ciphertext> } 00 00, or 80 len <ciphertext>
//         00 00
//       00 00
//     00 00
//   00 00
#include "crypto/cms.h"

#include "crypto/ber.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/random.h"

#include <algorithm>
#include <utility>

namespace redoubt::crypto {

namespace {

constexpr std::size_t kBlock = 16; // AES
constexpr std::size_t kContentKeySize = 32;
constexpr std::size_t kIdentifierSize = 32;
constexpr std::size_t kEncryptedKeySize = 256;
constexpr std::size_t kMostContent = 8192;

constexpr std::uint8_t kVersion2[] = {0x02, 0x01, 0x02};
// OBJECT IDENTIFIER 1.2.840.113549.1.7.3 and 1.2.840.113549.1.7.1
constexpr std::uint8_t kEnvelopedDataOid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                              0xf7, 0x0d, 0x01, 0x07, 0x03};
constexpr std::uint8_t kDataOid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
// AlgorithmIdentifier: 1.2.840.113549.1.1.7 with hash 2.16.840.1.101.3.4.2.1 and mask generation
// 1.2.840.113549.1.1.8 over the same hash; no pSourceAlgorithm, so the label is empty. Absent parameters
// would mean SHA-1: the whole identifier is compared, byte by byte.
constexpr std::uint8_t kOaepSha256[] = {
    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07,             // rsaesOaep
    0x30, 0x2f,                                                                               //
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, // SHA-256
    0x05, 0x00,                                                                               //
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, // MGF1
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00};
// AlgorithmIdentifier 2.16.840.1.101.3.4.1.42 up to the IV, an OCTET STRING of 16 bytes.
constexpr std::uint8_t kAes256CbcWithIv[] = {0x30, 0x1d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                             0x65, 0x03, 0x04, 0x01, 0x2a, 0x04, 0x10};

std::unexpected<Error> malformed(FixedText text) {
    return fail(Code::KmsReplyInvalid, text);
}

// The ciphertext: [0] constructed of OCTET STRINGs, or [0] primitive.
bool read_content(Cursor& in, Bytes& out) {
    if (ber::next_is(in, ber::kContext0)) {
        append(out, ber::element(in, ber::kContext0));
    } else {
        ber::open_indefinite(in, ber::kContext0Constructed);
        while (in.ok() && ber::next_is(in, ber::kOctetString)) {
            const ByteView part = ber::element(in, ber::kOctetString);
            if (part.empty() || part.size() > kMostContent - out.size())
                return false;
            append(out, part);
        }
        ber::close_indefinite(in);
    }
    return in.ok() && !out.empty() && out.size() <= kMostContent && out.size() % kBlock == 0;
}

const EVP_CIPHER* aes_256_cbc() noexcept {
    static const EVP_CIPHER* const cipher = [] {
        const EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
        require_openssl(fetched != nullptr);
        return fetched;
    }();
    return cipher;
}

// `in` is whole blocks and `out` as long; padding is the caller's.
void cbc(bool encrypt, const Secret& key, ByteView iv, ByteView in, std::span<std::uint8_t> out) noexcept {
    const CipherContext context(EVP_CIPHER_CTX_new());
    int n = 0;
    require_openssl(context != nullptr &&
                    EVP_CipherInit_ex2(context.get(), aes_256_cbc(),
                                       key.view(SecretAccess("run AES-CBC under the content key")).data(),
                                       iv.data(), encrypt ? 1 : 0, nullptr) == 1 &&
                    EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                    EVP_CipherUpdate(context.get(), out.data(), &n, in.data(), static_cast<int>(in.size())) ==
                        1 &&
                    n == static_cast<int>(in.size()));
}

// The number of padding bytes at the end of the last block (RFC 5652, 6.3), or 0 where they are malformed.
// Reads the whole block whatever it holds, without a branch on it.
std::size_t padding_of(ByteView padded) noexcept {
    const auto below = [](std::uint32_t a, std::uint32_t b) {
        return (a - b) >> 31;
    }; // a < b < 2^31: 1, else 0
    const ByteView block = padded.last(kBlock);
    const std::uint32_t claimed = block[kBlock - 1];
    std::uint32_t wrong = below(claimed, 1) | below(kBlock, claimed);
    for (std::uint32_t i = 0; i < kBlock; ++i) {
        const std::uint32_t counted = below(i, claimed); // i bytes from the end
        wrong |= counted & below(0, block[kBlock - 1 - i] ^ claimed);
    }
    return claimed & (wrong - 1);
}

} // namespace

Result<EnvelopedData> parse_enveloped_data(ByteView blob) {
    EnvelopedData out;
    Cursor in(blob);
    ber::open_indefinite(in, ber::kSequence);
    ber::expect(in, kEnvelopedDataOid);
    ber::open_indefinite(in, ber::kContext0Constructed);
    ber::open_indefinite(in, ber::kSequence);
    ber::expect(in, kVersion2);
    Cursor recipients(ber::element(in, ber::kSet));
    if (!in.ok())
        return malformed("the KMS reply is not a CMS EnvelopedData of version 2 in the form that KMS writes");

    Cursor recipient(ber::element(recipients, ber::kSequence));
    if (!recipients.finished())
        return malformed("the KMS reply must name one recipient and nothing beside it");
    ber::expect(recipient, kVersion2);
    out.key_identifier = ber::element(recipient, ber::kContext0, kIdentifierSize);
    if (!recipient.ok())
        return malformed("the KMS reply must name its recipient by a key identifier of 32 bytes");
    ber::expect(recipient, kOaepSha256);
    if (!recipient.ok())
        return malformed("the KMS reply must use RSAES-OAEP with SHA-256, MGF1 with SHA-256 and no label");
    out.encrypted_key = ber::element(recipient, ber::kOctetString, kEncryptedKeySize);
    if (!recipient.finished())
        return malformed("the KMS reply's encrypted key must be 256 bytes, with nothing after it");

    ber::open_indefinite(in, ber::kSequence);
    ber::expect(in, kDataOid);
    ber::expect(in, kAes256CbcWithIv);
    out.iv = in.take(kBlock);
    if (!in.ok())
        return malformed("the KMS reply's content must be data under AES-256-CBC");
    if (!read_content(in, out.content))
        return malformed("the KMS reply's content must be whole AES blocks, at most 8 KiB");
    ber::close_indefinite(in); // EncryptedContentInfo: no attributes follow it
    ber::close_indefinite(in); // EnvelopedData
    ber::close_indefinite(in); // [0]
    ber::close_indefinite(in); // ContentInfo
    if (!in.finished())
        return malformed("the KMS reply must end with its end-of-contents octets and nothing after them");
    return out;
}

Result<Secret> open_enveloped_data(const RecipientKey& key, ByteView blob) {
    REDOUBT_TRY(const EnvelopedData parsed, parse_enveloped_data(blob));
    if (!equal_constant_time(parsed.key_identifier, sha256(key.public_der())))
        return malformed("the KMS reply is encrypted to another recipient key");

    // Every later failure takes the same path to the same sentence, so that nobody who can alter a reply
    // learns which step refused it: a content key that does not open is replaced by zeros.
    auto opened = key.decrypt_oaep(parsed.encrypted_key);
    const bool key_good = opened.has_value() && opened->size() == kContentKeySize;
    const Secret content_key = key_good ? std::move(*opened) : Secret(kContentKeySize);
    Secret padded(parsed.content.size());
    const auto clear = padded.mutable_view(SecretAccess("decrypt the KMS reply"));
    cbc(false, content_key, parsed.iv, parsed.content, clear);
    const std::size_t padding = padding_of(clear);
    if (!key_good || padding == 0)
        return malformed("the KMS reply does not decrypt");
    return Secret::copy_of(clear.first(clear.size() - padding));
}

Result<Bytes> make_enveloped_data(ByteView recipient_public_der, ByteView plaintext, Random& random) {
    if (plaintext.size() >= kMostContent)
        return fail(Code::InvalidField, "a KMS reply carries at most 8191 bytes");
    const Secret content_key = random.secret(kContentKeySize);
    const auto iv = random.array<kBlock>();
    REDOUBT_TRY(
        const Bytes encrypted_key,
        encrypt_oaep(recipient_public_der, content_key.view(SecretAccess("encrypt it to the recipient"))));

    const std::size_t padding = kBlock - plaintext.size() % kBlock;
    Secret padded(plaintext.size() + padding);
    const auto clear = padded.mutable_view(SecretAccess("pad the plaintext"));
    std::copy(plaintext.begin(), plaintext.end(), clear.begin());
    std::fill(clear.begin() + static_cast<std::ptrdiff_t>(plaintext.size()), clear.end(),
              static_cast<std::uint8_t>(padding));
    Bytes content(clear.size());
    cbc(true, content_key, iv, clear, content);

    Bytes recipient;
    append(recipient, kVersion2);
    ber::append_element(recipient, ber::kContext0, sha256(recipient_public_der));
    append(recipient, kOaepSha256);
    ber::append_element(recipient, ber::kOctetString, encrypted_key);
    Bytes recipients;
    ber::append_element(recipients, ber::kSequence, recipient);

    Bytes out;
    Writer writer(out);
    writer.u8(ber::kSequence).u8(0x80).bytes(kEnvelopedDataOid);
    writer.u8(ber::kContext0Constructed).u8(0x80);
    writer.u8(ber::kSequence).u8(0x80).bytes(kVersion2);
    ber::append_element(out, ber::kSet, recipients);
    writer.u8(ber::kSequence).u8(0x80).bytes(kDataOid).bytes(kAes256CbcWithIv).bytes(iv);
    writer.u8(ber::kContext0Constructed).u8(0x80);
    ber::append_element(out, ber::kOctetString, content);
    for (int open = 5; open > 0; --open)
        writer.u16(0); // end-of-contents octets
    return out;
}

} // namespace redoubt::crypto
