// SPDX-License-Identifier: Apache-2.0
// The journal's side: what was signed is put down before it is broadcast, and what became of it after. All
// that waits goes in one step, for each waits for the disk.
#include "gateway/sender_impl.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

struct Sender::Impl::Batch {
    std::vector<std::pair<AccountPtr, JobPtr>> adding;
    std::vector<std::pair<AccountPtr, Nonce>> changing;
    std::vector<store::JournalEntry> entries, changed; // as they were when they were given to the journal
    Result<std::vector<store::TransactionJournal::Added>> added;
    Result<std::vector<bool>> updated;
};

void Sender::Impl::on_store(std::function<void()> work, std::function<void()> done) {
    auto shared_work = std::make_shared<std::function<void()>>(std::move(work));
    auto shared_done = std::make_shared<std::function<void()>>(std::move(done));
    const auto weak = weak_from_this();
    // What they hold belongs to the loop: none of it is the worker's to end.
    const bool taken = store_workers.submit([&on = loop, weak, shared_work, shared_done]() mutable {
        (*shared_work)();
        shared_work.reset();
        on.post([weak, shared_done = std::move(shared_done)] {
            if (const auto self = weak.lock())
                (*shared_done)();
        });
    });
    if (taken)
        return;
    loop.after(kStoreRetryMs, [weak, shared_work, shared_done] {
        if (const auto self = weak.lock())
            self->on_store(std::move(*shared_work), std::move(*shared_done));
    });
}

void Sender::Impl::mark(const AccountPtr& of, Nonce nonce) {
    Slot* const slot = of->nonces.find(nonce);
    if (slot == nullptr || !slot->journalled)
        return;
    slot->dirty = true;
    if (slot->writing)
        return; // when that is done
    slot->writing = true;
    changes.emplace_back(of, nonce);
    flush();
}

void Sender::Impl::flush() {
    if (writing || store_failed || (adds.empty() && changes.empty()))
        return;
    writing = true;
    auto batch = std::make_shared<Batch>();
    while (!adds.empty() && batch->adding.size() < kBatch) {
        const auto& [of, job] = adds.front();
        batch->entries.push_back(of->nonces.find(job->nonce)->entry);
        batch->adding.push_back(std::move(adds.front()));
        adds.pop_front();
    }
    while (!changes.empty() && batch->changing.size() < kBatch) {
        const auto& [of, nonce] = changes.front();
        if (Slot* const slot = of->nonces.find(nonce)) {
            slot->dirty = false;
            ++slot->entry.revision;
            batch->changed.push_back(slot->entry);
            batch->changing.push_back(std::move(changes.front()));
        }
        changes.pop_front();
    }
    on_store(
        [&to = journal, batch] {
            batch->added = to.add(batch->entries);
            batch->updated = to.update(batch->changed);
        },
        [this, batch] { written(batch); });
}

void Sender::Impl::written(const std::shared_ptr<Batch>& batch) {
    using Added = store::TransactionJournal::Added;
    writing = false;
    if (!batch->added || !batch->updated) {
        const Error& why = batch->added ? batch->updated.error() : batch->added.error();
        log(LogLevel::Error, "the journal of transactions cannot be written", {{"why", why.describe()}});
        store_failed = true;
        loop.after(kStoreRetryMs, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->store_failed = false;
                self->flush();
            }
        });
    }
    // First what was added, then what was not: that gives back all nonces of the account which are unwritten.
    std::vector<std::pair<AccountPtr, JobPtr>> refused;
    for (std::size_t i = 0; i < batch->adding.size(); ++i) {
        const auto& [of, job] = batch->adding[i];
        if (batch->added && (*batch->added)[i] == Added::Done)
            added(of, job);
        else
            refused.emplace_back(of, job);
    }
    if (!batch->added)
        // Their bytes were seen by nobody. If they stand in the journal after all, the next that is signed
        // for the nonce finds them there.
        for (const auto& [of, job] : refused) {
            std::erase(of->unwritten, job);
            remove(*of, job->nonce);
            finish(job, std::unexpected(refused_by(batch->added.error())));
        }
    std::vector<AccountPtr> again;
    for (const auto& [of, job] : refused) {
        if (std::ranges::find(again, of) != again.end())
            continue;
        again.push_back(of);
        give_back(of);
        if (batch->added)
            reload(of, job, job->nonce);
        else
            pump(of);
    }
    for (std::size_t i = 0; i < batch->changing.size(); ++i) {
        const auto& [of, nonce] = batch->changing[i];
        if (batch->updated) {
            updated(of, nonce, (*batch->updated)[i]);
        } else if (Slot* const slot = of->nonces.find(nonce)) {
            --slot->entry.revision;
            changes.push_back(batch->changing[i]);
        }
    }
    flush();
    look_drained();
}

// In the journal: now a node may see it.
void Sender::Impl::added(const AccountPtr& of, const JobPtr& job) {
    std::erase(of->unwritten, job);
    Slot* const slot = of->nonces.find(job->nonce);
    if (slot == nullptr)
        return;
    slot->journalled = true;
    release_key(job);
    of->waiters[job->nonce].push_back(job);
    // It will be sent whatever the node does now, so its client gets the hash and may ask for its state.
    loop.after(kAnswerMs, [weak = weak_from_this(), of, nonce = job->nonce, id = job->id] {
        const auto self = weak.lock();
        const Slot* const late = self ? of->nonces.find(nonce) : nullptr;
        if (late != nullptr && late->entry.id == id)
            self->finish_all(*of, nonce, Outcome{late->entry});
    });
    broadcast(of, job->nonce);
}

// Everything that is signed and not in the journal waits again, in its order, and is signed for other nonces.
void Sender::Impl::give_back(const AccountPtr& of) {
    ++of->generation;
    std::erase_if(adds, [&](const auto& each) { return each.first == of; });
    for (; !of->unwritten.empty(); of->unwritten.pop_back()) {
        const JobPtr job = of->unwritten.back();
        remove(*of, job->nonce);
        if (++job->signings < kMaxSignings)
            of->queue.push_front(job);
        else
            finish(job,
                   std::unexpected(refused_by(
                       {Code::Conflict, "another gateway sends for this account all the time; try again"})));
    }
}

// Another gateway put down a transaction for the nonce; or the same request, by its idempotency key.
void Sender::Impl::reload(const AccountPtr& of, const JobPtr& job, Nonce nonce) {
    of->syncing = true;
    of->counts_at = 0;
    using Found = Result<std::optional<store::JournalEntry>>;
    auto by_nonce = std::make_shared<Found>(std::nullopt), same = std::make_shared<Found>(std::nullopt);
    const store::OpenPosition at{of->chain, of->address, nonce};
    on_store(
        [&from = journal, by_nonce, same, at, key = job->idempotency] {
            *by_nonce = from.at(at);
            if (key)
                *same = from.find(*key);
        },
        [this, of, job, by_nonce, same] {
            of->syncing = false;
            if (*same && **same) {
                const bool equal = (**same)->request == job->draft.request;
                finish(job, equal ? std::expected<Outcome, Refused>(Outcome{***same, true})
                                  : std::unexpected(refused_by(
                                        {Code::Conflict, "this Idempotency-Key was used for another request; "
                                                         "take a new one"})));
            }
            if (*by_nonce && **by_nonce) {
                if ((**by_nonce)->settled)
                    of->nonces.set_settled((**by_nonce)->nonce + 1);
                else
                    adopt(std::move(***by_nonce));
            }
            pump(of);
        });
}

void Sender::Impl::updated(const AccountPtr& of, Nonce nonce, bool done) {
    Slot* const slot = of->nonces.find(nonce);
    if (slot == nullptr)
        return;
    slot->writing = false;
    if (!done)
        return reread(of, slot->entry.id, nonce);
    if (slot->dirty)
        return mark(of, nonce);
    if (std::exchange(slot->held, false))
        broadcast(of, nonce); // the new version is down
    if (!slot->entry.settled)
        return;
    const bool used = slot->entry.live();
    if (!used)
        ++failed_ever;
    remove(*of, nonce);
    if (used)
        of->nonces.set_settled(nonce + 1);
    // Told now: had the journal not heard of it, it would be sent after a restart.
    if (auto refusal = of->refusals.extract(nonce))
        finish_all(*of, nonce, std::unexpected(refusal.mapped()));
    pump(of); // the nonce may be free
}

// Another gateway has changed the entry: its word is newer.
void Sender::Impl::reread(const AccountPtr& of, const store::TransactionId& id, Nonce nonce) {
    using Found = Result<std::optional<store::JournalEntry>>;
    auto found = std::make_shared<Found>(std::nullopt);
    on_store([&from = journal, found, id] { *found = from.get(id); },
             [this, of, found, id, nonce] {
                 Slot* const slot = of->nonces.find(nonce);
                 if (slot == nullptr || slot->entry.id != id)
                     return;
                 if (!*found) { // the store fails: once more
                     slot->dirty = slot->writing = true;
                     --slot->entry.revision;
                     changes.emplace_back(of, nonce);
                     return flush();
                 }
                 slot->dirty = slot->held = slot->failing = false;
                 if (auto changer = of->changers.extract(nonce))
                     changer.mapped()(std::unexpected(refused_by(
                         {Code::Conflict, "another gateway changed the transaction; look at it again"})));
                 if (**found && !(**found)->settled) {
                     slot->entry = std::move(***found);
                     return;
                 }
                 const bool used = **found && (**found)->live();
                 of->refusals.erase(nonce);
                 if (**found)
                     finish_all(*of, nonce, Outcome{***found});
                 remove(*of, nonce);
                 if (used)
                     of->nonces.set_settled(nonce + 1);
                 pump(of);
             });
}

} // namespace redoubt::gateway
