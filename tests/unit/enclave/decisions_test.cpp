// SPDX-License-Identifier: Apache-2.0
// Who may have what signed: by the key's policy, by the manifest, and within limits.
#include "decisions_support.h"

#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::ItemKind;

const std::string kAliceSigns = rule("messages", "allow", R"(["alice"])", R"(["sign-message"])");

TEST(Decisions, a_key_with_a_policy_signs_nothing_that_no_rule_allows) {
    Service service;
    const std::string id = service.create_with(policy_of(kAliceSigns));
    const auto unsigned_one = service.post(key_path(id, "sign-message"), kMessage);
    EXPECT_EQ(unsigned_one.status, 403);
    EXPECT_EQ(code(unsigned_one), "policy_denied");
    EXPECT_EQ(member(unsigned_one, "signature"), "");
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(bob()))), "policy_denied");
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(eve()))), "unknown_principal");
    const auto made = service.post(key_path(id, "sign-message"), kMessage, by(alice()));
    ASSERT_TRUE(is_signed(made)) << made.body;
    EXPECT_EQ(member(made, "rule"), "messages");
    // Whatever the rule does not speak of.
    for (const auto& [action, body] :
         std::vector<std::pair<std::string, std::string>>{{"sign-transaction", transaction()},
                                                          {"disable", "{}"},
                                                          {"update", R"({"label":"x"})"},
                                                          {"schedule-deletion", "{}"}})
        EXPECT_EQ(code(service.post(key_path(id, action), body, by(alice()))), "policy_denied") << action;
}

TEST(Decisions, a_signature_of_either_kind_is_checked_over_everything_that_is_asked) {
    Service service;
    const std::string id = service.create_with(
        policy_of(rule("messages", "allow", R"(["alice","bob"])", R"(["sign-message"])")));
    const std::string path = key_path(id, "sign-message");
    for (const Person* person : {&alice(), &bob()}) {
        EXPECT_TRUE(is_signed(service.post(path, kMessage, by(*person)))) << person->id;
        auto posing = by(eve());
        posing.keyid = person->id;
        EXPECT_EQ(code(service.post(path, kMessage, posing)), "signature_invalid") << person->id;
        const auto good = service.signed_request(path, kMessage, by(*person));
        auto changed = good;
        changed.body = R"({"text":"n"})";
        EXPECT_EQ(code(service.send(changed)), "signature_invalid") << "another body";
        changed.content_digest = "sha-256=:" + to_base64(crypto::sha256(as_bytes(changed.body))) + ":";
        EXPECT_EQ(code(service.send(changed)), "signature_invalid") << "and its digest";
        changed = good;
        changed.path = key_path(id, "sign-data");
        changed.body = R"({"data":"0x00"})";
        EXPECT_NE(service.send(changed).status, 200);
        changed = good;
        changed.signature_input.replace(changed.signature_input.find("nonce=\"n"), 8, "nonce=\"m");
        EXPECT_EQ(code(service.send(changed)), "signature_invalid") << "another nonce";
        changed = good;
        changed.signature.clear(); // then neither header goes out: it is an unsigned request
        EXPECT_EQ(code(service.send(changed)), "policy_denied");
        EXPECT_TRUE(is_signed(service.send(good)));
    }
    auto late = by(alice());
    late.created = service.now() / 1000 - 61;
    EXPECT_EQ(code(service.post(path, kMessage, late)), "signature_expired");
    // The NSM's time decides, not this machine's.
    const auto soon = service.signed_request(path, kMessage, by(alice()));
    service.wait(61'000);
    EXPECT_EQ(code(service.send(soon)), "signature_expired");
}

TEST(Decisions, are_explained_to_registered_principals_and_to_nobody_else) {
    Service service;
    const std::string id =
        service.create_with(policy_of(rule("small", "allow", R"(["alice","host"])", R"(["sign-transaction"])",
                                           R"(,"conditions":{"transaction.value":{"at_most":"0"}})") +
                                      "," +
                                      rule("stop", "deny", R"(["anyone"])", R"(["sign-message"])",
                                           R"(,"conditions":{"message_text":{"is":"bad"}})") +
                                      "," + rule("talk", "allow", R"(["anyone"])", R"(["sign-message"])")));
    const auto told = service.post(key_path(id, "sign-transaction"), transaction(), by(alice()));
    EXPECT_EQ(code(told), "policy_denied");
    ASSERT_EQ(decision(told)["missing"].size(), 1u) << told.body;
    EXPECT_EQ(decision(told)["missing"][0],
              nlohmann::json({{"rule", "small"}, {"because", "condition"}, {"field", "transaction.value"}}));
    // Bob is of the policy, though not of the rule.
    EXPECT_EQ(
        decision(service.post(key_path(id, "sign-transaction"), transaction(), by(bob())))["missing"][0],
        nlohmann::json({{"rule", "small"}, {"because", "principal"}}));
    const auto denied = service.post(key_path(id, "sign-message"), R"({"text":"bad"})", by(bob()));
    EXPECT_EQ(code(denied), "policy_denied");
    EXPECT_EQ(decision(denied), nlohmann::json({{"effect", "deny"}, {"rule", "stop"}}));
    for (const char* host : {"", "ops"}) {
        service.host = host;
        const auto transfer = service.post(key_path(id, "sign-transaction"), transaction());
        EXPECT_EQ(code(transfer), "policy_denied");
        EXPECT_TRUE(decision(transfer).is_null()) << transfer.body;
        const auto message = service.post(key_path(id, "sign-message"), R"({"text":"bad"})");
        EXPECT_EQ(code(message), "policy_denied");
        EXPECT_TRUE(decision(message).is_null()) << message.body;
        EXPECT_EQ(message.body.find("stop"), std::string::npos);
    }
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage))) << "anyone is anyone";
}

TEST(Decisions, a_host_that_the_gateway_vouches_for_is_one_only_where_a_rule_says_so) {
    Service service;
    const std::string named =
        service.create_with(policy_of(rule("ops", "allow", R"(["host:ops"])", R"(["sign-message"])")));
    const std::string any =
        service.create_with(policy_of(rule("hosts", "allow", R"(["host"])", R"(["sign-message"])")));
    const std::string people = service.create_with(policy_of(kAliceSigns));
    const auto sign = [&](const std::string& id, const std::string& host) {
        service.host = host;
        return code(service.post(key_path(id, "sign-message"), kMessage));
    };
    EXPECT_EQ(sign(named, "ops"), "");
    EXPECT_EQ(sign(named, "batch"), "policy_denied");
    EXPECT_EQ(sign(named, ""), "policy_denied");
    EXPECT_EQ(sign(any, "batch"), "");
    EXPECT_EQ(sign(any, ""), "policy_denied") << "nobody is vouched for";
    EXPECT_EQ(sign(people, "alice"), "policy_denied") << "a host's name is no principal's";
    // Whoever signs is who he is, whatever the gateway says.
    service.host = "ops";
    EXPECT_EQ(code(service.post(key_path(named, "sign-message"), kMessage, by(alice()))), "policy_denied");
    EXPECT_EQ(service.last_receipt().principal.substr(0, 10), "key:alice:");
    (void)service.post(key_path(named, "sign-message"), kMessage);
    EXPECT_EQ(service.last_receipt().principal, "host:ops");
}

std::string counted(int count, const std::string& operations = R"(["sign-message","sign-transaction"])") {
    return rule("few", "allow", R"(["alice","bob"])", operations,
                R"(,"limits":[{"name":"hourly","window_seconds":3600,"count":)" + std::to_string(count) +
                    "}]");
}

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
    ASSERT_TRUE(is_signed(first.send(request)));
    EXPECT_EQ(sealed::read_counter_head((*store)[shelf])->term, 3u);
    EXPECT_EQ(code(first.post(path, R"({"text":"4"})", by(alice()))), "limit_reached")
        << "one of each enclave's, and this one";
}

TEST(Challenges, are_needed_for_what_changes_a_key_and_are_good_once) {
    Service service;
    const std::string policy =
        policy_of(rule("ops", "allow", R"(["alice"])", R"(["enable","disable","sign-message"])"));
    const std::string id = service.create_with(policy);
    Service other(kLongLease, service.store, service.time);
    EXPECT_EQ(code(service.post(key_path(id, "disable"), "{}", by(alice()))), "challenge_invalid")
        << "a nonce of one's own";
    EXPECT_EQ(code(service.post(key_path(id, "disable"), "{}", by(alice(), other.challenge()))),
              "challenge_invalid")
        << "another enclave's";
    const std::string ended = service.challenge();
    service.wait(Challenges::kLifeMs + 1'000);
    EXPECT_EQ(code(service.post(key_path(id, "disable"), "{}", by(alice(), ended))), "challenge_invalid");
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(alice()))))
        << "it is not disabled, and signing needs no challenge";

    const std::string good = service.challenge();
    // Who may not is refused, and the challenge is still good for who may.
    EXPECT_EQ(code(service.post(key_path(id, "disable"), "{}", by(bob(), good))), "policy_denied");
    auto posing = by(eve(), good);
    posing.keyid = "alice";
    EXPECT_EQ(code(service.post(key_path(id, "disable"), "{}", posing)), "signature_invalid");
    const auto request = service.signed_request(key_path(id, "disable"), "{}", by(alice(), good));
    EXPECT_EQ(service.send(request).status, 200);
    EXPECT_EQ(code(service.send(request)), "challenge_invalid") << "the very same again";
    EXPECT_EQ(code(service.post(key_path(id, "enable"), "{}", by(alice(), good))), "challenge_invalid");
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(alice()))), "key_disabled");
    EXPECT_EQ(service.post(key_path(id, "enable"), "{}", by(alice(), service.challenge())).status, 200);
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(alice()))));
}

TEST(Challenges, are_needed_to_export_and_not_of_hosts_whom_a_rule_names) {
    Service service;
    crypto::SystemRandom random;
    const Secret cold = random.secret(32);
    const std::string id =
        service.create_with(policy_of(rule("out", "allow", R"(["alice","host:ops"])", R"(["export"])",
                                           R"(,"conditions":{"recipient":{"is":"cold"}})"),
                                      R"(,"export_recipients":[{"id":"cold","public_key":")" +
                                          to_hex0x(*crypto::x25519_public(cold)) + R"("}])"),
                            R"(,"exportable":true)");
    const std::string body = R"({"recipient":"cold","nonce":"0a"})";
    EXPECT_EQ(code(service.post(key_path(id, "export"), body)), "policy_denied");
    EXPECT_EQ(code(service.post(key_path(id, "export"), body, by(alice()))), "challenge_invalid");
    const std::string challenge = service.challenge();
    EXPECT_EQ(service.post(key_path(id, "export"), body, by(alice(), challenge)).status, 200);
    EXPECT_EQ(code(service.post(key_path(id, "export"), body, by(alice(), challenge))), "challenge_invalid");
    service.host = "ops";
    EXPECT_EQ(service.post(key_path(id, "export"), body).status, 200);
}

// An offer, verified, and a key sealed to it.
struct OpenedSession {
    std::string challenge, body;
    Bytes key = Bytes(32, 0x5a);

    OpenedSession(Service& service, const std::string& key_id, const Person& person, UnixMs expires,
                  const std::string& principal = "") {
        const auto reply = service.get(key_path(key_id, "session"), "nonce=0102");
        EXPECT_EQ(reply.status, 200) << reply.body;
        trust::Pins pins;
        pins.root_der = root().certificate_der;
        pins.pcr0 = to_bytes(ByteView(pcr0()));
        pins.pcr16 =
            to_bytes(ByteView(nitro::pcr_of(trust::parse_manifest(service.manifest_text)->digest())));
        pins.nonce = {1, 2};
        const auto statement = *from_base64(member(reply, "statement"));
        const auto offer = trust::verify_session_offer(
            as_text(statement), *from_base64(member(reply, "attestation")), pins, service.now());
        EXPECT_TRUE(offer) << offer.error().describe();
        challenge = offer->challenge;
        EXPECT_EQ(member(reply, "challenge"), challenge);
        EXPECT_EQ(member(reply, "public_key"), offer->public_key);
        crypto::X25519Public recipient{};
        EXPECT_TRUE(from_hex_exact(offer->public_key.substr(2), recipient));
        crypto::SystemRandom random;
        // docs/signing-requests.md
        const std::string info = R"({"enclave":")" + to_hex(recipient) + R"(","expires":)" +
                                 std::to_string(expires) + R"(,"principal":")" +
                                 to_hex(policy::principal_digest(person.key())) + R"(","redoubt_session":1})";
        const auto sealed_key =
            *crypto::hpke_seal(recipient, as_bytes(info), {}, Secret::copy_of(key), random);
        body = R"({"principal":")" + (principal.empty() ? person.id : principal) + R"(","expires":)" +
               std::to_string(expires) + R"(,"encapsulated_key":")" + to_hex0x(sealed_key.encapsulated) +
               R"(","ciphertext":")" + to_hex0x(sealed_key.ciphertext) + "\"}";
    }
};

std::string open_session(Service& service, const std::string& key_id, const Person& person,
                         const OpenedSession& session) {
    const auto reply = service.post(key_path(key_id, "session"), session.body, by(person, session.challenge));
    EXPECT_EQ(reply.status, 201) << reply.body;
    return member(reply, "session_id");
}

TEST(AgreedSessions, sign_as_their_principal_until_they_end_and_in_their_enclave_alone) {
    Service service;
    Service other(kLongLease, service.store, service.time);
    const std::string id = service.create_with(policy_of(kAliceSigns));
    const std::string path = key_path(id, "sign-message");
    const OpenedSession session(service, id, alice(), service.now() + 60'000);
    const std::string name = open_session(service, id, alice(), session);
    EXPECT_EQ(service.last_receipt().operation, "open-session");
    EXPECT_EQ(name.size(), 8u + 16 + 32);
    const auto made = service.post(path, kMessage, by_session(name, session.key));
    ASSERT_TRUE(is_signed(made)) << made.body;
    EXPECT_EQ(service.last_receipt().principal.substr(0, 10), "key:alice:");
    EXPECT_EQ(code(service.post(path, kMessage, by_session(name, Bytes(32, 1)))), "signature_invalid");
    EXPECT_EQ(code(service.post(path, kMessage, by_session(name.substr(0, 55) + "0", session.key))) == "",
              name.back() == '0');
    EXPECT_EQ(code(other.post(path, kMessage, by_session(name, session.key))), "session_unknown");
    EXPECT_EQ(
        code(service.post(key_path(id, "sign-transaction"), transaction(), by_session(name, session.key))),
        "policy_denied")
        << "it may no more than its principal";
    service.wait(61'000);
    EXPECT_EQ(code(service.post(path, kMessage, by_session(name, session.key))), "session_unknown");
}

TEST(AgreedSessions, are_nobody_to_a_policy_that_does_not_name_their_principal) {
    Service service;
    const std::string mine = service.create_with(policy_of(kAliceSigns));
    const std::string foreign =
        service.create_with(R"({"redoubt_policy":1,"principals":[)" + bob().entry() + R"(],"rules":[)" +
                            rule("bob", "allow", R"(["bob"])", R"(["sign-message"])") + "," +
                            rule("hosts", "allow", R"(["host"])", R"(["sign-message"])") + "]}");
    const OpenedSession session(service, mine, alice(), service.now() + 60'000);
    const std::string name = open_session(service, mine, alice(), session);
    service.host = "ops";
    const auto refused =
        service.post(key_path(foreign, "sign-message"), kMessage, by_session(name, session.key));
    EXPECT_EQ(code(refused), "unknown_principal");
    EXPECT_TRUE(decision(refused).is_null()) << refused.body;
    EXPECT_TRUE(
        is_signed(service.post(key_path(mine, "sign-message"), kMessage, by_session(name, session.key))));
    // A principal is a key, whatever a policy calls it.
    const std::string renamed = service.create_with(
        R"({"redoubt_policy":1,"principals":[{"id":"treasury")" + alice().entry().substr(13) +
        R"(],"rules":[)" + rule("r", "allow", R"(["treasury"])", R"(["sign-message"])") + "]}");
    EXPECT_TRUE(
        is_signed(service.post(key_path(renamed, "sign-message"), kMessage, by_session(name, session.key))));
    EXPECT_EQ(service.last_receipt().principal.substr(0, 13), "key:treasury:");
}

TEST(AgreedSessions, are_not_to_be_had_by_a_principal_that_is_called_as_one) {
    Service service;
    // Whoever may write a policy could else name another's key by the id of a session of his own.
    const std::string id = "session-" + std::string(48, '0');
    const auto refused =
        service.post("/v1/keys", R"({"policy":{"redoubt_policy":1,"principals":[{"id":")" + id + "\"" +
                                     alice().entry().substr(13) + R"(],"rules":[)" +
                                     rule("r", "allow", "[\"" + id + "\"]", R"(["sign-message"])") + "]}}");
    EXPECT_EQ(code(refused), "invalid_field") << refused.body;
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

TEST(AgreedSessions, are_opened_by_their_principal_alone_with_the_offers_challenge_once) {
    Service service;
    const std::string id = service.create_with(
        policy_of(rule("messages", "allow", R"(["alice","bob"])", R"(["sign-message"])")));
    const std::string path = key_path(id, "session");
    const OpenedSession session(service, id, alice(), service.now() + 3'600'000);
    EXPECT_EQ(code(service.post(path, session.body)), "unauthorized");
    EXPECT_EQ(code(service.post(path, session.body, by(bob(), session.challenge))), "unauthorized");
    EXPECT_EQ(code(service.post(path, session.body, by(alice()))), "challenge_invalid");
    auto changed = session;
    changed.body.replace(changed.body.find("\"expires\":") + 10, 13,
                         std::to_string(service.now() + 7'200'000));
    EXPECT_EQ(code(service.post(path, changed.body, by(alice(), session.challenge))), "invalid_field")
        << "the time is sealed with the key";
    const OpenedSession as_bob(service, id, alice(), service.now() + 3'600'000, "bob");
    EXPECT_EQ(code(service.post(path, as_bob.body, by(bob(), as_bob.challenge))), "invalid_field")
        << "and so is whose it is";
    const OpenedSession of_eve(service, id, eve(), service.now() + 3'600'000);
    EXPECT_EQ(code(service.post(path, of_eve.body, by(eve(), of_eve.challenge))), "unknown_principal");
    for (const std::int64_t life : {-1'000, 86'400'000 + 60'000}) {
        const OpenedSession wrong(service, id, alice(), service.now() + life);
        EXPECT_EQ(code(service.post(path, wrong.body, by(alice(), wrong.challenge))), "invalid_field")
            << life;
    }
    // None of the refusals has used it up.
    const std::string name = open_session(service, id, alice(), session);
    EXPECT_EQ(code(service.post(path, session.body, by(alice(), session.challenge))), "challenge_invalid");
    const OpenedSession next(service, id, alice(), service.now() + 60'000);
    EXPECT_EQ(code(service.post(path, next.body, by_session(name, session.key, next.challenge))),
              "unauthorized")
        << "a session opens no session";
    const std::string open = service.create("{}");
    EXPECT_EQ(code(service.post(key_path(open, "session"), session.body, by(alice(), session.challenge))),
              "unknown_principal")
        << "the open policy names nobody";
}

// Owners of a policy.
std::string owned(const std::string& rules, int version, const std::string& threshold,
                  const std::string& more = "") {
    return policy_of(rules, R"(,"version":)" + std::to_string(version) + R"(,"owners":[)" + alice().entry() +
                                "," + bob().entry() + R"(],"threshold":)" + threshold + more);
}

struct Change {
    std::string key_id, from, to_document;
    std::string to{};       // digest; empty: the document's
    std::string manifest{}; // digest; empty: the service's
};

std::string change_body(Service& service, const Change& change, const std::vector<const Person*>& owners,
                        const std::string& more = "") {
    trust::Authorization what;
    what.operation = "policy-change";
    what.manifest = trust::parse_manifest(service.manifest_text)->digest();
    what.not_after = service.now() + 60'000;
    what.key_id = change.key_id;
    what.from_policy = change.from;
    what.to_policy = change.to.empty() ? digest_of(change.to_document) : change.to;
    trust::SignedAuthorization out{trust::encode_authorization(what), {}};
    for (const Person* owner : owners)
        out.signatures.push_back({owner->id, *to_array<64>(owner->sign(
                                                 std::string(trust::kAuthorizationContext) + out.document))});
    return R"({"policy":)" + change.to_document + R"(,"authorization":)" +
           trust::encode_signed_authorization(out) + more + "}";
}

wire::Reply change_policy(Service& service, const Change& change, const std::vector<const Person*>& owners,
                          const std::string& more = "") {
    return service.post(key_path(change.key_id, "policy"), change_body(service, change, owners, more));
}

const std::string kBobSigns = rule("bobs", "allow", R"(["bob"])", R"(["sign-message"])");

TEST(PolicyChange, is_made_by_as_many_owners_as_the_policy_says_and_decides_at_once) {
    Service service;
    const std::string first = owned(kAliceSigns, 1, "2"), second = owned(kBobSigns, 2, "1");
    const std::string id = service.create_with(first);
    const std::string path = key_path(id, "sign-message");
    const Change change{id, digest_of(first), second};
    EXPECT_EQ(code(change_policy(service, change, {&alice()})), "forbidden") << "one of two";
    EXPECT_EQ(code(change_policy(service, change, {&alice(), &alice()})), "unauthorized") << "one, twice";
    EXPECT_EQ(code(change_policy(service, change, {&alice(), &eve()})), "unauthorized");
    EXPECT_EQ(code(change_policy(service, change, {})), "unauthorized");
    EXPECT_EQ(code(change_policy(service, {id, std::string(64, '0'), second}, {&alice(), &bob()})),
              "forbidden")
        << "from another policy";
    EXPECT_EQ(code(change_policy(service, {id, digest_of(first), second, std::string(64, '0')},
                                 {&alice(), &bob()})),
              "forbidden")
        << "to another policy";
    const std::string twin = service.create_with(first);
    EXPECT_EQ(code(service.post(key_path(twin, "policy"), change_body(service, change, {&alice(), &bob()}))),
              "forbidden")
        << "another key's";
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(alice())))) << "nothing has changed";

    const std::string body = change_body(service, change, {&alice(), &bob()}, R"(,"nonce":"0102")");
    const auto changed = service.post(key_path(id, "policy"), body);
    ASSERT_EQ(changed.status, 200) << changed.body;
    ASSERT_EQ(changed.records.size(), 3u);
    EXPECT_EQ(changed.records[0].kind, ItemKind::Policy) << "before the record that names it";
    EXPECT_EQ(changed.records[0].name, digest_of(second));
    EXPECT_EQ(to_hex(crypto::sha256(changed.records[0].bytes)), digest_of(second));
    EXPECT_EQ(changed.records[1].kind, ItemKind::KeyUpdate);
    EXPECT_EQ(changed.records[2].kind, ItemKind::Receipt);
    const auto head = *sealed::read_key_head(changed.records[1].bytes);
    EXPECT_EQ(to_hex(head.policy_digest), digest_of(second));
    EXPECT_EQ(head.revision, 2u);
    EXPECT_EQ(head.pending_policy, Hash32{});
    const auto receipt = service.last_receipt();
    EXPECT_EQ(receipt.operation, "change-policy");
    EXPECT_EQ(receipt.principal, "owner:alice,bob");
    EXPECT_EQ(to_hex(receipt.policy_digest), digest_of(first)) << "the one that decided";
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.nonce = {1, 2};
    const auto text = *from_base64(member(changed, "statement"));
    const auto statement = trust::verify_key_statement(
        as_text(text), *from_base64(member(changed, "attestation")), pins, service.now());
    ASSERT_TRUE(statement) << statement.error().describe();
    EXPECT_EQ(statement->policy_digest, digest_of(second));
    EXPECT_EQ(statement->pending_policy, "");

    EXPECT_EQ(code(service.post(path, kMessage, by(alice()))), "policy_denied");
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(bob()))));
    service.forget_all();
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(bob())))) << "from the store, too";
    EXPECT_EQ(code(service.post(key_path(id, "policy"), body)), "forbidden")
        << "shown again it is from another policy than the one in force";
    // Now one owner is enough; versions only grow.
    const std::string third = owned(kAliceSigns, 3, "1");
    for (const int version : {1, 2})
        EXPECT_EQ(code(change_policy(service, {id, digest_of(second), owned(kAliceSigns, version, "1", "")},
                                     {&alice()})),
                  "policy_version")
            << version;
    EXPECT_EQ(change_policy(service, {id, digest_of(second), third}, {&bob()}).status, 200);
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(alice()))));
}

TEST(PolicyChange, needs_owners_in_the_policy_and_never_weakens_what_the_manifest_requires) {
    Service service;
    const std::string open = service.create("{}");
    const std::string ownerless = service.create_with(policy_of(kAliceSigns));
    const std::string to = owned(kBobSigns, 2, "1");
    EXPECT_EQ(code(change_policy(service, {open, to_hex(policy::open_policy_digest()), to}, {&alice()})),
              "forbidden");
    EXPECT_EQ(code(change_policy(service, {ownerless, digest_of(policy_of(kAliceSigns)), to}, {&alice()})),
              "forbidden");
    EXPECT_EQ(code(service.post(key_path(open, "policy"), R"({"policy":)" + to + "}")), "missing_field");

    Service strict(kLongLease + R"(,"require_policy":true)");
    const std::string first = owned(kAliceSigns, 1, "1");
    const std::string id = strict.create_with(first);
    const auto refused =
        change_policy(strict, {id, digest_of(first), std::string(policy::kOpenPolicy)}, {&alice()});
    EXPECT_NE(refused.status, 200) << "the open policy has no version above 1, and is none";
    EXPECT_EQ(change_policy(strict, {id, digest_of(first), to}, {&alice()}).status, 200);
}

TEST(PolicyChange, waits_for_its_time_lock_and_decides_from_then_on) {
    Service service;
    const std::string lock = R"(,"time_lock_seconds":3600)";
    const std::string first = owned(kAliceSigns, 1, "1", lock), second = owned(kBobSigns, 5, "1", lock);
    const std::string id = service.create_with(first);
    const std::string path = key_path(id, "sign-message");
    const UnixMs asked = service.now();
    const auto changed =
        change_policy(service, {id, digest_of(first), second}, {&alice()}, R"(,"nonce":"0102")");
    ASSERT_EQ(changed.status, 200) << changed.body;
    EXPECT_EQ(member(changed, "policy_digest"), digest_of(first));
    EXPECT_EQ(member(changed, "pending_policy"), digest_of(second));
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.nonce = {1, 2};
    const auto text = *from_base64(member(changed, "statement"));
    const auto statement = trust::verify_key_statement(
        as_text(text), *from_base64(member(changed, "attestation")), pins, service.now());
    ASSERT_TRUE(statement) << statement.error().describe();
    EXPECT_EQ(statement->policy_digest, digest_of(first));
    EXPECT_EQ(statement->pending_policy, digest_of(second));
    EXPECT_GE(statement->pending_from, static_cast<std::uint64_t>(asked + 3'600'000));
    EXPECT_LE(statement->pending_from, static_cast<std::uint64_t>(service.now() + 3'600'000));
    const auto shown = service.get(key_path(id, "policy"), by(bob()));
    EXPECT_EQ(member(shown, "policy_digest"), digest_of(first));
    EXPECT_EQ(member(shown, "pending_policy"), digest_of(second));

    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(alice()))));
    EXPECT_EQ(code(service.post(path, kMessage, by(bob()))), "policy_denied");
    service.wait(3'590'000);
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(alice())))) << "ten seconds before";
    service.forget_all();
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(alice())))) << "from the store";
    service.wait(11'000);
    EXPECT_EQ(code(service.post(path, kMessage, by(alice()))), "policy_denied") << "of a key in the cache";
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(bob()))));
    EXPECT_EQ(to_hex(service.last_receipt().policy_digest), digest_of(second));
    const auto after = service.get("/v1/keys/" + id);
    EXPECT_EQ(member(after, "policy_digest"), digest_of(second));
    EXPECT_EQ(member(after, "pending_policy"), "");
    // Another enclave that has never seen it.
    Service other(kLongLease, service.store, service.time);
    EXPECT_EQ(code(other.post(path, kMessage, by(alice()))), "policy_denied");
    EXPECT_TRUE(is_signed(other.post(path, kMessage, by(bob()))));
    // And the next change is from the one that decides now.
    const std::string third = owned(kAliceSigns, 6, "1");
    EXPECT_EQ(code(change_policy(service, {id, digest_of(first), third}, {&alice()})), "forbidden");
    EXPECT_EQ(change_policy(service, {id, digest_of(second), third}, {&alice()}).status, 200);
    EXPECT_TRUE(is_signed(service.post(path, kMessage, by(bob())))) << "it waits in its turn";
}

TEST(PolicyChange, that_waits_gives_way_only_to_a_higher_version) {
    Service service;
    const std::string lock = R"(,"time_lock_seconds":3600)";
    const std::string first = owned(kAliceSigns, 1, "1", lock), fifth = owned(kBobSigns, 5, "1", lock);
    const std::string id = service.create_with(first);
    ASSERT_EQ(change_policy(service, {id, digest_of(first), fifth}, {&alice()}).status, 200);
    const std::string from = digest_of(first);
    for (const int version : {2, 5})
        EXPECT_EQ(code(change_policy(service, {id, from, owned(kAliceSigns, version, "1")}, {&alice()})),
                  "policy_version")
            << version;
    service.forget_all();
    EXPECT_EQ(code(change_policy(service, {id, from, owned(kAliceSigns, 4, "1")}, {&alice()})),
              "policy_version")
        << "from the store, too";
    Service other(kLongLease, service.store, service.time);
    EXPECT_EQ(code(change_policy(other, {id, from, owned(kAliceSigns, 4, "1")}, {&alice()})),
              "policy_version");
    EXPECT_TRUE(std::ranges::count(other.needed, ItemKind::Policy) >= 2) << "both documents are asked for";
    const std::string sixth = owned(kAliceSigns, 6, "1", lock);
    service.wait(3'000'000);
    ASSERT_EQ(change_policy(service, {id, from, sixth}, {&alice()}).status, 200);
    service.wait(700'000);
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(alice()))))
        << "the fifth's time has come, but the sixth took its place and waits anew";
    EXPECT_EQ(member(service.get("/v1/keys/" + id), "pending_policy"), digest_of(sixth));
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(bob()))), "policy_denied");
}

TEST(PolicyChange, that_the_store_did_not_take_is_sent_again_with_its_document) {
    Service service;
    const std::string first = owned(kAliceSigns, 1, "1"), second = owned(kBobSigns, 2, "1");
    const std::string id = service.create_with(first);
    service.stores = false;
    const auto lost = change_policy(service, {id, digest_of(first), second}, {&alice()});
    ASSERT_EQ(lost.status, 200) << lost.body;
    const auto probe = service.instance.call(wire::Kind::Probe);
    ASSERT_EQ(probe.records.size(), 2u);
    EXPECT_EQ(probe.records[0].kind, ItemKind::Policy);
    EXPECT_EQ(probe.records[0].name, digest_of(second));
    EXPECT_EQ(probe.records[0].bytes, lost.records[0].bytes);
    EXPECT_EQ(probe.records[1].kind, ItemKind::KeyUpdate);
    EXPECT_EQ(probe.records[1].bytes, lost.records[1].bytes);
    const auto busy = change_policy(service, {id, digest_of(second), owned(kAliceSigns, 3, "1")}, {&alice()});
    EXPECT_EQ(code(busy), "store_failed");
    ASSERT_EQ(busy.records.size(), 2u) << "no receipt: nothing was decided";
    EXPECT_EQ(busy.records[0].kind, ItemKind::Policy);
    service.stores = true;
    service.keep(probe);
    EXPECT_TRUE(service.instance.call(wire::Kind::Probe).records.empty());
    service.forget_all();
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(bob()))));
}

TEST(Decisions, a_policy_is_shown_to_the_principals_that_it_names) {
    Service service;
    const std::string policy = policy_of(kAliceSigns);
    const std::string id = service.create_with(policy), open = service.create("{}");
    EXPECT_EQ(code(service.get(key_path(id, "policy"))), "unauthorized");
    EXPECT_EQ(code(service.get(key_path(id, "policy"), by(eve()))), "unknown_principal");
    service.host = "ops";
    EXPECT_EQ(code(service.get(key_path(id, "policy"))), "unauthorized");
    const auto shown = service.get(key_path(id, "policy"), by(bob()));
    ASSERT_EQ(shown.status, 200) << shown.body;
    EXPECT_EQ(member(shown, "policy_digest"), digest_of(policy));
    EXPECT_EQ(digest_of(nlohmann::json::parse(shown.body)["policy"].dump()), digest_of(policy));
    EXPECT_EQ(member(service.get(key_path(open, "policy")), "policy_digest"),
              to_hex(policy::open_policy_digest()));
}

TEST(Decisions, a_manifest_that_requires_policies_takes_no_open_one) {
    Service service(kLongLease + R"(,"require_policy":true)");
    EXPECT_EQ(code(service.post("/v1/keys", "{}")), "policy_required");
    EXPECT_EQ(code(service.post("/v1/keys", R"({"policy":)" + std::string(policy::kOpenPolicy) + "}")),
              "policy_required");
    const std::string id = service.create_with(policy_of(kAliceSigns));
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(alice()))));
    // A key of before, under another manifest.
    Service lax;
    const std::string open = lax.create("{}");
    Service strict(kLongLease + R"(,"require_policy":true)", lax.store);
    EXPECT_EQ(code(strict.post(key_path(open, "sign-message"), kMessage)), "policy_required");
}

TEST(Decisions, a_policy_document_that_is_not_the_keys_never_decides) {
    Service service;
    const std::string id = service.create_with(policy_of(kAliceSigns));
    const std::string name = "policy/" + digest_of(policy_of(kAliceSigns));
    Service other(kLongLease, service.store, service.time);
    (*service.store)[name] = to_bytes(policy::parse_document(policy_of(kBobSigns))->canonical);
    EXPECT_EQ(code(other.post(key_path(id, "sign-message"), kMessage, by(bob()))), "record_invalid");
    (*service.store)[name] = to_bytes(policy::kOpenPolicy);
    EXPECT_EQ(code(other.post(key_path(id, "sign-message"), kMessage)), "record_invalid");
    (*service.store)[name] = {};
    EXPECT_NE(other.post(key_path(id, "sign-message"), kMessage).status, 200);
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage, by(alice()))))
        << "who has it read needs it no more";
}

TEST(ManifestPrincipals, alone_make_keys_and_store_policies_each_time_with_a_challenge) {
    const std::string more = R"(,"min_epoch":1,"reference_keys":"any","principals":[)" + alice().entry("") +
                             "," + bob().entry("") + "]";
    Service service(more);
    (*service.store)["other/s"] = to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)));
    const std::string vault = service.store->begin()->first.starts_with("vault/")
                                  ? service.store->begin()->first.substr(6)
                                  : std::prev(service.store->end())->first.substr(6);
    const std::string import = R"({"vault_id":")" + vault + R"(","client_token":"t","encapsulated_key":"0x)" +
                               std::string(64, '1') + R"(","ciphertext":"0x)" + std::string(96, '2') + "\"}";
    struct Row {
        std::string path, body;
        int status; // of one who may
    };
    for (const Row& row : std::vector<Row>{
             {"/v1/keys", "{}", 201},
             {"/v1/keys/import", import, 400}, // its ciphertext is none, which is looked at after that
             {"/v1/keys/adopt", R"({"secret_id":"s"})", 201},
             {"/v1/policies", R"({"policy":)" + policy_of(kAliceSigns) + "}", 201},
             {"/generate_key", R"({"key_id":")" + kReferenceArn + "\"}", 200}}) {
        EXPECT_EQ(code(service.post(row.path, row.body)), "unauthorized") << row.path;
        service.host = "alice";
        EXPECT_EQ(code(service.post(row.path, row.body)), "unauthorized") << row.path;
        service.host = "";
        EXPECT_EQ(code(service.post(row.path, row.body, by(eve(), service.challenge()))), "unknown_principal")
            << row.path;
        auto posing = by(eve(), service.challenge());
        posing.keyid = "alice";
        EXPECT_EQ(code(service.post(row.path, row.body, posing)), "signature_invalid") << row.path;
        EXPECT_EQ(code(service.post(row.path, row.body, by(alice()))), "challenge_invalid") << row.path;
        const auto request = service.signed_request(row.path, row.body, by(bob(), service.challenge()));
        const auto done = service.send(request);
        EXPECT_EQ(done.status, row.status) << row.path << done.body;
        EXPECT_EQ(service.last_receipt().principal.substr(0, 8), "key:bob:") << row.path;
        EXPECT_EQ(code(service.send(request)), "challenge_invalid") << row.path << ": once";
    }
    const std::string open =
        member(service.post("/v1/keys", "{}", by(alice(), service.challenge())), "key_id");
    EXPECT_TRUE(is_signed(service.post(key_path(open, "sign-message"), kMessage)))
        << "who uses keys is their policies' business";
    Service nobody;
    EXPECT_EQ(code(nobody.post("/v1/keys", "{}", by(alice(), nobody.challenge()))), "unknown_principal")
        << "a manifest that names nobody takes no signature";
}

TEST(ReferencePolicies, are_bound_by_the_manifest_and_their_limits_counted_by_address) {
    const std::string policy =
        policy_of(rule("digests", "allow", R"(["alice"])", R"(["sign-hash"])",
                       R"(,"limits":[{"name":"few","window_seconds":3600,"count":1}])"));
    const std::string listed = std::string(R"(,"min_epoch":1,"reference_keys":[{"address":")") +
                               kGoldenAddress + R"(","policy_digest":")" + digest_of(policy) +
                               R"(","raw_signing":true}])";
    Service service(listed);
    (*service.store)["other/s"] = to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)));
    EXPECT_EQ(service.post("/sign_hash", kHashBody).status, 409) << "without the document nothing is signed";
    ASSERT_EQ(service.post("/v1/policies", R"({"policy":)" + policy + "}").status, 201);
    EXPECT_TRUE(service.store->contains("policy/" + digest_of(policy)));
    EXPECT_EQ(code(service.post("/sign_hash", kHashBody)), "policy_denied");
    EXPECT_EQ(code(service.post("/sign_hash", kHashBody, by(eve()))), "unknown_principal");
    EXPECT_EQ(code(service.post("/sign_hash", kHashBody, by(bob()))), "policy_denied");
    const auto made = service.post("/sign_hash", kHashBody, by(alice()));
    ASSERT_EQ(made.status, 200) << made.body;
    ASSERT_EQ(made.records.size(), 2u);
    EXPECT_EQ(made.records[0].kind, ItemKind::Counters);
    EXPECT_EQ(service.last_receipt().rule, "digests");
    EXPECT_EQ(code(service.post("/sign_hash", kHashBody, by(alice()))), "limit_reached");
    // The same key under another ciphertext has the same counters.
    (*service.store)["other/s"] = to_text_bytes(kms().encrypt(as_bytes("0x" + kGoldenKey)));
    EXPECT_EQ(code(service.post("/sign_hash", kHashBody, by(alice()))), "limit_reached");
    const std::string payload =
        R"({"transaction_payload":{"value":1,"nonce":0,"gas":21000,"gasPrice":1},"secret_id":"s"})";
    EXPECT_EQ(code(service.post("/", payload, by(alice()))), "policy_denied")
        << "the rule speaks of digests only";
}

TEST(HdPolicies, speak_of_the_path_and_of_the_default_one_where_none_is_asked) {
    Service service;
    const auto on_path = [](const std::string& test) {
        return policy_of(rule("r", "allow", R"(["alice"])", R"(["sign-message","derive"])",
                              R"(,"conditions":{"path":)" + test + "}"));
    };
    const std::string below = service.create_with(on_path(R"({"under":"m/44'/60'/0'"})"), R"(,"hd":true)");
    const std::string exact = service.create_with(on_path(R"({"is":"m/44'/60'/0'/0/0"})"), R"(,"hd":true)");
    const std::string other = service.create_with(on_path(R"({"is":"m/44'/60'/0'/0/1"})"), R"(,"hd":true)");
    const auto sign = [&](const std::string& id, const std::string& path) {
        const std::string body = path.empty() ? kMessage : R"({"text":"m","path":")" + path + "\"}";
        return code(service.post(key_path(id, "sign-message"), body, by(alice())));
    };
    EXPECT_EQ(sign(below, "m/44'/60'/0'/0/5"), "");
    EXPECT_EQ(sign(below, "m/44'/60'/0'"), "");
    EXPECT_EQ(sign(below, "m/44'/60'/1'/0/5"), "policy_denied");
    EXPECT_EQ(sign(below, "m/44'/60'"), "policy_denied");
    EXPECT_EQ(sign(below, "m/44'/60'/0/0/5"), "policy_denied") << "not hardened is another path";
    EXPECT_EQ(sign(below, ""), "");
    EXPECT_EQ(sign(exact, ""), "");
    EXPECT_EQ(sign(other, ""), "policy_denied");
    EXPECT_EQ(sign(other, "m/44'/60'/0'/0/1"), "");
    const auto derive = [&](const std::string& id, const std::string& body) {
        return code(service.post(key_path(id, "derive"), body, by(alice())));
    };
    EXPECT_EQ(derive(below, R"({"account":"m/44'/60'/0'/0","first":0,"count":3})"), "");
    EXPECT_EQ(derive(below, R"({"path":"m/44'/60'/1'/0/0"})"), "policy_denied");
    EXPECT_EQ(derive(other, R"({"account":"m/44'/60'/0'/0","first":1,"count":2})"), "policy_denied")
        << "every path must hold";
    EXPECT_EQ(derive(other, R"({"account":"m/44'/60'/0'/0","first":1,"count":1})"), "");
    // A single key has no path for conditions to hold on.
    const std::string single = service.create_with(on_path(R"({"under":"m"})"));
    EXPECT_EQ(code(service.post(key_path(single, "sign-message"), kMessage, by(alice()))), "policy_denied");
}

// A log as a gateway writes it, of all receipts so far.
Bytes log_of(Service& service) {
    Bytes payload;
    wire::encode_receipts_asked(payload, {});
    const auto reply = service.instance.call(wire::Kind::Receipts, as_text(payload));
    EXPECT_EQ(reply.status, 200);
    Bytes log, head;
    std::vector<Bytes> first;
    trust::ChainId chain{};
    for (const auto& record : reply.records) {
        chain = *to_array<16>(as_bytes(record.name));
        if (record.kind == ItemKind::ReceiptStart)
            trust::append_log_entry(log, trust::LogEntry::Start, chain, record.bytes);
        if (record.kind == ItemKind::Receipt)
            first.push_back(record.bytes);
        if (record.kind == ItemKind::ReceiptHead)
            head = record.bytes;
    }
    EXPECT_FALSE(first.empty());
    // The enclave's own Started came with no answer; all others did.
    trust::append_log_entry(log, trust::LogEntry::Receipt, chain, first.at(0));
    for (const auto& receipt : service.receipts)
        trust::append_log_entry(log, trust::LogEntry::Receipt, chain, receipt);
    trust::append_log_entry(log, trust::LogEntry::Head, chain, head);
    return log;
}

trust::AuditOptions audit_options() {
    trust::AuditOptions options;
    options.root_der = root().certificate_der;
    options.pcr0 = {to_bytes(ByteView(pcr0()))};
    return options;
}

TEST(Receipts, begin_with_a_document_that_names_image_and_manifest) {
    Service service;
    (void)service.create("{}");
    const Bytes log = log_of(service);
    auto options = audit_options();
    options.pcr16 = {
        to_bytes(ByteView(nitro::pcr_of(trust::parse_manifest(service.manifest_text)->digest())))};
    trust::Audit audit(options);
    const auto fed = audit.feed(log);
    ASSERT_TRUE(fed) << fed.error().describe();
    EXPECT_TRUE(audit.finish());
    options.pcr16 = {Bytes(48, 1)};
    trust::Audit other_manifest(options);
    EXPECT_FALSE(other_manifest.feed(log));
    options = audit_options();
    options.pcr0 = {Bytes(48, 1)};
    trust::Audit other_image(options);
    EXPECT_FALSE(other_image.feed(log));
}

TEST(Receipts, stand_for_each_decision_and_for_nothing_else_and_their_chain_verifies) {
    Service service;
    const std::string policy = policy_of(counted(1));
    const std::string id = service.create_with(policy);
    EXPECT_EQ(service.receipts.size(), 1u);
    EXPECT_EQ(service.last_receipt().operation, "create-key");
    EXPECT_EQ(service.last_receipt().key_id, *sealed::parse_key_id(id));
    service.get("/v1/keys/" + id);
    service.get("/v1/challenge");
    service.get("/v1/attestation", "nonce=00");
    service.get(key_path(id, "policy"), by(alice()));
    service.get(key_path(id, "policy"));
    service.get("/nothing");
    EXPECT_EQ(service.receipts.size(), 1u) << "what is only looked at is no decision";

    const auto request = service.signed_request(key_path(id, "sign-message"), kMessage, by(alice()));
    const auto made = service.send(request);
    ASSERT_TRUE(is_signed(made));
    ASSERT_EQ(service.receipts.size(), 2u) << "one, though it asked for counters first";
    auto receipt = service.last_receipt();
    EXPECT_EQ(receipt.decision, trust::Decision::Allowed);
    EXPECT_EQ(receipt.operation, "sign-message");
    EXPECT_EQ(receipt.code, "");
    EXPECT_EQ(receipt.rule, "few");
    EXPECT_EQ(receipt.principal,
              "key:alice:" + to_hex(ByteView(policy::principal_digest(alice().key())).first(8)));
    EXPECT_EQ(to_hex(receipt.policy_digest), digest_of(policy));
    EXPECT_EQ(to_hex0x(receipt.signed_digest), member(made, "digest"));
    EXPECT_EQ(receipt.request_digest, trust::request_digest("POST", "localhost", request.path, false, "",
                                                            "application/json", as_bytes(request.body)));
    EXPECT_GE(receipt.time, service.now() - 5'000);

    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), R"({"text":"2"})", by(bob()))),
              "limit_reached");
    receipt = service.last_receipt();
    EXPECT_EQ(receipt.decision, trust::Decision::Refused);
    EXPECT_EQ(receipt.code, "limit_reached");
    EXPECT_EQ(receipt.signed_digest, Hash32{});
    (void)service.send(request);
    EXPECT_EQ(service.last_receipt().decision, trust::Decision::Repeated);
    (void)service.post(key_path(id, "sign-message"), "not json");
    EXPECT_EQ(service.last_receipt().code, "bad_json");
    (void)service.post("/wallet", "{}");
    EXPECT_EQ(service.last_receipt().code, "missing_field");
    const std::size_t before = service.receipts.size();
    EXPECT_EQ(
        service.post("/v1/keys", R"({"vault_id":"vault-00000000000000000000000000000000"})").status / 100, 4);
    EXPECT_EQ(service.receipts.size(), before + 1);
    service.stores = false;
    (void)service.post(key_path(service.create("{}"), "disable"), "{}"); // the store lacks that key
    service.stores = true;

    const Bytes log = log_of(service);
    trust::Audit audit(audit_options());
    std::vector<trust::Receipt> seen;
    const auto fed =
        audit.feed(log, [&](const trust::ChainId&, const trust::Receipt& each) { seen.push_back(each); });
    ASSERT_TRUE(fed) << fed.error().describe();
    const auto report = audit.finish();
    ASSERT_TRUE(report) << report.error().describe();
    ASSERT_EQ(seen.size(), service.receipts.size() + 1);
    EXPECT_EQ(seen[0].decision, trust::Decision::Started);
    EXPECT_EQ(seen[0].policy_digest,
              crypto::sha256(as_bytes(trust::parse_manifest(service.manifest_text)->canonical)));
    // What is left out, or another, breaks it.
    service.receipts.erase(service.receipts.begin() + 1);
    trust::Audit shorter(audit_options());
    const auto gap = shorter.feed(log_of(service));
    EXPECT_TRUE(!gap || !shorter.finish());
}

// The key is disabled all the same, and its record stored: that is a decision, though the answer is an error.
TEST(Receipts, stand_for_a_change_whose_answer_could_not_be_attested) {
    Service service;
    const std::string id = service.create_with(
        policy_of(rule("ops", "allow", R"(["alice"])", R"(["disable"])") + "," + kAliceSigns));
    const std::string challenge = service.challenge();
    *service.instance.attests = false;
    const auto answer = service.post(key_path(id, "disable"), R"({"nonce":"0102"})", by(alice(), challenge));
    *service.instance.attests = true;
    EXPECT_EQ(code(answer), "nsm_failed");
    EXPECT_EQ(service.last_receipt().operation, "disable");
    EXPECT_EQ(service.last_receipt().decision, trust::Decision::Allowed);
    EXPECT_EQ(service.last_receipt().rule, "ops");
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(alice()))), "key_disabled");
}

TEST(Receipts, are_given_again_until_the_gateway_says_that_it_has_them) {
    Service service;
    const std::string id = service.create("{}");
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage)));
    const auto ask = [&](const wire::ReceiptsAsked& asked) {
        Bytes payload;
        wire::encode_receipts_asked(payload, asked);
        return service.instance.call(wire::Kind::Receipts, as_text(payload));
    };
    const auto all = ask({});
    ASSERT_EQ(all.records.size(), 1u + 3 + 1) << "the start, Started and two more, and a head";
    EXPECT_EQ(all.records.front().kind, ItemKind::ReceiptStart);
    EXPECT_EQ(all.records.back().kind, ItemKind::ReceiptHead);
    const auto chain = *to_array<16>(as_bytes(all.records.front().name));
    const auto start = *trust::decode_chain_start(all.records.front().bytes);
    EXPECT_EQ(trust::chain_id(start.public_key), chain);
    const auto head = *trust::decode_receipt_head(all.records.back().bytes);
    EXPECT_EQ(head.sequence, 2u);
    EXPECT_TRUE(trust::verify_receipt_head(head, start.public_key));
    EXPECT_EQ(member(all, "tag"), member(service.instance.call(wire::Kind::Hello), "tag"));
    EXPECT_EQ(ask({}).records.size(), 5u) << "asking takes nothing away";
    const auto rest = ask({chain, 1});
    ASSERT_EQ(rest.records.size(), 2u);
    EXPECT_EQ(trust::receipt_sequence(rest.records[0].bytes), 2u);
    EXPECT_EQ(rest.records[1].bytes, all.records.back().bytes) << "nothing new: the same head";
    EXPECT_EQ(ask({}).records.size(), 1u + 1 + 1) << "what is stored is kept no longer";
    EXPECT_EQ(ask({ByteArray<16>{1}, 7}).records.front().kind, ItemKind::ReceiptStart)
        << "another chain's number says nothing of this one";
    EXPECT_EQ(ask({chain, 2}).records.size(), 1u) << "the head alone";
    // From now on the head goes along with answers.
    const auto reply = service.post(key_path(id, "sign-message"), kMessage);
    ASSERT_EQ(reply.records.size(), 2u);
    EXPECT_EQ(reply.records[0].kind, ItemKind::Receipt);
    EXPECT_EQ(reply.records[1].kind, ItemKind::ReceiptHead);
}

TEST(Receipts, of_strangers_refusals_are_few_and_the_others_counted) {
    Service service;
    const std::string id = service.create_with(policy_of(kAliceSigns));
    const std::size_t before = service.receipts.size();
    constexpr int kAsked = 3 * ReceiptChain::kUnknownBurst;
    for (int i = 0; i < kAsked; ++i)
        EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage)), "policy_denied");
    const std::size_t given = service.receipts.size() - before;
    EXPECT_GE(given, static_cast<std::size_t>(ReceiptChain::kUnknownBurst));
    EXPECT_LT(given, static_cast<std::size_t>(kAsked));
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage, by(bob()))), "policy_denied");
    EXPECT_EQ(service.receipts.size(), before + given + 1) << "of a principal's refusal always";
    std::uint64_t skipped = 0;
    for (const auto& receipt : service.receipts)
        skipped += trust::decode_receipt(receipt)->skipped;
    EXPECT_EQ(given + skipped, static_cast<std::uint64_t>(kAsked));
}

TEST(Receipts, that_nobody_stores_end_all_deciding) {
    Service service;
    const std::string id = service.create("{}");
    SentRequest put{
        "POST", "/v1/policies", "", R"({"policy":)" + std::string(policy::kOpenPolicy) + "}", "", "", ""};
    wire::Request request;
    request.method = put.method;
    request.path = put.path;
    request.authority = "localhost";
    request.headers = {{"content-type", "application/json"}};
    request.body = as_bytes(put.body);
    Bytes payload;
    wire::encode_request(payload, request);
    // Started and create-key are there.
    for (std::size_t i = 2; i < ReceiptChain::kMaxKept; ++i)
        ASSERT_EQ(service.instance.enclave->handle(wire::Kind::Request, payload, MayWait::No)->status, 201)
            << i;
    for (const auto& reply : {service.send(put), service.post(key_path(id, "sign-message"), kMessage)}) {
        EXPECT_EQ(reply.status, 503);
        EXPECT_EQ(code(reply), "overloaded");
        EXPECT_TRUE(reply.records.empty());
    }
    EXPECT_EQ(service.get("/v1/keys/" + id).status, 200) << "what is only looked at is no decision";
    Bytes asked;
    wire::encode_receipts_asked(asked, {});
    const auto kept = service.instance.call(wire::Kind::Receipts, as_text(asked));
    asked.clear();
    wire::encode_receipts_asked(asked, {*to_array<16>(as_bytes(kept.records.front().name)), 0});
    EXPECT_EQ(service.instance.call(wire::Kind::Receipts, as_text(asked)).status, 200);
    EXPECT_TRUE(is_signed(service.post(key_path(id, "sign-message"), kMessage))) << "there is room for one";
    EXPECT_EQ(code(service.post(key_path(id, "sign-message"), kMessage)), "overloaded");
}

} // namespace
} // namespace redoubt::enclave
