// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4_parts.h"
#include "crypto/hash.h"

#include <algorithm>
#include <vector>

namespace redoubt::aws {

namespace {

constexpr UnixMs kMaxSkewMs = 5 * 60 * 1000;
constexpr std::size_t kMaxAuthorization = 8 * 1024;
constexpr std::size_t kMaxScopePart = 128;

constexpr std::string_view kAmzPrefix = "x-amz-";
constexpr std::string_view kDateHeader = "x-amz-date";
constexpr std::string_view kTokenHeader = "x-amz-security-token";
constexpr std::string_view kContentHeader = "x-amz-content-sha256";

std::unexpected<SigV4Failure> incomplete(std::string message) {
    return std::unexpected(SigV4Failure{"IncompleteSignatureException", std::move(message)});
}

std::unexpected<SigV4Failure> invalid(std::string message) {
    return std::unexpected(SigV4Failure{"InvalidSignatureException", std::move(message)});
}

bool is_scope_part(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxScopePart && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.' || c == '~';
    });
}

// "Credential=…, SignedHeaders=…, Signature=…": each once, in any order, as the clients in use write them.
std::expected<SigV4Claim, SigV4Failure> read_authorization(std::string_view text) {
    if (text.size() > kMaxAuthorization)
        return incomplete("The Authorization header is too long.");
    const std::string scheme = std::string(kSigV4Algorithm) + " ";
    if (!text.starts_with(scheme))
        return incomplete("Authorization header requires the algorithm AWS4-HMAC-SHA256.");
    text.remove_prefix(scheme.size());

    std::string_view credential, signed_headers, signature;
    for (std::string_view parameter : split_text(text, ',')) {
        while (parameter.starts_with(' '))
            parameter.remove_prefix(1);
        const auto equals = std::min(parameter.find('='), parameter.size());
        const std::string_view name = parameter.substr(0, equals);
        std::string_view* const value = name == "Credential"      ? &credential
                                        : name == "SignedHeaders" ? &signed_headers
                                        : name == "Signature"     ? &signature
                                                                  : nullptr;
        if (value == nullptr || !value->empty() || equals + 1 >= parameter.size())
            return incomplete("Authorization header requires exactly 'Credential', 'SignedHeaders' and "
                              "'Signature', each with a value.");
        *value = parameter.substr(equals + 1);
    }
    if (credential.empty() || signed_headers.empty() || signature.empty())
        return incomplete("Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.");

    SigV4Claim out;
    out.signed_headers = signed_headers;
    if (const auto read = read_sigv4_scope(credential, out); !read)
        return std::unexpected(read.error());
    if (const auto read = read_sigv4_signature(signature, out); !read)
        return std::unexpected(read.error());
    return out;
}

// Every signed header is there, and everything that must be signed is: Host, Content-Type, all X-Amz-* (AWS,
// "Create a signed AWS API request"). An unsigned one could be added or changed on the way.
std::expected<void, SigV4Failure> check_signed_headers(const net::HttpRequest& request,
                                                       std::string_view signed_headers) {
    const auto names = split_text(signed_headers, ';');
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (!is_header_name(names[i]) || (i > 0 && names[i] <= names[i - 1]))
            return incomplete("SignedHeaders must be lower-case names in order, each once.");
        const bool framing = names[i] == "host" || names[i] == "content-length";
        if (!framing && request.count(names[i]) == 0)
            return invalid("A header in SignedHeaders is not in the request.");
    }
    const auto is_signed = [&](std::string_view name) {
        return std::binary_search(names.begin(), names.end(), name);
    };
    if (!is_signed("host"))
        return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    for (const auto& header : request.headers) {
        const bool amz = header.name.starts_with(kAmzPrefix);
        if (amz && request.count(header.name) != 1)
            return invalid("An X-Amz-* header is in the request more than once.");
        if ((amz || header.name == "content-type") && !is_signed(header.name))
            return invalid("There were headers present in the request which were not signed.");
    }
    return {};
}

// X-Amz-Date, or a Date in the same form; the latter counts only when it is signed.
std::expected<std::string_view, SigV4Failure> request_date(const net::HttpRequest& request,
                                                           std::string_view signed_headers) {
    std::string_view date = request.header(kDateHeader);
    if (date.empty() && request.count("date") == 1) {
        const auto names = split_text(signed_headers, ';');
        if (std::find(names.begin(), names.end(), "date") != names.end())
            date = request.header("date");
    }
    if (date.empty())
        return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
                          "header.");
    return date;
}

// A presigned request is valid from its date (clocks may differ by five minutes) until it expires.
std::expected<void, SigV4Failure> check_date(const SigV4Claim& claim, UnixMs now) {
    const std::string& date = claim.amz_date;
    const auto time = from_amz_date(date);
    if (!time)
        return incomplete("Date must be in ISO-8601 'basic format', as in 20150830T123600Z.");
    if (claim.date != date.substr(0, 8))
        return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
                       "HTTP: '" +
                       claim.date + "' != '" + date.substr(0, 8) + "', from '" + date + "'.");
    const std::string here = to_amz_date(now);
    if (claim.expires && *time + *claim.expires * 1000 < now)
        return invalid("Signature expired: " + date + " was valid for " + std::to_string(*claim.expires) +
                       " s and it is now " + here + ".");
    if (!claim.expires && *time < now - kMaxSkewMs)
        return invalid("Signature expired: " + date + " is now earlier than " +
                       to_amz_date(now - kMaxSkewMs) + " (" + here + " - 5 min.)");
    if (*time > now + kMaxSkewMs)
        return invalid("Signature not yet current: " + date + " is still later than " +
                       to_amz_date(now + kMaxSkewMs) + " (" + here + " + 5 min.)");
    return {};
}

std::expected<SigV4Claim, SigV4Failure> read_claim(const net::HttpRequest& request) {
    const std::size_t count = request.count("authorization");
    if (is_sigv4_presigned(request)) {
        if (count != 0)
            return incomplete("The request is signed both in its query and in an Authorization header.");
        if (request.count(kTokenHeader) != 0)
            return incomplete("A presigned request has its security token in the query.");
        return read_sigv4_query(request);
    }
    if (count == 0)
        return std::unexpected(
            SigV4Failure{"MissingAuthenticationTokenException", "Missing Authentication Token"});
    if (count > 1)
        return incomplete("There is more than one Authorization header.");
    auto claim = read_authorization(request.header("authorization"));
    if (!claim)
        return claim;
    const auto date = request_date(request, claim->signed_headers);
    if (!date)
        return std::unexpected(date.error());
    claim->amz_date = *date;
    claim->token = Secret::copy_of(as_bytes(request.header(kTokenHeader)));
    claim->unsigned_query = request.query;
    return claim;
}

} // namespace

std::expected<void, SigV4Failure> read_sigv4_scope(std::string_view credential, SigV4Claim& out) {
    const auto parts = split_text(credential, '/');
    if (parts.size() != 5 || !std::all_of(parts.begin(), parts.end(), is_scope_part) ||
        parts[4] != kSigV4Terminator)
        return incomplete("Credential must be ACCESS_KEY_ID/YYYYMMDD/REGION/SERVICE/aws4_request.");
    out.access_key_id = parts[0];
    out.date = parts[1];
    out.region = parts[2];
    out.service = parts[3];
    return {};
}

std::expected<void, SigV4Failure> read_sigv4_signature(std::string_view hex, SigV4Claim& out) {
    // One spelling only, as signers write it.
    const bool capitals = std::any_of(hex.begin(), hex.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    if (capitals || !from_hex_exact(hex, out.signature))
        return incomplete("Signature must be 64 lower-case hexadecimal digits.");
    return {};
}

std::expected<SigV4Identity, SigV4Failure> verify_sigv4(const net::HttpRequest& request,
                                                        const SecretLookup& lookup, UnixMs now) {
    const auto claim = read_claim(request);
    if (!claim)
        return std::unexpected(claim.error());
    if (request.authority.empty() || !request.path.starts_with('/') || !has_sound_percents(request.path) ||
        !has_sound_percents(request.query))
        return invalid("The request's target or authority is not well formed.");
    if (const auto checked = check_signed_headers(request, claim->signed_headers); !checked)
        return std::unexpected(checked.error());
    if (const auto checked = check_date(*claim, now); !checked)
        return std::unexpected(checked.error());

    // What is signed is what was received; "UNSIGNED-PAYLOAD" is S3's alone and not accepted.
    const std::string payload_hash = to_hex(crypto::sha256(request.body));
    if (request.count(kContentHeader) != 0 && request.header(kContentHeader) != payload_hash)
        return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.");

    SigV4Identity identity{claim->access_key_id, claim->region, claim->service};
    const auto secret =
        lookup(identity.access_key_id, claim->token.text(SecretAccess("the service looks the token up")));
    if (!secret)
        return std::unexpected(secret.error());
    if (secret->empty())
        return std::unexpected(SigV4Failure{"UnrecognizedClientException",
                                            "The security token included in the request is invalid."});

    SigV4Options options;
    options.region = identity.region;
    options.service = identity.service;
    options.normalise_path = identity.service != "s3";
    std::string canonical =
        sigv4_canonical_request(request, claim->unsigned_query, claim->signed_headers, options, payload_hash);
    const std::string to_sign = sigv4_string_to_sign(
        claim->amz_date, sigv4_scope(claim->date, identity.region, identity.service), canonical);
    wipe(canonical);
    const Hash32 expected = sigv4_signature(*secret, claim->date, identity.region, identity.service, to_sign);
    if (!equal_constant_time(expected, claim->signature))
        return invalid("The request signature we calculated does not match the signature you provided. Check "
                       "your AWS Secret Access Key and signing method. Consult the service documentation for "
                       "details.");
    return identity;
}

} // namespace redoubt::aws
