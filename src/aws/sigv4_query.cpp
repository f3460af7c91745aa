// SPDX-License-Identifier: Apache-2.0
// The query form of Signature Version 4: presigned requests. AWS, "Signature calculations: authenticating
// requests using query parameters".
#include "aws/sigv4_parts.h"
#include "crypto/hash.h"

#include <algorithm>

namespace redoubt::aws {

namespace {

namespace names = sigv4_query;

std::unexpected<SigV4Failure> incomplete(std::string message) {
    return std::unexpected(SigV4Failure{"IncompleteSignatureException", std::move(message)});
}

std::string_view name_of(std::string_view parameter) noexcept {
    return parameter.substr(0, std::min(parameter.find('='), parameter.size()));
}

bool is_ours(std::string_view name) noexcept {
    return std::find(names::kAll.begin(), names::kAll.end(), name) != names::kAll.end();
}

std::optional<std::int64_t> read_expires(std::string_view text) noexcept {
    if (text.empty() || text.size() > 6 || text[0] == '0')
        return std::nullopt;
    std::int64_t out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return std::nullopt;
        out = 10 * out + (c - '0');
    }
    return out <= kSigV4LongestExpiry ? std::optional(out) : std::nullopt;
}

} // namespace

bool is_sigv4_presigned(const net::HttpRequest& request) noexcept {
    std::string_view rest = request.query;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('&'), rest.size());
        if (name_of(rest.substr(0, end)) == names::kAlgorithm)
            return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

std::expected<SigV4Claim, SigV4Failure> read_sigv4_query(const net::HttpRequest& request) {
    std::array<std::optional<std::string>, names::kAll.size()> found;
    SigV4Claim out;
    out.unsigned_query.reserve(request.query.size()); // it may hold a token: no copies left behind by growing
    for (const std::string_view parameter : split_text(request.query, '&')) {
        const std::string_view name = name_of(parameter);
        const auto at = std::find(names::kAll.begin(), names::kAll.end(), name);
        if (at != names::kAll.end()) {
            auto& value = found[static_cast<std::size_t>(at - names::kAll.begin())];
            if (value || name.size() == parameter.size())
                return incomplete("Each X-Amz-* parameter of a presigned request stands once, with a value.");
            value = percent_decoded(parameter.substr(name.size() + 1));
            if (!value)
                return incomplete("A '%' in the query is not followed by two hexadecimal digits.");
        }
        if (name != names::kSignature)
            out.unsigned_query.append(out.unsigned_query.empty() ? "" : "&").append(parameter);
    }
    const auto& [algorithm, credential, date, signed_headers, expires, token, signature] = found;
    (void)token; // taken below
    if (!algorithm || !credential || !date || !signed_headers || !expires || !signature)
        return incomplete("AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', "
                          "'X-Amz-Date', 'X-Amz-SignedHeaders', 'X-Amz-Expires' and 'X-Amz-Signature'.");
    if (*algorithm != kSigV4Algorithm)
        return incomplete("X-Amz-Algorithm must be AWS4-HMAC-SHA256.");
    out.expires = read_expires(*expires);
    if (!out.expires)
        return incomplete("X-Amz-Expires must be a whole number of seconds from 1 to 604800.");
    if (const auto read = read_sigv4_scope(*credential, out); !read)
        return std::unexpected(read.error());
    if (const auto read = read_sigv4_signature(*signature, out); !read)
        return std::unexpected(read.error());
    out.signed_headers = *signed_headers;
    out.amz_date = *date;
    if (auto& value = found[5]) // kToken
        out.token = Secret::take(*value);
    return out;
}

Status presign_sigv4(net::HttpRequest& request, const Credentials& credentials, const SigV4Options& options,
                     UnixMs now, std::int64_t expires_seconds) {
    REDOUBT_CHECK(check_sigv4_request(request, credentials, options));
    if (expires_seconds < 1 || expires_seconds > kSigV4LongestExpiry)
        return fail(Code::InvalidField, "a presigned request is valid for 1 to 604,800 seconds");
    for (const std::string_view parameter : split_text(request.query, '&'))
        if (is_ours(name_of(parameter)))
            return fail(Code::InvalidField, "the request is signed already");

    const std::string amz_date = to_amz_date(now);
    const std::string_view date = std::string_view(amz_date).substr(0, 8);
    const std::string scope = sigv4_scope(date, options.region, options.service);
    const std::string signed_headers = sigv4_signable_headers(request);
    // One allocation for all that follows: a string that grows leaves copies of a token behind.
    request.query.reserve(
        request.query.size() + 1024 +
        3 * (signed_headers.size() + credentials.access_key_id.size() + credentials.session_token.size()));
    const auto add = [&](std::string_view name, std::string_view value) {
        request.query.append(request.query.empty() ? "" : "&").append(name).append("=");
        request.query.append(percent_encoded(value));
    };
    const auto add_token = [&] {
        if (!credentials.session_token.empty())
            add(names::kToken,
                credentials.session_token.text(SecretAccess("the token travels in a presigned query")));
    };
    add(names::kAlgorithm, kSigV4Algorithm);
    add(names::kCredential, credentials.access_key_id + "/" + scope);
    add(names::kDate, amz_date);
    add(names::kSignedHeaders, signed_headers);
    add(names::kExpires, std::to_string(expires_seconds));
    if (!options.omit_session_token)
        add_token();
    std::string canonical =
        sigv4_canonical_request(request, signed_headers, options, to_hex(crypto::sha256(request.body)));
    const std::string to_sign = sigv4_string_to_sign(amz_date, scope, canonical);
    wipe(canonical);
    if (options.omit_session_token)
        add_token();
    add(names::kSignature, to_hex(sigv4_signature(credentials.secret_access_key, date, options.region,
                                                  options.service, to_sign)));
    request.has_query = true;
    request.target = request.path + "?" + request.query;
    return {};
}

} // namespace redoubt::aws
