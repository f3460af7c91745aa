// SPDX-License-Identifier: Apache-2.0
// What limits take, once for each request, whoever counts.
#include "decisions_support.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::ItemKind;

TEST(Limits, are_asked_for_once_and_written_before_everything_else) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(2)));
    const std::string path = key_path(id, "sign-message");
    const auto first = service.post(path, R"({"text":"1"})", by(alice()));
    ASSERT_TRUE(is_signed(first)) << first.body;
    EXPECT_EQ(std::ranges::count(service.needed, ItemKind::CountersIfAny), 1);
    ASSERT_EQ(first.records.size(), 2u);
    EXPECT_EQ(first.records.front().kind, ItemKind::Counters);
    EXPECT_EQ(first.records.front().name, id);
    EXPECT_EQ(first.records.back().kind, ItemKind::Receipt);
    const auto head = sealed::read_counter_head(first.records.front().bytes);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->term, 1u);
    EXPECT_EQ(head->sequence, 1u);
    EXPECT_GT(head->lease_until, service.now());

    const auto second = service.post(path, R"({"text":"2"})", by(bob()));
    ASSERT_TRUE(is_signed(second)) << second.body;
    EXPECT_TRUE(service.needed.empty()) << "now it counts";
    EXPECT_EQ(sealed::read_counter_head(second.records.front().bytes)->sequence, 2u);

    const auto third = service.post(path, R"({"text":"3"})", by(alice()));
    EXPECT_EQ(third.status, 429);
    EXPECT_EQ(code(third), "limit_reached");
    EXPECT_EQ(member(third, "signature"), "");
    ASSERT_EQ(third.records.size(), 1u) << "only its receipt: nothing was taken";
    const auto why = decision(third);
    EXPECT_EQ(why["limit"], "hourly");
    EXPECT_EQ(why["rule"], "few");
    EXPECT_EQ(why["window_seconds"], 3600);
    EXPECT_EQ(why["used"], "2");
    EXPECT_EQ(why["most"], "2");
    EXPECT_GT(why["retry_after_seconds"].get<int>(), 3000);
    EXPECT_LE(why["retry_after_seconds"].get<int>(), 3600 + 113) << "and a part of the window";
    service.wait(3'720'000);
    EXPECT_TRUE(is_signed(service.post(path, R"({"text":"3"})", by(alice())))) << "the window has passed";
}

TEST(Limits, of_an_amount_are_of_the_sum_and_who_is_no_principal_learns_nothing_of_them) {
    Service service;
    const std::string id = service.create_with(policy_of(rule(
        "pay", "allow", R"(["alice","host"])", R"(["sign-transaction"])",
        R"(,"limits":[{"name":"daily","window_seconds":86400,"amount":"3","amount_of":"transaction.value"}])")));
    const std::string path = key_path(id, "sign-transaction");
    for (int nonce = 0; nonce < 3; ++nonce)
        ASSERT_EQ(service.post(path, transaction(nonce), by(alice())).status, 200) << nonce;
    const auto full = service.post(path, transaction(3), by(alice()));
    EXPECT_EQ(code(full), "limit_reached");
    EXPECT_EQ(decision(full)["used"], "3");
    EXPECT_EQ(decision(full)["most"], "3");
    service.host = "ops";
    const auto host = service.post(path, transaction(3));
    EXPECT_EQ(code(host), "limit_reached");
    EXPECT_TRUE(decision(host).is_null()) << host.body;
}

TEST(Limits, hold_across_enclaves_of_which_one_counts_at_a_time) {
    const MovedTime time;
    const auto store = std::make_shared<Shelves>();
    Service first(kLongLease, store, time), second(kLongLease, store, time);
    const std::string id = first.create_with(policy_of(counted(3)));
    const std::string path = key_path(id, "sign-message");
    ASSERT_TRUE(is_signed(first.post(path, R"({"text":"1"})", by(alice()))));
    const std::size_t receipts = second.receipts.size();
    const auto elsewhere = second.post(path, R"({"text":"2"})", by(alice()));
    EXPECT_EQ(elsewhere.status, 503);
    EXPECT_EQ(code(elsewhere), "limits_elsewhere");
    EXPECT_EQ(second.receipts.size(), receipts) << "it decided nothing";
    second.wait(LimitTable::kLeaseMs + 1'000);
    ASSERT_TRUE(is_signed(second.post(path, R"({"text":"2"})", by(alice()))));
    EXPECT_EQ(sealed::read_counter_head((*store)["counters/" + id])->term, 2u);
    first.wait(0); // it takes the NSM's time
    EXPECT_EQ(code(first.post(path, R"({"text":"3"})", by(alice()))), "limits_elsewhere");
    first.wait(LimitTable::kLeaseMs + 1'000);
    ASSERT_TRUE(is_signed(first.post(path, R"({"text":"3"})", by(alice()))));
    EXPECT_EQ(code(first.post(path, R"({"text":"4"})", by(alice()))), "limit_reached")
        << "what the other one counted, counts";
}

TEST(Limits, never_go_back_whatever_counters_the_store_shows) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(4)));
    const std::string path = key_path(id, "sign-message"), shelf = "counters/" + id;
    Service other(kLongLease, service.store, service.time);
    ASSERT_TRUE(is_signed(service.post(path, R"({"text":"1"})", by(alice()))));
    const Bytes first_term = (*service.store)[shelf];
    other.wait(LimitTable::kLeaseMs + 1'000);
    ASSERT_TRUE(is_signed(other.post(path, R"({"text":"2"})", by(alice()))));
    // As if the second term's first record had not arrived: it goes on, and has forgotten nothing.
    other.wait(LimitTable::kLeaseMs + 1'000);
    (*service.store)[shelf] = first_term;
    ASSERT_TRUE(is_signed(other.post(path, R"({"text":"3"})", by(alice()))));
    service.wait(LimitTable::kLeaseMs + 1'000);
    ASSERT_TRUE(is_signed(service.post(path, R"({"text":"4"})", by(alice()))));
    EXPECT_EQ(sealed::read_counter_head((*service.store)[shelf])->term, 3u);
    EXPECT_EQ(code(service.post(path, R"({"text":"5"})", by(alice()))), "limit_reached");
    service.wait(LimitTable::kLeaseMs + 1'000);
    for (const Bytes& lie : {first_term, Bytes()}) {
        (*service.store)[shelf] = lie;
        EXPECT_EQ(code(service.post(path, R"({"text":"5"})", by(alice()))), "record_stale");
    }
    (*service.store)[shelf] = Bytes(100, 1);
    EXPECT_EQ(code(service.post(path, R"({"text":"5"})", by(alice()))), "record_invalid");
}

TEST(Limits, of_an_hd_key_are_one_whatever_path_signs) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(4)), R"(,"hd":true)");
    const std::string path = key_path(id, "sign-message");
    EXPECT_TRUE(is_signed(service.post(path, R"({"text":"m","path":"m/1"})", by(alice()))));
    EXPECT_TRUE(is_signed(service.post(path, R"({"text":"m","path":"m/2"})", by(alice()))));
    Service other(kLongLease, service.store, service.time);
    other.wait(LimitTable::kLeaseMs + 1'000);
    const auto third = other.post(path, R"({"text":"m","path":"m/3"})", by(alice()));
    EXPECT_TRUE(is_signed(third)) << third.body;
    other.wait(LimitTable::kLeaseMs + 1'000);
    const auto fourth = other.post(path, R"({"text":"m"})", by(alice()));
    EXPECT_TRUE(is_signed(fourth)) << fourth.body;
    EXPECT_EQ(code(other.post(path, R"({"text":"m","path":"m/1"})", by(alice()))), "limit_reached");
}

TEST(Limits, belong_to_signatures_alone) {
    Service service;
    for (const char* operations : {R"(["derive"])", R"(["sign-message","export"])", R"(["any"])"})
        EXPECT_EQ(code(service.post("/v1/keys",
                                    R"({"policy":)" + policy_of(counted(1, operations)) + R"(,"hd":true})")),
                  "invalid_field")
            << operations;
}

TEST(Replays, the_same_request_gets_the_same_answer_and_takes_nothing_more) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(2)));
    const std::string path = key_path(id, "sign-message");
    const auto request = service.signed_request(path, R"({"text":"1"})", by(alice(), "order-1"));
    const auto first = service.send(request);
    ASSERT_TRUE(is_signed(first)) << first.body;
    EXPECT_EQ(service.last_receipt().decision, trust::Decision::Allowed);
    for (int i = 0; i < 3; ++i) {
        const auto again = service.send(request);
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(service.last_receipt().decision, trust::Decision::Repeated);
        ASSERT_FALSE(again.records.empty());
        EXPECT_EQ(again.records.front().kind, ItemKind::Counters) << "what the first took is stored before";
    }
    EXPECT_EQ(code(service.post(path, R"({"text":"2"})", by(alice(), "order-1"))), "nonce_reused");
    EXPECT_TRUE(is_signed(service.post(path, R"({"text":"2"})", by(bob(), "order-1"))))
        << "another principal's nonces are others";
    EXPECT_EQ(code(service.post(path, R"({"text":"3"})", by(alice()))), "limit_reached")
        << "two were taken, no more and no fewer";
    EXPECT_EQ(service.send(request).body, first.body) << "even now";
}

// The enclave's lease on the counters has ended meanwhile, as it does whenever a key is not used for seconds.
TEST(Replays, take_nothing_more_after_the_lease_has_ended_either) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(1)));
    const auto request =
        service.signed_request(key_path(id, "sign-message"), kMessage, by(alice(), fresh_nonce()));
    const auto first = service.send(request);
    ASSERT_TRUE(is_signed(first)) << first.body;
    service.wait(2 * LimitTable::kLeaseMs);
    const auto again = service.send(request);
    EXPECT_EQ(again.body, first.body) << "its signature lasts for most of a minute yet";
    EXPECT_EQ(service.last_receipt().decision, trust::Decision::Repeated);
}

// The store has refused what the first answer counted, since another enclave had begun to count: the gateway
// withholds the signature and asks again, with what the store holds.
TEST(Replays, of_a_request_whose_counters_the_store_refused_begin_with_what_it_holds) {
    const MovedTime time;
    const auto store = std::make_shared<Shelves>();
    Service first(kLongLease, store, time), second(kLongLease, store, time);
    // All in one part of the window, so that what is merged is one number.
    constexpr UnixMs kPart = 3'600'000 / policy::kBuckets;
    first.wait(kPart - first.now() % kPart);
    second.wait(0);
    const std::string id = first.create_with(policy_of(counted(3)));
    const std::string path = key_path(id, "sign-message"), shelf = "counters/" + id;
    ASSERT_TRUE(is_signed(first.post(path, R"({"text":"1"})", by(alice()))));
    second.wait(LimitTable::kLeaseMs + 1'000); // the first one's clock does not know yet
    ASSERT_TRUE(is_signed(second.post(path, R"({"text":"2"})", by(alice()))));
    first.stores = false;
    const auto request = first.signed_request(path, R"({"text":"3"})", by(alice()));
    ASSERT_TRUE(is_signed(first.send(request))) << "which the gateway withholds";
    first.stores = true;
    first.unasked = {{ItemKind::CountersIfAny, id, (*store)[shelf]}};
    EXPECT_EQ(code(first.send(request)), "limits_elsewhere");
    first.wait(LimitTable::kLeaseMs + 1'000);
    const auto given = first.send(request);
    ASSERT_TRUE(is_signed(given)) << given.body;
    EXPECT_EQ(sealed::read_counter_head((*store)[shelf])->term, 3u);
    EXPECT_EQ(code(first.post(path, R"({"text":"4"})", by(alice()))), "limit_reached")
        << "one of each enclave's, and this one";
}

TEST(LimitsOfHdKeys, count_all_paths_together_across_leases) {
    Service service;
    const std::string id =
        service.create_with(policy_of(rule("few", "allow", R"(["alice"])", R"(["sign-message"])",
                                           R"(,"limits":[{"name":"two","window_seconds":3600,"count":2}])")),
                            R"(,"hd":true)");
    const auto at = [&](const std::string& path) {
        return service.post(key_path(id, "sign-message"), R"({"text":"m","path":")" + path + "\"}",
                            by(alice()));
    };
    EXPECT_TRUE(is_signed(at("m/44'/60'/0'/0/1")));
    service.wait(6'000); // longer than a lease: the record is read again
    EXPECT_TRUE(is_signed(at("m/44'/60'/0'/0/2")));
    service.wait(6'000);
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(alice()))), "limit_reached");
}

} // namespace
} // namespace redoubt::enclave
