// SPDX-License-Identifier: Apache-2.0
// What a policy's rules are asked about a request: the facts of a typed operation.
#pragma once

#include "api/operation.h"
#include "policy/evaluator.h"

namespace redoubt::api {

// All but who asks and when, which the caller knows. Nothing for operations that no rule speaks of: those
// that name no vault key, and those that tell what everybody may know or change a policy itself. Views live
// as long as the operation and what it views.
std::optional<policy::Facts> facts_of(const Operation& operation);
// The same of one of Operation's alternatives, without a copy of it.
template<typename Asked>
std::optional<policy::Facts> facts_of(const Asked& operation);

// Does it give a signature (of a transaction, message, digest, …)? Derivation and export give none.
bool signs(policy::Operation operation) noexcept;

} // namespace redoubt::api
