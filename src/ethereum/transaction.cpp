// SPDX-License-Identifier: Apache-2.0
#include "ethereum/transaction.h"

#include "crypto/keccak.h"
#include "ethereum/rlp.h"

#include <limits>

namespace redoubt::ethereum {

namespace {

constexpr std::size_t kMostInitCode = 49'152; // EIP-3860
constexpr std::uint8_t kKzgVersion = 0x01;    // EIP-4844, VERSIONED_HASH_VERSION_KZG

// 2^255 − 19: the largest chain id whose v, 35 + 2·chainId + 1, is below 2^256 (EIP-155).
constexpr Uint256 kLargestChainId = [] {
    Uint256 out;
    out.limbs = {std::numeric_limits<std::uint64_t>::max() - 18, std::numeric_limits<std::uint64_t>::max(),
                 std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max() >> 1};
    return out;
}();

constexpr std::size_t kAddressItem = 21; // prefix and 20 bytes
constexpr std::size_t kHashItem = 33;

std::size_t keys_payload(const AccessListEntry& entry) noexcept {
    return kHashItem * entry.storage_keys.size();
}

std::size_t entry_payload(const AccessListEntry& entry) noexcept {
    return kAddressItem + rlp::size_of_list(keys_payload(entry));
}

// [[address, [storage key, …]], …] (EIP-2930)
template<class Sink>
void put_access_list(Sink& sink, const std::vector<AccessListEntry>& list) {
    std::size_t payload = 0;
    for (const auto& entry : list)
        payload += rlp::size_of_list(entry_payload(entry));
    sink.list(payload);
    for (const auto& entry : list) {
        sink.list(entry_payload(entry));
        sink.string(entry.address);
        sink.list(keys_payload(entry));
        for (const auto& key : entry.storage_keys)
            sink.string(key);
    }
}

// [[chain id, address, nonce, parity, r, s], …] (EIP-7702)
template<class Sink>
void put_authorization(Sink& sink, const SignedAuthorization& entry) {
    sink.integer(entry.authorization.chain_id);
    sink.string(entry.authorization.address);
    sink.integer(entry.authorization.nonce);
    sink.integer(std::uint64_t{entry.signature.y_parity});
    sink.integer(ByteView(entry.signature.r));
    sink.integer(ByteView(entry.signature.s));
}

std::size_t authorization_payload(const SignedAuthorization& entry) noexcept {
    rlp::Sizer sizer;
    put_authorization(sizer, entry);
    return sizer.size();
}

template<class Sink>
void put_authorization_list(Sink& sink, const std::vector<SignedAuthorization>& list) {
    std::size_t payload = 0;
    for (const auto& entry : list)
        payload += rlp::size_of_list(authorization_payload(entry));
    sink.list(payload);
    for (const auto& entry : list) {
        sink.list(authorization_payload(entry));
        put_authorization(sink, entry);
    }
}

bool has_dynamic_fee(const Transaction& t) noexcept {
    return t.type >= TransactionType::DynamicFee;
}

// The members of the outermost list: of the signing preimage without a signature, else of the raw
// transaction.
template<class Sink>
void put_members(Sink& sink, const Transaction& t, const crypto::Signature* signature) {
    if (t.type != TransactionType::Legacy)
        sink.integer(t.chain_id.value_or(Uint256()));
    sink.integer(t.nonce);
    if (has_dynamic_fee(t)) {
        sink.integer(t.max_priority_fee_per_gas);
        sink.integer(t.max_fee_per_gas);
    } else {
        sink.integer(t.gas_price);
    }
    sink.integer(t.gas);
    sink.string(t.to ? ByteView(*t.to) : ByteView());
    sink.integer(t.value);
    sink.string(t.data);
    if (t.type != TransactionType::Legacy)
        put_access_list(sink, t.access_list);
    if (t.type == TransactionType::Blob) {
        sink.integer(t.max_fee_per_blob_gas);
        sink.list(kHashItem * t.blob_versioned_hashes.size());
        for (const auto& hash : t.blob_versioned_hashes)
            sink.string(hash);
    }
    if (t.type == TransactionType::SetCode)
        put_authorization_list(sink, t.authorization_list);
    if (signature != nullptr) {
        sink.integer(v_of(t, signature->y_parity));
        sink.integer(ByteView(signature->r));
        sink.integer(ByteView(signature->s));
    } else if (t.type == TransactionType::Legacy && t.chain_id) {
        sink.integer(*t.chain_id);
        sink.integer(std::uint64_t{0});
        sink.integer(std::uint64_t{0});
    }
}

void encode(const Transaction& transaction, const crypto::Signature* signature, Bytes& out) {
    rlp::Sizer sizer;
    put_members(sizer, transaction, signature);
    out.clear();
    out.reserve(1 + rlp::size_of_list(sizer.size()));
    if (transaction.type != TransactionType::Legacy)
        out.push_back(static_cast<std::uint8_t>(transaction.type));
    rlp::Writer writer(out);
    writer.list(sizer.size());
    put_members(writer, transaction, signature);
}

// Members that the type does not have would be left out of what is signed.
bool has_only_members_of_its_type(const Transaction& t) noexcept {
    const bool blob = !t.max_fee_per_blob_gas.is_zero() || !t.blob_versioned_hashes.empty();
    const bool set_code = !t.authorization_list.empty();
    if ((blob && t.type != TransactionType::Blob) || (set_code && t.type != TransactionType::SetCode))
        return false;
    if (has_dynamic_fee(t))
        return t.gas_price.is_zero();
    return t.max_fee_per_gas.is_zero() && t.max_priority_fee_per_gas.is_zero() &&
           (t.type != TransactionType::Legacy || t.access_list.empty());
}

Status validate_blob(const Transaction& t) {
    if (!t.to)
        return fail(Code::BadTransaction,
                    "a blob transaction cannot create a contract; it needs to (EIP-4844)");
    if (t.blob_versioned_hashes.empty() || t.blob_versioned_hashes.size() > kMostBlobs)
        return fail(Code::BadTransaction, "a blob transaction has 1 to 6 blobVersionedHashes (EIP-7594)");
    for (const auto& hash : t.blob_versioned_hashes)
        if (hash[0] != kKzgVersion)
            return fail(Code::BadTransaction, "each of blobVersionedHashes begins with 0x01 (EIP-4844)");
    if (!multiply(t.max_fee_per_blob_gas, kGasPerBlob * t.blob_versioned_hashes.size()))
        return fail(Code::BadTransaction, "blob gas times its price must be below 2^256");
    return {};
}

Status validate_set_code(const Transaction& t) {
    if (!t.to)
        return fail(Code::BadTransaction,
                    "a set-code transaction cannot create a contract; it needs to (EIP-7702)");
    if (t.authorization_list.empty())
        return fail(Code::BadTransaction,
                    "a set-code transaction needs at least one entry in authorizationList (EIP-7702)");
    for (const auto& entry : t.authorization_list)
        REDOUBT_CHECK(validate(entry.authorization));
    return {};
}

} // namespace

Status validate(const Transaction& t) {
    if (!has_only_members_of_its_type(t))
        return fail(Code::BadTransaction, "the transaction has members that its type does not have");
    if (t.nonce == std::numeric_limits<std::uint64_t>::max())
        return fail(Code::BadTransaction, "the nonce must be below 2^64 - 1 (EIP-2681)");
    if (!t.chain_id && t.type != TransactionType::Legacy)
        return fail(Code::BadTransaction, "a typed transaction needs a chain id");
    if (t.chain_id && t.chain_id->is_zero())
        return fail(Code::BadTransaction, "the chain id must not be zero");
    if (t.chain_id && *t.chain_id > kLargestChainId)
        return fail(Code::BadTransaction, "the chain id is too large");
    if (t.max_priority_fee_per_gas > t.max_fee_per_gas)
        return fail(Code::BadTransaction, "maxPriorityFeePerGas must not exceed maxFeePerGas");
    const Uint256& price = has_dynamic_fee(t) ? t.max_fee_per_gas : t.gas_price;
    if (!multiply(price, t.gas))
        return fail(Code::BadTransaction, "gas times its price must be below 2^256");
    if (!t.to && t.data.size() > kMostInitCode)
        return fail(Code::BadTransaction, "init code may have at most 49152 bytes (EIP-3860)");
    if (t.type == TransactionType::Blob)
        return validate_blob(t);
    if (t.type == TransactionType::SetCode)
        return validate_set_code(t);
    return {};
}

Uint256 v_of(const Transaction& transaction, std::uint8_t y_parity) noexcept {
    if (transaction.type != TransactionType::Legacy)
        return y_parity;
    if (!transaction.chain_id)
        return std::uint64_t{27} + y_parity;
    const auto twice = add(*transaction.chain_id, *transaction.chain_id);
    const auto v = twice ? add(*twice, std::uint64_t{35} + y_parity) : std::nullopt;
    return v.value_or(Uint256()); // validate() excludes the overflow; 0 is no transaction's v
}

Hash32 signing_hash(const Transaction& transaction) {
    constexpr std::size_t kKept = 64 * 1024;
    thread_local Bytes scratch;
    encode(transaction, nullptr, scratch);
    const Hash32 out = crypto::keccak256(scratch);
    if (scratch.capacity() > kKept)
        scratch = Bytes();
    return out;
}

Bytes serialise_unsigned(const Transaction& transaction) {
    Bytes out;
    encode(transaction, nullptr, out);
    return out;
}

Bytes serialise(const Transaction& transaction, const crypto::Signature& signature) {
    Bytes out;
    encode(transaction, &signature, out);
    return out;
}

void serialise(const Transaction& transaction, const crypto::Signature& signature, Bytes& out) {
    encode(transaction, &signature, out);
}

Hash32 transaction_hash(ByteView raw) noexcept {
    return crypto::keccak256(raw);
}

} // namespace redoubt::ethereum
