// SPDX-License-Identifier: Apache-2.0
// POST /v1/keys/{id}/…: what a key is asked to sign or derive.
#include "api/operation_parts.h"

namespace redoubt::api {

namespace {

constexpr std::uint64_t kLastIndex = crypto::kHardened - 1;

Result<Signer> signer_of(const json::Value& body, std::string_view key_id) {
    Signer out{key_id, std::nullopt};
    if (const auto path = body.get("path")) {
        if (!path->is_string())
            return fail(Code::InvalidField, "path must be text like m/44'/60'/0'/0/7");
        REDOUBT_TRY(out.path, crypto::parse_hd_path(path->text()));
    }
    return out;
}

Result<Bytes> hex_member(const json::Value& body, std::string_view name, FixedText missing,
                         FixedText invalid) {
    const auto value = body.get(name);
    if (!value)
        return fail(Code::MissingField, missing);
    auto bytes = value->is_string() ? from_hex0x(value->text()) : std::nullopt;
    if (!bytes)
        return fail(Code::InvalidField, invalid);
    return std::move(*bytes);
}

// "function": one signature; or "abi": a contract's JSON ABI.
Result<std::vector<ethereum::abi::Function>> functions_of(const json::Value& body) {
    const auto function = body.get("function");
    const auto abi = body.get("abi");
    std::vector<ethereum::abi::Function> out;
    if (function && abi)
        return fail(Code::AmbiguousField, "give either function or abi");
    if (function) {
        if (!function->is_string())
            return fail(Code::InvalidField, "function must be text like transfer(address,uint256)");
        REDOUBT_TRY(auto parsed, ethereum::abi::parse_function(function->text()));
        out.push_back(std::move(parsed));
    } else if (abi) {
        REDOUBT_TRY(out, ethereum::abi::parse_abi(*abi));
    }
    return out;
}

// An object of JSON-RPC's members, or the unsigned transaction's bytes in hexadecimal.
Result<ethereum::ParsedTransaction> transaction_of(const json::Value& body) {
    const auto transaction = body.get("transaction");
    if (!transaction)
        return fail(Code::MissingField, "the body needs a member transaction");
    if (!transaction->is_string())
        return ethereum::transaction_from_json(*transaction);
    const auto bytes = from_hex0x(transaction->text());
    if (!bytes)
        return fail(Code::InvalidField,
                    "transaction must be an object, or 0x and the bytes of an unsigned one");
    ethereum::ParsedTransaction out;
    REDOUBT_TRY(out.transaction, ethereum::parse_unsigned_transaction(*bytes));
    return out;
}

Result<Operation> sign_transaction(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"transaction", "path", "function", "abi"}));
    SignTransaction out;
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    REDOUBT_TRY(out.transaction, transaction_of(body));
    REDOUBT_TRY(out.functions, functions_of(body));
    return out;
}

Result<Operation> sign_message(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"text", "hex", "validator", "path"}));
    SignMessage out;
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    const auto text = body.get("text");
    // One member for each form: "0x41" in one member could be four characters or one byte.
    if (text && body.get("hex"))
        return fail(Code::AmbiguousField, "give the message either as text or as hex");
    if (text) {
        if (!text->is_string())
            return fail(Code::InvalidField, "text must be a string");
        out.message = to_bytes(text->text());
    } else {
        REDOUBT_TRY(out.message, hex_member(body, "hex", "the body needs text, or hex for a message of bytes",
                                            "hex must be 0x and an even number of hexadecimal digits"));
    }
    if (const auto validator = body.get("validator")) {
        if (!validator->is_string())
            return fail(Code::InvalidField, "validator must be an address");
        REDOUBT_TRY(out.validator, ethereum::parse_address(validator->text()));
    }
    return out;
}

Result<Operation> sign_typed_data(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"typed_data", "path"}));
    SignTypedData out;
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    const auto document = body.get("typed_data");
    if (!document)
        return fail(Code::MissingField, "the body needs typed_data: {types, primaryType, domain, message}");
    REDOUBT_TRY(out.typed_data, ethereum::typed_data_digest(*document));
    out.document = document;
    return out;
}

Result<Operation> sign_authorization(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"authorization", "any_chain", "path"}));
    SignAuthorization out;
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    const auto authorization = body.get("authorization");
    if (!authorization)
        return fail(Code::MissingField, "the body needs authorization: {chainId, address, nonce}");
    REDOUBT_TRY(const bool any_chain, optional_bool(body, "any_chain", "any_chain must be true or false"));
    REDOUBT_TRY(out.authorization, ethereum::authorization_from_json(*authorization, any_chain));
    return out;
}

Result<Operation> sign_hash(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"hash", "path"}));
    SignHash out{};
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    REDOUBT_TRY(const Bytes hash,
                hex_member(body, "hash", "the body needs hash", "hash must be 0x and 64 digits"));
    const auto exact = to_array<32>(hash);
    if (!exact)
        return fail(Code::InvalidField, "hash must be 0x and 64 digits");
    out.hash = *exact;
    return out;
}

Result<Operation> sign_data(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"data", "path"}));
    SignData out;
    REDOUBT_TRY(out.signer, signer_of(body, key_id));
    REDOUBT_TRY(out.data, hex_member(body, "data", "the body needs data",
                                     "data must be 0x and an even number of hexadecimal digits"));
    return out;
}

// One path, or `count` of them from the index `first` below `account`.
Result<Operation> derive(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"path", "account", "first", "count", "nonce"}));
    DeriveAddresses out;
    out.key_id = key_id;
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    const auto path = body.get("path");
    const auto account = body.get("account");
    if (path.has_value() == account.has_value())
        return fail(Code::MissingField, "the body needs either path, or account with first and count");
    const auto base = path ? path : account;
    if (!base->is_string())
        return fail(Code::InvalidField, "path and account must be text like m/44'/60'/0'/0");
    REDOUBT_TRY(crypto::HdPath parsed, crypto::parse_hd_path(base->text()));
    if (path) {
        if (body.get("first") || body.get("count"))
            return fail(Code::AmbiguousField, "first and count belong to account, not to path");
        out.paths.push_back(std::move(parsed));
        return out;
    }
    const auto number = [&](std::string_view name, std::uint64_t absent) {
        const auto value = body.get(name);
        return value ? value->u64() : std::optional(absent);
    };
    const auto first = number("first", 0);
    const auto count = number("count", 1);
    if (!first || *first > kLastIndex || !count || *count < 1 || *count > kMaxDerived ||
        *first + *count - 1 > kLastIndex)
        return fail(Code::InvalidField, "first must be an index below 2^31, count 1 to 1000");
    if (parsed.size() >= crypto::kMaxPathLength)
        return fail(Code::InvalidField, "account has too many indices");
    parsed.push_back(0);
    for (std::uint64_t i = 0; i < *count; ++i) {
        parsed.back() = static_cast<std::uint32_t>(*first + i);
        out.paths.push_back(parsed);
    }
    return out;
}

using Parser = Result<Operation> (*)(const json::Value& body, std::string_view key_id);
struct Action {
    std::string_view name;
    Parser parse;
};
constexpr Action kActions[] = {{"sign-transaction", sign_transaction},
                               {"sign-message", sign_message},
                               {"sign-typed-data", sign_typed_data},
                               {"sign-authorization", sign_authorization},
                               {"sign-hash", sign_hash},
                               {"sign-data", sign_data},
                               {"derive", derive}};

} // namespace

Result<Operation> key_action(const Request& request, std::string_view key_id, std::string_view action,
                             json::Document& scratch) {
    Parser parser = nullptr;
    for (const auto& [name, parse] : kActions)
        if (action == name)
            parser = parse;
    if (parser == nullptr && !is_lifecycle_action(action))
        return fail(Code::NotFound, "there is no such route; docs/api.md lists them");
    REDOUBT_CHECK(need_method(request, "POST", "what is asked of a key is a POST"));
    REDOUBT_CHECK(no_query(request));
    // Actions without members need no body.
    if (parser == nullptr && request.body.empty())
        return lifecycle_action(action, std::nullopt, key_id);
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    return parser != nullptr ? parser(body, key_id) : lifecycle_action(action, body, key_id);
}

} // namespace redoubt::api
