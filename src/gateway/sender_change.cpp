// SPDX-License-Identifier: Apache-2.0
// Another transaction for a nonce that has one: with higher fees, with other content, or empty. Only because
// a client asks for it, or because the configuration says that what waits gets higher fees.
#include "gateway/sender_impl.h"

#include "base/log.h"
#include "gateway/clients.h"

#include <utility>

namespace redoubt::gateway {

namespace {

std::unexpected<Sender::Refused> conflict(FixedText text) {
    return std::unexpected(refused_by({Code::Conflict, text}));
}

} // namespace

void Sender::Impl::change(const AccountPtr& of, Nonce nonce, store::VersionKind kind, const Call& call,
                          Make make, Finish done) {
    Slot* const slot = of->nonces.find(nonce);
    if (slot == nullptr || !slot->waits())
        return done(conflict("the transaction waits no more: nothing can take its place"));
    if (slot->changing || slot->held)
        return done(conflict("the transaction is being replaced by another request"));
    if (slot->entry.versions.size() >= store::kMaxVersions)
        return done(conflict("the transaction was replaced 31 times; that is the most"));
    const auto now = ethereum::parse_signed_transaction(slot->last().raw);
    if (!now)
        return done(std::unexpected(refused_by(now.error())));
    slot->changing = true;
    struct Under {
        ethereum::Transaction now;
        store::TransactionId id;
        Call call;
        Make make;
        Finish done;
    };
    auto under = std::make_shared<Under>(
        Under{now->transaction, slot->entry.id, call, std::move(make), std::move(done)});
    const auto give_up = [of, nonce, under](Impl& self, Error error) {
        self.change_signed(of, nonce, under->id, std::unexpected(refused_by(std::move(error))), under->done);
    };
    fees(of->chain, [weak = weak_from_this(), of, nonce, kind, under,
                     give_up](const Result<ChainFees>& chain) {
        const auto self = weak.lock();
        if (!self)
            return;
        if (!chain)
            return give_up(*self, chain.error());
        auto transaction = under->make(under->now, *chain);
        if (!transaction)
            return give_up(*self, transaction.error());
        self->keys.find(of->address, [weak, of, nonce, kind, under, give_up, transaction = *transaction](
                                         const Result<std::optional<KeyBook::Entry>>& key) {
            const auto again = weak.lock();
            if (!again)
                return;
            if (!key || !*key)
                return give_up(*again, key ? Error{Code::UnknownKey, "the account's key is gone or disabled"}
                                           : key.error());
            const auto& grant = under->call.caller.grant;
            if (grant && !(grant->may(Operation::Send) && grant->may_use((*key)->id, (*key)->address)))
                return give_up(*again, {Code::Forbidden, "this client may not use the transaction's key"});
            again->ask_signature(
                under->call, (*key)->id, transaction, of->address, kind,
                [weak, of, nonce, under](std::expected<store::SignedVersion, Refused> version) {
                    if (const auto last = weak.lock())
                        last->change_signed(of, nonce, under->id, std::move(version), under->done);
                });
        });
    });
}

void Sender::Impl::change_signed(const AccountPtr& of, Nonce nonce, const store::TransactionId& id,
                                 std::expected<store::SignedVersion, Refused> version, Finish done) {
    Slot* const slot = of->nonces.find(nonce);
    if (slot == nullptr || slot->entry.id != id)
        return done(conflict("the transaction waits no more: nothing can take its place"));
    slot->changing = false;
    if (!version)
        return done(std::unexpected(std::move(version).error()));
    if (!slot->waits())
        return done(conflict("the transaction waits no more: nothing can take its place"));
    if (slot->last().hash == version->hash)
        return done(Outcome{slot->entry, true});
    slot->entry.versions.push_back(std::move(*version));
    slot->held = true; // until the journal has it
    slot->accepted = false;
    slot->versioned_at = 0;
    slot->entry.state = State::Signed;
    of->changers.insert_or_assign(nonce, std::move(done));
    loop.after(kAnswerMs, [weak = weak_from_this(), of, nonce, id] {
        const auto self = weak.lock();
        const Slot* const late = self ? of->nonces.find(nonce) : nullptr;
        if (late == nullptr || late->entry.id != id)
            return;
        if (auto changer = of->changers.extract(nonce))
            changer.mapped()(Outcome{late->entry});
    });
    mark(of, nonce);
}

Result<ethereum::Transaction> Sender::Impl::raised_fees(const ethereum::Transaction& now,
                                                        const ChainFees& chain) const {
    auto out = with_higher_fees(now, settings.replace_percent, chain, most_fee);
    if (!out)
        return fail(Code::Conflict, "the fees cannot be raised further within the gateway's bound");
    return *out;
}

// What the configuration asks for, of those that the chain takes next.
void Sender::Impl::raise(const AccountPtr& of) {
    if (settings.replace_after_ms <= 0)
        return;
    const std::int64_t now = monotonic_ms();
    for (const Nonce nonce : of->nonces.to_raise(now, settings.replace_after_ms, kRaises)) {
        Slot& slot = *of->nonces.find(nonce);
        Call call;
        call.caller.name = slot.entry.caller;
        slot.versioned_at = now; // one that fails is tried again as much later
        change(
            of, nonce, store::VersionKind::FeeBump, call,
            [weak = weak_from_this()](const ethereum::Transaction& is,
                                      const ChainFees& chain) -> Result<ethereum::Transaction> {
                const auto self = weak.lock();
                return self ? self->raised_fees(is, chain) : fail(Code::ShuttingDown, "the gateway stops");
            },
            [id = slot.entry.id](const std::expected<Outcome, Refused>& outcome) {
                if (outcome)
                    log(LogLevel::Info, "raised a transaction's fees",
                        {{"transaction", store::transaction_id_text(id)}});
                else if (outcome.error().error.code != Code::Conflict) // at the bound, or mined meanwhile
                    log(LogLevel::Warning, "a transaction's fees cannot be raised",
                        {{"transaction", store::transaction_id_text(id)},
                         {"why", outcome.error().error.text.view()}});
            });
    }
}

} // namespace redoubt::gateway
