// SPDX-License-Identifier: Apache-2.0
#include "sealed/counter_record.h"

#include "base/cursor.h"
#include "crypto/hash.h"
#include "sealed/sealing_key.h"

#include <cstdio>
#include <cstdlib>

namespace redoubt::sealed {

namespace {

constexpr std::string_view kMagic = "RDCT";
constexpr std::uint16_t kVersion = 1;
constexpr std::string_view kCounterKeyInfo = "redoubt counters v1";
constexpr std::string_view kSealInfo = "redoubt counter record v1";

std::unexpected<Error> refused() {
    return fail(Code::RecordInvalid,
                "the record of the key's counters is damaged, of an unknown version, or not this key's");
}

bool valid_head(const CounterHead& head) noexcept {
    return head.term >= 1 && head.sequence >= 1 && (head.term == 1) == (head.base == 0) &&
           head.lease_until >= 0;
}

struct Parts {
    CounterHead head;
    Hash32 salt;
    ByteView authenticated, ciphertext;
};

Result<Parts> parse(ByteView record) {
    if (record.size() > kMaxCounterRecord)
        return refused();
    Cursor cursor(record);
    Parts parts;
    const auto magic = cursor.take(kMagic.size());
    const std::uint16_t version = cursor.u16();
    if (as_text(magic) != kMagic || version != kVersion)
        return refused();
    parts.head.key = cursor.array<16>();
    parts.head.term = cursor.u64();
    parts.head.sequence = cursor.u64();
    parts.head.base = cursor.u64();
    parts.head.owner = cursor.array<8>();
    const std::uint64_t lease_until = cursor.u64();
    parts.salt = cursor.array<32>();
    parts.ciphertext = cursor.rest();
    parts.authenticated = record.first(record.size() - parts.ciphertext.size());
    if (!cursor.ok() || parts.ciphertext.size() < crypto::kAeadTagSize ||
        parts.ciphertext.size() - crypto::kAeadTagSize > kMaxCounterUsage ||
        lease_until > static_cast<std::uint64_t>(INT64_MAX))
        return refused();
    parts.head.lease_until = static_cast<UnixMs>(lease_until);
    if (!valid_head(parts.head))
        return refused();
    return parts;
}

} // namespace

bool may_follow(const std::optional<CounterHead>& stored, const CounterHead& next) noexcept {
    if (!valid_head(next))
        return false;
    if (!stored)
        return next.term == 1;
    if (stored->key != next.key)
        return false;
    if (stored->term == next.term)
        return stored->owner == next.owner && stored->base <= next.base && stored->sequence < next.sequence;
    // Written so that nothing overflows: the last term has no next one.
    return stored->term < next.term && next.term - stored->term == 1 && next.base == stored->sequence;
}

bool covers(const CounterHead& stored, const CounterHead& earlier) noexcept {
    return stored.key == earlier.key && stored.term == earlier.term && stored.owner == earlier.owner &&
           stored.base == earlier.base && stored.sequence >= earlier.sequence;
}

Secret counter_key(const Secret& key_secret, const KeyId& id) {
    return crypto::hkdf_sha256(key_secret.view(SecretAccess("derive the key of a key's counters")), id,
                               as_bytes(kCounterKeyInfo), crypto::kAeadKeySize);
}

Result<CounterHead> read_counter_head(ByteView record) {
    REDOUBT_TRY(const Parts parts, parse(record));
    return parts.head;
}

Bytes seal_counters(const Secret& counter_key, const CounterHead& head, ByteView usage,
                    crypto::Random& random) {
    if (!valid_head(head) || usage.size() > kMaxCounterUsage) {
        std::fputs("redoubt: counters that no record can hold were to be sealed\n", stderr);
        std::abort();
    }
    const Hash32 salt = random.array<32>();
    Bytes out;
    Writer(out)
        .bytes(as_bytes(kMagic))
        .u16(kVersion)
        .bytes(head.key)
        .u64(head.term)
        .u64(head.sequence)
        .u64(head.base)
        .bytes(head.owner)
        .u64(static_cast<std::uint64_t>(head.lease_until))
        .bytes(salt);
    const SealingKey sealing = sealing_key(counter_key, salt, kSealInfo);
    append(out, crypto::aead_seal(sealing.key, sealing.nonce, out, usage));
    return out;
}

Result<OpenedCounters> open_counters(const Secret& counter_key, ByteView record) {
    REDOUBT_TRY(const Parts parts, parse(record));
    const SealingKey sealing = sealing_key(counter_key, parts.salt, kSealInfo);
    const auto usage = crypto::aead_open(sealing.key, sealing.nonce, parts.authenticated, parts.ciphertext);
    if (!usage)
        return refused();
    return OpenedCounters{parts.head,
                          to_bytes(usage->view(SecretAccess("what was used is the policy's to compare")))};
}

} // namespace redoubt::sealed
