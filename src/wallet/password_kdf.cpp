// SPDX-License-Identifier: Apache-2.0
#include "wallet/password_kdf.h"

#include "crypto/openssl.h"

#include <bit>
#include <climits>

namespace redoubt::wallet {

namespace {

constexpr std::uint32_t kMaxN = 1 << 20, kMaxR = 32, kMaxP = 16;

// OpenSSL gives null pointers a meaning of their own, so that what is empty needs an address, too.
constexpr std::uint8_t kNothing[1] = {};

const std::uint8_t* start_of(ByteView bytes) noexcept {
    return bytes.empty() ? kNothing : bytes.data();
}

std::unexpected<Error> no_memory() {
    return fail(Code::Internal, "there is too little memory for the scrypt parameters (128 * n * r bytes)");
}

std::unexpected<Error> not_valid() {
    return fail(Code::InvalidField,
                "scrypt takes n as a power of two up to 2^20 and below 2^(16 r), r up to 32, p up to 16, "
                "and 128 * n * r up to 1 GiB");
}

} // namespace

Secret pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t rounds, std::size_t size) {
    constexpr std::size_t kMost = INT_MAX; // OpenSSL counts in int
    crypto::require_openssl(rounds >= 1 && rounds <= kMost && size >= 1 && size <= kMost &&
                            password.size() <= kMost && salt.size() <= kMost);
    Secret out(size);
    const auto bytes = out.mutable_view(SecretAccess("derive a key with PBKDF2"));
    crypto::require_openssl(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(start_of(password)),
                                              static_cast<int>(password.size()), start_of(salt),
                                              static_cast<int>(salt.size()), static_cast<int>(rounds),
                                              EVP_sha256(), static_cast<int>(size), bytes.data()) == 1);
    return out;
}

bool is_valid(const ScryptCost& cost) noexcept {
    return cost.n >= 2 && cost.n <= kMaxN && std::has_single_bit(cost.n) && cost.r >= 1 && cost.r <= kMaxR &&
           cost.p >= 1 && cost.p <= kMaxP && std::uint64_t{128} * cost.n * cost.r <= kMaxScryptMemory &&
           (cost.r > 1 || cost.n < 1 << 16); // with r of 2 and more n is below 2^(16 r) anyway
}

Result<Secret> scrypt(ByteView password, ByteView salt, const ScryptCost& cost, std::size_t size) {
    if (!is_valid(cost))
        return not_valid();
    // OpenSSL counts what the p lanes and the mixing need beside the tables, too.
    const std::uint64_t memory = std::uint64_t{128} * cost.r * (std::uint64_t{cost.n} + cost.p + 2);
    Secret out(size);
    const auto bytes = out.mutable_view(SecretAccess("derive a key with scrypt"));
    if (EVP_PBE_scrypt(reinterpret_cast<const char*>(start_of(password)), password.size(), start_of(salt),
                       salt.size(), cost.n, cost.r, cost.p, memory, bytes.data(), bytes.size()) != 1) {
        crypto::forget_openssl_errors();
        return no_memory();
    }
    return out;
}

} // namespace redoubt::wallet
