// SPDX-License-Identifier: Apache-2.0
// Challenges, and the HMAC keys that principals agree with an enclave.
#include "decisions_support.h"

#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

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

} // namespace
} // namespace redoubt::enclave
