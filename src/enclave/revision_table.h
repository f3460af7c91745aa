// SPDX-License-Identifier: Apache-2.0
// What this enclave knows of keys that were changed: the highest revision that it has seen, so that no older
// record is taken again in this enclave's life, and changed records of which the gateway has not yet said
// that they are stored. Thread-safe.
//
// Bounds: kMaxKeys revisions, 20 bytes each in tables that are between a third and two thirds full, and
// kMaxUnstored records. Keys that are only opened take no more than kMaxOpened of the places, so that there
// is room for changes; beyond that what was seen of them is not remembered. Beyond kMaxKeys no further key is
// changed.
#pragma once

#include "sealed/key_record.h"

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace redoubt::enclave {

class RevisionTable {
  public:
    static constexpr std::size_t kMaxKeys = 1'000'000, kMaxOpened = 750'000;
    static constexpr std::size_t kMaxUnstored = 1'024;

    std::uint32_t known(const sealed::KeyId& id) const; // 0: never seen changed
    // Remembers `revision` if it is higher than what is known. False: no room.
    bool raise(const sealed::KeyId& id, std::uint32_t revision, std::size_t most = kMaxKeys);

    // Keeps a changed record, and a policy document that it names for the first time, until stored() is told
    // of its revision. False: no room.
    bool keep(const sealed::KeyId& id, std::uint32_t revision, Bytes record, Bytes policy = {});
    void stored(const sealed::KeyId& id, std::uint32_t revision);
    std::optional<Bytes> unstored(const sealed::KeyId& id) const;
    struct Unstored {
        sealed::KeyId id;
        Bytes record, policy;
    };
    std::optional<Unstored> unstored_with_policy(const sealed::KeyId& id) const;
    std::vector<Unstored> some_unstored(std::size_t most) const;
    bool has_unstored() const noexcept { return unstored_count_ != 0; }

    std::size_t size() const noexcept { return used_; }

  private:
    struct Slot {
        sealed::KeyId id{};
        std::uint32_t revision = 0; // 0: free
    };
    struct Kept {
        std::uint32_t revision;
        Bytes record, policy;
    };
    struct Hasher { // ids are random or digests: their first bytes are hash enough
        std::size_t operator()(const sealed::KeyId& id) const noexcept;
    };
    std::size_t find_slot(const std::vector<Slot>& slots, const sealed::KeyId& id) const noexcept;

    mutable std::mutex mutex_;
    std::vector<Slot> slots_; // a power of two; linear probing
    std::atomic<std::size_t> used_{0};
    std::unordered_map<sealed::KeyId, Kept, Hasher> unstored_;
    std::atomic<std::size_t> unstored_count_{0};
};

} // namespace redoubt::enclave
