// SPDX-License-Identifier: Apache-2.0
#include "devcloud/jwt.h"

#include <algorithm>
#include <memory>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

namespace redoubt::devcloud {

namespace {

template<class T, void (*Free)(T*)>
struct Freed {
    void operator()(T* object) const noexcept { Free(object); }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM, OSSL_PARAM_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BIGNUM, BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG, ECDSA_SIG_free>>;

constexpr std::size_t kP256Bytes = 32;
constexpr std::size_t kMostKeys = 16;

// RFC 7515, appendix C: base64url without padding; one text form for each byte string.
std::optional<Bytes> from_base64url(std::string_view text) {
    std::string plain;
    for (const char c : text) {
        if (c == '+' || c == '/' || c == '=')
            return std::nullopt;
        plain.push_back(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    plain.append((4 - plain.size() % 4) % 4, '=');
    return from_base64(plain);
}

Number number_of(ByteView bytes) {
    return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

Pkey make_key(const char* type, const Builder& builder) {
    const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
    const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
        return nullptr;
    return Pkey(key);
}

// nullptr: OpenSSL refuses it (a point that is not on the curve, say).
Pkey public_key(const Jwk& jwk) {
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!builder)
        return nullptr;
    if (jwk.algorithm == Jwk::Algorithm::Rs256) {
        const auto n = number_of(jwk.n), e = number_of(jwk.e);
        if (!n || !e || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
            OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
            return nullptr;
        return make_key("RSA", builder);
    }
    Bytes point = {0x04};
    append(point, jwk.x);
    append(point, jwk.y);
    if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1)
        return nullptr;
    return make_key("EC", builder);
}

// RFC 7518, section 3.4: r and s of 32 bytes each; OpenSSL takes DER.
std::optional<Bytes> der_signature(ByteView signature) {
    if (signature.size() != 2 * kP256Bytes)
        return std::nullopt;
    const Signature parts(ECDSA_SIG_new());
    auto r = number_of(signature.first(kP256Bytes)), s = number_of(signature.subspan(kP256Bytes));
    if (!parts || !r || !s || ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1)
        return std::nullopt;
    (void)r.release(); // theirs now
    (void)s.release();
    std::uint8_t* der = nullptr;
    const int size = i2d_ECDSA_SIG(parts.get(), &der);
    if (size <= 0)
        return std::nullopt;
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

bool signature_is_good(const Jwt& token, const Jwk& jwk) {
    const auto key = public_key(jwk);
    std::optional<Bytes> signature = token.signature;
    if (jwk.algorithm == Jwk::Algorithm::Es256)
        signature = der_signature(token.signature);
    const MdContext context(EVP_MD_CTX_new());
    const auto text = as_bytes(token.signed_part);
    return key && signature && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature->data(), signature->size(), text.data(), text.size()) ==
               1;
}

std::unexpected<Error> bad_jwks(std::string_view why) {
    return fail(Code::InvalidField, "the JWKS is wrong", "jwks: " + std::string(why));
}

std::optional<Bytes> member_bytes(const json::Value& key, std::string_view name) {
    const auto value = key.get(name);
    if (!value || !value->is_string())
        return std::nullopt;
    return from_base64url(value->text());
}

Result<Jwk> parse_jwk(const json::Value& key) {
    const auto kty = key.get("kty");
    if (!key.is_object() || !kty || !kty->is_string())
        return bad_jwks("a key has no kty");
    if (key.get("d") || key.get("k"))
        return bad_jwks("a key has a private part; give the public one alone");
    Jwk out{};
    if (const auto kid = key.get("kid")) {
        if (!kid->is_string() || kid->text().size() > 255)
            return bad_jwks("a kid is no string of at most 255 bytes");
        out.kid = kid->text();
    }
    if (kty->text() == "RSA") {
        const auto n = member_bytes(key, "n"), e = member_bytes(key, "e");
        if (!n || !e || n->size() < 256 || n->size() > 1024 || n->front() == 0 || e->empty() || e->size() > 8)
            return bad_jwks("an RSA key needs n of 2048 to 8192 bits and e, in base64url");
        out.algorithm = Jwk::Algorithm::Rs256;
        out.n = *n;
        out.e = *e;
    } else if (kty->text() == "EC") {
        const auto curve = key.get("crv");
        const auto x = member_bytes(key, "x"), y = member_bytes(key, "y");
        if (!curve || curve->text() != "P-256" || !x || !y || x->size() != kP256Bytes ||
            y->size() != kP256Bytes)
            return bad_jwks("an EC key needs crv P-256 and x and y of 32 bytes, in base64url");
        out.algorithm = Jwk::Algorithm::Es256;
        out.x = *x;
        out.y = *y;
    } else {
        return bad_jwks("a key is neither RSA nor EC");
    }
    if (const auto alg = key.get("alg");
        alg && alg->text() != (out.algorithm == Jwk::Algorithm::Rs256 ? "RS256" : "ES256"))
        return bad_jwks("a key's alg is neither RS256 nor ES256, or not its kind's");
    if (!public_key(out))
        return bad_jwks("a key is no valid public key");
    return out;
}

// False: a claim is there and is not of its type.
bool read_claims(const json::Value& payload, JwtClaims& out) {
    const auto text = [&](std::string_view name, std::string& into) {
        const auto value = payload.get(name);
        if (value && value->is_string())
            into = value->text();
        return !value || value->is_string();
    };
    const auto number = [&](std::string_view name, std::uint64_t& into) {
        const auto value = payload.get(name);
        if (value && value->u64())
            into = *value->u64();
        return !value || (value->is_number() && value->u64());
    };
    if (!text("iss", out.issuer) || !text("sub", out.subject) || !text("azp", out.authorised_party) ||
        !number("exp", out.expires) || !number("nbf", out.not_before) || !number("iat", out.issued))
        return false;
    if (const auto aud = payload.get("aud")) {
        if (aud->is_string()) {
            out.audiences.emplace_back(aud->text());
        } else {
            if (!aud->is_array())
                return false;
            for (const auto element : *aud) {
                if (!element.is_string())
                    return false;
                out.audiences.emplace_back(element.text());
            }
        }
    }
    out.complete = !out.issuer.empty() && !out.subject.empty() && !out.audiences.empty() &&
                   payload.get("exp") && payload.get("iat");
    return true;
}

} // namespace

Result<std::vector<Jwk>> parse_jwks(const json::Value& jwks) {
    const auto keys = jwks.get("keys");
    if (!keys || !keys->is_array() || keys->size() < 1 || keys->size() > kMostKeys)
        return bad_jwks("it needs keys, an array of 1 to 16");
    std::vector<Jwk> out;
    for (const auto key : *keys) {
        REDOUBT_TRY(auto parsed, parse_jwk(key));
        out.push_back(std::move(parsed));
    }
    return out;
}

std::optional<Jwt> parse_jwt(std::string_view text) {
    const auto first = text.find('.');
    const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
    if (text.size() > kMaxJwt || second == std::string_view::npos)
        return std::nullopt;
    const auto header_bytes = from_base64url(text.substr(0, first));
    const auto payload_bytes = from_base64url(text.substr(first + 1, second - first - 1));
    const auto signature = from_base64url(text.substr(second + 1)); // refuses a third point
    if (!header_bytes || !payload_bytes || !signature || signature->empty())
        return std::nullopt;

    json::Document document;
    Jwt token{};
    {
        const auto header = document.parse(as_text(*header_bytes));
        const auto alg = header && header->is_object() ? header->get("alg") : std::nullopt;
        if (!alg || header->get("crit"))
            return std::nullopt;
        if (alg->text() == "RS256")
            token.algorithm = Jwk::Algorithm::Rs256;
        else if (alg->text() == "ES256")
            token.algorithm = Jwk::Algorithm::Es256;
        else
            return std::nullopt;
        if (const auto kid = header->get("kid")) {
            if (!kid->is_string())
                return std::nullopt;
            token.kid = kid->text();
        }
    }
    const auto payload = document.parse(as_text(*payload_bytes));
    if (!payload || !payload->is_object() || !read_claims(*payload, token.claims))
        return std::nullopt;
    token.signed_part = text.substr(0, second);
    token.signature = *signature;
    return token;
}

JwtVerdict verify_jwt(const Jwt& token, const std::vector<Jwk>& keys) {
    auto verdict = JwtVerdict::NoKey;
    for (const auto& key : keys) {
        if (key.algorithm != token.algorithm || (!token.kid.empty() && key.kid != token.kid))
            continue;
        if (signature_is_good(token, key))
            return JwtVerdict::Good;
        verdict = JwtVerdict::BadSignature;
    }
    return verdict;
}

} // namespace redoubt::devcloud
