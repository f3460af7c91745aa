// SPDX-License-Identifier: Apache-2.0
// EIP-7702 authorizations: the signer's account takes over the code of an address, with all its rights, until
// it signs another. One for chain id 0 holds on every chain.
#pragma once

#include "base/json.h"
#include "ethereum/address.h"
#include "ethereum/uint256.h"

namespace redoubt::ethereum {

struct Authorization {
    Uint256 chain_id;        // 0: any chain
    Address address{};       // whose code; zero clears it
    std::uint64_t nonce = 0; // < 2^64 − 1
    bool operator==(const Authorization&) const = default;
};

struct SignedAuthorization {
    Authorization authorization;
    crypto::Signature signature; // low s
    bool operator==(const SignedAuthorization&) const = default;
};

// keccak256(0x05 ‖ rlp([chain_id, address, nonce])). Error of validate(): BadTransaction.
Hash32 authorization_digest(const Authorization& authorization);
Status validate(const Authorization& authorization);

// {chainId, address, nonce}: an authorization to be signed. Chain id 0 is refused unless `any_chain`: the
// caller has read elsewhere that the client means it. Errors as for transactions.
Result<Authorization> authorization_from_json(const json::Value& object, bool any_chain);
// {chainId, address, nonce, yParity, r, s} of a transaction's authorizationList (JSON-RPC). ethers' nested
// `signature` ({yParity, r, s}) is read, too; `v` beside yParity must be the same or 27 more.
Result<SignedAuthorization> signed_authorization_from_json(const json::Value& object);
// JSON-RPC's form.
void write_authorization_json(json::Writer& writer, const SignedAuthorization& authorization);

} // namespace redoubt::ethereum
