// SPDX-License-Identifier: Apache-2.0
// What owners, whom the manifest names, allow by their signatures: making a vault, moving keys from one vault
// to another, and the first policy of keys. A document names exactly what it allows, under which manifest and
// until when; showing it again allows the same once more, and nothing else. docs/formats/authorization.md.
//
//   {"manifest":"<SHA-384 hex>","not_after":<ms>,"operation":"vault-create","epoch":0,
//    "redoubt_authorization":1,"vault_id":"vault-…"}
//   {…,"operation":"vault-move","from":"vault-…","to":"vault-…"}
//   {…,"operation":"key-policy","policy_digest":"<64 hex>"}
//   {…,"operation":"policy-change","key_id":"key-…","from_policy":"<64 hex>","to_policy":"<64 hex>"}
//
// The last is not the manifest's owners' but those of the key's policy, as many as that says.
//
// in canonical form (json::canonical). A signature is over "redoubt authorization v1\n" ‖ the document's
// bytes: Ed25519 (RFC 8032, 64 bytes), or ECDSA P-256 with SHA-256 as r ‖ s (64 bytes, IEEE P1363).
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "trust/manifest.h"

namespace redoubt::trust {

inline constexpr std::string_view kAuthorizationContext = "redoubt authorization v1\n";
inline constexpr std::size_t kMaxAuthorization = 4096; // bytes of a document
inline constexpr std::size_t kMaxOwnerSignatures = 16;

struct Authorization {
    std::string operation;     // "vault-create", "vault-move", "key-policy", "policy-change"
    crypto::Hash48 manifest{}; // the digest of the manifest under which it holds
    UnixMs not_after = 0;
    std::string vault_id;               // vault-create
    std::uint64_t epoch = 0;            // vault-create
    std::string from, to;               // vault-move: vault ids
    std::string policy_digest;          // key-policy: 64 hex digits
    std::string key_id;                 // policy-change
    std::string from_policy, to_policy; // policy-change: digests, 64 hex digits
    bool operator==(const Authorization&) const = default;
};

struct OwnerSignature {
    std::string owner; // ManifestOwner::id
    ByteArray<64> signature{};
};

struct SignedAuthorization {
    std::string document;
    std::vector<OwnerSignature> signatures; // 1 … kMaxOwnerSignatures
};

std::string encode_authorization(const Authorization& authorization); // canonical JSON
// Error: Unauthorized (no such document: not canonical, unknown or missing members, ranges).
Result<Authorization> parse_authorization(std::string_view document);

// Is it signed by an owner of the manifest, for this manifest, and still valid? Every signature must be an
// owner's, no owner twice, and each must verify. Errors: Unauthorized, Forbidden (past not_after, another
// manifest's).
Result<Authorization> check_authorization(const Manifest& manifest,
                                          const SignedAuthorization& signed_document, UnixMs now);

// The same for a change of a key's policy: by at least `threshold` of the policy's `owners`.
Result<Authorization> check_authorization(const Manifest& manifest,
                                          const SignedAuthorization& signed_document, UnixMs now,
                                          const std::vector<ManifestOwner>& owners, std::size_t threshold);

// {"document":"…","signatures":[{"owner":"…","signature":"<128 hex>"}]}: a file of the command line, and the
// member "authorization" of requests. Error: Unauthorized.
Result<SignedAuthorization> parse_signed_authorization(const json::Value& value);
std::string encode_signed_authorization(const SignedAuthorization& signed_document);

} // namespace redoubt::trust
