// SPDX-License-Identifier: Apache-2.0
#include "gateway/blob_sidecar.h"

#include "base/json.h"
#include "ethereum/rlp.h"
#include "ethereum/transaction.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

std::string hex_of(std::size_t size, std::uint8_t byte) {
    return "\"" + to_hex0x(Bytes(size, byte)) + "\"";
}

std::string list(std::size_t count, const std::string& entry) {
    std::string out = "[";
    for (std::size_t i = 0; i < count; ++i)
        out += (i > 0 ? "," : "") + entry;
    return out + "]";
}

std::string sidecar(std::size_t blobs, std::size_t commitments, std::size_t proofs,
                    const std::string& version = "0") {
    return R"({"version":)" + version + R"(,"blobs":)" + list(blobs, hex_of(131'072, 1)) +
           R"(,"commitments":)" + list(commitments, hex_of(48, 2)) + R"(,"proofs":)" +
           list(proofs, hex_of(48, 3)) + "}";
}

std::string body_with(const std::string& sidecar_text) {
    return R"({"transaction":{"a":1,"sidecar":2},"sidecar":)" + sidecar_text + R"(,"path":"m/0"})";
}

Code refusal(const std::string& sidecar_text) {
    const auto split = split_sidecar(body_with(sidecar_text));
    return split ? Code::Internal : split.error().code;
}

TEST(BlobSidecar, the_body_goes_on_without_it_and_otherwise_as_it_was) {
    const auto split = split_sidecar(body_with(sidecar(2, 2, 2)));
    ASSERT_TRUE(split) << split.error().describe();
    EXPECT_EQ(split->body, R"({"transaction":{"a":1,"sidecar":2},"path":"m/0"})");
    ASSERT_TRUE(split->sidecar);
    EXPECT_EQ(split->sidecar->blobs.size(), 2u);
    EXPECT_TRUE(split_sidecar(body_with(sidecar(1, 1, 128, "1"))));
    const std::string other = R"({ "transaction" : {"sidecar":2} })";
    const auto none = split_sidecar(other);
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->sidecar);
    EXPECT_EQ(none->body, other);
    EXPECT_TRUE(may_have_sidecar("/v1/keys/k/sign-transaction", other));
    EXPECT_FALSE(may_have_sidecar("/v1/keys/k/sign-message", other));
    EXPECT_FALSE(may_have_sidecar("/v1/keys/k/sign-transaction", {}));
}

TEST(BlobSidecar, what_no_node_would_take_is_refused) {
    EXPECT_EQ(refusal(sidecar(0, 0, 0)), Code::InvalidField);
    EXPECT_EQ(refusal(sidecar(2, 1, 2)), Code::InvalidField);
    EXPECT_EQ(refusal(sidecar(1, 1, 128)), Code::InvalidField);
    EXPECT_EQ(refusal(sidecar(1, 1, 1, "1")), Code::InvalidField);
    EXPECT_EQ(refusal(sidecar(1, 1, 1, "2")), Code::InvalidField);
    EXPECT_EQ(refusal(R"({"blobs":[],"commitments":[]})"), Code::InvalidField);
    EXPECT_EQ(refusal(R"({"blobs":["0x00"],"commitments":[],"proofs":[]})"), Code::InvalidField);
    EXPECT_EQ(refusal(R"({"x":1})"), Code::UnknownField);
    EXPECT_EQ(refusal("7"), Code::InvalidField);
    EXPECT_FALSE(split_sidecar("{"));
    EXPECT_FALSE(split_sidecar(R"({"sidecar":1,"sidecar":1})"));
}

TEST(BlobSidecar, the_network_form_holds_the_transaction_as_signed_and_the_blobs) {
    for (const char* version : {"0", "1"}) {
        const auto split = split_sidecar(body_with(sidecar(1, 1, version[0] == '1' ? 128 : 1, version)));
        ASSERT_TRUE(split);
        ethereum::Transaction transaction;
        transaction.type = ethereum::TransactionType::Blob;
        transaction.chain_id = 1;
        transaction.to = ethereum::Address{};
        transaction.blob_versioned_hashes = split->sidecar->versioned_hashes();
        crypto::Signature signature{};
        signature.r[31] = signature.s[31] = 1;
        const Bytes raw = ethereum::serialise(transaction, signature);
        const auto reply = with_network_transaction(
            R"({"raw_transaction":")" + to_hex0x(raw) + R"(","v":"0x0"})", *split->sidecar);
        ASSERT_TRUE(reply) << reply.error().describe();
        json::Document document;
        const auto root = document.parse(*reply, {.bytes = 4 << 20});
        ASSERT_TRUE(root);
        EXPECT_EQ(root->get("v")->text(), "0x0");
        const auto network = from_hex0x(root->get("network_transaction")->text());
        ASSERT_TRUE(network);
        ASSERT_EQ((*network)[0], 3);
        ethereum::rlp::Reader outer(ByteView(*network).subspan(1));
        auto members = outer.list();
        const Bytes body_list = [&] { // the transaction, as the list it is
            Bytes out;
            auto inner = members.list();
            while (!inner.empty() && inner.ok()) {
                if (inner.next_is_list())
                    (void)inner.list();
                else
                    (void)inner.string();
                out.push_back(0);
            }
            return out;
        }();
        EXPECT_EQ(body_list.size(), 14u) << "11 members and a signature";
        if (version[0] == '1') {
            EXPECT_EQ(members.u64(), 1u);
        }
        EXPECT_EQ(members.list().string().size(), 131'072u);
        EXPECT_EQ(members.list().string().size(), 48u);
        EXPECT_EQ(members.list().string()[0], 3);
        EXPECT_TRUE(members.finished() && outer.finished());

        transaction.blob_versioned_hashes[0][5] ^= 1;
        const Bytes other = ethereum::serialise(transaction, signature);
        EXPECT_FALSE(
            with_network_transaction(R"({"raw_transaction":")" + to_hex0x(other) + R"("})", *split->sidecar));
    }
    EXPECT_FALSE(with_network_transaction("{}", BlobSidecar{}));
}

} // namespace
} // namespace redoubt::gateway
