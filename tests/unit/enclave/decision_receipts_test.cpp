// SPDX-License-Identifier: Apache-2.0
// What an enclave writes down of what it decides.
#include "decisions_support.h"

#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::ItemKind;

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
