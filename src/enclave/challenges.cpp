// SPDX-License-Identifier: Apache-2.0
#include "enclave/challenges.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <charconv>
#include <span>

namespace redoubt::enclave {

namespace {

// TAG-RANDOM-END-MAC, each in lower-case hexadecimal.
constexpr std::size_t kTagAt = 0, kTagSize = 16;
constexpr std::size_t kRandomAt = kTagAt + kTagSize + 1, kRandomSize = 32;
constexpr std::size_t kEndAt = kRandomAt + kRandomSize + 1, kEndSize = 16;
constexpr std::size_t kHeadSize = kEndAt + kEndSize;
constexpr std::size_t kMacSize = 32; // half of HMAC-SHA256
constexpr std::size_t kSize = kHeadSize + 1 + kMacSize;

std::string hex_of(UnixMs time) {
    ByteArray<8> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(time) >> (56 - 8 * i));
    return to_hex(bytes);
}

// Of a text whose MAC is right: it was made by hex_of.
UnixMs time_of(std::string_view hex) noexcept {
    std::uint64_t out = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), out, 16);
    return static_cast<UnixMs>(out);
}

} // namespace

Challenges::Challenges(const ByteArray<8>& tag, crypto::Random& random)
    : tag_(tag), random_(random), key_(random.secret(32)) {}

std::string Challenges::sealed(std::string head) const {
    const Hash32 mac =
        crypto::hmac_sha256(key_.view(SecretAccess("make or check a challenge's MAC")), as_bytes(head));
    return std::move(head.append("-").append(to_hex(std::span(mac).first(kMacSize / 2))));
}

std::string Challenges::issue(UnixMs now) {
    return sealed(to_hex(tag_) + "-" + to_hex(random_.array<kRandomSize / 2>()) + "-" +
                  hex_of(now + kLifeMs));
}

Status Challenges::take(std::string_view challenge, UnixMs now) {
    if (challenge.size() != kSize || !challenge.starts_with(to_hex(tag_)))
        return fail(
            Code::ChallengeInvalid,
            "the nonce is no challenge of this enclave: ask GET /v1/challenge for one and sign again");
    const std::string right = sealed(std::string(challenge.substr(0, kHeadSize)));
    if (!equal_constant_time(as_bytes(right), as_bytes(challenge)))
        return fail(
            Code::ChallengeInvalid,
            "the nonce is no challenge of this enclave: ask GET /v1/challenge for one and sign again");
    const UnixMs end = time_of(challenge.substr(kEndAt, kEndSize));
    if (end <= now)
        return fail(Code::ChallengeInvalid,
                    "the challenge has ended: ask GET /v1/challenge for another and sign again");

    const std::lock_guard lock(mutex_);
    while (!used_.empty() && used_.begin()->first <= now)
        used_.erase(used_.begin());
    std::pair<UnixMs, std::string> mark(end, challenge.substr(kRandomAt, kRandomSize));
    if (used_.contains(mark))
        return fail(Code::ChallengeInvalid,
                    "the challenge was used before: ask GET /v1/challenge for another and sign again");
    if (used_.size() >= kMaxUsed)
        return fail(Code::Overloaded, "too many challenges were used in the last minutes: try again later");
    used_.insert(std::move(mark));
    return {};
}

} // namespace redoubt::enclave
