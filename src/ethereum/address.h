// SPDX-License-Identifier: Apache-2.0
// Addresses and their mixed-case checksum (EIP-55).
#pragma once

#include "base/result.h"
#include "crypto/secp256k1.h"

namespace redoubt::ethereum {

using Address = ByteArray<20>;

Address address_of(const crypto::PublicKey& key) noexcept; // last 20 bytes of keccak256(x ‖ y)
std::string to_checksum(const Address& address);           // EIP-55, with "0x"
using AddressText = std::array<char, 42>;
AddressText checksum(const Address& address); // the same, without an allocation
// "0x" and 40 digits. All-lower and all-upper digits are taken without a checksum; mixed case must be EIP-55.
// Error: InvalidField.
Result<Address> parse_address(std::string_view text);

} // namespace redoubt::ethereum
