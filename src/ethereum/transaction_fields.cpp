// SPDX-License-Identifier: Apache-2.0
#include "ethereum/transaction_fields.h"

#include <algorithm>
#include <span>

namespace redoubt::ethereum {

namespace {

// In the order of Member.
constexpr std::array<std::string_view, kMembers> kNames = {"type",
                                                           "chainId",
                                                           "nonce",
                                                           "gas",
                                                           "gasLimit",
                                                           "gasPrice",
                                                           "maxFeePerGas",
                                                           "maxPriorityFeePerGas",
                                                           "to",
                                                           "value",
                                                           "data",
                                                           "input",
                                                           "accessList",
                                                           "from",
                                                           "maxFeePerBlobGas",
                                                           "blobVersionedHashes",
                                                           "authorizationList",
                                                           "blobs",
                                                           "commitments",
                                                           "proofs",
                                                           "sidecars"};

constexpr std::uint32_t bit(Member member) noexcept {
    return 1u << static_cast<unsigned>(member);
}
constexpr std::uint32_t kOfJsonRpc = (1u << kMembers) - 1;
// The sample has no other names for gas and data.
constexpr std::uint32_t kOfReference = kOfJsonRpc & ~(bit(Member::GasLimit) | bit(Member::Input));

// Members of types 3 and 4 (EIP-4844, EIP-7702), which the reference dialect does not have.
constexpr Member kOfLaterTypes[] = {Member::MaxFeePerBlobGas, Member::BlobVersionedHashes,
                                    Member::AuthorizationList};
constexpr Member kSidecar[] = {Member::Blobs, Member::Commitments, Member::Proofs, Member::Sidecars};

bool has_any(const Members& members, std::span<const Member> names) noexcept {
    return std::ranges::any_of(names, [&](Member name) { return members[name].has_value(); });
}

Status check_types(const Members& members, Dialect dialect) {
    if (dialect == Dialect::Reference && (has_any(members, kOfLaterTypes) || has_any(members, kSidecar)))
        return fail(Code::UnsupportedType,
                    "this route knows no blob and set-code transactions; use /v1/keys");
    if (has_any(members, kSidecar))
        return fail(Code::UnknownField,
                    "blobs are not signed: give blobVersionedHashes, and blobs, commitments and proofs in a "
                    "member sidecar beside the transaction");
    return {};
}

Result<std::optional<TransactionType>> declared_type(const Members& members, Dialect dialect) {
    const auto declared = members[Member::Type];
    if (!declared)
        return std::nullopt;
    const auto number = integer(*declared, dialect);
    if (!number)
        return fail(Code::InvalidField, "type must be an integer from 0 to 4");
    if (dialect == Dialect::Reference && *number > Uint256(2))
        return fail(Code::UnsupportedType, "this route knows transactions of types 0, 1 and 2");
    if (*number > Uint256(kLastTransactionType))
        return fail(Code::UnsupportedType, "only transactions of types 0 to 4 are supported");
    return static_cast<TransactionType>(number->limbs[0]);
}

// The declared type, or what the members say: gasPrice is legacy, or EIP-2930 where an access list is given;
// maxFee… is EIP-1559, or EIP-4844 or EIP-7702 where members of theirs are given.
Result<TransactionType> decide_type(const Members& members, std::optional<TransactionType> declared) {
    const bool priced = members[Member::GasPrice].has_value();
    const bool dynamic = members[Member::MaxFeePerGas] || members[Member::MaxPriorityFeePerGas];
    const bool listed = members[Member::AccessList].has_value();
    const bool blob = members[Member::MaxFeePerBlobGas] || members[Member::BlobVersionedHashes];
    const bool set_code = members[Member::AuthorizationList].has_value();
    if (declared) {
        if (*declared >= TransactionType::DynamicFee ? priced : dynamic)
            return fail(
                Code::AmbiguousField,
                "gasPrice belongs to types 0 and 1, maxFeePerGas and maxPriorityFeePerGas to the others");
        if ((blob && *declared != TransactionType::Blob) ||
            (set_code && *declared != TransactionType::SetCode))
            return fail(Code::AmbiguousField, "maxFeePerBlobGas and blobVersionedHashes belong to type 3, "
                                              "authorizationList to type 4");
        // Even an empty one: without the declaration it would mean EIP-2930.
        if (*declared == TransactionType::Legacy && listed)
            return fail(Code::AmbiguousField, "a transaction of type 0 has no accessList");
        return *declared;
    }
    if (priced && dynamic)
        return fail(Code::AmbiguousField,
                    "give either gasPrice, or maxFeePerGas and maxPriorityFeePerGas, not both");
    if (blob && set_code)
        return fail(Code::AmbiguousField,
                    "a transaction has either blobVersionedHashes or authorizationList");
    if (priced && (blob || set_code))
        return fail(Code::AmbiguousField, "a transaction of type 3 or 4 has maxFeePerGas and "
                                          "maxPriorityFeePerGas, and no gasPrice");
    if (blob)
        return TransactionType::Blob;
    if (set_code)
        return TransactionType::SetCode;
    if (dynamic)
        return TransactionType::DynamicFee;
    if (!priced)
        return fail(Code::MissingField,
                    "the transaction needs gasPrice, or maxFeePerGas and maxPriorityFeePerGas");
    return listed ? TransactionType::AccessList : TransactionType::Legacy;
}

Status read_fees(const Members& members, Dialect dialect, Transaction& out) {
    if (out.type < TransactionType::DynamicFee) {
        REDOUBT_TRY(out.gas_price,
                    need_u256(members[Member::GasPrice], dialect, "the transaction needs gasPrice",
                              "gasPrice must be an integer below 2^256, in wei"));
        return {};
    }
    REDOUBT_TRY(out.max_fee_per_gas,
                need_u256(members[Member::MaxFeePerGas], dialect, "the transaction needs maxFeePerGas",
                          "maxFeePerGas must be an integer below 2^256, in wei"));
    REDOUBT_TRY(out.max_priority_fee_per_gas,
                need_u256(members[Member::MaxPriorityFeePerGas], dialect,
                          "the transaction needs maxPriorityFeePerGas",
                          "maxPriorityFeePerGas must be an integer below 2^256, in wei"));
    return {};
}

Status read_chain_id(const Members& members, Dialect dialect, Transaction& out) {
    const auto found = members.given(Member::ChainId);
    if (found && !found->is_null()) {
        out.chain_id = integer(*found, dialect);
        if (!out.chain_id)
            return fail(Code::InvalidField, "chainId must be an integer below 2^256");
        return {};
    }
    // Without one, the signature is good on every chain: in JSON-RPC that has to be asked for.
    if (out.type == TransactionType::Legacy && (found || dialect == Dialect::Reference))
        return {};
    if (out.type == TransactionType::Legacy)
        return fail(Code::MissingField,
                    "the transaction needs chainId (null asks for one without replay protection)");
    return fail(Code::MissingField, "a typed transaction needs chainId");
}

std::optional<Hash32> storage_key(const json::Value& value, Dialect dialect) noexcept {
    Hash32 out;
    if (value.is_string() && value.text().starts_with("0x") && from_hex_exact(value.text().substr(2), out))
        return out;
    // eth-account takes the key as a number, too.
    if (dialect == Dialect::Reference)
        if (const auto number = integer(value, dialect))
            return to_big_endian(*number);
    return std::nullopt;
}

Result<std::vector<AccessListEntry>> read_access_list(const json::Value& value, Dialect dialect) {
    if (!value.is_array())
        return fail(Code::InvalidField, "accessList must be an array");
    std::vector<AccessListEntry> out;
    out.reserve(value.size());
    for (const json::Value item : value) {
        REDOUBT_CHECK(json::check_members(item, {"address", "storageKeys"}));
        const auto address = item.get("address");
        const auto keys = item.get("storageKeys");
        if (!address || !keys)
            return fail(Code::MissingField, "an entry of accessList needs address and storageKeys");
        if (!address->is_string() || !keys->is_array())
            return fail(Code::InvalidField, "an entry of accessList has an address and an array storageKeys");
        AccessListEntry& entry = out.emplace_back();
        REDOUBT_TRY(entry.address, parse_address(address->text()));
        entry.storage_keys.reserve(keys->size());
        for (const json::Value key : *keys) {
            const auto parsed = storage_key(key, dialect);
            if (!parsed)
                return fail(Code::InvalidField, "a storage key is 0x and 64 hexadecimal digits");
            entry.storage_keys.push_back(*parsed);
        }
    }
    return out;
}

Result<std::optional<Address>> read_address(const Members& members, Member name, bool empty_is_absent,
                                            FixedText invalid) {
    const auto found = members[name];
    if (!found || (empty_is_absent && found->is_string() && found->text().empty()))
        return std::nullopt;
    if (!found->is_string())
        return fail(Code::InvalidField, invalid);
    REDOUBT_TRY(const Address address, parse_address(found->text()));
    return address;
}

} // namespace

Members::Members(const json::Value& object) noexcept : of_object_(object.is_object()) {
    if (!of_object_)
        return;
    for (const json::Value member : object) {
        const std::string_view name = member.name();
        const auto found = std::ranges::find(kNames, name);
        if (found == kNames.end()) {
            unknown_ = true;
            continue;
        }
        const auto at = static_cast<std::size_t>(found - kNames.begin());
        given_ |= 1u << at;
        values_[at] = member;
    }
}

std::optional<json::Value> Members::operator[](Member member) const noexcept {
    const auto found = given(member);
    return found && found->is_null() ? std::nullopt : found;
}

std::optional<json::Value> member(const json::Value& object, std::string_view name) noexcept {
    auto found = object.get(name);
    if (found && found->is_null())
        return std::nullopt;
    return found;
}

std::optional<Uint256> integer(const json::Value& value, Dialect dialect) noexcept {
    const std::string_view text = value.text();
    if (value.is_number()) // a sign, a point or an exponent is no digit
        return from_decimal(text);
    if (!value.is_string())
        return std::nullopt;
    if (text.starts_with("0x"))
        return from_quantity(text);
    return dialect == Dialect::JsonRpc ? from_decimal(text) : std::nullopt;
}

Result<Uint256> need_u256(const std::optional<json::Value>& found, Dialect dialect, FixedText missing,
                          FixedText invalid) {
    if (!found)
        return fail(Code::MissingField, missing);
    const auto number = integer(*found, dialect);
    if (!number)
        return fail(Code::InvalidField, invalid);
    return *number;
}

Result<std::uint64_t> need_u64(const std::optional<json::Value>& found, Dialect dialect, FixedText missing,
                               FixedText invalid) {
    REDOUBT_TRY(const Uint256 number, need_u256(found, dialect, missing, invalid));
    if (!number.fits_u64())
        return fail(Code::InvalidField, invalid);
    return number.limbs[0];
}

Result<Bytes> data_bytes(const json::Value& value, Dialect dialect) {
    if (value.is_string()) {
        const std::string_view text = value.text();
        auto bytes =
            dialect == Dialect::Reference && !text.starts_with("0x") ? from_hex(text) : from_hex0x(text);
        if (bytes)
            return std::move(*bytes);
    }
    return fail(Code::InvalidField, "data must be 0x and an even number of hexadecimal digits");
}

Status read_common(const Members& members, Dialect dialect, ParsedTransaction& out) {
    if (!members.of_object())
        return fail(Code::InvalidField, "the transaction must be a JSON object");
    // First of all, so that a transaction of another type is called that and not full of unknown members.
    REDOUBT_CHECK(check_types(members, dialect));
    REDOUBT_TRY(const auto declared, declared_type(members, dialect));
    if (!members.within(dialect == Dialect::JsonRpc ? kOfJsonRpc : kOfReference))
        return fail(Code::UnknownField,
                    "the object has a member that this operation does not know; remove it");
    Transaction& t = out.transaction;
    REDOUBT_TRY(t.type, decide_type(members, declared));
    REDOUBT_CHECK(read_fees(members, dialect, t));
    REDOUBT_CHECK(read_chain_id(members, dialect, t));
    REDOUBT_TRY(t.nonce, need_u64(members[Member::Nonce], dialect, "the transaction needs nonce",
                                  "nonce must be an integer below 2^64 - 1"));
    REDOUBT_TRY(t.to, read_address(members, Member::To, dialect == Dialect::Reference,
                                   "to must be an address, or absent to create a contract"));
    REDOUBT_TRY(out.from, read_address(members, Member::From, false, "from must be an address"));
    if (const auto list = members[Member::AccessList]) {
        REDOUBT_TRY(t.access_list, read_access_list(*list, dialect));
    }
    return {};
}

} // namespace redoubt::ethereum
