// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4.h"

#include "aws/sigv4_parts.h"
#include "crypto/hash.h"

#include <algorithm>
#include <array>
#include <vector>

namespace redoubt::aws {

namespace {

constexpr std::string_view kHost = "host";
constexpr std::string_view kDateHeader = "x-amz-date";
constexpr std::string_view kTokenHeader = "x-amz-security-token";
constexpr std::string_view kContentHeader = "x-amz-content-sha256";
constexpr std::string_view kAuthorization = "authorization";

// Proxies and servers may change or drop these.
constexpr std::array<std::string_view, 5> kNeverSigned{"user-agent", "connection", "expect",
                                                       "transfer-encoding", "x-amzn-trace-id"};

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_unreserved(char c) noexcept { // RFC 3986 section 2.3
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

int hex_value(char c) noexcept {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool is_triplet(std::string_view text, std::size_t at) noexcept {
    return text[at] == '%' && at + 2 < text.size() && hex_value(text[at + 1]) >= 0 &&
           hex_value(text[at + 2]) >= 0;
}

void append_encoded(std::string& out, char c) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
}

// Dot segments and empty segments removed; a final '/' stays (AWS's suite, cases "normalized").
std::string normalised_path(std::string_view path) {
    std::vector<std::string_view> segments;
    for (std::size_t at = 0; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const std::string_view segment = path.substr(at, end - at);
        at = end + 1;
        if (segment.empty() || segment == ".")
            continue;
        if (segment != "..")
            segments.push_back(segment);
        else if (!segments.empty())
            segments.pop_back();
    }
    std::string out;
    for (const std::string_view segment : segments)
        out.append("/").append(segment);
    if (out.empty() || path.ends_with('/'))
        out += '/';
    return out;
}

// The path stands in the request encoded once. It is encoded once more, except for S3, where what is encoded
// already stays as it is.
void append_path(std::string& out, std::string_view path, bool normalise) {
    std::string normal;
    if (normalise) {
        normal = normalised_path(path);
        path = normal;
    }
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (is_unreserved(path[i]) || path[i] == '/' || (!normalise && is_triplet(path, i)))
            out += path[i];
        else
            append_encoded(out, path[i]);
    }
}

std::string recoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (is_triplet(text, i)) {
            c = static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        }
        if (is_unreserved(c))
            out += c;
        else
            append_encoded(out, c);
    }
    return out;
}

void append_query(std::string& out, std::string_view query) {
    std::vector<std::pair<std::string, std::string>> parameters;
    for (std::size_t at = 0; at < query.size();) {
        const auto end = std::min(query.find('&', at), query.size());
        const std::string_view parameter = query.substr(at, end - at);
        at = end + 1;
        if (parameter.empty())
            continue;
        const auto equals = std::min(parameter.find('='), parameter.size());
        parameters.emplace_back(recoded(parameter.substr(0, equals)),
                                recoded(parameter.substr(std::min(equals + 1, parameter.size()))));
    }
    std::sort(parameters.begin(), parameters.end());
    bool first = true;
    for (const auto& [key, value] : parameters) {
        if (!first)
            out += '&';
        first = false;
        out.append(key).append("=").append(value);
    }
}

// Trimmed, and each inner run of blanks one space.
void append_header_value(std::string& out, std::string_view value) {
    bool blank = false, any = false;
    for (const char c : value) {
        if (c == ' ' || c == '\t') {
            blank = true;
            continue;
        }
        if (blank && any)
            out += ' ';
        blank = false;
        any = true;
        out += c;
    }
}

void append_header(std::string& out, const net::HttpRequest& request, std::string_view name) {
    out.append(name).append(":");
    if (name == kHost) {
        append_header_value(out, request.authority);
    } else {
        bool first = true;
        for (const auto& header : request.headers) {
            if (header.name != name)
                continue;
            if (!first)
                out += ',';
            first = false;
            append_header_value(out, header.value);
        }
        // The length belongs to the message's framing, so a parser need not keep it among the headers.
        if (first && name == "content-length")
            out += std::to_string(request.body.size());
    }
    out += '\n';
}

// An upper bound. The canonical request holds the session token, and a string that never grows leaves no
// copies behind.
std::size_t canonical_size(const net::HttpRequest& request, std::string_view signed_headers) {
    std::size_t size = request.method.size() + 3 * request.path.size() + 6 * request.query.size() +
                       request.authority.size() + 2 * signed_headers.size() + 256;
    for (const auto& header : request.headers)
        size += header.name.size() + header.value.size() + 3;
    return size;
}

bool is_header_value(std::string_view value) noexcept {
    return std::all_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

// A part of the credential scope, or an access key id: what cannot be mistaken for a separator.
bool is_scope_part(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), is_unreserved);
}

void add_token(net::HttpRequest& request, const Credentials& credentials) {
    const auto token = credentials.session_token.text(SecretAccess("the token travels in a header"));
    request.headers.push_back({std::string(kTokenHeader), std::string(token)});
}

Hash32 hmac(ByteView key, std::string_view data) {
    return crypto::hmac_sha256(key, as_bytes(data));
}

} // namespace

bool is_header_name(std::string_view name) noexcept {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || kMarks.find(c) != kMarks.npos;
    });
}

bool has_sound_percents(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '%' && !is_triplet(text, i))
            return false;
    return true;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    out.reserve(3 * text.size());
    for (const char c : text) {
        if (is_unreserved(c))
            out += c;
        else
            append_encoded(out, c);
    }
    return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && !is_triplet(text, i))
            return std::nullopt;
        if (text[i] == '%') {
            out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

Status check_sigv4_request(const net::HttpRequest& request, const Credentials& credentials,
                           const SigV4Options& options) {
    if (request.method.empty() || !request.path.starts_with('/') || request.authority.empty() ||
        !is_header_value(request.authority) || request.authority.find(' ') != std::string::npos)
        return fail(Code::InvalidField, "a request to be signed needs a method, a path and an authority");
    if (request.target != (request.has_query ? request.path + "?" + request.query : request.path) ||
        (!request.has_query && !request.query.empty()))
        return fail(Code::InvalidField, "the request's target is not its path and query");
    if (!has_sound_percents(request.path) || !has_sound_percents(request.query))
        return fail(Code::InvalidField, "a '%' in the target is not followed by two hexadecimal digits");
    for (const auto& [name, value] : request.headers) {
        if (!is_header_name(name) || !is_header_value(value))
            return fail(Code::InvalidField, "a header to be signed is not in lower case, or not one line");
        if (name == kDateHeader || name == kContentHeader || name == kTokenHeader || name == kAuthorization)
            return fail(Code::InvalidField, "the request is signed already");
    }
    if (!is_scope_part(credentials.access_key_id) || credentials.secret_access_key.empty() ||
        !is_header_value(credentials.session_token.text(SecretAccess("check a token before it is sent"))))
        return fail(Code::InvalidField, "the AWS credentials are not well formed");
    if (!is_scope_part(options.region) || !is_scope_part(options.service))
        return fail(Code::InvalidField, "a signature needs a region and a service");
    return {};
}

std::string sigv4_signable_headers(const net::HttpRequest& request) {
    std::vector<std::string_view> names{kHost};
    for (const auto& header : request.headers)
        if (std::find(kNeverSigned.begin(), kNeverSigned.end(), header.name) == kNeverSigned.end())
            names.push_back(header.name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string out;
    for (const std::string_view name : names)
        out.append(out.empty() ? "" : ";").append(name);
    return out;
}

std::vector<std::string_view> split_text(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (;;) {
        const auto end = text.find(separator);
        out.push_back(text.substr(0, end));
        if (end == text.npos)
            return out;
        text.remove_prefix(end + 1);
    }
}

std::string sigv4_scope(std::string_view date, std::string_view region, std::string_view service) {
    std::string out;
    out.append(date).append("/").append(region).append("/").append(service).append("/");
    return out.append(kSigV4Terminator);
}

std::string sigv4_string_to_sign(std::string_view amz_date, std::string_view scope,
                                 std::string_view canonical_request) {
    std::string out;
    out.append(kSigV4Algorithm).append("\n").append(amz_date).append("\n").append(scope).append("\n");
    return out.append(to_hex(crypto::sha256(as_bytes(canonical_request))));
}

Hash32 sigv4_signature(const Secret& secret_access_key, std::string_view date, std::string_view region,
                       std::string_view service, std::string_view string_to_sign) {
    constexpr std::string_view kPrefix = "AWS4";
    const ByteView secret = secret_access_key.view(SecretAccess("derive the key of an AWS signature"));
    Secret first(kPrefix.size() + secret.size());
    const auto first_bytes = first.mutable_view(SecretAccess("prefix the secret as SigV4 says"));
    std::copy(kPrefix.begin(), kPrefix.end(), first_bytes.begin());
    std::copy(secret.begin(), secret.end(), first_bytes.begin() + kPrefix.size());

    Hash32 key = hmac(first_bytes, date);
    for (const std::string_view part : {region, service, kSigV4Terminator}) {
        Hash32 next = hmac(key, part);
        key = next;
        wipe(next);
    }
    const Hash32 signature = hmac(key, string_to_sign);
    wipe(key);
    return signature;
}

std::string sigv4_canonical_request(const net::HttpRequest& request, const std::string& signed_headers,
                                    const SigV4Options& options, const std::string& payload_hash) {
    return sigv4_canonical_request(request, request.query, signed_headers, options, payload_hash);
}

std::string sigv4_canonical_request(const net::HttpRequest& request, std::string_view query,
                                    const std::string& signed_headers, const SigV4Options& options,
                                    const std::string& payload_hash) {
    std::string out;
    out.reserve(canonical_size(request, signed_headers));
    out.append(request.method).append("\n");
    append_path(out, request.path, options.normalise_path);
    out += '\n';
    append_query(out, query);
    out += '\n';
    for (std::size_t at = 0; at < signed_headers.size();) {
        const auto end = std::min(signed_headers.find(';', at), signed_headers.size());
        append_header(out, request, std::string_view(signed_headers).substr(at, end - at));
        at = end + 1;
    }
    out.append("\n").append(signed_headers).append("\n").append(payload_hash);
    return out;
}

Status sign_sigv4(net::HttpRequest& request, const Credentials& credentials, const SigV4Options& options,
                  UnixMs now) {
    REDOUBT_CHECK(check_sigv4_request(request, credentials, options));
    const std::string amz_date = to_amz_date(now);
    const std::string_view date = std::string_view(amz_date).substr(0, 8);
    const std::string payload_hash = to_hex(crypto::sha256(request.body));
    const bool has_token = !credentials.session_token.empty();

    request.headers.push_back({std::string(kDateHeader), amz_date});
    if (options.sign_body_header)
        request.headers.push_back({std::string(kContentHeader), payload_hash});
    if (has_token && !options.omit_session_token)
        add_token(request, credentials);

    const std::string signed_headers = sigv4_signable_headers(request);
    std::string canonical = sigv4_canonical_request(request, signed_headers, options, payload_hash);
    const std::string scope = sigv4_scope(date, options.region, options.service);
    const std::string to_sign = sigv4_string_to_sign(amz_date, scope, canonical);
    wipe(canonical);
    const Hash32 signature =
        sigv4_signature(credentials.secret_access_key, date, options.region, options.service, to_sign);

    std::string value(kSigV4Algorithm);
    value.append(" Credential=").append(credentials.access_key_id).append("/").append(scope);
    value.append(", SignedHeaders=").append(signed_headers);
    value.append(", Signature=").append(to_hex(signature));
    request.headers.push_back({std::string(kAuthorization), std::move(value)});
    if (has_token && options.omit_session_token)
        add_token(request, credentials);
    return {};
}

} // namespace redoubt::aws
