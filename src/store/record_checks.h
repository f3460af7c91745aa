// SPDX-License-Identifier: Apache-2.0
// What every store checks of what it is given and of the rows that it reads: that a record can be read and is
// its id's. Nothing is authenticated here; the enclave does that. Pure functions, thread-safe. Error of what
// is read: StoreFailed.
#pragma once

#include "crypto/hash.h"
#include "store/store.h"

#include <utility>

namespace redoubt::store {

inline std::unexpected<Error> damaged_record() {
    return fail(Code::StoreFailed, "the store holds a record that is damaged; restore it from a backup");
}

inline std::unexpected<Error> exists_already() {
    return fail(Code::Conflict, "the store has a record with this id already");
}

inline std::unexpected<Error> unknown_key() {
    return fail(Code::UnknownKey, "the store has no key with this id");
}

inline std::unexpected<Error> newer_revision() {
    return fail(Code::Conflict, "the key was changed meanwhile; read it again and repeat the change");
}

inline bool same_bytes(ByteView a, ByteView b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// The record of a key, or nothing, as it was looked up by `id`.
inline Result<std::optional<Bytes>> checked_key(std::optional<Bytes> record, const sealed::KeyId& id) {
    if (record) {
        const auto head = sealed::read_key_head(*record);
        if (!head || head->id != id)
            return damaged_record();
    }
    return record;
}

// The same of a vault's.
inline Result<std::optional<Bytes>> checked_vault(std::optional<Bytes> record, const sealed::VaultId& id) {
    if (record) {
        const auto vault = sealed::decode_vault(*record);
        if (!vault || vault->id != id)
            return damaged_record();
    }
    return record;
}

// A row of a list.
inline Result<Bytes> listed_vault(Bytes record) {
    if (!sealed::decode_vault(record))
        return damaged_record();
    return record;
}

// The digest of a policy document that is to be put. Error: RecordInvalid.
inline Result<Hash32> new_policy_digest(ByteView document) {
    if (document.empty() || document.size() > kMaxPolicy)
        return fail(Code::RecordInvalid, "a policy document has 1 to 65536 bytes");
    return crypto::sha256(document);
}

inline Result<std::optional<Bytes>> checked_policy(std::optional<Bytes> document, const Hash32& digest) {
    if (document && crypto::sha256(*document) != digest)
        return damaged_record();
    return document;
}

// Counters.
inline std::unexpected<Error> counted_elsewhere() {
    return fail(Code::Conflict, "the key's counters were changed meanwhile; read their record again");
}

inline Result<std::optional<Bytes>> checked_counters(std::optional<Bytes> record, const sealed::KeyId& id) {
    if (record) {
        const auto head = sealed::read_counter_head(*record);
        if (!head || head->key != id)
            return damaged_record();
    }
    return record;
}

// Whether the record with this head is to take the place of what is stored; false: there is nothing to do, as
// what is stored counts all that it counts. Error: Conflict; StoreFailed (what is stored is damaged).
inline Result<bool> counters_change(const std::optional<Bytes>& stored, const sealed::CounterHead& next) {
    if (!stored)
        return sealed::may_follow(std::nullopt, next) ? Result<bool>(true) : counted_elsewhere();
    const auto head = sealed::read_counter_head(*stored);
    if (!head || head->key != next.key)
        return damaged_record();
    if (sealed::covers(*head, next))
        return false;
    return sealed::may_follow(*head, next) ? Result<bool>(true) : counted_elsewhere();
}

// Whether the key of a record may be deleted now, whatever a column or index beside it says.
inline bool deletion_due(const sealed::KeyHead& head, UnixMs now) noexcept {
    return head.state == sealed::State::PendingDeletion && head.deletes <= now;
}

} // namespace redoubt::store
