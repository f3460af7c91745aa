// SPDX-License-Identifier: Apache-2.0
// From the queue to a signed transaction: filled in with what the chain's node says, several at once; given a
// nonce and signed one after the other, so that a refusal leaves no gap.
#include "gateway/sender_impl.h"

#include "gateway/clients.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

// What it starts may be done before it returns, and may ask for another turn: a turn within a turn is left to
// the outer one.
void Sender::Impl::pump(const AccountPtr& of) {
    if (std::exchange(of->pumping, true)) {
        of->pump_again = true;
        return;
    }
    do {
        of->pump_again = false;
        pump_once(of);
    } while (of->pump_again);
    of->pumping = false;
}

void Sender::Impl::pump_once(const AccountPtr& of) {
    auto& queue = of->queue;
    while (!queue.empty() && queue.front()->done())
        queue.pop_front();
    for (std::size_t i = 0; i < queue.size() && i < kFilling; ++i)
        if (!std::exchange(queue[i]->filling, true))
            fill(of, JobPtr(queue[i]));
    while (!of->signing && !of->syncing) {
        while (!queue.empty() && queue.front()->done())
            queue.pop_front();
        if (queue.empty() || !queue.front()->ready)
            return;
        // What others do with the account is seen only by asking; while our own are under way they tell.
        const bool alone = of->nonces.ahead() == 0;
        const std::int64_t age = monotonic_ms() - of->counts_at;
        if (!of->known || of->counts_at == 0 || age > (alone ? kFreshAloneMs : kFreshMs)) {
            sync(of);
            continue;
        }
        const JobPtr job = queue.front();
        Nonce nonce = 0;
        if (take_nonce(of, job, nonce))
            sign(of, job, nonce);
        else
            std::erase(queue, job);
    }
}

void Sender::Impl::fill(const AccountPtr& of, const JobPtr& job) {
    keys.find(job->draft.from, [weak = weak_from_this(), of,
                                job](Result<std::optional<KeyBook::Entry>> found) {
        const auto self = weak.lock();
        if (!self || job->done())
            return;
        if (!found || !*found) {
            self->finish(job,
                         std::unexpected(refused_by(
                             found ? Error{Code::UnknownKey, "No unlocked account matches the Sender: no key "
                                                             "has the address in from, or it is disabled"}
                                   : std::move(found).error())));
            return self->pump(of);
        }
        job->key = (*found)->id;
        self->fill_gas(of, job);
    });
}

void Sender::Impl::fill_gas(const AccountPtr& of, const JobPtr& job) {
    if (job->draft.has_gas)
        return fill_rest(of, job);
    nodes.call(
        job->chain, "eth_estimateGas", estimate_params(job->draft),
        [weak = weak_from_this(), of, job](Result<NodeReply> reply) {
            const auto self = weak.lock();
            if (!self || job->done())
                return;
            std::optional<Refused> failure;
            if (!reply)
                failure = refused_by(std::move(reply).error());
            else if (reply->error)
                failure = refused_by_node(std::move(*reply->error));
            else if (const auto estimate = read_quantity(reply->result); !estimate)
                failure = refused_by(estimate.error());
            else if (const auto gas = gas_with_margin(*estimate); !gas)
                failure = refused_by(gas.error());
            else
                job->draft.transaction.gas = *gas;
            if (!failure)
                return self->fill_rest(of, job);
            self->finish(job, std::unexpected(std::move(*failure)));
            self->pump(of);
        },
        job->call.trace_parent);
}

void Sender::Impl::fill_rest(const AccountPtr& of, const JobPtr& job) {
    const Draft& draft = job->draft;
    if (draft.has_gas_price || (draft.has_max_fee && draft.has_priority)) {
        job->ready = true;
        return pump(of);
    }
    fees(job->chain, [weak = weak_from_this(), of, job](const Result<ChainFees>& now) {
        const auto self = weak.lock();
        if (!self || job->done())
            return;
        const Status filled =
            now ? fill_fees(job->draft, *now, self->most_fee) : std::unexpected(now.error());
        if (!filled)
            self->finish(job, std::unexpected(refused_by(filled.error())));
        job->ready = true;
        self->pump(of);
    });
}

// One look serves all who ask within kFeesMs.
void Sender::Impl::fees(std::uint64_t id, std::function<void(Result<ChainFees>)> done) {
    Chain& chain = chains[id];
    if (chain.at != 0 && monotonic_ms() - chain.at < kFeesMs)
        return done(chain.fees);
    chain.waiting.push_back(std::move(done));
    if (std::exchange(chain.asking, true))
        return;
    struct Asked {
        ChainFees fees;
        std::optional<Error> failure;
        int left = 3;
    };
    auto asked = std::make_shared<Asked>();
    const auto each = [&](std::string method, std::string params,
                          std::function<Status(const NodeReply&, ChainFees&)> take) {
        nodes.call(id, std::move(method), std::move(params),
                   [weak = weak_from_this(), asked, id, take = std::move(take)](Result<NodeReply> reply) {
                       const auto self = weak.lock();
                       if (!self)
                           return;
                       const Status taken =
                           reply ? take(*reply, asked->fees) : std::unexpected(std::move(reply).error());
                       if (!taken && !asked->failure)
                           asked->failure = taken.error();
                       if (--asked->left != 0)
                           return;
                       Chain& of = self->chains[id];
                       of.asking = false;
                       if (!asked->failure) {
                           of.fees = asked->fees;
                           of.at = monotonic_ms();
                       }
                       for (const auto& waiter : std::exchange(of.waiting, {}))
                           waiter(asked->failure ? Result<ChainFees>(std::unexpected(*asked->failure))
                                                 : Result<ChainFees>(asked->fees));
                   });
    };
    // A node of a chain without base fees may not know the first two.
    each("eth_feeHistory", R"(["0x1","latest",[]])", [](const NodeReply& reply, ChainFees& into) -> Status {
        if (!reply.error) {
            REDOUBT_TRY(into.base_fee, read_base_fee(reply.result));
        }
        return {};
    });
    each("eth_maxPriorityFeePerGas", "[]", [](const NodeReply& reply, ChainFees& into) -> Status {
        into.priority = kDefaultPriority;
        if (!reply.error) {
            REDOUBT_TRY(into.priority, read_quantity(reply.result));
        }
        return {};
    });
    each("eth_gasPrice", "[]", [](const NodeReply& reply, ChainFees& into) -> Status {
        if (reply.error)
            return fail(Code::NodeRefused, "the chain's node tells no gas price");
        REDOUBT_TRY(into.gas_price, read_quantity(reply.result));
        return {};
    });
}

// What the journal has settled of the account, once; and what the node counts.
void Sender::Impl::sync(const AccountPtr& of) {
    of->syncing = true;
    if (!of->known) {
        auto below = std::make_shared<Result<std::uint64_t>>(0);
        return on_store([&from = journal, below, chain = of->chain,
                         address = of->address] { *below = from.settled_nonces(chain, address); },
                        [this, of, below] {
                            if (!*below)
                                return synced(of, refused_by(below->error()));
                            of->nonces.set_settled(**below);
                            of->known = true;
                            sync(of);
                        });
    }
    ask_counts(*of, [this, of](Result<std::pair<Nonce, Nonce>> counts) {
        if (!counts)
            return synced(of, refused_by(std::move(counts).error()));
        of->nonces.set_counts(counts->first, counts->second);
        of->counts_at = monotonic_ms();
        synced(of, std::nullopt);
    });
}

// Without the account's counts nothing in its queue can have a nonce: those who wait are told.
void Sender::Impl::synced(const AccountPtr& of, const std::optional<Refused>& failure) {
    of->syncing = false;
    if (failure)
        for (const auto& job : std::exchange(of->queue, {}))
            finish(job, std::unexpected(*failure));
    pump(of);
}

bool Sender::Impl::take_nonce(const AccountPtr& of, const JobPtr& job, Nonce& nonce) {
    if (!job->draft.has_nonce) {
        nonce = of->nonces.next();
        return true;
    }
    nonce = job->draft.transaction.nonce;
    if (const Slot* const slot = of->nonces.find(nonce)) {
        if (slot->entry.request != job->draft.request) {
            finish(job, std::unexpected(refused_by(
                            {Code::Conflict, "another transaction has this nonce; leave the nonce out, or "
                                             "replace that one: POST /v1/transactions/{id}/replace"})));
        } else if (slot->journalled) {
            finish(job, Outcome{slot->entry, true});
        } else { // by an earlier request that goes the same way
            const auto other =
                std::ranges::find(of->unwritten, nonce, [](const JobPtr& each) { return each->nonce; });
            if (other != of->unwritten.end()) {
                for (auto& each : std::exchange(job->finishes, {}))
                    (*other)->finishes.push_back(std::move(each));
                release_key(job);
                --jobs;
            } else {
                finish(job, std::unexpected(refused_by(
                                {Code::Overloaded, "the nonce's transaction is on its way; try again"})));
            }
        }
        return false;
    }
    if (nonce < of->nonces.latest()) {
        named_nonce_used(of, job);
        return false;
    }
    return true;
}

// It may be a repeat of what was sent long ago.
void Sender::Impl::named_nonce_used(const AccountPtr& of, const JobPtr& job) {
    using Found = Result<std::optional<store::JournalEntry>>;
    auto found = std::make_shared<std::optional<Found>>();
    const store::OpenPosition at{of->chain, of->address, job->draft.transaction.nonce};
    on_store([&from = journal, found, at] { found->emplace(from.at(at)); },
             [this, found, job] {
                 Found& entry = **found;
                 if (!entry)
                     finish(job, std::unexpected(refused_by(entry.error())));
                 else if (*entry && (*entry)->request == job->draft.request)
                     finish(job, Outcome{std::move(**entry), true});
                 else
                     finish(job, std::unexpected(refused_by(
                                     {Code::Conflict, "nonce too low: the account has used this nonce"})));
             });
}

void Sender::Impl::sign(const AccountPtr& of, const JobPtr& job, Nonce nonce) {
    of->signing = true;
    job->draft.transaction.nonce = nonce;
    ask_signature(job->call, job->key, job->draft.transaction, job->draft.from, store::VersionKind::Original,
                  [weak = weak_from_this(), of, job, nonce,
                   generation = of->generation](std::expected<store::SignedVersion, Refused> version) {
                      const auto self = weak.lock();
                      if (!self)
                          return;
                      of->signing = false;
                      if (!version) { // nobody has bytes of it: the nonce is the next one's
                          std::erase(of->queue, job);
                          self->finish(job, std::unexpected(std::move(version).error()));
                      } else if (generation == of->generation) {
                          self->signed_now(of, job, nonce, std::move(*version));
                      } // else the nonces before it are free again, and it is signed anew
                      self->pump(of);
                  });
}

void Sender::Impl::signed_now(const AccountPtr& of, const JobPtr& job, Nonce nonce,
                              store::SignedVersion version) {
    std::erase(of->queue, job);
    job->nonce = nonce;
    store::JournalEntry entry;
    entry.id = job->id;
    entry.chain_id = of->chain;
    entry.account = of->address;
    entry.nonce = nonce;
    entry.created = job->created;
    entry.caller = job->call.caller.name.substr(0, store::kMaxCaller);
    entry.request = job->draft.request;
    entry.idempotency = job->idempotency;
    entry.versions.push_back(std::move(version));
    by_id[entry.id] = {of, nonce};
    of->nonces.add(std::move(entry), false);
    of->unwritten.push_back(job);
    adds.emplace_back(of, job);
    flush();
}

void Sender::Impl::ask_signature(const Call& call, const sealed::KeyId& key,
                                 const ethereum::Transaction& transaction, const ethereum::Address& from,
                                 store::VersionKind kind, Signed done) {
    auto asked = std::make_shared<const ethereum::Transaction>(transaction);
    auto ask = call_for(call, "POST", "/v1/keys/" + sealed::key_id_text(key) + "/sign-transaction",
                        sign_request(transaction, from),
                        [asked, kind, done = std::move(done)](const net::HttpResponse& response) {
                            const std::string_view body = as_text(response.body);
                            if (response.status != 200) {
                                json::Document document;
                                const auto root = document.parse(body);
                                const auto name = root ? root->get("code") : std::nullopt;
                                const auto code = name ? code_from_name(name->text()) : std::nullopt;
                                return done(std::unexpected(Refused{
                                    {code.value_or(Code::SigningFailed),
                                     "the transaction was not signed; the enclave's words are beside this"},
                                    std::nullopt,
                                    std::string(body)}));
                            }
                            auto version = read_signed(body, *asked, kind, system_time_ms());
                            if (!version)
                                return done(std::unexpected(refused_by(std::move(version).error())));
                            done(std::move(*version));
                        });
    ask.from = {}; // a client that goes changes nothing: his transaction is under way
    ask_enclave(std::move(ask));
}

} // namespace redoubt::gateway
