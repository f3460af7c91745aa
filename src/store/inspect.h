// SPDX-License-Identifier: Apache-2.0
// Looks a SQLite store over without changing it, for diagnosis: the database's integrity, then every record's
// head. A gateway may have the same file open.
#pragma once

#include "store/store.h"

#include <functional>

namespace redoubt::store {

struct Inspection {
    // Damaged: the head cannot be read, or is not what the row's columns say.
    std::uint64_t keys = 0, damaged_keys = 0;
    std::uint64_t damaged_vaults = 0;
    std::uint64_t policies = 0, damaged_policies = 0; // damaged: not its digest's
    std::uint64_t counters = 0, damaged_counters = 0; // records of keys' counters
    std::vector<sealed::VaultRecord> vaults;
    std::string integrity; // empty: sound; else what SQLite found, its first line
};

// `key` gets each readable head. Error: StoreFailed (no such file, no database, another program's or
// version's, or one whose pages cannot be read).
Result<Inspection> inspect_sqlite_store(const std::string& path,
                                        const std::function<void(const sealed::KeyHead&)>& key);

} // namespace redoubt::store
