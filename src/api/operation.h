// SPDX-License-Identifier: Apache-2.0
// From a request's bytes to a typed operation. The enclave alone decides by this; a field that this version
// does not know is refused. The HTTP surface is docs/api.md.
#pragma once

#include "base/json.h"
#include "ethereum/transaction_json.h"

#include <string>
#include <variant>

namespace redoubt::api {

inline constexpr std::size_t kMaxNonce = 512; // bytes; what an attestation document can carry

struct CreateKey { // POST /v1/keys
    bool exportable = false;
    Bytes nonce; // for the attested statement; may be empty
};
struct DescribeKey { // GET /v1/keys/{id}[?nonce=HEX]
    std::string_view key_id;
    std::optional<Bytes> nonce; // present: an attested statement is wanted
};
struct SignTransaction { // POST /v1/keys/{id}/sign-transaction
    std::string_view key_id;
    ethereum::ParsedTransaction transaction;
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

using Operation = std::variant<CreateKey, DescribeKey, SignTransaction, Attest, ReferenceSignTransaction,
                               ReferenceSignHash, ReferenceGenerateKey>;

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
