// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_list.h"

#include "base/json.h"
#include "ethereum/address.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kDefaultLimit = 100, kMaxLimit = 1'000;
constexpr FixedText kKnown =
    "the query members that this route knows are limit, after, vault_id, address, state, label and tag";

template<class Number>
bool read_number(std::string_view text, Number& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size();
}

// RFC 3986 percent-encoding; '+' stands for itself.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        const auto byte = from_hex(text.substr(i + 1, std::min<std::size_t>(2, text.size() - i - 1)));
        if (!byte || byte->size() != 1)
            return std::nullopt;
        out.push_back(static_cast<char>((*byte)[0]));
        i += 2;
    }
    return out;
}

// "<created ms>.<32 hex digits>"
std::string position_text(const store::Position& position) {
    return std::to_string(position.created) + "." + to_hex(position.id);
}

std::optional<store::Position> parse_position(std::string_view text) {
    store::Position out;
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || !read_number(text.substr(0, dot), out.created) || out.created < 0 ||
        !from_hex_exact(text.substr(dot + 1), out.id))
        return std::nullopt;
    return out;
}

Status take_tag(KeyListing& listing, const std::string& value) {
    const std::size_t colon = value.find(':');
    if (colon == std::string::npos || listing.filter.tags.size() >= sealed::kMaxTags)
        return fail(Code::InvalidField, "tag must be NAME:VALUE, at most 16 times");
    sealed::Tag tag{value.substr(0, colon), value.substr(colon + 1)};
    if (tag.name.empty() || !sealed::valid_label(tag.name, sealed::kMaxTagName) ||
        !sealed::valid_label(tag.value, sealed::kMaxTagValue))
        return fail(Code::InvalidField, "tag must be NAME:VALUE, at most 16 times");
    listing.filter.tags.push_back(std::move(tag));
    return {};
}

Status take_member(KeyListing& listing, std::string_view name, const std::string& value) {
    if (name == "limit") {
        if (!read_number(value, listing.limit) || listing.limit < 1 || listing.limit > kMaxLimit)
            return fail(Code::InvalidField, "limit must be 1 to 1000");
        return {};
    }
    if (name == "after") {
        listing.after = parse_position(value);
        if (!listing.after)
            return fail(Code::InvalidField, "after must be the next of the page before, as it was given");
        return {};
    }
    if (name == "vault_id") {
        listing.filter.vault = sealed::parse_vault_id(value);
        if (!listing.filter.vault)
            return fail(Code::InvalidField, "vault_id must be vault- and 32 hex digits");
        return {};
    }
    if (name == "address") {
        const auto address = ethereum::parse_address(value);
        if (!address)
            return fail(Code::InvalidField,
                        "address must be 0x and 40 hex digits, with a right checksum if any");
        listing.filter.address = *address;
        return {};
    }
    if (name == "state") {
        listing.filter.state = sealed::parse_state(value);
        if (!listing.filter.state)
            return fail(Code::InvalidField, "state must be enabled, disabled or pending-deletion");
        return {};
    }
    if (name == "label") {
        if (!sealed::valid_label(value))
            return fail(Code::InvalidField,
                        "label must be up to 128 bytes of text without control characters");
        listing.filter.label = value;
        return {};
    }
    if (name == "tag")
        return take_tag(listing, value);
    return fail(Code::UnknownField, kKnown);
}

} // namespace

Result<KeyListing> parse_key_listing(std::string_view query) {
    KeyListing listing{kDefaultLimit, std::nullopt, {}};
    std::vector<std::string_view> seen;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view member = query.substr(0, end);
        query.remove_prefix(end < query.size() ? end + 1 : end);
        const std::size_t equals = member.find('=');
        if (equals == std::string_view::npos)
            return fail(Code::UnknownField, kKnown);
        const std::string_view name = member.substr(0, equals);
        if (name != "tag" && std::ranges::find(seen, name) != seen.end())
            return fail(Code::InvalidField, "a query member stands twice");
        seen.push_back(name);
        const auto value = percent_decoded(member.substr(equals + 1));
        if (!value)
            return fail(Code::InvalidField, "the query's percent-encoding is malformed");
        REDOUBT_CHECK(take_member(listing, name, *value));
    }
    return listing;
}

std::string key_page_json(const store::KeyPage& page) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("keys").begin_array();
    for (const auto& key : page.keys) {
        const sealed::KeyHead& head = key.head;
        writer.begin_object()
            .member("key_id", sealed::key_id_text(head.id))
            .member("address", ethereum::to_checksum(head.address))
            .member("algorithm", sealed::algorithm_name(head.algorithm))
            .member("vault_id", sealed::vault_id_text(head.vault))
            .member("policy_digest", to_hex(head.policy_digest))
            .member("epoch", head.epoch)
            .member("exportable", (head.flags & sealed::kFlagExportable) != 0)
            .member("raw_signing", (head.flags & sealed::kFlagRawSigning) != 0)
            .member("state", sealed::state_name(head.state))
            .member("revision", std::uint64_t{head.revision})
            .member("created", to_iso8601(head.created));
        if (head.state == sealed::State::PendingDeletion)
            writer.member("deletes", to_iso8601(head.deletes));
        writer.member("label", head.label).key("tags").begin_object();
        for (const auto& tag : head.tags)
            writer.member(tag.name, tag.value);
        writer.end_object().end_object();
    }
    writer.end_array();
    if (page.next)
        writer.member("next", position_text(*page.next));
    writer.end_object();
    return out;
}

} // namespace redoubt::gateway
