// SPDX-License-Identifier: Apache-2.0
// The nonces of one account: which is next, what is to be done, what becomes of it.
#include "gateway/sender_account.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

using Nonce = SenderAccount::Nonce;
using Nonces = std::vector<Nonce>;
using State = store::TransactionState;
using store::VersionKind;

store::JournalEntry entry(Nonce nonce, State state = State::Signed, std::optional<std::uint64_t> block = {}) {
    store::JournalEntry out;
    out.id[15] = static_cast<std::uint8_t>(nonce);
    out.chain_id = 1;
    out.nonce = nonce;
    out.state = state;
    out.block = block;
    out.versions.push_back({VersionKind::Original, 0, {}, {}});
    return out;
}

// Of nonces that a node has taken at time 1.
SenderAccount sent(std::initializer_list<Nonce> nonces) {
    SenderAccount out;
    for (const Nonce nonce : nonces) {
        auto& slot = out.add(entry(nonce, State::Broadcast), true);
        slot.sent_at = slot.versioned_at = 1;
    }
    return out;
}

TEST(SenderAccount, gives_the_lowest_nonce_that_neither_chain_nor_slot_has) {
    SenderAccount account;
    EXPECT_EQ(account.next(), 0u);
    account.set_counts(5, 7); // two of somebody else's wait
    EXPECT_EQ(account.next(), 7u);
    account.add(entry(7), false);
    account.add(entry(8), true);
    account.add(entry(10), true);
    EXPECT_EQ(account.next(), 9u);
    account.add(entry(9), false);
    EXPECT_EQ(account.next(), 11u);
    account.remove(8); // the node refused it
    EXPECT_EQ(account.next(), 8u);
}

TEST(SenderAccount, never_gives_out_a_settled_nonce_however_far_the_node_is_behind) {
    SenderAccount account;
    account.set_settled(40);
    account.set_counts(3, 3);
    EXPECT_EQ(account.next(), 40u);
    account.set_settled(12); // settled in another order
    EXPECT_EQ(account.next(), 40u);
    account.set_counts(41, 0); // a pending count below the mined one is none
    EXPECT_EQ(account.next(), 41u);
}

TEST(SenderAccount, asks_for_receipts_of_used_nonces_alone) {
    auto account = sent({4, 5, 6, 7});
    account.add(entry(3), false); // not in the journal yet
    account.find(5)->entry.block = 9;
    account.find(6)->asking = true;
    account.set_counts(7, 8);
    EXPECT_EQ(account.to_ask(), Nonces{4});
    account.find(6)->asking = false;
    EXPECT_EQ(account.to_ask(), (Nonces{4, 6}));
}

TEST(SenderAccount, sends_again_what_the_node_has_lost_and_from_there_on) {
    auto account = sent({4, 5, 6});
    account.set_counts(4, 7); // it has them all
    EXPECT_EQ(account.to_send(10'000, 3'000, 9), Nonces{});
    account.set_counts(4, 5); // 5 is gone, so it counts neither that nor 6
    EXPECT_EQ(account.to_send(10'000, 3'000, 9), (Nonces{5, 6}));
    EXPECT_EQ(account.to_send(10'000, 3'000, 1), Nonces{5});
    EXPECT_EQ(account.to_send(2'000, 3'000, 9), Nonces{}) << "sent just now";
    account.find(5)->sending = true;
    EXPECT_EQ(account.to_send(10'000, 3'000, 9), Nonces{6});
}

TEST(SenderAccount, sends_at_once_what_was_never_sent_and_nothing_that_is_not_in_the_journal) {
    auto account = sent({});
    account.add(entry(0), true);
    account.add(entry(1), false);
    account.add(entry(2), true).held = true;
    account.add(entry(3), true).failing = true;
    account.set_counts(0, 0);
    EXPECT_EQ(account.to_send(1, 3'000, 9), Nonces{0});
}

TEST(SenderAccount, takes_back_what_was_mined_when_the_chain_goes_back) {
    auto account = sent({4, 5, 6});
    account.set_counts(7, 7);
    for (const Nonce nonce : Nonces{4, 5, 6})
        EXPECT_TRUE(account.mined(*account.find(nonce), 0, 100 + nonce, true, 1'000));
    EXPECT_EQ(account.take_back(), Nonces{});
    account.set_counts(5, 5); // the node lost its last blocks
    EXPECT_EQ(account.take_back(), (Nonces{5, 6}));
    EXPECT_TRUE(account.find(4)->mined());
    for (const Nonce nonce : Nonces{5, 6}) {
        EXPECT_EQ(account.find(nonce)->entry.state, State::Signed);
        EXPECT_FALSE(account.find(nonce)->mined());
    }
    EXPECT_EQ(account.to_send(1, 3'000, 9), (Nonces{5, 6}));
    EXPECT_EQ(account.next(), 7u) << "their nonces stay theirs";
}

TEST(SenderAccount, settles_what_is_deep_and_old) {
    auto account = sent({4, 5});
    account.set_counts(6, 6);
    account.mined(*account.find(4), 0, 100, true, 0);
    account.mined(*account.find(5), 0, 101, true, 0);
    const auto late = SenderAccount::kKeepMs;
    EXPECT_EQ(account.to_settle(164, late - 1, 9), Nonces{});
    EXPECT_EQ(account.to_settle(163, late, 9), Nonces{});
    EXPECT_EQ(account.to_settle(164, late, 9), Nonces{4});
    EXPECT_EQ(account.to_settle(165, late, 9), (Nonces{4, 5}));
    account.set_counts(5, 6);
    EXPECT_EQ(account.to_settle(165, late, 9), Nonces{4}) << "5 is not on the chain now";
}

TEST(SenderAccount, tells_mined_replaced_and_cancelled_by_what_was_mined) {
    const auto state = [](std::initializer_list<VersionKind> kinds, std::size_t mined) {
        SenderAccount account;
        auto one = entry(0);
        one.versions.clear();
        for (const auto kind : kinds)
            one.versions.push_back({kind, 0, {}, {}});
        auto& slot = account.add(one, true);
        EXPECT_TRUE(account.mined(slot, mined, 7, false, 1));
        EXPECT_FALSE(account.mined(slot, mined, 7, false, 2)) << "the same again is nothing new";
        EXPECT_EQ(slot.entry.block, 7u);
        EXPECT_FALSE(slot.entry.succeeded);
        return slot.entry.state;
    };
    using enum VersionKind;
    EXPECT_EQ(state({Original}, 0), State::Mined);
    EXPECT_EQ(state({Original, FeeBump}, 1), State::Mined);
    EXPECT_EQ(state({Original, Cancel}, 1), State::Cancelled);
    EXPECT_EQ(state({Original, Cancel}, 0), State::Mined) << "the cancellation came too late";
    EXPECT_EQ(state({Original, Replacement, FeeBump}, 2), State::Replaced);
    EXPECT_EQ(state({Original, Cancel, FeeBump}, 2), State::Cancelled);
}

TEST(SenderAccount, drops_what_lost_its_nonce_after_several_looks_only) {
    auto account = sent({4});
    auto& slot = *account.find(4);
    for (int i = 1; i < SenderAccount::kMisses; ++i)
        EXPECT_FALSE(account.missed(slot));
    account.mined(slot, 0, 5, true, 1); // found after all
    slot.entry.block.reset();
    for (int i = 1; i < SenderAccount::kMisses; ++i)
        EXPECT_FALSE(account.missed(slot));
    EXPECT_TRUE(account.missed(slot));
    EXPECT_EQ(slot.entry.state, State::Dropped);
    EXPECT_TRUE(slot.entry.settled);
    EXPECT_FALSE(slot.entry.live());
}

TEST(SenderAccount, raises_fees_from_the_lowest_nonce_on_without_a_gap) {
    auto account = sent({4, 5, 7});
    account.set_counts(4, 6);
    EXPECT_EQ(account.to_raise(1'000, 1'000, 9), Nonces{});
    EXPECT_EQ(account.to_raise(1'001, 1'000, 9), (Nonces{4, 5}));
    EXPECT_EQ(account.to_raise(1'001, 1'000, 1), Nonces{4});
    account.find(4)->changing = true;
    EXPECT_EQ(account.to_raise(1'001, 1'000, 9), Nonces{5});
    account.find(5)->entry.versions.resize(store::kMaxVersions);
    EXPECT_EQ(account.to_raise(1'001, 1'000, 9), Nonces{});
}

TEST(SenderAccount, counts_gaps_below_what_is_signed) {
    auto account = sent({4, 6, 9});
    account.set_counts(4, 5);
    EXPECT_EQ(account.gaps(), 3u); // 5, 7, 8
    EXPECT_EQ(account.waiting(), 3u);
    account.set_counts(4, 7);
    EXPECT_EQ(account.gaps(), 2u);
    EXPECT_EQ(account.ahead(), 3u);
    account.set_counts(9, 9);
    EXPECT_EQ(account.ahead(), 1u);
    account.set_counts(10, 10);
    EXPECT_EQ(account.ahead(), 0u);
}

// The words are those of the nodes' sources.
TEST(Verdict, is_found_in_the_words_of_every_node) {
    for (const auto* const known :
         {"already known", "ALREADY_EXISTS: already known", "AlreadyKnown", "Known transaction",
          "transaction already imported", "known transaction: 0xabc"})
        EXPECT_EQ(verdict_of(-32000, known), Verdict::Known) << known;
    for (const auto* const low : {"nonce too low", "nonce too low: next nonce 5, tx nonce 4", "OldNonce",
                                  "Transaction nonce is too low. Try incrementing the nonce."})
        EXPECT_EQ(verdict_of(-32003, low), Verdict::NonceUsed) << low;
    for (const auto* const cheap :
         {"replacement transaction underpriced", "Replacement transaction underpriced",
          "ReplacementNotAllowed", "FeeTooLowToCompete"})
        EXPECT_EQ(verdict_of(-32000, cheap), Verdict::Underpriced) << cheap;
    for (const auto* const later : {"txpool is full", "nonce too high", "Too Many Requests", "NonceGap"})
        EXPECT_EQ(verdict_of(-32000, later), Verdict::Later) << later;
    EXPECT_EQ(verdict_of(-32005, "daily request count exceeded"), Verdict::Later);
    for (const auto* const no : {"insufficient funds for gas * price + value", "intrinsic gas too low",
                                 "exceeds block gas limit", "transaction underpriced", "invalid sender", ""})
        EXPECT_EQ(verdict_of(-32000, no), Verdict::Refused) << no;
}

} // namespace
} // namespace redoubt::gateway
