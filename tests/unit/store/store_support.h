// SPDX-License-Identifier: Apache-2.0
// A folder that goes away, and records that the store accepts.
#pragma once

#include "crypto/random.h"
#include "store/store.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <stdlib.h>

namespace redoubt::store::tests {

class Folder {
  public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-store-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name = "store.db") const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

inline crypto::SystemRandom& random() {
    static crypto::SystemRandom instance;
    return instance;
}

inline sealed::CounterHead counter_head(const sealed::KeyId& id, std::uint64_t term, std::uint64_t sequence,
                                        std::uint64_t base, std::uint8_t owner) {
    sealed::CounterHead head;
    head.key = id;
    head.term = term;
    head.sequence = sequence;
    head.base = base;
    head.owner = {owner};
    return head;
}

inline Bytes counter_record(const sealed::CounterHead& head, ByteView usage = {}) {
    return sealed::seal_counters(Secret::copy_of(Bytes(32, 9)), head, usage, random());
}

// The id says its number, so that a test can tell records apart.
inline sealed::KeyId key_id(std::uint32_t number) {
    sealed::KeyId id{};
    for (std::size_t i = 0; i < 4; ++i)
        id[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return id;
}

inline Secret vault_key() {
    return Secret::copy_of(Bytes(32, 7)); // of no vault: what is in a child process, too
}

inline Bytes key_record(const sealed::KeyHead& head) {
    return sealed::seal_key(vault_key(), head, random().secret(32), random());
}

inline sealed::KeyHead key_head(const sealed::KeyId& id, UnixMs created, std::uint32_t revision = 1) {
    sealed::KeyHead head;
    head.id = id;
    head.created = created;
    head.revision = revision;
    return head;
}

inline Bytes key_record(const sealed::KeyId& id, UnixMs created, std::uint32_t revision = 1) {
    return key_record(key_head(id, created, revision));
}

// Its deletion is pending, until `deletes`.
inline Bytes pending_record(const sealed::KeyId& id, UnixMs created, std::uint32_t revision, UnixMs deletes) {
    auto head = key_head(id, created, revision);
    head.state = sealed::State::PendingDeletion;
    head.deletes = deletes;
    return key_record(head);
}

// All keys of a list, page by page.
inline std::vector<StoredKey> all_keys(Store& store, const KeyFilter& filter = {},
                                       std::size_t limit = 1'000) {
    std::vector<StoredKey> out;
    std::optional<Position> after;
    for (;;) {
        auto page = store.list_keys(filter, after, limit);
        EXPECT_TRUE(page) << page.error().describe();
        if (!page)
            return out;
        EXPECT_LE(page->keys.size(), limit);
        for (auto& key : page->keys)
            out.push_back(std::move(key));
        if (!page->next)
            return out;
        EXPECT_TRUE(!after || page->next->created > after->created ||
                    (page->next->created == after->created && page->next->id > after->id));
        after = page->next;
    }
}

// Changes in an order that a test can repeat for itself: each key is put, gets counters, is changed, and
// every third deleted. An interrupted run has done the acknowledged ones, and perhaps one more.
class Script {
  public:
    explicit Script(std::uint32_t first) : first_(first) {}

    // False: the store failed.
    bool step(Store& store, std::uint32_t number) const {
        const std::uint32_t key = first_ + number / 4;
        switch (number % 4) {
        case 0:
            return store.put_key(key_record(key_id(key), key)).has_value();
        case 1:
            return store.put_counters(counter_record(counter_head(key_id(key), 1, 1, 0, 1))) &&
                   store.update_key(key_record(key_id(key), key, 2));
        case 2:
            return store.update_key(pending_record(key_id(key), key, 3, key % 3 == 0 ? 1 : 1'000))
                .has_value();
        default:
            return store.delete_due_keys(2, 10).has_value();
        }
    }

    using Keys = std::map<std::uint32_t, std::uint32_t>; // number and revision
    void apply(Keys& keys, std::uint32_t steps) const {
        for (std::uint32_t number = 0; number < steps; ++number) {
            const std::uint32_t key = first_ + number / 4;
            if (number % 4 < 3)
                keys[key] = number % 4 + 1;
            else // what an earlier, interrupted run left due, too
                std::erase_if(keys,
                              [](const auto& entry) { return entry.second == 3 && entry.first % 3 == 0; });
        }
    }

    // What a store holds; each record whole.
    static Keys read(Store& store) {
        Keys out;
        for (const auto& key : all_keys(store)) {
            EXPECT_TRUE(sealed::open_key(vault_key(), key.record));
            EXPECT_EQ(store.get_key(key.head.id).value(), key.record);
            // Its counters were put before its first change.
            EXPECT_TRUE(key.head.revision == 1 || store.get_counters(key.head.id).value());
            out[static_cast<std::uint32_t>(key.head.created)] = key.head.revision;
        }
        return out;
    }

  private:
    std::uint32_t first_;
};

inline Bytes vault_record(const sealed::VaultId& id, UnixMs created) {
    sealed::VaultRecord record;
    record.id = id;
    record.created = created;
    record.wraps.push_back({"arn:aws:kms:us-east-1:111122223333:key/x", Bytes{1, 2, 3}, {}, {}});
    return sealed::encode_vault(record);
}

inline std::unique_ptr<Store> open(const std::string& path) {
    auto store = open_sqlite_store(path);
    EXPECT_TRUE(store) << (store ? "" : store.error().describe());
    return store ? std::move(*store) : nullptr;
}

template<class T>
Code code_of(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Code::Internal : result.error().code;
}

} // namespace redoubt::store::tests
