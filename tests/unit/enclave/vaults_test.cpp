// SPDX-License-Identifier: Apache-2.0
// Several vaults, several regions, moving keys between them, and owners who must allow it.
#include "person.h"
#include "support.h"

#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

using Store = std::map<std::string, Bytes>;

void keep(Store& store, const wire::Reply& reply) {
    for (const auto& record : for_store(reply))
        store[record.name.str()] = record.bytes;
}

const std::string kFarArn = "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555";

FakeKms& far_kms() {
    static FakeKms instance(std::string("kms.eu-west-1.") + kSuffix);
    return instance;
}

std::string two_regions(const std::string& more = R"(,"min_epoch":1)") {
    return R"({"redoubt_manifest":1,"kms_keys":[{"arn":")" + kVaultArn + R"(","purpose":"vault"},{"arn":")" +
           kFarArn + R"(","purpose":"vault"}])" + more + "}";
}

// A proxy to nothing: the region is down.
net::Endpoint nowhere() {
    return *net::parse_endpoint("unix:/nonexistent/redoubt-test.sock");
}

std::function<void(Options&)> regions(bool near, bool far) {
    return [=](Options& options) {
        options.kms_proxies.clear();
        options.kms_proxies["us-east-1"] = near ? kms().endpoint() : nowhere();
        options.kms_proxies["eu-west-1"] = far ? far_kms().endpoint() : nowhere();
        options.tls_roots_pem = kms().roots() + far_kms().roots();
    };
}

std::string vault_of(const std::string& token, std::uint64_t epoch = 1) {
    return sealed::vault_id_text(sealed::vault_id_of_token(token, epoch));
}

// As a gateway does: stored, then opened from the stored record.
wire::Reply create_vault(Instance& instance, Store& store, const std::string& body, bool open = true) {
    auto reply = instance.ask_with_store("POST", "/v1/vaults", body, store);
    keep(store, reply);
    for (const auto& record : for_store(reply))
        EXPECT_TRUE(!open || instance.call(wire::Kind::VaultOpen, as_text(record.bytes)).status == 200);
    return reply;
}

TEST(Vaults, seal_nothing_before_their_record_is_stored) {
    Instance instance;
    Store store;
    create_vault(instance, store, R"({"client_token":"a"})");
    const auto lost =
        instance.ask_with_store("POST", "/v1/vaults", R"({"client_token":"b","epoch":2})", store);
    ASSERT_EQ(lost.status, 201);
    // The store did not take it: new keys go where they went before.
    EXPECT_EQ(member(instance.ask("POST", "/v1/keys", "{}"), "vault_id"), vault_of("a"));
    // A repeat draws another, and whichever is stored is the one.
    const auto again = create_vault(instance, store, R"({"client_token":"b","epoch":2})");
    ASSERT_EQ(again.status, 201);
    EXPECT_NE(member(again, "vault_commitment"), member(lost, "vault_commitment"));
    EXPECT_EQ(member(instance.ask("POST", "/v1/keys", "{}"), "vault_id"), vault_of("b", 2));
    // Another record of an open vault's id is no second name for it.
    EXPECT_EQ(code(instance.call(wire::Kind::VaultOpen, as_text(lost.records[0].bytes))), "record_invalid");
    Instance other;
    EXPECT_EQ(member(other.ask_with_store("POST", "/v1/vaults", R"({"client_token":"b","epoch":2})", store),
                     "vault_commitment"),
              member(again, "vault_commitment"));
}

TEST(Vaults, are_bounded_in_number_and_epoch) {
    Instance instance;
    Store store;
    create_vault(instance, store, R"({"client_token":"a"})");
    EXPECT_EQ(code(create_vault(instance, store, R"({"client_token":"b","epoch":3})")), "invalid_field")
        << "nobody but an owner jumps over epochs";
    for (std::size_t n = 1; n < VaultTable::kMaxVaults; ++n)
        ASSERT_EQ(create_vault(instance, store, R"({"client_token":"n)" + std::to_string(n) + "\"}").status,
                  201);
    const auto one_more = create_vault(instance, store, R"({"client_token":"more"})", false);
    ASSERT_EQ(one_more.status, 201);
    EXPECT_EQ(code(instance.call(wire::Kind::VaultOpen, as_text(one_more.records[0].bytes))), "conflict");
}

TEST(Vaults, open_by_the_next_region_when_one_is_down) {
    far_kms().forge(nullptr);
    Instance first(two_regions(), true, {}, regions(true, true));
    const Bytes vault = make_vault(first);
    EXPECT_EQ(sealed::decode_vault(vault)->wraps.size(), 2u);
    const MadeKey key = make_key(first);
    const std::vector<Item> record{{wire::ItemKind::KeyRecord, key.id, key.record}};
    const std::string path = "/v1/keys/" + key.id + "/sign-transaction";
    const auto wanted = first.ask("POST", path, transaction(), record);
    for (const auto& [near, far] : {std::pair(false, true), std::pair(true, false)}) {
        Instance other(two_regions(), true, {}, regions(near, far));
        EXPECT_EQ(other.call(wire::Kind::VaultOpen, as_text(vault)).status, 200) << near;
        EXPECT_EQ(other.ask("POST", path, transaction(), record).body, wanted.body);
    }
    Instance none(two_regions(), true, {}, regions(false, false));
    EXPECT_EQ(code(none.call(wire::Kind::VaultOpen, as_text(vault))), "kms_unavailable");
    // A vault is wrapped for every region of the manifest or not made at all.
    Instance half(two_regions(), true, {}, regions(true, false));
    EXPECT_EQ(code(half.call(wire::Kind::VaultCreate)), "kms_unavailable");
}

TEST(Vaults, stay_open_while_one_region_answers_and_end_when_those_that_answer_deny) {
    far_kms().forge(nullptr);
    MovedTime time;
    Instance instance(two_regions(R"(,"min_epoch":1,"limits":{"vault_lease_seconds":100})"), true, time,
                      regions(true, true));
    make_vault(instance);
    const MadeKey key = make_key(instance);
    const std::vector<Item> record{{wire::ItemKind::KeyRecord, key.id, key.record}};
    const auto sign = [&] {
        return instance.ask("POST", "/v1/keys/" + key.id + "/sign-transaction", transaction(), record);
    };
    const auto denied = [](nlohmann::json& reply, int) {
        reply = {{"__type", "AccessDeniedException"}, {"status", 400}};
    };
    // us-east-1 breaks (500), eu-west-1 answers: renewed.
    kms().forge([](nlohmann::json& reply, int) {
        reply = {{"__type", "KMSInternalException"}, {"status", 500}};
    });
    *time.by += 80'000;
    instance.enclave->maintain();
    *time.by += 80'000;
    instance.enclave->maintain();
    EXPECT_EQ(sign().status, 200) << "renewed by the region that works";
    // Both deny: at once, long before the lease ends by itself.
    kms().forge(denied);
    far_kms().forge(denied);
    *time.by += 80'000;
    instance.enclave->maintain();
    EXPECT_NE(sign().status, 200) << "the vault is closed and its keys are wiped";
    kms().forge(nullptr);
    far_kms().forge(nullptr);
}

TEST(Vaults, new_keys_go_into_the_newest_or_the_one_that_is_named) {
    Instance instance;
    Store store;
    const auto first = create_vault(instance, store, R"({"client_token":"a","nonce":"0102"})");
    ASSERT_EQ(first.status, 201) << first.body;
    const std::string a = member(first, "vault_id");
    EXPECT_EQ(a, vault_of("a"));
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.nonce = {1, 2};
    const auto text = *from_base64(member(first, "statement"));
    const auto statement = trust::verify_vault_statement(
        as_text(text), *from_base64(member(first, "attestation")), pins, system_time_ms());
    ASSERT_TRUE(statement);
    EXPECT_EQ(statement->vault_commitment, to_hex(sealed::decode_vault(store[a])->commitment));
    const auto again = create_vault(instance, store, R"({"client_token":"a"})");
    EXPECT_EQ(again.status, 200) << again.body;
    EXPECT_TRUE(for_store(again).empty());
    EXPECT_EQ(member(again, "vault_commitment"), statement->vault_commitment);
    EXPECT_EQ(code(create_vault(instance, store, R"({"client_token":"c","epoch":0})")), "invalid_field");
    EXPECT_EQ(code(create_vault(instance, store, "{}")), "missing_field");
    const std::string b =
        member(create_vault(instance, store, R"({"client_token":"b","epoch":2})"), "vault_id");
    const auto in = [&](const std::string& body) {
        const auto reply = instance.ask("POST", "/v1/keys", body);
        return reply.status == 201 ? member(reply, "vault_id") : code(reply);
    };
    EXPECT_EQ(in("{}"), b) << "its epoch is higher";
    EXPECT_EQ(in(R"({"vault_id":")" + a + "\"}"), a);
    EXPECT_EQ(
        instance.ask("POST", "/v1/keys", R"({"vault_id":"vault-00000000000000000000000000000000"})").status,
        wire::kNeeds);
    const auto key = instance.ask("POST", "/v1/keys", "{}");
    EXPECT_EQ(nlohmann::json::parse(key.body)["epoch"], 2) << "a key has its vault's epoch";
}

TEST(Vaults, a_moved_key_signs_the_same_and_its_old_record_is_stale) {
    Instance instance;
    Store store;
    const std::string a = member(create_vault(instance, store, R"({"client_token":"a"})"), "vault_id");
    const auto made = instance.ask("POST", "/v1/keys", R"({"label":"kept"})");
    keep(store, made);
    const std::string id = member(made, "key_id");
    const Bytes old = store[id];
    const std::string sign = "/v1/keys/" + id + "/sign-transaction";
    const auto wanted = instance.ask_with_store("POST", sign, transaction(), store);
    const std::string b =
        member(create_vault(instance, store, R"({"client_token":"b","epoch":2})"), "vault_id");
    const std::string move = R"({"vault_id":")" + b + "\"}";
    const auto moved = instance.ask_with_store("POST", "/v1/keys/" + id + "/move", move, store);
    ASSERT_EQ(moved.status, 200) << moved.body;
    keep(store, moved);
    Bytes stored;
    wire::encode_forget(stored, {*sealed::parse_key_id(id), 2});
    EXPECT_EQ(instance.call(wire::Kind::Forget, as_text(stored)).status, 200);
    const auto head = *sealed::read_key_head(store[id]);
    EXPECT_EQ(sealed::vault_id_text(head.vault), b);
    EXPECT_EQ(head.epoch, 2u);
    EXPECT_EQ(head.revision, 2u);
    EXPECT_EQ(head.label, "kept");
    EXPECT_EQ(instance.call(wire::Kind::Forget).status, 200);
    EXPECT_EQ(instance.ask_with_store("POST", sign, transaction(), store).body, wanted.body);
    EXPECT_EQ(instance.call(wire::Kind::Forget).status, 200);
    Store lying = store;
    lying[id] = old;
    EXPECT_EQ(code(instance.ask_with_store("POST", sign, transaction(), lying)), "record_stale");
    const auto again = instance.ask_with_store("POST", "/v1/keys/" + id + "/move", move, store);
    EXPECT_EQ(again.status, 200);
    EXPECT_TRUE(for_store(again).empty()) << "it is there already";
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/" + id + "/move", R"({"vault_id":")" + a + "\"}",
                                           store)),
              "conflict")
        << "not back to an earlier epoch";
    // Once the manifest says so, whatever was sealed before the rotation opens nowhere.
    Instance strict(manifest(R"(,"min_epoch":2)"));
    EXPECT_EQ(strict.ask_with_store("POST", sign, transaction(), store).body, wanted.body);
    EXPECT_EQ(strict.call(wire::Kind::Forget).status, 200);
    Instance strict_again(manifest(R"(,"min_epoch":2)"));
    EXPECT_EQ(code(strict_again.ask_with_store("POST", sign, transaction(), lying)), "record_stale");
    EXPECT_EQ(
        code(instance.ask_with_store("POST", "/v1/keys/" + id + "/move",
                                     R"({"vault_id":"vault-00000000000000000000000000000000"})", store)),
        "record_invalid")
        << "the store has no such vault";
}

// A record that says it is another vault's, without having been sealed there.
TEST(Vaults, a_record_moved_by_the_host_opens_nowhere) {
    Instance instance;
    Store store;
    create_vault(instance, store, R"({"client_token":"a"})");
    const auto made = instance.ask("POST", "/v1/keys", "{}");
    keep(store, made);
    const std::string id = member(made, "key_id");
    const std::string b = member(create_vault(instance, store, R"({"client_token":"b"})"), "vault_id");
    const auto vault = *sealed::parse_vault_id(b);
    std::copy(vault.begin(), vault.end(), store[id].begin() + 18); // docs/formats/sealed.md: after the epoch
    ASSERT_EQ(sealed::read_key_head(store[id])->vault, vault);
    EXPECT_EQ(
        code(instance.ask_with_store("POST", "/v1/keys/" + id + "/sign-transaction", transaction(), store)),
        "record_invalid");
}

TEST(Owners, authorise_vaults_moves_and_the_policy_of_keys_and_nobody_else_does) {
    const Person alice("alice", true), bob("bob", false), mallory("mallory", true);
    const std::string text =
        manifest(R"(,"min_epoch":1,"owners":[)" + alice.entry("") + "," + bob.entry("") + "]");
    Instance instance(text);
    const auto digest = trust::parse_manifest(text)->digest();
    Store store;
    EXPECT_EQ(code(instance.call(wire::Kind::VaultCreate)), "forbidden") << "the gateway alone makes none";
    trust::Authorization create;
    create.operation = "vault-create";
    create.manifest = digest;
    create.not_after = system_time_ms() + 60'000;
    create.vault_id = vault_of("a");
    create.epoch = 1;
    const auto ask = [&](const std::string& token, const std::string& authorization) {
        return create_vault(instance, store,
                            R"({"client_token":")" + token + "\"" +
                                (authorization.empty() ? "" : R"(,"authorization":)" + authorization) + "}");
    };
    EXPECT_EQ(code(ask("a", "")), "forbidden");
    EXPECT_EQ(code(ask("a", mallory.authorise(create))), "unauthorized");
    EXPECT_EQ(code(ask("b", alice.authorise(create))), "forbidden") << "for another vault";
    auto other = create;
    other.epoch = 2;
    EXPECT_EQ(code(ask("a", alice.authorise(other))), "forbidden") << "for another epoch";
    other = create;
    other.not_after = system_time_ms() - 1'000;
    EXPECT_EQ(code(ask("a", alice.authorise(other))), "forbidden") << "expired";
    other = create;
    other.manifest[0] ^= 1;
    EXPECT_EQ(code(ask("a", alice.authorise(other))), "forbidden") << "another manifest's";
    const auto made = ask("a", bob.authorise(create));
    ASSERT_EQ(made.status, 201) << made.body;
    const std::string a = member(made, "vault_id");

    EXPECT_EQ(code(instance.ask("POST", "/v1/keys", "{}")), "forbidden");
    trust::Authorization policy;
    policy.operation = "key-policy";
    policy.manifest = digest;
    policy.not_after = system_time_ms() + 60'000;
    policy.policy_digest = to_hex(policy::parse_document(policy::kOpenPolicy)->digest);
    const auto key = instance.ask("POST", "/v1/keys", R"({"authorization":)" + alice.authorise(policy) + "}");
    ASSERT_EQ(key.status, 201) << key.body;
    keep(store, key);
    policy.policy_digest = std::string(64, '0');
    EXPECT_EQ(code(instance.ask("POST", "/v1/keys", R"({"authorization":)" + alice.authorise(policy) + "}")),
              "forbidden");

    create.vault_id = vault_of("b");
    const std::string b = member(ask("b", alice.authorise(create)), "vault_id");
    const std::string move = "/v1/keys/" + member(key, "key_id") + "/move";
    EXPECT_EQ(code(instance.ask_with_store("POST", move, R"({"vault_id":")" + b + "\"}", store)),
              "forbidden");
    trust::Authorization moving;
    moving.operation = "vault-move";
    moving.manifest = digest;
    moving.not_after = system_time_ms() + 60'000;
    moving.from = b;
    moving.to = a;
    const auto with = [&] {
        return instance.ask_with_store(
            "POST", move, R"({"vault_id":")" + b + R"(","authorization":)" + bob.authorise(moving) + "}",
            store);
    };
    EXPECT_EQ(code(with()), "forbidden") << "the other way";
    std::swap(moving.from, moving.to);
    EXPECT_EQ(with().status, 200);
}

TEST(Owners, can_make_a_vault_for_the_next_manifest_while_this_one_lists_its_own) {
    const Person alice("alice", true);
    Instance first;
    Store store;
    const std::string a = member(create_vault(first, store, R"({"client_token":"a"})"), "vault_id");
    const auto commitment = sealed::decode_vault(store[a])->commitment;
    const std::string text =
        manifest(R"(,"min_epoch":1,"owners":[)" + alice.entry("") + R"(],"vault_commitments":{")" + a +
                 R"(":")" + to_hex(commitment) + R"("})");
    Instance instance(text);
    trust::Authorization create;
    create.operation = "vault-create";
    create.manifest = trust::parse_manifest(text)->digest();
    create.not_after = system_time_ms() + 60'000;
    create.vault_id = vault_of("b");
    create.epoch = 1;
    const auto made = create_vault(
        instance, store, R"({"client_token":"b","authorization":)" + alice.authorise(create) + "}", false);
    ASSERT_EQ(create_vault(instance, store,
                           R"({"client_token":"b","authorization":)" + alice.authorise(create) + "}")
                  .status,
              200)
        << "a repeat, whose answer was lost";
    ASSERT_EQ(made.status, 201) << made.body;
    const std::string b = member(made, "vault_id");
    EXPECT_EQ(code(instance.call(wire::Kind::VaultOpen, as_text(store[b]))), "vault_unknown");
    Instance next(manifest(R"(,"min_epoch":1,"vault_commitments":{")" + b + R"(":")" +
                           member(made, "vault_commitment") + R"("})"));
    EXPECT_EQ(next.call(wire::Kind::VaultOpen, as_text(store[b])).status, 200);
}

// A vault that anybody but an enclave wrapped: the host has KMS encrypt a data key of its own, and wraps a
// key that it knows under that. What keeps it out is the key policy (no Encrypt, no ReEncrypt, no grants:
// tests/e2e/trust.test.mjs with a KMS that checks it); what finds it out is the commitment.
TEST(Vaults, a_planted_vault_is_found_by_its_commitment) {
    sealed::VaultRecord planted = PlantedVault().record;
    Instance first;
    Store store;
    const std::string a = member(create_vault(first, store, R"({"client_token":"a"})"), "vault_id");
    const auto real = sealed::decode_vault(store[a])->commitment;
    Instance listed(
        manifest(R"(,"min_epoch":1,"vault_commitments":{")" + a + R"(":")" + to_hex(real) + R"("})"));
    const Bytes forged = sealed::encode_vault(planted);
    EXPECT_EQ(code(listed.call(wire::Kind::VaultOpen, as_text(forged))), "vault_unknown");
    planted.commitment = real;
    EXPECT_EQ(code(listed.call(wire::Kind::VaultOpen, as_text(sealed::encode_vault(planted)))),
              "record_invalid");
    // In an enclave that has the real one open it changes nothing either.
    EXPECT_EQ(code(first.call(wire::Kind::VaultOpen, as_text(forged))), "record_invalid");
    const auto key = first.ask("POST", "/v1/keys", R"({"nonce":"01"})");
    const auto statement = *from_base64(member(key, "statement"));
    EXPECT_NE(as_text(statement).find(to_hex(real)), std::string_view::npos);
}

// Wraps under keys that the manifest does not name are not asked for, whatever account or region they are of.
TEST(Vaults, a_wrap_under_a_key_that_the_manifest_does_not_name_asks_no_kms) {
    Instance instance;
    const Bytes vault = make_vault(instance);
    for (const std::string arn :
         {"arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555",
          "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555",
          "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555556"}) {
        auto record = *sealed::decode_vault(vault);
        record.wraps[0].kms_key_arn = arn;
        Instance other;
        kms().forge(nullptr); // counts from zero
        EXPECT_EQ(code(other.call(wire::Kind::VaultOpen, as_text(sealed::encode_vault(record)))),
                  "kms_key_refused");
        EXPECT_EQ(kms().calls(), 0) << arn;
    }
    auto record = *sealed::decode_vault(vault);
    record.wraps[0].kms_key_arn = kReferenceArn;
    Instance other;
    EXPECT_EQ(code(other.call(wire::Kind::VaultOpen, as_text(sealed::encode_vault(record)))),
              "kms_key_refused")
        << "named, but for reference keys";
}

} // namespace
} // namespace redoubt::enclave
