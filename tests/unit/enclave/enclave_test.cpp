// SPDX-License-Identifier: Apache-2.0
#include "policy/open_policy.h"
#include "support.h"
#include "trust/statement.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace redoubt::enclave {
namespace {

using namespace tests;

TEST(Enclave, takes_one_manifest_measures_it_and_asks_kms_for_nothing_before) {
    Instance instance("");
    EXPECT_EQ(code(instance.call(wire::Kind::VaultCreate)), "manifest_missing");
    EXPECT_EQ(code(instance.ask("POST", "/v1/keys", "{}")), "manifest_missing");
    EXPECT_EQ(kms().calls(), 0);
    EXPECT_EQ(code(instance.call(wire::Kind::Manifest, "{}")), "manifest_invalid");
    EXPECT_EQ(instance.call(wire::Kind::Manifest, manifest()).status, 200);
    const auto hello = instance.call(wire::Kind::Hello);
    const auto parsed = *trust::parse_manifest(manifest());
    EXPECT_EQ(member(hello, "pcr16"), to_hex(nitro::pcr_of(parsed.digest())));
    EXPECT_EQ(member(hello, "manifest"), to_hex(parsed.digest()));
    EXPECT_EQ(member(hello, "pcr0"), to_hex(pcr0()));
    EXPECT_EQ(instance.call(wire::Kind::Manifest, manifest()).status, 200)
        << "the same again changes nothing";
    EXPECT_EQ(code(instance.call(wire::Kind::Manifest, manifest(R"(,"min_epoch":2)"))), "manifest_refused");
    EXPECT_EQ(member(instance.call(wire::Kind::Hello), "pcr16"), member(hello, "pcr16"));
}

TEST(Enclave, a_created_keys_statement_verifies_and_names_what_was_asked) {
    Instance instance;
    make_vault(instance);
    const MadeKey key = make_key(instance, "c0ffee");
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.pcr0 = to_bytes(ByteView(pcr0()));
    pins.pcr16 = to_bytes(ByteView(nitro::pcr_of(trust::parse_manifest(manifest())->digest())));
    pins.nonce = {0xc0, 0xff, 0xee};
    const Bytes statement = *from_base64(member(key.reply, "statement"));
    const Bytes document = *from_base64(member(key.reply, "attestation"));
    const auto verified = trust::verify_key_statement(as_text(statement), document, pins, system_time_ms());
    ASSERT_TRUE(verified) << verified.error().describe();
    EXPECT_EQ(verified->address, key.address);
    EXPECT_EQ(verified->key_id, key.id);
    EXPECT_EQ(verified->policy_digest, to_hex(policy::open_policy_digest()));
    EXPECT_EQ(verified->epoch, 1u);
    trust::Pins wrong = pins;
    wrong.nonce = {1};
    EXPECT_FALSE(trust::verify_key_statement(as_text(statement), document, wrong, system_time_ms()));
    wrong = pins;
    (*wrong.pcr16)[0] ^= 1;
    EXPECT_FALSE(trust::verify_key_statement(as_text(statement), document, wrong, system_time_ms()));
    wrong = pins;
    wrong.root_der = nitro::make_development_root()->certificate_der;
    EXPECT_FALSE(trust::verify_key_statement(as_text(statement), document, wrong, system_time_ms()));
    Bytes altered = statement;
    altered[20] ^= 1;
    EXPECT_FALSE(trust::verify_key_statement(as_text(altered), document, pins, system_time_ms()));
}

TEST(Enclave, another_enclave_opens_the_vault_and_signs_the_same_bytes) {
    Instance first;
    const Bytes vault = make_vault(first);
    const MadeKey key = make_key(first);
    const std::string path = "/v1/keys/" + key.id + "/sign-transaction";
    const std::vector<Item> record{{wire::ItemKind::KeyRecord, key.id, key.record}};
    const auto signed_first = first.ask("POST", path, transaction(), record);
    ASSERT_EQ(signed_first.status, 200) << signed_first.body;

    Instance second;
    const auto asks_for_key = second.ask("POST", path, transaction());
    ASSERT_EQ(asks_for_key.status, wire::kNeeds);
    EXPECT_EQ(asks_for_key.needs[0].kind, wire::ItemKind::KeyRecord);
    const auto asks_for_vault = second.ask("POST", path, transaction(), record);
    ASSERT_EQ(asks_for_vault.status, wire::kNeeds);
    EXPECT_EQ(asks_for_vault.needs[0].kind, wire::ItemKind::VaultRecord);
    EXPECT_EQ(second.call(wire::Kind::VaultOpen, as_text(vault)).status, 200);
    const auto signed_second = second.ask("POST", path, transaction(), record);
    EXPECT_EQ(signed_second.body, signed_first.body);
    EXPECT_EQ(second.ask("POST", path, transaction()).body, signed_first.body) << "now it is cached";
}

TEST(Enclave, a_record_swapped_renamed_truncated_or_of_another_vault_never_signs) {
    Instance instance;
    make_vault(instance);
    const MadeKey a = make_key(instance);
    const MadeKey b = make_key(instance);
    Instance other;
    make_vault(other);
    const MadeKey foreign = make_key(other);
    const std::string path = "/v1/keys/" + a.id + "/sign-transaction";
    const auto with = [&](const Bytes& record) {
        return instance.ask("POST", path, transaction(), {{wire::ItemKind::KeyRecord, a.id, record}});
    };
    EXPECT_EQ(code(with(b.record)), "record_invalid");
    EXPECT_EQ(code(with(Bytes(a.record.begin(), a.record.end() - 1))), "record_invalid");
    EXPECT_EQ(code(with({})), "record_invalid");
    EXPECT_EQ(with(foreign.record).status, wire::kNeeds) << "it asks for a vault that it does not have";
    for (std::size_t at = 0; at < a.record.size(); ++at) {
        Bytes altered = a.record;
        altered[at] ^= 1;
        const auto reply = with(altered);
        EXPECT_NE(reply.status, 200) << at;
    }
    EXPECT_EQ(with(a.record).status, 200);
}

TEST(Enclave, a_record_below_min_epoch_is_stale) {
    Instance old;
    const Bytes vault = make_vault(old);
    Instance strict(manifest(R"(,"min_epoch":2)"));
    EXPECT_EQ(code(strict.call(wire::Kind::VaultOpen, as_text(vault))), "record_stale");
}

TEST(Enclave, a_manifest_that_lists_vaults_opens_no_other) {
    Instance first;
    const Bytes vault = make_vault(first);
    const auto record = *sealed::decode_vault(vault);
    const std::string listed =
        R"(,"min_epoch":1,"vault_commitments":{")" + sealed::vault_id_text(record.id) + R"(":")";
    Instance right(manifest(listed + to_hex(record.commitment) + R"("})"));
    EXPECT_EQ(right.call(wire::Kind::VaultOpen, as_text(vault)).status, 200);
    Instance wrong(manifest(listed + std::string(64, '0') + R"("})"));
    EXPECT_EQ(code(wrong.call(wire::Kind::VaultOpen, as_text(vault))), "vault_unknown");
    EXPECT_EQ(code(right.call(wire::Kind::VaultCreate)), "forbidden");
}

TEST(Enclave, require_policy_refuses_keys_without_one) {
    Instance instance(manifest(R"(,"require_policy":true)"));
    make_vault(instance);
    EXPECT_EQ(code(instance.ask("POST", "/v1/keys", "{}")), "policy_required");
}

TEST(Enclave, missing_credentials_are_asked_for) {
    Instance instance(manifest(), false);
    const auto reply = instance.call(wire::Kind::VaultCreate);
    ASSERT_EQ(reply.status, wire::kNeeds);
    EXPECT_EQ(reply.needs[0].kind, wire::ItemKind::Credentials);
    instance.give_credentials();
    EXPECT_EQ(instance.call(wire::Kind::VaultCreate).status, 200);
}

TEST(Enclave, reference_keys_in_each_stored_form_sign_and_others_are_refused) {
    Instance instance;
    const auto sign = [&](ByteView plaintext) {
        return instance.ask(
            "POST", "/sign_hash", kHashBody,
            {{wire::ItemKind::ReferenceCiphertext, "s", to_text_bytes(kms().encrypt(plaintext))}});
    };
    const auto hex = sign(as_bytes(kGoldenKey));
    ASSERT_EQ(hex.status, 200) << hex.body;
    EXPECT_EQ(sign(as_bytes("0x" + kGoldenKey)).body, hex.body);
    EXPECT_EQ(sign(*from_hex(kGoldenKey)).body, hex.body);
    EXPECT_EQ(code(sign(as_bytes("0X" + kGoldenKey))), "key_invalid");
    EXPECT_EQ(code(sign(as_bytes(kGoldenKey + "\n"))), "key_invalid");
    EXPECT_EQ(code(sign(Bytes(32, 0))), "key_invalid");
    EXPECT_EQ(code(sign(Bytes(32, 0xff))), "key_invalid");
    EXPECT_EQ(code(sign(Bytes(31, 1))), "key_invalid");
    EXPECT_EQ(instance.ask("POST", "/sign_hash", kHashBody).status, wire::kNeeds);
}

TEST(Enclave, the_manifest_decides_which_reference_keys_sign) {
    const auto sign = [](Instance& instance) {
        return instance.ask(
            "POST", "/sign_hash", kHashBody,
            {{wire::ItemKind::ReferenceCiphertext, "s", to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)))}});
    };
    Instance none(manifest(""));
    EXPECT_EQ(code(sign(none)), "reference_key_refused");
    Instance other(manifest(
        R"(,"reference_keys":[{"address":"0x0000000000000000000000000000000000000001","policy_digest":")" +
        to_hex(policy::open_policy_digest()) + R"("}])"));
    EXPECT_EQ(code(sign(other)), "reference_key_refused");
    const std::string listed =
        std::string(R"(,"reference_keys":[{"address":")") + kGoldenAddress + R"(","policy_digest":")";
    Instance no_digests(manifest(listed + to_hex(policy::open_policy_digest()) + R"("}])"));
    EXPECT_EQ(code(sign(no_digests)), "raw_signing_refused");
    Instance right(manifest(listed + to_hex(policy::open_policy_digest()) + R"(","raw_signing":true}])"));
    EXPECT_EQ(sign(right).status, 200);
    Instance unknown_policy(manifest(listed + std::string(64, '1') + R"("}])"));
    const auto asks = sign(unknown_policy);
    ASSERT_EQ(asks.status, wire::kNeeds);
    ASSERT_EQ(asks.needs.size(), 2u);
    EXPECT_EQ(asks.needs[0].kind, wire::ItemKind::Policy);
    EXPECT_EQ(asks.needs[0].name, std::string(64, '1'));
    EXPECT_EQ(asks.needs[1].kind, wire::ItemKind::ReferenceCiphertext);
    for (const Bytes& document : {Bytes(), to_bytes(policy::kOpenPolicy)})
        EXPECT_EQ(code(unknown_policy.ask("POST", "/sign_hash", kHashBody,
                                          {{wire::ItemKind::ReferenceCiphertext, "s",
                                            to_text_bytes(kms().encrypt(as_bytes(kGoldenKey)))},
                                           {wire::ItemKind::Policy, std::string(64, '1'), document}})),
                  "record_invalid")
            << "another document's digest";
}

TEST(Enclave, refuses_a_kms_reply_whose_cms_is_altered_in_any_one_byte) {
    Instance instance;
    Bytes stored;
    std::size_t size = 1;
    std::mt19937_64 random(20261123);
    for (std::size_t at = 0; at < size; ++at) {
        const auto flip = static_cast<std::uint8_t>(1 + random() % 255);
        // The second of the two replies is honest: only the first byte string is forged.
        kms().forge([&](nlohmann::json& reply, int call) {
            if (call != 1)
                return;
            Bytes cms = *from_base64(reply.at("CiphertextForRecipient").get<std::string>());
            size = cms.size();
            cms[at] ^= flip;
            reply["CiphertextForRecipient"] = to_base64(cms);
        });
        // A new ciphertext each time, since a refusal is believed for a while.
        stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
        const auto reply = instance.ask("POST", "/sign_hash", kHashBody,
                                        {{wire::ItemKind::ReferenceCiphertext, "s", stored}});
        ASSERT_GT(kms().calls(), 0);
        ASSERT_NE(reply.status, 200) << "byte " << at << " xor " << int(flip);
        ASSERT_EQ(code(reply), "kms_reply_invalid") << "byte " << at << ": " << reply.body;
    }
    EXPECT_GT(size, 400u);
    kms().forge(nullptr);
    stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
    EXPECT_EQ(
        instance.ask("POST", "/sign_hash", kHashBody, {{wire::ItemKind::ReferenceCiphertext, "s", stored}})
            .status,
        200);
}

TEST(Enclave, refuses_other_forged_kms_replies) {
    Instance instance;
    const auto other_key = *crypto::RecipientKey::generate();
    crypto::SystemRandom random;
    const std::map<std::string, tests::FakeKms::Forge> lies{
        {"plaintext beside it", [](nlohmann::json& reply, int) { reply["Plaintext"] = "AAAA"; }},
        {"plaintext alone",
         [](nlohmann::json& reply, int) {
             reply["Plaintext"] = to_base64(*from_hex(kGoldenKey));
             reply.erase("CiphertextForRecipient");
         }},
        {"another key id", [](nlohmann::json& reply, int) { reply["KeyId"] = kVaultArn; }},
        {"no key id", [](nlohmann::json& reply, int) { reply.erase("KeyId"); }},
        {"an alias of the key id",
         [](nlohmann::json& reply, int) { reply["KeyId"] = kReferenceArn.substr(48); }},
        {"no ciphertext", [](nlohmann::json& reply, int) { reply.erase("CiphertextForRecipient"); }},
        {"trailing bytes",
         [](nlohmann::json& reply, int) {
             Bytes cms = *from_base64(reply["CiphertextForRecipient"].get<std::string>());
             cms.push_back(0);
             reply["CiphertextForRecipient"] = to_base64(cms);
         }},
        {"another recipient",
         [&](nlohmann::json& reply, int) {
             reply["CiphertextForRecipient"] = to_base64(
                 *crypto::make_enveloped_data(other_key.public_der(), *from_hex(kGoldenKey), random));
         }},
        {"not JSON", [](nlohmann::json& reply, int) { reply = "x"; }},
    };
    for (const auto& [what, lie] : lies) {
        kms().forge(what == "not JSON" ? tests::FakeKms::Forge([](nlohmann::json& reply, int) {
            reply = nlohmann::json::object();
        })
                                       : lie);
        const Bytes stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
        const auto reply = instance.ask("POST", "/sign_hash", kHashBody,
                                        {{wire::ItemKind::ReferenceCiphertext, "s", stored}});
        EXPECT_GT(kms().calls(), 0);
        EXPECT_EQ(code(reply), "kms_reply_invalid") << what << ": " << reply.status << " " << reply.body;
    }
}

TEST(Enclave, a_forged_data_key_makes_no_vault) {
    Instance instance;
    // GenerateDataKey's answer is another plaintext than its blob opens to.
    kms().forge([](nlohmann::json& reply, int call) {
        if (call != 1)
            return;
        Bytes cms = *from_base64(reply.at("CiphertextForRecipient").get<std::string>());
        const auto parts = crypto::parse_enveloped_data(cms);
        const auto offset = static_cast<std::size_t>(parts->iv.data() - cms.data());
        cms[offset] ^= 1;
        reply["CiphertextForRecipient"] = to_base64(cms);
    });
    EXPECT_EQ(code(instance.call(wire::Kind::VaultCreate)), "kms_reply_invalid");
}

TEST(Enclave, kms_errors_have_codes_of_their_own_and_no_words_of_kms) {
    Instance instance;
    const std::pair<const char*, const char*> cases[] = {{"AccessDeniedException", "kms_denied"},
                                                         {"DisabledException", "kms_refused"},
                                                         {"ThrottlingException", "kms_throttled"}};
    for (const auto& [error, expected] : cases) {
        kms().forge([type = error](nlohmann::json& reply, int) {
            reply = {{"__type", type}, {"message", "arn:aws:secret-detail"}, {"status", 400}};
        });
        const Bytes stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
        const auto reply = instance.ask("POST", "/sign_hash", kHashBody,
                                        {{wire::ItemKind::ReferenceCiphertext, "s", stored}});
        EXPECT_EQ(code(reply), expected) << reply.body;
        EXPECT_EQ(reply.body.find("secret-detail"), std::string::npos);
    }
    kms().forge([](nlohmann::json& reply, int) {
        reply = {{"__type", "ExpiredTokenException"}, {"status", 400}};
    });
    const Bytes stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
    const auto expired =
        instance.ask("POST", "/sign_hash", kHashBody, {{wire::ItemKind::ReferenceCiphertext, "s", stored}});
    EXPECT_EQ(expired.status, wire::kNeeds) << "fresh credentials are asked for";
}

TEST(Enclave, a_refusal_of_kms_is_believed_for_a_while_and_then_asked_again) {
    Instance instance;
    const Bytes stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
    kms().forge([](nlohmann::json& reply, int) {
        reply = {{"__type", "AccessDeniedException"}, {"status", 400}};
    });
    const auto ask = [&] {
        return instance.ask("POST", "/sign_hash", kHashBody,
                            {{wire::ItemKind::ReferenceCiphertext, "s", stored}});
    };
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(code(ask()), "kms_denied");
    EXPECT_EQ(kms().calls(), 1);
    kms().forge(nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(SingleFlight::kBelievedMs + 50));
    EXPECT_EQ(ask().status, 200);
}

TEST(Enclave, many_requests_for_one_cold_key_ask_kms_once) {
    Instance instance;
    const Bytes stored = to_text_bytes(kms().encrypt(*from_hex(kGoldenKey)));
    kms().forge(nullptr);
    std::vector<std::thread> clients;
    std::atomic<int> right{0};
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&] {
            right += instance
                         .ask("POST", "/sign_hash", kHashBody,
                              {{wire::ItemKind::ReferenceCiphertext, "s", stored}})
                         .status == 200;
        });
    for (auto& client : clients)
        client.join();
    EXPECT_EQ(right, 8);
    EXPECT_EQ(kms().calls(), 2) << "a reference key is confirmed by a second call";
}

TEST(Enclave, a_wrap_that_the_host_added_is_never_asked_and_keeps_no_denied_vault_alive) {
    Instance instance(manifest(R"(,"limits":{"vault_lease_seconds":10})"));
    const Bytes made = make_vault(instance);
    auto record = *sealed::decode_vault(made);
    auto added = record.wraps[0];
    added.kms_key_arn = "arn:aws:kms:us-east-1:999999999999:key/66666666-7777-8888-9999-000000000000";
    record.wraps.push_back(added);
    const MovedTime time;
    Instance second(manifest(R"(,"limits":{"vault_lease_seconds":10})"), true, time);
    ASSERT_EQ(second.call(wire::Kind::VaultOpen, as_text(sealed::encode_vault(record))).status, 200);
    std::atomic<int> foreign{0};
    kms().forge([&](nlohmann::json& reply, int) {
        foreign += reply.value("KeyId", "") == added.kms_key_arn;
        reply = {{"__type", "AccessDeniedException"}, {"status", 400}};
    });
    const auto open = [&] {
        return nlohmann::json::parse(second.call(wire::Kind::Probe).body).at("vaults_open").get<int>();
    };
    EXPECT_EQ(open(), 1);
    *time.by = 8'000; // into the lease's last quarter
    second.enclave->maintain();
    EXPECT_EQ(open(), 0) << "denied before the lease ended";
    EXPECT_EQ(foreign, 0);
}

TEST(Enclave, a_lease_that_kms_neither_grants_nor_denies_ends_at_its_time_and_signing_stops) {
    const MovedTime time;
    Instance instance(manifest(R"(,"limits":{"vault_lease_seconds":10})"), true, time);
    make_vault(instance);
    const MadeKey key = make_key(instance);
    const std::string path = "/v1/keys/" + key.id + "/sign-transaction";
    const std::vector<Item> record{{wire::ItemKind::KeyRecord, key.id, key.record}};
    ASSERT_EQ(instance.ask("POST", path, transaction(), record).status, 200);
    kms().forge([](nlohmann::json& reply, int) {
        reply = {{"__type", "ThrottlingException"}, {"status", 400}};
    });
    const int before = kms().calls();
    for (*time.by = 1'000; *time.by < 9'500; *time.by += 500) {
        instance.enclave->maintain();
        ASSERT_EQ(instance.ask("POST", path, transaction(), record).status, 200) << time.by->load();
    }
    EXPECT_GT(kms().calls(), before) << "the last quarter asks for the lease again";
    *time.by = 11'000;
    instance.enclave->maintain();
    EXPECT_NE(instance.ask("POST", path, transaction(), record).status, 200)
        << "the lease of 10 s is over and the key still signs";
}

TEST(Enclave, a_lease_is_renewed_in_its_last_quarter_and_signing_goes_on_past_its_first_end) {
    const MovedTime time;
    Instance instance(manifest(R"(,"limits":{"vault_lease_seconds":10})"), true, time);
    make_vault(instance);
    const MadeKey key = make_key(instance);
    const std::string path = "/v1/keys/" + key.id + "/sign-transaction";
    const std::vector<Item> record{{wire::ItemKind::KeyRecord, key.id, key.record}};
    *time.by = 9'000;
    instance.enclave->maintain();
    *time.by = 15'000;
    instance.enclave->maintain();
    EXPECT_EQ(instance.ask("POST", path, transaction(), record).status, 200);
    kms().forge([](nlohmann::json& reply, int) {
        reply = {{"__type", "AccessDeniedException"}, {"status", 400}};
    });
    *time.by = 18'000;
    instance.enclave->maintain();
    EXPECT_NE(instance.ask("POST", path, transaction(), record).status, 200)
        << "KMS denied it a second before its end";
}

TEST(Enclave, attestations_for_clients_are_rate_limited) {
    Instance instance;
    int refused = 0;
    for (int i = 0; i < 3 * Attestor::kIdentityBurst; ++i)
        refused += code(instance.ask("GET", "/v1/attestation", "", {}, "nonce=00")) == "too_many_requests";
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, 3 * Attestor::kIdentityBurst);
}

TEST(Enclave, generate_key_takes_only_kms_keys_of_the_manifest) {
    Instance instance;
    EXPECT_EQ(instance.ask("POST", "/generate_key", R"({"key_id":")" + kReferenceArn + R"("})").status, 200);
    const int before = kms().calls();
    EXPECT_EQ(code(instance.ask("POST", "/generate_key", R"({"key_id":")" + kVaultArn + R"("})")),
              "kms_key_refused");
    EXPECT_EQ(
        code(instance.ask(
            "POST", "/generate_key",
            R"({"key_id":"arn:aws:kms:us-east-1:999999999999:key/66666666-7777-8888-9999-000000000000"})")),
        "kms_key_refused");
    EXPECT_EQ(kms().calls(), before);
}

TEST(Enclave, kms_certificates_must_be_valid_at_the_nsms_time_whatever_this_machines_clock_says) {
    constexpr UnixMs kDecades = UnixMs{20} * 365 * 24 * 3600 * 1000;
    for (const UnixMs shift : {kDecades, -kDecades}) {
        Instance instance(manifest(), true, [shift] { return system_time_ms() + shift; });
        const auto before = kms().calls();
        const auto refused = instance.call(wire::Kind::VaultCreate);
        EXPECT_EQ(refused.status, 503) << refused.body;
        EXPECT_EQ(code(refused), "kms_unavailable");
        EXPECT_EQ(kms().calls(), before) << "nothing is sent over such a connection";
    }
}

TEST(Enclave, authorities_of_the_manifest_are_the_only_ones_answered) {
    Instance instance(manifest(R"(,"authorities":["sign.example"])"));
    EXPECT_EQ(code(instance.ask("POST", "/v1/keys", "{}")), "wrong_authority");
}

} // namespace
} // namespace redoubt::enclave
