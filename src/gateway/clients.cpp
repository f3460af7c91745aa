// SPDX-License-Identifier: Apache-2.0
#include "gateway/clients.h"

#include "crypto/hash.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kTokenPrefix = "rdt_";

bool lower_hex(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

// "host:port" or "[v6]:port" up to the port.
std::string_view without_port(std::string_view authority) noexcept {
    const std::size_t colon = authority.rfind(':');
    const std::size_t bracket = authority.rfind(']');
    if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
        return authority;
    return authority.substr(0, colon);
}

// RFC 9110, section 11.4: the scheme in either case, then spaces. Nothing: another scheme.
std::optional<std::string_view> bearer(std::string_view credentials) noexcept {
    constexpr std::string_view kScheme = "bearer ";
    if (credentials.size() < kScheme.size() ||
        !std::ranges::equal(credentials.substr(0, kScheme.size()), kScheme, {}, lower))
        return std::nullopt;
    credentials.remove_prefix(kScheme.size());
    credentials.remove_prefix(std::min(credentials.find_first_not_of(' '), credentials.size()));
    return credentials;
}

} // namespace

bool Grant::may_use(const sealed::KeyId& id, const std::optional<Address>& address) const noexcept {
    return every_key || std::ranges::binary_search(key_ids, id) ||
           (address && std::ranges::binary_search(addresses, *address));
}

bool Grant::may_use_secret(std::string_view secret_id) const noexcept {
    return every_key || std::ranges::binary_search(secrets, secret_id, std::less<>());
}

bool Grant::may_use_chain(std::uint64_t chain_id) const noexcept {
    return every_chain || std::ranges::binary_search(chains, chain_id);
}

std::optional<std::string_view> token_id(std::string_view token) noexcept {
    if (token.size() != kTokenPrefix.size() + kTokenIdDigits + 1 + kTokenSecretDigits ||
        !token.starts_with(kTokenPrefix) || token[kTokenPrefix.size() + kTokenIdDigits] != '_')
        return std::nullopt;
    const std::string_view id = token.substr(kTokenPrefix.size(), kTokenIdDigits);
    if (!lower_hex(id) || !lower_hex(token.substr(token.size() - kTokenSecretDigits)))
        return std::nullopt;
    return id;
}

bool valid_client_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

Result<std::optional<std::size_t>> Clients::by_token(const net::HttpRequest& request, UnixMs now) const {
    const std::size_t count = request.count("authorization");
    if (count == 0)
        return std::nullopt;
    if (count > 1)
        return fail(Code::Unauthorized, "the request has more than one Authorization header; send one");
    const auto token = bearer(request.header("authorization"));
    if (!token)
        return fail(Code::Unauthorized, "the Authorization header is none of Bearer; send Authorization: "
                                        "Bearer TOKEN");
    const auto id = token_id(*token);
    const auto found = id ? tokens_.find(*id) : tokens_.end();
    // One answer for what is wrong with a token, but for its holder's own business: its end.
    if (found == tokens_.end() ||
        !equal_constant_time(crypto::sha256(as_bytes(*token)), found->second.sha256) || found->second.revoked)
        return fail(Code::Unauthorized,
                    "the bearer token is not known; `redoubt client add-token` makes one");
    if (found->second.expires && *found->second.expires <= now)
        return fail(Code::Unauthorized, "the bearer token has expired; ask the operator for another");
    return found->second.client;
}

Result<std::optional<std::size_t>> Clients::by_certificate(const net::HttpRequest& request,
                                                           UnixMs now) const {
    if (!request.peer)
        return std::nullopt;
    const net::Peer& peer = *request.peer;
    if (revoked_certificates_.contains(peer.certificate_sha256))
        return fail(Code::Unauthorized, "the client certificate is revoked; ask the operator for another");
    std::optional<std::size_t> out;
    const auto take = [&](std::size_t client) {
        const bool same = !out || *out == client;
        out = client;
        return same;
    };
    bool one = true;
    if (const auto at = certificates_.find(peer.certificate_sha256); at != certificates_.end())
        one = take(at->second) && one;
    if (peer.verified) {
        for (const auto& name : peer.dns_names)
            if (const auto at = dns_names_.find(name); at != dns_names_.end())
                one = take(at->second) && one;
        if (const auto at = subjects_.find(peer.subject); !peer.subject.empty() && at != subjects_.end())
            one = take(at->second) && one;
    }
    if (!one)
        return fail(Code::Unauthorized,
                    "the client certificate is more than one client's; use one of its own");
    if (!out)
        return fail(Code::Unauthorized, "the client certificate is no known client's; its SHA-256, or a name "
                                        "that a trusted CA vouches for, must stand in the clients document");
    if (now < peer.not_before || now >= peer.not_after)
        return fail(Code::Unauthorized, "the client certificate is not valid at this time; renew it");
    return out;
}

Result<std::shared_ptr<const Grant>> Clients::identify(const net::HttpRequest& request, UnixMs now) const {
    REDOUBT_TRY(const auto token, by_token(request, now));
    const auto certificate = by_certificate(request, now);
    if (token) {
        if (certificate && *certificate && **certificate != *token)
            return fail(Code::Unauthorized,
                        "the bearer token and the client certificate are two clients'; show one");
        return grants_[*token];
    }
    if (!certificate)
        return std::unexpected(certificate.error());
    if (*certificate)
        return grants_[**certificate];
    if (!anonymous_)
        return fail(Code::Unauthorized,
                    "this gateway serves known clients: send Authorization: Bearer TOKEN, or "
                    "show a client certificate");
    return anonymous_;
}

bool Clients::serves_host(std::string_view authority) const {
    if (hosts_.empty())
        return true;
    const std::string asked = lowered(authority);
    return std::ranges::find(hosts_, asked) != hosts_.end() ||
           std::ranges::find(hosts_, without_port(asked)) != hosts_.end();
}

} // namespace redoubt::gateway
