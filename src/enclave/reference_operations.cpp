// SPDX-License-Identifier: Apache-2.0
// The AWS sample's operations on reference keys: a KMS ciphertext in Secrets Manager that the gateway sends
// along.
#include "api/operation.h"
#include "enclave/decisions.h"
#include "policy/open_policy.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

constexpr int kMaxGenerating = 2;

// Plaintexts of both generations: 64 hexadecimal digits with or without 0x, or 32 raw bytes.
Result<Secret> private_key_of(const Secret& plaintext) {
    const SecretAccess why("read a reference key's plaintext");
    if (plaintext.size() == 32)
        return plaintext.clone();
    std::string_view digits = plaintext.text(why);
    if (digits.size() == 66 && digits.starts_with("0x"))
        digits.remove_prefix(2);
    Secret key(32);
    if (!from_hex_exact(digits, key.mutable_view(why)))
        return fail(Code::KeyInvalid, "the secret's plaintext is neither 32 bytes nor 64 hexadecimal digits");
    return key;
}

} // namespace

Status Enclave::reference_allowed(const ethereum::Address& address) const {
    const trust::ReferenceKeys& rules = manifest()->reference_keys;
    switch (rules.mode) {
    case trust::ReferenceKeys::Mode::Any:
        return {};
    case trust::ReferenceKeys::Mode::None:
        break;
    case trust::ReferenceKeys::Mode::Listed: {
        const auto found = rules.by_address.find(address);
        if (found == rules.by_address.end())
            break;
        if (manifest()->require_policy && found->second.policy_digest == policy::open_policy_digest())
            return fail(Code::PolicyRequired,
                        "the manifest requires policies, and binds this address to the open one");
        return {};
    }
    }
    return fail(Code::ReferenceKeyRefused, "the manifest's reference_keys does not allow this key");
}

Hash32 Enclave::reference_policy_digest(const ethereum::Address& address) const {
    const trust::ReferenceKeys& rules = manifest()->reference_keys;
    const auto entry = rules.by_address.find(address);
    return entry != rules.by_address.end() ? entry->second.policy_digest : policy::open_policy_digest();
}

bool Enclave::reference_may_sign_raw(const ethereum::Address& address) const {
    const trust::ReferenceKeys& rules = manifest()->reference_keys;
    const auto entry = rules.by_address.find(address);
    return rules.mode == trust::ReferenceKeys::Mode::Any ||
           (entry != rules.by_address.end() && entry->second.raw_signing);
}

Result<std::shared_ptr<const OpenKey>> Enclave::open_reference(ByteView ciphertext, UnixMs now) {
    const trust::Manifest* m = manifest();
    if (m->reference_keys.mode == trust::ReferenceKeys::Mode::None)
        return fail(Code::ReferenceKeyRefused, "the manifest's reference_keys allows no reference keys");
    const auto credentials_now = credentials();
    if (!credentials_now)
        return fail(Code::CredentialsMissing, "the enclave has no AWS credentials yet");
    // A blob does not say openly under which key it is: each reference key of the manifest is asked, by its
    // full ARN.
    Error last{Code::KmsKeyRefused, "the manifest names no KMS key with the purpose reference"};
    for (const auto& kms_key : m->kms_keys) {
        if (kms_key.purpose != trust::KmsPurpose::Reference)
            continue;
        REDOUBT_TRY(const auto arn, aws::parse_kms_key_arn(kms_key.arn));
        // Confirmed: nothing authenticates this plaintext, and CMS's CBC lets a forger flip bits of it.
        auto plaintext = kms_.with(KmsCall::Decrypt, [&](aws::KmsClient& kms) {
            return kms.decrypt_confirmed(arn, ciphertext, {}, *credentials_now);
        });
        if (!plaintext) {
            last = plaintext.error();
            continue;
        }
        auto key = std::make_shared<OpenKey>();
        REDOUBT_TRY(key->private_key, private_key_of(*plaintext));
        if (!curve_->valid_key(key->private_key))
            return fail(Code::KeyInvalid, "the secret's plaintext is not a secp256k1 private key");
        REDOUBT_TRY(const auto public_key, curve_->public_key(key->private_key));
        key->public_key.set(public_key);
        key->address = ethereum::address_of(public_key);
        REDOUBT_CHECK(reference_allowed(key->address));
        key->lease = std::make_shared<Lease>();
        key->lease->until = now + std::int64_t{1000} * m->limits.vault_lease_seconds;
        key->opened = now;
        return key;
    }
    return std::unexpected(std::move(last));
}

Enclave::KeyOrReply Enclave::reference_key(const Asked& asked, std::string_view secret_id) {
    const auto stored = asked.item(wire::ItemKind::ReferenceCiphertext, secret_id);
    if (!stored)
        return {nullptr, need(wire::ItemKind::ReferenceCiphertext, secret_id)};
    const Bytes ciphertext = ciphertext_of(*stored);
    const Hash32 id = crypto::sha256(ciphertext);
    if (auto key = references_.find(id, asked.now))
        return {std::move(key), std::nullopt};
    if (auto refused = opening_.refused(id))
        return {nullptr, refusal(*refused)};
    if (asked.may_wait != MayWait::ForKms)
        return {nullptr, std::nullopt};
    const auto turn = opening_.turn(id);
    const std::lock_guard lock(*turn);
    if (auto key = references_.find(id, asked.now))
        return {std::move(key), std::nullopt};
    if (auto refused = opening_.refused(id))
        return {nullptr, refusal(*refused)};
    auto opened = open_reference(ciphertext, asked.now);
    if (!opened) {
        opening_.remember(id, opened.error());
        wire::Reply reply = refusal(opened.error());
        if (reply.status == wire::kNeeds) // credentials: the ciphertext has to come again with the next try
            reply.needs.push_back({wire::ItemKind::ReferenceCiphertext, std::string(secret_id)});
        return {nullptr, std::move(reply)};
    }
    references_.insert(id, *opened);
    return {std::move(*opened), std::nullopt};
}

// With the policy that the manifest binds its address to. Its counters have an id of the address.
Enclave::KeyOrReply Enclave::signing_reference_key(const Asked& asked, std::string_view secret_id) {
    KeyOrReply found = reference_key(asked, secret_id);
    if (!found.key)
        return found;
    const Hash32 digest = reference_policy_digest(found.key->address);
    if (digest == policy::open_policy_digest() || (found.key->policy && found.key->policy->digest == digest))
        return found;
    auto bound = std::make_shared<OpenKey>();
    bound->private_key = found.key->private_key.clone();
    if (const auto* known = found.key->public_key.get())
        bound->public_key.set(*known);
    bound->address = found.key->address;
    bound->lease = found.key->lease;
    bound->opened = found.key->opened;
    bound->head.policy_digest = digest;
    bound->head.id = sealed::key_id_of_token("reference/" + to_hex(bound->address));
    found = policy_for(asked, std::move(bound));
    if (!found.key && found.reply && found.reply->status == wire::kNeeds)
        found.reply->needs.push_back({wire::ItemKind::ReferenceCiphertext, std::string(secret_id)});
    if (found.key)
        references_.insert(
            crypto::sha256(ciphertext_of(*asked.item(wire::ItemKind::ReferenceCiphertext, secret_id))),
            found.key);
    return found;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ReferenceSignTransaction& operation) {
    const KeyOrReply found = signing_reference_key(asked, operation.secret_id);
    if (!found.key)
        return found.reply;
    if (const auto status = usable(*found.key, asked.now); !status)
        return refusal(status.error());
    if (const auto status = check_transaction(*found.key, operation.transaction); !status)
        return refusal(status.error());
    const ethereum::Transaction& transaction = operation.transaction.transaction;
    policy::Facts facts;
    facts.operation = policy::Operation::SignTransaction;
    facts.transaction = &transaction;
    Permit allowed = permit(asked, *found.key, facts);
    if (allowed.reply)
        return allowed.reply;
    asked.note.signed_digest = ethereum::signing_hash(transaction);
    const auto signature = sign(*found.key, asked.note.signed_digest);
    if (!signature)
        return refusal(signature.error());
    const Bytes raw = ethereum::serialise(transaction, *signature);
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("transaction_signed", to_hex0x(raw))
        .member("transaction_hash", to_hex0x(ethereum::transaction_hash(raw)))
        .end_object();
    reply.records = std::move(allowed.records);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ReferenceSignHash& operation) {
    const KeyOrReply found = signing_reference_key(asked, operation.secret_id);
    if (!found.key)
        return found.reply;
    if (const auto status = usable(*found.key, asked.now); !status)
        return refusal(status.error());
    if (!reference_may_sign_raw(found.key->address))
        return refusal(
            {Code::RawSigningRefused,
             "a digest could be anything, a transaction included; the manifest's reference_keys must "
             "grant this address raw_signing"});
    policy::Facts facts;
    facts.operation = policy::Operation::SignHash;
    facts.digest = &operation.hash;
    Permit allowed = permit(asked, *found.key, facts);
    if (allowed.reply)
        return allowed.reply;
    asked.note.signed_digest = operation.hash;
    const auto signature = sign(*found.key, operation.hash);
    if (!signature)
        return refusal(signature.error());
    wire::Reply reply;
    reply.records = std::move(allowed.records);
    json::Writer(reply.body)
        .begin_object()
        .key("signature")
        .begin_object()
        .member("r", to_hex0x(signature->r))
        .member("s", to_hex0x(signature->s))
        .member("v", std::uint64_t{27} + signature->y_parity)
        .end_object()
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ReferenceGenerateKey& operation) {
    asked.note.operation = "generate-reference-key";
    if (const auto status = admitted(asked, false); !status)
        return refusal(status.error());
    const trust::Manifest* m = manifest();
    const trust::ManifestKmsKey* wanted = nullptr;
    for (const auto& key : m->kms_keys)
        if (key.purpose == trust::KmsPurpose::Reference &&
            (key.arn == operation.kms_key_id || key.arn.ends_with("/" + std::string(operation.kms_key_id))))
            wanted = &key;
    if (wanted == nullptr)
        return refusal(
            {Code::KmsKeyRefused, "the manifest does not name this KMS key with the purpose reference"});
    if (m->reference_keys.mode != trust::ReferenceKeys::Mode::Any)
        return refusal({Code::ReferenceKeyRefused,
                        "the manifest's reference_keys would not let a new reference key sign"});
    if (asked.may_wait != MayWait::ForKms)
        return std::nullopt;
    // Two calls of KMS each, and nothing that could be remembered: no more than leaves workers for others.
    struct Place {
        std::atomic<int>& count;
        bool free;
        explicit Place(std::atomic<int>& taken) : count(taken), free(++taken <= kMaxGenerating) {}
        ~Place() { --count; }
    } const place(generating_);
    if (!place.free)
        return refusal({Code::TooManyRequests, "too many keys are being generated; try again in a second"});
    const auto credentials_now = credentials();
    if (!credentials_now)
        return refusal({Code::CredentialsMissing, "the enclave has no AWS credentials yet"});
    const auto arn = aws::parse_kms_key_arn(wanted->arn);
    if (!arn)
        return refusal(arn.error());
    if (const auto status = admitted(asked, true); !status)
        return refusal(status.error());
    for (int attempt = 0; attempt < 4;
         ++attempt) { // a data key that is no private key comes once in 2^128 draws
        const auto data_key = kms_.with(KmsCall::GenerateDataKey, [&](aws::KmsClient& kms) {
            return kms.generate_data_key(*arn, {}, *credentials_now);
        });
        if (!data_key)
            return refusal(data_key.error());
        const auto public_key = curve_->public_key(data_key->plaintext);
        if (!public_key)
            continue;
        wire::Reply reply;
        json::Writer(reply.body)
            .begin_object()
            .member("address", ethereum::to_checksum(ethereum::address_of(*public_key)))
            .member("encrypted_key", to_base64(data_key->ciphertext_blob))
            .end_object();
        return reply;
    }
    return refusal({Code::KeyInvalid, "KMS gave no data key that is a private key"});
}

} // namespace redoubt::enclave
