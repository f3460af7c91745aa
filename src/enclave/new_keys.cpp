// SPDX-License-Identifier: Apache-2.0
// Where keys come from: drawn here, imported, or adopted from a reference key. A repeat under the same client
// token finds the key that is there.
#include "api/operation.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "enclave/asked.h"
#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

constexpr std::size_t kPrivateKeySize = 32;
constexpr std::size_t kSeedSize = 32; // BIP-32 recommends 256 bits

sealed::Algorithm algorithm_of(const api::NewKey& wanted) noexcept {
    return wanted.hd ? sealed::Algorithm::HdSecp256k1 : sealed::Algorithm::Secp256k1;
}

Hash32 policy_digest_of(const api::NewKey& wanted) {
    return wanted.policy ? wanted.policy->digest : policy::open_policy_digest();
}

sealed::KeyHead head_of(const api::NewKey& wanted) {
    sealed::KeyHead head;
    head.algorithm = algorithm_of(wanted);
    head.flags = (wanted.exportable ? sealed::kFlagExportable : 0) |
                 (wanted.raw_signing ? sealed::kFlagRawSigning : 0);
    head.policy_digest = policy_digest_of(wanted);
    head.label = wanted.label;
    head.tags = wanted.tags;
    return head;
}

// The X25519 key that secrets are sealed to for import into this vault.
Secret import_key_of(const OpenVault& vault) {
    return crypto::hkdf_sha256(vault.key.view(SecretAccess("derive a vault's import key")), vault.record.id,
                               as_bytes("redoubt import key v1"), 32);
}

// Of a reference key: the same key is adopted once, whatever ciphertext it comes in. No client's token holds
// a '/'.
sealed::KeyId adopted_id(const ethereum::Address& address) {
    return sealed::key_id_of_token("adopt/" + to_hex(address));
}

} // namespace

Status Enclave::authorised(const std::optional<trust::SignedAuthorization>& given, UnixMs now,
                           const std::function<bool(const trust::Authorization&)>& for_this) const {
    const trust::Manifest* m = manifest();
    if (m->owners.empty()) {
        if (given)
            return fail(Code::InvalidField,
                        "the manifest names no owners who could authorise this; leave authorization out");
        return {};
    }
    if (!given)
        return fail(Code::Forbidden,
                    "the manifest names owners, and this needs one's authorization; `redoubt "
                    "authorize` makes it");
    REDOUBT_TRY(const auto authorization, trust::check_authorization(*m, *given, now));
    if (!for_this(authorization))
        return fail(Code::Forbidden,
                    "the owners' authorization is for something else than what is asked for");
    return {};
}

Enclave::VaultOrReply Enclave::vault_for_new_key(const Asked& asked, const api::NewKey& wanted,
                                                 const Hash32& policy_digest) {
    if (manifest()->require_policy &&
        (wanted.policy ? wanted.policy->open : policy_digest == policy::open_policy_digest()))
        return {nullptr, refusal({Code::PolicyRequired,
                                  "the manifest requires a policy for each key; give policy, with rules"})};
    const std::string digest = to_hex(policy_digest);
    if (const auto status = authorised(wanted.authorization, asked.now,
                                       [&](const trust::Authorization& a) {
                                           return a.operation == "key-policy" && a.policy_digest == digest;
                                       });
        !status)
        return {nullptr, refusal(status.error())};
    if (!wanted.vault_id.empty()) {
        const auto id = sealed::parse_vault_id(wanted.vault_id);
        return id ? vault(asked, *id)
                  : VaultOrReply{nullptr,
                                 refusal({Code::VaultUnknown, "vault ids are vault- and 32 hex digits"})};
    }
    auto open = vaults_.newest(asked.now);
    if (!open)
        return {nullptr, refusal({Code::VaultClosed,
                                  "no vault is open; the gateway's log says why KMS did not open one"})};
    return {std::move(open), std::nullopt};
}

Enclave::KeyOrReply Enclave::prior_key(const Asked& asked, const sealed::KeyId& id) {
    const std::string name = sealed::key_id_text(id);
    const auto stored = asked.item(wire::ItemKind::KeyIfAny, name);
    if (!stored)
        return {nullptr, need(wire::ItemKind::KeyIfAny, name)};
    const auto unstored = revisions_.unstored(id);
    if (stored->empty() && !unstored)
        return {nullptr, std::nullopt};
    KeyOrReply found =
        open_record(asked, id, unstored ? ByteView(*unstored) : *stored, wire::ItemKind::KeyIfAny);
    if (!found.key)
        return found;
    if (const auto status = readable(found.key->head, asked.now); !status)
        return {nullptr, refusal(status.error())};
    return found;
}

Result<wire::Reply> Enclave::new_key(const OpenVault& vault, sealed::KeyHead head, Secret secret,
                                     const api::NewKey& wanted) {
    static const crypto::HdPath default_path = *crypto::parse_hd_path(crypto::kDefaultHdPath);
    OpenKey key;
    if (head.algorithm == sealed::Algorithm::HdSecp256k1) {
        REDOUBT_TRY(key.private_key, crypto::derive_hd_key(*curve_, secret, default_path));
        key.seed = std::move(secret);
    } else {
        key.private_key = std::move(secret);
    }
    REDOUBT_TRY(const auto public_key, curve_->public_key(key.private_key));
    key.public_key.set(public_key);
    key.address = ethereum::address_of(public_key);
    head.address = key.address;
    head.vault = vault.record.id;
    head.epoch = vault.record.epoch;
    head.created = clock_.now();
    key.head = std::move(head);
    // A statement proves nothing to a client that sent no nonce: it could be any key's, of any time.
    REDOUBT_TRY(
        auto description,
        key_description(key, vault, wanted.nonce.empty() ? std::nullopt : std::optional(wanted.nonce)));
    wire::Reply reply;
    reply.status = 201;
    reply.body = std::move(description);
    if (wanted.policy) {
        policies_.insert(std::make_shared<const policy::Document>(*wanted.policy));
        reply.records.push_back(
            {wire::ItemKind::Policy, to_hex(wanted.policy->digest), to_bytes(wanted.policy->canonical)});
    }
    reply.records.push_back(
        {wire::ItemKind::KeyRecord, sealed::key_id_text(key.head.id),
         sealed::seal_key(vault.key, key.head, key.seed.empty() ? key.private_key : key.seed, random_)});
    return reply;
}

// `secret` is asked once nothing stands in the way any more; for a key that is there already, only where the
// two must be compared.
std::optional<wire::Reply> Enclave::make_key(const Asked& asked, const api::NewKey& wanted,
                                             sealed::KeyHead head,
                                             const std::function<Result<Secret>(const OpenVault&)>& secret) {
    asked.note.key_id = head.id;
    asked.note.policy_digest = head.policy_digest;
    if (const auto status = admitted(asked, false); !status)
        return refusal(status.error());
    const VaultOrReply in = vault_for_new_key(asked, wanted, head.policy_digest);
    if (!in.vault)
        return in.reply;
    KeyOrReply prior;
    if (head.id != sealed::KeyId{}) {
        prior = prior_key(asked, head.id);
        if (prior.reply)
            return std::move(prior.reply);
        // Neither a reply nor a key: there is none, or its vault has to wait for KMS.
        if (!prior.key && !asked.item(wire::ItemKind::KeyIfAny, sealed::key_id_text(head.id))->empty())
            return std::nullopt;
    }
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    // Before randomness is drawn: what is refused must cost nothing.
    if (!wanted.nonce.empty())
        if (const auto status = attestor_.allow_statement(); !status)
            return refusal(status.error());
    if (const auto status = admitted(asked, true); !status)
        return refusal(status.error());
    auto drawn = secret(*in.vault);
    if (!drawn)
        return refusal(drawn.error());
    if (prior.key) {
        const sealed::KeyHead& is = prior.key->head;
        bool same = is.algorithm == head.algorithm && is.flags == head.flags &&
                    is.policy_digest == head.policy_digest;
        if (same && !drawn->empty())
            same = equal_secrets(*drawn, prior.key->seed.empty() ? prior.key->private_key : prior.key->seed);
        if (!same)
            return refusal(
                {Code::Conflict,
                 "the client_token was used for another kind of key, or another secret; use another "
                 "token"});
        auto reply = described(asked, *prior.key, wanted.nonce);
        return reply ? std::move(*reply) : refusal(reply.error());
    }
    // That there is no such key is the host's word. What this enclave has seen changed is not made anew: an
    // import sent again would be a key that was disabled or deleted, enabled.
    if (revisions_.known(head.id) != 0)
        return refusal({Code::Conflict, "the client_token names a key that is deleted; use another token"});
    if (head.id == sealed::KeyId{})
        head.id = random_.array<16>();
    if (drawn->empty()) {
        if (wanted.hd) {
            *drawn = random_.secret(kSeedSize);
        } else {
            do
                *drawn = random_.secret(kPrivateKeySize);
            while (!curve_->valid_key(*drawn)); // all but 2^-128 of the draws are valid
        }
    }
    asked.note.key_id = head.id;
    auto made = new_key(*in.vault, std::move(head), std::move(*drawn), wanted);
    return made ? std::move(*made) : refusal(made.error());
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::CreateKey& operation) {
    asked.note.operation = "create-key";
    sealed::KeyHead head = head_of(operation.key);
    if (!operation.key.client_token.empty())
        head.id = sealed::key_id_of_token(operation.key.client_token);
    return make_key(asked, operation.key, std::move(head),
                    [](const OpenVault&) { return Result<Secret>(Secret()); }); // to be drawn
}

// Every enclave that has the vault open has the same key, so an import may reach another one than its offer.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::OfferImport& operation) {
    const auto id = sealed::parse_vault_id(operation.vault_id);
    const auto vault = operation.vault_id.empty() ? vaults_.newest(asked.now)
                       : id                       ? vaults_.find(*id, asked.now)
                                                  : nullptr;
    if (!vault)
        return refusal(
            {Code::VaultClosed, "no such vault is open; the gateway's log says why KMS did not open one"});
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    if (const auto status = attestor_.allow_statement(); !status)
        return refusal(status.error());
    const auto public_key = crypto::x25519_public(import_key_of(*vault));
    if (!public_key)
        return refusal(public_key.error());
    trust::ImportOffer offer;
    offer.epoch = vault->record.epoch;
    offer.vault_id = sealed::vault_id_text(vault->record.id);
    offer.vault_commitment = to_hex(vault->record.commitment);
    offer.public_key = to_hex0x(*public_key);
    offer.nonce = to_hex(operation.nonce);
    const std::string text = trust::encode_statement(offer);
    const auto document =
        attestor_.document(trust::kPurposeImport, crypto::sha256(as_bytes(text)), operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("public_key", offer.public_key)
        .member("vault_id", offer.vault_id)
        .member("epoch", offer.epoch)
        .member("statement", to_base64(as_bytes(text)))
        .member("attestation", to_base64(*document))
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ImportKey& operation) {
    asked.note.operation = "import-key";
    const api::NewKey& wanted = operation.key;
    sealed::KeyHead head = head_of(wanted);
    head.id = sealed::key_id_of_token(wanted.client_token);
    const auto open = [&](const OpenVault& vault) -> Result<Secret> {
        trust::ImportInfo info;
        info.key_id = sealed::key_id_text(head.id);
        info.vault_id = sealed::vault_id_text(vault.record.id);
        info.policy_digest = to_hex(head.policy_digest);
        info.epoch = vault.record.epoch;
        info.hd = wanted.hd;
        info.exportable = wanted.exportable;
        info.raw_signing = wanted.raw_signing;
        REDOUBT_TRY(auto secret,
                    crypto::hpke_open(import_key_of(vault), {operation.encapsulated, operation.ciphertext},
                                      as_bytes(trust::import_info(info)), {}));
        if (!sealed::valid_secret_size(head.algorithm, secret.size()))
            return fail(Code::KeyInvalid, "a private key has 32 bytes, a BIP-32 seed 16 to 64");
        return secret;
    };
    return make_key(asked, wanted, head, open);
}

// What a reference key may do when it is a vault's is what the manifest let it do before, and never more: no
// caller can make it exportable or bind it to a policy of his own.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::AdoptKey& operation) {
    const KeyOrReply found = reference_key(asked, operation.secret_id);
    if (!found.key)
        return found.reply;
    asked.note.operation = "adopt-key";
    sealed::KeyHead head = head_of(operation.key);
    head.policy_digest = reference_policy_digest(found.key->address);
    head.id = adopted_id(found.key->address);
    head.flags = reference_may_sign_raw(found.key->address) ? sealed::kFlagRawSigning : 0;
    auto reply = make_key(asked, operation.key, head,
                          [&](const OpenVault&) -> Result<Secret> { return found.key->private_key.clone(); });
    if (reply && reply->status == wire::kNeeds)
        reply->needs.push_back({wire::ItemKind::ReferenceCiphertext, std::string(operation.secret_id)});
    return reply;
}

} // namespace redoubt::enclave
