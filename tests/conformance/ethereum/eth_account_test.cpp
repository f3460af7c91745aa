// SPDX-License-Identifier: Apache-2.0
// eth-account's transactions, through both dialects.
#include "support.h"

namespace redoubt::ethereum {
namespace {

const std::vector<std::string_view> kMembers = {"type",
                                                "chainId",
                                                "nonce",
                                                "gas",
                                                "to",
                                                "value",
                                                "data",
                                                "accessList",
                                                "gasPrice",
                                                "maxFeePerGas",
                                                "maxPriorityFeePerGas",
                                                "maxFeePerBlobGas",
                                                "blobVersionedHashes",
                                                "authorizationList"};

// The transaction, which must mean the same in wei in one dialect and in ETH in the other.
Result<Transaction> transaction_of(const json::Value& fields) {
    Members members = members_of(fields, kMembers);
    REDOUBT_TRY(const auto parsed, parse_json(transaction_from_json, json_of(members)));
    if (parsed.transaction.type >= TransactionType::Blob) { // which the reference dialect does not have
        const auto reference = parse_json(transaction_from_reference_json, json_of(members));
        EXPECT_TRUE(!reference && reference.error().code == Code::UnsupportedType);
        return parsed.transaction;
    }
    members["value"] = ether_of(parsed.transaction.value);
    REDOUBT_TRY(const auto reference, parse_json(transaction_from_reference_json, json_of(members)));
    EXPECT_EQ(reference.transaction, parsed.transaction);
    members["value"] = in_quotes(members["value"]);
    REDOUBT_TRY(const auto from_text, parse_json(transaction_from_reference_json, json_of(members)));
    EXPECT_EQ(from_text.transaction, parsed.transaction);
    return parsed.transaction;
}

TEST(EthAccount, typed_transactions_are_read_as_written) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eth-account" / "inline_vectors.json");
    const auto cases = file.root().get("tests/core/test_typed_transactions.py")->get("TEST_CASES").value();
    int compared = 0, only_raw = 0;
    for (const json::Value test : cases) {
        const Bytes raw = bytes_of(text_of(test, "expected_raw_transaction"));
        const auto parsed = parse_signed_transaction(raw);
        ASSERT_TRUE(parsed) << parsed.error().describe();
        const auto fields = test.get("transaction").value();
        if (fields.get("'authorizationList'")) { // an expression of Python: only the bytes are here
            ++only_raw;
        } else {
            const auto transaction = transaction_of(fields);
            ASSERT_TRUE(transaction) << transaction.error().describe();
            EXPECT_EQ(parsed->transaction, *transaction);
            ++compared;
        }
        EXPECT_EQ(serialise(parsed->transaction, parsed->signature), raw);
        // hash() of eth-account's typed transactions is what is signed.
        EXPECT_EQ(to_hex0x(signing_hash(parsed->transaction)), text_of(test, "expected_hash"));
        // The newer cases have them as decimal numbers.
        const auto number = [&](const char* name) {
            const std::string text = text_of(fields, name);
            return text.starts_with("0x") ? from_quantity(text) : from_decimal(text);
        };
        EXPECT_EQ(Uint256(parsed->signature.y_parity), number("v"));
        EXPECT_EQ(from_big_endian(parsed->signature.r), number("r"));
        EXPECT_EQ(from_big_endian(parsed->signature.s), number("s"));
    }
    EXPECT_EQ(compared, 13);
    EXPECT_EQ(only_raw, 2);
    std::cout << "eth-account's typed transactions: " << compared + only_raw << " of 15\n";
}

TEST(EthAccount, transactions_are_signed_byte_for_byte) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eth-account" / "inline_vectors.json");
    const auto accounts = file.root().get("tests/core/test_accounts.py").value();
    const crypto::Secp256k1 curve(Hash32{});
    int count = 0;
    const auto compare = [&](const json::Value& fields, ByteView key, std::string_view wanted) {
        const auto transaction = transaction_of(fields);
        ASSERT_TRUE(transaction) << transaction.error().describe();
        EXPECT_EQ(sign(curve, key, *transaction), bytes_of(wanted));
        ++count;
    };
    const auto from_tests = accounts.get("ETH_TEST_TRANSACTIONS").value();
    int high_s = 0;
    for (const json::Value test : from_tests) {
        // One was signed before EIP-2: its s is above n/2, which this project neither makes nor takes.
        if (text_of(test, "signed").contains("a0bb1035c834677c2e")) {
            const auto parsed = parse_signed_transaction(bytes_of(text_of(test, "signed")));
            ASSERT_FALSE(parsed);
            EXPECT_EQ(parsed.error().code, Code::BadTransaction);
            ++high_s;
            continue;
        }
        compare(test, bytes_of(text_of(test, "key")), text_of(test, "signed"));
    }
    EXPECT_EQ(high_s, 1);

    const auto parameters = accounts.get("param:test_eth_account_sign_transaction")->get("cases").value();
    for (const json::Value test : parameters) {
        std::vector<json::Value> values;
        for (const json::Value value : test)
            values.push_back(value);
        ASSERT_EQ(values.size(), 7u);
        // The key stands as hexadecimal or within an expression of Python.
        const std::string_view key = values[1].text();
        const std::size_t at = key.find("0x");
        ASSERT_NE(at, std::string_view::npos);
        compare(values[0], bytes_of(key.substr(at, 66)), values[2].text());
        EXPECT_EQ(to_hex0x(transaction_hash(bytes_of(values[2].text()))), values[3].text());
        const auto parsed = parse_signed_transaction(bytes_of(values[2].text()));
        ASSERT_TRUE(parsed);
        EXPECT_EQ(to_decimal(*from_big_endian(parsed->signature.r)), values[4].text());
        EXPECT_EQ(to_decimal(*from_big_endian(parsed->signature.s)), values[5].text());
        EXPECT_EQ(to_decimal(v_of(parsed->transaction, parsed->signature.y_parity)), values[6].text());
    }
    EXPECT_EQ(count, 10);
    std::cout << "eth-account's signed transactions: " << count << " alike, " << high_s
              << " with a high s refused\n";
}

} // namespace
} // namespace redoubt::ethereum
