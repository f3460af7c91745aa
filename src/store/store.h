// SPDX-License-Identifier: Apache-2.0
// Where sealed records live. A store holds nothing that signs without the enclave, and is not trusted:
// whatever it returns, the enclave checks. What put_* acknowledged survives kill -9 and power loss.
// Implementations are thread-safe.
#pragma once

#include "base/result.h"
#include "sealed/vault_record.h"

#include <memory>
#include <optional>
#include <vector>

namespace redoubt::store {

struct StoredKey {
    sealed::KeyHead head; // as read from the record, unauthenticated
    Bytes record;
};

class Store {
  public:
    virtual ~Store() = default;
    // A new key. Error: Conflict (the id exists), RecordInvalid, StoreFailed.
    virtual Status put_key(ByteView record) = 0;
    virtual Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) = 0;
    // In order of creation (then id), after `after`, at most `limit`. After an id that the store does not
    // have comes nothing.
    virtual Result<std::vector<StoredKey>> list_keys(std::optional<sealed::KeyId> after,
                                                     std::size_t limit) = 0;

    virtual Status put_vault(ByteView record) = 0; // Error: Conflict, RecordInvalid, StoreFailed
    virtual Result<std::vector<Bytes>> list_vaults() = 0;
    virtual Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) = 0;
};

// SQLite, WAL, synchronous full. Error: StoreFailed.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path);

// PostgreSQL, for gateways on many hosts: "postgresql://user@host/database?sslmode=verify-full", as libpq
// takes it; no password in it. The schema is made when it is missing. Error: StoreFailed.
Result<std::unique_ptr<Store>> open_postgres_store(const std::string& target);

// Either, by the target's form.
Result<std::unique_ptr<Store>> open_store(const std::string& target);

} // namespace redoubt::store
