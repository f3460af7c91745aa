// SPDX-License-Identifier: Apache-2.0
// Ethereum transactions as values: legacy (with and without EIP-155), EIP-2930, EIP-1559, EIP-4844 (the body
// that is signed; blobs are the gateway's), EIP-7702; later types join here. Knows nothing of keys or
// transport. Serialisation: RLP (ethereum/rlp.h), typed envelopes (EIP-2718).
#pragma once

#include "ethereum/address.h"
#include "ethereum/authorization.h"
#include "ethereum/uint256.h"

namespace redoubt::ethereum {

enum class TransactionType : std::uint8_t {
    Legacy = 0,
    AccessList = 1,
    DynamicFee = 2,
    Blob = 3,
    SetCode = 4
};
inline constexpr std::uint8_t kLastTransactionType = 4;

inline constexpr std::size_t kMostBlobs = 6;                    // a transaction (EIP-7594)
inline constexpr std::uint64_t kGasPerBlob = 131'072;           // EIP-4844
inline constexpr std::uint64_t kTransactionGasCap = 16'777'216; // EIP-7825; what the chains of Osaka accept

struct AccessListEntry {
    Address address;
    std::vector<Hash32> storage_keys;
    bool operator==(const AccessListEntry&) const = default;
};

struct Transaction {
    TransactionType type = TransactionType::Legacy;
    std::optional<Uint256> chain_id;  // nullopt: legacy without replay protection (v = 27/28)
    std::uint64_t nonce = 0;          // < 2^64 − 1 (EIP-2681)
    Uint256 gas_price;                // legacy and 2930
    Uint256 max_priority_fee_per_gas; // 1559 and later
    Uint256 max_fee_per_gas;          // 1559 and later; ≥ max_priority_fee_per_gas
    std::uint64_t gas = 0;
    std::optional<Address> to; // nullopt: contract creation, which 4844 and 7702 do not have
    Uint256 value;             // wei
    Bytes data;
    std::vector<AccessListEntry> access_list;            // all but legacy
    Uint256 max_fee_per_blob_gas;                        // 4844
    std::vector<Hash32> blob_versioned_hashes;           // 4844: 1 … kMostBlobs, each beginning 0x01
    std::vector<SignedAuthorization> authorization_list; // 7702: at least one
    bool operator==(const Transaction&) const = default;
};

struct SignedTransaction {
    Transaction transaction;
    crypto::Signature signature;
};

// Rules that hold whatever the source: nonce, fee order, gas times its price below 2^256, a chain id (that
// only a legacy transaction may lack) non-zero and small enough for v, no members of another type, init code
// at most 49,152 bytes (EIP-3860), what 4844 and 7702 say of their lists. Intrinsic gas is the node's
// business, and the gas cap (EIP-7825) the caller's, since not every chain has it. Error: BadTransaction.
Status validate(const Transaction& transaction);

// Of a transaction that validate() accepts, as are the arguments of the functions below.
Hash32 signing_hash(const Transaction& transaction);
Bytes serialise(const Transaction& transaction, const crypto::Signature& signature); // the raw transaction
void serialise(const Transaction& transaction, const crypto::Signature& signature,
               Bytes& out);                     // in its place
Hash32 transaction_hash(ByteView raw) noexcept; // keccak256
// 27/28, or 35 + 2·chainId + parity (EIP-155), or the parity for typed transactions.
Uint256 v_of(const Transaction& transaction, std::uint8_t y_parity) noexcept;

// More than a request can ask for (the body's limit is 1 MiB of JSON).
inline constexpr std::size_t kMaxRawTransaction = 1 << 20;

// A raw signed transaction; every rule of the yellow paper's encoding (minimal integers, no trailing bytes, r
// and s in range, low s) and validate(). What it accepts, serialise() gives back byte for byte. Errors:
// BadTransaction, UnsupportedType.
Result<SignedTransaction> parse_signed_transaction(ByteView raw);

// The bytes whose keccak256 is signing_hash(): an unsigned transaction. Read as strictly. A legacy
// transaction of six members, whose signature is good on every chain, is refused unless `unprotected`.
// Errors: BadTransaction, UnsupportedType.
Result<Transaction> parse_unsigned_transaction(ByteView raw, bool unprotected = false);
Bytes serialise_unsigned(const Transaction& transaction);

} // namespace redoubt::ethereum
