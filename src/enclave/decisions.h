// SPDX-License-Identifier: Apache-2.0
// What a policy said to a request, before it is acted on; internal to the enclave's operations.
#pragma once

#include "enclave/asked.h"
#include "policy/evaluator.h"

namespace redoubt::enclave {

struct Enclave::Judged {
    const policy::Document* document = nullptr; // nullptr: the open policy
    std::shared_ptr<const Session> session;     // what asker.key points into, if it is a session's
    policy::Asker asker;
    policy::Verdict verdict; // of a document that is not open
    // The name of the rule that decides, or empty.
    std::string_view rule(std::size_t candidate = 0) const noexcept;
};

// The rule of keys without a policy of their own, and of the documents that say the same.
inline constexpr std::string_view kOpenRule = "open";

} // namespace redoubt::enclave
