// SPDX-License-Identifier: Apache-2.0
// The store in AWS Secrets Manager: one secret for each record, its bytes as SecretBinary.
//
//   PREFIX/keys/key-<32 hex>       a key's record; its VersionIds: random for the first record, later ones'
//                                  the SHA-256
//   PREFIX/vaults/vault-<32 hex>   a vault's
//   PREFIX/policies/<64 hex>       a policy document, by its SHA-256
//   PREFIX/counters/key-<32 hex>   the record of a key's counters, as a key's record
//
// A new secret is one CreateSecret, which a lost answer makes idempotent by its token. A change is two calls:
// PutSecretValue adds a version under a staging label of its own, which nobody reads, then
// UpdateSecretVersionStage moves AWSCURRENT to it from the version that the change was made from, and from no
// other. So of two gateways that change the same key one wins and the other sees it.
#include "store/names.h"
#include "store/record_checks.h"
#include "store/secrets_calls.h"
#include "store/secrets_index.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace redoubt::store {

namespace {

constexpr const char* kCurrent = "AWSCURRENT";
constexpr const char* kPending = "REDOUBTPENDING"; // on the version that was put last
constexpr std::size_t kFetchers = 8;
constexpr int kUpdateAttempts = 8;
constexpr std::size_t kMaxPages = 10'000; // of 100 secrets: more than an account may have

class SecretsStore final : public Store {
  public:
    explicit SecretsStore(SecretsStoreOptions options)
        : prefix_(options.prefix), max_list_age_ms_(options.max_list_age_ms), calls_(std::move(options)) {}

    Status put_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        REDOUBT_TRY(auto version, create(key_name(head.id), record));
        index_.put(head, record, std::move(version));
        return {};
    }

    Status update_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        const std::string name = key_name(head.id);
        const std::string version = to_hex(crypto::sha256(record));
        for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
            REDOUBT_TRY(const auto stored, current(name));
            if (!stored)
                return unknown_key();
            const auto before = sealed::read_key_head(stored->value);
            if (!before || before->id != head.id)
                return damaged_record();
            const bool same = same_bytes(stored->value, record);
            if (!same && before->revision >= head.revision)
                return newer_revision();
            const Status changed = same ? Status{} : replace(name, record, stored->id, version);
            if (changed) {
                index_.put(head, record, same ? stored->id : version);
                return {};
            }
            if (changed.error().code != Code::Conflict && changed.error().code != Code::SecretMissing)
                return changed;
            // AWSCURRENT stands elsewhere by now, or the secret or the new version is gone: what can be read
            // now tells. AWS may take a moment to tell it.
            std::this_thread::sleep_for(std::chrono::milliseconds(50 * attempt));
        }
        return fail(Code::StoreFailed, "the key's secret changes faster than it can be read; try again");
    }

    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(key_name(id)));
        return checked_key(std::move(record), id);
    }

    Result<KeyPage> list_keys(const KeyFilter& filter, std::optional<Position> after,
                              std::size_t limit) override {
        REDOUBT_CHECK(refresh());
        return index_.list(filter, after, limit);
    }

    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs now, std::size_t limit) override {
        REDOUBT_CHECK(refresh());
        std::vector<sealed::KeyId> out;
        for (const auto& listed : index_.due(now, limit)) {
            const std::string name = key_name(listed.id);
            // Its deletion may have been taken back since the list was made.
            REDOUBT_TRY(const auto stored, current(name));
            if (stored) {
                const auto head = sealed::read_key_head(stored->value);
                if (!head || head->id != listed.id)
                    continue;
                if (!deletion_due(*head, now)) {
                    index_.put(*head, stored->value, stored->id);
                    continue;
                }
                REDOUBT_CHECK(
                    calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
                        return client.delete_secret(name, credentials);
                    }));
                // If this fails, they stay: nothing uses them without the key.
                const Status uncounted =
                    calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
                        return client.delete_secret(counters_name(listed.id), credentials);
                    });
                if (!uncounted)
                    log(LogLevel::Warning, "store_counters_left", {{"key", sealed::key_id_text(listed.id)}});
                out.push_back(listed.id);
            }
            index_.erase(listed);
        }
        return out;
    }

    Status put_vault(ByteView record) override {
        REDOUBT_TRY(const auto vault, sealed::decode_vault(record));
        REDOUBT_CHECK(create(vault_name(vault.id), record));
        return {};
    }

    Result<std::vector<Bytes>> list_vaults() override {
        REDOUBT_TRY(const auto listed, list(prefix_ + "/vaults/vault-"));
        std::vector<std::pair<SecretsIndex::Place, Bytes>> vaults; // VaultId and KeyId are of one type
        for (const auto& secret : listed) {
            const auto id = sealed::parse_vault_id(secret.name.substr(prefix_.size() + 8));
            if (!id)
                continue; // somebody else's
            REDOUBT_TRY(auto record, get_vault(*id));
            if (!record)
                continue; // deleted since it was listed
            REDOUBT_TRY(const auto vault, sealed::decode_vault(*record));
            vaults.emplace_back(SecretsIndex::Place{vault.created, *id}, std::move(*record));
        }
        std::ranges::sort(vaults);
        std::vector<Bytes> out;
        for (auto& [place, record] : vaults)
            out.push_back(std::move(record));
        return out;
    }

    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override {
        REDOUBT_TRY(auto record, get(vault_name(id)));
        return checked_vault(std::move(record), id);
    }

    Status put_policy(ByteView document) override {
        REDOUBT_TRY(const Hash32 digest, new_policy_digest(document));
        const auto created = create(policy_name(digest), document);
        if (created)
            return {};
        if (created.error().code != Code::Conflict)
            return std::unexpected(created.error());
        REDOUBT_CHECK(get_policy(digest)); // it is there already: is it that?
        return {};
    }

    Result<std::optional<Bytes>> get_policy(const Hash32& digest) override {
        REDOUBT_TRY(auto document, get(policy_name(digest)));
        return checked_policy(std::move(document), digest);
    }

    Status put_counters(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_counter_head(record));
        const std::string name = counters_name(head.key);
        const std::string version = to_hex(crypto::sha256(record));
        for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
            REDOUBT_TRY(const auto stored, current(name));
            REDOUBT_TRY(const bool change,
                        counters_change(stored ? std::optional(stored->value) : std::nullopt, head));
            if (!change)
                return {};
            Status changed;
            if (stored)
                changed = replace(name, record, stored->id, version);
            else if (const auto created = create(name, record); !created)
                changed = std::unexpected(created.error());
            if (changed)
                return {};
            if (changed.error().code != Code::Conflict && changed.error().code != Code::SecretMissing)
                return changed;
            std::this_thread::sleep_for(std::chrono::milliseconds(50 * attempt)); // as update_key
        }
        return counted_elsewhere();
    }

    Result<std::optional<Bytes>> get_counters(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(counters_name(id)));
        return checked_counters(std::move(record), id);
    }

  private:
    std::string key_name(const sealed::KeyId& id) const {
        return prefix_ + "/keys/" + sealed::key_id_text(id);
    }
    std::string counters_name(const sealed::KeyId& id) const {
        return prefix_ + "/counters/" + sealed::key_id_text(id);
    }
    std::string vault_name(const sealed::VaultId& id) const {
        return prefix_ + "/vaults/" + sealed::vault_id_text(id);
    }
    std::string policy_name(const Hash32& digest) const { return prefix_ + "/policies/" + to_hex(digest); }

    // A new secret; tells its version's id. That is random, so that a repeated call is known from a second
    // one with the same record. Error: Conflict, StoreFailed.
    Result<std::string> create(const std::string& name, ByteView value) {
        crypto::SystemRandom random;
        std::string version = to_hex(random.array<16>());
        const Status created =
            calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
                return client.create_secret(name, value, version, credentials);
            });
        if (!created && created.error().code == Code::Conflict)
            return exists_already();
        REDOUBT_CHECK(created);
        return version;
    }

    // Error: Conflict (AWSCURRENT is not on `from`), SecretMissing, StoreFailed.
    Status replace(const std::string& name, ByteView value, const std::string& from, const std::string& to) {
        REDOUBT_CHECK(calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
            return client.put_secret_value(name, value, to, kPending, credentials);
        }));
        return calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
            return client.move_stage(name, kCurrent, from, to, credentials);
        });
    }

    Result<std::optional<aws::SecretVersion>> current(const std::string& name) {
        auto version = calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
            return client.get_current_version(name, credentials);
        });
        if (!version && version.error().code == Code::SecretMissing)
            return std::nullopt;
        REDOUBT_CHECK(version);
        return std::move(*version);
    }

    Result<std::optional<Bytes>> get(const std::string& name) {
        REDOUBT_TRY(auto version, current(name));
        if (!version)
            return std::nullopt;
        return std::move(version->value);
    }

    Result<std::vector<aws::ListedSecret>> list(const std::string& prefix) {
        std::vector<aws::ListedSecret> out;
        std::string next;
        for (std::size_t pages = 0; pages < kMaxPages; ++pages) {
            REDOUBT_TRY(auto page,
                        calls_.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
                            return client.list_secrets(prefix, next, credentials);
                        }));
            for (auto& secret : page.secrets)
                if (secret.name.starts_with(prefix))
                    out.push_back(std::move(secret));
            next = std::move(page.next);
            if (next.empty())
                return out;
        }
        return fail(Code::StoreFailed, "Secrets Manager's list of secrets does not end");
    }

    // Reads what changed since the index was made, when that is too long ago.
    Status refresh() {
        const std::lock_guard lock(refresh_mutex_);
        if (const auto age = index_.age_ms(); age && *age < max_list_age_ms_)
            return {};
        const std::int64_t began = monotonic_ms();
        REDOUBT_TRY(const auto listed, list(prefix_ + "/keys/key-"));
        SecretsIndex::Entries entries;
        std::vector<sealed::KeyId> asked, unknown;
        for (const auto& secret : listed) {
            const auto id = sealed::parse_key_id(secret.name.substr(prefix_.size() + 6));
            if (!id || secret.current.empty())
                continue; // somebody else's
            asked.push_back(*id);
            if (auto known = index_.find(*id, secret.current))
                entries.insert(std::move(*known));
            else
                unknown.push_back(*id);
        }
        std::ranges::sort(asked);
        for (const auto& id : index_.recent())
            if (!std::ranges::binary_search(asked, id))
                unknown.push_back(id);
        REDOUBT_TRY(auto versions, fetch(unknown));
        std::size_t damaged = 0;
        for (std::size_t i = 0; i < unknown.size(); ++i) {
            if (!versions[i])
                continue;
            const auto head = sealed::read_key_head(versions[i]->value);
            if (!head || head->id != unknown[i]) {
                if (damaged++ == 0)
                    log(LogLevel::Warning, "store_records_damaged",
                        {{"first", sealed::key_id_text(unknown[i])}});
                continue;
            }
            entries[{head->created, head->id}] = {std::move(versions[i]->value), head->revision,
                                                  std::move(versions[i]->id), -1};
        }
        index_.replace(std::move(entries), began);
        return {};
    }

    // The current versions of these keys' secrets; nothing for one that is gone. Some at once: each call
    // takes a journey to AWS and back.
    Result<std::vector<std::optional<aws::SecretVersion>>> fetch(const std::vector<sealed::KeyId>& ids) {
        std::vector<std::optional<aws::SecretVersion>> out(ids.size());
        std::atomic<std::size_t> next{0};
        std::mutex mutex;
        Status outcome;
        const auto work = [&] {
            for (std::size_t i = next++; i < ids.size(); i = next++) {
                auto version = current(key_name(ids[i]));
                if (version) {
                    out[i] = std::move(*version);
                    continue;
                }
                const std::lock_guard lock(mutex);
                outcome = std::unexpected(version.error());
                next = ids.size();
            }
        };
        std::vector<std::thread> fetchers;
        for (std::size_t i = 1; i < std::min(kFetchers, ids.size()); ++i)
            fetchers.emplace_back(work);
        work();
        for (auto& fetcher : fetchers)
            fetcher.join();
        REDOUBT_CHECK(outcome);
        return out;
    }

    const std::string prefix_;
    const int max_list_age_ms_;
    SecretsCalls calls_;
    std::mutex refresh_mutex_;
    SecretsIndex index_;
};

} // namespace

Result<std::unique_ptr<Store>> open_secrets_store(SecretsStoreOptions options) {
    if (!valid_secrets_prefix(options.prefix))
        return bad_secrets_prefix();
    if (!options.credentials)
        return fail(Code::StoreFailed, "a store in Secrets Manager needs AWS credentials");
    return std::make_unique<SecretsStore>(std::move(options));
}

} // namespace redoubt::store
