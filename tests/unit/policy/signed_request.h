// SPDX-License-Identifier: Apache-2.0
// Requests that are signed as a client would: the signature base is put together here, by no code of
// policy/http_signature.h. The keys are the published ones of RFC 9421, appendix B.1.
#pragma once

#include "crypto/hash.h"
#include "crypto/owner_signature.h"
#include "policy/http_signature.h"

#include <map>
#include <sstream>

namespace redoubt::policy {

inline constexpr std::string_view kEd25519Pem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr std::string_view kP256Pem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUpuF81l+kOxbjf7T\n"
    "4mNSv0r5tN67Gim7rnf6EFpcYDuhRANCAASohVhlUsKs9kcYeM/XsJNbT/4P0t/D\n"
    "QSSOoXvEHgWK8DHOJzfS0wzgYX6FHoPGHvVnnRUYZ2V2SQNdkKdM2ehd\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr std::string_view kSharedSecret =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

inline PublicKey ed25519_key() {
    return {KeyAlgorithm::Ed25519, *from_base64("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")};
}
inline PublicKey p256_key() {
    return {KeyAlgorithm::EcdsaP256,
            *from_hex("04a885586552c2acf6471878cfd7b0935b4ffe0fd2dfc341248ea17bc41e058af031ce2737d2d30c"
                      "e0617e851e83c61ef5679d151867657649035d90a74cd9e85d")};
}
inline Secret shared_secret() {
    return Secret::copy_of(*from_base64(kSharedSecret));
}

enum class Signer { Ed25519, P256, Hmac };

inline constexpr std::int64_t kCreated = 1'800'000'000;
inline constexpr UnixMs kNow = kCreated * 1000 + 1'500;
inline constexpr std::string_view kBodyComponents =
    R"("@method" "@authority" "@path" "@query" "content-type" "content-digest")";
inline constexpr std::string_view kParameters =
    R"(;created=1800000000;expires=1800000060;nonce="order-4711";keyid="treasury";tag="redoubt")";

struct SignedRequest {
    std::string method = "POST", authority = "redoubt.example:8443";
    std::string path = "/v1/keys/key-00112233445566778899aabbccddeeff/sign-message", query;
    std::string content_type = "application/json", content_digest, body = R"({"text":"hello"})";
    std::string components{kBodyComponents}, parameters{kParameters}, label = "sig1";
    std::string signature_input, signature, base;

    SignedMessage message() const {
        return {.method = method,
                .authority = authority,
                .path = path,
                .query = query,
                .has_query = !query.empty(),
                .content_type = content_type,
                .content_digest = content_digest,
                .signature_input = signature_input,
                .signature = signature,
                .body = as_bytes(body)};
    }

    void set_digest() { content_digest = "sha-256=:" + to_base64(crypto::sha256(as_bytes(body))) + ":"; }

    // As RFC 9421, 2.5 puts it together.
    void sign(Signer signer = Signer::Ed25519) {
        if (content_digest.empty() && !body.empty())
            set_digest();
        const std::map<std::string, std::string> values = {
            {"@method", method},     {"@authority", authority},      {"@path", path},
            {"@query", "?" + query}, {"content-type", content_type}, {"content-digest", content_digest}};
        base.clear();
        std::istringstream list(components);
        for (std::string item; list >> item;) {
            const auto value = values.find(item.substr(1, item.find('"', 1) - 1));
            base += item + ": " + (value != values.end() ? value->second : "") + "\n";
        }
        base += "\"@signature-params\": (" + components + ")" + parameters;
        signature_input = label + "=(" + components + ")" + parameters;
        if (signer == Signer::Hmac) {
            const Secret key = shared_secret();
            const auto mac =
                crypto::hmac_sha256(key.view(SecretAccess("sign as a test's client")), as_bytes(base));
            signature = label + "=:" + to_base64(mac) + ":";
            return;
        }
        const auto pem = signer == Signer::Ed25519 ? kEd25519Pem : kP256Pem;
        const auto made = crypto::sign_with_pem(Secret::copy_of(as_bytes(pem)), as_bytes(base));
        signature = label + "=:" + to_base64(made->signature) + ":";
    }
};

inline bool verifies(const RequestSignature& signature, Signer signer) {
    switch (signer) {
    case Signer::Ed25519:
        return verify_signature(signature.input, ed25519_key(), signature.base);
    case Signer::P256:
        return verify_signature(signature.input, p256_key(), signature.base);
    case Signer::Hmac:
        return verify_hmac(signature.input, shared_secret(), signature.base);
    }
    return false;
}

} // namespace redoubt::policy
