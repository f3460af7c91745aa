// SPDX-License-Identifier: Apache-2.0
#include "crypto/hpke.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"

namespace redoubt::crypto {

namespace {

constexpr std::size_t kSize = 32; // of keys, secrets and hashes in this suite
constexpr ByteArray<5> kKemSuite = {'K', 'E', 'M', 0x00, 0x20};
constexpr ByteArray<10> kHpkeSuite = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02};
constexpr std::string_view kVersion = "HPKE-v1";

std::unexpected<Error> does_not_open() {
    forget_openssl_errors();
    return fail(Code::InvalidField,
                "the HPKE message does not open: it is for another key, or was sealed with other "
                "info, or is damaged");
}

// RFC 9180, section 4, for outputs of one block: HKDF-Extract is HMAC(salt, ikm), and HKDF-Expand to at most
// 32 bytes is the beginning of HMAC(prk, info ‖ 0x01).
Secret labeled_extract(ByteView suite, ByteView salt, std::string_view label, ByteView key_material) {
    Secret input(kVersion.size() + suite.size() + label.size() + key_material.size());
    auto at = input.mutable_view(SecretAccess("HPKE: put a labelled input together"));
    for (const ByteView part : {as_bytes(kVersion), suite, as_bytes(label), key_material}) {
        std::copy(part.begin(), part.end(), at.begin());
        at = at.subspan(part.size());
    }
    Hash32 out = hmac_sha256(salt, input.view(SecretAccess("HPKE: extract")));
    return Secret::take(out);
}

Secret labeled_expand(ByteView suite, const Secret& key, std::string_view label, ByteView info,
                      std::size_t size) {
    Bytes input{0x00, static_cast<std::uint8_t>(size)};
    append(input, as_bytes(kVersion));
    append(input, suite);
    append(input, as_bytes(label));
    append(input, info);
    input.push_back(0x01);
    Hash32 out = hmac_sha256(key.view(SecretAccess("HPKE: expand")), input);
    Secret block = Secret::take(out);
    return Secret::copy_of(block.view(SecretAccess("HPKE: shorten")).first(size));
}

Pkey private_of(const Secret& key) {
    if (key.size() != kSize)
        return nullptr;
    return Pkey(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr,
                                             key.view(SecretAccess("make an X25519 key")).data(), kSize));
}

std::optional<X25519Public> public_of(const Pkey& key) {
    X25519Public out;
    std::size_t size = out.size();
    if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 ||
        size != out.size())
        return std::nullopt;
    return out;
}

// Empty where the shared secret is all zero, as RFC 9180, 7.1.4 demands; OpenSSL refuses that itself.
Secret shared_point(const Pkey& mine, const X25519Public& theirs) {
    const Pkey peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.data(), theirs.size()));
    const PkeyContext context(mine == nullptr ? nullptr
                                              : EVP_PKEY_CTX_new_from_pkey(nullptr, mine.get(), nullptr));
    Secret out(kSize);
    std::size_t size = kSize;
    if (peer == nullptr || context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(context.get(), out.mutable_view(SecretAccess("agree on a secret")).data(), &size) !=
            1 ||
        size != kSize)
        return {};
    return out;
}

struct Context {
    Secret key;
    ByteArray<kAeadNonceSize> nonce;
};

// Encap/Decap's ExtractAndExpand (4.1), then KeySchedule in base mode (5.1). The nonce of the first and only
// message is the base nonce.
Context schedule(const Secret& shared, const X25519Public& encapsulated, const X25519Public& recipient,
                 ByteView info) {
    Bytes kem_context;
    append(kem_context, encapsulated);
    append(kem_context, recipient);
    const Secret prk =
        labeled_extract(kKemSuite, {}, "eae_prk", shared.view(SecretAccess("HPKE: the agreed point")));
    const Secret shared_secret = labeled_expand(kKemSuite, prk, "shared_secret", kem_context, kSize);

    Bytes context{0x00}; // mode_base
    append(context,
           labeled_extract(kHpkeSuite, {}, "psk_id_hash", {}).view(SecretAccess("HPKE: not secret")));
    append(context,
           labeled_extract(kHpkeSuite, {}, "info_hash", info).view(SecretAccess("HPKE: not secret")));
    const Secret secret = labeled_extract(
        kHpkeSuite, shared_secret.view(SecretAccess("HPKE: the shared secret is the salt")), "secret", {});
    const Secret nonce = labeled_expand(kHpkeSuite, secret, "base_nonce", context, kAeadNonceSize);
    return {labeled_expand(kHpkeSuite, secret, "key", context, kAeadKeySize),
            *to_array<kAeadNonceSize>(nonce.view(SecretAccess("HPKE: the nonce")))};
}

} // namespace

Result<X25519Public> x25519_public(const Secret& private_key) {
    const auto out = public_of(private_of(private_key));
    if (!out)
        return fail(Code::KeyInvalid, "an X25519 private key has 32 bytes");
    return *out;
}

Result<HpkeMessage> hpke_seal(const X25519Public& recipient, ByteView info, ByteView aad,
                              const Secret& plaintext, Random& random) {
    const Pkey ephemeral = private_of(random.secret(kSize));
    const auto encapsulated = public_of(ephemeral);
    require_openssl(encapsulated.has_value());
    const Secret shared = shared_point(ephemeral, recipient);
    if (shared.empty()) {
        forget_openssl_errors();
        return fail(Code::InvalidField, "the recipient's X25519 key is not one to seal to");
    }
    const Context context = schedule(shared, *encapsulated, recipient, info);
    return HpkeMessage{*encapsulated, aead_seal(context.key, context.nonce, aad,
                                                plaintext.view(SecretAccess("seal by HPKE")))};
}

Result<Secret> hpke_open(const Secret& private_key, const HpkeMessage& message, ByteView info, ByteView aad) {
    const Pkey mine = private_of(private_key);
    const auto recipient = public_of(mine);
    if (!recipient)
        return does_not_open();
    const Secret shared = shared_point(mine, message.encapsulated);
    if (shared.empty())
        return does_not_open();
    const Context context = schedule(shared, message.encapsulated, *recipient, info);
    auto opened = aead_open(context.key, context.nonce, aad, message.ciphertext);
    if (!opened)
        return does_not_open();
    return opened;
}

} // namespace redoubt::crypto
