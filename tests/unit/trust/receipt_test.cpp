// SPDX-License-Identifier: Apache-2.0
#include "trust/receipt.h"

#include "base/json.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

Receipt some_receipt() {
    Receipt out;
    out.sequence = 0x02030405060708;
    out.time = 1'790'000'000'123;
    out.previous.fill(0x11);
    out.decision = Decision::Refused;
    out.operation = "sign-transaction";
    out.code = "policy_denied";
    out.key_id.fill(0x22);
    out.request_digest.fill(0x33);
    out.signed_digest.fill(0x44);
    out.policy_digest.fill(0x55);
    out.rule = "daily \"limit\"";
    out.principal = "key:treasury:0011223344556677";
    out.skipped = 7;
    return out;
}

std::string repeated(std::string_view byte, int n) {
    std::string out;
    for (int i = 0; i < n; ++i)
        out += byte;
    return out;
}

TEST(Receipt, its_bytes_are_those_of_the_format) {
    EXPECT_EQ(to_hex(encode_receipt(some_receipt())),
              "01"
              "0002030405060708"
              "000001a0c4506c7b" +
                  repeated("11", 32) + "00" + "00000007" + repeated("22", 16) + repeated("33", 32) +
                  repeated("44", 32) + repeated("55", 32) + "10" + to_hex(as_bytes("sign-transaction")) +
                  "0d" + to_hex(as_bytes("policy_denied")) + "0d" + to_hex(as_bytes("daily \"limit\"")) +
                  "1d" + to_hex(as_bytes("key:treasury:0011223344556677")));
}

TEST(Receipt, what_is_encoded_is_decoded_with_texts_empty_and_at_their_limits) {
    Receipt receipt = some_receipt();
    EXPECT_EQ(decode_receipt(encode_receipt(receipt)), receipt);
    receipt.operation = std::string(32, 'o');
    receipt.code = std::string(40, 'c');
    receipt.rule = std::string(64, 'r');
    receipt.principal = std::string(128, 'p');
    receipt.decision = Decision::Started;
    const Bytes longest = encode_receipt(receipt);
    EXPECT_LE(longest.size(), kMaxReceipt);
    EXPECT_EQ(decode_receipt(longest), receipt);
    EXPECT_EQ(receipt_sequence(longest), receipt.sequence);
    EXPECT_EQ(decode_receipt(encode_receipt(Receipt{})), Receipt{});
    // Into one that held something else.
    EXPECT_TRUE(decode_receipt(encode_receipt(some_receipt()), receipt));
    EXPECT_EQ(receipt, some_receipt());
}

TEST(Receipt, what_is_not_exactly_one_receipt_is_refused) {
    const Bytes good = encode_receipt(some_receipt());
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(decode_receipt(ByteView(good).first(size))) << size;
    Bytes bad = good;
    bad.push_back(0);
    EXPECT_EQ(decode_receipt(bad).error().code, Code::ReceiptInvalid);
    const auto with = [&](std::size_t at, std::uint8_t byte) {
        Bytes out = good;
        out[at] = byte;
        return out;
    };
    EXPECT_FALSE(decode_receipt(with(0, 2)));  // version
    EXPECT_FALSE(decode_receipt(with(49, 4))); // decision
    EXPECT_FALSE(decode_receipt(with(9, 1)));  // a time in the far future
    EXPECT_FALSE(decode_receipt(with(2, 32))); // a sequence that JSON readers would round
    EXPECT_TRUE(decode_receipt(with(2, 31)));
    EXPECT_FALSE(decode_receipt(with(166, 33)));
    // A text beyond its limit, with all its bytes.
    Receipt longest;
    longest.operation = std::string(32, 'o');
    Bytes longer = encode_receipt(longest);
    ++longer[166];
    longer.insert(longer.begin() + 167, 'o');
    EXPECT_FALSE(decode_receipt(longer));
    EXPECT_FALSE(receipt_sequence(ByteView(good).first(100)));
    EXPECT_FALSE(receipt_sequence(with(0, 2)));
}

TEST(ReceiptDeathTest, a_text_out_of_its_bounds_ends_the_process) {
    Receipt receipt;
    receipt.operation = std::string(33, 'o');
    EXPECT_DEATH((void)encode_receipt(receipt), "");
}

TEST(Receipt, its_json_is_one_line_that_shows_all_of_it) {
    const std::string text = receipt_json(some_receipt());
    EXPECT_EQ(
        text,
        R"({"sequence":566265752454920,"time":"2026-09-21T14:13:20Z","time_ms":1790000000123,"decision":"refused",)"
        R"("operation":"sign-transaction","code":"policy_denied","key_id":"key-22222222222222222222222222222222",)"
        R"("principal":"key:treasury:0011223344556677","rule":"daily \"limit\"","policy_digest":")" +
            repeated("55", 32) + R"(","request_digest":")" + repeated("33", 32) + R"(","signed_digest":")" +
            repeated("44", 32) + R"(","skipped":7,"previous":")" + repeated("11", 32) + R"("})");
    Receipt hostile;
    hostile.principal = "host:\x1b[2J\n\xff";
    const std::string escaped = receipt_json(hostile);
    json::Document document;
    const auto root = document.parse(escaped);
    ASSERT_TRUE(root);
    EXPECT_TRUE(root->get("key_id")->is_null());
    EXPECT_EQ(escaped.find_first_of("\x1b\n\xff"), std::string::npos);
}

TEST(Receipt, a_requests_digest_tells_its_parts_apart) {
    const auto digest = [](std::string_view path, bool has_query, std::string_view query,
                           std::string_view body) {
        return request_digest("POST", "example.com", path, has_query, query, "application/json",
                              as_bytes(body));
    };
    const Hash32 plain = digest("/v1/x", false, "", "{}");
    EXPECT_EQ(plain, digest("/v1/x", false, "", "{}"));
    EXPECT_NE(plain, digest("/v1/x", true, "", "{}"));
    EXPECT_NE(plain, digest("/v1/x?", false, "", "{}"));
    EXPECT_NE(plain, digest("/v1/", false, "x", "{}"));
    EXPECT_NE(digest("/v1/x", true, "a", "{}"), digest("/v1/x", true, "", "a{}"));
    // As docs/formats/receipt.md writes it.
    Bytes written = to_bytes("redoubt request v1\n");
    for (const std::string_view part : {"POST", "example.com", "/v1/x", "?a=1", "application/json", "{}"}) {
        append(written, Bytes{0, 0, 0, static_cast<std::uint8_t>(part.size())});
        append(written, as_bytes(part));
    }
    EXPECT_EQ(digest("/v1/x", true, "a=1", "{}"), crypto::sha256(written));
}

TEST(ReceiptHead, it_verifies_under_its_chains_key_alone_and_unaltered) {
    crypto::SystemRandom random;
    const auto key = crypto::Ed25519Key::generate(random);
    ReceiptHead head;
    head.chain = chain_id(key.public_key());
    head.sequence = 9;
    head.hash.fill(0x66);
    head.time = 1'790'000'000'000;
    head.signature = key.sign(receipt_head_message(head));
    EXPECT_TRUE(verify_receipt_head(head, key.public_key()));
    EXPECT_FALSE(verify_receipt_head(head, crypto::Ed25519Key::generate(random).public_key()));
    const Bytes encoded = encode_receipt_head(head);
    EXPECT_EQ(encoded.size(), kReceiptHeadSize);
    EXPECT_EQ(decode_receipt_head(encoded), head);
    ReceiptHead far = head;
    far.sequence = std::uint64_t{1} << 53;
    EXPECT_FALSE(decode_receipt_head(encode_receipt_head(far)));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        Bytes altered = encoded;
        altered[i] ^= 0x01;
        const auto decoded = decode_receipt_head(altered);
        EXPECT_FALSE(decoded && verify_receipt_head(*decoded, key.public_key())) << i;
        EXPECT_FALSE(decode_receipt_head(ByteView(encoded).first(i)));
    }
    // Its own key signed it, but it names another chain.
    head.chain[0] ^= 1;
    head.signature = key.sign(receipt_head_message(head));
    EXPECT_FALSE(verify_receipt_head(head, key.public_key()));
}

TEST(ChainStart, what_is_encoded_is_decoded_and_nothing_else) {
    ChainStart start;
    start.public_key.fill(0x77);
    start.module_id = "i-0123456789abcdef0-enc0123456789abcdef";
    start.attestation = Bytes(4000, 0x88);
    const Bytes encoded = encode_chain_start(start);
    const auto decoded = decode_chain_start(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->public_key, start.public_key);
    EXPECT_EQ(decoded->module_id, start.module_id);
    EXPECT_EQ(decoded->attestation, start.attestation);
    for (const std::size_t size : {0u, 1u, 33u, 35u, 74u, 4000u})
        EXPECT_FALSE(decode_chain_start(ByteView(encoded).first(size))) << size;
    Bytes longer = encoded;
    longer.push_back(0);
    EXPECT_FALSE(decode_chain_start(longer));
    start.module_id.clear();
    EXPECT_FALSE(decode_chain_start(encode_chain_start(start)));
    start.module_id = "i-1";
    start.attestation = Bytes(kMaxChainStart, 0);
    EXPECT_EQ(decode_chain_start(encode_chain_start(start)).error().code, Code::ReceiptInvalid);
}

TEST(ChainId, chains_and_their_first_links_are_digests_of_the_key) {
    ByteArray<32> key{};
    key.fill(0x01);
    Bytes hashed = to_bytes("redoubt receipt chain v1");
    hashed.push_back(0);
    append(hashed, key);
    EXPECT_EQ(to_hex(chain_id(key)), to_hex(crypto::sha256(hashed)).substr(0, 32));
    hashed = to_bytes("redoubt receipt chain start v1");
    hashed.push_back(0);
    append(hashed, key);
    EXPECT_EQ(chain_start(key), crypto::sha256(hashed));
}

TEST(LogEntries, an_entry_is_its_length_kind_chain_and_bytes) {
    Bytes out{0xee};
    ChainId chain{};
    chain.fill(0x99);
    append_log_entry(out, LogEntry::Head, chain, Bytes{1, 2, 3});
    EXPECT_EQ(to_hex(out), "ee0000001403" + repeated("99", 16) + "010203");
}

} // namespace
} // namespace redoubt::trust
