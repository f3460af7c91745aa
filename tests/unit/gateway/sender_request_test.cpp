// SPDX-License-Identifier: Apache-2.0
// What is filled in, and what is left as it was given.
#include "gateway/sender_request.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

using ethereum::TransactionType;
using ethereum::Uint256;

constexpr std::uint64_t kChain = 31337;
const std::string kFrom = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23";
const std::string kTo = "0x00000000000000000000000000000000000000aa";

std::string object(const std::string& more) {
    return R"({"from":")" + kFrom + R"(","to":")" + kTo + "\"" + (more.empty() ? "" : "," + more) + "}";
}

ChainFees dynamic_fees() {
    return {Uint256(100), Uint256(7), Uint256(107)};
}
ChainFees flat_fees() {
    return {std::nullopt, Uint256(), Uint256(50)};
}

Draft filled(const std::string& more, const ChainFees& fees) {
    auto draft = read_draft(object(more), kChain);
    EXPECT_TRUE(draft) << (draft ? "" : draft.error().describe());
    const auto status = fill_fees(*draft, fees);
    EXPECT_TRUE(status) << (status ? "" : status.error().describe());
    return *draft;
}

Code refused(const std::string& text) {
    const auto draft = read_draft(text, kChain);
    return draft ? Code::Internal : draft.error().code;
}

TEST(SenderRequest, knows_what_is_missing) {
    const auto bare = *read_draft(object(""), kChain);
    EXPECT_FALSE(bare.has_nonce || bare.has_gas || bare.has_type || bare.has_gas_price || bare.has_max_fee ||
                 bare.has_priority);
    EXPECT_EQ(bare.transaction.chain_id, Uint256(kChain));
    EXPECT_EQ(ethereum::to_checksum(bare.from), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
    const auto whole = *read_draft(
        object(R"("nonce":"0x5","gas":21000,"type":"0x2","maxFeePerGas":9,"maxPriorityFeePerGas":"1",)"
               R"("chainId":31337,"value":"0x10")"),
        kChain);
    EXPECT_TRUE(whole.has_nonce && whole.has_gas && whole.has_type && whole.has_max_fee &&
                whole.has_priority);
    EXPECT_EQ(whole.transaction.nonce, 5u);
    EXPECT_EQ(whole.transaction.value, Uint256(16));
}

TEST(SenderRequest, takes_null_for_missing) {
    const auto draft = *read_draft(
        object(R"("nonce":null,"gas":null,"gasPrice":null,"maxFeePerGas":null,"type":null,"data":null)"),
        kChain);
    EXPECT_FALSE(draft.has_nonce || draft.has_gas || draft.has_type || draft.has_gas_price ||
                 draft.has_max_fee);
}

TEST(SenderRequest, refuses_what_it_cannot_send) {
    EXPECT_EQ(refused("[]"), Code::InvalidField);
    EXPECT_EQ(refused("{"), Code::BadJson);
    EXPECT_EQ(refused(R"({"to":")" + kTo + "\"}"), Code::MissingField);
    EXPECT_EQ(refused(object(R"("chainId":1)")), Code::InvalidField);
    EXPECT_EQ(refused(object(R"("colour":1)")), Code::UnknownField);
    EXPECT_EQ(refused(object(R"("blobVersionedHashes":[])")), Code::UnsupportedType);
    EXPECT_EQ(refused(object(R"("maxFeePerBlobGas":1)")), Code::UnsupportedType);
    EXPECT_EQ(refused(object(R"("type":"0x3")")), Code::MissingField); // its members
    EXPECT_EQ(refused(object(R"("nonce":"0x8000000000000000")")), Code::InvalidField);
    EXPECT_EQ(refused(object(R"("gas":1,"gasLimit":2)")), Code::AmbiguousField);
    EXPECT_EQ(refused(R"({"from":")" + kFrom + "\"}"), Code::MissingField); // neither to nor data
}

TEST(SenderRequest, fills_fees_as_the_chain_has_them) {
    const auto two = filled("", dynamic_fees()).transaction;
    EXPECT_EQ(two.type, TransactionType::DynamicFee);
    EXPECT_EQ(two.max_priority_fee_per_gas, Uint256(7));
    EXPECT_EQ(two.max_fee_per_gas, Uint256(207)); // twice the base fee, and the priority fee
    const auto flat = filled("", flat_fees()).transaction;
    EXPECT_EQ(flat.type, TransactionType::Legacy);
    EXPECT_EQ(flat.gas_price, Uint256(50));
    EXPECT_TRUE(flat.max_fee_per_gas.is_zero());
    const auto listed =
        filled(R"("accessList":[{"address":")" + kTo + R"(","storageKeys":[]}])", flat_fees());
    EXPECT_EQ(listed.transaction.type, TransactionType::AccessList);
    EXPECT_EQ(filled(R"("type":0)", dynamic_fees()).transaction.gas_price, Uint256(107));
}

TEST(SenderRequest, fills_in_no_more_than_the_bound_and_leaves_what_was_given) {
    const auto with = [](const std::string& more, const ChainFees& fees) {
        auto draft = *read_draft(object(more), kChain);
        EXPECT_TRUE(fill_fees(draft, fees, Uint256(60)));
        return draft.transaction;
    };
    EXPECT_EQ(with("", dynamic_fees()).max_fee_per_gas, Uint256(60));
    EXPECT_EQ(with("", {Uint256(1), Uint256(90), Uint256(91)}).max_priority_fee_per_gas, Uint256(60));
    EXPECT_EQ(with(R"("type":0)", dynamic_fees()).gas_price, Uint256(60));
    EXPECT_EQ(with(R"("gasPrice":500)", dynamic_fees()).gas_price, Uint256(500));
    EXPECT_EQ(with(R"("maxPriorityFeePerGas":70)", dynamic_fees()).max_fee_per_gas, Uint256(70));
}

TEST(SenderRequest, leaves_given_fees_as_they_are) {
    const auto legacy = filled(R"("gasPrice":"0x3")", dynamic_fees()).transaction;
    EXPECT_EQ(legacy.type, TransactionType::Legacy);
    EXPECT_EQ(legacy.gas_price, Uint256(3));
    const auto low = filled(R"("maxFeePerGas":5)", dynamic_fees()).transaction;
    EXPECT_EQ(low.max_fee_per_gas, Uint256(5));
    EXPECT_EQ(low.max_priority_fee_per_gas, Uint256(5)) << "never above the whole fee";
    const auto tip = filled(R"("maxPriorityFeePerGas":50)", dynamic_fees()).transaction;
    EXPECT_EQ(tip.max_priority_fee_per_gas, Uint256(50));
    EXPECT_EQ(tip.max_fee_per_gas, Uint256(250));
    auto draft = *read_draft(object(R"("maxFeePerGas":5)"), kChain);
    EXPECT_FALSE(fill_fees(draft, flat_fees())) << "the chain has no base fee";
}

TEST(SenderRequest, knows_the_same_request_again_by_what_it_asks_for) {
    const auto digest = [](const std::string& more) { return read_draft(object(more), kChain)->request; };
    EXPECT_EQ(digest(R"("value":"0x10","nonce":5)"), digest(R"("nonce":"0x5","value":16)"));
    EXPECT_NE(digest(R"("nonce":0)"), digest("")) << "a named nonce is not a missing one";
    EXPECT_NE(digest(R"("value":1)"), digest(R"("value":2)"));
    EXPECT_NE(digest(R"("gas":0)"), digest(""));
}

TEST(SenderRequest, asks_for_an_estimate_without_nonce_and_fees) {
    const auto draft =
        *read_draft(object(R"("nonce":5,"value":"0x10","data":"0x1234","gasPrice":1)"), kChain);
    EXPECT_EQ(estimate_params(draft), "[{\"from\":\"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23\",\"to\":"
                                      "\"0x00000000000000000000000000000000000000AA\",\"value\":\"0x10\","
                                      "\"input\":\"0x1234\"}]");
}

TEST(SenderRequest, refuses_an_answer_that_is_not_what_was_asked) {
    const auto draft = filled(R"("gas":21000)", dynamic_fees());
    for (const auto* const reply :
         {"", "{}", R"({"raw_transaction":"0x"})", R"({"raw_transaction":"0x02c0"})"}) {
        const auto read = read_signed(reply, draft.transaction, store::VersionKind::Original, 1);
        ASSERT_FALSE(read) << reply;
        EXPECT_EQ(read.error().code, Code::SigningFailed);
    }
}

TEST(SenderFees, reads_quantities_strictly) {
    EXPECT_EQ(*read_quantity(R"("0x1f")"), Uint256(31));
    for (const auto* const text : {"31", R"("31")", R"("0x01")", "null", R"("0x")", "{"})
        EXPECT_FALSE(read_quantity(text)) << text;
    EXPECT_FALSE(read_count(R"("0x8000000000000000")"));
    EXPECT_EQ(*read_count(R"("0x7fffffffffffffff")"), 0x7fff'ffff'ffff'ffffu);
    EXPECT_EQ(**read_base_fee(R"({"baseFeePerGas":["0x1","0x2"],"oldestBlock":"0x1"})"), Uint256(2));
    EXPECT_EQ(*read_base_fee(R"({"oldestBlock":"0x1"})"), std::nullopt);
    EXPECT_FALSE(read_base_fee(R"({"baseFeePerGas":[1]})"));
}

TEST(SenderFees, gives_gas_a_margin_within_the_cap) {
    EXPECT_EQ(*gas_with_margin(21'000), 21'000u);
    EXPECT_EQ(*gas_with_margin(100'000), 120'000u);
    EXPECT_EQ(*gas_with_margin(16'000'000), ethereum::kTransactionGasCap);
    EXPECT_EQ(*gas_with_margin(ethereum::kTransactionGasCap), ethereum::kTransactionGasCap);
    EXPECT_FALSE(gas_with_margin(ethereum::kTransactionGasCap + 1));
}

TEST(SenderFees, raises_by_a_percentage_rounded_up) {
    EXPECT_EQ(raised(100, 15), Uint256(115));
    EXPECT_EQ(raised(101, 15), Uint256(117)); // 116.15
    EXPECT_EQ(raised(0, 15), Uint256(0));
    const auto large = *ethereum::from_decimal("340282366920938463463374607431768211456"); // 2^128
    EXPECT_EQ(ethereum::to_decimal(raised(large, 25)), "425352958651173079329218259289710264320");
    Uint256 all;
    all.limbs.fill(~std::uint64_t{0});
    EXPECT_EQ(raised(all, 15), all);
}

TEST(SenderFees, a_replacement_pays_enough_more_or_is_none) {
    ethereum::Transaction now;
    now.type = TransactionType::DynamicFee;
    now.chain_id = Uint256(1);
    now.gas = 21'000;
    now.to.emplace();
    now.max_fee_per_gas = 1'000;
    now.max_priority_fee_per_gas = 100;
    const ChainFees calm{Uint256(10), Uint256(1), Uint256(11)},
        busy{Uint256(2'000), Uint256(300), Uint256(2'300)};
    const auto risen = with_higher_fees(now, 15, calm, std::nullopt);
    ASSERT_TRUE(risen);
    EXPECT_EQ(risen->max_fee_per_gas, Uint256(1'150));
    EXPECT_EQ(risen->max_priority_fee_per_gas, Uint256(115));
    const auto caught_up = with_higher_fees(now, 15, busy, std::nullopt);
    EXPECT_EQ(caught_up->max_fee_per_gas, Uint256(4'300));
    EXPECT_EQ(caught_up->max_priority_fee_per_gas, Uint256(300));
    EXPECT_EQ(with_higher_fees(now, 15, busy, Uint256(1'120))->max_fee_per_gas, Uint256(1'120));
    EXPECT_FALSE(with_higher_fees(now, 15, busy, Uint256(1'099))) << "less than the tenth that nodes want";
    EXPECT_EQ(with_higher_fees(now, 1, calm, std::nullopt)->max_fee_per_gas, Uint256(1'100))
        << "at least a tenth";
}

} // namespace
} // namespace redoubt::gateway
