// SPDX-License-Identifier: Apache-2.0
// What the two JSON dialects have in common; internal to transaction_json.cpp and reference_json.cpp.
#pragma once

#include "ethereum/transaction_json.h"

namespace redoubt::ethereum {

enum class Dialect { JsonRpc, Reference };

// What a transaction's object may have, blobs and what belongs to them only as null.
enum class Member : std::uint8_t {
    Type,
    ChainId,
    Nonce,
    Gas,
    GasLimit,
    GasPrice,
    MaxFeePerGas,
    MaxPriorityFeePerGas,
    To,
    Value,
    Data,
    Input,
    AccessList,
    From,
    MaxFeePerBlobGas,
    BlobVersionedHashes,
    AuthorizationList,
    Blobs,
    Commitments,
    Proofs,
    Sidecars,
};
inline constexpr std::size_t kMembers = static_cast<std::size_t>(Member::Sidecars) + 1;

// An object's members by their names, which are looked at once.
class Members {
  public:
    explicit Members(const json::Value& object) noexcept;

    std::optional<json::Value> operator[](Member member) const noexcept; // null counts as absent
    std::optional<json::Value> given(Member member) const noexcept {
        return values_[static_cast<std::size_t>(member)];
    }
    bool of_object() const noexcept { return of_object_; }
    // Is there nothing but these, null or not? A bit each.
    bool within(std::uint32_t members) const noexcept { return !unknown_ && (given_ & ~members) == 0; }

  private:
    std::array<std::optional<json::Value>, kMembers> values_{};
    std::uint32_t given_ = 0;
    bool of_object_, unknown_ = false;
};

// The named member; one that is null counts as absent.
std::optional<json::Value> member(const json::Value& object, std::string_view name) noexcept;

// An exact JSON integer, a 0x-quantity or, in JSON-RPC, a string of decimal digits.
std::optional<Uint256> integer(const json::Value& value, Dialect dialect) noexcept;
Result<Uint256> need_u256(const std::optional<json::Value>& found, Dialect dialect, FixedText missing,
                          FixedText invalid);
Result<std::uint64_t> need_u64(const std::optional<json::Value>& found, Dialect dialect, FixedText missing,
                               FixedText invalid);

// Hexadecimal bytes; the reference dialect may leave out the "0x".
Result<Bytes> data_bytes(const json::Value& value, Dialect dialect);

// Refuses members that the dialect does not have, and reads type, nonce, chainId, the fees, to, from and
// accessList: what reads alike in both.
Status read_common(const Members& members, Dialect dialect, ParsedTransaction& out);

} // namespace redoubt::ethereum
