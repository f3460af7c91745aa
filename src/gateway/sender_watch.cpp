// SPDX-License-Identifier: Apache-2.0
// Node and chain: what is signed is broadcast until a node has it and looked for until it is mined, deep
// enough that the chain will not take it back.
#include "gateway/sender_impl.h"

#include "base/log.h"
#include "base/utf8.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

std::string account_params(const ethereum::Address& address, std::string_view at) {
    return "[\"" + to_hex0x(address) + "\",\"" + std::string(at) + "\"]";
}

struct Receipt {
    std::uint64_t block = 0;
    bool succeeded = false;
};

// Nothing: the transaction is not mined. Error: NodeRefused.
Result<std::optional<Receipt>> read_receipt(std::string_view result) {
    json::Document document;
    const auto root = document.parse(result, {NodeClient::kMaxReply, 32, 1u << 20});
    if (!root || !(root->is_object() || root->is_null()))
        return fail(Code::NodeRefused, "the node's receipt cannot be read");
    const auto block = root->is_object() ? root->get("blockNumber") : std::nullopt;
    if (!block || block->is_null())
        return std::optional<Receipt>();
    Receipt out;
    REDOUBT_TRY(out.block, read_count(block->raw()));
    const auto status = root->get("status"); // before Byzantium there was none
    out.succeeded = !status || status->text() != "0x0";
    return out;
}

} // namespace

void Sender::Impl::tick() {
    const std::int64_t now = monotonic_ms();
    if (loaded) {
        std::vector<AccountPtr> idle, busy;
        for (const auto& [name, each] : accounts) {
            const bool used = !each->nonces.slots().empty() || !each->queue.empty() || each->signing ||
                              each->syncing || each->ticking || each->pumping;
            (used ? busy : idle).push_back(each);
        }
        for (const auto& each : idle)
            accounts.erase({each->chain, each->address});
        for (const auto& each : busy)
            if (!each->nonces.slots().empty())
                look(each);
        if (journal.shared() && now - shared_at >= kSharedMs) {
            shared_at = now;
            load(std::nullopt);
        }
        if (now - pruned_at >= kPruneMs) {
            pruned_at = now;
            on_store([&from = journal] { (void)from.prune(system_time_ms() - kKeepMs, 10'000); }, [] {});
        }
    }
    timer = loop.after(settings.resend_ms, [this] { tick(); });
}

void Sender::Impl::ask_counts(const Account& of, Counted done) {
    struct Asked {
        Nonce latest = 0, pending = 0;
        std::optional<Error> failure;
        int left = 2;
        Counted done;
    };
    auto asked = std::make_shared<Asked>();
    asked->done = std::move(done);
    for (const bool pending : {false, true})
        nodes.call(
            of.chain, "eth_getTransactionCount", account_params(of.address, pending ? "pending" : "latest"),
            [weak = weak_from_this(), asked, pending](const Result<NodeReply>& reply) {
                const auto self = weak.lock();
                if (!self)
                    return;
                if (!reply)
                    asked->failure = reply.error();
                else if (reply->error)
                    asked->failure = {Code::NodeRefused, "the chain's node does not count transactions"};
                else if (const auto count = read_count(reply->result); !count)
                    asked->failure = count.error();
                else
                    (pending ? asked->pending : asked->latest) = *count;
                if (--asked->left != 0)
                    return;
                if (asked->failure)
                    asked->done(std::unexpected(*asked->failure));
                else
                    asked->done(std::pair(asked->latest, asked->pending));
            });
}

void Sender::Impl::look(const AccountPtr& of) {
    if (std::exchange(of->ticking, true))
        return;
    ask_counts(*of, [this, of](const Result<std::pair<Nonce, Nonce>>& counts) {
        of->ticking = false;
        if (!counts)
            return; // the node client has logged it; the next turn asks again
        of->nonces.set_counts(counts->first, counts->second);
        of->counts_at = monotonic_ms();
        counted(of);
    });
}

void Sender::Impl::counted(const AccountPtr& of) {
    const auto back = of->nonces.take_back();
    if (!back.empty())
        log(LogLevel::Warning, "the chain went back: transactions are sent again",
            {{"chain", std::to_string(of->chain)},
             {"account", to_hex0x(of->address)},
             {"transactions", std::to_string(back.size())}});
    for (const Nonce nonce : back)
        mark(of, nonce);
    const std::int64_t now = monotonic_ms();
    for (const Nonce nonce : of->nonces.to_ask()) {
        if (of->looks.size() >= kLooks)
            break;
        of->nonces.find(nonce)->asking = true;
        of->looks.push_back(nonce);
    }
    ask_receipts(of);
    for (const Nonce nonce : of->nonces.to_send(now, settings.resend_ms, kSends))
        broadcast(of, nonce);
    raise(of);
    settle(of);
    pump(of);
}

// ---- broadcasting

void Sender::Impl::broadcast(const AccountPtr& of, Nonce nonce) {
    if (const Slot* const slot = of->nonces.find(nonce))
        broadcast(of, nonce, slot->entry.versions.size() - 1);
}

void Sender::Impl::broadcast(const AccountPtr& of, Nonce nonce, std::size_t version) {
    Slot* const slot = of->nonces.find(nonce);
    if (slot == nullptr || !slot->waits() || slot->held || std::exchange(slot->sending, true))
        return;
    const std::int64_t now = monotonic_ms();
    slot->sent_at = now;
    if (slot->versioned_at == 0)
        slot->versioned_at = now;
    nodes.call(of->chain, "eth_sendRawTransaction",
               "[\"" + to_hex0x(slot->entry.versions[version].raw) + "\"]",
               [weak = weak_from_this(), of, nonce, version, id = slot->entry.id](Result<NodeReply> reply) {
                   const auto self = weak.lock();
                   Slot* const sent = self ? of->nonces.find(nonce) : nullptr;
                   if (sent == nullptr || sent->entry.id != id)
                       return;
                   sent->sending = false;
                   if (version < sent->entry.versions.size())
                       self->broadcasted(of, nonce, version, std::move(reply));
               });
}

void Sender::Impl::broadcasted(const AccountPtr& of, Nonce nonce, std::size_t version,
                               Result<NodeReply> reply) {
    Slot& slot = *of->nonces.find(nonce);
    if (!reply || slot.mined())
        return; // not mined: sent again at its turn
    if (!reply->error)
        return accepted(of, slot);
    switch (verdict_of(reply->error->code, reply->error->message)) {
    case Verdict::Known:
        return accepted(of, slot);
    case Verdict::NonceUsed: // by this one, or by another: the receipts tell
        return look(of);
    case Verdict::Later:
        return;
    case Verdict::Underpriced:
    case Verdict::Refused:
        return refused(of, slot, version, *reply->error);
    }
}

void Sender::Impl::accepted(const AccountPtr& of, Slot& slot) {
    slot.accepted = true;
    slot.missing = 0;
    if (slot.entry.state != State::Broadcast) {
        slot.entry.state = State::Broadcast;
        slot.entry.failure.clear();
        mark(of, slot.entry.nonce);
    }
    finish_all(*of, slot.entry.nonce, Outcome{slot.entry});
}

void Sender::Impl::refused(const AccountPtr& of, Slot& slot, std::size_t version,
                           const NodeReply::Refusal& why) {
    const Nonce nonce = slot.entry.nonce;
    log(LogLevel::Warning, "the chain's node refused a transaction",
        {{"transaction", store::transaction_id_text(slot.entry.id)},
         {"chain", std::to_string(of->chain)},
         {"nonce", std::to_string(nonce)},
         {"why", why.message}});
    slot.entry.failure = why.message.substr(0, store::kMaxFailure);
    while (!is_utf8(slot.entry.failure)) // cut within a character
        slot.entry.failure.pop_back();
    if (version > 0) { // the one before may be what the nodes have, or have lost
        if (auto changer = of->changers.extract(nonce))
            changer.mapped()(std::unexpected(refused_by_node(why)));
        return broadcast(of, nonce, version - 1);
    }
    // A node that has another transaction of this nonce keeps ours waiting: one of them will be mined.
    const bool waits = verdict_of(why.code, why.message) == Verdict::Underpriced;
    if (waits || slot.accepted || slot.entry.versions.size() > 1)
        return;
    slot.entry.state = State::Failed;
    slot.entry.settled = slot.failing = true;
    of->refusals.insert_or_assign(nonce, refused_by_node(why));
    mark(of, nonce);
}

// ---- receipts

void Sender::Impl::ask_receipts(const AccountPtr& of) {
    while (!of->looks.empty() && of->looking < kLooksAtOnce) {
        const Nonce nonce = of->looks.front();
        of->looks.pop_front();
        const Slot* const slot = of->nonces.find(nonce);
        if (slot == nullptr || !slot->asking)
            continue;
        ++of->looking;
        ask_receipt(of, nonce, slot->entry.versions.size() - 1);
    }
}

// The newest version first: then those before it.
void Sender::Impl::ask_receipt(const AccountPtr& of, Nonce nonce, std::size_t version) {
    const Slot& asked = *of->nonces.find(nonce);
    nodes.call(
        of->chain, "eth_getTransactionReceipt", "[\"" + to_hex0x(asked.entry.versions[version].hash) + "\"]",
        [weak = weak_from_this(), of, nonce, version, id = asked.entry.id](const Result<NodeReply>& reply) {
            const auto self = weak.lock();
            if (!self)
                return;
            --of->looking;
            if (Slot* const slot = of->nonces.find(nonce); slot != nullptr && slot->entry.id == id) {
                slot->asking = false;
                if (reply && !reply->error && version < slot->entry.versions.size())
                    self->receipt_read(of, *slot, version, *reply);
            }
            self->ask_receipts(of);
        });
}

void Sender::Impl::receipt_read(const AccountPtr& of, Slot& slot, std::size_t version,
                                const NodeReply& reply) {
    const auto receipt = read_receipt(reply.result);
    if (!receipt)
        return;
    const Nonce nonce = slot.entry.nonce;
    const bool was_mined = slot.mined();
    if (*receipt) {
        const bool moved =
            of->nonces.mined(slot, version, (*receipt)->block, (*receipt)->succeeded, monotonic_ms());
        if (was_mined && !moved)
            slot.entry.settled = true; // seen twice, deep in the chain
        if (!was_mined)
            ++mined_ever;
        mark(of, nonce);
        finish_all(*of, nonce, Outcome{slot.entry});
        return;
    }
    if (version > 0) {
        slot.asking = true;
        ++of->looking;
        return ask_receipt(of, nonce, version - 1);
    }
    if (was_mined) { // the chain went back past it; whether the nonce is used the next turn sees
        slot.entry.state = State::Signed;
        slot.entry.block.reset();
        slot.entry.mined_version = 0;
        slot.accepted = false;
        return mark(of, nonce);
    }
    if (!of->nonces.missed(slot))
        return;
    log(LogLevel::Warning, "a transaction's nonce was used by one that was not sent here",
        {{"transaction", store::transaction_id_text(slot.entry.id)}, {"nonce", std::to_string(nonce)}});
    of->refusals.insert_or_assign(
        nonce,
        refused_by({Code::Conflict, "nonce too low: the account's nonce was used by a transaction that "
                                    "was not sent here; send this one again"}));
    mark(of, nonce);
}

void Sender::Impl::settle(const AccountPtr& of) {
    const std::int64_t now = monotonic_ms();
    if (of->nonces.to_settle(UINT64_MAX, now, 1).empty())
        return;
    nodes.call(of->chain, "eth_blockNumber", "[]",
               [weak = weak_from_this(), of, now](const Result<NodeReply>& reply) {
                   const auto self = weak.lock();
                   const auto block = self && reply && !reply->error ? read_count(reply->result)
                                                                     : fail(Code::NodeRefused, "no block");
                   if (!block)
                       return;
                   for (const Nonce nonce : of->nonces.to_settle(*block, now, kLooks)) {
                       of->nonces.find(nonce)->asking = true;
                       of->looks.push_back(nonce);
                   }
                   self->ask_receipts(of);
               });
}

} // namespace redoubt::gateway
