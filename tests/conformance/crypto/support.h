// SPDX-License-Identifier: Apache-2.0
// Reading the vectors of keys, and the text forms that only tests need.
#pragma once

#include "conformance/ethereum/support.h"
#include "crypto/bip32.h"
#include "crypto/hash.h"

#include <iostream>

namespace redoubt::crypto {

using ethereum::bytes_of;
using ethereum::text_of;
using ethereum::VectorFile;

inline const Secp256k1& curve() {
    static const Secp256k1 instance(Hash32{1, 6, 1, 8});
    return instance;
}

inline Secret secret_of_hex(std::string_view hex) {
    return Secret::copy_of(bytes_of(hex));
}

inline std::string hex_of(const Result<Secret>& secret) {
    return secret ? to_hex(secret->view(SecretAccess("compare it in a test"))) : secret.error().describe();
}

template<std::size_t N = 32>
ByteArray<N> array_of(ByteView bytes) {
    const auto out = to_array<N>(bytes);
    if (!out)
        throw std::runtime_error("bytes of another length were expected");
    return *out;
}

// Base58Check: base 58 of the bytes and the first four of their double SHA-256.
inline std::string base58_check(ByteView bytes) {
    constexpr std::string_view kDigits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    Bytes number = to_bytes(bytes);
    append(number, ByteView(sha256(sha256(bytes))).first(4));
    std::string out;
    while (std::ranges::any_of(number, [](std::uint8_t b) { return b != 0; })) {
        unsigned remainder = 0;
        for (auto& byte : number) {
            remainder = remainder << 8 | byte;
            byte = static_cast<std::uint8_t>(remainder / 58);
            remainder %= 58;
        }
        out.insert(out.begin(), kDigits[remainder]);
    }
    for (std::size_t i = 0; i < bytes.size() && bytes[i] == 0; ++i)
        out.insert(out.begin(), '1');
    return out;
}

// "xprv…" of derive_extended_key's bytes, and "xpub…" made of them with this floor's public keys.
inline std::string xprv_of(const Result<Secret>& extended) {
    return extended ? base58_check(extended->view(SecretAccess("compare it in a test")))
                    : extended.error().describe();
}

inline std::string xpub_of(const Result<Secret>& extended) {
    if (!extended)
        return extended.error().describe();
    const ByteView bytes = extended->view(SecretAccess("compare it in a test"));
    Bytes out = {0x04, 0x88, 0xb2, 0x1e};
    append(out, bytes.subspan(4, 41));
    append(out, compressed(curve().public_key(Secret::copy_of(bytes.last(32))).value()));
    return base58_check(out);
}

} // namespace redoubt::crypto
