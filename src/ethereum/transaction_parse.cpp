// SPDX-License-Identifier: Apache-2.0
#include "ethereum/rlp.h"
#include "ethereum/signature.h"
#include "ethereum/transaction.h"

namespace redoubt::ethereum {

namespace {

// r and s as EIP-2 wants them.
void read_r_and_s(rlp::Reader& in, crypto::Signature& out) noexcept {
    const Uint256 r = in.u256();
    const Uint256 s = in.u256();
    if (!is_signature(r, s))
        in.fail();
    out.r = to_big_endian(r);
    out.s = to_big_endian(s);
}

void read_parity(rlp::Reader& in, crypto::Signature& out) noexcept {
    const Uint256 parity = in.u256();
    if (parity > Uint256(1))
        in.fail();
    out.y_parity = parity == Uint256(1);
}

// A legacy transaction's v.
bool read_v(const Uint256& v, SignedTransaction& out) noexcept {
    if (v < Uint256(35)) {
        if (v != Uint256(27) && v != Uint256(28))
            return false;
        out.signature.y_parity = v == Uint256(28);
        return true;
    }
    Uint256 rest = v; // v − 35 = 2·chainId + parity
    std::uint64_t take = 35;
    for (auto& limb : rest.limbs) {
        const bool borrow = limb < take;
        limb -= take;
        take = borrow;
    }
    out.signature.y_parity = rest.limbs[0] & 1;
    for (std::size_t i = 0; i < 4; ++i)
        rest.limbs[i] = rest.limbs[i] >> 1 | (i < 3 ? rest.limbs[i + 1] << 63 : 0);
    out.transaction.chain_id = rest;
    return true;
}

void read_access_list(rlp::Reader& in, std::vector<AccessListEntry>& out) {
    rlp::Reader list = in.list();
    while (!list.empty()) {
        rlp::Reader entry = list.list();
        AccessListEntry& added = out.emplace_back();
        added.address = entry.array<20>();
        rlp::Reader keys = entry.list();
        while (!keys.empty())
            added.storage_keys.push_back(keys.array<32>());
        if (!keys.finished() || !entry.finished())
            list.fail();
    }
    if (!list.finished())
        in.fail();
}

void read_blob_hashes(rlp::Reader& in, std::vector<Hash32>& out) {
    rlp::Reader list = in.list();
    while (!list.empty())
        out.push_back(list.array<32>());
    if (!list.finished())
        in.fail();
}

void read_authorization_list(rlp::Reader& in, std::vector<SignedAuthorization>& out) {
    rlp::Reader list = in.list();
    while (!list.empty()) {
        rlp::Reader entry = list.list();
        SignedAuthorization& added = out.emplace_back();
        added.authorization.chain_id = entry.u256();
        added.authorization.address = entry.array<20>();
        added.authorization.nonce = entry.u64();
        read_parity(entry, added.signature);
        read_r_and_s(entry, added.signature);
        if (!entry.finished())
            list.fail();
    }
    if (!list.finished())
        in.fail();
}

// What is signed, but for a legacy transaction's chain id.
void read_members(rlp::Reader& in, Transaction& t) {
    if (t.type != TransactionType::Legacy)
        t.chain_id = in.u256();
    t.nonce = in.u64();
    if (t.type >= TransactionType::DynamicFee) {
        t.max_priority_fee_per_gas = in.u256();
        t.max_fee_per_gas = in.u256();
    } else {
        t.gas_price = in.u256();
    }
    t.gas = in.u64();
    if (const ByteView to = in.string(); !to.empty()) {
        t.to = to_array<20>(to);
        if (!t.to)
            in.fail();
    }
    t.value = in.u256();
    t.data = to_bytes(in.string());
    if (t.type != TransactionType::Legacy)
        read_access_list(in, t.access_list);
    if (t.type == TransactionType::Blob) {
        t.max_fee_per_blob_gas = in.u256();
        read_blob_hashes(in, t.blob_versioned_hashes);
    }
    if (t.type == TransactionType::SetCode)
        read_authorization_list(in, t.authorization_list);
}

void read_signature(rlp::Reader& in, SignedTransaction& out) {
    if (out.transaction.type != TransactionType::Legacy)
        read_parity(in, out.signature);
    else if (!read_v(in.u256(), out))
        in.fail();
    read_r_and_s(in, out.signature);
}

// EIP-2718: a first byte from 0xc0 is a legacy transaction's list, one up to 0x7f a type. Gives the list.
Result<ByteView> read_type(ByteView raw, TransactionType& out) {
    if (raw.empty() || raw.size() > kMaxRawTransaction)
        return fail(Code::BadTransaction, "a raw transaction has 1 byte to 1 MiB");
    if (raw[0] > 0x7f)
        return raw;
    if (raw[0] == 0 || raw[0] > kLastTransactionType)
        return fail(Code::UnsupportedType, "only transactions of types 0 to 4 are supported");
    out = static_cast<TransactionType>(raw[0]);
    return raw.subspan(1);
}

} // namespace

Result<Transaction> parse_unsigned_transaction(ByteView raw, bool unprotected) {
    Transaction out;
    REDOUBT_TRY(const ByteView list, read_type(raw, out.type));
    rlp::Reader outer(list);
    rlp::Reader members = outer.list();
    read_members(members, out);
    const bool legacy = out.type == TransactionType::Legacy;
    if (legacy && !members.empty()) { // EIP-155: chain id, 0, 0
        out.chain_id = members.u256();
        if (!members.string().empty() || !members.string().empty())
            members.fail();
    }
    if (!members.finished() || !outer.finished())
        return fail(Code::BadTransaction, "the bytes are not one well-formed unsigned transaction");
    if (legacy && !out.chain_id && !unprotected)
        return fail(Code::BadTransaction,
                    "the transaction has no chain id, so that its signature would be good on every chain");
    REDOUBT_CHECK(validate(out));
    return out;
}

Result<SignedTransaction> parse_signed_transaction(ByteView raw) {
    SignedTransaction out{};
    REDOUBT_TRY(const ByteView list, read_type(raw, out.transaction.type));
    rlp::Reader outer(list);
    rlp::Reader members = outer.list();
    read_members(members, out.transaction);
    read_signature(members, out);
    if (!members.finished() || !outer.finished())
        return fail(Code::BadTransaction, "the bytes are not one well-formed signed transaction");
    REDOUBT_CHECK(validate(out.transaction));
    return out;
}

} // namespace redoubt::ethereum
