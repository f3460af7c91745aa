// SPDX-License-Identifier: Apache-2.0
// Addresses of the contracts that a transaction creates.
#pragma once

#include "ethereum/transaction.h"

namespace redoubt::ethereum {

// CREATE, which is also what a transaction without `to` does (yellow paper, section 7):
// keccak256(rlp([sender, nonce]))[12:].
Address create_address(const Address& sender, std::uint64_t nonce);

// CREATE2 (EIP-1014): keccak256(0xff ‖ deployer ‖ salt ‖ keccak256(init code))[12:].
Address create2_address(const Address& deployer, const Hash32& salt, const Hash32& init_code_hash);

// The deterministic deployment proxy, at one address on every chain that has it
// (github.com/Arachnid/deterministic-deployment-proxy). Its calldata is a salt and init code, which it runs
// with CREATE2 and the value it was sent.
inline constexpr Address kDeploymentProxy{0x4e, 0x59, 0xb4, 0x48, 0x47, 0xb3, 0x79, 0x57, 0x85, 0x88,
                                          0x92, 0x0c, 0xa7, 0x8f, 0xbf, 0x26, 0xc0, 0xb4, 0x95, 0x6c};

// What a transaction to that proxy creates; nullopt when it is no such transaction, or has no init code. On a
// chain without the proxy, or if the init code fails, nothing is created.
std::optional<Address> deterministic_deployment(const Transaction& transaction);

} // namespace redoubt::ethereum
