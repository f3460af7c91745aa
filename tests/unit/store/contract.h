// SPDX-License-Identifier: Apache-2.0
// Each kind of store, for what is asked of all of them.
#pragma once

#include "crypto/hash.h"
#include "postgres_server.h"
#include "secrets_service.h"
#include "sqlite_file.h"

namespace redoubt::store::tests {

using Ids = std::vector<sealed::KeyId>;

inline Ids ids(const std::vector<StoredKey>& keys) {
    Ids out;
    for (const auto& key : keys)
        out.push_back(key.head.id);
    return out;
}

inline Ids numbers(std::initializer_list<std::uint32_t> list) {
    Ids out;
    for (const auto number : list)
        out.push_back(key_id(number));
    return out;
}

class StoreContract : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (sqlite()) {
            target_ = folder_.file();
        } else if (postgres()) {
            if (PostgresServer::programs().empty())
                GTEST_SKIP() << "no PostgreSQL server is installed under /usr/lib/postgresql";
            ASSERT_TRUE(PostgresServer::instance().running());
            target_ = PostgresServer::instance().fresh_target();
        } else {
            ASSERT_TRUE(SecretsService::instance().running());
            options_ = SecretsService::instance().fresh_options();
        }
    }
    static bool sqlite() { return GetParam() == "Sqlite"; }
    static bool postgres() { return GetParam() == "Postgres"; }
    // Small pages, of which each costs a call of ListSecrets here.
    static std::size_t small(std::size_t limit) { return sqlite() || postgres() ? limit : limit * 8; }

    std::unique_ptr<Store> open_it() const {
        auto store = sqlite() || postgres() ? open_store(target_) : open_secrets_store(options_);
        EXPECT_TRUE(store) << (store ? "" : store.error().describe());
        return store ? std::move(*store) : nullptr;
    }
    std::string schema() const { return target_.substr(target_.rfind("%3D") + 3); }
    // Puts other bytes in the place of a key's record, as no store would.
    void damage(const sealed::KeyId& id, ByteView record) const {
        const std::string bytes = to_hex(record), where = to_hex(id);
        if (sqlite()) {
            execute(target_, "UPDATE keys SET record = x'" + bytes + "' WHERE id = x'" + where + "'");
        } else if (postgres()) {
            PostgresServer::instance().execute("UPDATE " + schema() + ".redoubt_keys SET record = '\\x" +
                                               bytes + "' WHERE id = '\\x" + where + "'");
        } else {
            EXPECT_TRUE(SecretsService::instance().client().put_secret_value(
                options_.prefix + "/keys/" + sealed::key_id_text(id), record, to_hex(crypto::sha256(record)),
                "AWSCURRENT", SecretsService::credentials()));
        }
    }

    Folder folder_;
    std::string target_;
    SecretsStoreOptions options_;
};

} // namespace redoubt::store::tests
