// SPDX-License-Identifier: Apache-2.0
// What the routes' parsers share; internal to this floor.
#pragma once

#include "api/operation.h"

namespace redoubt::api {

Status need_json(std::string_view content_type, bool may_be_absent);
Status need_method(const Request& request, std::string_view method, FixedText text);
Status no_query(const Request& request);
Result<Bytes> parse_nonce(std::string_view text);
Result<json::Value> parse_body(const Request& request, json::Document& scratch);
// Its errors lose their place in the document: what leaves the enclave is a code and a fixed text.
Result<policy::Document> read_policy(const json::Value& policy);
// Absent: false.
Result<bool> optional_bool(const json::Value& body, std::string_view name, FixedText invalid);
Result<Bytes> optional_nonce(const json::Value& body); // absent: empty

// Absent: empty. Error: InvalidField.
Result<std::string_view> optional_text(const json::Value& body, std::string_view name, FixedText invalid);
Result<std::string> label_of(const json::Value& value);
Result<std::vector<sealed::Tag>> tags_of(const json::Value& value);
Result<std::optional<trust::SignedAuthorization>> authorization_of(const json::Value& body);

// POST /v1/keys, /v1/keys/import, /v1/keys/adopt, /v1/vaults
Result<Operation> create_key(const Request& request, json::Document& scratch);
Result<Operation> import_key(const Request& request, json::Document& scratch);
Result<Operation> adopt_key(const Request& request, json::Document& scratch);
Result<Operation> create_vault(const Request& request, json::Document& scratch);
// What is asked of policies and sessions: /v1/policies, /v1/keys/{id}/policy, /v1/keys/{id}/session
Result<Operation> put_policy(const Request& request, json::Document& scratch);
Result<Operation> key_policy(const Request& request, std::string_view key_id, json::Document& scratch);
Result<Operation> key_session(const Request& request, std::string_view key_id, json::Document& scratch);
Status no_body(const Request& request);
Result<std::optional<Bytes>> nonce_query(const Request& request); // "nonce=HEX" and nothing else

// /v1/attestation/tls, /v1/tls/csr, /v1/tls/certificate
Result<Operation> tls_route(const Request& request, json::Document& scratch);

// POST /v1/keys/{id}/{action}, where it changes or exports the key.
bool is_lifecycle_action(std::string_view action) noexcept;
Result<Operation> lifecycle_action(std::string_view action, const std::optional<json::Value>& body,
                                   std::string_view key_id);

// POST /v1/keys/{id}/{action}
Result<Operation> key_action(const Request& request, std::string_view key_id, std::string_view action,
                             json::Document& scratch);

} // namespace redoubt::api
