// SPDX-License-Identifier: Apache-2.0
// ethers.js' vectors: 1,600 transactions in each form, signed with the keys given, and its accounts.
#include "crypto/keccak.h"
#include "support.h"

namespace redoubt::ethereum {
namespace {

constexpr std::string_view kZeroAddress = "\"0x0000000000000000000000000000000000000000\"";

struct Form {
    std::string_view name; // in signedNAME and unsignedNAME
    std::string_view type;
    std::vector<std::string_view> members;
    bool has_chain_id;
};

const Form kForms[] = {
    {"Legacy", "0", {"to", "nonce", "gasLimit", "gasPrice", "data", "value"}, false},
    {"Eip155", "0", {"to", "nonce", "gasLimit", "gasPrice", "data", "value", "chainId"}, true},
    {"Berlin", "1", {"to", "nonce", "gasLimit", "gasPrice", "data", "value", "chainId", "accessList"}, true},
    {"London",
     "2",
     {"to", "nonce", "gasLimit", "maxFeePerGas", "maxPriorityFeePerGas", "data", "value", "chainId",
      "accessList"},
     true},
    {"Cancun",
     "3",
     {"to", "nonce", "gasLimit", "maxFeePerGas", "maxPriorityFeePerGas", "data", "value", "chainId",
      "accessList", "maxFeePerBlobGas", "blobVersionedHashes"},
     true},
};

// What ethers leaves out means zero; in JSON-RPC it would have to be said.
Result<Transaction> transaction_of(const json::Value& fields, const Form& form) {
    Members members = members_of(fields, form.members);
    members["type"] = form.type;
    members.try_emplace("nonce", "0");
    members.try_emplace("gasLimit", "0");
    if (form.type == "2" || form.type == "3") {
        members.try_emplace("maxFeePerGas", "0");
        members.try_emplace("maxPriorityFeePerGas", "0");
    } else {
        members.try_emplace("gasPrice", "0");
    }
    const bool no_blobs = form.type == "3" && members["blobVersionedHashes"].size() <= 2;
    if (no_blobs)
        members["blobVersionedHashes"] = "[\"0x01" + std::string(62, '0') + "\"]";
    const bool without_chain_id = !members.contains("chainId");
    if (without_chain_id)
        members["chainId"] = form.has_chain_id ? "1" : "null";
    const bool creates_nothing = !members.contains("to") && !members.contains("data");
    if (creates_nothing)
        members["to"] = kZeroAddress;
    REDOUBT_TRY(auto parsed, parse_json(transaction_from_json, json_of(members)));
    if (creates_nothing)
        parsed.transaction.to.reset();
    if (without_chain_id && form.has_chain_id)
        parsed.transaction.chain_id = 0;
    if (no_blobs)
        parsed.transaction.blob_versioned_hashes.clear();
    return std::move(parsed.transaction);
}

TEST(Ethers, transactions_are_signed_byte_for_byte) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "transactions.json.gz");
    const crypto::Secp256k1 curve(Hash32{});
    std::map<std::string_view, int> compared, chain_id_zero;
    int no_blobs = 0;
    for (const json::Value test : file.root()) {
        const std::string name = text_of(test, "name");
        const Bytes key = bytes_of(text_of(test, "privateKey"));
        const auto public_key = curve.public_key(Secret::copy_of(key));
        ASSERT_TRUE(public_key);
        for (const Form& form : kForms) {
            const std::string wanted = text_of(test, "signed" + std::string(form.name));
            if (wanted.empty()) {
                // Without a chain id, or the members of a blob transaction, there is no such form.
                EXPECT_TRUE(form.name == "Eip155" || form.name == "Cancun");
                continue;
            }
            const auto transaction = transaction_of(*test.get("transaction"), form);
            ASSERT_TRUE(transaction) << name << " " << form.name << " " << transaction.error().describe();
            const Bytes raw = sign(curve, key, *transaction);
            ASSERT_EQ(to_hex0x(raw), wanted) << name << " " << form.name;
            ASSERT_EQ(signing_hash(*transaction),
                      crypto::keccak256(bytes_of(text_of(test, "unsigned" + std::string(form.name)))));
            const auto parsed = parse_signed_transaction(raw);
            if (transaction->chain_id && transaction->chain_id->is_zero()) {
                EXPECT_FALSE(validate(*transaction));
                EXPECT_FALSE(parsed);
                ++chain_id_zero[form.name];
                continue;
            }
            if (form.name == "Cancun" && transaction->blob_versioned_hashes.empty()) {
                EXPECT_FALSE(validate(*transaction)) << "EIP-4844 wants a blob";
                EXPECT_FALSE(parsed);
                ++no_blobs;
                continue;
            }
            const auto from_unsigned = parse_unsigned_transaction(
                bytes_of(text_of(test, "unsigned" + std::string(form.name))), form.name == "Legacy");
            ASSERT_TRUE(from_unsigned) << name << " " << from_unsigned.error().describe();
            EXPECT_EQ(*from_unsigned, *transaction);
            ASSERT_TRUE(parsed) << name << " " << form.name << " " << parsed.error().describe();
            EXPECT_EQ(parsed->transaction, *transaction);
            EXPECT_EQ(sender_of(curve, *parsed), address_of(*public_key));
            ++compared[form.name];
        }
    }
    for (const auto& [form, count] : compared)
        std::cout << "ethers' transactions, " << form << ": " << count << " alike, " << chain_id_zero[form]
                  << " with chain id 0 alike and refused\n";
    std::cout << "ethers' blob transactions without a blob: " << no_blobs << " alike and refused\n";
    EXPECT_EQ(compared["Legacy"], 1600);
    EXPECT_EQ(compared["Eip155"], 832);
    EXPECT_EQ(compared["Berlin"], 832);
    EXPECT_EQ(compared["London"], 832);
    EXPECT_EQ(chain_id_zero["Berlin"], 768);
    EXPECT_EQ(chain_id_zero["London"], 768);
    EXPECT_EQ(compared["Cancun"], 53);
    EXPECT_EQ(no_blobs, 11);
}

TEST(Ethers, accounts_have_their_addresses) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "accounts.json.gz");
    const crypto::Secp256k1 curve(Hash32{});
    int count = 0;
    for (const json::Value test : file.root()) {
        const auto public_key = curve.public_key(Secret::copy_of(bytes_of(text_of(test, "privateKey"))));
        ASSERT_TRUE(public_key);
        const Address address = address_of(*public_key);
        EXPECT_EQ(to_checksum(address), text_of(test, "address"));
        EXPECT_EQ(*parse_address(text_of(test, "address")), address);
        ++count;
    }
    EXPECT_EQ(count, 259);
}

} // namespace
} // namespace redoubt::ethereum
