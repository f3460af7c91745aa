// SPDX-License-Identifier: Apache-2.0
#include "sqlite_file.h"
#include "store_support.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <sys/stat.h>
#include <thread>

namespace redoubt::store::tests {
namespace {

TEST(SqliteStore, its_files_belong_to_their_owner_alone) {
    const Folder folder;
    const mode_t before = umask(0);
    const auto store = open(folder.file());
    umask(before);
    ASSERT_TRUE(store->put_key(key_record(key_id(1), 1)));
    for (const char* name : {"store.db", "store.db-wal", "store.db-shm"}) {
        struct stat facts {};
        ASSERT_EQ(stat(folder.file(name).c_str(), &facts), 0) << name;
        EXPECT_EQ(facts.st_mode & 07777, 0600u) << name;
    }
}

TEST(SqliteStore, is_a_write_ahead_log_with_its_schemas_version) {
    const Folder folder;
    const auto store = open(folder.file());
    EXPECT_EQ(execute(folder.file(), "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(execute(folder.file(), "PRAGMA user_version"), "3");
    EXPECT_EQ(execute(folder.file(), "PRAGMA application_id"), std::to_string(0x52445354));
}

TEST(SqliteStore, finds_its_lists_by_their_indices) {
    const Folder folder;
    const auto store = open(folder.file());
    const std::string after = "(created, id) > (1, x'00') ORDER BY created, id";
    const auto plan = [&](const std::string& sql) {
        return execute(folder.file(), "EXPLAIN QUERY PLAN SELECT record FROM keys WHERE " + sql);
    };
    EXPECT_EQ(plan(after), "SEARCH keys USING INDEX keys_by_creation ((created,id)>(?,?))");
    EXPECT_EQ(plan("vault = x'00' AND " + after),
              "SEARCH keys USING INDEX keys_by_vault (vault=? AND (created,id)>(?,?))");
    EXPECT_EQ(plan("address = x'00' AND " + after),
              "SEARCH keys USING INDEX keys_by_address (address=? AND (created,id)>(?,?))");
    EXPECT_NE(plan("deletes IS NOT NULL AND deletes <= 1 ORDER BY deletes, id").find("keys_by_deletion"),
              std::string::npos);
}

TEST(SqliteStore, refuses_other_schemas_and_other_programs_databases) {
    const Folder folder;
    ASSERT_TRUE(open(folder.file())->put_key(key_record(key_id(1), 1)));
    execute(folder.file(), "PRAGMA user_version = 4");
    EXPECT_NE(open_sqlite_store(folder.file()).error().describe().find("newer"), std::string::npos);
    execute(folder.file(), "PRAGMA user_version = 1");
    const auto older = open_sqlite_store(folder.file());
    EXPECT_EQ(code_of(older), Code::StoreFailed);
    EXPECT_NE(older.error().describe().find("unreleased development version"), std::string::npos);
    execute(folder.file(), "PRAGMA user_version = 3");
    EXPECT_EQ(all_keys(*open(folder.file())).size(), 1u);

    execute(folder.file("other.db"), "CREATE TABLE keys(id, created, record)");
    EXPECT_EQ(code_of(open_sqlite_store(folder.file("other.db"))), Code::StoreFailed);
    execute(folder.file("third.db"), "PRAGMA application_id = 7");
    EXPECT_EQ(code_of(open_sqlite_store(folder.file("third.db"))), Code::StoreFailed);
}

TEST(SqliteStore, a_file_of_version_2_gets_counters_and_keeps_its_records) {
    const Folder folder;
    const Bytes key = key_record(key_id(1), 1);
    ASSERT_TRUE(open(folder.file())->put_key(key));
    execute(folder.file(), "DROP TABLE counters");
    execute(folder.file(), "PRAGMA user_version = 2");
    const auto store = open(folder.file());
    EXPECT_EQ(execute(folder.file(), "PRAGMA user_version"), "3");
    EXPECT_EQ(store->get_key(key_id(1)).value(), key);
    const Bytes counters = counter_record(counter_head(key_id(1), 1, 1, 0, 1));
    ASSERT_TRUE(store->put_counters(counters));
    EXPECT_EQ(open(folder.file())->get_counters(key_id(1)).value(), counters);
}

TEST(SqliteStore, damaged_counters_are_an_error_and_replaced_by_nothing) {
    const Folder folder;
    const auto store = open(folder.file());
    for (std::uint32_t key = 1; key <= 2; ++key)
        ASSERT_TRUE(store->put_counters(counter_record(counter_head(key_id(key), 1, 1, 0, 1))));
    execute(folder.file(), "UPDATE counters SET record = (SELECT record FROM counters WHERE"
                           " substr(id, 4, 1) = x'02')");
    EXPECT_EQ(code_of(store->get_counters(key_id(1))), Code::StoreFailed);
    EXPECT_EQ(code_of(store->put_counters(counter_record(counter_head(key_id(1), 1, 2, 0, 1)))),
              Code::StoreFailed);
    EXPECT_TRUE(store->get_counters(key_id(2)).value());
}

TEST(SqliteStore, refuses_names_that_are_no_files_of_its_own) {
    const Folder folder;
    EXPECT_EQ(code_of(open_sqlite_store("")), Code::StoreFailed);
    EXPECT_EQ(code_of(open_sqlite_store(folder.file("no/such/folder.db"))), Code::StoreFailed);
    std::filesystem::create_directory(folder.file("folder"));
    EXPECT_EQ(code_of(open_sqlite_store(folder.file("folder"))), Code::StoreFailed);
    // SQLite's name for a database in memory is a file like any other here.
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(std::filesystem::path(folder.file()).parent_path());
    ASSERT_TRUE(open(":memory:")->put_key(key_record(key_id(1), 1)));
    EXPECT_TRUE(std::filesystem::exists(":memory:"));
    EXPECT_EQ(all_keys(*open(":memory:")).size(), 1u);
    std::filesystem::current_path(before);
}

TEST(SqliteStore, a_file_that_is_no_database_is_refused_and_left_as_it_is) {
    const Folder folder;
    const std::string text(20'000, 'x');
    std::ofstream(folder.file()) << text;
    EXPECT_EQ(code_of(open_sqlite_store(folder.file())), Code::StoreFailed);
    std::ifstream in(folder.file());
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
}

TEST(SqliteStore, damaged_pages_are_errors_and_never_other_records) {
    const Folder folder;
    std::vector<Bytes> records;
    {
        const auto store = open(folder.file());
        for (std::uint32_t i = 0; i < 200; ++i) {
            records.push_back(key_record(key_id(i), i));
            ASSERT_TRUE(store->put_key(records.back()));
        }
    } // the log is written back into the file
    std::string original;
    {
        std::ifstream in(folder.file(), std::ios::binary);
        original.assign(std::istreambuf_iterator<char>(in), {});
    }
    ASSERT_GT(original.size(), 8u * 4096);
    std::mt19937 generator(11);
    int refused_at_open = 0, refused_later = 0;
    for (int round = 0; round < 40; ++round) {
        std::string damaged = original;
        // A page is overwritten; the first holds the header.
        const std::size_t page = generator() % (damaged.size() / 4096);
        for (std::size_t i = 0; i < 4096; ++i)
            damaged[page * 4096 + i] = static_cast<char>(generator());
        const std::string path = folder.file("damaged-" + std::to_string(round));
        std::ofstream(path, std::ios::binary) << damaged;
        const auto store = open_sqlite_store(path);
        if (!store) {
            ++refused_at_open;
            EXPECT_EQ(store.error().code, Code::StoreFailed);
            continue;
        }
        for (std::uint32_t i = 0; i < records.size(); ++i) {
            const auto found = (*store)->get_key(key_id(i));
            if (!found) {
                ++refused_later;
                EXPECT_EQ(found.error().code, Code::StoreFailed);
            } else if (*found) {
                EXPECT_EQ(**found, records[i]);
            }
        }
        const auto listed = (*store)->list_keys({}, std::nullopt, 1000);
        EXPECT_TRUE(listed || listed.error().code == Code::StoreFailed);
    }
    EXPECT_GT(refused_at_open, 0);
    EXPECT_GT(refused_later, 0);
}

TEST(SqliteStore, a_record_that_no_longer_fits_its_id_is_an_error) {
    const Folder folder;
    const auto store = open(folder.file());
    ASSERT_TRUE(store->put_key(key_record(key_id(1), 1)));
    ASSERT_TRUE(store->put_key(key_record(key_id(2), 2)));
    ASSERT_TRUE(store->put_vault(vault_record(key_id(1), 1)));
    ASSERT_TRUE(store->put_vault(vault_record(key_id(2), 1)));
    execute(folder.file(), "UPDATE keys SET record = (SELECT record FROM keys WHERE created = 2)");
    execute(folder.file(), "UPDATE vaults SET record = x'00'");
    EXPECT_EQ(code_of(store->get_key(key_id(1))), Code::StoreFailed);
    EXPECT_TRUE(store->get_key(key_id(2)));
    EXPECT_EQ(code_of(store->get_vault(key_id(1))), Code::StoreFailed);
    EXPECT_EQ(code_of(store->list_vaults()), Code::StoreFailed);
    EXPECT_EQ(all_keys(*store).size(), 1u);
    EXPECT_EQ(code_of(store->update_key(key_record(key_id(1), 1, 2))), Code::StoreFailed);
}

} // namespace
} // namespace redoubt::store::tests
