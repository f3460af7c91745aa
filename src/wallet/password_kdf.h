// SPDX-License-Identifier: Apache-2.0
// Keys from passwords, as keystore files (wallet/keystore.h) ask for them. For clients: the enclave knows no
// passwords.
#pragma once

#include "base/result.h"
#include "base/secret.h"

namespace redoubt::wallet {

// RFC 8018, 5.2, with HMAC-SHA256. At least one round; `size` is not zero.
Secret pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t rounds, std::size_t size);

// What scrypt costs: it writes 128 · n · r bytes once and reads as many at places that depend on the
// password, p times.
struct ScryptCost {
    std::uint32_t n = 0; // a power of two, 2 … 2^20
    std::uint32_t r = 0; // 1 … 32
    std::uint32_t p = 0; // 1 … 16

    bool operator==(const ScryptCost&) const = default;
};

inline constexpr std::uint64_t kMaxScryptMemory = std::uint64_t{1} << 30; // bytes: of 128 · n · r

// Within the ranges above and kMaxScryptMemory, which are bounds of this program, and n < 2^(16 r), which is
// RFC 7914's (section 2) and OpenSSL's. Some old Python wallets wrote r = 1 with n = 2^18: their files are
// refused.
bool is_valid(const ScryptCost& cost) noexcept;

// RFC 7914, by OpenSSL. The time and the addresses that are read depend on the password: scrypt is made so.
// Its memory is wiped by OpenSSL, but it is not locked. Errors: InvalidField: the cost is not valid;
// Internal: there is not so much memory.
Result<Secret> scrypt(ByteView password, ByteView salt, const ScryptCost& cost, std::size_t size);

} // namespace redoubt::wallet
