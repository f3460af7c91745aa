// SPDX-License-Identifier: Apache-2.0
// Who may have what signed: by the key's policy, and by the manifest.
#include "decisions_support.h"

#include "policy/open_policy.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::ItemKind;

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

} // namespace
} // namespace redoubt::enclave
