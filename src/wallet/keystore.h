// SPDX-License-Identifier: Apache-2.0
// Keystore files: a private key encrypted with a password, version 3 of the Web3 Secret Storage definition,
// as geth, ethers, Foundry and the Python wallets write them. For clients, which import the key; the enclave
// knows neither the file nor the password.
//
// The file is strict JSON. `version` is 3; `crypto` (or `Crypto`, as the first geths wrote it; never both)
// has exactly {cipher, cipherparams: {iv}, ciphertext, kdf, kdfparams, mac}; `address` may be there. Wallets
// add members of their own beside these (id, name, meta, x-ethers): they are passed over, unless they are one
// of the three in other letters, which other readers would take for it. All bytes are hexadecimal in either
// case, with or without 0x; numbers are integers written as such.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "wallet/password_kdf.h"

#include <optional>
#include <string_view>
#include <variant>

namespace redoubt::wallet {

// Bounds of this program; the definition states none.
inline constexpr std::size_t kMaxKeystore = 64 * 1024;          // bytes of the file
inline constexpr std::size_t kMaxKeystorePassword = 1024;       // bytes
inline constexpr std::size_t kMaxKeystoreSalt = 1024;           // bytes; at least 1
inline constexpr std::uint32_t kMaxKeystoreRounds = 10'000'000; // of PBKDF2; at least 1

struct Pbkdf2Cost {
    std::uint32_t rounds = 0;

    bool operator==(const Pbkdf2Cost&) const = default;
};

// A file that is well formed, as parse_keystore gives it; whether a password fits is not known yet.
struct Keystore {
    std::variant<ScryptCost, Pbkdf2Cost> kdf; // PBKDF2 is with HMAC-SHA256; either derives 32 bytes
    Bytes salt;
    ByteArray<16> iv;                     // AES-128-CTR's first counter block
    ByteArray<32> ciphertext;             // of the private key
    Hash32 mac;                           // Keccak-256 of the derived key's second half and the ciphertext
    std::optional<ByteArray<20>> address; // not authenticated by anything: see KeystoreKey

    bool operator==(const Keystore&) const = default;
};

struct KeystoreKey {
    Secret key; // 32 bytes; whether they are a private key of secp256k1 is for the caller to see
    // What the file says, which its password does not protect: the caller compares it with the key's own.
    std::optional<ByteArray<20>> address;
};

// Computes nothing that a password would be needed for. Error: InvalidField: the sentence names the member.
Result<Keystore> parse_keystore(std::string_view json);

// Takes as long, and as much memory, as the file's KDF asks for: with the costliest parameters that are
// accepted a minute and 1 GiB. The password is the very bytes: wallets that take passwords in Unicode's NFKD
// or NFKC differ from those that do not, where it is not ASCII.
// Errors: Unauthorized: the password is wrong, or the file was altered (nothing was decrypted); InvalidField:
// a password of more than 1024 bytes; Internal: there is too little memory.
Result<KeystoreKey> decrypt_keystore(const Keystore& keystore, const Secret& password);

// Both. Errors: theirs.
Result<KeystoreKey> open_keystore(std::string_view json, const Secret& password);

} // namespace redoubt::wallet
