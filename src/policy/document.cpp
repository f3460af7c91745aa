// SPDX-License-Identifier: Apache-2.0
#include "policy/document.h"

#include "crypto/hash.h"
#include "crypto/owner_signature.h"
#include "policy/rule_reader.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::string_view kOperationNames[] = {
    "sign-transaction", "sign-message", "sign-typed-data", "sign-authorization",
    "sign-hash",        "sign-data",    "derive",          "export",
    "update",           "enable",       "disable",         "schedule-deletion",
    "cancel-deletion",  "move"};
static_assert(std::size(kOperationNames) == kOperations);

bool is_text(const std::optional<json::Value>& value, std::string_view text) noexcept {
    return value && value->is_string() && value->text() == text;
}

// "0x" and lower case: one key, one spelling, so one digest.
std::optional<Bytes> read_key(const std::optional<json::Value>& value, std::size_t size) {
    auto bytes = value && value->is_string() ? read_hex(value->text()) : std::nullopt;
    return bytes && bytes->size() == size ? bytes : std::nullopt;
}

Result<std::vector<ExportRecipient>> read_recipients(const json::Value& list) {
    const std::string place = "export_recipients";
    std::vector<ExportRecipient> out;
    // An empty list would be a second document that says the same as none.
    REDOUBT_CHECK(check_list(list, kMaxRecipients,
                             "policy: export_recipients must be a list of 1 to 16 recipients, or left out",
                             place));
    for (const auto entry : list) {
        const std::string here = entry_place(place, out.size());
        REDOUBT_CHECK(only_members(entry, {"id", "public_key"}, here));
        ExportRecipient recipient;
        REDOUBT_TRY(recipient.id, read_id(entry, "id", here));
        const auto key = read_key(entry.get("public_key"), 32);
        if (!key)
            return refuse("policy: export_recipients[].public_key must be an X25519 key: 0x and 64 hex "
                          "digits in lower case",
                          here);
        recipient.public_key = *to_array<32>(*key);
        for (const auto& other : out)
            if (other.id == recipient.id || other.public_key == recipient.public_key)
                return refuse("policy: export_recipients names a recipient twice", here);
        out.push_back(std::move(recipient));
    }
    return out;
}

Result<PublicKey> read_public_key(const json::Value& entry, const std::string& place) {
    const bool ed25519 = is_text(entry.get("algorithm"), "ed25519");
    if (!ed25519 && !is_text(entry.get("algorithm"), "ecdsa-p256-sha256"))
        return refuse("policy: algorithm must be \"ed25519\" or \"ecdsa-p256-sha256\"",
                      member_place(place, "algorithm"));
    const auto key = read_key(entry.get("public_key"), ed25519 ? 32 : 65);
    if (!key || (!ed25519 && !crypto::valid_p256_point(*key)))
        return refuse("policy: public_key must be 0x and lower case hex: 64 digits for ed25519; for "
                      "ecdsa-p256-sha256 130, a point of the curve that begins with 04",
                      member_place(place, "public_key"));
    return PublicKey{ed25519 ? KeyAlgorithm::Ed25519 : KeyAlgorithm::EcdsaP256, *key};
}

Result<std::vector<Principal>> read_principals(const json::Value& list, std::size_t most, FixedText text,
                                               const std::string& place) {
    REDOUBT_CHECK(check_list(list, most, text, place));
    std::vector<Principal> out;
    for (const auto entry : list) {
        const std::string here = entry_place(place, out.size());
        REDOUBT_CHECK(only_members(entry, {"id", "algorithm", "public_key"}, here));
        Principal principal;
        REDOUBT_TRY(principal.id, read_id(entry, "id", here));
        if (principal.id == "anyone" || principal.id == "host")
            return refuse("policy: \"anyone\" and \"host\" have a meaning in rules: choose another id", here);
        // A keyid that begins so names a session (docs/signing-requests.md).
        if (principal.id.starts_with("session-"))
            return refuse(
                "policy: an id that begins with \"session-\" would be taken for a session's: choose "
                "another one",
                here);
        REDOUBT_TRY(principal.key, read_public_key(entry, here));
        principal.name = principal_name(principal.id, principal.key);
        for (const Principal& other : out)
            if (other.id == principal.id || other.key == principal.key)
                return refuse("policy: the list has an id or a key twice", here);
        out.push_back(std::move(principal));
    }
    return out;
}

Status read_owners(Document& out, const json::Value& root) {
    const auto owners = root.get("owners"), threshold = root.get("threshold"),
               lock = root.get("time_lock_seconds");
    if (!owners) {
        if (threshold || lock)
            return refuse("policy: threshold and time_lock_seconds belong to owners: name owners, or leave "
                          "both out",
                          threshold ? "threshold" : "time_lock_seconds");
        return {};
    }
    REDOUBT_TRY(out.owners,
                read_principals(*owners, kMaxOwners, "policy: owners must be a list of 1 to 16, or left out",
                                "owners"));
    constexpr FixedText needed("policy: owners need a threshold, how many of them must sign: from 1 to all");
    if (!threshold)
        return refuse(needed, "threshold");
    REDOUBT_TRY(const std::uint64_t signers, read_count(*threshold, out.owners.size(), needed, "threshold"));
    out.threshold = static_cast<std::uint32_t>(signers);
    if (lock) {
        REDOUBT_TRY(const std::uint64_t seconds,
                    read_count(*lock, kMaxWindow,
                               "policy: time_lock_seconds must be an integer from 1 to 31622400, or left out",
                               "time_lock_seconds"));
        out.time_lock_seconds = static_cast<std::uint32_t>(seconds);
    }
    return {};
}

// Everything is allowed to anyone.
bool is_open(const json::Value& rules) {
    if (!rules.is_array() || rules.size() != 1)
        return false;
    const json::Value rule = *rules.begin();
    return rule.size() == 2 && is_text(rule.get("effect"), "allow") && is_text(rule.get("name"), "open");
}

Status read_open(Document& out, const json::Value& root) {
    if (!json::check_members(root, {"redoubt_policy", "rules", "not_after", "export_recipients"}))
        return refuse("policy: beside the one rule \"open\" stand only redoubt_policy, not_after and "
                      "export_recipients: give the rule principals and operations, or take the others out",
                      "rules");
    out.open = true;
    Rule rule;
    rule.name = "open";
    rule.allow = rule.anyone = true;
    rule.operations = (1u << kOperations) - 1;
    out.rules.push_back(std::move(rule));
    return {};
}

Status read_body(Document& out, const json::Value& root, const json::Value& rules) {
    if (const auto version = root.get("version")) {
        REDOUBT_TRY(out.version,
                    read_count(*version, kLastTime, "policy: version must be an integer from 1 to 2^53 - 1",
                               "version"));
    }
    if (const auto list = root.get("principals")) {
        REDOUBT_TRY(out.principals,
                    read_principals(*list, kMaxPrincipals,
                                    "policy: principals must be a list of 1 to 64, or left out",
                                    "principals"));
    }
    REDOUBT_CHECK(read_owners(out, root));
    Books books;
    if (const auto addresses = root.get("addresses")) {
        REDOUBT_TRY(books, read_books(*addresses, "addresses"));
    }
    auto functions = std::make_shared<Document::Functions>();
    Context context{out.principals, books, *functions};
    REDOUBT_TRY(out.rules, read_rules(rules, context));
    if (const auto limits = root.get("limits")) {
        REDOUBT_TRY(out.limits, read_limits(*limits, nullptr, context, "limits"));
    }
    out.functions = std::move(functions);
    return {};
}

// What is kept for a key is bounded: so many counters. Whoever does not sign counts as one principal more.
std::size_t counters_of(const Document& document) noexcept {
    const auto of = [&](const std::vector<Limit>& limits) {
        std::size_t out = 0;
        for (const Limit& limit : limits)
            out += limit.per == Limit::Per::Principal ? document.principals.size() + 1 : 1;
        return out;
    };
    std::size_t out = of(document.limits);
    for (const Rule& rule : document.rules)
        out += of(rule.limits);
    return out;
}

template<class T, class Matches>
const T* find(const std::vector<T>& list, Matches matches) noexcept {
    const auto found = std::find_if(list.begin(), list.end(), matches);
    return found == list.end() ? nullptr : &*found;
}

} // namespace

std::string_view operation_name(Operation operation) noexcept {
    return kOperationNames[static_cast<std::size_t>(operation)];
}

bool Document::has_limits() const noexcept {
    return !limits.empty() ||
           std::any_of(rules.begin(), rules.end(), [](const Rule& rule) { return !rule.limits.empty(); });
}

const ExportRecipient* Document::find_recipient(std::string_view id) const noexcept {
    return find(export_recipients, [&](const auto& recipient) { return recipient.id == id; });
}

const Principal* Document::find_principal(std::string_view id) const noexcept {
    return find(principals, [&](const auto& principal) { return principal.id == id; });
}

const Principal* Document::find_principal(const PublicKey& key) const noexcept {
    return find(principals, [&](const auto& principal) { return principal.key == key; });
}

Result<Document> parse_document(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = kMaxDocument, .depth = 8, .values = kMaxDocument / 2});
    if (!root)
        return refuse("the policy is not strict JSON of at most 64 KiB",
                      std::string(root.error().text.view()));
    REDOUBT_CHECK(only_members(*root,
                               {"redoubt_policy", "version", "not_after", "principals", "owners", "threshold",
                                "time_lock_seconds", "addresses", "rules", "limits", "export_recipients"},
                               ""));
    if (const auto version = root->get("redoubt_policy"); !version || version->u64() != 1)
        return refuse("policy: redoubt_policy must be 1", "redoubt_policy");
    Document out;
    if (const auto time = root->get("not_after")) {
        REDOUBT_TRY(
            const std::uint64_t ms,
            read_count(*time, kLastTime,
                       "policy: not_after must be milliseconds since 1970, an integer from 1 to 2^53 - 1",
                       "not_after"));
        out.not_after = static_cast<UnixMs>(ms);
    }
    if (const auto list = root->get("export_recipients")) {
        REDOUBT_TRY(out.export_recipients, read_recipients(*list));
    }
    const auto rules = root->get("rules");
    if (!rules)
        return refuse("policy: rules must be there", "rules");
    REDOUBT_CHECK(is_open(*rules) ? read_open(out, *root) : read_body(out, *root, *rules));
    if (counters_of(out) > kMaxCounters)
        return refuse("policy: the limits come to more than 32 counters: one for each limit, or for each "
                      "principal and one more where it is per principal",
                      "limits");
    auto canonical = json::canonical(*root);
    if (!canonical)
        return refuse("policy: numbers are integers from 0 to 2^53 - 1", "");
    out.canonical = std::move(*canonical);
    out.digest = crypto::sha256(as_bytes(out.canonical));
    return out;
}

Result<Document> open_document(ByteView stored, const Hash32& digest) {
    if (crypto::sha256(stored) != digest)
        return fail(Code::RecordInvalid, "the policy that came with the key is not the one it is bound to");
    auto document = parse_document(as_text(stored));
    if (!document || document->canonical != as_text(stored))
        return fail(Code::PolicyRequired,
                    "the key's policy is one that this version does not evaluate: use a version that does");
    return document;
}

} // namespace redoubt::policy
