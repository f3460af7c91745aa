// SPDX-License-Identifier: Apache-2.0
#include "crypto/bip32.h"

#include "crypto/hash.h"
#include "crypto/openssl.h"

#include <algorithm>
#include <charconv>

namespace redoubt::crypto {

namespace {

constexpr std::string_view kMasterKey = "Bitcoin seed"; // the HMAC key that BIP-32 fixes
constexpr std::uint32_t kPrivateVersion = 0x0488ADE4;   // "xprv"

struct Node {
    Secret key;   // 32 bytes, a valid private key
    Secret chain; // 32 bytes: with it and the public key, all non-hardened children's public keys follow
};

using Index = ByteArray<4>;

Index big_endian(std::uint32_t value) noexcept {
    return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
            static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Secret half(const Secret& hash, std::size_t at) {
    return Secret::copy_of(hash.view(SecretAccess("split BIP-32's I into its halves")).subspan(at, 32));
}

Result<Node> master(const Secp256k1& curve, const Secret& seed) {
    if (seed.size() < kMinSeed || seed.size() > kMaxSeed)
        return fail(Code::InvalidField, "a seed has 16 to 64 bytes");
    const Secret hash =
        hmac_sha512(as_bytes(kMasterKey), {seed.view(SecretAccess("derive a seed's master key"))});
    Node node{half(hash, 0), half(hash, 32)};
    if (!curve.valid_key(node.key))
        return fail(Code::KeyInvalid, "this seed has no master key; BIP-32 says to take another one");
    return node;
}

Result<Node> child(const Secp256k1& curve, const Node& parent, std::uint32_t index) {
    const SecretAccess why("derive a child key");
    const Index number = big_endian(index);
    Secret hash;
    if (index >= kHardened) {
        constexpr std::uint8_t kZero[1] = {};
        hash = hmac_sha512(parent.chain.view(why), {kZero, parent.key.view(why), number});
    } else {
        REDOUBT_TRY(const PublicKey point, curve.public_key(parent.key));
        hash = hmac_sha512(parent.chain.view(why), {compressed(point), number});
    }
    auto key = curve.add_keys(parent.key, half(hash, 0));
    if (!key)
        return fail(Code::KeyInvalid, "an index of the path has no key; BIP-32 says to take the next one");
    return Node{std::move(*key), half(hash, 32)};
}

Status check_length(const HdPath& path) {
    if (path.size() > kMaxPathLength)
        return fail(Code::InvalidField, "a derivation path has at most 16 indices");
    return {};
}

// The first four bytes of HASH160 (BIP-32, "Key identifiers").
ByteArray<4> fingerprint(const PublicKey& key) {
    const Hash32 inner = sha256(compressed(key));
    std::uint8_t outer[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    require_openssl(EVP_Digest(inner.data(), inner.size(), outer, &size, EVP_ripemd160(), nullptr) == 1 &&
                    size == 20);
    return {outer[0], outer[1], outer[2], outer[3]};
}

std::unexpected<Error> no_path() {
    return fail(Code::InvalidField,
                "a derivation path is written like m/44'/60'/0'/0/0: at most 16 decimal indices below "
                "2147483648, each hardened with ' or h, or not");
}

} // namespace

Result<HdPath> parse_hd_path(std::string_view text) {
    if (!text.starts_with('m'))
        return no_path();
    text.remove_prefix(1);
    HdPath path;
    while (!text.empty()) {
        if (text[0] != '/' || path.size() == kMaxPathLength)
            return no_path();
        text.remove_prefix(1);
        std::uint32_t index = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
        const auto digits = static_cast<std::size_t>(end - text.data());
        if (error != std::errc{} || index >= kHardened || (digits > 1 && text[0] == '0'))
            return no_path();
        text.remove_prefix(digits);
        if (text.starts_with('\'') || text.starts_with('h') || text.starts_with('H')) {
            index |= kHardened;
            text.remove_prefix(1);
        }
        path.push_back(index);
    }
    return path;
}

std::string hd_path_text(const HdPath& path) {
    std::string out = "m";
    for (const std::uint32_t index : path) {
        out += '/';
        out += std::to_string(index & ~kHardened);
        if (index >= kHardened)
            out += '\'';
    }
    return out;
}

Result<Secret> derive_hd_key(const Secp256k1& curve, const Secret& seed, const HdPath& path) {
    REDOUBT_CHECK(check_length(path));
    REDOUBT_TRY(Node node, master(curve, seed));
    for (const std::uint32_t index : path) {
        REDOUBT_TRY(node, child(curve, node, index));
    }
    return std::move(node.key);
}

Result<Secret> derive_extended_key(const Secp256k1& curve, const Secret& seed, const HdPath& path) {
    REDOUBT_CHECK(check_length(path));
    REDOUBT_TRY(Node node, master(curve, seed));
    ByteArray<4> parent{}; // zero for the master key, as its index is
    Index last{};
    for (const std::uint32_t index : path) {
        REDOUBT_TRY(const PublicKey point, curve.public_key(node.key));
        parent = fingerprint(point);
        last = big_endian(index);
        REDOUBT_TRY(node, child(curve, node, index));
    }
    const SecretAccess why("serialise an extended private key");
    Secret out(4 + 1 + 4 + 4 + 32 + 1 + 32);
    const auto bytes = out.mutable_view(why);
    auto at = bytes.begin();
    const auto put = [&at](ByteView part) { at = std::copy(part.begin(), part.end(), at); };
    put(big_endian(kPrivateVersion));
    *at++ = static_cast<std::uint8_t>(path.size()); // the depth
    put(parent);
    put(last);
    put(node.chain.view(why));
    *at++ = 0; // the key is a number of 33 bytes
    put(node.key.view(why));
    return out;
}

} // namespace redoubt::crypto
