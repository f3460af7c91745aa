// SPDX-License-Identifier: Apache-2.0
// Signed data by EIP-191, and what raw bytes must not be when they are signed as they are.
#pragma once

#include "ethereum/address.h"

namespace redoubt::ethereum {

// Version 0x45, personal_sign: keccak256(0x19 ‖ "Ethereum Signed Message:\n" ‖ decimal length ‖ message).
Hash32 personal_message_digest(ByteView message);
// Version 0x00, data for one validator: keccak256(0x19 ‖ 0x00 ‖ validator ‖ data).
Hash32 validator_data_digest(const Address& validator, ByteView data);

// Does keccak256 of these bytes mean something to Ethereum, so that a signature over it is more than one over
// data: an RLP list (a legacy transaction), a byte below 0x80 before an RLP list (a typed transaction, known
// or not), EIP-7702's 0x05 or EIP-191's 0x19 whatever follows. Signing them as bytes would go round every
// rule.
bool is_ethereum_payload(ByteView bytes) noexcept;

} // namespace redoubt::ethereum
