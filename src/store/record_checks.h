// SPDX-License-Identifier: Apache-2.0
// What every store checks of the rows that it reads: that a record can be read and is its id's. Nothing is
// authenticated here; the enclave does that. Pure functions, thread-safe. Error: StoreFailed.
#pragma once

#include "store/store.h"

#include <utility>

namespace redoubt::store {

inline std::unexpected<Error> damaged_record() {
    return fail(Code::StoreFailed, "the store holds a record that is damaged; restore it from a backup");
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
inline Result<StoredKey> listed_key(Bytes record) {
    const auto head = sealed::read_key_head(record);
    if (!head)
        return damaged_record();
    return StoredKey{*head, std::move(record)};
}

inline Result<Bytes> listed_vault(Bytes record) {
    if (!sealed::decode_vault(record))
        return damaged_record();
    return record;
}

} // namespace redoubt::store
