// SPDX-License-Identifier: Apache-2.0
// What clients ask of vault keys, and of the enclave itself.
#include "api/operation.h"
#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "enclave/asked.h"
#include "policy/open_policy.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

constexpr std::size_t kPrivateKeySize = 32;
constexpr std::size_t kMostReadAtOnce = 64 * 1024;
constexpr std::size_t kSeedSize = 32; // BIP-32 recommends 256 bits

const crypto::HdPath& default_path() {
    static const crypto::HdPath path = *crypto::parse_hd_path(crypto::kDefaultHdPath);
    return path;
}

template<class Operation>
std::uint32_t flags_of(const Operation& operation) noexcept {
    return (operation.exportable ? sealed::kFlagExportable : 0) |
           (operation.raw_signing ? sealed::kFlagRawSigning : 0);
}

template<class Operation>
sealed::Algorithm algorithm_of(const Operation& operation) noexcept {
    return operation.hd ? sealed::Algorithm::HdSecp256k1 : sealed::Algorithm::Secp256k1;
}

// The X25519 key that secrets are sealed to for import into this vault.
Secret import_key_of(const OpenVault& vault) {
    return crypto::hkdf_sha256(vault.key.view(SecretAccess("derive a vault's import key")), vault.record.id,
                               as_bytes("redoubt import key v1"), 32);
}

trust::ImportOffer offer_of(const OpenVault& vault, std::uint64_t epoch) {
    trust::ImportOffer out;
    out.epoch = epoch;
    out.vault_id = sealed::vault_id_text(vault.record.id);
    out.vault_commitment = to_hex(vault.record.commitment);
    out.policy_digest = to_hex(policy::open_policy_digest());
    return out;
}

std::string_view header(const wire::Request& message, std::string_view name) noexcept {
    for (const auto& entry : message.headers)
        if (entry.name == name)
            return entry.value;
    return {};
}

} // namespace

std::optional<wire::Reply> Enclave::request(ByteView payload, MayWait may_wait, std::int64_t waited_ms) {
    const auto message = wire::decode_request(payload);
    if (!message)
        return refusal(message.error());
    if (message->deadline_ms != 0 && waited_ms >= message->deadline_ms)
        return refusal({Code::EnclaveTimeout, "the request waited past its deadline and was not begun"});
    for (std::size_t i = 0; i < message->headers.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (message->headers[i].name == message->headers[j].name)
                return refusal(
                    {Code::BadRequest, "a content or signature header stands twice; send it once"});
    const trust::Manifest* m = manifest();
    if (m == nullptr)
        return refusal({Code::ManifestMissing, "the enclave has no manifest yet; try again in a moment"});
    if (!m->authorities.empty()) {
        bool known = false;
        for (const auto& authority : m->authorities)
            known = known || authority == message->authority;
        if (!known)
            return refusal(
                {Code::WrongAuthority, "the manifest does not list the host name that the request is for"});
    }
    // Long bodies take milliseconds to read: not on a thread that signs for others.
    if (may_wait == MayWait::No && message->body.size() > kMostReadAtOnce)
        return std::nullopt;
    thread_local json::Document scratch;
    const api::Request parts{message->method,
                             message->path,
                             message->query,
                             message->has_query,
                             header(*message, "content-type"),
                             as_text(message->body)};
    const auto operation = api::parse_operation(parts, scratch);
    if (!operation) {
        if (operation.error().code == Code::MissingField && api::is_legacy_path(message->path)) {
            wire::Reply reply;
            reply.status = 404;
            reply.content_type = wire::ContentType::Text;
            reply.body = api::kLegacyMissing;
            return reply;
        }
        return refusal(operation.error());
    }
    const Asked asked{*message, may_wait, clock_.now()};
    return std::visit([&](const auto& typed) { return run(asked, typed); }, *operation);
}

Status Enclave::usable(const sealed::KeyHead& head) const {
    const trust::Manifest* m = manifest();
    if (head.epoch < m->min_epoch)
        return fail(Code::RecordStale, "the key's record is older than the manifest's min_epoch allows");
    if (head.policy_digest != policy::open_policy_digest())
        return fail(Code::PolicyRequired, "the key is bound to a policy that this version does not evaluate");
    if (m->require_policy)
        return fail(Code::PolicyRequired, "the manifest requires a policy, and this key has none");
    return {};
}

Result<std::shared_ptr<const OpenKey>> Enclave::open_sealed(const OpenVault& vault, const sealed::KeyId& id,
                                                            ByteView record, UnixMs now) {
    REDOUBT_TRY(auto opened, sealed::open_key(vault.key, record));
    if (opened.head.id != id)
        return fail(Code::RecordInvalid, "the sealed record is another key's");
    auto key = std::make_shared<OpenKey>();
    const bool hd = opened.head.algorithm == sealed::Algorithm::HdSecp256k1;
    Secret private_key;
    if (hd) {
        REDOUBT_TRY(private_key, crypto::derive_hd_key(*curve_, opened.private_key, default_path()));
    } else {
        private_key = std::move(opened.private_key);
    }
    REDOUBT_TRY(key->public_key, curve_->public_key(private_key));
    key->address = ethereum::address_of(key->public_key);
    if (key->address != opened.head.address)
        return fail(Code::RecordInvalid, "the sealed record's address is not its key's");
    key->private_key = std::move(private_key);
    if (hd)
        key->seed = std::move(opened.private_key);
    key->head = opened.head;
    key->lease = vault.lease;
    key->opened = now;
    return key;
}

Enclave::KeyOrReply Enclave::vault_key(const Asked& asked, std::string_view key_id) {
    const auto id = sealed::parse_key_id(key_id);
    if (!id)
        return {nullptr,
                refusal({Code::UnknownKey, "there is no such key; key ids are key- and 32 hex digits"})};
    std::shared_ptr<const OpenKey> key = keys_.find(cache_id(*id), asked.now);
    if (!key) {
        const auto record = asked.item(wire::ItemKind::KeyRecord, key_id);
        if (!record)
            return {nullptr, need(wire::ItemKind::KeyRecord, key_id)};
        const auto head = sealed::read_key_head(*record);
        if (!head)
            return {nullptr, refusal(head.error())};
        auto vault = vaults_.find(head->vault, asked.now);
        if (!vault) {
            const std::string vault_id = sealed::vault_id_text(head->vault);
            const auto vault_record = asked.item(wire::ItemKind::VaultRecord, vault_id);
            if (!vault_record) {
                wire::Reply reply = need(wire::ItemKind::VaultRecord, vault_id);
                reply.needs.push_back({wire::ItemKind::KeyRecord, std::string(key_id)});
                return {nullptr, std::move(reply)};
            }
            if (asked.may_wait != MayWait::ForKms) {
                if (auto refused = opening_.refused(crypto::sha256(*vault_record)))
                    return {nullptr, refusal(*refused)};
                return {nullptr, std::nullopt};
            }
            if (const auto status = open_vault(*vault_record); !status)
                return {nullptr, refusal(status.error())};
            vault = vaults_.find(head->vault, clock_.now());
            if (!vault)
                return {nullptr, refusal({Code::VaultClosed, "the key's vault is closed"})};
        }
        auto opened = open_sealed(*vault, *id, *record, asked.now);
        if (!opened)
            return {nullptr, refusal(opened.error())};
        key = std::move(*opened);
        keys_.insert(cache_id(*id), key);
    }
    if (const auto status = usable(key->head); !status)
        return {nullptr, refusal(status.error())};
    return {std::move(key), std::nullopt};
}

Result<std::string> Enclave::key_description(const OpenKey& key, const OpenVault& vault,
                                             const std::optional<Bytes>& nonce) {
    const sealed::KeyHead& head = key.head;
    trust::KeyStatement statement;
    statement.key_id = sealed::key_id_text(head.id);
    statement.address = ethereum::to_checksum(key.address);
    statement.public_key = to_hex0x(key.public_key);
    statement.algorithm = sealed::algorithm_name(head.algorithm);
    statement.vault_id = sealed::vault_id_text(head.vault);
    statement.vault_commitment = to_hex(vault.record.commitment);
    statement.policy_digest = to_hex(head.policy_digest);
    statement.epoch = head.epoch;
    statement.exportable = (head.flags & sealed::kFlagExportable) != 0;
    statement.raw_signing = (head.flags & sealed::kFlagRawSigning) != 0;
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("key_id", statement.key_id)
        .member("address", statement.address)
        .member("public_key", statement.public_key)
        .member("algorithm", statement.algorithm)
        .member("vault_id", statement.vault_id)
        .member("vault_commitment", statement.vault_commitment)
        .member("policy_digest", statement.policy_digest)
        .member("epoch", statement.epoch)
        .member("exportable", statement.exportable)
        .member("raw_signing", statement.raw_signing)
        .member("created", to_iso8601(head.created));
    if (nonce) {
        statement.nonce = to_hex(*nonce);
        const std::string text = trust::encode_statement(statement);
        REDOUBT_TRY(const Bytes document,
                    attestor_.document(trust::kPurposeKey, crypto::sha256(as_bytes(text)), *nonce, {}));
        writer.member("statement", to_base64(as_bytes(text))).member("attestation", to_base64(document));
    }
    writer.end_object();
    return out;
}

Result<wire::Reply> Enclave::new_key(const OpenVault& vault, sealed::Algorithm algorithm, Secret secret,
                                     std::uint32_t flags, const Bytes& nonce, UnixMs now) {
    OpenKey key;
    if (algorithm == sealed::Algorithm::HdSecp256k1) {
        REDOUBT_TRY(key.private_key, crypto::derive_hd_key(*curve_, secret, default_path()));
        key.seed = std::move(secret);
    } else {
        key.private_key = std::move(secret);
    }
    REDOUBT_TRY(key.public_key, curve_->public_key(key.private_key));
    key.address = ethereum::address_of(key.public_key);
    key.head.algorithm = algorithm;
    key.head.epoch = manifest()->min_epoch;
    key.head.vault = vault.record.id;
    key.head.id = random_.array<16>();
    key.head.address = key.address;
    key.head.policy_digest = policy::open_policy_digest();
    key.head.flags = flags;
    key.head.created = now;
    // A statement proves nothing to a client that sent no nonce: it could be any key's, of any time.
    REDOUBT_TRY(auto description,
                key_description(key, vault, nonce.empty() ? std::nullopt : std::optional(nonce)));
    wire::Reply reply;
    reply.status = 201;
    reply.body = std::move(description);
    reply.records.push_back(
        {wire::ItemKind::KeyRecord, sealed::key_id_text(key.head.id),
         sealed::seal_key(vault.key, key.head, key.seed.empty() ? key.private_key : key.seed, random_)});
    return reply;
}

// The vault that a new key goes into, once the request may cost an attestation, if it wants one.
Enclave::VaultOrReply Enclave::vault_for_new_key(const Asked& asked, bool attested) {
    if (manifest()->require_policy)
        return {nullptr, refusal({Code::PolicyRequired,
                                  "the manifest requires a policy for each key, and this version has none"})};
    auto vault = vaults_.any(asked.now);
    if (!vault)
        return {nullptr, refusal({Code::VaultClosed,
                                  "no vault is open; the gateway's log says why KMS did not open one"})};
    if (asked.may_wait == MayWait::No)
        return {nullptr, std::nullopt};
    // Before randomness is drawn: what is refused must cost nothing.
    if (attested) {
        if (const auto status = attestor_.allow_statement(); !status)
            return {nullptr, refusal(status.error())};
    }
    return {std::move(vault), std::nullopt};
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::CreateKey& operation) {
    const VaultOrReply found = vault_for_new_key(asked, !operation.nonce.empty());
    if (!found.vault)
        return found.reply;
    Secret secret;
    if (operation.hd) {
        secret = random_.secret(kSeedSize);
    } else {
        do
            secret = random_.secret(kPrivateKeySize);
        while (!curve_->valid_key(secret)); // all but 2^-128 of the draws are valid
    }
    auto made = new_key(*found.vault, algorithm_of(operation), std::move(secret), flags_of(operation),
                        operation.nonce, asked.now);
    return made ? std::move(*made) : refusal(made.error());
}

// Every enclave that has the vault open has the same key, so an import may reach another one than its offer.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::OfferImport& operation) {
    const VaultOrReply found = vault_for_new_key(asked, true);
    if (!found.vault)
        return found.reply;
    const auto public_key = crypto::x25519_public(import_key_of(*found.vault));
    if (!public_key)
        return refusal(public_key.error());
    trust::ImportOffer offer = offer_of(*found.vault, manifest()->min_epoch);
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
        .member("policy_digest", offer.policy_digest)
        .member("statement", to_base64(as_bytes(text)))
        .member("attestation", to_base64(*document))
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ImportKey& operation) {
    VaultOrReply found = vault_for_new_key(asked, !operation.nonce.empty());
    if (!found.vault)
        return found.reply;
    // The vault whose offer the client sealed to; others may be open, too.
    const auto vault_id = sealed::parse_vault_id(operation.vault_id);
    found.vault = vault_id ? vaults_.find(*vault_id, asked.now) : nullptr;
    if (!found.vault)
        return refusal(
            {Code::VaultUnknown, "the vault that the import names is not open; ask for a new offer"});
    const std::string info = trust::import_info(offer_of(*found.vault, manifest()->min_epoch), operation.hd,
                                                operation.exportable, operation.raw_signing);
    auto secret = crypto::hpke_open(import_key_of(*found.vault),
                                    {operation.encapsulated, operation.ciphertext}, as_bytes(info), {});
    if (!secret)
        return refusal(secret.error());
    if (!sealed::valid_secret_size(algorithm_of(operation), secret->size()))
        return refusal({Code::KeyInvalid, "a private key has 32 bytes, a BIP-32 seed 16 to 64"});
    auto made = new_key(*found.vault, algorithm_of(operation), std::move(*secret), flags_of(operation),
                        operation.nonce, asked.now);
    return made ? std::move(*made) : refusal(made.error());
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::DescribeKey& operation) {
    const KeyOrReply found = vault_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    if (operation.nonce) {
        if (asked.may_wait == MayWait::No)
            return std::nullopt;
        if (const auto status = attestor_.allow_statement(); !status)
            return refusal(status.error());
    }
    const auto vault = vaults_.find(found.key->head.vault, asked.now);
    if (!vault)
        return refusal({Code::VaultClosed, "the key's vault is closed"});
    auto description = key_description(*found.key, *vault, operation.nonce);
    if (!description)
        return refusal(description.error());
    wire::Reply reply;
    reply.body = std::move(*description);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::Attest& operation) {
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    if (const auto status = attestor_.allow_identity(); !status)
        return refusal(status.error());
    const Hash32 digest = crypto::sha256(as_bytes(manifest()->canonical));
    const auto document = attestor_.document(trust::kPurposeIdentity, digest, operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("attestation", to_base64(*document))
        .member("manifest", manifest()->canonical)
        .end_object();
    return reply;
}

} // namespace redoubt::enclave
