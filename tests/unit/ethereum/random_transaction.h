// SPDX-License-Identifier: Apache-2.0
// Transactions that validate() accepts, the same in every run.
#pragma once

#include "ethereum/transaction.h"

#include <random>

namespace redoubt::ethereum {

class RandomTransactions {
  public:
    explicit RandomTransactions(std::uint64_t seed) : engine_(seed) {}

    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

    Bytes bytes(std::size_t size) {
        Bytes out(size);
        for (auto& byte : out)
            byte = static_cast<std::uint8_t>(engine_());
        return out;
    }

    // Of every length up to `most` bytes, zero among them.
    Uint256 number(std::size_t most) { return *from_big_endian(bytes(below(most + 1))); }

    Address address() { return *to_array<20>(bytes(20)); }

    Transaction transaction() {
        Transaction t;
        t.type = static_cast<TransactionType>(below(kLastTransactionType + 1));
        if (t.type != TransactionType::Legacy || below(2) == 0) {
            t.chain_id = number(31);
            if (t.chain_id->is_zero())
                t.chain_id = 1;
        }
        t.nonce = number(8).limbs[0];
        if (t.nonce == UINT64_MAX)
            --t.nonce;
        t.gas = number(8).limbs[0];
        if (t.type >= TransactionType::DynamicFee) {
            t.max_fee_per_gas = number(24);
            t.max_priority_fee_per_gas = number(24);
            if (t.max_priority_fee_per_gas > t.max_fee_per_gas)
                std::swap(t.max_priority_fee_per_gas, t.max_fee_per_gas);
        } else {
            t.gas_price = number(24);
        }
        t.value = number(32);
        // Lengths on both sides of each form of RLP's prefixes.
        constexpr std::size_t kSizes[] = {0, 1, 2, 31, 55, 56, 57, 255, 256, 257, 1000, 70'000};
        t.data = bytes(kSizes[below(std::size(kSizes))]);
        if (below(4) != 0 || t.data.size() > 49'152 || t.type >= TransactionType::Blob)
            t.to = address();
        if (t.type != TransactionType::Legacy)
            for (std::size_t i = below(4); i > 0; --i) {
                AccessListEntry& entry = t.access_list.emplace_back();
                entry.address = address();
                for (std::size_t k = below(4); k > 0; --k)
                    entry.storage_keys.push_back(*to_array<32>(bytes(32)));
            }
        if (t.type == TransactionType::Blob) {
            t.max_fee_per_blob_gas = number(24);
            for (std::size_t i = 1 + below(kMostBlobs); i > 0; --i) {
                t.blob_versioned_hashes.push_back(*to_array<32>(bytes(32)));
                t.blob_versioned_hashes.back()[0] = 1;
            }
        }
        if (t.type == TransactionType::SetCode)
            for (std::size_t i = 1 + below(3); i > 0; --i) {
                SignedAuthorization& entry = t.authorization_list.emplace_back();
                entry.authorization.chain_id = number(32);
                entry.authorization.address = address();
                entry.authorization.nonce = number(7).limbs[0];
                entry.signature = signature();
            }
        return t;
    }

    // Some r and s in range; short ones come up, too.
    crypto::Signature signature() {
        crypto::Signature out{};
        do {
            out.r = to_big_endian(number(31));
            out.s = to_big_endian(number(31));
        } while (out.r == Hash32{} || out.s == Hash32{});
        out.y_parity = static_cast<std::uint8_t>(below(2));
        return out;
    }

  private:
    std::mt19937_64 engine_;
};

} // namespace redoubt::ethereum
