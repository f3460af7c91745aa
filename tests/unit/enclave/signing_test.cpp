// SPDX-License-Identifier: Apache-2.0
// Every kind of signature, from a request's bytes to one that recovers to the key's address.
#include "crypto/hpke.h"
#include "crypto/keccak.h"
#include "ethereum/message.h"
#include "ethereum/transaction.h"
#include "policy/open_policy.h"
#include "support.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

struct Key {
    Instance instance;
    MadeKey made;

    explicit Key(const std::string& options = "{}", const std::string& manifest_text = manifest())
        : instance(manifest_text) {
        make_vault(instance);
        made.reply = instance.ask("POST", "/v1/keys", options);
        EXPECT_EQ(made.reply.status, 201) << made.reply.body;
        made.id = member(made.reply, "key_id");
        made.address = member(made.reply, "address");
        made.record = made.reply.records.at(0).bytes;
    }
    wire::Reply ask(const std::string& action, const std::string& body) {
        return instance.ask("POST", "/v1/keys/" + made.id + "/" + action, body,
                            {{wire::ItemKind::KeyRecord, made.id, made.record}});
    }
};

// Who signed this digest.
std::string signer(const Hash32& digest, const std::string& signature) {
    const auto bytes = from_hex0x(signature);
    if (!bytes || bytes->size() != 65)
        return "no signature";
    crypto::Signature parsed;
    std::copy_n(bytes->begin(), 32, parsed.r.begin());
    std::copy_n(bytes->begin() + 32, 32, parsed.s.begin());
    parsed.y_parity = static_cast<std::uint8_t>((*bytes)[64] - 27);
    const crypto::Secp256k1 curve{Hash32{}};
    const auto key = curve.recover(digest, parsed);
    return key ? ethereum::to_checksum(ethereum::address_of(*key)) : "no key";
}

TEST(Signing, a_message_is_signed_as_wallets_sign_it) {
    Key key;
    const auto reply = key.ask("sign-message", R"({"text":"hello"})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const Hash32 digest = ethereum::personal_message_digest(as_bytes("hello"));
    EXPECT_EQ(member(reply, "digest"), to_hex0x(digest));
    EXPECT_EQ(signer(digest, member(reply, "signature")), key.made.address);
    EXPECT_EQ(key.ask("sign-message", R"({"hex":"0x68656c6c6f"})").body, reply.body);
    const auto validator = key.ask(
        "sign-message", R"({"hex":"0x68656c6c6f","validator":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"})");
    ASSERT_EQ(validator.status, 200) << validator.body;
    EXPECT_NE(member(validator, "digest"), member(reply, "digest"));
}

TEST(Signing, typed_data_comes_back_with_what_was_hashed) {
    Key key;
    const auto reply = key.ask(
        "sign-typed-data",
        R"({"typed_data":{"types":{"A":[{"name":"x","type":"uint256"}]},"primaryType":"A","domain":{"name":"d"},"message":{"x":"5"}}})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    Bytes preimage{0x19, 0x01};
    append(preimage, *from_hex0x(member(reply, "domain_separator")));
    append(preimage, *from_hex0x(member(reply, "struct_hash")));
    const Hash32 digest = crypto::keccak256(preimage);
    EXPECT_EQ(member(reply, "digest"), to_hex0x(digest));
    EXPECT_EQ(signer(digest, member(reply, "signature")), key.made.address);
}

TEST(Signing, an_authorization_recovers_to_its_signer_and_chain_zero_has_to_be_meant) {
    Key key;
    const std::string body =
        R"({"authorization":{"chainId":1,"address":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","nonce":7}})";
    const auto reply = key.ask("sign-authorization", body);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const Hash32 digest = ethereum::authorization_digest(
        {1, *ethereum::parse_address("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"), 7});
    EXPECT_EQ(signer(digest, member(reply, "signature")), key.made.address);
    std::string any = body;
    any.replace(any.find("\"chainId\":1"), 11, "\"chainId\":0");
    EXPECT_EQ(code(key.ask("sign-authorization", any)), "invalid_field");
}

TEST(Signing, raw_digests_are_a_grant_of_the_key) {
    Key plain;
    const std::string hash = R"({"hash":"0x)" + std::string(64, '1') + R"("})";
    EXPECT_EQ(code(plain.ask("sign-hash", hash)), "raw_signing_refused");
    EXPECT_EQ(code(plain.ask("sign-data", R"({"data":"0xaabb"})")), "raw_signing_refused");
    for (
        const char* data :
        {R"({"data":"0x05c0"})", R"({"data":"0x1901"})",
         R"({"data":"0xec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"})"}) {
        const auto reply = plain.ask("sign-data", data);
        EXPECT_EQ(code(reply), "raw_signing_refused");
        EXPECT_NE(reply.body.find("use the route for it"), std::string::npos) << reply.body;
    }
    Key granted(R"({"raw_signing":true})");
    EXPECT_NE(granted.made.reply.body.find(R"("raw_signing":true)"), std::string::npos);
    const auto reply = granted.ask("sign-hash", hash);
    ASSERT_EQ(reply.status, 200) << reply.body;
    Hash32 digest;
    digest.fill(0x11);
    EXPECT_EQ(signer(digest, member(reply, "signature")), granted.made.address);
    EXPECT_EQ(granted.ask("sign-data", R"({"data":"0xaabb"})").status, 200);
    // The grant is sealed: a record whose flag is changed does not open.
    Bytes altered = plain.made.record;
    for (std::size_t at = 0; at < altered.size(); ++at) {
        altered[at] ^= 2;
        EXPECT_NE(plain.instance
                      .ask("POST", "/v1/keys/" + plain.made.id + "/sign-hash", hash,
                           {{wire::ItemKind::KeyRecord, plain.made.id, altered}})
                      .status,
                  200)
            << at;
        altered[at] ^= 2;
    }
}

std::string import_body(Instance& instance, const Secret& secret, bool hd, bool sealed_as_raw_signing,
                        bool asked_as_raw_signing) {
    const auto offered = instance.ask("GET", "/v1/import", "", {}, "nonce=0a");
    EXPECT_EQ(offered.status, 200) << offered.body;
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.nonce = {0x0a};
    const auto statement = *from_base64(member(offered, "statement"));
    const auto document = *from_base64(member(offered, "attestation"));
    const auto offer = trust::verify_import_offer(as_text(statement), document, pins, system_time_ms());
    EXPECT_TRUE(offer) << offer.error().describe();
    crypto::X25519Public recipient;
    EXPECT_TRUE(from_hex_exact(offer->public_key.substr(2), recipient));
    crypto::SystemRandom random;
    const std::string token = to_hex(random.array<8>());
    trust::ImportInfo info;
    info.key_id = sealed::key_id_text(sealed::key_id_of_token(token));
    info.vault_id = offer->vault_id;
    info.policy_digest = to_hex(policy::open_policy_digest());
    info.epoch = offer->epoch;
    info.hd = hd;
    info.raw_signing = sealed_as_raw_signing;
    const auto sealed = *crypto::hpke_seal(recipient, as_bytes(trust::import_info(info)), {}, secret, random);
    return R"({"vault_id":")" + offer->vault_id + R"(","client_token":")" + token +
           R"(","encapsulated_key":")" + to_hex0x(sealed.encapsulated) + R"(","ciphertext":")" +
           to_hex0x(sealed.ciphertext) + R"(","hd":)" + (hd ? "true" : "false") + R"(,"raw_signing":)" +
           (asked_as_raw_signing ? "true" : "false") + R"(,"nonce":"0b"})";
}

TEST(Signing, an_imported_key_is_the_one_that_was_sealed_and_no_host_changes_what_it_may) {
    Instance instance;
    make_vault(instance);
    const Secret key = Secret::copy_of(*from_hex(kGoldenKey));
    const std::string body = import_body(instance, key, false, false, false);
    const auto reply = instance.ask_with_store("POST", "/v1/keys/import", body, {});
    ASSERT_EQ(reply.status, 201) << reply.body;
    EXPECT_EQ(member(reply, "address"), kGoldenAddress);
    ASSERT_EQ(for_store(reply).size(), 1u);
    EXPECT_TRUE(has_receipt(reply));
    const auto signed_reply =
        instance.ask("POST", "/v1/keys/" + member(reply, "key_id") + "/sign-message", R"({"text":"m"})",
                     {{wire::ItemKind::KeyRecord, member(reply, "key_id"), reply.records[0].bytes}});
    EXPECT_EQ(signer(ethereum::personal_message_digest(as_bytes("m")), member(signed_reply, "signature")),
              kGoldenAddress);
    // The host asks for a grant that the client did not seal.
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/import",
                                           import_body(instance, key, false, false, true), {})),
              "invalid_field");
    std::string as_seed = body;
    as_seed.replace(as_seed.find("\"hd\":false"), 10, "\"hd\":true");
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/import", as_seed, {})), "invalid_field");
    // Another vault's import key is another.
    Instance other;
    make_vault(other);
    EXPECT_EQ(other.ask("POST", "/v1/keys/import", body).status, wire::kNeeds)
        << "the store lacks that vault";
    // What is no key.
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/import",
                                           import_body(instance, Secret(31), false, false, false), {})),
              "key_invalid");
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/import",
                                           import_body(instance, Secret(32), false, false, false), {})),
              "key_invalid");
    EXPECT_EQ(code(instance.ask_with_store("POST", "/v1/keys/import",
                                           import_body(instance, Secret(15), true, false, false), {})),
              "key_invalid");
    const auto seed =
        instance.ask_with_store("POST", "/v1/keys/import",
                                import_body(instance, Secret::copy_of(Bytes(64, 7)), true, true, true), {});
    ASSERT_EQ(seed.status, 201) << seed.body;
    EXPECT_EQ(member(seed, "algorithm"), "bip32-secp256k1");
    EXPECT_NE(seed.body.find(R"("raw_signing":true)"), std::string::npos);
    Instance strict(manifest(R"(,"require_policy":true)"));
    make_vault(strict);
    EXPECT_EQ(code(strict.ask_with_store("POST", "/v1/keys/import", body, {})), "policy_required");
}

TEST(Signing, gas_above_the_cap_is_refused_unless_the_manifest_says_otherwise) {
    const auto with_gas = [](const std::string& gas) {
        return R"({"transaction":{"chainId":1,"nonce":0,"gas":)" + gas +
               R"(,"gasPrice":1,"to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"}})";
    };
    Key capped;
    EXPECT_EQ(capped.ask("sign-transaction", with_gas("16777216")).status, 200);
    EXPECT_EQ(code(capped.ask("sign-transaction", with_gas("16777217"))), "bad_transaction");
    Key open("{}", manifest(R"(,"limits":{"max_transaction_gas":0})"));
    EXPECT_EQ(open.ask("sign-transaction", with_gas("30000000")).status, 200);
}

TEST(Signing, a_deployment_names_its_contract_and_a_call_is_decoded) {
    Key key;
    const auto deployment =
        key.ask("sign-transaction",
                R"({"transaction":{"chainId":1,"nonce":0,"gas":100000,"gasPrice":1,"data":"0x6000"}})");
    ASSERT_EQ(deployment.status, 200) << deployment.body;
    EXPECT_EQ(member(deployment, "contract_address").size(), 42u);
    const std::string transfer = "0xa9059cbb" + std::string(24, '0') +
                                 "2c7536e3605d9c16a7a3d7b1898e529396a65c23" + std::string(63, '0') + "5";
    const auto call = key.ask(
        "sign-transaction",
        R"j({"function":"transfer(address to,uint256 amount)","transaction":{"chainId":1,"nonce":0,"gas":100000,"gasPrice":1,"to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","data":")j" +
            transfer + R"("}})");
    ASSERT_EQ(call.status, 200) << call.body;
    EXPECT_EQ(member(call, "contract_address"), "");
    EXPECT_NE(call.body.find(R"j("function":"transfer(address,uint256)")j"), std::string::npos) << call.body;
    EXPECT_NE(call.body.find("0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"), std::string::npos);
    const auto broken = key.ask(
        "sign-transaction",
        R"j({"function":"transfer(address to,uint256 amount)","transaction":{"chainId":1,"nonce":0,"gas":100000,"gasPrice":1,"to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","data":")j" +
            transfer.substr(0, transfer.size() - 2) + R"("}})");
    ASSERT_EQ(broken.status, 200) << "reported, never fatal: " << broken.body;
    EXPECT_NE(broken.body.find(R"("call":{"error":)"), std::string::npos) << broken.body;
}

TEST(Signing, an_hd_key_signs_for_any_path_and_its_addresses_are_attested) {
    Key key(R"({"hd":true})");
    EXPECT_EQ(member(key.made.reply, "algorithm"), "bip32-secp256k1");
    const auto derived =
        key.ask("derive", R"({"account":"m/44'/60'/0'/0","first":0,"count":3,"nonce":"0102"})");
    ASSERT_EQ(derived.status, 200) << derived.body;
    trust::Pins pins;
    pins.root_der = root().certificate_der;
    pins.pcr0 = to_bytes(ByteView(pcr0()));
    pins.nonce = {1, 2};
    const auto statement = from_base64(member(derived, "statement"));
    const auto document = from_base64(member(derived, "attestation"));
    const auto verified =
        trust::verify_address_statement(as_text(*statement), *document, pins, system_time_ms());
    ASSERT_TRUE(verified) << verified.error().describe();
    ASSERT_EQ(verified->addresses.size(), 3u);
    EXPECT_EQ(verified->addresses[0].address, key.made.address) << "index 0 is the key's own address";
    EXPECT_FALSE(trust::verify_key_statement(as_text(*statement), *document, pins, system_time_ms()))
        << "a statement on addresses is none on a key";
    const Hash32 digest = ethereum::personal_message_digest(as_bytes("m"));
    for (const auto& [path, address] : verified->addresses) {
        const auto reply = key.ask("sign-message", R"({"text":"m","path":")" + path + R"("})");
        ASSERT_EQ(reply.status, 200) << reply.body;
        EXPECT_EQ(member(reply, "address"), address);
        EXPECT_EQ(signer(digest, member(reply, "signature")), address);
    }
    EXPECT_EQ(member(key.ask("sign-message", R"({"text":"m"})"), "address"), key.made.address);
    // Another enclave opens the same seed from its record.
    Key plain;
    EXPECT_EQ(code(plain.ask("sign-message", R"({"text":"m","path":"m/0"})")), "invalid_field");
    EXPECT_EQ(code(plain.ask("derive", R"({"path":"m/0"})")), "invalid_field");
}

// A record that only somebody with the vault's key can make: its address is another key's. Nothing that it
// signs leaves, and it is neither described, changed nor exported, whatever was asked of it before.
TEST(Signing, a_record_whose_address_is_not_its_keys_is_of_no_use) {
    PlantedVault vault;
    crypto::SystemRandom& random = vault.random;
    const Secret recipient = random.secret(32);
    const auto policy = *policy::parse_document(
        R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}],"export_recipients":[{"id":"cold","public_key":")" +
        to_hex0x(*crypto::x25519_public(recipient)) + R"("}]})");
    const crypto::Secp256k1 curve{Hash32{}};
    for (const std::string more : {"", R"(,"verify_before_release":false)"})
        for (const bool right : {true, false}) {
            Instance instance(manifest(R"(,"min_epoch":1)" + more));
            ASSERT_EQ(
                instance.call(wire::Kind::VaultOpen, as_text(sealed::encode_vault(vault.record))).status,
                200);
            const Secret key = random.secret(32);
            sealed::KeyHead head;
            head.epoch = 1;
            head.vault = vault.record.id;
            head.id = random.array<16>();
            head.created = system_time_ms();
            head.flags = sealed::kFlagExportable;
            head.policy_digest = policy.digest;
            head.address = ethereum::address_of(*curve.public_key(key));
            if (!right)
                head.address[19] ^= 1;
            const std::string id = sealed::key_id_text(head.id);
            const std::map<std::string, Bytes> store{{id, sealed::seal_key(vault.key, head, key, random)},
                                                     {to_hex(policy.digest), to_bytes(policy.canonical)}};
            const auto post = [&](const std::string& action, const std::string& body) {
                return instance.ask_with_store("POST", "/v1/keys/" + id + "/" + action, body, store);
            };
            for (int again = 0; again < 2; ++again) {
                const auto made = post("sign-message", R"({"text":"m"})");
                const auto exported = post("export", R"({"recipient":"cold","nonce":"01"})");
                const auto shown = instance.ask_with_store("GET", "/v1/keys/" + id, "", store);
                if (right) {
                    EXPECT_EQ(made.status, 200) << made.body;
                    EXPECT_EQ(
                        signer(ethereum::personal_message_digest(as_bytes("m")), member(made, "signature")),
                        ethereum::to_checksum(head.address));
                    EXPECT_EQ(exported.status, 200) << exported.body;
                    EXPECT_EQ(member(shown, "public_key"), to_hex0x(*curve.public_key(key))) << shown.body;
                    continue;
                }
                EXPECT_EQ(code(made), more.empty() ? "signing_failed" : "record_invalid");
                EXPECT_EQ(made.body.find("0x"), std::string::npos) << "no signature";
                EXPECT_EQ(code(exported), "record_invalid") << exported.body;
                EXPECT_EQ(code(shown), "record_invalid") << shown.body;
                const auto changed = post("disable", "{}");
                EXPECT_EQ(code(changed), "record_invalid") << changed.body;
                EXPECT_TRUE(for_store(changed).empty());
            }
        }
}

TEST(Signing, a_transactions_from_is_the_address_at_the_requests_path) {
    Key key(R"({"hd":true})");
    const auto derived =
        member(key.ask("sign-message", R"({"text":"m","path":"m/2147483647h/1"})"), "address");
    ASSERT_NE(derived, key.made.address);
    // No gas, and the largest integer that every reader of JSON numbers holds: a transaction all the same.
    const auto sign = [&](const std::string& more) {
        return key.ask(
            "sign-transaction",
            R"({"path":"m/2147483647h/1","transaction":{"chainId":9007199254740991,"nonce":"0","maxFeePerGas":"199816119263","maxPriorityFeePerGas":"0","gasLimit":"0","to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23")" +
                more + "}}");
    };
    const auto unnamed = sign("");
    ASSERT_EQ(unnamed.status, 200) << unnamed.body;
    EXPECT_EQ(sign(R"(,"from":")" + derived + '"').body, unnamed.body);
    EXPECT_EQ(code(sign(R"(,"from":")" + key.made.address + '"')), "invalid_field");
}

} // namespace
} // namespace redoubt::enclave
