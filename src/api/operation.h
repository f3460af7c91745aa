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

#include <string>
#include <variant>

namespace redoubt::api {

inline constexpr std::size_t kMaxNonce = 512; // bytes; what an attestation document can carry

struct CreateKey {   // POST /v1/keys
    bool hd = false; // a BIP-32 seed instead of one key
    bool exportable = false;
    bool raw_signing = false; // may sign bytes and digests as they are: a grant of the whole account
    Bytes nonce;              // for the attested statement; empty: none is wanted
};
struct DescribeKey { // GET /v1/keys/{id}[?nonce=HEX]
    std::string_view key_id;
    std::optional<Bytes> nonce; // present: an attested statement is wanted
};
inline constexpr std::size_t kMaxImportCiphertext = 64 + 16; // a seed, and the tag
struct OfferImport {                                         // GET /v1/import?nonce=HEX
    Bytes nonce;
};
struct ImportKey { // POST /v1/keys/import: a secret sealed by HPKE to the key that OfferImport named
    std::string_view vault_id; // the offer's
    bool hd = false, exportable = false, raw_signing = false;
    Bytes nonce;
    ByteArray<32> encapsulated{};
    Bytes ciphertext;
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

using Operation = std::variant<CreateKey, OfferImport, ImportKey, DescribeKey, SignTransaction, SignMessage,
                               SignTypedData, SignAuthorization, SignHash, SignData, DeriveAddresses, Attest,
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
