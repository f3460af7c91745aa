// SPDX-License-Identifier: Apache-2.0
// A key's counters, sealed: how much of its limits is used, as of which write, and which enclave counts.
// docs/formats/sealed.md. The clear head is authenticated data, as of key records.
//
// Order. An enclave that begins to count opens a new term, on the record that the store holds (`base`), and
// numbers its writes from 1. The store takes a record if it is the next of its term (same term, higher
// sequence), or the first of the next term and made on exactly the record that is there. So what an enclave
// wrote that no longer counts is refused, and so is its answer.
#pragma once

#include "sealed/key_record.h"

#include <optional>

namespace redoubt::sealed {

struct CounterHead {
    KeyId key{};
    std::uint64_t term = 0;     // 1 …
    std::uint64_t sequence = 0; // 1 … within the term
    std::uint64_t base = 0;     // of the term before: the last sequence that this term counts; 0 in term 1
    ByteArray<8> owner{};       // the enclave that counts: its tag
    UnixMs lease_until = 0;     // until then no other enclave opens a new term (trusted time)
    bool operator==(const CounterHead&) const = default;
};

// May `next` take the place of `stored`? The store's rule; nothing stored: term 1, base 0. A term is one
// enclave's: a record of the same term and another owner, or on a lower base, never follows. The first record
// of a term that reaches the store need not be the first that was made.
bool may_follow(const std::optional<CounterHead>& stored, const CounterHead& next) noexcept;
// Is what `earlier` counts in `stored`, so that it need not be stored any more? The same enclave's, of the
// same term, on the same base, and of the same or a later sequence. On another base it is not: between the
// two the enclave took in what others counted meanwhile, each part by the larger number, and what it had
// counted itself may be lost in that.
bool covers(const CounterHead& stored, const CounterHead& earlier) noexcept;

inline constexpr std::size_t kMaxCounterRecord = 64 * 1024;
inline constexpr std::size_t kMaxCounterUsage = kMaxCounterRecord - 256; // in a record, bytes

// The key that seals a key's counters: HKDF-SHA256 of its secret (private key or seed), salt = key id, info =
// "redoubt counters v1". So they follow the key from vault to vault.
Secret counter_key(const Secret& key_secret, const KeyId& id);

Result<CounterHead> read_counter_head(ByteView record); // unauthenticated. Error: RecordInvalid
// A head or a usage that no record can hold ends the process. A fresh HKDF salt each time.
Bytes seal_counters(const Secret& counter_key, const CounterHead& head, ByteView usage,
                    crypto::Random& random);
struct OpenedCounters {
    CounterHead head;
    Bytes usage;
};
Result<OpenedCounters> open_counters(const Secret& counter_key, ByteView record); // Error: RecordInvalid

} // namespace redoubt::sealed
