// SPDX-License-Identifier: Apache-2.0
// How a key's policy is changed, and by whom.
#include "decisions_support.h"

#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::ItemKind;

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
    const UnixMs asked = service.now() - 1'000; // the enclave's clock is late by as long as its NSM takes
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

} // namespace
} // namespace redoubt::enclave
