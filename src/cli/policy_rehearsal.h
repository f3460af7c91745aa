// SPDX-License-Identifier: Apache-2.0
// Requests that a policy is tried out with, without an enclave: parsed, decided and counted by the same code
// that the enclave runs.
#pragma once

#include "base/json.h"
#include "policy/usage.h"

namespace redoubt::cli {

struct RehearsedRequest {
    std::string name, as, operation;
    UnixMs at = 0;
    bool allowed = false;
    std::string decided_by;           // the rule that allowed or denied it; empty: none did
    std::vector<std::string> because; // what people should know of the decision, one line each
    bool expected_allow = false;
    std::string expected_rule; // empty: any
    bool as_expected() const noexcept {
        return allowed == expected_allow && (expected_rule.empty() || expected_rule == decided_by);
    }
};

// {"hd": true?, "requests": [{"name", "as"?, "at"?, "path_and_body": {"operation", "body"}, "expect",
// "rule"?}]}
//  hd: the key is an HD key, which signs at m/44'/60'/0'/0/0 where a request names no path
//  as: an id of the policy's principals, or "host:NAME"; absent: nobody says who asks
//  at: "2026-01-31T12:00:00Z", or ms since 1970; absent: the time of the request before, for the first now
//  path_and_body: the operation's name and the body of POST /v1/keys/{id}/{operation}
//  expect: "allow" or "deny"; rule: the name of the rule that decides
// Limits are counted through the file, in its order. Error: Usage, or what is wrong with a request: one that
// the enclave would not take under any policy tells nothing about this one.
Result<std::vector<RehearsedRequest>> rehearse(const policy::Document& policy, const json::Value& file);

} // namespace redoubt::cli
