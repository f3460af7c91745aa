// SPDX-License-Identifier: Apache-2.0
// The sender's inside. A transaction's way: queued by account → filled in (several at once) → signed (one at
// a time an account, in order of arrival) → put into the journal (all that wait at once) → broadcast →
// watched. sender.cpp has the queue, sender_signing.cpp filling and signing, sender_writer.cpp the journal,
// sender_watch.cpp node and chain, sender_change.cpp replacing, sender_routes.cpp the HTTP routes. Loop
// thread only.
#pragma once

#include "crypto/random.h"
#include "gateway/sender.h"
#include "gateway/sender_account.h"
#include "gateway/sender_request.h"

#include <deque>
#include <map>

namespace redoubt::gateway {

struct Sender::Impl : std::enable_shared_from_this<Sender::Impl> {
    static constexpr std::size_t kMaxQueue = 10'000;  // of an account
    static constexpr std::size_t kMaxInAll = 100'000; // queued, and in the journal but not settled
    static constexpr std::size_t kFilling = 64;       // of an account at once
    static constexpr std::size_t kBatch = 256;        // entries that the journal takes in one step
    static constexpr std::size_t kSends = 256, kLooks = 1'024, kRaises = 16; // of an account a turn
    static constexpr std::size_t kLooksAtOnce = 16;
    static constexpr int kAnswerMs = 20'000;  // a node that does not answer so long: it is sent later
    static constexpr int kFeesMs = 2'000;     // that a chain's fees are taken for known
    static constexpr int kFreshMs = 10'000;   // that an account's counts are
    static constexpr int kFreshAloneMs = 250; // … while none of ours is under way
    static constexpr int kStoreRetryMs = 500; // before a journal that failed is told again
    static constexpr int kMaxSignings = 8;    // of one request whose nonce went to others
    static constexpr int kSharedMs = 15'000;  // between looks at what other gateways put down
    static constexpr UnixMs kKeepMs = 30ll * 86'400'000; // that the journal keeps what is settled
    static constexpr int kPruneMs = 600'000;

    using Nonce = SenderAccount::Nonce;
    using Slot = SenderAccount::Slot;
    using State = store::TransactionState;

    struct Outcome {
        store::JournalEntry entry;
        bool repeated = false; // it was there already
    };
    using Finish = std::function<void(std::expected<Outcome, Refused>)>;

    struct Job {
        Call call; // the client's: caller, id and trace; nobody answers through it
        std::uint64_t chain = 0;
        Draft draft;
        std::optional<Hash32> idempotency;
        std::vector<Finish> finishes; // of the request and its repeats; empty: it is finished
        store::TransactionId id{};
        UnixMs created = 0;
        sealed::KeyId key{};
        Nonce nonce = 0; // once signed
        bool filling = false, ready = false;
        int signings = 0;
        bool done() const noexcept { return finishes.empty(); }
    };
    using JobPtr = std::shared_ptr<Job>;

    struct Account {
        std::uint64_t chain = 0;
        ethereum::Address address{};
        SenderAccount nonces;
        std::deque<JobPtr> queue;
        std::deque<JobPtr> unwritten;                 // signed, and not yet known to be in the journal
        std::map<Nonce, std::vector<JobPtr>> waiters; // for a node to take it
        std::map<Nonce, Finish> changers;             // for a node to take the version that they asked for
        std::map<Nonce, Refused> refusals;            // of what has failed, until the journal knows it
        bool signing = false, syncing = false, ticking = false;
        bool pumping = false, pump_again = false;
        bool known = false;           // what the journal has of it is in `nonces`
        std::uint64_t generation = 0; // one more when nonces that were given out are free again
        std::int64_t counts_at = 0;   // monotonic; 0: never
        std::deque<Nonce> looks;      // whose receipts are to be asked for
        std::size_t looking = 0;
    };
    using AccountPtr = std::shared_ptr<Account>;
    using AccountName = std::pair<std::uint64_t, ethereum::Address>;

    struct Chain {
        ChainFees fees;
        std::int64_t at = 0; // monotonic; 0: never
        bool asking = false;
        std::vector<std::function<void(Result<ChainFees>)>> waiting;
    };

    Impl(net::EventLoop& loop, WorkerPool& store_workers, store::TransactionJournal& journal,
         NodeClient& nodes, KeyBook& keys, Serve ask_enclave, Settings settings);

    // ---- sender.cpp
    void start();
    void load(std::optional<store::OpenPosition> after);
    void submit(JobPtr job);
    void remember_key(const JobPtr& job);
    void found_key(const JobPtr& job, Result<std::optional<store::JournalEntry>> found);
    void enqueue(const JobPtr& job);
    AccountPtr account(std::uint64_t chain, const ethereum::Address& address);
    // Takes an entry of the journal's into memory, if it is open.
    void adopt(store::JournalEntry entry);
    void remove(Account& account, Nonce nonce);
    void release_key(const JobPtr& job);
    void finish(const JobPtr& job, std::expected<Outcome, Refused> outcome);
    void finish_all(Account& account, Nonce nonce, const std::expected<Outcome, Refused>& outcome);
    void look_drained();
    Counts counts() const noexcept;

    // ---- sender_signing.cpp
    void pump(const AccountPtr& account);
    void pump_once(const AccountPtr& account);
    void fill(const AccountPtr& account, const JobPtr& job);
    void fill_gas(const AccountPtr& account, const JobPtr& job);
    void fill_rest(const AccountPtr& account, const JobPtr& job);
    void fees(std::uint64_t chain, std::function<void(Result<ChainFees>)> done);
    void sync(const AccountPtr& account);
    void synced(const AccountPtr& account, const std::optional<Refused>& failure);
    // Whether the head of the queue may be signed now; what is settled otherwise is gone from the queue.
    bool take_nonce(const AccountPtr& account, const JobPtr& job, Nonce& nonce);
    void named_nonce_used(const AccountPtr& account, const JobPtr& job);
    void sign(const AccountPtr& account, const JobPtr& job, Nonce nonce);
    void signed_now(const AccountPtr& account, const JobPtr& job, Nonce nonce, store::SignedVersion version);
    using Signed = std::function<void(std::expected<store::SignedVersion, Refused>)>;
    void ask_signature(const Call& call, const sealed::KeyId& key, const ethereum::Transaction& transaction,
                       const ethereum::Address& from, store::VersionKind kind, Signed done);

    // ---- sender_writer.cpp
    void mark(const AccountPtr& account, Nonce nonce); // the slot has changed: tell the journal
    void flush();
    struct Batch;
    void written(const std::shared_ptr<Batch>& batch);
    void added(const AccountPtr& account, const JobPtr& job);
    void give_back(const AccountPtr& account);
    void reload(const AccountPtr& account, const JobPtr& job, Nonce nonce);
    void updated(const AccountPtr& account, Nonce nonce, bool done);
    void reread(const AccountPtr& account, const store::TransactionId& id, Nonce nonce);
    // Runs on a store worker, then `done` here; again a little later while too much is waiting.
    void on_store(std::function<void()> work, std::function<void()> done);

    // ---- sender_watch.cpp
    void tick();
    void look(const AccountPtr& account);
    using Counted = std::function<void(Result<std::pair<Nonce, Nonce>>)>; // mined, and with what waits
    void ask_counts(const Account& account, Counted done);
    void counted(const AccountPtr& account);
    void broadcast(const AccountPtr& account, Nonce nonce);
    void broadcast(const AccountPtr& account, Nonce nonce, std::size_t version);
    void broadcasted(const AccountPtr& account, Nonce nonce, std::size_t version, Result<NodeReply> reply);
    void accepted(const AccountPtr& account, Slot& slot);
    void refused(const AccountPtr& account, Slot& slot, std::size_t version, const NodeReply::Refusal& why);
    void ask_receipts(const AccountPtr& account);
    void ask_receipt(const AccountPtr& account, Nonce nonce, std::size_t version);
    void receipt_read(const AccountPtr& account, Slot& slot, std::size_t version, const NodeReply& reply);
    void settle(const AccountPtr& account);

    // ---- sender_change.cpp
    // `make` gives the transaction for the slot's nonce from the one that is there, or why not.
    using Make =
        std::function<Result<ethereum::Transaction>(const ethereum::Transaction& now, const ChainFees&)>;
    void change(const AccountPtr& account, Nonce nonce, store::VersionKind kind, const Call& call, Make make,
                Finish done);
    void change_signed(const AccountPtr& account, Nonce nonce, const store::TransactionId& id,
                       std::expected<store::SignedVersion, Refused> version, Finish done);
    void raise(const AccountPtr& account);
    Result<ethereum::Transaction> raised_fees(const ethereum::Transaction& now, const ChainFees& fees) const;

    // ---- sender_routes.cpp
    void serve(Call call);
    void serve_post(Call call);
    void serve_list(Call call);
    void serve_one(Call call, const store::TransactionId& id);
    void serve_change(Call call, const store::TransactionId& id, bool cancel);

    net::EventLoop& loop;
    WorkerPool& store_workers;
    store::TransactionJournal& journal;
    NodeClient& nodes;
    KeyBook& keys;
    Serve ask_enclave;
    Settings settings;
    std::optional<ethereum::Uint256> most_fee;
    crypto::SystemRandom random;

    bool loaded = false, draining = false;
    std::function<void()> drained;
    std::vector<JobPtr> early; // came before the journal was read
    std::map<AccountName, AccountPtr> accounts;
    std::map<std::uint64_t, Chain> chains;
    std::map<store::TransactionId, std::pair<AccountPtr, Nonce>> by_id; // every slot that is in memory
    std::map<Hash32, JobPtr> by_key; // requests that are not in the journal yet, by their idempotency key
    std::size_t jobs = 0;            // not finished
    std::size_t mined_ever = 0, failed_ever = 0;
    std::deque<std::pair<AccountPtr, JobPtr>> adds;
    std::deque<std::pair<AccountPtr, Nonce>> changes;
    bool writing = false, store_failed = false;
    net::EventLoop::TimerId timer = 0;
    std::int64_t shared_at = 0, pruned_at = 0;
};

// What a client learns of it.
Sender::Refused refused_by(Error error);
Sender::Refused refused_by_node(NodeReply::Refusal refusal);

} // namespace redoubt::gateway
