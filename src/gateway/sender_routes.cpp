// SPDX-License-Identifier: Apache-2.0
// /v1/transactions (docs/sending.md). A client that has a grant sees its own transactions alone.
#include "gateway/rpc_message.h"
#include "gateway/sender_impl.h"
#include "gateway/sender_view.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kPath = "/v1/transactions";

bool may_see(const Caller& caller, const store::JournalEntry& entry) noexcept {
    return !caller.grant || caller.name == entry.caller;
}

Error unknown() {
    return {Code::NotFound, "there is no such transaction"};
}

// Another content for the nonce: what it does not say is the present transaction's, with higher fees.
Result<ethereum::Transaction> in_place(Draft draft, const ethereum::Transaction& now,
                                       const Result<ethereum::Transaction>& raised) {
    auto out = std::move(draft.transaction);
    if (!draft.has_gas)
        out.gas = now.gas;
    if (draft.has_gas_price || (draft.has_max_fee && draft.has_priority))
        return out;
    if (draft.has_max_fee || draft.has_priority)
        return fail(Code::MissingField, "give both maxFeePerGas and maxPriorityFeePerGas, or neither");
    REDOUBT_TRY(const auto fees, raised);
    if (fees.type >= ethereum::TransactionType::DynamicFee &&
        out.type >= ethereum::TransactionType::DynamicFee) {
        out.max_fee_per_gas = fees.max_fee_per_gas;
        out.max_priority_fee_per_gas = fees.max_priority_fee_per_gas;
    } else {
        if (!draft.has_type)
            out.type = out.access_list.empty() ? ethereum::TransactionType::Legacy
                                               : ethereum::TransactionType::AccessList;
        out.max_fee_per_gas = out.max_priority_fee_per_gas = {};
        out.gas_price =
            fees.type >= ethereum::TransactionType::DynamicFee ? fees.max_fee_per_gas : fees.gas_price;
        if (out.type >= ethereum::TransactionType::DynamicFee)
            out.max_fee_per_gas = out.max_priority_fee_per_gas = std::exchange(out.gas_price, {});
    }
    REDOUBT_CHECK(ethereum::validate(out));
    return out;
}

// An empty transaction of the account to itself.
Result<ethereum::Transaction> cancelling(const Result<ethereum::Transaction>& raised,
                                         const ethereum::Address& account) {
    constexpr std::uint64_t kTransferGas = 21'000;
    REDOUBT_TRY(const auto fees, raised);
    ethereum::Transaction out;
    const bool dynamic = fees.type >= ethereum::TransactionType::DynamicFee;
    out.type = dynamic ? ethereum::TransactionType::DynamicFee : ethereum::TransactionType::Legacy;
    out.chain_id = fees.chain_id;
    out.nonce = fees.nonce;
    out.gas = kTransferGas;
    out.to = account;
    out.gas_price = fees.gas_price;
    out.max_fee_per_gas = fees.max_fee_per_gas;
    out.max_priority_fee_per_gas = fees.max_priority_fee_per_gas;
    return out;
}

} // namespace

void Sender::Impl::serve(Call call) {
    const net::HttpRequest& request = call.request;
    const bool get = request.method == "GET" || request.method == "HEAD", post = request.method == "POST";
    const std::string_view path = request.path;
    if (!get && !post)
        return call.respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET or POST"));
    if (post && request.has_query)
        return call.respond(net::HttpResponse::error(Code::UnknownField, "this route knows no query"));
    // A page in a browser can send other types to other hosts without asking.
    if (post && !is_json_type(request.header("content-type")))
        return call.respond(net::HttpResponse::error(Code::UnsupportedMedia,
                                                     "send the body as content-type: application/json"));
    if (path == kPath)
        return post ? serve_post(std::move(call)) : serve_list(std::move(call));
    std::string_view rest = path.substr(kPath.size() + 1);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const auto id = store::parse_transaction_id(rest.substr(0, slash));
    const std::string_view action = rest.substr(slash);
    if (!id || !(action.empty() || action == "/replace" || action == "/cancel"))
        return call.respond(net::HttpResponse::error(unknown()));
    if (post == action.empty())
        return call.respond(net::HttpResponse::error(Code::MethodNotAllowed, post ? "a transaction takes GET"
                                                                                  : "this route takes POST"));
    if (post)
        return serve_change(std::move(call), *id, action == "/cancel");
    serve_one(std::move(call), *id);
}

void Sender::Impl::serve_post(Call call) {
    const auto refuse = [&](Error error) { call.respond(refusal_view(refused_by(std::move(error)))); };
    if (!call.request.header("signature-input").empty())
        return refuse({Code::InvalidField, "the gateway fills in what is missing, which a signature cannot "
                                           "cover: send the request unsigned, or have the whole transaction "
                                           "signed by POST /v1/keys/{id}/sign-transaction"});
    const auto body = parse_send_body(as_text(call.request.body));
    if (!body)
        return refuse(body.error());
    auto chain = body->chain_id;
    if (!chain) {
        const auto named = chain_of(body->transaction);
        if (!named)
            return refuse(named.error());
        chain = *named;
    }
    if (const auto configured = nodes.chains(); !chain && configured.size() == 1)
        chain = configured[0];
    if (!chain)
        return refuse({Code::MissingField, "the transaction needs chainId: there is a node for more than one "
                                           "chain, or for none"});
    auto draft = read_draft(body->transaction, *chain);
    if (!draft)
        return refuse(draft.error());
    auto job = std::make_shared<Job>();
    if (call.request.count("idempotency-key") > 0) {
        const auto key = idempotency_of(call.caller.name, call.request.header("idempotency-key"));
        if (!key || call.request.count("idempotency-key") > 1)
            return refuse(key ? Error{Code::InvalidField, "there is more than one Idempotency-Key"}
                              : key.error());
        job->idempotency = *key;
    }
    job->chain = *chain;
    job->draft = std::move(*draft);
    job->call = call_for(call, "POST", std::string(kPath), {}, {});
    job->call.from = {};
    job->finishes.push_back(
        [respond = std::move(call.respond)](const std::expected<Outcome, Refused>& outcome) {
            if (!outcome)
                return respond(refusal_view(outcome.error()));
            const auto& entry = outcome->entry;
            const int status = outcome->repeated ? 200 : entry.state == State::Signed ? 202 : 201;
            auto response = net::HttpResponse::json(status, transaction_view(entry));
            response.headers.push_back(
                {"location", std::string(kPath) + "/" + store::transaction_id_text(entry.id)});
            respond(std::move(response));
        });
    submit(std::move(job));
}

void Sender::Impl::serve_list(Call call) {
    const auto listing = parse_transaction_listing(call.request.query);
    if (!listing)
        return call.respond(net::HttpResponse::error(listing.error()));
    auto filter = listing->filter;
    if (call.caller.grant)
        filter.caller = call.caller.name;
    if (listing->queued) { // of this gateway; they have neither nonce nor hash, and are in no journal
        std::string out;
        json::Writer writer(out);
        std::size_t left = listing->limit;
        writer.begin_object().key("transactions").begin_array();
        for (const auto& [name, of] : accounts)
            for (const auto& job : of->queue) {
                const bool wanted = (!filter.chain_id || *filter.chain_id == of->chain) &&
                                    (!filter.account || *filter.account == of->address) &&
                                    (!filter.caller || *filter.caller == job->call.caller.name);
                if (!wanted || job->done() || left == 0)
                    continue;
                --left;
                writer.begin_object()
                    .member("id", store::transaction_id_text(job->id))
                    .member("state", "queued")
                    .member("chain_id", of->chain)
                    .member("from", ethereum::to_checksum(of->address))
                    .member("created", to_iso8601(job->created))
                    .end_object();
            }
        writer.end_array().end_object();
        return call.respond(net::HttpResponse::json(200, std::move(out)));
    }
    auto page = std::make_shared<Result<store::JournalPage>>();
    on_store([&from = journal, page, filter, before = listing->before,
              limit = listing->limit] { *page = from.list(filter, before, limit); },
             [page, respond = std::move(call.respond)] {
                 respond(*page ? net::HttpResponse::json(200, listing_view(**page))
                               : refusal_view(refused_by(page->error())));
             });
}

void Sender::Impl::serve_one(Call call, const store::TransactionId& id) {
    if (call.request.has_query)
        return call.respond(net::HttpResponse::error(Code::UnknownField, "this route knows no query"));
    if (const auto known = by_id.find(id); known != by_id.end()) {
        const Slot* const slot = known->second.first->nonces.find(known->second.second);
        if (slot != nullptr && slot->journalled)
            return call.respond(may_see(call.caller, slot->entry)
                                    ? net::HttpResponse::json(200, transaction_view(slot->entry))
                                    : net::HttpResponse::error(unknown()));
    }
    auto found = std::make_shared<Result<std::optional<store::JournalEntry>>>(std::nullopt);
    on_store([&from = journal, found, id] { *found = from.get(id); },
             [found, caller = call.caller, respond = std::move(call.respond)] {
                 if (!*found)
                     return respond(refusal_view(refused_by(found->error())));
                 const auto& entry = **found;
                 respond(entry && may_see(caller, *entry)
                             ? net::HttpResponse::json(200, transaction_view(*entry))
                             : net::HttpResponse::error(unknown()));
             });
}

void Sender::Impl::serve_change(Call call, const store::TransactionId& id, bool cancel) {
    const auto refuse = [&](Error error) { call.respond(refusal_view(refused_by(std::move(error)))); };
    if (draining)
        return refuse({Code::ShuttingDown, "the gateway is stopping; send it to another one"});
    const auto known = by_id.find(id);
    Slot* const slot =
        known == by_id.end() ? nullptr : known->second.first->nonces.find(known->second.second);
    if (slot == nullptr || !may_see(call.caller, slot->entry)) {
        // One that is settled is in the journal alone, and cannot be changed.
        auto found = std::make_shared<Result<std::optional<store::JournalEntry>>>(std::nullopt);
        return on_store([&from = journal, found, id] { *found = from.get(id); },
                        [found, caller = call.caller, respond = std::move(call.respond)] {
                            if (!*found)
                                return respond(refusal_view(refused_by(found->error())));
                            if (!**found || !may_see(caller, ***found))
                                return respond(net::HttpResponse::error(unknown()));
                            respond(net::HttpResponse::error(
                                Code::Conflict, "the transaction waits no more: nothing can take its place"));
                        });
    }
    const auto of = known->second.first;
    const Nonce nonce = known->second.second;
    const auto text = parse_replace_body(as_text(call.request.body));
    if (!text)
        return refuse(text.error());
    if (cancel && !text->empty())
        return refuse({Code::UnknownField, "cancelling takes no transaction: the empty one is made here"});
    Make make;
    auto kind = cancel ? store::VersionKind::Cancel : store::VersionKind::FeeBump;
    if (text->empty()) {
        make = [weak = weak_from_this(), cancel,
                address = of->address](const ethereum::Transaction& now,
                                       const ChainFees& chain) -> Result<ethereum::Transaction> {
            const auto self = weak.lock();
            if (!self)
                return fail(Code::ShuttingDown, "the gateway stops");
            auto raised = self->raised_fees(now, chain);
            return cancel ? cancelling(raised, address) : raised;
        };
    } else {
        const auto placed = with_place(*text, of->address, of->chain, nonce);
        auto draft = placed ? read_draft(*placed, of->chain) : std::unexpected(placed.error());
        if (!draft)
            return refuse(draft.error());
        if (draft->from != of->address || draft->transaction.nonce != nonce)
            return refuse(
                {Code::InvalidField, "a replacement has the account and the nonce of what it replaces"});
        kind = store::VersionKind::Replacement;
        make = [weak = weak_from_this(),
                draft = *draft](const ethereum::Transaction& now,
                                const ChainFees& chain) -> Result<ethereum::Transaction> {
            const auto self = weak.lock();
            return self ? in_place(draft, now, self->raised_fees(now, chain))
                        : fail(Code::ShuttingDown, "the gateway stops");
        };
    }
    change(of, nonce, kind, call, std::move(make),
           [respond = call.respond](const std::expected<Outcome, Refused>& outcome) {
               respond(outcome ? net::HttpResponse::json(outcome->entry.state == State::Signed ? 202 : 200,
                                                         transaction_view(outcome->entry))
                               : refusal_view(outcome.error()));
           });
}

} // namespace redoubt::gateway
