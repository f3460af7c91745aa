// SPDX-License-Identifier: Apache-2.0
// Reads the clients document. docs/schema/clients.schema.json describes the same for editors.
#include "base/json.h"
#include "gateway/clients.h"

#include <algorithm>
#include <iterator>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxText = 2'048; // a secret's ARN, a file's path, a subject
constexpr std::uint64_t kMaxBurst = 1'000'000, kMaxConcurrency = 100'000;

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// 64 hex digits, with or without colons between bytes, as openssl prints fingerprints.
std::optional<Hash32> digest(std::string_view text) {
    std::string digits;
    if (text.size() == 95) {
        for (std::size_t i = 0; i < text.size(); ++i)
            if (i % 3 != 2)
                digits += text[i];
            else if (text[i] != ':')
                return std::nullopt;
    } else {
        digits = text;
    }
    Hash32 out{};
    if (!from_hex_exact(digits, out))
        return std::nullopt;
    return out;
}

} // namespace

class Clients::Reader {
  public:
    explicit Reader(Clients& out) noexcept : out_(out) {}

    Status document(const json::Value& root) {
        REDOUBT_CHECK(
            members(root, {"version", "hosts", "client_ca", "revoked_certificates", "anonymous", "clients"}));
        const auto version = root.get("version");
        if (!version || version->u64() != 1)
            return fail(Code::InvalidField, "version must be 1");
        REDOUBT_CHECK(texts(root.get("hosts"), kMaxHosts, [&](std::string_view text) { return host(text); }));
        REDOUBT_CHECK(authorities(root.get("client_ca")));
        REDOUBT_CHECK(texts(root.get("revoked_certificates"), kMaxKeys, [&](std::string_view text) -> Status {
            const auto sha256 = digest(text);
            if (!sha256)
                return wrong("a certificate's SHA-256 is 64 hex digits, with or without colons");
            out_.revoked_certificates_.insert(*sha256);
            return {};
        }));
        if (const auto anonymous = root.get("anonymous")) {
            where_ = "anonymous";
            REDOUBT_CHECK(members(
                *anonymous, {"keys", "operations", "rate_per_second", "burst", "concurrency", "chains"}));
            REDOUBT_TRY(auto made, grant(*anonymous));
            out_.anonymous_ = std::make_shared<const Grant>(std::move(made));
        }
        where_ = "clients";
        const auto list = root.get("clients");
        if (!list || !list->is_array())
            return wrong("clients must be an array", Code::MissingField);
        if (list->size() > kMaxClients)
            return wrong("a document has at most 10,000 clients", Code::TooLarge);
        for (const auto one : *list)
            REDOUBT_CHECK(client(one));
        if (out_.ca_files_.empty() && !(out_.dns_names_.empty() && out_.subjects_.empty()))
            return fail(Code::MissingField,
                        "a client by dns_name or subject needs client_ca: the file of the "
                        "CAs that vouch for such names");
        return {};
    }

  private:
    std::unexpected<Error> wrong(FixedText text, Code code = Code::InvalidField) const {
        return fail(code, text, where_);
    }

    Status members(const json::Value& object, std::initializer_list<std::string_view> allowed) const {
        auto status = json::check_members(object, allowed);
        if (!status)
            return fail(status.error().code, status.error().text, where_);
        return {};
    }

    // Each of an array of texts that are not empty; nothing to do where the member is missing.
    template<class Take>
    Status texts(std::optional<json::Value> list, std::size_t most, const Take& take) const {
        if (!list)
            return {};
        if (!list->is_array())
            return wrong("a list must be an array of strings");
        if (list->size() > most)
            return wrong("a list is too long; docs/clients.md states the bounds", Code::TooLarge);
        for (const auto item : *list) {
            if (!item.is_string() || item.text().empty() || item.text().size() > kMaxText)
                return wrong("a list's items must be strings of 1 to 2,048 bytes");
            REDOUBT_CHECK(take(item.text()));
        }
        return {};
    }

    Status host(std::string_view text) {
        const bool plain = text.size() <= 260 && std::ranges::all_of(text, [](char c) {
                               return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                      (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
                                      c == ':' || c == '[' || c == ']';
                           });
        if (!plain)
            return fail(Code::InvalidField, "hosts are names or addresses as a Host header has them, with or "
                                            "without a port: signer.example:8443");
        out_.hosts_.push_back(lowered(text));
        return {};
    }

    Status authorities(std::optional<json::Value> value) {
        where_ = "client_ca";
        if (value && value->is_string() && !value->text().empty() && value->text().size() <= kMaxText) {
            out_.ca_files_.emplace_back(value->text());
            return {};
        }
        return texts(value, 16, [&](std::string_view text) -> Status {
            out_.ca_files_.emplace_back(text);
            return {};
        });
    }

    // Numbers that may be missing, of 1 … most.
    Status number(const json::Value& object, std::string_view name, std::uint64_t most,
                  std::uint32_t& out) const {
        const auto value = object.get(name);
        if (!value)
            return {};
        const auto number = value->u64();
        if (!number || *number == 0 || *number > most)
            return wrong(
                "rate_per_second and burst are integers of 1 to 1,000,000, concurrency of 1 to 100,000");
        out = static_cast<std::uint32_t>(*number);
        return {};
    }

    Status key(Grant& grant, std::string_view text) const {
        constexpr std::string_view kSecret = "secret:";
        if (text == "*") {
            grant.every_key = true;
        } else if (const auto id = sealed::parse_key_id(text)) {
            grant.key_ids.push_back(*id);
        } else if (text.starts_with(kSecret) && text.size() > kSecret.size()) {
            grant.secrets.emplace_back(text.substr(kSecret.size()));
        } else {
            Grant::Address address{};
            if (!text.starts_with("0x") || !from_hex_exact(text.substr(2), address))
                return wrong(
                    "keys are key-…, addresses (0x and 40 hex digits), secret:ID of a reference key, "
                    "or \"*\"");
            grant.addresses.push_back(address);
        }
        return {};
    }

    Result<Grant> grant(const json::Value& object) const {
        Grant out;
        const auto operations = object.get("operations");
        if (!operations)
            return wrong("a client needs operations: what it may ask for", Code::MissingField);
        REDOUBT_CHECK(texts(operations, 64, [&](std::string_view text) -> Status {
            if (text == "*") {
                out.operations.set();
                return {};
            }
            const auto operation = operation_from_name(text);
            if (!operation)
                return wrong("an operation is not known; docs/clients.md lists them");
            out.operations.set(static_cast<std::size_t>(*operation));
            return {};
        }));
        const auto keys = object.get("keys");
        if (!keys)
            return wrong("a client needs keys: which ones it may use, or \"*\"", Code::MissingField);
        REDOUBT_CHECK(texts(keys, kMaxKeys, [&](std::string_view text) { return key(out, text); }));
        std::ranges::sort(out.key_ids);
        std::ranges::sort(out.addresses);
        std::ranges::sort(out.secrets);
        if (const auto chains = object.get("chains")) {
            if (!chains->is_array() || chains->size() > 1'000)
                return wrong("chains is an array of at most 1,000 chain ids");
            out.every_chain = false;
            for (const auto chain : *chains) {
                const auto id = chain.u64();
                if (!id || *id == 0)
                    return wrong("chain ids are positive integers");
                out.chains.push_back(*id);
            }
            std::ranges::sort(out.chains);
        }
        REDOUBT_CHECK(number(object, "rate_per_second", ClientLimit::kMaxRate, out.limit.rate_per_second));
        REDOUBT_CHECK(number(object, "burst", kMaxBurst, out.limit.burst));
        REDOUBT_CHECK(number(object, "concurrency", kMaxConcurrency, out.limit.concurrency));
        if (out.limit.burst != 0 && out.limit.rate_per_second == 0)
            return wrong("burst needs rate_per_second");
        return out;
    }

    Status token(const json::Value& object, std::size_t index) {
        REDOUBT_CHECK(members(object, {"id", "sha256", "expires", "revoked", "comment"}));
        const auto id = object.get("id"), sha256 = object.get("sha256"), expires = object.get("expires"),
                   revoked = object.get("revoked"), comment = object.get("comment");
        Token token;
        token.client = index;
        if (!id || !id->is_string() || id->text().size() != kTokenIdDigits ||
            id->text() != lowered(id->text()) || !from_hex(id->text()))
            return wrong("a token's id is 16 lower-case hex digits; `redoubt client add-token` makes tokens");
        if (!sha256 || !sha256->is_string() || !from_hex_exact(sha256->text(), token.sha256))
            return wrong("a token's sha256 is 64 hex digits: the SHA-256 of its text");
        if (expires) {
            token.expires = expires->is_string() ? from_iso8601(expires->text()) : std::nullopt;
            if (!token.expires)
                return wrong("a token's expires is a time like 2030-01-31T00:00:00Z");
        }
        if (revoked && !revoked->is_bool())
            return wrong("a token's revoked is true or false");
        if (comment && (!comment->is_string() || comment->text().size() > 256))
            return wrong("a comment is a text of at most 256 bytes");
        token.revoked = revoked && revoked->boolean();
        if (!out_.tokens_.emplace(id->text(), token).second)
            return wrong("two tokens have the same id", Code::AmbiguousField);
        return {};
    }

    Status client(const json::Value& object) {
        where_ = "clients";
        if (!object.is_object())
            return wrong("a client must be an object");
        const auto name = object.get("name");
        if (!name || !name->is_string() || !valid_client_name(name->text()))
            return wrong("a client's name is 1 to 64 of A-Z a-z 0-9 . _ -");
        where_ = "client " + std::string(name->text());
        REDOUBT_CHECK(members(object, {"name", "certificate_sha256", "dns_name", "subject", "tokens", "keys",
                                       "operations", "rate_per_second", "burst", "concurrency", "chains"}));
        if (!names_.insert(std::string(name->text())).second)
            return wrong("two clients have the same name", Code::AmbiguousField);
        REDOUBT_TRY(auto made, grant(object));
        made.name = name->text();
        const std::size_t index = out_.grants_.size();
        out_.grants_.push_back(std::make_shared<const Grant>(std::move(made)));

        REDOUBT_CHECK(
            texts(object.get("certificate_sha256"), kMaxCredentials, [&](std::string_view text) -> Status {
                const auto sha256 = digest(text);
                if (!sha256)
                    return wrong("a certificate's SHA-256 is 64 hex digits, with or without "
                                 "colons");
                if (!out_.certificates_.emplace(*sha256, index).second)
                    return wrong("a certificate stands in the document twice", Code::AmbiguousField);
                return {};
            }));
        REDOUBT_CHECK(by_name(object.get("dns_name"), index, true));
        REDOUBT_CHECK(by_name(object.get("subject"), index, false));
        if (const auto tokens = object.get("tokens")) {
            if (!tokens->is_array() || tokens->size() > kMaxCredentials)
                return wrong("tokens is an array of at most 64");
            for (const auto one : *tokens)
                REDOUBT_CHECK(token(one, index));
        }
        return {};
    }

    Status by_name(std::optional<json::Value> value, std::size_t index, bool dns) {
        if (!value)
            return {};
        if (!value->is_string() || value->text().empty() || value->text().size() > net::Peer::kMaxSubject)
            return wrong(
                "dns_name and subject are texts: signer.example, or CN=payments,O=Example (RFC 2253)");
        auto& names = dns ? out_.dns_names_ : out_.subjects_;
        const std::string text = dns ? lowered(value->text()) : std::string(value->text());
        if (!names.emplace(text, index).second)
            return wrong("two clients have the same dns_name or subject", Code::AmbiguousField);
        return {};
    }

    Clients& out_;
    std::string where_ = "document";
    std::set<std::string> names_;
};

Result<Clients> Clients::parse(std::string_view text) {
    json::Document document;
    REDOUBT_TRY(const json::Value root,
                document.parse(text, {.bytes = kMaxBytes, .depth = 8, .values = 1u << 19}));
    Clients out;
    REDOUBT_CHECK(Reader(out).document(root));
    return out;
}

} // namespace redoubt::gateway
