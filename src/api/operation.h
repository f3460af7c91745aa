// SPDX-License-Identifier: Apache-2.0
// From a request's bytes to a typed operation. The enclave alone decides by this; a field that this version
// does not know is refused. The HTTP surface is docs/api.md.
#pragma once

#include "base/json.h"
#include "crypto/bip32.h"
#include "ethereum/abi.h"
#include "ethereum/message.h"
#include "ethereum/transaction_json.h"
#include "ethereum/typed_data.h"
#include "policy/document.h"
#include "sealed/key_record.h"
#include "trust/authorization.h"

#include <string>
#include <variant>

namespace redoubt::api {

inline constexpr std::size_t kMaxNonce = 512; // bytes; what an attestation document can carry

// What a new key shall be.
struct NewKey {
    std::string_view client_token; // the key's id comes of it, so that a repeat makes no second key; or empty
    std::string_view vault_id;     // empty: the newest vault that is open
    bool hd = false;               // a BIP-32 seed instead of one key
    bool exportable = false;
    bool raw_signing = false; // may sign bytes and digests as they are: a grant of the whole account
    std::optional<policy::Document> policy; // nothing: the open policy
    std::string label;
    std::vector<sealed::Tag> tags;                           // in the order of their names
    std::optional<trust::SignedAuthorization> authorization; // where the manifest names owners
    Bytes nonce; // for the attested statement; empty: none is wanted
};
struct CreateKey { // POST /v1/keys
    NewKey key;
};
struct DescribeKey { // GET /v1/keys/{id}[?nonce=HEX]
    std::string_view key_id;
    std::optional<Bytes> nonce; // present: an attested statement is wanted
};
inline constexpr std::size_t kMaxImportCiphertext = 64 + 16; // a seed, and the tag
struct OfferImport {                                         // GET /v1/import?nonce=HEX[&vault_id=VAULT]
    Bytes nonce;
    std::string_view vault_id; // empty: the newest that is open
};
struct ImportKey { // POST /v1/keys/import: a secret sealed by HPKE to the key that OfferImport named
    NewKey key;    // with the offer's vault_id, and a client_token
    ByteArray<32> encapsulated{};
    Bytes ciphertext;
};
struct AdoptKey { // POST /v1/keys/adopt: a reference key, moved into a vault
    std::string_view secret_id;
    NewKey key; // neither hd, exportable, raw_signing nor policy: those are what the manifest says
};
// Takes effect within this enclave at once, and in the store before it is answered.
struct ChangeKey {
    std::string_view key_id;
    enum class What {
        Describe,         // POST …/update: label, tags
        Enable,           // POST …/enable
        Disable,          // POST …/disable
        ScheduleDeletion, // POST …/schedule-deletion: wait_seconds
        CancelDeletion,   // POST …/cancel-deletion; the key is disabled then
    } what;
    std::optional<std::string> label;
    std::optional<std::vector<sealed::Tag>> tags; // the key's tags from now on: all of them
    std::optional<std::uint32_t> wait_seconds;
    std::optional<std::uint32_t> revision; // only if this is the key's
    Bytes nonce;
};
inline constexpr std::uint32_t kMaxDeletionWait = 365 * 86'400; // seconds
struct MoveKey { // POST /v1/keys/{id}/move: sealed again, in another vault
    std::string_view key_id, vault_id;
    std::optional<trust::SignedAuthorization> authorization;
    Bytes nonce;
};
struct ExportKey { // POST /v1/keys/{id}/export: sealed by HPKE to a recipient of the key's policy
    std::string_view key_id, recipient;
    Bytes nonce; // never empty: what is exported is attested
};
struct CreateVault {                    // POST /v1/vaults
    std::string_view client_token;      // the vault's id comes of it
    std::optional<std::uint64_t> epoch; // nothing: the manifest's min_epoch
    std::optional<trust::SignedAuthorization> authorization;
    Bytes nonce;
};
struct GiveChallenge {}; // GET /v1/challenge: a nonce of the enclave's, for a request that it takes once
struct OfferSession {    // GET /v1/keys/{id}/session?nonce=HEX
    std::string_view key_id;
    Bytes nonce;
};
struct OpenSession { // POST /v1/keys/{id}/session: an HMAC key, sealed by HPKE to the offer's
    std::string_view key_id;
    std::string_view principal; // an id of the key's policy
    UnixMs expires = 0;
    ByteArray<32> encapsulated{};
    Bytes ciphertext;
};
struct ShowPolicy { // GET /v1/keys/{id}/policy
    std::string_view key_id;
};
struct ChangePolicy { // POST /v1/keys/{id}/policy: a new version, signed by the present one's owners
    std::string_view key_id;
    policy::Document policy;
    trust::SignedAuthorization authorization;
    Bytes nonce;
};
struct PutPolicy { // POST /v1/policies: a document for reference keys, which the manifest binds by digest
    policy::Document policy;
};
// The key of a signature: a key, or below an HD key's seed the one at `path`.
struct Signer {
    std::string_view key_id;
    std::optional<crypto::HdPath> path;
};
struct SignTransaction { // POST /v1/keys/{id}/sign-transaction
    Signer signer;
    ethereum::ParsedTransaction transaction;
    std::vector<ethereum::abi::Function> functions; // to decode the calldata with, for the reply
};
struct SignMessage { // POST /v1/keys/{id}/sign-message
    Signer signer;
    Bytes message;
    std::optional<ethereum::Address> validator; // EIP-191 version 0x00; without it 0x45, personal_sign
};
struct SignTypedData { // POST /v1/keys/{id}/sign-typed-data
    Signer signer;
    ethereum::TypedDataDigest typed_data;
    std::optional<json::Value> document; // what the digest is of: views `scratch`; always there once parsed
};
struct SignAuthorization { // POST /v1/keys/{id}/sign-authorization
    Signer signer;
    ethereum::Authorization authorization;
};
struct SignHash { // POST /v1/keys/{id}/sign-hash, with the raw signing grant
    Signer signer;
    Hash32 hash;
};
struct SignData { // POST /v1/keys/{id}/sign-data: keccak256 of bytes, with the raw signing grant
    Signer signer;
    Bytes data;
};
inline constexpr std::uint32_t kMaxDerived = 1000; // addresses a request
struct DeriveAddresses {                           // POST /v1/keys/{id}/derive
    std::string_view key_id;
    std::vector<crypto::HdPath> paths; // 1 … kMaxDerived
    Bytes nonce;
};
struct Attest { // GET /v1/attestation?nonce=HEX
    Bytes nonce;
};
// The key of TLS connections that end in the enclave (docs/tls-in-the-enclave.md).
struct AttestTls { // GET /v1/attestation/tls?nonce=HEX
    Bytes nonce;
};
struct MakeTlsRequest {}; // GET /v1/tls/csr: a PKCS #10 request for a certificate of that key
inline constexpr std::size_t kMaxTlsChain = 32 * 1024; // bytes of PEM
struct InstallTlsCertificate {                         // POST /v1/tls/certificate
    std::string_view chain;                            // PEM, the key's certificate first
};
// The AWS sample's surface; secret_id names the ciphertext in Secrets Manager.
struct ReferenceSignTransaction { // POST /, /sign_transaction, and any path that is not ours
    std::string_view secret_id;
    ethereum::ParsedTransaction transaction;
};
struct ReferenceSignHash { // POST /sign_hash
    std::string_view secret_id;
    Hash32 hash;
};
struct ReferenceGenerateKey { // POST /generate_key
    std::string_view kms_key_id;
};

using Operation =
    std::variant<CreateKey, OfferImport, ImportKey, AdoptKey, ChangeKey, MoveKey, ExportKey, CreateVault,
                 GiveChallenge, OfferSession, OpenSession, ShowPolicy, ChangePolicy, PutPolicy, DescribeKey,
                 SignTransaction, SignMessage, SignTypedData, SignAuthorization, SignHash, SignData,
                 DeriveAddresses, Attest, AttestTls, MakeTlsRequest, InstallTlsCertificate,
                 ReferenceSignTransaction, ReferenceSignHash, ReferenceGenerateKey>;

struct Request {
    std::string_view method, path, query;
    bool has_query = false;
    std::string_view content_type; // empty: none
    std::string_view body;
};

// The sample's first generation answered a POST without its fields on any path with 404 and this text.
inline constexpr std::string_view kLegacyMissing = "transaction_payload or encrypted_key are missing";
bool is_legacy_path(std::string_view path) noexcept; // a path that only that generation used

// Views point into the request and `scratch`, which holds the parsed body. Errors: NotFound,
// MethodNotAllowed, UnsupportedMedia, and all of bad input's codes.
Result<Operation> parse_operation(const Request& request, json::Document& scratch);

} // namespace redoubt::api
