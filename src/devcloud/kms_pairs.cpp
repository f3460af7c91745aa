// SPDX-License-Identifier: Apache-2.0
// GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext: a fresh key pair, its private half (PKCS#8
// DER) encrypted under a KMS key. RSA pairs are made while the caller waits, and everybody else with it.
#include "devcloud/kms_operations.h"

#include "crypto/openssl.h"

#include <algorithm>
#include <array>
#include <openssl/ec.h>
#include <openssl/rsa.h>

namespace redoubt::devcloud {

namespace {

struct PairSpec {
    std::string_view name;
    unsigned rsa_bits; // 0: an elliptic curve
    const char* curve; // OpenSSL's name
};
constexpr std::array<PairSpec, 9> kSpecs = {{
    {"RSA_2048", 2048, nullptr},
    {"RSA_3072", 3072, nullptr},
    {"RSA_4096", 4096, nullptr},
    {"ECC_NIST_P256", 0, "P-256"},
    {"ECC_NIST_P384", 0, "P-384"},
    {"ECC_NIST_P521", 0, "P-521"},
    {"ECC_SECG_P256K1", 0, "secp256k1"},
    {"SM2", 0, nullptr},                   // refused
    {"ECC_NIST_EDWARDS25519", 0, nullptr}, // refused
}};

struct Pair {
    Secret private_key; // PKCS#8 DER
    Bytes public_key;   // SubjectPublicKeyInfo DER
};

Pair make_pair_of(const PairSpec& spec) {
    const crypto::Pkey key(spec.rsa_bits != 0 ? EVP_RSA_gen(spec.rsa_bits)
                                              : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", spec.curve));
    crypto::require_openssl(key != nullptr);
    Pair pair;
    const crypto::Pkcs8 pkcs8(EVP_PKEY2PKCS8(key.get()));
    crypto::require_openssl(pkcs8 != nullptr);
    std::uint8_t* der = nullptr;
    int size = i2d_PKCS8_PRIV_KEY_INFO(pkcs8.get(), &der);
    crypto::require_openssl(size > 0);
    pair.private_key = Secret::take({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    der = nullptr;
    size = i2d_PUBKEY(key.get(), &der);
    crypto::require_openssl(size > 0);
    pair.public_key.assign(der, der + size);
    OPENSSL_free(der);
    return pair;
}

struct DataKeyPair {
    KeyRecord key;
    std::string spec;
    Pair pair;
    Bytes blob;
};

Reply<DataKeyPair> make_data_key_pair(KmsCall& kms, const Recipient* recipient) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    DataKeyPair made;
    REDOUBT_TRY(made.spec, kms.input.required_string("KeyPairSpec", {1, 64}));
    const auto spec = std::find_if(kSpecs.begin(), kSpecs.end(),
                                   [&](const auto& candidate) { return candidate.name == made.spec; });
    if (spec == kSpecs.end())
        return refuse_value(made.spec, "KeyPairSpec",
                            "Member must satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, "
                            "ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, SM2, "
                            "ECC_NIST_EDWARDS25519]");
    REDOUBT_TRY(const auto context, read_context(kms));
    REDOUBT_TRY(made.key, find_key(kms, key_id, Named::KeyOrAlias));
    KeyQuestion question;
    question.context = &context;
    question.recipient = recipient;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:DataKeyPairSpec", made.spec);
    question.values.add("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    REDOUBT_CHECK(authorise(kms, made.key, std::move(question)));
    REDOUBT_CHECK(check_usable(made.key));
    if (spec->rsa_bits == 0 && spec->curve == nullptr)
        return refuse("UnsupportedOperationException",
                      "devcloud makes no key pairs of spec " + made.spec + ".");
    REDOUBT_CHECK(check_dry_run(kms));
    made.pair = make_pair_of(*spec);
    REDOUBT_TRY(made.blob, seal_under(kms, made.key, context, made.pair.private_key));
    return made;
}

void write_pair(json::Writer& writer, const DataKeyPair& made) {
    writer.member("PrivateKeyCiphertextBlob", to_base64(made.blob))
        .member("PublicKey", to_base64(made.pair.public_key))
        .member("KeyId", made.key.arn)
        .member("KeyPairSpec", made.spec)
        .member("KeyMaterialId", made.key.material_id);
}

} // namespace

Reply<std::string> generate_data_key_pair(KmsCall& kms) {
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));
    REDOUBT_TRY(const auto made, make_data_key_pair(kms, recipient ? &*recipient : nullptr));
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    write_pair(writer, made);
    REDOUBT_CHECK(write_plaintext(kms, writer, "PrivateKeyPlaintext", recipient, made.pair.private_key));
    writer.end_object();
    return body;
}

Reply<std::string> generate_data_key_pair_without_plaintext(KmsCall& kms) {
    REDOUBT_TRY(const auto made, make_data_key_pair(kms, nullptr));
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    write_pair(writer, made);
    writer.end_object();
    return body;
}

} // namespace redoubt::devcloud
