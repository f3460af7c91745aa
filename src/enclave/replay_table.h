// SPDX-License-Identifier: Apache-2.0
// Signed requests that took something from a limit: the same one again, within its signature's time, gets the
// same signature and takes nothing more; another one with its nonce is refused. Written only after the
// request was authenticated and allowed. Bounded; thread-safe.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace redoubt::enclave {

class ReplayTable {
  public:
    static constexpr std::size_t kMaxEntries = 262'144;

    struct Entry {
        ByteArray<16> request{};          // of the request's digest, its first bytes
        ByteArray<8> policy{};            // of the policy's digest
        std::uint16_t rule = 0;           // index of the rule that allowed it
        std::uint64_t term = 0, base = 0; // LimitTable::Taken: where it was counted
        UnixMs expires = 0;
    };
    std::optional<Entry> find(const Hash32& principal, std::string_view nonce, UnixMs now);
    // False: full of entries that have not ended, or half full of this principal's.
    bool has_room(const Hash32& principal, UnixMs now);
    // In place of an entry with the same nonce. Always does: the table is fuller than its bound by no more
    // than the requests that asked has_room() at the same time.
    void insert(const Hash32& principal, std::string_view nonce, const Entry& entry, UnixMs now);
    std::size_t size() const;

  private:
    using Id = ByteArray<16>;
    struct Hasher { // ids are digests: their first bytes are hash enough
        std::size_t operator()(const Id& id) const noexcept;
    };
    struct Kept {
        Entry entry;
        Id principal;
    };
    static Id id_of(const Hash32& principal, std::string_view nonce);
    void remove_ended(UnixMs now);
    void forget(std::unordered_map<Id, Kept, Hasher>::iterator at);
    mutable std::mutex mutex_;
    std::unordered_map<Id, Kept, Hasher> entries_;
    std::unordered_map<Id, std::size_t, Hasher> of_principal_; // how many; none is 0
    std::map<UnixMs, std::vector<Id>> by_end_;                 // signatures end at whole seconds: few keys
};

} // namespace redoubt::enclave
