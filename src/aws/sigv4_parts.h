// SPDX-License-Identifier: Apache-2.0
// What signing and verification share besides the canonical request (aws/sigv4.h).
#pragma once

#include "aws/sigv4.h"

#include <array>
#include <optional>
#include <vector>

namespace redoubt::aws {

inline constexpr std::string_view kSigV4Algorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kSigV4Terminator = "aws4_request";
inline constexpr std::int64_t kSigV4LongestExpiry = 604'800; // seconds

// The parameters of a presigned request, as they are named in its query.
namespace sigv4_query {
inline constexpr std::string_view kAlgorithm = "X-Amz-Algorithm";
inline constexpr std::string_view kCredential = "X-Amz-Credential";
inline constexpr std::string_view kDate = "X-Amz-Date";
inline constexpr std::string_view kSignedHeaders = "X-Amz-SignedHeaders";
inline constexpr std::string_view kExpires = "X-Amz-Expires";
inline constexpr std::string_view kToken = "X-Amz-Security-Token";
inline constexpr std::string_view kSignature = "X-Amz-Signature";
inline constexpr std::array<std::string_view, 7> kAll{kAlgorithm, kCredential, kDate,     kSignedHeaders,
                                                      kExpires,   kToken,      kSignature};
} // namespace sigv4_query

// What a request says of its own signature, wherever it says it.
struct SigV4Claim {
    std::string access_key_id, date, region, service, signed_headers;
    std::string amz_date;
    Secret token; // empty: none
    Hash32 signature{};
    std::optional<std::int64_t> expires; // seconds; presigned requests only
    std::string unsigned_query;          // the query without the signature
};
// Reads the scope ("ACCESS_KEY_ID/YYYYMMDD/REGION/SERVICE/aws4_request") and the signature into the claim.
std::expected<void, SigV4Failure> read_sigv4_scope(std::string_view credential, SigV4Claim& out);
std::expected<void, SigV4Failure> read_sigv4_signature(std::string_view hex, SigV4Claim& out);
bool is_sigv4_presigned(const net::HttpRequest& request) noexcept; // it has X-Amz-Algorithm in its query
std::expected<SigV4Claim, SigV4Failure> read_sigv4_query(const net::HttpRequest& request);

// The text between separators; an empty text is one empty part.
std::vector<std::string_view> split_text(std::string_view text, char separator);
// RFC 3986: everything but unreserved characters as %XX; and back (nullopt: a '%' without two digits).
std::string percent_encoded(std::string_view text);
std::optional<std::string> percent_decoded(std::string_view text);
// The names that sign_sigv4 signs, in order, joined by ';'.
std::string sigv4_signable_headers(const net::HttpRequest& request);
// What sign_sigv4 and presign_sigv4 ask of their arguments. Error: InvalidField.
Status check_sigv4_request(const net::HttpRequest& request, const Credentials& credentials,
                           const SigV4Options& options);

// "YYYYMMDD/region/service/aws4_request"
std::string sigv4_scope(std::string_view date, std::string_view region, std::string_view service);
std::string sigv4_string_to_sign(std::string_view amz_date, std::string_view scope,
                                 std::string_view canonical_request);
// The HMAC chain over date, region and service, then over the string to sign.
Hash32 sigv4_signature(const Secret& secret_access_key, std::string_view date, std::string_view region,
                       std::string_view service, std::string_view string_to_sign);

// A token of RFC 9110 section 5.6.2 without capitals, as header names are held.
bool is_header_name(std::string_view name) noexcept;
// Each '%' is followed by two hexadecimal digits.
bool has_sound_percents(std::string_view text) noexcept;

} // namespace redoubt::aws
