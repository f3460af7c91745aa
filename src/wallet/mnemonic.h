// SPDX-License-Identifier: Apache-2.0
// BIP-39 mnemonics in English: what a wallet shows as 12 to 24 words, and the seed that BIP-32 derives keys
// from (crypto/bip32.h). For clients, which hold the words of the key they import; the enclave knows seeds
// only.
//
// One spelling: words of the list in lower case, one space between two, nothing before or after. The seed is
// a function of the text's very bytes, and wallets differ in what they do with other spellings: another
// spelling is refused, and the caller who read a line end along removes it. Look-ups take the same time for
// all words of a length.
#pragma once

#include "base/result.h"
#include "base/secret.h"

namespace redoubt::wallet {

inline constexpr std::size_t kMaxPassphrase = 1024; // bytes; a bound of this program, not of BIP-39
inline constexpr std::size_t kMnemonicSeed = 64;    // bytes

// The entropy behind 12, 15, 18, 21 or 24 words: 16, 20, 24, 28 or 32 bytes. Error: InvalidField: the number
// of words, a spelling, a word that is not in the list (which one is in the context), the checksum.
Result<Secret> mnemonic_entropy(const Secret& mnemonic);

// The words of 16, 20, 24, 28 or 32 bytes. Error: InvalidField.
Result<Secret> mnemonic_of_entropy(const Secret& entropy);

// The 64-byte seed: PBKDF2-HMAC-SHA512 of the words, salted with the passphrase (empty: none), 2048 rounds.
// The mnemonic is verified first. BIP-39 takes both in Unicode's NFKD; the English words are, and of
// passphrases only printable ASCII is accepted, which is its own NFKD. Error: InvalidField.
Result<Secret> mnemonic_seed(const Secret& mnemonic, const Secret& passphrase);

} // namespace redoubt::wallet
