// SPDX-License-Identifier: Apache-2.0
// Where sealed records live. A store holds nothing that signs without the enclave, and is not trusted:
// whatever it returns, the enclave checks. What a change acknowledged survives kill -9 and power loss.
// Implementations are thread-safe.
#pragma once

#include "base/result.h"
#include "sealed/counter_record.h"
#include "sealed/vault_record.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace redoubt::aws {
struct Credentials;
}
namespace redoubt::net {
class TlsContext;
}

namespace redoubt::store {

struct StoredKey {
    sealed::KeyHead head; // as read from the record, unauthenticated
    Bytes record;
};

// Which keys a list has; what is empty does not matter.
struct KeyFilter {
    std::optional<sealed::VaultId> vault{};
    std::optional<ByteArray<20>> address{};
    std::optional<sealed::State> state{};
    std::optional<std::string> label{}; // the whole of it
    std::vector<sealed::Tag> tags{};    // all of them
    bool matches(const sealed::KeyHead& head) const;
};

// A place in the order of creation: after the key of this time and id, whether or not it still exists.
struct Position {
    UnixMs created = 0;
    sealed::KeyId id{};
    bool operator==(const Position&) const = default;
};

struct KeyPage {
    std::vector<StoredKey> keys;
    std::optional<Position> next; // where to go on; nothing: these were the last
};

// Records that a list looks at, at most, before it answers with what it has found and where to go on.
// Filters by vault or address need not look at others.
inline constexpr std::size_t kMaxScanned = 10'000;
inline constexpr std::size_t kMaxPolicy = 64 * 1024;

class Store {
  public:
    virtual ~Store() = default;
    // A new key. Error: Conflict (the id exists, or was a deleted key's: SQLite and PostgreSQL remember those
    // for good, Secrets Manager does not), RecordInvalid, StoreFailed.
    virtual Status put_key(ByteView record) = 0;
    // Puts the record in the place of the one with its id and a lower revision. The very same record again is
    // no error. Error: UnknownKey (no such id), Conflict (the stored one's revision is not lower),
    // RecordInvalid, StoreFailed.
    virtual Status update_key(ByteView record) = 0;
    virtual Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) = 0;
    // What get_key gives for each, in the order of the ids: one that fails is no other's failure. How many of
    // them together cost less than one by one; more are asked for in several calls.
    virtual std::vector<Result<std::optional<Bytes>>> get_keys(std::span<const sealed::KeyId> ids);
    virtual std::size_t keys_at_once() const noexcept { return 1; }
    // In order of creation (then id), after `after`, at most `limit` (at least 1) keys.
    virtual Result<KeyPage> list_keys(const KeyFilter& filter, std::optional<Position> after,
                                      std::size_t limit) = 0;
    // Deletes keys whose deletion is due at `now`, at most `limit`, and tells which.
    virtual Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs now, std::size_t limit) = 0;

    virtual Status put_vault(ByteView record) = 0; // Error: Conflict, RecordInvalid, StoreFailed
    virtual Result<std::vector<Bytes>> list_vaults() = 0;
    virtual Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) = 0;

    // Policy documents, 1 … kMaxPolicy bytes, by their SHA-256: one that is there already is no error. Error:
    // RecordInvalid (size), StoreFailed.
    virtual Status put_policy(ByteView document) = 0;
    virtual Result<std::optional<Bytes>> get_policy(const Hash32& digest) = 0;

    // A key's counters, in the place of those that are there if sealed::may_follow says so, in one step. A
    // record that what is there sealed::covers is no error, and changes nothing: so of an enclave's writes
    // that overtake each other all are acknowledged. They are deleted with their key. Error: Conflict (the
    // record may not follow; read the one that is there again), RecordInvalid, StoreFailed.
    virtual Status put_counters(ByteView record) = 0;
    virtual Result<std::optional<Bytes>> get_counters(const sealed::KeyId& id) = 0;
};

// SQLite, WAL, synchronous full. Error: StoreFailed.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path);

// PostgreSQL, for gateways on many hosts: "postgresql://user@host/database?sslmode=verify-full", as libpq
// takes it; no password in it. The schema is made when it is missing. Error: StoreFailed.
Result<std::unique_ptr<Store>> open_postgres_store(const std::string& target);

// AWS Secrets Manager: one secret for each record, named PREFIX/keys/key-…, PREFIX/vaults/vault-…,
// PREFIX/policies/<digest>, PREFIX/counters/key-…. For some thousand keys that an AWS account's own tools
// shall see; every other store is faster and cheaper. docs/store.md.
struct SecretsStoreOptions {
    std::string prefix;   // 1 … 128 characters of A-Z a-z 0-9 / _ + = . @ -
    std::string endpoint; // URL, as aws::SecretsClient takes it
    std::string region;
    const net::TlsContext* tls = nullptr; // outlives the store; null for http endpoints
    // Current credentials; called before each request, from any thread.
    std::function<Result<std::shared_ptr<const aws::Credentials>>()> credentials;
    // How old what lists of keys are made from may be; changes through this store are in them at once.
    int max_list_age_ms = 30'000;
};
Result<std::unique_ptr<Store>> open_secrets_store(SecretsStoreOptions options);

// A target "secretsmanager:PREFIX": its prefix; nothing for other targets.
std::optional<std::string> secrets_store_prefix(const std::string& target);

// SQLite or PostgreSQL, by the target's form. Error: StoreFailed; also for a Secrets Manager target, which
// needs options.
Result<std::unique_ptr<Store>> open_store(const std::string& target);

} // namespace redoubt::store
