// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens as STS takes them from an OpenID Connect provider (RFC 7515, 7517, 7519): RS256 and ES256
// alone, compact form. A token without a signature ("alg":"none"), with a symmetric one, with "crit" or an
// embedded key is refused.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace redoubt::devcloud {

struct Jwk {
    std::string kid; // empty: none
    enum class Algorithm { Rs256, Es256 } algorithm;
    Bytes n, e; // RSA: 2048 to 8192 bits; public exponent
    Bytes x, y; // P-256: 32 bytes each
};

// {"keys": [...]}, 1 to 16 keys, each RSA or EC on P-256; other members are ignored, but a private key ("d")
// or a symmetric one is refused. Error: InvalidField (the context says why).
Result<std::vector<Jwk>> parse_jwks(const json::Value& jwks);

struct JwtClaims {
    std::string issuer, subject;
    std::vector<std::string> audiences;
    std::string authorised_party; // azp; may be empty
    std::uint64_t expires = 0;    // seconds since 1970
    std::uint64_t not_before = 0, issued = 0;
    bool complete = false; // iss, sub, aud, exp and iat are all there
};

struct Jwt {
    std::string signed_part; // header.payload
    Bytes signature;
    Jwk::Algorithm algorithm;
    std::string kid; // empty: none
    JwtClaims claims;
};

inline constexpr std::size_t kMaxJwt = 20'000; // STS service model, WebIdentityToken

// Only the form is checked, nothing is authenticated yet. nullopt: no such token.
std::optional<Jwt> parse_jwt(std::string_view text);

enum class JwtVerdict { Good, NoKey, BadSignature };
JwtVerdict verify_jwt(const Jwt& token, const std::vector<Jwk>& keys);

} // namespace redoubt::devcloud
