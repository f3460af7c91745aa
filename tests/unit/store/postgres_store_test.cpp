// SPDX-License-Identifier: Apache-2.0
// What is PostgreSQL's own: servers that go away, settings that lose data, other schemas.
#include "postgres_server.h"
#include "store_support.h"

namespace redoubt::store::tests {
namespace {

class PostgresStore : public testing::Test {
  protected:
    void SetUp() override {
        if (PostgresServer::programs().empty())
            GTEST_SKIP() << "no PostgreSQL server is installed under /usr/lib/postgresql";
        ASSERT_TRUE(server().running());
        target_ = server().fresh_target();
    }
    static PostgresServer& server() { return PostgresServer::instance(); }
    std::unique_ptr<Store> open_it(const std::string& more = "") const {
        auto store = open_postgres_store(target_ + more);
        EXPECT_TRUE(store) << (store ? "" : store.error().describe());
        return store ? std::move(*store) : nullptr;
    }
    std::string schema() const { return target_.substr(target_.rfind("%3D") + 3); }

    std::string target_;
};

TEST_F(PostgresStore, loses_nothing_acknowledged_when_the_server_is_killed_and_goes_on_by_itself) {
    const auto store = open_it();
    Script::Keys expected;
    for (std::uint32_t round = 0; round < 2; ++round) {
        const Script script(round * 1'000'000);
        std::atomic<std::uint32_t> acknowledged{0};
        std::thread writer([&] {
            for (std::uint32_t i = 0; script.step(*store, i); ++i)
                acknowledged = i + 1;
        });
        while (acknowledged < 10 + round * 31)
            std::this_thread::yield();
        server().kill_and_wait();
        writer.join(); // an error, not a wait without end
        EXPECT_EQ(code_of(store->get_key(key_id(0))), Code::StoreFailed);
        ASSERT_TRUE(server().start());
        Script::Keys more = expected;
        script.apply(expected, acknowledged);
        script.apply(more, acknowledged + 1); // done, and killed before it could be told
        const auto found = Script::read(*store);
        EXPECT_TRUE(found == expected || found == more) << acknowledged;
        expected = found;
    }
}

// What libpq sends is lost with the connection; whether it was done the store finds out.
TEST_F(PostgresStore, goes_on_when_its_connections_are_ended) {
    const auto store = open_it();
    const auto end_connections = [] {
        server().execute("DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE pid <> pg_backend_pid() AND application_name = 'redoubt'; END $$");
    };
    ASSERT_TRUE(store->put_key(key_record(key_id(1), 1)));
    end_connections();
    const Bytes changed = pending_record(key_id(1), 1, 2, 5);
    EXPECT_TRUE(store->update_key(changed));
    end_connections();
    EXPECT_EQ(all_keys(*store).at(0).record, changed);
    end_connections();
    EXPECT_TRUE(store->put_policy(to_bytes("{}")));
    end_connections();
    EXPECT_EQ(store->delete_due_keys(5, 10).value(), std::vector{key_id(1)});
    end_connections();
    EXPECT_TRUE(store->put_key(key_record(key_id(2), 1)));
}

TEST_F(PostgresStore, a_server_that_may_lose_what_it_acknowledged_is_refused) {
    server().execute("CREATE ROLE hasty LOGIN SUPERUSER");
    server().execute("ALTER ROLE hasty SET synchronous_commit = off");
    std::string target = target_;
    target.replace(target.find("postgres@"), 8, "hasty");
    const auto store = open_postgres_store(target);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Code::StoreFailed);
    EXPECT_EQ(store.error().context, "synchronous_commit");
}

// Whether a target is refused, and for which setting, may change a moment after the server was told to.
std::string refused_for(const std::string& target, const std::string& awaited) {
    std::string context = "not opened yet";
    for (int i = 0; i < 250 && context != awaited; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const auto store = open_postgres_store(target);
        context = store ? "" : store.error().context;
    }
    return context;
}

TEST_F(PostgresStore, settings_for_disks_matter_but_on_aurora_which_has_none) {
    const std::string reload = "DO $$ BEGIN PERFORM pg_reload_conf(); END $$";
    server().execute("ALTER SYSTEM SET full_page_writes = off");
    server().execute(reload);
    EXPECT_EQ(refused_for(target_, "full_page_writes"), "full_page_writes");
    server().execute(
        "SET allow_system_table_mods = on; "
        "CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS $$SELECT '16.1'$$");
    EXPECT_EQ(refused_for(target_, ""), "");
    server().execute("DROP FUNCTION pg_catalog.aurora_version");
    EXPECT_EQ(refused_for(target_, "full_page_writes"), "full_page_writes");
    server().execute("ALTER SYSTEM RESET full_page_writes");
    server().execute(reload);
    EXPECT_EQ(refused_for(target_, ""), "");
}

TEST_F(PostgresStore, refuses_other_schemas_and_a_password_on_the_command_line) {
    open_it();
    server().execute("UPDATE " + schema() + ".redoubt_store SET version = 4");
    const auto newer = open_postgres_store(target_);
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().context, "schema version 4");
    server().execute("UPDATE " + schema() + ".redoubt_store SET version = 1");
    const auto older = open_postgres_store(target_);
    ASSERT_FALSE(older);
    EXPECT_NE(older.error().describe().find("unreleased development version"), std::string::npos);
    for (const char* target :
         {"postgresql://user:secret@localhost/x", "postgresql://user@localhost/x?password=secret"}) {
        const auto refused = open_postgres_store(target);
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().describe().find("password"), std::string::npos);
        EXPECT_EQ(refused.error().describe().find("secret"), std::string::npos);
    }
    const auto unreadable = open_postgres_store("postgresql://user:secret@localhost/x?nonsense=1");
    ASSERT_FALSE(unreadable);
    EXPECT_EQ(unreadable.error().describe().find("secret"), std::string::npos);
    EXPECT_EQ(code_of(open_postgres_store("postgresql://nobody@/none?host=/nonexistent")), Code::StoreFailed);
}

TEST_F(PostgresStore, a_schema_of_version_2_gets_counters_and_keeps_its_records) {
    const Bytes key = key_record(key_id(1), 1);
    ASSERT_TRUE(open_it()->put_key(key));
    server().execute("DROP TABLE " + schema() + ".redoubt_counters");
    server().execute("UPDATE " + schema() + ".redoubt_store SET version = 2");
    const auto store = open_it();
    EXPECT_EQ(store->get_key(key_id(1)).value(), key);
    const Bytes counters = counter_record(counter_head(key_id(1), 1, 1, 0, 1));
    ASSERT_TRUE(store->put_counters(counters));
    EXPECT_EQ(open_it()->get_counters(key_id(1)).value(), counters);
}

TEST_F(PostgresStore, several_processes_may_open_a_new_schema_at_once) {
    std::vector<std::thread> openers;
    std::atomic<int> opened{0};
    for (std::uint32_t i = 0; i < 6; ++i)
        openers.emplace_back([&, i] {
            const auto store = open_postgres_store(target_);
            opened += store && (*store)->put_key(key_record(key_id(i), i)) ? 1 : 0;
        });
    for (auto& opener : openers)
        opener.join();
    EXPECT_EQ(opened, 6);
    EXPECT_EQ(all_keys(*open_it()).size(), 6u);
}

TEST_F(PostgresStore, a_record_that_no_longer_fits_its_id_is_an_error) {
    const auto store = open_it();
    ASSERT_TRUE(store->put_key(key_record(key_id(1), 1)));
    ASSERT_TRUE(store->put_key(key_record(key_id(2), 2)));
    server().execute("UPDATE " + schema() + ".redoubt_keys SET record = (SELECT record FROM " + schema() +
                     ".redoubt_keys ORDER BY created LIMIT 1)");
    EXPECT_TRUE(store->get_key(key_id(1)));
    EXPECT_EQ(code_of(store->get_key(key_id(2))), Code::StoreFailed);
    server().execute("UPDATE " + schema() + ".redoubt_keys SET record = substr(record, 2)");
    EXPECT_EQ(code_of(store->get_key(key_id(1))), Code::StoreFailed);
    EXPECT_TRUE(all_keys(*store).empty());
}

} // namespace
} // namespace redoubt::store::tests
