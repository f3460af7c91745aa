// SPDX-License-Identifier: Apache-2.0
// The nonces of one account on one chain: which are taken, by what, how far each has come, and what is to be
// done next. A value that knows neither loop, node nor journal: what they say is told to it, and times are
// the caller's (monotonic milliseconds).
//
// What keeps two transactions off one nonce: a nonce is taken from the moment its transaction is signed, and
// is free again only if no node can have the bytes. What closes gaps: the next nonce is the lowest free one
// that the chain has not used, not the one after the highest.
#pragma once

#include "store/transaction_journal.h"

#include <map>

namespace redoubt::gateway {

class SenderAccount {
  public:
    using Nonce = std::uint64_t;
    using State = store::TransactionState;

    struct Slot {
        store::JournalEntry entry;
        bool journalled = false;
        bool accepted = false;         // some node has taken the last version
        bool sending = false;          // a broadcast is under way
        bool asking = false;           // for its receipts
        bool changing = false;         // another version is being signed
        bool held = false;             // the last version is not in the journal yet
        bool failing = false;          // its failure is being put down
        bool dirty = false;            // the journal has an older state
        bool writing = false;          // the journal is being told
        int missing = 0;               // looks at a used nonce that found no receipt of ours
        std::int64_t sent_at = 0;      // of the last broadcast; 0: none yet
        std::int64_t versioned_at = 0; // when the last version was first sent
        std::int64_t mined_at = 0;     // when it was first seen mined

        const store::SignedVersion& last() const noexcept { return entry.versions.back(); }
        bool mined() const noexcept { return entry.block.has_value(); }
        bool waits() const noexcept { // for being mined
            return journalled && !mined() && !failing && entry.live();
        }
    };

    // ---- nonces
    // The lowest nonce that neither the chain nor a slot has.
    Nonce next() const noexcept;
    Slot* find(Nonce nonce) noexcept;
    // The entry's nonce is free.
    Slot& add(store::JournalEntry entry, bool journalled);
    void remove(Nonce nonce) { slots_.erase(nonce); }
    // Nonces below were used by transactions that are settled: none of them is given out again.
    void set_settled(Nonce below) noexcept { settled_ = std::max(settled_, below); }
    // What the node says: transactions of the account that are mined, and with those that wait.
    void set_counts(Nonce latest, Nonce pending) noexcept;

    // ---- what is to be done
    // Waits, and its nonce is used: ask for the receipts of its versions.
    std::vector<Nonce> to_ask() const;
    // Never sent; or sent longer than `again_ms` ago, and the node does not count it. Lowest first.
    std::vector<Nonce> to_send(std::int64_t now, int again_ms, std::size_t limit) const;
    // Lowest first: those that the chain takes next, whose last version was sent longer than `after_ms` ago.
    std::vector<Nonce> to_raise(std::int64_t now, int after_ms, std::size_t limit) const;
    // Mined so long ago (kDepth blocks and kKeepMs) that one more look at the receipt settles it.
    std::vector<Nonce> to_settle(std::uint64_t block, std::int64_t now, std::size_t limit) const;
    // Takes back those that were mined and whose nonce the chain has not used (any more): it went back, or
    // the node lost its last blocks. They are sent again.
    std::vector<Nonce> take_back();

    // ---- what happened
    // Version `index` is in a block. False: nothing new.
    bool mined(Slot& slot, std::size_t index, std::uint64_t block, bool succeeded, std::int64_t now);
    // No version has a receipt, and the nonce is used. True: often enough, and it is dropped now.
    bool missed(Slot& slot);

    // Nonces that nothing will fill and that hold up what is signed above them.
    std::size_t gaps() const noexcept;
    std::size_t waiting() const noexcept; // slots that are not mined
    // At most so many slots have nonces that the chain has not used; 0: none has.
    std::size_t ahead() const noexcept;
    const std::map<Nonce, Slot>& slots() const noexcept { return slots_; }
    Nonce latest() const noexcept { return latest_; }

    static constexpr std::uint64_t kDepth = 64;
    static constexpr std::int64_t kKeepMs = 60'000;
    // Nodes behind one address may be some blocks apart.
    static constexpr int kMisses = 10;
    static constexpr int kMissesUnsent = 3; // where no node is known to have taken it

  private:
    std::map<Nonce, Slot> slots_;
    Nonce settled_ = 0, latest_ = 0, pending_ = 0;
};

// What a node's refusal of a raw transaction means. Nodes agree on no code: the words are those of geth,
// reth, Erigon, Nethermind, Besu and anvil.
enum class Verdict : std::uint8_t {
    Known,       // it has it already
    NonceUsed,   // perhaps by this very transaction
    Underpriced, // it has another one of this nonce
    Later,       // not now: full, limited, out of step
    Refused,     // it will not have it
};
Verdict verdict_of(std::int64_t code, std::string_view message);

} // namespace redoubt::gateway
