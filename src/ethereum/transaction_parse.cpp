// SPDX-License-Identifier: Apache-2.0
#include "ethereum/rlp.h"
#include "ethereum/transaction.h"

namespace redoubt::ethereum {

namespace {

constexpr Uint256 uint256(std::uint64_t l3, std::uint64_t l2, std::uint64_t l1, std::uint64_t l0) noexcept {
    Uint256 out;
    out.limbs = {l0, l1, l2, l3};
    return out;
}

// SEC 2, section 2.4.1: the order of secp256k1, and its half, above which EIP-2 refuses s.
constexpr Uint256 kOrder =
    uint256(0xffffffffffffffff, 0xfffffffffffffffe, 0xbaaedce6af48a03b, 0xbfd25e8cd0364141);
constexpr Uint256 kHalfOrder =
    uint256(0x7fffffffffffffff, 0xffffffffffffffff, 0x5d576e7357a4501d, 0xdfe92f46681b20a0);

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

void read_members(rlp::Reader& in, SignedTransaction& out) {
    Transaction& t = out.transaction;
    if (t.type != TransactionType::Legacy)
        t.chain_id = in.u256();
    t.nonce = in.u64();
    if (t.type == TransactionType::DynamicFee) {
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
    const Uint256 v = in.u256();
    if (t.type == TransactionType::Legacy) {
        if (!read_v(v, out))
            in.fail();
    } else {
        if (v > Uint256(1))
            in.fail();
        out.signature.y_parity = v == Uint256(1);
    }
    const Uint256 r = in.u256();
    const Uint256 s = in.u256();
    if (r.is_zero() || r >= kOrder || s.is_zero() || s > kHalfOrder)
        in.fail();
    out.signature.r = to_big_endian(r);
    out.signature.s = to_big_endian(s);
}

} // namespace

Result<SignedTransaction> parse_signed_transaction(ByteView raw) {
    if (raw.empty() || raw.size() > kMaxRawTransaction)
        return fail(Code::BadTransaction, "a raw transaction has 1 byte to 1 MiB");
    SignedTransaction out{};
    ByteView list = raw;
    // EIP-2718: a first byte from 0xc0 is a legacy transaction's list, one up to 0x7f a type.
    if (raw[0] <= 0x7f) {
        if (raw[0] == static_cast<std::uint8_t>(TransactionType::AccessList))
            out.transaction.type = TransactionType::AccessList;
        else if (raw[0] == static_cast<std::uint8_t>(TransactionType::DynamicFee))
            out.transaction.type = TransactionType::DynamicFee;
        else
            return fail(Code::UnsupportedType, "only transactions of types 0, 1 and 2 are supported");
        list = raw.subspan(1);
    }
    rlp::Reader outer(list);
    rlp::Reader members = outer.list();
    read_members(members, out);
    if (!members.finished() || !outer.finished())
        return fail(Code::BadTransaction, "the bytes are not one well-formed signed transaction");
    REDOUBT_CHECK(validate(out.transaction));
    return out;
}

} // namespace redoubt::ethereum
