// SPDX-License-Identifier: Apache-2.0
// Policies to start from: `redoubt policy init`.
#pragma once

#include "base/json.h"
#include "policy/document.h"

namespace redoubt::cli {

inline constexpr std::string_view kPolicyTemplates = "payments, payouts, batcher";

struct PolicyStart {
    std::string kind;                            // one of kPolicyTemplates
    std::vector<std::string> principals, owners; // ID:FILE, a PEM file with a public or a private key
    std::uint32_t threshold = 1;
    std::uint64_t chain_id = 1;
    std::vector<std::string> to;  // who may be paid; batcher: the inbox
    std::string token;            // payouts: the ERC-20 contract
    std::string most, most_a_day; // in wei, or the token's smallest unit
    std::string most_fee;         // wei of one unit of gas
};
// Pretty JSON that parse_document takes. Errors: Usage, Io, KeyInvalid, InvalidField.
Result<std::string> start_policy(const PolicyStart& start);

// One member a line, lists of plain values on one line.
std::string pretty_json(const json::Value& value);

} // namespace redoubt::cli
