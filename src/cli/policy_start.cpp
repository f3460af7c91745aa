// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_start.h"

#include "base/secret.h"
#include "cli/attested.h"
#include "crypto/openssl.h"
#include "crypto/owner_signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxPersonPem = 16 * 1024; // bytes of a PEM file
constexpr std::size_t kP256Scalar = 32;

policy::PublicKey p256_key(const crypto::Pkey& key) {
    BIGNUM *x = nullptr, *y = nullptr;
    const bool got = EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                     EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> x_owned(x, &BN_free), y_owned(y, &BN_free);
    policy::PublicKey out{policy::KeyAlgorithm::EcdsaP256, Bytes(1 + 2 * kP256Scalar)};
    out.bytes[0] = 0x04;
    if (!got || BN_bn2binpad(x, out.bytes.data() + 1, kP256Scalar) != kP256Scalar ||
        BN_bn2binpad(y, out.bytes.data() + 1 + kP256Scalar, kP256Scalar) != kP256Scalar)
        out.bytes.clear();
    return out;
}

Result<policy::PublicKey> public_pem(std::string_view text, const std::string& path) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all);
    const crypto::Pkey key(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    policy::PublicKey out{policy::KeyAlgorithm::Ed25519, Bytes(32)};
    std::size_t size = out.bytes.size();
    char group[32] = {};
    if (key && EVP_PKEY_is_a(key.get(), "ED25519") == 1 &&
        EVP_PKEY_get_raw_public_key(key.get(), out.bytes.data(), &size) == 1)
        return out;
    if (key && EVP_PKEY_is_a(key.get(), "EC") == 1 &&
        EVP_PKEY_get_group_name(key.get(), group, sizeof group, &size) == 1 &&
        std::string_view(group) == "prime256v1")
        if (out = p256_key(key); !out.bytes.empty())
            return out;
    return fail(Code::KeyInvalid, "the file holds no Ed25519 or P-256 public key in PEM", path);
}

// The public key of a person's or program's PEM file, of either half.
Result<policy::PublicKey> person_key(const std::string& path) {
    Secret buffer(kMaxPersonPem + 1);
    const auto bytes = buffer.mutable_view(SecretAccess("read a key's file for its public half"));
    REDOUBT_TRY(const std::size_t size, read_whole(path, bytes));
    const std::string_view text = as_text(ByteView(bytes.data(), size));
    if (text.contains("PUBLIC KEY"))
        return public_pem(text, path);
    auto made = crypto::sign_with_pem(Secret::copy_of(ByteView(bytes.data(), size)), as_bytes("policy init"));
    if (!made)
        return std::unexpected(Error{made.error().code, made.error().text, path});
    return policy::PublicKey{made->ed25519 ? policy::KeyAlgorithm::Ed25519 : policy::KeyAlgorithm::EcdsaP256,
                             std::move(made->public_key)};
}

Status write_people(json::Writer& writer, std::string_view name, const std::vector<std::string>& people) {
    writer.key(name).begin_array();
    for (const std::string& person : people) {
        const std::size_t colon = person.find(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == person.size())
            return fail(Code::Usage, "--principal and --owner take ID:FILE, a PEM file", person);
        REDOUBT_TRY(const auto key, person_key(person.substr(colon + 1)));
        writer.begin_object()
            .member("id", person.substr(0, colon))
            .member("algorithm", policy::algorithm_name(key.algorithm))
            .member("public_key", to_hex0x(key.bytes))
            .end_object();
    }
    writer.end_array();
    return {};
}

// {field: {test: operand}}, where the operand is JSON.
void condition(json::Writer& writer, std::string_view field, std::string_view test,
               std::string_view operand) {
    writer.key(field).begin_object().key(test).raw(operand).end_object();
}

std::string json_string(std::string_view text) {
    std::string out;
    json::append_escaped(out, text);
    return out;
}

void write_rule(json::Writer& writer, const PolicyStart& start) {
    const bool payouts = start.kind == "payouts", batcher = start.kind == "batcher";
    writer.begin_object()
        .member("name", start.kind)
        .member("effect", "allow")
        .key("principals")
        .begin_array();
    for (const std::string& principal : start.principals)
        writer.string(principal.substr(0, principal.find(':')));
    writer.end_array().key("operations").begin_array().string("sign-transaction").end_array();
    if (payouts)
        writer.member("function", "transfer(address to, uint256 amount)");
    writer.key("conditions").begin_object();
    condition(writer, "transaction.chain_id", "is", std::to_string(start.chain_id));
    condition(writer, "transaction.fee_per_gas", "at_most", json_string(start.most_fee));
    if (payouts) {
        condition(writer, "transaction.to", "is", json_string(start.token));
        condition(writer, "transaction.value", "is", "0");
        condition(writer, "call.to", "in", R"(["@recipients"])");
        condition(writer, "call.amount", "at_most", json_string(start.most));
    } else if (batcher) {
        condition(writer, "transaction.to", "in", R"(["@inboxes"])");
        condition(writer, "transaction.value", "is", "0");
        condition(writer, "transaction.type", "in", "[2,3]");
        condition(writer, "transaction.cost", "at_most", json_string(start.most));
    } else {
        condition(writer, "transaction.to", "in", R"(["@recipients"])");
        condition(writer, "transaction.data_size", "is", "0");
        condition(writer, "transaction.value", "at_most", json_string(start.most));
    }
    writer.end_object().key("limits").begin_array().begin_object().member("name", "a-day");
    writer.member("window_seconds", std::uint64_t{86'400})
        .member("amount", start.most_a_day)
        .member("amount_of", payouts   ? "call.amount"
                             : batcher ? "transaction.cost"
                                       : "transaction.value");
    writer.end_object().end_array().end_object();
}

void append_pretty(std::string& out, const json::Value& value, std::size_t indent) {
    bool plain = true;
    if (value.is_array() || value.is_object())
        for (const json::Value each : value)
            plain = plain && !each.is_array() && !each.is_object();
    if (value.size() == 0 || (value.is_array() && plain)) {
        std::string_view raw = value.raw();
        if (!value.is_array() || value.size() == 0) {
            out += raw;
            return;
        }
        out += '[';
        for (const json::Value each : value) {
            out += out.back() == '[' ? "" : ", ";
            out += each.raw();
        }
        out += ']';
        return;
    }
    out += value.is_object() ? '{' : '[';
    bool first = true;
    for (const json::Value each : value) {
        (out += first ? "\n" : ",\n").append(2 * (indent + 1), ' ');
        first = false;
        if (value.is_object()) {
            json::append_escaped(out, each.name());
            out += ": ";
        }
        append_pretty(out, each, indent + 1);
    }
    (out += '\n').append(2 * indent, ' ');
    out += value.is_object() ? '}' : ']';
}

} // namespace

std::string pretty_json(const json::Value& value) {
    std::string out;
    append_pretty(out, value, 0);
    return out + "\n";
}

Result<std::string> start_policy(const PolicyStart& start) {
    if (start.to.empty())
        return fail(Code::Usage,
                    "name at least one address with --to: who may be paid, or the batcher's inbox");
    if (start.kind == "payouts" && start.token.empty())
        return fail(Code::Usage, "payouts need the token's contract: --token");
    std::string text;
    json::Writer writer(text);
    writer.begin_object().member("redoubt_policy", std::uint64_t{1}).member("version", std::uint64_t{1});
    REDOUBT_CHECK(write_people(writer, "principals", start.principals));
    if (!start.owners.empty()) {
        REDOUBT_CHECK(write_people(writer, "owners", start.owners));
        writer.member("threshold", std::uint64_t{start.threshold});
    }
    writer.key("addresses")
        .begin_object()
        .key(std::string_view(start.kind == "batcher" ? "inboxes" : "recipients"))
        .begin_array();
    for (const std::string& address : start.to)
        writer.string(address);
    writer.end_array().end_object().key("rules").begin_array();
    write_rule(writer, start);
    writer.end_array().end_object();
    REDOUBT_TRY(const auto parsed, policy::parse_document(text)); // what we write, an enclave takes
    (void)parsed;
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(text));
    return pretty_json(root);
}

} // namespace redoubt::cli
