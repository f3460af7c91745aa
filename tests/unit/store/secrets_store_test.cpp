// SPDX-License-Identifier: Apache-2.0
// What is Secrets Manager's own: names, versions, races between gateways, calls that fail, the kept list.
#include "aws/json_call.h"
#include "crypto/hash.h"
#include "secrets_service.h"
#include "store/secrets_calls.h"
#include "store/secrets_index.h"

#include <atomic>

namespace redoubt::store::tests {
namespace {

class SecretsStore : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(service().running());
        options_ = service().fresh_options();
        store_ = open_it();
    }
    void TearDown() override { service().faults(""); }
    static SecretsService& service() { return SecretsService::instance(); }
    std::unique_ptr<Store> open_it() const { return open_secrets_store(options_).value(); }
    std::string name(const sealed::KeyId& id) const {
        return options_.prefix + "/keys/" + sealed::key_id_text(id);
    }

    // Calls `before` ahead of each request of a store opened later, with the requests' numbers from 1.
    void before_each_request(std::function<void(int)> before) {
        options_.credentials = [inner = options_.credentials, before = std::move(before),
                                count = std::make_shared<std::atomic<int>>(0)] {
            before(++*count);
            return inner();
        };
    }

    SecretsStoreOptions options_;
    std::unique_ptr<Store> store_;
    aws::SecretsClient client_ = service().client();
    aws::Credentials credentials_ = SecretsService::credentials();
};

TEST_F(SecretsStore, names_its_secrets_as_documented) {
    const Bytes key = key_record(key_id(1), 1), vault = vault_record(key_id(2), 1), policy = to_bytes("{}");
    ASSERT_TRUE(store_->put_key(key));
    ASSERT_TRUE(store_->put_vault(vault));
    ASSERT_TRUE(store_->put_policy(policy));
    const auto stored = [&](const std::string& name) {
        return client_.get_secret_value(options_.prefix + name, credentials_).value();
    };
    EXPECT_EQ(stored("/keys/key-00000001000000000000000000000000"), key);
    EXPECT_EQ(stored("/vaults/vault-00000002000000000000000000000000"), vault);
    EXPECT_EQ(stored("/policies/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), policy);
    const Bytes counters = counter_record(counter_head(key_id(1), 1, 1, 0, 1));
    ASSERT_TRUE(store_->put_counters(counters));
    EXPECT_EQ(stored("/counters/key-00000001000000000000000000000000"), counters);
    const Bytes changed = key_record(key_id(1), 1, 2);
    ASSERT_TRUE(store_->update_key(changed));
    const auto current = client_.get_current_version(name(key_id(1)), credentials_).value();
    EXPECT_EQ(current.value, changed);
    EXPECT_EQ(current.id, to_hex(crypto::sha256(changed)));
}

TEST_F(SecretsStore, a_change_that_another_gateway_made_first_is_seen) {
    const auto other = open_it();
    // Between every two requests of the change: read, put, move.
    for (const int moment : {2, 3}) {
        auto id = key_id(static_cast<std::uint32_t>(moment));
        ASSERT_TRUE(store_->put_key(key_record(id, 1)));
        const Bytes ours = key_record(id, 1, 2), others = key_record(id, 1, 2);
        auto options = options_;
        before_each_request([&, moment](int request) {
            if (request == moment) {
                EXPECT_TRUE(other->update_key(others));
            }
        });
        EXPECT_EQ(code_of(open_it()->update_key(ours)), Code::Conflict) << moment;
        EXPECT_EQ(store_->get_key(id).value(), others);
        options_ = options;
    }
}

TEST_F(SecretsStore, a_change_overtakes_lower_revisions_that_others_make_meanwhile) {
    const auto other = open_it();
    ASSERT_TRUE(store_->put_key(key_record(key_id(1), 1)));
    before_each_request([&](int request) {
        if (request == 3) {
            EXPECT_TRUE(other->update_key(key_record(key_id(1), 1, 2)));
        }
    });
    const Bytes last = key_record(key_id(1), 1, 3);
    EXPECT_TRUE(open_it()->update_key(last));
    EXPECT_EQ(store_->get_key(key_id(1)).value(), last);
}

TEST_F(SecretsStore, a_change_that_was_put_but_not_made_current_is_never_seen_and_can_be_made_again) {
    const Bytes first = key_record(key_id(1), 1), second = key_record(key_id(1), 1, 2);
    ASSERT_TRUE(store_->put_key(first));
    EXPECT_TRUE(client_.put_secret_value(name(key_id(1)), second, to_hex(crypto::sha256(second)),
                                         "REDOUBTPENDING", credentials_));
    EXPECT_EQ(store_->get_key(key_id(1)).value(), first);
    EXPECT_EQ(all_keys(*store_).at(0).record, first);
    EXPECT_TRUE(store_->update_key(second));
    EXPECT_EQ(store_->get_key(key_id(1)).value(), second);
}

TEST_F(SecretsStore, repeats_calls_that_are_throttled_fail_or_lose_their_answers) {
    for (const char* fault : {R"("fault":"throttling","count":1)", R"("fault":"cut","count":1)",
                              R"("fault":"cut","after_bytes":20,"count":1)"}) {
        static std::uint32_t number = 0;
        const auto id = key_id(++number);
        const auto meet = [&](const char* operation) {
            service().faults(std::string(R"([{"service":"secretsmanager","operation":")") + operation +
                             "\"," + fault + "}]");
        };
        meet("CreateSecret");
        EXPECT_TRUE(store_->put_key(key_record(id, 1))) << fault;
        EXPECT_EQ(code_of(store_->put_key(key_record(id, 1))), Code::Conflict);
        meet("PutSecretValue");
        EXPECT_TRUE(store_->update_key(key_record(id, 1, 2))) << fault;
        meet("UpdateSecretVersionStage");
        const Bytes third = key_record(id, 1, 3);
        EXPECT_TRUE(store_->update_key(third)) << fault;
        meet("GetSecretValue");
        EXPECT_EQ(store_->get_key(id).value(), third) << fault;
        meet("ListSecrets");
        EXPECT_EQ(all_keys(*open_it()).size(), 1u) << fault;
        ASSERT_TRUE(store_->update_key(pending_record(id, 1, 4, 5)));
        meet("DeleteSecret");
        EXPECT_EQ(store_->delete_due_keys(5, 1).value(), std::vector{id}) << fault;
    }
}

TEST_F(SecretsStore, gives_up_in_time_and_says_what_aws_answered_but_no_credential) {
    service().faults(R"([{"service":"secretsmanager","fault":"throttling"}])");
    SecretsCalls calls(options_, 800);
    int asked = 0;
    const auto began = monotonic_ms();
    const auto throttled = calls.run([&](aws::SecretsClient& client, const aws::Credentials& credentials) {
        ++asked;
        return client.get_current_version("x", credentials);
    });
    EXPECT_EQ(code_of(throttled), Code::StoreFailed);
    EXPECT_NE(throttled.error().context.find("ThrottlingException"), std::string::npos)
        << throttled.error().context;
    EXPECT_GE(asked, 2);
    EXPECT_LE(asked, 5); // 50, 100, 200 and 400 ms at least between them
    EXPECT_LT(monotonic_ms() - began, 3'000);
    service().faults("");

    auto stranger = SecretsService::credentials();
    stranger.secret_access_key = Secret::copy_of(as_bytes("another secret"));
    options_.credentials = [shared = std::make_shared<const aws::Credentials>(stranger.clone())] {
        return shared;
    };
    const auto refused = open_it()->get_key(key_id(1));
    EXPECT_EQ(code_of(refused), Code::StoreFailed);
    EXPECT_EQ(refused.error().describe().find("another secret"), std::string::npos);
    EXPECT_EQ(refused.error().describe().find("AKIA"), std::string::npos) << refused.error().describe();
    options_.credentials = []() -> Result<std::shared_ptr<const aws::Credentials>> {
        return fail(Code::CredentialsMissing, "none yet");
    };
    EXPECT_EQ(code_of(open_it()->list_vaults()), Code::StoreFailed);
}

TEST_F(SecretsStore, lists_from_memory_until_it_is_too_old) {
    auto requests = std::make_shared<std::atomic<int>>(0);
    before_each_request([requests](int) { ++*requests; });
    options_.max_list_age_ms = 3'600'000;
    const auto store = open_it();
    ASSERT_TRUE(store_->put_key(key_record(key_id(1), 1)));
    EXPECT_EQ(all_keys(*store).size(), 1u);
    EXPECT_EQ(*requests, 2); // ListSecrets, GetSecretValue
    // Its own changes are there at once, those of others later.
    ASSERT_TRUE(store_->put_key(key_record(key_id(2), 2)));
    ASSERT_TRUE(store->put_key(key_record(key_id(3), 3)));
    ASSERT_TRUE(store->update_key(pending_record(key_id(1), 1, 2, 5)));
    const int before = *requests;
    const auto listed = all_keys(*store, {}, 1);
    ASSERT_EQ(listed.size(), 2u);
    EXPECT_EQ(listed[0].head.revision, 2u);
    EXPECT_EQ(listed[1].head.id, key_id(3));
    EXPECT_EQ(*requests, before);
    EXPECT_EQ(store->delete_due_keys(5, 5).value(), std::vector{key_id(1)});
    EXPECT_EQ(all_keys(*store).size(), 1u);
    EXPECT_EQ(all_keys(*store_).size(), 2u);
}

TEST_F(SecretsStore, a_deletion_that_another_gateway_took_back_is_not_made) {
    options_.max_list_age_ms = 3'600'000;
    const auto store = open_it();
    ASSERT_TRUE(store->put_key(key_record(key_id(1), 1)));
    ASSERT_TRUE(store->update_key(pending_record(key_id(1), 1, 2, 5)));
    EXPECT_EQ(all_keys(*store, {.state = sealed::State::PendingDeletion}).size(), 1u);
    const Bytes kept = key_record(key_id(1), 1, 3);
    ASSERT_TRUE(store_->update_key(kept));
    EXPECT_TRUE(store->delete_due_keys(5, 5).value().empty());
    EXPECT_EQ(all_keys(*store).at(0).record, kept);
}

TEST_F(SecretsStore, reads_again_only_what_changed) {
    auto requests = std::make_shared<std::atomic<int>>(0);
    before_each_request([requests](int) { ++*requests; });
    const auto store = open_it();
    for (std::uint32_t i = 0; i < 120; ++i) // more than a page of ListSecrets
        ASSERT_TRUE(store_->put_key(key_record(key_id(i), i)));
    ASSERT_TRUE(store->list_keys({}, std::nullopt, 1));
    EXPECT_EQ(*requests, 2 + 120);
    ASSERT_TRUE(store_->update_key(key_record(key_id(7), 7, 2)));
    *requests = 0;
    EXPECT_EQ(store->list_keys({}, std::nullopt, 1000).value().keys.at(7).head.revision, 2u);
    EXPECT_EQ(*requests, 2 + 1);
}

TEST_F(SecretsStore, passes_over_what_is_not_its_own) {
    ASSERT_TRUE(store_->put_key(key_record(key_id(1), 1)));
    ASSERT_TRUE(store_->put_vault(vault_record(key_id(1), 1)));
    const std::string token(32, 't');
    for (const char* name : {"/keys/key-1", "/keys/key-0000000100000000000000000000000G", "/keys/other",
                             "/keys/key-00000001000000000000000000000000-copy", "/vaults/vault-x", "x"})
        ASSERT_TRUE(client_.create_secret(options_.prefix + name, Bytes{1}, token, credentials_)) << name;
    EXPECT_EQ(all_keys(*store_).size(), 1u);
    EXPECT_EQ(store_->list_vaults().value().size(), 1u);
    auto longer = options_; // a prefix that begins with this one
    longer.prefix += "0";
    const auto other = open_secrets_store(longer).value();
    ASSERT_TRUE(other->put_key(key_record(key_id(2), 1)));
    EXPECT_EQ(all_keys(*store_).size(), 1u);
    EXPECT_EQ(all_keys(*other).size(), 1u);
}

TEST_F(SecretsStore, a_secret_that_is_scheduled_for_deletion_is_gone) {
    ASSERT_TRUE(store_->put_key(key_record(key_id(1), 1)));
    ASSERT_TRUE(store_->put_key(key_record(key_id(2), 2)));
    EXPECT_EQ(all_keys(*store_).size(), 2u);
    const aws::JsonService secrets{options_.endpoint, "secretsmanager", "us-east-1"};
    const auto call = [&](const std::string& operation, const std::string& more) {
        const auto answer =
            aws::call_json_service(secrets, "secretsmanager." + operation,
                                   "{\"SecretId\":\"" + name(key_id(1)) + "\"" + more + "}", credentials_);
        return answer ? answer->status : 0;
    };
    ASSERT_EQ(call("DeleteSecret", ",\"RecoveryWindowInDays\":7"), 200);
    EXPECT_EQ(store_->get_key(key_id(1)).value(), std::nullopt);
    EXPECT_EQ(all_keys(*store_).size(), 1u);
    EXPECT_EQ(code_of(store_->update_key(key_record(key_id(1), 1, 2))), Code::UnknownKey);
    EXPECT_EQ(code_of(store_->put_key(key_record(key_id(1), 1))), Code::StoreFailed);
    ASSERT_EQ(call("RestoreSecret", ""), 200);
    EXPECT_EQ(all_keys(*store_).size(), 2u);
    EXPECT_TRUE(store_->update_key(key_record(key_id(1), 1, 2)));
}

TEST_F(SecretsStore, a_policy_that_is_not_its_digests_is_refused) {
    const Bytes document = to_bytes("{}");
    const std::string name = options_.prefix + "/policies/" + to_hex(crypto::sha256(document));
    ASSERT_TRUE(client_.create_secret(name, to_bytes("[]"), std::string(32, 't'), credentials_));
    EXPECT_EQ(code_of(store_->put_policy(document)), Code::StoreFailed);
    EXPECT_EQ(code_of(store_->get_policy(crypto::sha256(document))), Code::StoreFailed);
}

TEST(SecretsStoreTarget, is_a_prefix_of_names) {
    EXPECT_EQ(secrets_store_prefix("secretsmanager:redoubt/prod"), "redoubt/prod");
    EXPECT_EQ(secrets_store_prefix("secretsmanager:" + std::string(128, 'a')), std::string(128, 'a'));
    EXPECT_EQ(secrets_store_prefix("secretsmanager:aZ09/_+=.@-"), "aZ09/_+=.@-");
    for (const std::string target :
         {"secretsmanager:", "secretsmanager:a b", "secretsmanager:!a", "secretsmanager:a\n", "store.db",
          "Secretsmanager:a", "postgresql://u@h/d", ""})
        EXPECT_EQ(secrets_store_prefix(target), std::nullopt) << target;
    EXPECT_EQ(secrets_store_prefix("secretsmanager:" + std::string(129, 'a')), std::nullopt);
    // Neither is ever a file's name.
    const auto good = open_store("secretsmanager:redoubt"), bad = open_store("secretsmanager:re doubt");
    EXPECT_EQ(code_of(good), Code::StoreFailed);
    EXPECT_EQ(code_of(bad), Code::StoreFailed);
    EXPECT_NE(bad.error().describe().find("prefix"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists("secretsmanager:redoubt"));
    SecretsStoreOptions options;
    options.prefix = "re doubt";
    EXPECT_EQ(code_of(open_secrets_store(options)), Code::StoreFailed);
}

// AWS may leave changes of the last five minutes out of a list.
class SecretsIndexTest : public testing::Test {
  protected:
    void put(std::uint32_t number, std::uint32_t revision = 1) {
        index_.put(key_head(key_id(number), number, revision), key_record(key_id(number), number, revision),
                   version(number, revision));
    }
    static std::string version(std::uint32_t number, std::uint32_t revision) {
        return std::to_string(number) + "." + std::to_string(revision);
    }
    static void add(SecretsIndex::Entries& entries, std::uint32_t number, std::uint32_t revision = 1) {
        entries[{number, key_id(number)}] = {key_record(key_id(number), number, revision), revision,
                                             version(number, revision), -1};
    }
    std::map<UnixMs, std::uint32_t> revisions() const {
        std::map<UnixMs, std::uint32_t> out;
        for (const auto& key : index_.list({}, std::nullopt, 100).keys)
            out[key.head.created] = key.head.revision;
        return out;
    }
    using Revisions = std::map<UnixMs, std::uint32_t>;

    SecretsIndex index_;
};

TEST_F(SecretsIndexTest, what_was_changed_while_it_was_read_stays) {
    const auto began = monotonic_ms() - 10;
    put(1, 2);
    put(2);
    index_.erase(key_head(key_id(3), 3));
    SecretsIndex::Entries read; // as all was before
    add(read, 1, 1);
    add(read, 3);
    add(read, 4);
    index_.replace(read, began);
    EXPECT_EQ(revisions(), (Revisions{{1, 2}, {2, 1}, {4, 1}}));
    // And once more, from a list that is still old, with what is recent read by itself.
    EXPECT_EQ(index_.recent(), (std::vector{key_id(1), key_id(2)}));
    add(read, 1, 2);
    add(read, 2);
    index_.replace(read, monotonic_ms() + 1);
    EXPECT_EQ(revisions(), (Revisions{{1, 2}, {2, 1}, {4, 1}}));
    EXPECT_EQ(index_.recent(), (std::vector{key_id(1), key_id(2)}));
}

TEST_F(SecretsIndexTest, what_others_changed_or_deleted_since_is_taken_over) {
    put(1);
    put(2);
    SecretsIndex::Entries read;
    add(read, 1, 5);
    index_.replace(read, monotonic_ms() + 1);
    EXPECT_EQ(revisions(), (Revisions{{1, 5}}));
    EXPECT_TRUE(index_.find(key_id(1), version(1, 5)));
    EXPECT_FALSE(index_.find(key_id(1), version(1, 1)));
    EXPECT_FALSE(index_.find(key_id(2), version(2, 1)));
    put(1, 4); // a change that was told late
    EXPECT_EQ(revisions(), (Revisions{{1, 5}}));
}

} // namespace
} // namespace redoubt::store::tests
