// SPDX-License-Identifier: Apache-2.0
// What clients ask vault keys to sign, and the keys below an HD key's seed.
#include "api/facts.h"
#include "api/operation.h"
#include "crypto/keccak.h"
#include "enclave/decisions.h"
#include "enclave/pass.h"
#include "enclave/reply_text.h"
#include "ethereum/create.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

// Deriving so many addresses counts as one statement of the budget.
constexpr std::size_t kAddressesPerStatement = 25;

constexpr std::size_t kKeptRaw = 64 * 1024; // of a transaction's memory, for the next one
constexpr std::size_t kReplyHead = 1'536;   // bytes that a reply's text has beside what came with the request

// 65 bytes, r ‖ s ‖ v with v 27 or 28: what wallets and ecrecover take.
std::string signature_text(const crypto::Signature& signature) {
    Bytes out;
    append(out, signature.r);
    append(out, signature.s);
    out.push_back(static_cast<std::uint8_t>(27 + signature.y_parity));
    return to_hex0x(out);
}

// The call as the client's ABI reads it. What cannot be read is said, not refused: a node would take it, too.
void write_call(json::Writer& writer, const std::vector<ethereum::abi::Function>& functions,
                const ethereum::Transaction& transaction) {
    writer.key("call");
    const ByteView data = transaction.data;
    Error error{Code::NotFound, "the calldata's selector is no function's of the given ABI"};
    for (const auto& function : functions) {
        const auto selector = function.selector();
        if (data.size() < selector.size() || !std::equal(selector.begin(), selector.end(), data.begin()))
            continue;
        const auto values = ethereum::abi::decode_call(function, data);
        if (values) {
            ethereum::abi::write_call_json(writer, function, *values);
            return;
        }
        error = values.error();
    }
    writer.begin_object()
        .member("error", code_name(error.code))
        .member("message", error.text.view())
        .end_object();
}

// The contract that the transaction deploys, if it does.
std::optional<ethereum::Address> deployed(const ethereum::Transaction& transaction,
                                          const ethereum::Address& from) {
    if (!transaction.to)
        return ethereum::create_address(from, transaction.nonce);
    return ethereum::deterministic_deployment(transaction);
}

} // namespace

// A fault in the arithmetic could reveal the key: a signature that does not verify stays here (design
// invariant 6).
Status Enclave::may_leave(const OpenKey& key, const Hash32& digest,
                          const crypto::Signature& signature) const {
    if (!manifest()->verify_before_release)
        return {};
    const auto names_the_address = [&] {
        const auto sender = curve_->recover(digest, signature);
        if (!sender || ethereum::address_of(*sender) != key.address)
            return false;
        key.public_key.set(*sender);
        return true;
    };
    const auto* known = key.public_key.get();
    if (known != nullptr ? !curve_->verify(*known, digest, signature) : !names_the_address())
        return fail(Code::SigningFailed, "the signature did not verify and was withheld");
    return {};
}

Result<crypto::Signature> Enclave::sign(const OpenKey& key, const Hash32& digest) const {
    REDOUBT_TRY(const auto signature, curve_->sign(key.private_key, digest));
    REDOUBT_CHECK(may_leave(key, digest, signature));
    return signature;
}

Result<std::shared_ptr<const OpenKey>> Enclave::derive(const OpenKey& seed,
                                                       const crypto::HdPath& path) const {
    if (seed.seed.empty())
        return fail(Code::InvalidField, "path belongs to HD keys, and this key is not one; leave it out");
    auto key = std::make_shared<OpenKey>();
    REDOUBT_TRY(key->private_key, crypto::derive_hd_key(*curve_, seed.seed, path));
    REDOUBT_TRY(const auto public_key, curve_->public_key(key->private_key));
    key->public_key.set(public_key);
    key->address = ethereum::address_of(public_key);
    // Its counters are the whole key's, sealed by a secret of the seed.
    key->counter_secret = sealed::counter_key(seed.seed, seed.head.id);
    key->head = seed.head;
    key->policy = seed.policy;
    key->policy_until = seed.policy_until;
    key->lease = seed.lease;
    key->opened = seed.opened;
    return key;
}

Enclave::KeyOrReply Enclave::signing_key(const Asked& asked, const api::Signer& signer) {
    KeyOrReply found = vault_key(asked, signer.key_id);
    if (!found.key || !signer.path)
        return found;
    const Hash32 id = cache_id(found.key->head.id, *signer.path);
    // One of another record of the seed may be in another state, or of a vault that the seed has left.
    if (auto cached = derived_.find(id, asked.now);
        cached && cached->head == found.key->head && cached->policy == found.key->policy)
        return {std::move(cached), std::nullopt};
    // As costly as several signatures: not on a thread that signs for others.
    if (asked.may_wait == MayWait::No)
        return {nullptr, std::nullopt};
    auto derived = derive(*found.key, *signer.path);
    if (!derived)
        return {nullptr, refusal(derived.error())};
    derived_.insert(id, *derived);
    return {std::move(*derived), std::nullopt};
}

Status Enclave::may_sign_raw(const OpenKey& key) const {
    if ((key.head.flags & sealed::kFlagRawSigning) == 0)
        return fail(
            Code::RawSigningRefused,
            "a digest could be anything, a transaction or an EIP-7702 authorization included; only a key "
            "created with raw_signing signs one");
    return {};
}

Status Enclave::check_transaction(const OpenKey& key, const ethereum::ParsedTransaction& parsed) const {
    if (parsed.from && *parsed.from != key.address)
        return fail(
            Code::InvalidField,
            "from is not the address that signs: that of the key, or of the one at the request's path");
    const std::uint64_t most = manifest()->limits.max_transaction_gas;
    if (most != 0 && parsed.transaction.gas > most)
        return fail(
            Code::BadTransaction,
            "gas is above 16,777,216, which chains since Osaka refuse (EIP-7825), or above the manifest's "
            "max_transaction_gas");
    return {};
}

template<class Digest>
std::optional<wire::Reply> Enclave::to_sign(const Asked& asked, std::shared_ptr<const OpenKey> key,
                                            const policy::Facts& facts, Digest&& digest) {
    Permit allowed = permit(asked, *key, facts);
    if (allowed.reply)
        return std::move(allowed.reply);
    asked.note.signed_digest = digest();
    asked.to_sign.key = std::move(key);
    asked.to_sign.records = std::move(allowed.records);
    return std::nullopt;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignTransaction& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    if (const auto status = check_transaction(*found.key, operation.transaction); !status)
        return refusal(status.error());
    return to_sign(asked, std::move(found.key), *api::facts_of(operation),
                   [&] { return ethereum::signing_hash(operation.transaction.transaction); });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignTransaction& operation,
                                  const crypto::Signature& signature) {
    const ethereum::Transaction& transaction = operation.transaction.transaction;
    const ethereum::Address& from = pass.to_sign.key->address;
    thread_local Bytes raw; // used again for its memory
    ethereum::serialise(transaction, signature, raw);
    wire::Reply reply;
    reply.body = take_text(kReplyHead + 2 * raw.size() + 2 * transaction.data.size());
    json::Writer writer(reply.body);
    writer.begin_object()
        .hex("raw_transaction", raw)
        .hex("hash", ethereum::transaction_hash(raw))
        .hex("r", signature.r)
        .hex("s", signature.s)
        .plain("v", ethereum::quantity(ethereum::v_of(transaction, signature.y_parity)))
        .member("y_parity", std::uint64_t{signature.y_parity})
        .key("transaction");
    ethereum::write_transaction_json(writer, transaction, from);
    if (const auto contract = deployed(transaction, from))
        writer.plain("contract_address", ethereum::checksum(*contract));
    if (!operation.functions.empty())
        write_call(writer, operation.functions, transaction);
    writer.member("rule", pass.note.rule).end_object();
    reply.records = std::move(pass.to_sign.records);
    if (raw.capacity() > kKeptRaw)
        raw = Bytes();
    return reply;
}

// The reply to a signature over a digest. `more` writes what else it holds.
wire::Reply Enclave::signed_digest(Pass& pass, const crypto::Signature& signature,
                                   const std::function<void(json::Writer&)>& more) {
    wire::Reply reply;
    reply.body = take_text(kReplyHead);
    json::Writer writer(reply.body);
    writer.begin_object()
        .plain("address", ethereum::checksum(pass.to_sign.key->address))
        .hex("digest", pass.note.signed_digest)
        .plain("signature", signature_text(signature))
        .hex("r", signature.r)
        .hex("s", signature.s)
        .member("v", std::uint64_t{27} + signature.y_parity)
        .member("y_parity", std::uint64_t{signature.y_parity});
    if (more)
        more(writer);
    writer.member("rule", pass.note.rule).end_object();
    reply.records = std::move(pass.to_sign.records);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignMessage& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    return to_sign(asked, std::move(found.key), *api::facts_of(operation), [&] {
        return operation.validator ? ethereum::validator_data_digest(*operation.validator, operation.message)
                                   : ethereum::personal_message_digest(operation.message);
    });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignMessage& operation,
                                  const crypto::Signature& signature) {
    return signed_digest(pass, signature, [&](json::Writer& writer) {
        writer.key("message").begin_object().member("version", operation.validator ? "0x00" : "0x45");
        if (operation.validator)
            writer.plain("validator", ethereum::checksum(*operation.validator));
        writer.hex("hex", operation.message).end_object();
    });
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignTypedData& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    return to_sign(asked, std::move(found.key), *api::facts_of(operation),
                   [&] { return operation.typed_data.digest; });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignTypedData& operation,
                                  const crypto::Signature& signature) {
    return signed_digest(pass, signature, [&](json::Writer& writer) {
        writer.member("primary_type", operation.typed_data.primary_type)
            .hex("domain_separator", operation.typed_data.domain_separator)
            .hex("struct_hash", operation.typed_data.struct_hash);
    });
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignAuthorization& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    return to_sign(asked, std::move(found.key), *api::facts_of(operation),
                   [&] { return ethereum::authorization_digest(operation.authorization); });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignAuthorization& operation,
                                  const crypto::Signature& signature) {
    wire::Reply reply;
    reply.body = take_text(kReplyHead);
    json::Writer writer(reply.body);
    writer.begin_object()
        .plain("address", ethereum::checksum(pass.to_sign.key->address))
        .hex("digest", pass.note.signed_digest)
        .plain("signature", signature_text(signature))
        .key("authorization");
    ethereum::write_authorization_json(writer, {operation.authorization, signature});
    writer.member("rule", pass.note.rule).end_object();
    reply.records = std::move(pass.to_sign.records);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignHash& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    if (const auto status = may_sign_raw(*found.key); !status)
        return refusal(status.error());
    return to_sign(asked, std::move(found.key), *api::facts_of(operation), [&] { return operation.hash; });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignHash&, const crypto::Signature& signature) {
    return signed_digest(pass, signature);
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::SignData& operation) {
    KeyOrReply found = signing_key(asked, operation.signer);
    if (!found.key)
        return std::move(found.reply);
    if (const auto status = may_sign_raw(*found.key); !status)
        return refusal(
            ethereum::is_ethereum_payload(operation.data)
                ? Error{Code::RawSigningRefused,
                        "the data is a transaction, an authorization or a message in Ethereum's own "
                        "encoding; use the route for it"}
                : status.error());
    return to_sign(asked, std::move(found.key), *api::facts_of(operation),
                   [&] { return crypto::keccak256(operation.data); });
}

wire::Reply Enclave::signed_reply(Pass& pass, const api::SignData&, const crypto::Signature& signature) {
    return signed_digest(pass, signature);
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::DeriveAddresses& operation) {
    const KeyOrReply found = vault_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    if (found.key->seed.empty())
        return refusal(
            {Code::InvalidField, "only HD keys have addresses to derive, and this key is not one"});
    // Milliseconds of arithmetic and an attestation: not on a thread that signs, and counted by its cost.
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    if (auto allowed = permit(asked, *found.key, *api::facts_of(operation)); allowed.reply)
        return allowed.reply;
    const auto cost = 1 + static_cast<int>((operation.paths.size() - 1) / kAddressesPerStatement);
    if (const auto status = attestor_.allow_statement(cost); !status)
        return refusal(status.error());
    const auto vault = vaults_.find(found.key->head.vault, asked.now);
    if (!vault)
        return refusal({Code::VaultClosed, "the key's vault is closed"});
    trust::AddressStatement statement;
    statement.key_id = sealed::key_id_text(found.key->head.id);
    statement.vault_id = sealed::vault_id_text(found.key->head.vault);
    statement.vault_commitment = to_hex(vault->record.commitment);
    statement.policy_digest = to_hex(policy_in_force(found.key->head, asked.now));
    statement.nonce = to_hex(operation.nonce);
    for (const auto& path : operation.paths) {
        const auto derived = derive(*found.key, path);
        if (!derived)
            return refusal(derived.error());
        statement.addresses.push_back(
            {crypto::hd_path_text(path), ethereum::to_checksum((*derived)->address)});
    }
    const std::string text = trust::encode_statement(statement);
    const auto document =
        attestor_.document(trust::kPurposeAddresses, crypto::sha256(as_bytes(text)), operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer writer(reply.body);
    writer.begin_object().member("key_id", statement.key_id).key("addresses").begin_array();
    for (const auto& [path, address] : statement.addresses)
        writer.begin_object().member("path", path).member("address", address).end_object();
    writer.end_array()
        .member("statement", to_base64(as_bytes(text)))
        .member("attestation", to_base64(*document))
        .end_object();
    return reply;
}

} // namespace redoubt::enclave
