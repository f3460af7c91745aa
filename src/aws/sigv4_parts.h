// SPDX-License-Identifier: Apache-2.0
// What signing and verification share besides the canonical request (aws/sigv4.h).
#pragma once

#include "aws/sigv4.h"

namespace redoubt::aws {

inline constexpr std::string_view kSigV4Algorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kSigV4Terminator = "aws4_request";

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
