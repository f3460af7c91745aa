// SPDX-License-Identifier: Apache-2.0
#include "gateway/sender_view.h"

#include "base/json.h"
#include "crypto/hash.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxLimit = 1'000, kMaxKey = 255;

template<class Number>
bool read_number(std::string_view text, Number& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size();
}

Status take_member(TransactionListing& listing, std::string_view name, std::string_view value) {
    if (name == "chain_id") {
        std::uint64_t chain = 0;
        if (!read_number(value, chain))
            return fail(Code::InvalidField, "chain_id must be a number");
        listing.filter.chain_id = chain;
    } else if (name == "from") {
        const auto address = ethereum::parse_address(value);
        if (!address)
            return fail(Code::InvalidField,
                        "from must be 0x and 40 hex digits, with a right checksum if any");
        listing.filter.account = *address;
    } else if (name == "state") {
        listing.queued = value == "queued";
        listing.filter.state = store::parse_transaction_state(value);
        if (!listing.queued && !listing.filter.state)
            return fail(Code::InvalidField, "state must be queued, signed, broadcast, mined, replaced, "
                                            "cancelled, dropped or failed");
    } else if (name == "limit") {
        if (!read_number(value, listing.limit) || listing.limit == 0 || listing.limit > kMaxLimit)
            return fail(Code::InvalidField, "limit must be 1 to 1,000");
    } else if (name == "after") {
        store::JournalPosition place;
        const std::size_t dot = value.find('.');
        if (dot == std::string_view::npos || !read_number(value.substr(0, dot), place.created) ||
            place.created < 0 || !from_hex_exact(value.substr(dot + 1), place.id))
            return fail(Code::InvalidField, "after must be the place that the page before gave as next");
        listing.before = place;
    } else {
        return fail(Code::UnknownField,
                    "the query members that this route knows are chain_id, from, state, limit and after");
    }
    return {};
}

void write_entry(json::Writer& writer, const store::JournalEntry& entry) {
    const auto& shown = entry.versions[entry.block ? entry.mined_version : entry.versions.size() - 1];
    writer.begin_object()
        .member("id", store::transaction_id_text(entry.id))
        .member("state", store::transaction_state_name(entry.state))
        .member("chain_id", entry.chain_id)
        .member("from", ethereum::to_checksum(entry.account))
        .member("nonce", entry.nonce)
        .member("hash", to_hex0x(shown.hash))
        .member("created", to_iso8601(entry.created));
    if (entry.block)
        writer.member("block", *entry.block).member("succeeded", entry.succeeded);
    if (!entry.failure.empty())
        writer.member("failure", entry.failure);
    writer.key("versions").begin_array();
    for (const auto& version : entry.versions)
        writer.begin_object()
            .member("kind", store::version_kind_name(version.kind))
            .member("hash", to_hex0x(version.hash))
            .member("signed", to_iso8601(version.signed_at))
            .end_object();
    writer.end_array().end_object();
}

} // namespace

Result<TransactionListing> parse_transaction_listing(std::string_view query) {
    TransactionListing listing;
    std::vector<std::string_view> seen;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view member = query.substr(0, end);
        query.remove_prefix(end < query.size() ? end + 1 : end);
        const std::size_t equals = std::min(member.find('='), member.size());
        const std::string_view name = member.substr(0, equals);
        if (std::ranges::find(seen, name) != seen.end())
            return fail(Code::InvalidField, "a query member stands twice");
        seen.push_back(name);
        REDOUBT_CHECK(take_member(listing, name, member.substr(std::min(equals + 1, member.size()))));
    }
    return listing;
}

Result<SendBody> parse_send_body(std::string_view body) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(body));
    REDOUBT_CHECK(json::check_members(root, {"transaction", "chain_id"}));
    SendBody out;
    const auto transaction = root.get("transaction");
    if (!transaction)
        return fail(Code::MissingField, "the request needs transaction, an object");
    if (!transaction->is_object())
        return fail(Code::InvalidField, "transaction must be an object with JSON-RPC's names");
    out.transaction = transaction->raw();
    if (const auto chain = root.get("chain_id")) {
        out.chain_id = chain->u64();
        if (!out.chain_id)
            return fail(Code::InvalidField, "chain_id must be a number");
    }
    return out;
}

Result<std::string> parse_replace_body(std::string_view body) {
    if (body.empty())
        return std::string();
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(body));
    REDOUBT_CHECK(json::check_members(root, {"transaction"}));
    const auto transaction = root.get("transaction");
    if (!transaction)
        return std::string();
    if (!transaction->is_object())
        return fail(Code::InvalidField, "transaction must be an object with JSON-RPC's names");
    return std::string(transaction->raw());
}

Result<Hash32> idempotency_of(std::string_view caller, std::string_view key) {
    const bool visible = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
    if (key.empty() || key.size() > kMaxKey || !visible)
        return fail(Code::InvalidField, "Idempotency-Key must be 1 to 255 visible characters without spaces");
    const ByteArray<1> end{};
    return crypto::sha256(
        {as_bytes("redoubt idempotency key v1"), end, as_bytes(caller), end, as_bytes(key)});
}

Result<std::string> with_place(std::string_view object, const ethereum::Address& from, std::uint64_t chain_id,
                               std::uint64_t nonce) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(object));
    if (!root.is_object())
        return fail(Code::InvalidField, "transaction must be an object with JSON-RPC's names");
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    bool has_from = false, has_chain = false, has_nonce = false;
    for (const json::Value member : root) {
        if (member.is_null())
            continue;
        has_from = has_from || member.name() == "from";
        has_chain = has_chain || member.name() == "chainId";
        has_nonce = has_nonce || member.name() == "nonce";
        writer.key(member.name()).raw(member.raw());
    }
    if (!has_from)
        writer.member("from", ethereum::to_checksum(from));
    if (!has_chain)
        writer.member("chainId", chain_id);
    if (!has_nonce)
        writer.member("nonce", ethereum::to_quantity(nonce));
    writer.end_object();
    return out;
}

std::string transaction_view(const store::JournalEntry& entry) {
    std::string out;
    json::Writer writer(out);
    write_entry(writer, entry);
    return out;
}

std::string listing_view(const store::JournalPage& page) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("transactions").begin_array();
    for (const auto& entry : page.entries)
        write_entry(writer, entry);
    writer.end_array();
    if (page.next)
        writer.member("next", std::to_string(page.next->created) + "." + to_hex(page.next->id));
    writer.end_object();
    return out;
}

net::HttpResponse refusal_view(const Sender::Refused& refused) {
    const Error& error = refused.error;
    const int status = http_status(error.code);
    std::string body = refused.body;
    if (body.empty()) {
        json::Writer writer(body);
        writer.begin_object().member("error", error.text.view()).member("code", code_name(error.code));
        if (refused.node) {
            writer.key("node").begin_object();
            writer.key("code").number(refused.node->code);
            writer.member("message", refused.node->message);
            if (!refused.node->data.empty())
                writer.key("data").raw(refused.node->data);
            writer.end_object();
        }
        writer.end_object();
    }
    auto response = net::HttpResponse::json(status, std::move(body));
    if (status == 503)
        response.headers.push_back({"retry-after", "1"});
    return response;
}

} // namespace redoubt::gateway
