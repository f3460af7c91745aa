// SPDX-License-Identifier: Apache-2.0
#include "gateway/sender_impl.h"

#include "base/log.h"
#include "gateway/clients.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kLoadPage = 500;

std::unexpected<Sender::Refused> overloaded() {
    return std::unexpected(
        refused_by({Code::Overloaded, "too many transactions are waiting; try again in a second"}));
}

} // namespace

Sender::Refused refused_by(Error error) {
    return {std::move(error), std::nullopt, {}};
}

Sender::Refused refused_by_node(NodeReply::Refusal refusal) {
    Error error{Code::NodeRefused, "the chain's node refused; its own words are beside this"};
    return {std::move(error), std::move(refusal), {}};
}

Sender::Impl::Impl(net::EventLoop& on, WorkerPool& workers, store::TransactionJournal& with,
                   NodeClient& through, KeyBook& book, Serve ask, Settings set)
    : loop(on), store_workers(workers), journal(with), nodes(through), keys(book),
      ask_enclave(std::move(ask)), settings(std::move(set)),
      most_fee(ethereum::from_decimal(settings.max_fee_per_gas)) {}

void Sender::Impl::start() {
    load(std::nullopt);
    timer = loop.after(settings.resend_ms, [this] { tick(); });
}

// Page by page: everything that is under way. Requests that come meanwhile wait.
void Sender::Impl::load(std::optional<store::OpenPosition> after) {
    using Entries = Result<std::vector<store::JournalEntry>>;
    auto page = std::make_shared<std::optional<Entries>>();
    on_store([&from = journal, page, after] { page->emplace(from.open(after, kLoadPage)); },
             [this, page, after] {
                 Entries& entries = **page;
                 if (!entries) {
                     log(LogLevel::Error, "the journal of transactions cannot be read",
                         {{"why", entries.error().describe()}});
                     loop.after(kStoreRetryMs, [weak = weak_from_this(), after] {
                         if (const auto self = weak.lock())
                             self->load(after);
                     });
                     return;
                 }
                 const bool last = entries->size() < kLoadPage;
                 std::optional<store::OpenPosition> next;
                 if (!last)
                     next = {entries->back().chain_id, entries->back().account, entries->back().nonce};
                 for (auto& entry : *entries)
                     adopt(std::move(entry));
                 if (!last)
                     return load(next);
                 if (std::exchange(loaded, true))
                     return;
                 log(LogLevel::Info, "sending transactions", {{"under way", std::to_string(by_id.size())}});
                 for (const auto& job : std::exchange(early, {}))
                     enqueue(job);
                 for (const auto& [name, each] : accounts)
                     look(each);
             });
}

Sender::Impl::AccountPtr Sender::Impl::account(std::uint64_t chain, const ethereum::Address& address) {
    AccountPtr& found = accounts[{chain, address}];
    if (!found) {
        found = std::make_shared<Account>();
        found->chain = chain;
        found->address = address;
    }
    return found;
}

void Sender::Impl::adopt(store::JournalEntry entry) {
    if (entry.settled || by_id.contains(entry.id))
        return;
    const auto of = account(entry.chain_id, entry.account);
    const Nonce nonce = entry.nonce;
    if (of->nonces.find(nonce) != nullptr)
        return; // ours for this nonce is not in the journal: it will be told so
    by_id[entry.id] = {of, nonce};
    const std::int64_t now = monotonic_ms();
    Slot& slot = of->nonces.add(std::move(entry), true);
    if (slot.mined())
        slot.mined_at = now;
    if (slot.accepted)
        slot.versioned_at = now;
}

void Sender::Impl::remove(Account& of, Nonce nonce) {
    if (Slot* const slot = of.nonces.find(nonce)) {
        by_id.erase(slot->entry.id);
        of.nonces.remove(nonce);
    }
}

void Sender::Impl::submit(JobPtr job) {
    ++jobs;
    job->created = system_time_ms();
    job->id = random.array<16>();
    if (draining)
        return finish(job, std::unexpected(refused_by(
                               {Code::ShuttingDown, "the gateway is stopping; send it to another one"})));
    if (const Grant* const grant = job->call.caller.grant.get();
        grant != nullptr && !(grant->may(Operation::Send) && grant->may_use_chain(job->chain)))
        return finish(job,
                      std::unexpected(refused_by({Code::Forbidden, "this client may not send transactions "
                                                                   "on this chain"})));
    if (!nodes.has(job->chain))
        return finish(job, std::unexpected(refused_by(
                               {Code::NotFound, "no node is configured for this chain: the gateway sends "
                                                "nothing there"})));
    if (jobs + by_id.size() > kMaxInAll)
        return finish(job, overloaded());
    if (job->idempotency)
        return remember_key(job);
    enqueue(job);
}

// Of requests with one key the first goes on, others wait for what becomes of it.
void Sender::Impl::remember_key(const JobPtr& job) {
    JobPtr& first = by_key[*job->idempotency];
    if (first && first != job) {
        if (first->draft.request != job->draft.request)
            return finish(job, std::unexpected(refused_by(
                                   {Code::Conflict, "this Idempotency-Key was used for another request; "
                                                    "take a new one"})));
        for (auto& each : job->finishes)
            first->finishes.push_back([each](std::expected<Outcome, Refused> outcome) {
                if (outcome)
                    outcome->repeated = true;
                each(std::move(outcome));
            });
        job->finishes.clear();
        --jobs;
        return;
    }
    first = job;
    using Found = Result<std::optional<store::JournalEntry>>;
    auto found = std::make_shared<std::optional<Found>>();
    on_store([&from = journal, found, key = *job->idempotency] { found->emplace(from.find(key)); },
             [this, found, job] { found_key(job, std::move(**found)); });
}

void Sender::Impl::found_key(const JobPtr& job, Result<std::optional<store::JournalEntry>> found) {
    if (!found)
        return finish(job, std::unexpected(refused_by(found.error())));
    if (!*found)
        return enqueue(job);
    store::JournalEntry entry = std::move(**found);
    if (entry.request != job->draft.request)
        return finish(job, std::unexpected(refused_by(
                               {Code::Conflict, "this Idempotency-Key was used for another request; take a "
                                                "new one"})));
    if (const auto known = by_id.find(entry.id); known != by_id.end())
        if (const Slot* const slot = known->second.first->nonces.find(known->second.second))
            entry = slot->entry; // newer than the journal's
    finish(job, Outcome{std::move(entry), true});
}

void Sender::Impl::enqueue(const JobPtr& job) {
    if (!loaded) {
        early.push_back(job);
        return;
    }
    const auto of = account(job->chain, job->draft.from);
    if (of->queue.size() + of->nonces.ahead() >= kMaxQueue)
        return finish(job, overloaded());
    of->queue.push_back(job);
    pump(of);
}

// From now on the journal answers for the key, or nobody.
void Sender::Impl::release_key(const JobPtr& job) {
    if (!job->idempotency)
        return;
    const auto known = by_key.find(*job->idempotency);
    if (known != by_key.end() && known->second == job)
        by_key.erase(known);
}

void Sender::Impl::finish(const JobPtr& job, std::expected<Outcome, Refused> outcome) {
    if (job->done())
        return;
    if (job->idempotency)
        if (const auto known = by_key.find(*job->idempotency); known != by_key.end() && known->second == job)
            by_key.erase(known);
    --jobs;
    for (const auto& each : std::exchange(job->finishes, {}))
        each(outcome);
    look_drained();
}

// Everybody who waits for what becomes of a nonce.
void Sender::Impl::finish_all(Account& of, Nonce nonce, const std::expected<Outcome, Refused>& outcome) {
    if (auto waiting = of.waiters.extract(nonce))
        for (const auto& job : waiting.mapped())
            finish(job, outcome);
    if (auto changer = of.changers.extract(nonce))
        changer.mapped()(outcome);
}

void Sender::Impl::look_drained() {
    if (!draining || !drained || jobs != 0 || writing || !adds.empty() || !changes.empty())
        return;
    loop.post([weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && self->drained)
            std::exchange(self->drained, {})();
    });
}

Sender::Counts Sender::Impl::counts() const noexcept {
    Counts out;
    for (const auto& [name, each] : accounts) {
        out.waiting += each->queue.size();
        out.pending += each->nonces.waiting();
        out.gaps += each->nonces.gaps();
    }
    out.mined = mined_ever;
    out.failed = failed_ever;
    return out;
}

Sender::Sender(net::EventLoop& loop, WorkerPool& store_workers, store::TransactionJournal& journal,
               NodeClient& nodes, KeyBook& keys, Serve ask_enclave, Settings settings)
    : impl_(std::make_shared<Impl>(loop, store_workers, journal, nodes, keys, std::move(ask_enclave),
                                   std::move(settings))) {}

Sender::~Sender() {
    impl_->loop.cancel(impl_->timer);
}

void Sender::start() {
    impl_->start();
}

void Sender::drain(std::function<void()> done) {
    impl_->draining = true;
    impl_->drained = std::move(done);
    impl_->look_drained();
}

void Sender::send(const Call& call, std::uint64_t chain_id, std::string transaction, Done done) {
    auto draft = read_draft(transaction, chain_id);
    if (!draft)
        return done(std::unexpected(refused_by(std::move(draft).error())));
    auto job = std::make_shared<Impl::Job>();
    job->call = call_for(call, "POST", "/v1/transactions", {}, {});
    job->call.from = {};
    job->chain = chain_id;
    job->draft = std::move(*draft);
    job->finishes.push_back([done = std::move(done)](std::expected<Impl::Outcome, Refused> outcome) {
        if (!outcome)
            return done(std::unexpected(std::move(outcome).error()));
        const auto& entry = outcome->entry;
        done(Sent{to_hex0x(entry.versions.back().hash), store::transaction_id_text(entry.id)});
    });
    impl_->submit(std::move(job));
}

Sender::Counts Sender::counts() const noexcept {
    return impl_->counts();
}

bool Sender::serves(std::string_view path) noexcept {
    constexpr std::string_view kPath = "/v1/transactions";
    return path == kPath || (path.starts_with(kPath) && path[kPath.size()] == '/');
}

void Sender::serve(Call call) {
    impl_->serve(std::move(call));
}

} // namespace redoubt::gateway
