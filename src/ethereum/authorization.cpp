// SPDX-License-Identifier: Apache-2.0
#include "ethereum/authorization.h"

#include "crypto/keccak.h"
#include "ethereum/rlp.h"
#include "ethereum/signature.h"
#include "ethereum/transaction_fields.h"

#include <limits>

namespace redoubt::ethereum {

namespace {

constexpr std::uint8_t kMagic = 0x05; // EIP-7702, MAGIC
constexpr Dialect kDialect = Dialect::JsonRpc;

Status read_fields(const json::Value& object, Authorization& out) {
    REDOUBT_TRY(out.chain_id, need_u256(member(object, "chainId"), kDialect, "an authorization needs chainId",
                                        "an authorization's chainId must be an integer below 2^256"));
    const auto address = member(object, "address");
    if (!address)
        return fail(Code::MissingField, "an authorization needs address, whose code the account shall run");
    if (!address->is_string())
        return fail(Code::InvalidField, "an authorization's address must be an address");
    REDOUBT_TRY(out.address, parse_address(address->text()));
    REDOUBT_TRY(out.nonce, need_u64(member(object, "nonce"), kDialect, "an authorization needs nonce",
                                    "an authorization's nonce must be an integer below 2^64 - 1"));
    return validate(out);
}

// yParity, or v as 0, 1, 27 or 28; both: of one mind.
Status read_parity(const json::Value& object, crypto::Signature& out) {
    const auto given = member(object, "yParity");
    const auto v = member(object, "v");
    if (!given && !v)
        return fail(Code::MissingField, "a signed authorization needs yParity");
    std::optional<Uint256> parity = given ? integer(*given, kDialect) : std::nullopt;
    if (given && (!parity || *parity > Uint256(1)))
        return fail(Code::InvalidField, "a signed authorization's yParity must be 0 or 1");
    if (v) {
        auto from_v = integer(*v, kDialect);
        if (from_v == Uint256(27) || from_v == Uint256(28))
            from_v = Uint256(from_v->limbs[0] - 27);
        if (!from_v || *from_v > Uint256(1))
            return fail(Code::InvalidField, "a signed authorization's v must be 0, 1, 27 or 28");
        if (parity && parity != from_v)
            return fail(Code::AmbiguousField, "a signed authorization's v and yParity differ; give one");
        parity = from_v;
    }
    out.y_parity = parity == Uint256(1);
    return {};
}

// r or s: 32 bytes in hexadecimal, as libraries write them, or an integer as everywhere else.
Result<Uint256> signature_number(const json::Value& object, std::string_view name) {
    const auto found = member(object, name);
    if (!found)
        return fail(Code::MissingField, "a signed authorization needs r and s");
    Hash32 bytes;
    if (found->is_string() && found->text().starts_with("0x") &&
        from_hex_exact(found->text().substr(2), bytes))
        return *from_big_endian(bytes);
    const auto number = integer(*found, kDialect);
    if (!number)
        return fail(Code::InvalidField, "a signed authorization's r and s are integers or 0x and 64 digits");
    return *number;
}

} // namespace

Status validate(const Authorization& authorization) {
    if (authorization.nonce == std::numeric_limits<std::uint64_t>::max())
        return fail(Code::BadTransaction, "an authorization's nonce must be below 2^64 - 1 (EIP-7702)");
    return {};
}

Hash32 authorization_digest(const Authorization& authorization) {
    const auto put = [&](auto& sink) {
        sink.integer(authorization.chain_id);
        sink.string(authorization.address);
        sink.integer(authorization.nonce);
    };
    rlp::Sizer sizer;
    put(sizer);
    Bytes out{kMagic};
    out.reserve(1 + rlp::size_of_list(sizer.size()));
    rlp::Writer writer(out);
    writer.list(sizer.size());
    put(writer);
    return crypto::keccak256(out);
}

Result<Authorization> authorization_from_json(const json::Value& object, bool any_chain) {
    REDOUBT_CHECK(json::check_members(object, {"chainId", "address", "nonce"}));
    Authorization out;
    REDOUBT_CHECK(read_fields(object, out));
    if (out.chain_id.is_zero() != any_chain)
        return fail(Code::InvalidField,
                    "chainId 0 and \"any_chain\": true go together: such an authorization is good on every "
                    "chain");
    return out;
}

Result<SignedAuthorization> signed_authorization_from_json(const json::Value& object) {
    REDOUBT_CHECK(
        json::check_members(object, {"chainId", "address", "nonce", "yParity", "v", "r", "s", "signature"}));
    SignedAuthorization out{};
    REDOUBT_CHECK(read_fields(object, out.authorization));
    auto signature = member(object, "signature");
    if (signature) {
        REDOUBT_CHECK(json::check_members(*signature, {"yParity", "v", "r", "s"}));
        if (member(object, "yParity") || member(object, "v") || member(object, "r") || member(object, "s"))
            return fail(Code::AmbiguousField,
                        "a signed authorization has its signature either in a member signature or beside it");
    } else {
        signature = object;
    }
    REDOUBT_CHECK(read_parity(*signature, out.signature));
    REDOUBT_TRY(const Uint256 r, signature_number(*signature, "r"));
    REDOUBT_TRY(const Uint256 s, signature_number(*signature, "s"));
    if (!is_signature(r, s))
        return fail(Code::InvalidField,
                    "a signed authorization's r and s must be above 0 and below the curve's order, s at most "
                    "half of it (EIP-2)");
    out.signature.r = to_big_endian(r);
    out.signature.s = to_big_endian(s);
    return out;
}

void write_authorization_json(json::Writer& writer, const SignedAuthorization& entry) {
    writer.begin_object()
        .plain("chainId", quantity(entry.authorization.chain_id))
        .plain("address", checksum(entry.authorization.address))
        .plain("nonce", quantity(entry.authorization.nonce))
        .plain("yParity", quantity(std::uint64_t{entry.signature.y_parity}))
        .member("r", to_hex0x(entry.signature.r))
        .member("s", to_hex0x(entry.signature.s))
        .end_object();
}

} // namespace redoubt::ethereum
