// SPDX-License-Identifier: Apache-2.0
// A folder that goes away, and records that the store accepts.
#pragma once

#include "crypto/random.h"
#include "store/store.h"

#include <filesystem>
#include <gtest/gtest.h>
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

// The id says its number, so that a test can tell records apart.
inline sealed::KeyId key_id(std::uint32_t number) {
    sealed::KeyId id{};
    for (std::size_t i = 0; i < 4; ++i)
        id[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return id;
}

inline Bytes key_record(const sealed::KeyId& id, UnixMs created) {
    static const Secret vault_key = random().secret(32);
    sealed::KeyHead head;
    head.id = id;
    head.created = created;
    return sealed::seal_key(vault_key, head, random().secret(32), random());
}

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
