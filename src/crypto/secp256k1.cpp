// SPDX-License-Identifier: Apache-2.0
#include "crypto/secp256k1.h"

#include "base/declassify.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace redoubt::crypto {

namespace {

constexpr std::size_t kKeySize = 32;

// n / 2, rounded down (SEC 2, 2.4.1 gives n). EIP-2 allows no s above it.
constexpr Hash32 kHalfOrder = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
                               0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};

PublicKey serialized(const secp256k1_context* context, const secp256k1_pubkey& key) noexcept {
    std::uint8_t bytes[65];
    std::size_t size = sizeof bytes;
    secp256k1_ec_pubkey_serialize(context, bytes, &size, &key, SECP256K1_EC_UNCOMPRESSED);
    PublicKey out;
    std::memcpy(out.data(), bytes + 1, out.size());
    return out;
}

// The public key that made the signature; false where there is none.
bool recovered(const secp256k1_context* context, const Hash32& digest, const Signature& signature,
               PublicKey& out) noexcept {
    if (signature.y_parity > 1 || signature.s > kHalfOrder)
        return false;
    std::uint8_t compact[64];
    std::memcpy(compact, signature.r.data(), 32);
    std::memcpy(compact + 32, signature.s.data(), 32);
    secp256k1_ecdsa_recoverable_signature parsed;
    secp256k1_pubkey key;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, compact, signature.y_parity) !=
            1 ||
        secp256k1_ecdsa_recover(context, &key, &parsed, digest.data()) != 1)
        return false;
    out = serialized(context, key);
    return true;
}

std::unexpected<Error> out_of_range() {
    return fail(Code::KeyInvalid, "the private key is not a number from 1 to n - 1 of secp256k1");
}

} // namespace

ByteArray<33> compressed(const PublicKey& key) noexcept {
    ByteArray<33> out;
    out[0] = static_cast<std::uint8_t>(0x02 | (key.back() & 1));
    std::copy_n(key.begin(), 32, out.begin() + 1);
    return out;
}

Secp256k1::Secp256k1(const Hash32& seed)
    : context_(secp256k1_context_create(SECP256K1_CONTEXT_NONE)), nonce_(checked_nonce_function()) {
    blind(seed);
}

Secp256k1::~Secp256k1() {
    secp256k1_context_destroy(context_);
}

void Secp256k1::blind(const Hash32& seed) {
    if (secp256k1_context_randomize(context_, seed.data()) != 1) {
        std::fputs("redoubt: libsecp256k1 cannot blind its context\n", stderr);
        std::abort();
    }
}

bool Secp256k1::valid_key(const Secret& key) const noexcept {
    return key.size() == kKeySize &&
           declassified(secp256k1_ec_seckey_verify(
                            context_, key.view(SecretAccess("check a private key's range")).data()) == 1);
}

Result<PublicKey> Secp256k1::public_key(const Secret& key) const {
    secp256k1_pubkey point;
    if (key.size() != kKeySize ||
        !declassified(secp256k1_ec_pubkey_create(
                          context_, &point, key.view(SecretAccess("derive the public key")).data()) == 1))
        return out_of_range();
    return serialized(context_, point);
}

Result<Secret> Secp256k1::add_keys(const Secret& key, const Secret& tweak) const {
    if (key.size() != kKeySize || tweak.size() != kKeySize)
        return fail(Code::KeyInvalid, "keys are added as numbers of 32 bytes");
    Secret sum = key.clone();
    // It refuses a key that is not valid, a tweak of n or more, and a sum of zero, and zeroes the key then.
    if (!declassified(secp256k1_ec_seckey_tweak_add(
                          context_, sum.mutable_view(SecretAccess("add two private keys")).data(),
                          tweak.view(SecretAccess("add two private keys")).data()) == 1))
        return fail(Code::KeyInvalid, "the sum of the two keys is not a private key of secp256k1");
    return sum;
}

Result<Signature> Secp256k1::sign(const Secret& key, const Hash32& digest) const {
    if (key.size() != kKeySize)
        return out_of_range();
    secp256k1_ecdsa_recoverable_signature made;
    // The library checks the key's range itself; why it refused matters only then.
    if (!declassified(secp256k1_ecdsa_sign_recoverable(context_, &made, digest.data(),
                                                       key.view(SecretAccess("sign a digest")).data(), nonce_,
                                                       nullptr) == 1)) {
        if (!valid_key(key))
            return out_of_range();
        return fail(Code::SigningFailed, "signing failed inside the library; try again");
    }
    std::uint8_t compact[64];
    int recovery_id = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(context_, compact, &recovery_id, &made);
    // 2 and 3 say that R's x was n or more, one nonce in 2^127. Ethereum has no way to write that.
    if (declassified(recovery_id > 1))
        return fail(Code::SigningFailed, "this digest has no signature that Ethereum can express");
    Signature out;
    std::memcpy(out.r.data(), compact, 32);
    std::memcpy(out.s.data(), compact + 32, 32);
    out.y_parity = static_cast<std::uint8_t>(recovery_id);
    return out;
}

bool Secp256k1::verify(const PublicKey& key, const Hash32& digest,
                       const Signature& signature) const noexcept {
    // By recovery, as Ethereum does it: a signature with the wrong parity names another sender. The library's
    // cheaper verification compares R's x alone, as ECDSA does, so it cannot tell the parity of R's y; and a
    // second way to that parity costs a second multiplication of points.
    PublicKey signer;
    return recovered(context_, digest, signature, signer) && signer == key;
}

Result<PublicKey> Secp256k1::recover(const Hash32& digest, const Signature& signature) const {
    PublicKey signer;
    if (!recovered(context_, digest, signature, signer))
        return fail(Code::InvalidField,
                    "r, s and y parity are not a signature with a low s that any key can make");
    return signer;
}

} // namespace redoubt::crypto
