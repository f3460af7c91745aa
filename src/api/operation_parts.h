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
// Absent: false.
Result<bool> optional_bool(const json::Value& body, std::string_view name, FixedText invalid);
Result<Bytes> optional_nonce(const json::Value& body); // absent: empty

// POST /v1/keys/{id}/{action}
Result<Operation> key_action(const Request& request, std::string_view key_id, std::string_view action,
                             json::Document& scratch);

} // namespace redoubt::api
