// SPDX-License-Identifier: Apache-2.0
#include "crypto/random.h"
#include "store/inspect.h"
#include "support.h"

#include <sqlite3.h>

namespace redoubt::doctor::tests {
namespace {

class StoreChecks : public ::testing::Test {
  protected:
    StoreChecks() {
        inputs_.store_path = folder_.file("store.db");
        use_manifest(manifest_text());
    }
    void use_manifest(const std::string& text) { known_.manifest = trust::parse_manifest(text).value(); }
    sealed::VaultRecord vault(std::uint8_t id, const std::string& arn = kVaultArn, std::uint64_t epoch = 1) {
        sealed::VaultRecord out;
        out.id[0] = id;
        out.epoch = epoch;
        out.created = 1'700'000'000'000 + id;
        const Secret key = random_.secret(32);
        out.commitment = sealed::vault_commitment(key, out.id);
        out.wraps.push_back(
            sealed::wrap_vault_key(key, random_.secret(32), out, arn, Bytes(100, 1), random_));
        return out;
    }
    Bytes key(std::uint8_t id, std::uint8_t of_vault, std::uint64_t epoch = 1,
              sealed::State state = sealed::State::Enabled) {
        sealed::KeyHead head;
        head.state = state;
        head.deletes = state == sealed::State::PendingDeletion ? 1'900'000'000'000 : 0;
        head.id[0] = id;
        head.vault[0] = of_vault;
        head.epoch = epoch;
        head.created = 1'700'000'000'000 + id;
        return sealed::seal_key(random_.secret(32), head, random_.secret(32), random_);
    }
    void fill(std::vector<sealed::VaultRecord> vaults, std::vector<Bytes> keys) {
        auto store = store::open_sqlite_store(inputs_.store_path).value();
        for (const auto& record : vaults)
            ASSERT_TRUE(store->put_vault(sealed::encode_vault(record)));
        for (const auto& record : keys)
            ASSERT_TRUE(store->put_key(record));
    }
    void execute(const char* sql) const {
        sqlite3* handle = nullptr;
        ASSERT_EQ(sqlite3_open(inputs_.store_path.c_str(), &handle), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
        sqlite3_close(handle);
    }
    Report run() {
        Report report;
        check_store(inputs_, known_, report);
        return report;
    }

    crypto::SystemRandom random_;
    Folder folder_;
    Inputs inputs_;
    Knowledge known_;
};

TEST_F(StoreChecks, a_sound_store_is_fine_and_is_not_changed) {
    fill({vault(1)}, {key(1, 1), key(2, 1)});
    const auto before = read_file(inputs_.store_path, 1 << 20);
    const auto report = run();
    EXPECT_TRUE(report.fine()) << json_report(report);
    EXPECT_TRUE(says(only(report, "store"), "2 keys, 1 vaults, 0 policies"));
    EXPECT_EQ(only(report, "store-records").level, Level::Ok);
    EXPECT_EQ(only(report, "store-vaults").level, Level::Ok);
    EXPECT_EQ(read_file(inputs_.store_path, 1 << 20).value(), before.value());
}

TEST_F(StoreChecks, look_at_a_store_that_a_gateway_has_open) {
    auto store = store::open_sqlite_store(inputs_.store_path).value();
    ASSERT_TRUE(store->put_vault(sealed::encode_vault(vault(1))));
    ASSERT_TRUE(store->put_key(key(1, 1)));
    EXPECT_TRUE(says(only(run(), "store"), "1 keys, 1 vaults"));
    ASSERT_TRUE(store->put_key(key(2, 1)));
}

TEST_F(StoreChecks, a_missing_store_is_told_and_not_made) {
    EXPECT_EQ(only(run(), "store").level, Level::Fail);
    EXPECT_FALSE(std::filesystem::exists(inputs_.store_path));
    inputs_.store_path = "";
    EXPECT_EQ(only(run(), "store").level, Level::Skipped);
}

TEST_F(StoreChecks, an_empty_store_only_wants_a_vault) {
    fill({}, {});
    const auto report = run();
    EXPECT_TRUE(report.fine());
    EXPECT_TRUE(says(only(report, "store-vaults"), "--create-vault"));
}

TEST_F(StoreChecks, a_file_that_is_no_database_or_another_programs_is_told) {
    folder_.write("store.db", "this is not a database, although it is long enough to look like one");
    EXPECT_EQ(only(run(), "store").level, Level::Fail);
    std::filesystem::remove(inputs_.store_path);
    execute("CREATE TABLE x(y)");
    EXPECT_TRUE(says(only(run(), "store"), "no store of Redoubt's"));
}

TEST_F(StoreChecks, damaged_pages_are_told) {
    fill({vault(1)}, {});
    {
        auto store = store::open_sqlite_store(inputs_.store_path).value();
        for (int i = 1; i < 200; ++i)
            ASSERT_TRUE(store->put_key(key(static_cast<std::uint8_t>(i), 1)));
    }
    std::fstream file(inputs_.store_path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0, std::ios::end);
    ASSERT_GT(file.tellp(), 5 * 4096);
    for (int page = 2; page < 6; ++page) {
        file.seekp(page * 4096);
        file << std::string(2048, '\x5a');
    }
    file.close();
    const auto report = run();
    EXPECT_FALSE(report.fine()) << json_report(report);
    EXPECT_TRUE(says(of(report, "store")[0], "restore the store from a backup"));
}

TEST_F(StoreChecks, records_that_cannot_be_read_are_counted) {
    fill({vault(1)}, {key(1, 1), key(2, 1), key(3, 1)});
    execute("UPDATE keys SET record = x'00' WHERE substr(id, 1, 1) = x'02'");
    EXPECT_TRUE(says(of(run(), "store-records")[0], "1 keys, 0 vaults and 0 policies cannot be read"));
    execute("UPDATE keys SET record = (SELECT record FROM keys WHERE substr(id, 1, 1) = x'03')"
            " WHERE substr(id, 1, 1) = x'01'");
    EXPECT_TRUE(says(of(run(), "store-records")[0], "2 keys, 0 vaults and 0 policies cannot be read"));
    execute("UPDATE vaults SET record = x'00'");
    const auto report = run();
    EXPECT_TRUE(says(of(report, "store-records")[0], "2 keys, 1 vaults and 0 policies cannot be read"));
    EXPECT_TRUE(says(of(report, "store-records")[1], "belong to vaults that the store does not hold"));
}

TEST_F(StoreChecks, keys_that_do_not_sign_and_policies_are_counted) {
    fill({vault(1)}, {key(1, 1), key(2, 1, 1, sealed::State::Disabled), key(3, 1, 1, sealed::State::Disabled),
                      key(4, 1, 1, sealed::State::PendingDeletion)});
    ASSERT_TRUE(store::open_sqlite_store(inputs_.store_path).value()->put_policy(to_bytes("{}")));
    EXPECT_TRUE(says(only(run(), "store"), "4 keys (2 disabled, 1 pending-deletion), 1 vaults, 1 policies"));
    execute("UPDATE policies SET document = x'00'");
    EXPECT_TRUE(says(of(run(), "store-records")[0], "0 keys, 0 vaults and 1 policies cannot be read"));
}

TEST_F(StoreChecks, columns_that_do_not_say_what_their_record_says_are_damage) {
    for (const char* change : {"created = 5", "vault = zeroblob(16)", "address = x'01'", "deletes = 7"}) {
        std::filesystem::remove(inputs_.store_path);
        fill({vault(1)}, {key(1, 1), key(2, 1)});
        execute((std::string("UPDATE keys SET ") + change + " WHERE substr(id, 1, 1) = x'01'").c_str());
        EXPECT_TRUE(says(of(run(), "store-records")[0], "1 keys, 0 vaults and 0 policies cannot be read"))
            << change;
    }
}

TEST_F(StoreChecks, damaged_counters_are_counted_and_a_store_without_their_table_is_read) {
    fill({vault(1)}, {key(1, 1)});
    execute("INSERT INTO counters VALUES(zeroblob(16), x'00')");
    EXPECT_TRUE(says(of(run(), "store-records")[0], "the counters of 1 keys cannot be read"));
    execute("DROP TABLE counters");
    execute("PRAGMA user_version = 2");
    EXPECT_TRUE(says(of(run(), "store-records")[0], "every record can be read"));
}

TEST_F(StoreChecks, another_versions_store_is_told) {
    fill({}, {});
    execute("PRAGMA user_version = 1");
    EXPECT_TRUE(says(only(run(), "store"), "another version of Redoubt"));
}

TEST_F(StoreChecks, other_stores_are_left_to_their_own_tools) {
    for (const char* target : {"postgresql://u@h/d", "secretsmanager:redoubt"}) {
        inputs_.store_path = target;
        EXPECT_EQ(only(run(), "store").level, Level::Skipped) << target;
    }
}

TEST_F(StoreChecks, what_the_manifest_refuses_is_told) {
    fill({vault(1)}, {key(1, 1, 1), key(2, 1, 7)});
    use_manifest(manifest_text(kVaultArn, 5));
    auto report = run();
    EXPECT_TRUE(
        says(of(report, "store-records")[0], "1 keys have an epoch below the manifest's min_epoch 5"));
    EXPECT_TRUE(says(of(report, "store-vaults")[0], "min_epoch 5"));
    use_manifest(
        manifest_text("arn:aws:kms:us-east-1:000000000000:key/99999999-2222-3333-4444-555555555555"));
    report = run();
    EXPECT_TRUE(says(of(report, "store-vaults")[0], std::string("wrapped under ") + kVaultArn));
    EXPECT_TRUE(says(of(report, "store-vaults")[0], "does not name as a vault key"));
}

TEST_F(StoreChecks, vaults_are_compared_with_the_manifests_commitments) {
    auto record = vault(1);
    fill({record}, {key(1, 1)});
    known_.manifest->vault_commitments[record.id] = record.commitment;
    EXPECT_TRUE(run().fine());
    known_.manifest->vault_commitments[record.id][0] ^= 1;
    EXPECT_TRUE(says(only(run(), "store-vaults"), "another vault"));
    known_.manifest->vault_commitments.clear();
    known_.manifest->vault_commitments[sealed::VaultId{}] = record.commitment;
    EXPECT_TRUE(says(only(run(), "store-vaults"), "do not name it"));
}

} // namespace
} // namespace redoubt::doctor::tests
