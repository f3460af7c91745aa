// SPDX-License-Identifier: Apache-2.0
// Opened keys, bounded in number and age; the least recently used goes first, and its secret is wiped with
// it. Thread-safe.
#pragma once

#include "crypto/bip32.h"
#include "enclave/lease.h"
#include "ethereum/address.h"
#include "policy/document.h"
#include "sealed/key_record.h"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace redoubt::enclave {

// A public key, from when somebody has told it. Thread-safe; all tell the same one.
class KnownPublicKey {
  public:
    const crypto::PublicKey* get() const noexcept {
        return state_.load(std::memory_order_acquire) == State::Known ? &key_ : nullptr;
    }
    void set(const crypto::PublicKey& key) noexcept {
        State was = State::Unknown;
        if (!state_.compare_exchange_strong(was, State::BeingSet, std::memory_order_relaxed))
            return;
        key_ = key;
        state_.store(State::Known, std::memory_order_release);
    }

  private:
    enum class State : std::uint8_t { Unknown, BeingSet, Known };
    std::atomic<State> state_{State::Unknown};
    crypto::PublicKey key_;
};

struct OpenKey {
    Secret private_key;        // of an HD key: the one at crypto::kDefaultHdPath
    Secret seed;               // of an HD key; else empty
    Secret counter_secret;     // of a key below a seed: what its HD key's counters are sealed by; else empty
    ethereum::Address address; // of a vault key's record: what its seal vouches for
    // Where it is not known, Enclave::public_key_of() derives it and compares it with the address. No
    // signature leaves that does not name the address as its sender, and the first that does tells the key,
    // too.
    mutable KnownPublicKey public_key;
    sealed::KeyHead head;                           // of a vault key; default for reference keys
    std::shared_ptr<const policy::Document> policy; // nullptr: the open policy
    UnixMs policy_until = 0; // from then on another policy is in force; 0: none is pending
    std::shared_ptr<Lease> lease;
    UnixMs opened = 0; // trusted time
};

// For operators.
struct CacheUse {
    std::size_t entries = 0;
    std::uint64_t hits = 0, misses = 0;
};

class KeyCache {
  public:
    void set_limits(std::size_t entries, UnixMs max_age_ms);
    // nullptr: not here, too old, or its lease has ended (then it is gone).
    std::shared_ptr<const OpenKey> find(const Hash32& id, UnixMs now);
    void insert(const Hash32& id, std::shared_ptr<const OpenKey> key);
    void remove(const Hash32& id);
    void clear();
    void remove_ended(UnixMs now); // every key whose lease has ended or that is too old
    std::size_t size() const;
    CacheUse use() const; // since the start

  private:
    struct Entry {
        Hash32 id;
        std::shared_ptr<const OpenKey> key;
    };
    struct Hasher { // ids are random or digests: their first bytes are hash enough
        std::size_t operator()(const Hash32& id) const noexcept;
    };
    bool usable(const OpenKey& key, UnixMs now) const noexcept;

    mutable std::mutex mutex_;
    std::list<Entry> by_use_; // most recent first
    std::unordered_map<Hash32, std::list<Entry>::iterator, Hasher> by_id_;
    std::uint64_t hits_ = 0, misses_ = 0;
    std::size_t max_entries_ = 1;
    UnixMs max_age_ms_ = 0;
};

// Cache ids: a vault key's id, a digest of id and path for a key below a seed, and a reference ciphertext's
// digest.
Hash32 cache_id(const sealed::KeyId& id) noexcept;
Hash32 cache_id(const sealed::KeyId& id, const crypto::HdPath& path);

} // namespace redoubt::enclave
