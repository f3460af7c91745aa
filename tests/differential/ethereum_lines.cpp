// SPDX-License-Identifier: Apache-2.0
// Redoubt's Ethereum code for other programs to compare theirs with: reads one JSON object a line on standard
// input and answers each with one on standard output, in order. "op" and its members:
//   transaction    key, transaction (JSON-RPC)             raw, hash, signing_hash
//   unsigned       key, bytes, unprotected (false)         the same, of an unsigned serialised transaction
//   message        key, hex                                digest, signature (EIP-191, personal_sign)
//   typed_data     key, typed_data                         domain_separator, struct_hash, digest, signature
//   authorization  key, authorization, any_chain (false)   digest, yParity, r, s
// What is refused is answered {"error": code, "text": sentence}. The key is a test's: it comes in the clear.
#include "base/json.h"
#include "base/secret.h"
#include "crypto/secp256k1.h"
#include "ethereum/authorization.h"
#include "ethereum/message.h"
#include "ethereum/transaction_json.h"
#include "ethereum/typed_data.h"

#include <cstdio>
#include <iostream>
#include <string>

namespace redoubt {
namespace {

using crypto::Signature;

struct Request {
    const json::Value& object;
    const crypto::Secp256k1& curve;
    Secret key;

    Result<Signature> sign(const Hash32& digest) const { return curve.sign(key, digest); }
};

Result<json::Value> need(const json::Value& object, std::string_view name) {
    const auto found = object.get(name);
    if (!found)
        return fail(Code::MissingField, "the line lacks a member of its operation");
    return *found;
}

Result<Bytes> need_bytes(const json::Value& object, std::string_view name) {
    REDOUBT_TRY(const json::Value value, need(object, name));
    auto bytes = value.is_string() ? from_hex0x(value.text()) : std::nullopt;
    if (!bytes)
        return fail(Code::InvalidField, "the line's bytes must be 0x and an even number of digits");
    return std::move(*bytes);
}

bool flag(const json::Value& object, std::string_view name) {
    const auto found = object.get(name);
    return found && found->boolean();
}

// r ‖ s ‖ v, v being 27 or 28.
std::string signature_hex(const Signature& signature) {
    Bytes out = to_bytes(signature.r);
    append(out, signature.s);
    out.push_back(static_cast<std::uint8_t>(27 + signature.y_parity));
    return to_hex0x(out);
}

Status write_signed(const Request& request, const ethereum::Transaction& transaction, json::Writer& out) {
    const Hash32 digest = ethereum::signing_hash(transaction);
    REDOUBT_TRY(const Signature signature, request.sign(digest));
    const Bytes raw = ethereum::serialise(transaction, signature);
    out.member("raw", to_hex0x(raw))
        .member("hash", to_hex0x(ethereum::transaction_hash(raw)))
        .member("signing_hash", to_hex0x(digest));
    return {};
}

Status transaction(const Request& request, json::Writer& out) {
    REDOUBT_TRY(const json::Value value, need(request.object, "transaction"));
    REDOUBT_TRY(const ethereum::ParsedTransaction parsed, ethereum::transaction_from_json(value));
    return write_signed(request, parsed.transaction, out);
}

Status unsigned_transaction(const Request& request, json::Writer& out) {
    REDOUBT_TRY(const Bytes bytes, need_bytes(request.object, "bytes"));
    REDOUBT_TRY(const ethereum::Transaction parsed,
                ethereum::parse_unsigned_transaction(bytes, flag(request.object, "unprotected")));
    return write_signed(request, parsed, out);
}

Status message(const Request& request, json::Writer& out) {
    REDOUBT_TRY(const Bytes bytes, need_bytes(request.object, "hex"));
    const Hash32 digest = ethereum::personal_message_digest(bytes);
    REDOUBT_TRY(const Signature signature, request.sign(digest));
    out.member("digest", to_hex0x(digest)).member("signature", signature_hex(signature));
    return {};
}

Status typed_data(const Request& request, json::Writer& out) {
    REDOUBT_TRY(const json::Value document, need(request.object, "typed_data"));
    REDOUBT_TRY(const ethereum::TypedDataDigest typed, ethereum::typed_data_digest(document));
    REDOUBT_TRY(const Signature signature, request.sign(typed.digest));
    out.member("domain_separator", to_hex0x(typed.domain_separator))
        .member("struct_hash", to_hex0x(typed.struct_hash))
        .member("digest", to_hex0x(typed.digest))
        .member("signature", signature_hex(signature));
    return {};
}

Status authorization(const Request& request, json::Writer& out) {
    REDOUBT_TRY(const json::Value value, need(request.object, "authorization"));
    REDOUBT_TRY(const ethereum::Authorization parsed,
                ethereum::authorization_from_json(value, flag(request.object, "any_chain")));
    const Hash32 digest = ethereum::authorization_digest(parsed);
    REDOUBT_TRY(const Signature signature, request.sign(digest));
    out.member("digest", to_hex0x(digest))
        .member("yParity", std::uint64_t{signature.y_parity})
        .member("r", to_hex0x(signature.r))
        .member("s", to_hex0x(signature.s));
    return {};
}

constexpr struct {
    std::string_view name;
    Status (*run)(const Request&, json::Writer&);
} kOperations[] = {{"transaction", transaction},
                   {"unsigned", unsigned_transaction},
                   {"message", message},
                   {"typed_data", typed_data},
                   {"authorization", authorization}};

Status answer(std::string_view line, json::Document& document, const crypto::Secp256k1& curve,
              json::Writer& out) {
    REDOUBT_TRY(const json::Value object, document.parse(line));
    REDOUBT_TRY(const json::Value op, need(object, "op"));
    REDOUBT_TRY(const Bytes key, need_bytes(object, "key"));
    const Request request{object, curve, Secret::copy_of(key)};
    for (const auto& operation : kOperations)
        if (operation.name == op.text())
            return operation.run(request, out);
    return fail(Code::InvalidField, "the line's op is not known");
}

int run() {
    const crypto::Secp256k1 curve{Hash32{}};
    json::Document document;
    for (std::string line; std::getline(std::cin, line);) {
        std::string text;
        json::Writer out(text);
        out.begin_object();
        if (const Status status = answer(line, document, curve, out); !status) {
            text.clear();
            json::Writer error(text);
            error.begin_object()
                .member("error", code_name(status.error().code))
                .member("text", status.error().text.view())
                .end_object();
        } else {
            out.end_object();
        }
        text += '\n';
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
            return 1;
    }
    return 0;
}

} // namespace
} // namespace redoubt

int main() {
    std::ios::sync_with_stdio(false);
    return redoubt::run();
}
