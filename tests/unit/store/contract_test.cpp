// SPDX-License-Identifier: Apache-2.0
// What every store promises, asked of each kind of store.
#include "contract.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <random>
#include <thread>

namespace redoubt::store::tests {
namespace {

TEST_P(StoreContract, gives_back_exactly_what_was_put) {
    const auto store = open_it();
    const Bytes key = key_record(key_id(1), 1000);
    const Bytes vault = vault_record(key_id(2), 2000);
    EXPECT_TRUE(store->put_key(key));
    EXPECT_TRUE(store->put_vault(vault));
    EXPECT_EQ(store->get_key(key_id(1)).value(), key);
    EXPECT_EQ(store->get_vault(key_id(2)).value(), vault);
    EXPECT_EQ(store->get_key(key_id(2)).value(), std::nullopt);
    EXPECT_EQ(store->get_vault(key_id(1)).value(), std::nullopt);
    EXPECT_EQ(store->list_vaults().value(), std::vector<Bytes>{vault});
    const auto listed = store->list_keys({}, std::nullopt, 10).value();
    ASSERT_EQ(listed.keys.size(), 1u);
    EXPECT_EQ(listed.keys[0].record, key);
    EXPECT_EQ(listed.keys[0].head, sealed::read_key_head(key).value());
    EXPECT_EQ(listed.next, std::nullopt);
}

TEST_P(StoreContract, keeps_everything_when_it_is_opened_again) {
    const Bytes changed = key_record(key_id(1), 1000, 2), policy = to_bytes("{}");
    EXPECT_TRUE(open_it()->put_key(key_record(key_id(1), 1000)));
    EXPECT_TRUE(open_it()->update_key(changed));
    EXPECT_TRUE(open_it()->put_policy(policy));
    EXPECT_EQ(open_it()->get_key(key_id(1)).value(), changed);
    EXPECT_EQ(open_it()->get_policy(crypto::sha256(policy)).value(), policy);
}

TEST_P(StoreContract, refuses_a_second_record_of_an_id_and_keeps_the_first) {
    const auto store = open_it();
    const Bytes first = key_record(key_id(1), 1000);
    ASSERT_TRUE(store->put_key(first));
    EXPECT_EQ(code_of(store->put_key(key_record(key_id(1), 2000))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_key(first)), Code::Conflict);
    EXPECT_EQ(store->get_key(key_id(1)).value(), first);
    // The store goes on after a conflict.
    EXPECT_TRUE(store->put_key(key_record(key_id(2), 2000)));

    const Bytes vault = vault_record(key_id(3), 1);
    ASSERT_TRUE(store->put_vault(vault));
    EXPECT_EQ(code_of(store->put_vault(vault_record(key_id(3), 2))), Code::Conflict);
    EXPECT_EQ(store->get_vault(key_id(3)).value(), vault);
}

TEST_P(StoreContract, refuses_what_is_no_record) {
    const auto store = open_it();
    const Bytes key = key_record(key_id(1), 1000);
    const Bytes vault = vault_record(key_id(1), 1000);
    for (const auto put : {&Store::put_key, &Store::update_key}) {
        EXPECT_EQ(code_of(((*store).*put)({})), Code::RecordInvalid);
        EXPECT_EQ(code_of(((*store).*put)(vault)), Code::RecordInvalid);
        for (std::size_t size = 0; size < key.size(); ++size)
            EXPECT_EQ(code_of(((*store).*put)(ByteView(key).first(size))), Code::RecordInvalid);
        Bytes longer = key;
        longer.push_back(0);
        EXPECT_EQ(code_of(((*store).*put)(longer)), Code::RecordInvalid);
    }
    EXPECT_EQ(code_of(store->put_vault(key)), Code::RecordInvalid);
    Bytes longer = vault;
    longer.push_back(0);
    EXPECT_EQ(code_of(store->put_vault(longer)), Code::RecordInvalid);
    EXPECT_TRUE(all_keys(*store).empty());
    EXPECT_TRUE(store->list_vaults().value().empty());
}

TEST_P(StoreContract, keeps_the_largest_records) {
    const auto store = open_it();
    auto head = key_head(key_id(1), 1);
    head.algorithm = sealed::Algorithm::HdSecp256k1;
    head.label = std::string(sealed::kMaxLabel, 'l');
    for (std::size_t i = 0; i < sealed::kMaxTags; ++i)
        head.tags.push_back({std::string(sealed::kMaxTagName, static_cast<char>('a' + i)),
                             std::string(sealed::kMaxTagValue, 'v')});
    const Bytes key = sealed::seal_key(vault_key(), head, random().secret(64), random());
    ASSERT_TRUE(store->put_key(key));
    EXPECT_EQ(store->get_key(key_id(1)).value(), key);
    EXPECT_EQ(all_keys(*store, {.tags = head.tags}).size(), 1u);

    sealed::VaultRecord vault = sealed::decode_vault(vault_record(key_id(1), 1)).value();
    vault.wraps[0].kms_key_arn = std::string(256, 'a');
    vault.wraps[0].data_key_blob = Bytes(6144, 1);
    vault.wraps.resize(sealed::kMaxWraps, vault.wraps[0]);
    ASSERT_TRUE(store->put_vault(sealed::encode_vault(vault)));
    EXPECT_EQ(store->get_vault(key_id(1)).value(), sealed::encode_vault(vault));
}

TEST_P(StoreContract, a_change_takes_the_place_of_a_lower_revision_only) {
    const auto store = open_it();
    const Bytes first = key_record(key_id(1), 1000), third = key_record(key_id(1), 1000, 3);
    EXPECT_EQ(code_of(store->update_key(third)), Code::UnknownKey);
    EXPECT_EQ(store->get_key(key_id(1)).value(), std::nullopt);
    ASSERT_TRUE(store->put_key(first));
    ASSERT_TRUE(store->put_key(key_record(key_id(2), 2000)));
    EXPECT_TRUE(store->update_key(first)); // what is there already
    EXPECT_TRUE(store->update_key(third)); // revisions may leave numbers out
    EXPECT_EQ(store->get_key(key_id(1)).value(), third);
    EXPECT_TRUE(store->update_key(third));
    EXPECT_EQ(code_of(store->update_key(first)), Code::Conflict);
    EXPECT_EQ(code_of(store->update_key(key_record(key_id(1), 1000, 2))), Code::Conflict);
    EXPECT_EQ(code_of(store->update_key(key_record(key_id(1), 1000, 3))), Code::Conflict);
    EXPECT_EQ(store->get_key(key_id(1)).value(), third);
    const Bytes last = key_record(key_id(1), 1000, sealed::kMaxRevision);
    EXPECT_TRUE(store->update_key(last));
    EXPECT_EQ(code_of(store->update_key(third)), Code::Conflict);
    const auto listed = all_keys(*store);
    ASSERT_EQ(ids(listed), numbers({1, 2}));
    EXPECT_EQ(listed[0].record, last);
}

TEST_P(StoreContract, of_two_changes_at_once_exactly_one_is_made) {
    const std::unique_ptr<Store> stores[2] = {open_it(), open_it()};
    ASSERT_TRUE(stores[0]->put_key(key_record(key_id(1), 1000)));
    for (std::uint32_t revision = 2; revision < 14; ++revision) {
        const Bytes records[2] = {key_record(key_id(1), 1000, revision),
                                  key_record(key_id(1), 1000, revision)};
        Status outcomes[2];
        std::barrier start(2);
        const auto change = [&](int which) {
            start.arrive_and_wait();
            // The same handle in every other round.
            outcomes[which] = stores[revision % 2 == 0 ? which : 0]->update_key(records[which]);
        };
        std::thread other(change, 1);
        change(0);
        other.join();
        ASSERT_NE(outcomes[0].has_value(), outcomes[1].has_value()) << revision;
        const int winner = outcomes[0] ? 0 : 1;
        EXPECT_EQ(outcomes[1 - winner].error().code, Code::Conflict);
        EXPECT_EQ(stores[1]->get_key(key_id(1)).value(), records[winner]);
        EXPECT_EQ(all_keys(*stores[0]).at(0).record, records[winner]);
    }
}

TEST_P(StoreContract, lists_in_order_of_creation_then_id_in_pages_of_any_size) {
    const auto store = open_it();
    std::vector<std::pair<UnixMs, sealed::KeyId>> expected;
    for (std::uint32_t i = 0; i < 60; ++i)
        expected.emplace_back(static_cast<UnixMs>(i / 4), key_id(i * 2654435761u));
    auto shuffled = expected;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
    for (const auto& [created, id] : shuffled)
        ASSERT_TRUE(store->put_key(key_record(id, created)));
    std::sort(expected.begin(), expected.end());

    for (const std::size_t limit : std::vector<std::size_t>{small(1), 7, 59, 60, 61, 1000}) {
        std::vector<std::pair<UnixMs, sealed::KeyId>> seen;
        for (const auto& key : all_keys(*store, {}, limit))
            seen.emplace_back(key.head.created, key.head.id);
        EXPECT_EQ(seen, expected) << limit;
    }
    // The last page knows that it is the last.
    EXPECT_EQ(store->list_keys({}, std::nullopt, 60).value().next, std::nullopt);
    const auto page = store->list_keys({}, std::nullopt, 59).value();
    ASSERT_TRUE(page.next);
    EXPECT_EQ(*page.next, (Position{expected[58].first, expected[58].second}));
    EXPECT_EQ(store->list_keys({}, page.next, 1).value().next, std::nullopt);
    EXPECT_EQ(store->list_keys({}, std::nullopt, 0).value().keys.size(), 1u); // at least one
    EXPECT_EQ(store->list_keys({}, std::nullopt, SIZE_MAX).value().keys.size(), 60u);
}

TEST_P(StoreContract, a_list_goes_on_where_a_key_was_deleted_meanwhile) {
    const auto store = open_it();
    for (std::uint32_t i = 1; i <= 9; ++i)
        ASSERT_TRUE(store->put_key(key_record(key_id(i), i)));
    Ids seen;
    std::optional<Position> after;
    UnixMs now = 0;
    for (;;) {
        const auto page = store->list_keys({}, after, 2).value();
        for (const auto& key : page.keys)
            seen.push_back(key.head.id);
        if (!page.next)
            break;
        after = page.next;
        // The key at the position, and the one after the next.
        const auto number = static_cast<std::uint32_t>(after->created);
        for (const std::uint32_t gone : {number, number + 2})
            if (gone <= 9) {
                ASSERT_TRUE(store->update_key(pending_record(key_id(gone), gone, 2, ++now)));
            }
        ASSERT_TRUE(store->delete_due_keys(now, 10));
    }
    EXPECT_EQ(seen, numbers({1, 2, 3, 5, 6, 8, 9}));
    // A place where no key ever was.
    EXPECT_EQ(ids(store->list_keys({}, Position{2, key_id(7)}, 10).value().keys), numbers({3, 6, 9}));
    EXPECT_TRUE(store->list_keys({}, Position{9, key_id(10)}, 10).value().keys.empty());
    EXPECT_EQ(ids(all_keys(*store)), numbers({1, 3, 6, 9}));
}

TEST_P(StoreContract, lists_what_a_filter_asks_for) {
    const auto store = open_it();
    for (std::uint32_t i = 0; i < 24; ++i) {
        auto head = key_head(key_id(i), 100 + i);
        head.vault = key_id(1000 + i % 2);
        head.address[0] = static_cast<std::uint8_t>(i % 3);
        head.label = i % 4 == 0 ? "treasury" : "";
        head.state = i % 6 == 0 ? sealed::State::Disabled : sealed::State::Enabled;
        if (i >= 12)
            head.tags = {{"chain", i % 2 == 0 ? "1" : "10"}, {"team", "a"}};
        ASSERT_TRUE(store->put_key(key_record(head)));
    }
    const ByteArray<20> address{1};
    const struct {
        KeyFilter filter;
        std::function<bool(std::uint32_t)> expected;
    } cases[] = {
        {{.vault = key_id(1001)}, [](auto i) { return i % 2 == 1; }},
        {{.vault = key_id(7)}, [](auto) { return false; }},
        {{.address = address}, [](auto i) { return i % 3 == 1; }},
        {{.vault = key_id(1000), .address = address}, [](auto i) { return i % 3 == 1 && i % 2 == 0; }},
        {{.state = sealed::State::Disabled}, [](auto i) { return i % 6 == 0; }},
        {{.state = sealed::State::PendingDeletion}, [](auto) { return false; }},
        {{.label = "treasury"}, [](auto i) { return i % 4 == 0; }},
        {{.label = "treas"}, [](auto) { return false; }},
        {{.label = ""}, [](auto i) { return i % 4 != 0; }},
        {{.tags = {{"chain", "1"}}}, [](auto i) { return i >= 12 && i % 2 == 0; }},
        {{.tags = {{"team", "a"}, {"chain", "10"}}}, [](auto i) { return i >= 12 && i % 2 == 1; }},
        {{.tags = {{"team", "a"}, {"chain", "2"}}}, [](auto) { return false; }},
        {{.tags = {{"team", ""}}}, [](auto) { return false; }},
        {{.vault = key_id(1000),
          .state = sealed::State::Enabled,
          .label = "treasury",
          .tags = {{"team", "a"}}},
         [](auto i) { return i >= 12 && i % 4 == 0 && i % 6 != 0; }},
    };
    for (const auto& [filter, expected] : cases) {
        Ids wanted;
        for (std::uint32_t i = 0; i < 24; ++i)
            if (expected(i))
                wanted.push_back(key_id(i));
        for (const std::size_t limit : std::vector<std::size_t>{small(2), 100})
            EXPECT_EQ(ids(all_keys(*store, filter, limit)), wanted) << &filter - &cases[0].filter;
    }
}

TEST_P(StoreContract, a_filter_sees_a_change_at_once) {
    const auto store = open_it();
    auto head = key_head(key_id(1), 1);
    ASSERT_TRUE(store->put_key(key_record(head)));
    head.revision = 2;
    head.state = sealed::State::Disabled;
    head.label = "old";
    head.vault = key_id(5);
    ASSERT_TRUE(store->update_key(key_record(head)));
    EXPECT_TRUE(all_keys(*store, {.state = sealed::State::Enabled}).empty());
    EXPECT_TRUE(all_keys(*store, {.vault = sealed::VaultId{}}).empty());
    EXPECT_EQ(all_keys(*store, {.label = "old"}).size(), 1u);
    EXPECT_EQ(all_keys(*store, {.vault = key_id(5)}).size(), 1u);
}

TEST_P(StoreContract, deletes_keys_when_their_time_has_come_and_tells_which) {
    const auto store = open_it();
    for (std::uint32_t i = 1; i <= 6; ++i) {
        ASSERT_TRUE(store->put_key(key_record(key_id(i), i)));
        if (i != 2) {
            ASSERT_TRUE(store->update_key(pending_record(key_id(i), i, 2, 1000 + i)));
        }
    }
    // The deletion of 4 is taken back, that of 5 put off.
    ASSERT_TRUE(store->update_key(key_record(key_id(4), 4, 3)));
    ASSERT_TRUE(store->update_key(pending_record(key_id(5), 5, 3, 9000)));
    EXPECT_EQ(ids(all_keys(*store, {.state = sealed::State::PendingDeletion})), numbers({1, 3, 5, 6}));
    EXPECT_TRUE(store->delete_due_keys(1000, 10).value().empty());
    EXPECT_EQ(store->delete_due_keys(1001, 10).value(), numbers({1})); // at the moment itself
    EXPECT_EQ(store->get_key(key_id(1)).value(), std::nullopt);
    EXPECT_TRUE(store->delete_due_keys(8000, 0).value().empty());
    auto gone = store->delete_due_keys(8000, 1).value();
    EXPECT_EQ(gone.size(), 1u);
    const auto rest = store->delete_due_keys(8000, 10).value();
    gone.insert(gone.end(), rest.begin(), rest.end());
    std::ranges::sort(gone);
    EXPECT_EQ(gone, numbers({3, 6}));
    EXPECT_EQ(ids(all_keys(*store)), numbers({2, 4, 5}));
    EXPECT_EQ(code_of(store->update_key(key_record(key_id(3), 3, 9))), Code::UnknownKey);
    EXPECT_EQ(ids(all_keys(*open_it())), numbers({2, 4, 5}));
    // A deleted key's id is not used again, as far as the store remembers it.
    const auto again = store->put_key(key_record(key_id(3), 7));
    if (std::string_view(GetParam()) == "SecretsManager") {
        EXPECT_TRUE(again);
    } else {
        EXPECT_EQ(code_of(again), Code::Conflict);
        EXPECT_EQ(code_of(open_it()->put_key(key_record(key_id(6), 7))), Code::Conflict);
        EXPECT_EQ(ids(all_keys(*store)), numbers({2, 4, 5}));
    }
}

TEST_P(StoreContract, keeps_policies_by_their_digest) {
    const auto store = open_it();
    const Bytes small = to_bytes("x"), large(kMaxPolicy, 'p');
    for (const Bytes& document : {small, large}) {
        EXPECT_EQ(store->get_policy(crypto::sha256(document)).value(), std::nullopt);
        EXPECT_TRUE(store->put_policy(document));
        EXPECT_TRUE(store->put_policy(document)); // is there already
        EXPECT_EQ(store->get_policy(crypto::sha256(document)).value(), document);
    }
    EXPECT_EQ(code_of(store->put_policy({})), Code::RecordInvalid);
    EXPECT_EQ(code_of(store->put_policy(Bytes(kMaxPolicy + 1, 'p'))), Code::RecordInvalid);
    EXPECT_EQ(store->get_policy(Hash32{}).value(), std::nullopt);
}

TEST_P(StoreContract, a_damaged_record_hides_no_other) {
    const auto store = open_it();
    for (std::uint32_t i = 1; i <= 5; ++i)
        ASSERT_TRUE(store->put_key(key_record(key_id(i), i)));
    damage(key_id(2), Bytes{1, 2, 3});
    damage(key_id(5), store->get_key(key_id(4)).value().value()); // another key's
    EXPECT_EQ(code_of(store->get_key(key_id(2))), Code::StoreFailed);
    EXPECT_EQ(code_of(store->get_key(key_id(5))), Code::StoreFailed);
    EXPECT_TRUE(store->get_key(key_id(4)));
    testing::internal::CaptureStderr();
    const auto page = store->list_keys({}, std::nullopt, 10);
    const std::string log = testing::internal::GetCapturedStderr();
    ASSERT_TRUE(page) << page.error().describe();
    EXPECT_EQ(ids(page->keys), numbers({1, 3, 4}));
    EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log; // one line, whatever it met
    EXPECT_NE(log.find(sealed::key_id_text(key_id(2))), std::string::npos) << log;
    EXPECT_EQ(ids(all_keys(*store, {}, 1)), numbers({1, 3, 4}));
}

TEST_P(StoreContract, gives_several_keys_at_once_each_as_it_would_alone) {
    const auto store = open_it();
    for (std::uint32_t i = 1; i <= 40; ++i)
        ASSERT_TRUE(store->put_key(key_record(key_id(i), i)));
    damage(key_id(3), Bytes{1, 2, 3});
    damage(key_id(4), store->get_key(key_id(5)).value().value()); // another key's
    EXPECT_TRUE(store->get_keys({}).empty());
    // More than are read at once, some not there, one of them twice.
    Ids wanted = numbers({99, 2, 3, 4, 5, 2, 98});
    for (std::uint32_t i = 6; i <= 40; ++i)
        wanted.push_back(key_id(i));
    const auto found = store->get_keys(wanted);
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto alone = store->get_key(wanted[i]);
        ASSERT_EQ(found[i].has_value(), alone.has_value()) << i;
        if (alone)
            EXPECT_EQ(*found[i], *alone) << i;
        else
            EXPECT_EQ(found[i].error().code, alone.error().code) << i;
    }
    EXPECT_FALSE(found[0]->has_value());
    EXPECT_FALSE(found[2]);
    EXPECT_FALSE(found[3]);
    // A read that follows sees what was written meanwhile.
    ASSERT_TRUE(store->update_key(key_record(key_id(2), 2, 2)));
    EXPECT_EQ(store->get_keys(numbers({2}))[0].value(), store->get_key(key_id(2)).value());
    EXPECT_NE(store->get_keys(numbers({2}))[0].value(), found[1].value());
}

TEST_P(StoreContract, a_damaged_record_is_never_deleted_as_due) {
    const auto store = open_it();
    for (std::uint32_t i = 1; i <= 2; ++i) {
        ASSERT_TRUE(store->put_key(key_record(key_id(i), i)));
        ASSERT_TRUE(store->update_key(pending_record(key_id(i), i, 2, 10)));
    }
    damage(key_id(1), key_record(key_id(1), 1, 3)); // an enabled key, whatever a column says
    EXPECT_EQ(store->delete_due_keys(100, 10).value(), numbers({2}));
    EXPECT_TRUE(store->get_key(key_id(1)).value());
}

// Records of the same secret with other ids and times: the store does not authenticate them.
constexpr std::uint32_t kMany = 10'050;
constexpr std::size_t kIdAt = 34, kCreatedAt = 108;

// Databases of many keys; lists from Secrets Manager are made by the same code.
class DatabaseContract : public StoreContract {};

TEST_P(DatabaseContract, a_list_looks_at_no_more_records_than_its_bound) {
    const auto store = open_it();
    auto head = key_head(key_id(0), 0);
    head.label = "the only one";
    ASSERT_TRUE(store->put_key(key_record(head)));
    head.label.clear();
    head.vault = key_id(3);
    const Bytes pattern = key_record(head);
    if (sqlite()) {
        SqliteFile file(target_);
        file.run("BEGIN");
        for (std::uint32_t i = 1; i <= kMany; ++i) {
            Bytes record = pattern;
            const auto id = key_id(i);
            std::ranges::copy(id, record.begin() + kIdAt);
            for (std::size_t byte = 0; byte < 4; ++byte)
                record[kCreatedAt + 4 + byte] = id[byte];
            ASSERT_EQ(sealed::read_key_head(record)->created, i);
            file.run("INSERT INTO keys VALUES(x'" + to_hex(id) + "', " + std::to_string(i) + ", x'" +
                     to_hex(head.vault) + "', zeroblob(20), NULL, x'" + to_hex(record) + "')");
        }
        file.run("COMMIT");
    } else {
        PostgresServer::instance().execute(
            "INSERT INTO " + schema() + ".redoubt_keys SELECT int4send(i) || '\\x" + std::string(24, '0') +
            "', 1, i, '\\x" + to_hex(head.vault) + "', '\\x" + std::string(40, '0') +
            "', NULL, overlay(overlay('\\x" + to_hex(pattern) + "'::bytea placing int4send(i) from " +
            std::to_string(kIdAt + 1) + ") placing int8send(i) from " + std::to_string(kCreatedAt + 1) +
            ") FROM generate_series(1, " + std::to_string(kMany) + ") i");
    }
    // What matches is among the first; then a page that found none says where it stopped.
    auto page = store->list_keys({.label = "the only one"}, std::nullopt, 5).value();
    EXPECT_EQ(page.keys.size(), 1u);
    ASSERT_TRUE(page.next);
    EXPECT_EQ(page.next->created, static_cast<UnixMs>(kMaxScanned) - 1);
    page = store->list_keys({.label = "the only one"}, page.next, 5).value();
    EXPECT_TRUE(page.keys.empty());
    EXPECT_EQ(page.next, std::nullopt);
    EXPECT_EQ(store->list_keys({}, std::nullopt, SIZE_MAX).value().keys.size(), kMaxScanned);
    // By vault and by address no others are looked at.
    page = store->list_keys({.vault = sealed::VaultId{}}, std::nullopt, 5).value();
    EXPECT_EQ(page.keys.size(), 1u);
    EXPECT_EQ(page.next, std::nullopt);
    page = store->list_keys({.address = ByteArray<20>{9}}, std::nullopt, 5).value();
    EXPECT_TRUE(page.keys.empty());
    EXPECT_EQ(page.next, std::nullopt);
}

TEST_P(StoreContract, lists_vaults_in_order_of_creation) {
    const auto store = open_it();
    const Bytes a = vault_record(key_id(1), 300), b = vault_record(key_id(9), 100),
                c = vault_record(key_id(2), 100);
    for (const auto& record : {a, b, c})
        ASSERT_TRUE(store->put_vault(record));
    EXPECT_EQ(store->list_vaults().value(), (std::vector<Bytes>{c, b, a}));
}

TEST_P(StoreContract, two_handles_see_each_others_records_at_once) {
    const auto one = open_it();
    const auto two = open_it();
    const Bytes first = key_record(key_id(1), 1), second = key_record(key_id(2), 2);
    ASSERT_TRUE(one->put_key(first));
    EXPECT_EQ(two->get_key(key_id(1)).value(), first);
    EXPECT_EQ(code_of(two->put_key(first)), Code::Conflict);
    ASSERT_TRUE(two->put_key(second));
    EXPECT_EQ(all_keys(*one).size(), 2u);
    ASSERT_TRUE(two->update_key(pending_record(key_id(1), 1, 2, 5)));
    EXPECT_EQ(all_keys(*one).at(0).head.state, sealed::State::PendingDeletion);
    EXPECT_EQ(one->delete_due_keys(5, 10).value(), numbers({1}));
    EXPECT_EQ(ids(all_keys(*two)), numbers({2}));
    EXPECT_TRUE(two->delete_due_keys(5, 10).value().empty());
}

TEST_P(StoreContract, serves_many_threads_on_two_handles) {
    const std::unique_ptr<Store> stores[2] = {open_it(), open_it()};
    const std::uint32_t threads_wanted = 4, each = sqlite() || postgres() ? 25 : 6;
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (std::uint32_t t = 0; t < threads_wanted; ++t)
        threads.emplace_back([&, t] {
            Store& store = *stores[t % 2];
            for (std::uint32_t i = 0; i < each; ++i) {
                const auto id = key_id(t * each + i);
                failures += !store.put_key(key_record(id, i));
                const Bytes record = key_record(id, i, 2);
                failures += !store.update_key(record);
                const auto found = stores[(t + 1) % 2]->get_key(id);
                failures += !found || *found != record;
                failures += !store.list_keys({}, std::nullopt, 5);
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(all_keys(*stores[0]).size(), threads_wanted * each);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoreContract, testing::Values("Sqlite", "Postgres", "SecretsManager"),
                         [](const auto& kind) { return kind.param; });
INSTANTIATE_TEST_SUITE_P(Kinds, DatabaseContract, testing::Values("Sqlite", "Postgres"),
                         [](const auto& kind) { return kind.param; });

} // namespace
} // namespace redoubt::store::tests
