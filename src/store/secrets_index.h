// SPDX-License-Identifier: Apache-2.0
// The keys of a store in Secrets Manager as they were last read, in order of creation: lists are made from
// it. Changes through this store are in it at once. What others changed comes with the next reading; what AWS
// lists may be up to kListLagMs old, so within that time this store's own changes stand against it.
// Thread-safe.
#pragma once

#include "store/key_page.h"

#include <map>
#include <mutex>

namespace redoubt::store {

class SecretsIndex {
  public:
    struct Entry {
        Bytes record;
        std::uint32_t revision = 0;
        std::string version;       // VersionId
        std::int64_t changed = -1; // monotonic_ms when this store changed it; −1: never
    };
    // By created, then id: the order of lists.
    using Place = std::pair<UnixMs, sealed::KeyId>;
    using Entries = std::map<Place, Entry>;

    // AWS, ListSecrets: "might not reflect changes from the last five minutes".
    static constexpr std::int64_t kListLagMs = 5 * 60 * 1000;

    KeyPage list(const KeyFilter& filter, std::optional<Position> after, std::size_t limit) const;
    // Keys whose deletion is due, at most `limit`.
    std::vector<sealed::KeyHead> due(UnixMs now, std::size_t limit) const;

    // Nothing: it is not known, or only as another version.
    std::optional<std::pair<Place, Entry>> find(const sealed::KeyId& id, const std::string& version) const;
    // Keys that this store changed within kListLagMs.
    std::vector<sealed::KeyId> recent() const;

    void put(const sealed::KeyHead& head, ByteView record, std::string version);
    void erase(const sealed::KeyHead& head);
    // All keys as they were read from `began` (monotonic_ms) on, recent() ones each by itself.
    void replace(Entries entries, std::int64_t began);
    // How old what it holds is; nothing: it was never read.
    std::optional<std::int64_t> age_ms() const;

  private:
    mutable std::mutex mutex_;
    Entries entries_;
    std::map<sealed::KeyId, Place> places_;
    std::map<sealed::KeyId, std::int64_t> erased_; // by this store, when; no longer than kListLagMs ago
    std::optional<std::int64_t> read_;
};

} // namespace redoubt::store
