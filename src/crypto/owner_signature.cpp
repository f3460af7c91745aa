// SPDX-License-Identifier: Apache-2.0
#include "crypto/owner_signature.h"

#include "crypto/hash.h"
#include "crypto/openssl.h"

#include <array>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

namespace redoubt::crypto {

namespace {

constexpr std::size_t kPointSize = 65; // 04 ‖ x ‖ y
constexpr std::size_t kScalarSize = 32;
constexpr std::size_t kMaxPem = 16 * 1024; // bytes; a key of either kind takes some 250

using Number = std::unique_ptr<BIGNUM, Releaser<BN_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Releaser<ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, Releaser<BIO_free_all>>;

std::unexpected<Error> refused(FixedText text) {
    forget_openssl_errors();
    return fail(Code::KeyInvalid, text);
}

Pkey p256_public(ByteView point) noexcept {
    if (point.size() != kPointSize || point[0] != 0x04)
        return nullptr;
    const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    require_openssl(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
    char group[] = SN_X9_62_prime256v1;
    ByteArray<kPointSize> copy = *to_array<kPointSize>(point);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.data(), copy.size()),
        OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    // Fails for a point that is not on the curve.
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        return nullptr;
    return Pkey(key);
}

// OpenSSL's own ECDSA_SIG, of r ‖ s, in DER: what its verifier reads. It refuses r and s that are zero or not
// below the order.
Bytes to_der(ByteView signature) noexcept {
    Number r(BN_bin2bn(signature.data(), kScalarSize, nullptr));
    Number s(BN_bin2bn(signature.data() + kScalarSize, kScalarSize, nullptr));
    const EcdsaSignature numbers(ECDSA_SIG_new());
    require_openssl(r != nullptr && s != nullptr && numbers != nullptr &&
                    ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) == 1);
    (void)r.release(); // now the signature's
    (void)s.release();
    const int size = i2d_ECDSA_SIG(numbers.get(), nullptr);
    require_openssl(size > 0);
    Bytes out(static_cast<std::size_t>(size));
    std::uint8_t* at = out.data();
    require_openssl(i2d_ECDSA_SIG(numbers.get(), &at) == size);
    return out;
}

std::optional<ByteArray<64>> from_der(ByteView der) {
    const std::uint8_t* at = der.data();
    const EcdsaSignature numbers(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
    ByteArray<64> out;
    if (numbers == nullptr ||
        BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), out.data(), kScalarSize) != kScalarSize ||
        BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), out.data() + kScalarSize, kScalarSize) != kScalarSize)
        return std::nullopt;
    return out;
}

Bytes sign(const Pkey& key, const char* digest, ByteView message) {
    const DigestContext context(EVP_MD_CTX_new());
    require_openssl(context != nullptr);
    std::size_t size = 0;
    if (EVP_DigestSignInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key.get(), nullptr) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) != 1)
        return {};
    Bytes out(size);
    if (EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) != 1)
        return {};
    out.resize(size);
    return out;
}

// Without this OpenSSL asks the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

Pkey read_pkcs8(const Secret& pem) {
    const ByteView text = pem.view(SecretAccess("read a private key from PEM"));
    if (text.empty() || text.size() > kMaxPem)
        return nullptr;
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    require_openssl(bio != nullptr);
    const Pkcs8 info(PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio.get(), nullptr, no_passphrase, nullptr));
    return Pkey(info == nullptr ? nullptr : EVP_PKCS82PKEY(info.get()));
}

bool on_p256(const Pkey& key) noexcept {
    char group[64];
    std::size_t size = 0;
    return EVP_PKEY_is_a(key.get(), "EC") == 1 &&
           EVP_PKEY_get_group_name(key.get(), group, sizeof group, &size) == 1 &&
           std::string_view(group, size) == SN_X9_62_prime256v1;
}

// Uncompressed, whatever form the file has it in.
Bytes point_of(const Pkey& key) {
    BIGNUM *x = nullptr, *y = nullptr;
    const bool got = EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                     EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
    const Number x_owned(x), y_owned(y);
    Bytes out(kPointSize);
    out[0] = 0x04;
    if (!got || BN_bn2binpad(x, out.data() + 1, kScalarSize) != kScalarSize ||
        BN_bn2binpad(y, out.data() + 1 + kScalarSize, kScalarSize) != kScalarSize)
        return {};
    return out;
}

Bytes ed25519_public_of(const Pkey& key) {
    Bytes out(32);
    std::size_t size = out.size();
    if (EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 || size != out.size())
        return {};
    return out;
}

} // namespace

bool verify_ed25519(ByteView public_key, ByteView message, const ByteArray<64>& signature) noexcept {
    if (public_key.size() != 32)
        return false;
    const Pkey key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
    const DigestContext context(EVP_MD_CTX_new());
    require_openssl(context != nullptr);
    // Only 1 means verified: OpenSSL answers 0 and negative numbers for what is not.
    const bool verified =
        key != nullptr &&
        EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key.get(), nullptr) == 1 &&
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) ==
            1;
    forget_openssl_errors();
    return verified;
}

// Reading a point and setting up its verification takes OpenSSL a quarter of the time that verifying takes,
// and clients send more than one request: each thread keeps the last ones ready.
bool verify_p256(ByteView public_key, ByteView message, const ByteArray<64>& signature) noexcept {
    struct Ready {
        ByteArray<kPointSize> point{};
        PkeyContext context;
    };
    thread_local std::array<Ready, 64> all;
    const auto point = to_array<kPointSize>(public_key);
    if (!point)
        return false;
    Ready& ready = all[point->back() % all.size()];
    if (ready.context == nullptr || ready.point != *point) {
        const Pkey key = p256_public(public_key);
        ready.context.reset(key == nullptr ? nullptr
                                           : EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
        if (ready.context == nullptr || EVP_PKEY_verify_init(ready.context.get()) != 1) {
            ready.context.reset();
            forget_openssl_errors();
            return false;
        }
        ready.point = *point;
    }
    const Hash32 digest = sha256(message);
    const Bytes der = to_der(signature);
    const bool verified =
        EVP_PKEY_verify(ready.context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
    forget_openssl_errors();
    return verified;
}

bool valid_p256_point(ByteView public_key) noexcept {
    const bool valid = p256_public(public_key) != nullptr;
    forget_openssl_errors();
    return valid;
}

Result<PersonalSignature> sign_with_pem(const Secret& pem, ByteView message) {
    const Pkey key = read_pkcs8(pem);
    if (key == nullptr)
        return refused("the file holds no private key that can be read: it must be PEM, PKCS #8 (BEGIN "
                       "PRIVATE KEY) and not encrypted");
    PersonalSignature out;
    out.ed25519 = EVP_PKEY_is_a(key.get(), "ED25519") == 1;
    if (!out.ed25519 && !on_p256(key))
        return refused("the private key must be an Ed25519 or a P-256 one");
    const Bytes made = sign(key, out.ed25519 ? nullptr : "SHA256", message);
    const auto signature = out.ed25519 ? to_array<64>(made) : from_der(made);
    out.public_key = out.ed25519 ? ed25519_public_of(key) : point_of(key);
    out.signature = signature.value_or(ByteArray<64>{});
    // A file may hold a public key beside the private one that does not belong to it.
    if (!signature || !(out.ed25519 ? verify_ed25519(out.public_key, message, out.signature)
                                    : verify_p256(out.public_key, message, out.signature)))
        return refused("the private key does not sign for the public key in its file: make a new one");
    return out;
}

} // namespace redoubt::crypto
