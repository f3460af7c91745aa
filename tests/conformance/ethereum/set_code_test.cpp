// SPDX-License-Identifier: Apache-2.0
// EIP-7702 transactions and authorizations made with ethers and checked with a second implementation.
#include "support.h"

namespace redoubt::ethereum {
namespace {

Bytes signed_digest(const crypto::Secp256k1& curve, ByteView key, const Hash32& digest, std::uint8_t v_base) {
    const auto signature = curve.sign(Secret::copy_of(key), digest);
    Bytes out;
    append(out, signature->r);
    append(out, signature->s);
    out.push_back(static_cast<std::uint8_t>(v_base + signature->y_parity));
    return out;
}

TEST(SetCode, metamasks_published_authorization_is_signed_alike) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eip7702_crosschecked.json");
    const auto published = file.root().get("metamask_published_authorization").value();
    const crypto::Secp256k1 curve(Hash32{});
    const Authorization authorization{*published.get("chainId")->u64(),
                                      *parse_address(text_of(published, "address")),
                                      *published.get("nonce")->u64()};
    const Hash32 digest = authorization_digest(authorization);
    EXPECT_EQ(to_hex0x(digest), text_of(published, "hash"));
    EXPECT_EQ(to_hex0x(signed_digest(curve, bytes_of(text_of(published, "privateKey")), digest, 27)),
              text_of(published, "signature"));
}

TEST(SetCode, transactions_and_their_authorizations_are_signed_byte_for_byte) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eip7702_crosschecked.json");
    const crypto::Secp256k1 curve(Hash32{});
    int transactions = 0, authorizations = 0;
    const auto cases = file.root().get("cases").value();
    for (const json::Value test : cases) {
        const std::string name = text_of(test, "name");
        const auto fields = test.get("transaction").value();
        Members members = members_of(fields, {"to", "chainId", "nonce", "gasLimit", "maxFeePerGas",
                                              "maxPriorityFeePerGas", "data", "value", "accessList", "type"});
        std::string list;
        const auto entries = fields.get("authorizationList").value();
        for (const json::Value entry : entries) {
            const Members kept = members_of(entry, {"chainId", "nonce", "yParity", "r", "s"});
            std::string one = json_of(kept);
            one.insert(1, "\"address\":" + std::string(entry.get("address")->raw()) + ",");
            list += (list.empty() ? "" : ",") + one;
            json::Document document;
            const auto parsed = signed_authorization_from_json(*document.parse(one));
            ASSERT_TRUE(parsed) << name << " " << one << " " << parsed.error().describe();
            const Hash32 digest = authorization_digest(parsed->authorization);
            EXPECT_EQ(to_hex0x(digest), text_of(entry, "authorization_hash")) << name;
            const auto authority = curve.recover(digest, parsed->signature);
            ASSERT_TRUE(authority);
            EXPECT_EQ(to_checksum(address_of(*authority)), text_of(entry, "authority")) << name;
            const auto made =
                curve.sign(Secret::copy_of(bytes_of(text_of(entry, "authorityPrivateKey"))), digest);
            ASSERT_TRUE(made);
            EXPECT_EQ(*made, parsed->signature) << name;
            ++authorizations;
        }
        members["authorizationList"] = "[" + list + "]";
        const auto transaction = parse_json(transaction_from_json, json_of(members));
        ASSERT_TRUE(transaction) << name << " " << transaction.error().describe();
        EXPECT_EQ(to_hex0x(signing_hash(transaction->transaction)), text_of(test, "signingHash")) << name;
        EXPECT_EQ(to_hex0x(serialise_unsigned(transaction->transaction)), text_of(test, "unsigned")) << name;
        const Bytes raw = sign(curve, bytes_of(text_of(test, "privateKey")), transaction->transaction);
        EXPECT_EQ(to_hex0x(raw), text_of(test, "signed")) << name;
        EXPECT_EQ(to_hex0x(transaction_hash(raw)), text_of(test, "hash")) << name;
        const auto parsed = parse_signed_transaction(raw);
        ASSERT_TRUE(parsed) << name;
        EXPECT_EQ(parsed->transaction, transaction->transaction) << name;
        const auto from_unsigned = parse_unsigned_transaction(bytes_of(text_of(test, "unsigned")));
        ASSERT_TRUE(from_unsigned) << name;
        EXPECT_EQ(*from_unsigned, transaction->transaction) << name;
        ++transactions;
    }
    EXPECT_EQ(transactions, 60);
    EXPECT_GE(authorizations, 60);
    std::cout << "EIP-7702: " << transactions << " transactions, " << authorizations << " authorizations\n";
}

} // namespace
} // namespace redoubt::ethereum
