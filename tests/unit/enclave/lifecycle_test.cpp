// SPDX-License-Identifier: Apache-2.0
// What happens to keys after they were made, and to requests that are repeated.
#include "support.h"

#include "crypto/hpke.h"
#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

using Store = std::map<std::string, Bytes>;

// What an honest gateway does with an answer's records.
void keep(Store& store, const wire::Reply& reply) {
    for (const auto& record : for_store(reply))
        store[record.name.str()] = record.bytes;
}

const std::string kNoWait = R"(,"min_epoch":1,"limits":{"deletion_wait_seconds":0})";

struct World {
    Instance instance;
    Store store;
    explicit World(const std::string& more = kNoWait, std::function<UnixMs()> time = {})
        : instance(manifest(more), true, std::move(time)) {
        const Bytes vault = make_vault(instance);
        store[sealed::vault_id_text(sealed::decode_vault(vault)->id)] = vault;
    }
    // Everything that was open is wiped: the next request brings what the store holds.
    void forget_all() { EXPECT_EQ(instance.call(wire::Kind::Forget).status, 200); }
    wire::Reply post(const std::string& path, const std::string& body) {
        auto reply = instance.ask_with_store("POST", path, body, store);
        keep(store, reply);
        for (const auto& record : reply.records)
            if (record.kind == wire::ItemKind::KeyUpdate)
                stored(record.name.str(), sealed::read_key_head(record.bytes)->revision);
        return reply;
    }
    std::string create(const std::string& body = "{}") {
        const auto reply = post("/v1/keys", body);
        EXPECT_EQ(reply.status, 201) << reply.body;
        return member(reply, "key_id");
    }
    wire::Reply sign(const std::string& id) {
        return post("/v1/keys/" + id + "/sign-transaction", transaction());
    }
    wire::Reply show(const std::string& id) {
        return instance.ask_with_store("GET", "/v1/keys/" + id, "", store);
    }
    void stored(const std::string& id, std::uint32_t revision) {
        Bytes payload;
        wire::encode_forget(payload, {*sealed::parse_key_id(id), revision});
        EXPECT_EQ(instance.call(wire::Kind::Forget, as_text(payload)).status, 200);
    }
};

TEST(Lifecycle, a_disabled_key_signs_nothing_until_it_is_enabled) {
    World world;
    const std::string id = world.create();
    EXPECT_EQ(world.sign(id).status, 200);
    const auto disabled = world.post("/v1/keys/" + id + "/disable", "");
    ASSERT_EQ(disabled.status, 200) << disabled.body;
    EXPECT_EQ(member(disabled, "state"), "disabled");
    EXPECT_EQ(code(world.sign(id)), "key_disabled");
    for (const char* what : {"sign-message", "sign-hash", "sign-data", "sign-authorization", "derive"}) {
        const std::string body =
            what == std::string("sign-message") ? R"({"text":"a"})"
            : what == std::string("sign-hash")  ? R"({"hash":"0x)" + std::string(64, '1') + "\"}"
            : what == std::string("sign-data")  ? R"({"data":"0x00"})"
            : what == std::string("derive")
                ? R"({"path":"m/0"})"
                : R"({"authorization":{"chainId":1,"address":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","nonce":0}})";
        EXPECT_EQ(code(world.post("/v1/keys/" + id + "/" + what, body)), "key_disabled") << what;
    }
    EXPECT_EQ(world.show(id).status, 200) << "it can still be shown";
    world.forget_all();
    EXPECT_EQ(code(world.sign(id)), "key_disabled") << "the record says so, too";
    EXPECT_EQ(world.post("/v1/keys/" + id + "/enable", "{}").status, 200);
    EXPECT_EQ(world.sign(id).status, 200);
    const auto again = world.post("/v1/keys/" + id + "/enable", "{}");
    EXPECT_TRUE(for_store(again).empty()) << "nothing changes, so nothing is stored";
    EXPECT_TRUE(has_receipt(again)) << "but it was allowed";
    EXPECT_EQ(nlohmann::json::parse(again.body)["revision"], 3);
}

TEST(Lifecycle, an_older_record_is_refused_within_an_enclaves_life) {
    World world;
    const std::string id = world.create();
    const Bytes old = world.store[id];
    world.post("/v1/keys/" + id + "/disable", "{}");
    world.stored(id, 2);
    Store lying{{id, old}};
    const auto reply =
        world.instance.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(), lying);
    EXPECT_EQ(code(reply), "record_stale");
    EXPECT_EQ(code(world.sign(id)), "key_disabled");
    // What remains possible for a hostile host: another enclave, or this one started again, has not seen the
    // newer record and takes the older one (docs/store.md says so).
    Instance other(manifest(kNoWait));
    Store all = world.store;
    all[id] = old;
    EXPECT_EQ(other.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(), all).status,
              200);
    // Once it has seen the newer one it does not go back either.
    Instance third(manifest(kNoWait));
    EXPECT_EQ(code(third.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(),
                                        world.store)),
              "key_disabled");
    EXPECT_EQ(third.call(wire::Kind::Forget).status, 200);
    EXPECT_EQ(code(third.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(), all)),
              "record_stale");
}

TEST(Lifecycle, a_change_that_the_store_did_not_take_holds_and_is_not_lost) {
    World world;
    const std::string id = world.create();
    const auto change =
        world.instance.ask_with_store("POST", "/v1/keys/" + id + "/disable", "{}", world.store);
    ASSERT_EQ(for_store(change).size(), 1u);
    EXPECT_EQ(change.records[0].kind, wire::ItemKind::KeyUpdate);
    EXPECT_TRUE(has_receipt(change));
    // The store failed: nothing is kept, and the enclave is not told. Its cache is emptied, too.
    world.forget_all();
    const auto refused = world.instance.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction",
                                                       transaction(), world.store);
    EXPECT_EQ(code(refused), "key_disabled");
    const auto probe = world.instance.call(wire::Kind::Probe);
    ASSERT_EQ(probe.records.size(), 1u);
    EXPECT_EQ(probe.records[0].bytes, change.records[0].bytes);
    keep(world.store, probe);
    world.stored(id, 2);
    EXPECT_EQ(code(world.sign(id)), "key_disabled");
}

TEST(Lifecycle, a_record_that_another_enclave_made_takes_the_place_of_ones_own) {
    World world;
    const std::string id = world.create();
    Instance other(manifest(kNoWait));
    const auto theirs =
        other.ask_with_store("POST", "/v1/keys/" + id + "/update", R"({"label":"theirs"})", world.store);
    ASSERT_EQ(theirs.status, 200) << theirs.body;
    const auto ours = world.instance.ask_with_store("POST", "/v1/keys/" + id + "/update",
                                                    R"({"label":"ours"})", world.store);
    ASSERT_EQ(ours.status, 200);
    // The store took theirs first; the gateway says that revision 2 is stored.
    keep(world.store, theirs);
    world.stored(id, 2);
    EXPECT_EQ(member(world.show(id), "label"), "theirs");
    EXPECT_TRUE(world.show(id).records.empty());
}

TEST(Lifecycle, labels_and_tags_are_sealed_with_the_key) {
    World world;
    const std::string id = world.create(R"({"label":"Hot wallet é","tags":{"team":"pay","chain":"1"}})");
    auto body = nlohmann::json::parse(world.show(id).body);
    EXPECT_EQ(body["label"], "Hot wallet é");
    EXPECT_EQ(body["tags"], nlohmann::json({{"team", "pay"}, {"chain", "1"}}));
    const auto head = *sealed::read_key_head(world.store[id]);
    EXPECT_EQ(head.label, "Hot wallet é");
    world.post("/v1/keys/" + id + "/update", R"({"tags":{}})");
    body = nlohmann::json::parse(world.show(id).body);
    EXPECT_EQ(body["label"], "Hot wallet é");
    EXPECT_TRUE(body["tags"].empty());
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/update", R"({"label":"x","revision":1})")), "conflict");
    EXPECT_EQ(world.post("/v1/keys/" + id + "/update", R"({"label":"x","revision":2})").status, 200);
    for (const std::string bad : {R"({"label":7})", R"({"label":"a\u0001"})", R"({"tags":[]})",
                                  R"({"tags":{"":"x"}})", R"({})", R"({"tags":{"a":1}})", R"({"name":"x"})"})
        EXPECT_EQ(world.post("/v1/keys/" + id + "/update", bad).status, 400) << bad;
    EXPECT_EQ(
        world.post("/v1/keys/" + id + "/update", R"({"label":")" + std::string(129, 'a') + "\"}").status,
        400);
}

TEST(Lifecycle, a_key_waits_for_its_deletion_as_long_as_the_manifest_says_and_can_be_kept) {
    MovedTime time;
    World world(R"(,"min_epoch":1,"limits":{"deletion_wait_seconds":60,"vault_lease_seconds":86400})", time);
    const std::string id = world.create();
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/schedule-deletion", R"({"wait_seconds":59})")),
              "invalid_field");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/schedule-deletion", R"({"wait_seconds":31536001})")),
              "invalid_field");
    const auto scheduled = world.post("/v1/keys/" + id + "/schedule-deletion", "");
    ASSERT_EQ(scheduled.status, 200) << scheduled.body;
    EXPECT_EQ(member(scheduled, "state"), "pending-deletion");
    EXPECT_EQ(code(world.sign(id)), "key_pending_deletion");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/enable", "")), "conflict");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/disable", "")), "conflict");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/schedule-deletion", R"({"wait_seconds":100})")),
              "conflict");
    EXPECT_EQ(world.post("/v1/keys/" + id + "/schedule-deletion", "").status, 200) << "a repeat";
    EXPECT_EQ(member(world.post("/v1/keys/" + id + "/cancel-deletion", ""), "state"), "disabled");
    world.post("/v1/keys/" + id + "/enable", "");
    EXPECT_EQ(world.sign(id).status, 200);

    world.post("/v1/keys/" + id + "/schedule-deletion", "");
    *time.by += 61'000;
    world.instance.enclave->maintain(); // takes the NSM's time
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/cancel-deletion", "")), "unknown_key");
    EXPECT_EQ(code(world.show(id)), "unknown_key");
    world.forget_all();
    EXPECT_EQ(code(world.show(id)), "unknown_key") << "from the store's record, too";
}

TEST(Lifecycle, the_same_client_token_makes_one_key_in_whatever_enclave) {
    World world;
    const std::string body = R"({"client_token":"order-1","label":"a"})";
    const auto first = world.post("/v1/keys", body);
    ASSERT_EQ(first.status, 201) << first.body;
    const auto again = world.post("/v1/keys", body);
    EXPECT_EQ(again.status, 200);
    EXPECT_TRUE(for_store(again).empty());
    EXPECT_TRUE(has_receipt(again));
    EXPECT_EQ(member(again, "address"), member(first, "address"));
    Instance other(manifest(kNoWait));
    // It has not opened the vault: that would take KMS, which the answer waits for.
    Store store = world.store;
    EXPECT_EQ(
        other
            .call(wire::Kind::VaultOpen,
                  as_text(std::find_if(store.begin(), store.end(),
                                       [](const auto& entry) { return entry.first.starts_with("vault-"); })
                              ->second))
            .status,
        200);
    EXPECT_EQ(member(other.ask_with_store("POST", "/v1/keys", body, store), "address"),
              member(first, "address"));
    for (const char* different :
         {R"({"client_token":"order-1","hd":true})", R"({"client_token":"order-1","exportable":true})",
          R"({"client_token":"order-1","raw_signing":true})"})
        EXPECT_EQ(code(world.post("/v1/keys", different)), "conflict") << different;
    EXPECT_EQ(world.post("/v1/keys", R"({"client_token":"order 1"})").status, 400);
    EXPECT_EQ(world.post("/v1/keys", R"({"client_token":""})").status, 400);
    EXPECT_NE(world.create(R"({"client_token":"order-2"})"), member(first, "key_id"));
}

// Whether there is such a key is the host's word: an import or token that is sent again after the key was
// disabled or deleted must not make it anew.
TEST(Lifecycle, a_key_that_was_changed_is_never_made_again_from_what_made_it) {
    World world;
    const std::string body = R"({"client_token":"reused"})";
    const std::string id = world.create(body);
    world.post("/v1/keys/" + id + "/disable", "");
    world.store.erase(id); // the store deleted it, or the host says so
    EXPECT_EQ(code(world.post("/v1/keys", body)), "conflict");
    world.forget_all();
    EXPECT_EQ(code(world.post("/v1/keys", body)), "conflict");
    EXPECT_NE(world.create(R"({"client_token":"another"})"), id);
}

// A deletion that is due at once: what answers the repeat of a lost answer must not come before the record is
// stored, or the key comes back with the enclave's end.
TEST(Lifecycle, a_deletion_that_is_not_stored_is_not_told_as_done) {
    World world;
    const std::string id = world.create();
    const std::string path = "/v1/keys/" + id + "/schedule-deletion";
    const auto lost = world.instance.ask_with_store("POST", path, R"({"wait_seconds":0})", world.store);
    ASSERT_EQ(lost.status, 200) << lost.body;
    for (const auto& reply :
         {world.instance.ask_with_store("POST", path, R"({"wait_seconds":0})", world.store),
          world.instance.ask_with_store("GET", "/v1/keys/" + id, "", world.store)}) {
        EXPECT_EQ(code(reply), "store_failed");
        ASSERT_EQ(reply.records.size(), 1u);
        EXPECT_EQ(reply.records[0].bytes, lost.records[0].bytes);
    }
    keep(world.store, lost);
    world.stored(id, 2);
    EXPECT_EQ(code(world.post(path, "")), "unknown_key");
    // One that is shown from an unstored record is stored with the answer.
    const std::string other = world.create();
    const auto off = world.instance.ask_with_store("POST", "/v1/keys/" + other + "/disable", "", world.store);
    const auto shown = world.instance.ask_with_store("GET", "/v1/keys/" + other, "", world.store);
    EXPECT_EQ(member(shown, "state"), "disabled");
    ASSERT_EQ(shown.records.size(), 1u);
    EXPECT_EQ(shown.records[0].bytes, off.records[0].bytes);
}

TEST(Lifecycle, no_change_is_made_on_top_of_one_that_is_not_stored) {
    World world;
    const std::string id = world.create();
    const auto first =
        world.instance.ask_with_store("POST", "/v1/keys/" + id + "/update", R"({"label":"a"})", world.store);
    ASSERT_EQ(first.status, 200);
    const auto second =
        world.instance.ask_with_store("POST", "/v1/keys/" + id + "/disable", "{}", world.store);
    EXPECT_EQ(code(second), "store_failed");
    ASSERT_EQ(second.records.size(), 1u) << "what has to be stored first goes along";
    EXPECT_EQ(second.records[0].bytes, first.records[0].bytes);
    // The probe carries it, too: the answer may have been lost.
    const auto probe = world.instance.call(wire::Kind::Probe);
    ASSERT_EQ(probe.records.size(), 1u);
    EXPECT_EQ(probe.records[0].bytes, first.records[0].bytes);
    keep(world.store, probe);
    world.stored(id, 2);
    EXPECT_TRUE(world.instance.call(wire::Kind::Probe).records.empty());
    EXPECT_EQ(world.post("/v1/keys/" + id + "/disable", "{}").status, 200);
    EXPECT_EQ(code(world.sign(id)), "key_disabled");
}

// The policy document, whose recipient's private key the test has.
struct Recipient {
    crypto::SystemRandom random;
    Secret key = random.secret(32);
    std::string policy =
        R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}],"export_recipients":[{"id":"cold","public_key":")" +
        to_hex0x(*crypto::x25519_public(key)) + R"("}]})";
};

TEST(Export, seals_an_exportable_key_to_a_recipient_of_its_policy_and_to_nobody_else) {
    World world;
    Recipient cold;
    const std::string id = world.create(R"({"exportable":true,"policy":)" + cold.policy + "}");
    const auto reply = world.post("/v1/keys/" + id + "/export", R"({"recipient":"cold","nonce":"0a0b"})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto text = *from_base64(member(reply, "statement"));
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.nonce = {0x0a, 0x0b};
    const auto statement = trust::verify_export_statement(
        as_text(text), *from_base64(member(reply, "attestation")), pins, system_time_ms());
    ASSERT_TRUE(statement) << statement.error().describe();
    EXPECT_EQ(statement->key_id, id);
    crypto::HpkeMessage message;
    ASSERT_TRUE(from_hex_exact(statement->encapsulated_key.substr(2), message.encapsulated));
    message.ciphertext = *from_hex0x(statement->ciphertext);
    const auto secret = crypto::hpke_open(cold.key, message, as_bytes(trust::export_info(*statement)), {});
    ASSERT_TRUE(secret);
    const crypto::Secp256k1 curve(crypto::SystemRandom().array<32>());
    EXPECT_EQ(ethereum::to_checksum(ethereum::address_of(*curve.public_key(*secret))), statement->address);
    // Bound to what it is: with another key's name it does not open.
    auto renamed = *statement;
    renamed.key_id[5] = renamed.key_id[5] == '0' ? '1' : '0';
    EXPECT_FALSE(crypto::hpke_open(cold.key, message, as_bytes(trust::export_info(renamed)), {}));

    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/export", R"({"recipient":"hot","nonce":"0a"})")),
              "export_refused");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/export", R"({"recipient":"cold"})")), "missing_field");
    world.post("/v1/keys/" + id + "/disable", "");
    EXPECT_EQ(code(world.post("/v1/keys/" + id + "/export", R"({"recipient":"cold","nonce":"0a"})")),
              "key_disabled");
    const std::string staying = world.create(R"({"policy":)" + cold.policy + "}");
    EXPECT_EQ(code(world.post("/v1/keys/" + staying + "/export", R"({"recipient":"cold","nonce":"0a"})")),
              "export_refused");
    const std::string open = world.create(R"({"exportable":true})");
    EXPECT_EQ(code(world.post("/v1/keys/" + open + "/export", R"({"recipient":"cold","nonce":"0a"})")),
              "export_refused");
}

TEST(Policy, a_key_signs_nothing_from_its_policys_not_after_on_whatever_record_is_shown) {
    MovedTime time;
    World world(R"(,"min_epoch":1,"limits":{"vault_lease_seconds":86400,"key_cache_seconds":86400})", time);
    Recipient cold;
    const std::string policy = cold.policy.substr(0, cold.policy.size() - 1) + R"(,"not_after":)" +
                               std::to_string(system_time_ms() + 60'000) + "}";
    const std::string id = world.create(R"({"exportable":true,"hd":true,"policy":)" + policy + "}");
    const Store first = world.store;
    EXPECT_EQ(world.sign(id).status, 200);
    *time.by += 61'000;
    world.instance.enclave->maintain(); // takes the NSM's time
    EXPECT_EQ(code(world.sign(id)), "policy_expired") << "of a key in the cache";
    world.forget_all();
    for (const auto& [action, body] :
         std::vector<std::pair<std::string, std::string>>{{"sign-transaction", transaction()},
                                                          {"sign-message", R"({"text":"m","path":"m/0"})"},
                                                          {"derive", R"({"path":"m/0"})"},
                                                          {"export", R"({"recipient":"cold","nonce":"0a"})"}})
        EXPECT_EQ(code(world.instance.ask_with_store("POST", "/v1/keys/" + id + "/" + action, body, first)),
                  "policy_expired")
            << action;
    EXPECT_EQ(world.show(id).status, 200);
    EXPECT_EQ(world.post("/v1/keys/" + id + "/disable", "").status, 200);
}

TEST(Export, another_policy_document_never_takes_the_place_of_the_keys) {
    World world;
    Recipient cold, attacker;
    const std::string id = world.create(R"({"exportable":true,"policy":)" + cold.policy + "}");
    const std::string digest = member(world.show(id), "policy_digest");
    Instance fresh(manifest(kNoWait));
    Store lying = world.store;
    lying[digest] = to_bytes(policy::parse_document(attacker.policy)->canonical);
    EXPECT_EQ(code(fresh.ask_with_store("POST", "/v1/keys/" + id + "/export",
                                        R"({"recipient":"cold","nonce":"0a"})", lying)),
              "record_invalid");
    lying[digest] = {};
    EXPECT_NE(
        fresh.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(), lying).status,
        200)
        << "without its policy the key signs nothing";
    EXPECT_EQ(fresh
                  .ask_with_store("POST", "/v1/keys/" + id + "/export",
                                  R"({"recipient":"cold","nonce":"0a"})", world.store)
                  .status,
              200);
}

TEST(Adopt, makes_a_vault_key_of_a_reference_key_once_and_gives_it_no_more_rights) {
    World world(R"(,"min_epoch":1,"reference_keys":"any")");
    world.store["s"] = to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)));
    const auto adopted =
        world.post("/v1/keys/adopt", R"({"secret_id":"s","nonce":"0102","label":"from the sample"})");
    ASSERT_EQ(adopted.status, 201) << adopted.body;
    EXPECT_EQ(member(adopted, "address"), kGoldenAddress);
    const std::string id = member(adopted, "key_id");
    EXPECT_EQ(world.sign(id).status, 200);
    EXPECT_EQ(nlohmann::json::parse(adopted.body)["exportable"], false);
    const auto again = world.post("/v1/keys/adopt", R"({"secret_id":"s"})");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(member(again, "key_id"), id);
    for (const char* more :
         {R"(,"exportable":true)", R"(,"policy":{})", R"(,"raw_signing":true)", R"(,"hd":true)"})
        EXPECT_EQ(code(world.post("/v1/keys/adopt", std::string(R"({"secret_id":"s")") + more + "}")),
                  "unknown_field")
            << more;

    World strict(std::string(R"(,"min_epoch":1,"reference_keys":[{"address":")") + kGoldenAddress +
                 R"(","policy_digest":")" + to_hex(policy::parse_document(policy::kOpenPolicy)->digest) +
                 R"("}])");
    strict.store["s"] = to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)));
    strict.store["t"] = to_text_bytes(kms().encrypt(Bytes(32, 7)));
    const auto listed = strict.post("/v1/keys/adopt", R"({"secret_id":"s"})");
    ASSERT_EQ(listed.status, 201) << listed.body;
    EXPECT_EQ(nlohmann::json::parse(listed.body)["raw_signing"], false) << "the manifest does not grant it";
    EXPECT_EQ(code(strict.post("/v1/keys/adopt", R"({"secret_id":"t"})")), "reference_key_refused");
}

// Imports are bound to everything that the key shall be.
TEST(Import, a_host_that_changes_what_the_key_shall_be_or_sends_it_again_gains_nothing) {
    World world;
    crypto::SystemRandom random;
    const auto offer =
        nlohmann::json::parse(world.instance.ask("GET", "/v1/import", "", {}, "nonce=0102").body);
    const auto statement =
        nlohmann::json::parse(as_text(*from_base64(offer["statement"].get<std::string>())));
    crypto::X25519Public recipient;
    ASSERT_TRUE(from_hex_exact(offer["public_key"].get<std::string>().substr(2), recipient));
    trust::ImportInfo info;
    info.key_id = sealed::key_id_text(sealed::key_id_of_token("import-1"));
    info.vault_id = offer["vault_id"];
    info.policy_digest = to_hex(policy::open_policy_digest());
    info.epoch = statement["epoch"];
    const auto sealed_key = *crypto::hpke_seal(recipient, as_bytes(trust::import_info(info)), {},
                                               Secret::copy_of(*from_hex(kGoldenKey)), random);
    nlohmann::json body{{"vault_id", info.vault_id},
                        {"client_token", "import-1"},
                        {"encapsulated_key", to_hex0x(sealed_key.encapsulated)},
                        {"ciphertext", to_hex0x(sealed_key.ciphertext)}};
    Recipient attacker;
    for (const auto& [name, value] : std::vector<std::pair<std::string, nlohmann::json>>{
             {"exportable", true},
             {"raw_signing", true},
             {"hd", true},
             {"client_token", "import-2"},
             {"policy", nlohmann::json::parse(attacker.policy)}}) {
        auto changed = body;
        changed[name] = value;
        EXPECT_EQ(code(world.post("/v1/keys/import", changed.dump())), "invalid_field") << name;
    }
    const auto made = world.post("/v1/keys/import", body.dump());
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(member(made, "address"), kGoldenAddress);
    EXPECT_EQ(member(made, "key_id"), info.key_id);
    const auto replayed = world.post("/v1/keys/import", body.dump());
    EXPECT_EQ(replayed.status, 200);
    EXPECT_TRUE(for_store(replayed).empty());
    EXPECT_TRUE(has_receipt(replayed));
    // Not even after the key was disabled, by a host that says that there is no such key.
    const std::string id = member(made, "key_id");
    EXPECT_EQ(world.post("/v1/keys/" + id + "/disable", "{}").status, 200);
    EXPECT_EQ(code(world.instance.ask_with_store("POST", "/v1/keys/import", body.dump(), {})), "conflict");
    EXPECT_EQ(code(world.sign(id)), "key_disabled");
    // Another secret under the same token is another import.
    const auto other =
        *crypto::hpke_seal(recipient, as_bytes(trust::import_info(info)), {}, random.secret(32), random);
    auto changed = body;
    changed["encapsulated_key"] = to_hex0x(other.encapsulated);
    changed["ciphertext"] = to_hex0x(other.ciphertext);
    EXPECT_EQ(code(world.post("/v1/keys/import", changed.dump())), "conflict");
    changed.erase("client_token");
    EXPECT_EQ(code(world.post("/v1/keys/import", changed.dump())), "missing_field");
}

} // namespace
} // namespace redoubt::enclave
