// SPDX-License-Identifier: Apache-2.0
// TransactionTests of ethereum/tests: raw transactions with, for each fork, the hash and the sender or the
// reason of a refusal. Judged at Shanghai, the newest fork that nearly every case names.
#include "support.h"

namespace redoubt::ethereum {
namespace {

// Reasons that a node has and a signer has not: what state or configuration decides. The vectors are for the
// chain id 1; a transaction for another chain is well formed.
constexpr std::string_view kIntrinsicGas = "TransactionException.INTRINSIC_GAS_TOO_LOW";
constexpr std::string_view kChainId = "TransactionException.INVALID_CHAINID";

struct Counts {
    int cases = 0, london_only = 0;
    int valid = 0, refused = 0, unsupported = 0, other_chain = 0, gas_too_low = 0, recovery = 0;
};

void check(const crypto::Secp256k1& curve, const json::Value& test, Counts& counts) {
    const std::string name(test.name());
    ++counts.cases;
    const auto results = test.get("result");
    ASSERT_TRUE(results) << name;
    auto result = results->get("Shanghai");
    if (!result) { // two cases are for London alone
        ++counts.london_only;
        result = results->get("London");
        ASSERT_TRUE(result) << name;
        EXPECT_TRUE(result->get("exception")) << name;
    }
    const Bytes raw = bytes_of(text_of(test, "txbytes"));
    const auto parsed = parse_signed_transaction(raw);
    if (parsed) {
        EXPECT_EQ(serialise(parsed->transaction, parsed->signature), raw) << name;
    }
    const std::string exception = text_of(*result, "exception");
    if (exception.empty()) {
        ASSERT_TRUE(parsed) << name << " " << parsed.error().describe();
        EXPECT_EQ(to_hex0x(transaction_hash(raw)), text_of(*result, "hash")) << name;
        const auto sender = sender_of(curve, *parsed);
        ASSERT_TRUE(sender) << name;
        EXPECT_EQ(to_hex0x(*sender), text_of(*result, "sender")) << name;
        ++counts.valid;
    } else if (!parsed) {
        counts.unsupported += parsed.error().code == Code::UnsupportedType;
        counts.refused += parsed.error().code == Code::BadTransaction;
    } else if (exception == kIntrinsicGas) {
        ++counts.gas_too_low;
    } else if (exception == kChainId) {
        EXPECT_TRUE(parsed->transaction.chain_id && *parsed->transaction.chain_id != Uint256(1)) << name;
        ++counts.other_chain;
    } else {
        // r is in range, but no point has it; that shows only when the key is recovered.
        EXPECT_EQ(exception, "TransactionException.EC_RECOVERY_FAIL") << name;
        EXPECT_FALSE(sender_of(curve, *parsed)) << name;
        ++counts.recovery;
    }
}

TEST(TransactionVectors, ethereum_tests_agree) {
    REDOUBT_NEED_VECTORS(vectors);
    const crypto::Secp256k1 curve(Hash32{});
    Counts counts;
    for (const auto& file : std::filesystem::recursive_directory_iterator(
             vectors / "ethereum" / "ethereum-tests-TransactionTests")) {
        if (file.path().extension() != ".json")
            continue;
        const VectorFile vector(file.path());
        for (const json::Value test : vector.root())
            check(curve, test, counts);
    }
    std::cout << "ethereum/tests: " << counts.cases << " cases; valid " << counts.valid << ", refused "
              << counts.refused + counts.unsupported << ", a node's business: chain id " << counts.other_chain
              << ", intrinsic gas " << counts.gas_too_low << ", no such point " << counts.recovery << "\n";
    EXPECT_EQ(counts.cases, 210);
    EXPECT_EQ(counts.london_only, 2);
    EXPECT_EQ(counts.valid, 50);
    EXPECT_EQ(counts.refused, 131);
    EXPECT_EQ(counts.unsupported, 1);
    EXPECT_EQ(counts.other_chain, 21);
    EXPECT_EQ(counts.gas_too_low, 5);
    EXPECT_EQ(counts.recovery, 2);
}

} // namespace
} // namespace redoubt::ethereum
