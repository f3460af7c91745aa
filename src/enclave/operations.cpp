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

const crypto::HdPath& default_path() {
    static const crypto::HdPath path = *crypto::parse_hd_path(crypto::kDefaultHdPath);
    return path;
}

} // namespace

Status Enclave::readable(const sealed::KeyHead& head, UnixMs now) const {
    if (head.epoch < manifest()->min_epoch)
        return fail(Code::RecordStale, "the key's record is older than the manifest's min_epoch allows");
    if (head.revision < revisions_.known(head.id))
        return fail(Code::RecordStale,
                    "the key's record is older than one that this enclave has seen; the store must give the "
                    "newest");
    if (head.state == sealed::State::PendingDeletion && now >= head.deletes)
        return fail(Code::UnknownKey, "the key was deleted: the time that its deletion waited for has come");
    return {};
}

Status Enclave::usable(const OpenKey& key, UnixMs now) const {
    const sealed::KeyHead& head = key.head;
    if (head.state == sealed::State::Disabled)
        return fail(Code::KeyDisabled, "the key is disabled; enable it first");
    if (head.state == sealed::State::PendingDeletion)
        return fail(Code::KeyPendingDeletion,
                    "the key waits for its deletion; cancel that and enable the key first");
    if (key.policy && key.policy->not_after != 0 && now >= key.policy->not_after)
        return fail(Code::PolicyExpired, "the time that the key's policy allows it to sign has passed");
    if (manifest()->require_policy && (!key.policy || key.policy->open))
        return fail(Code::PolicyRequired, "the manifest requires a policy, and this key's is the open one");
    return {};
}

Result<crypto::PublicKey> Enclave::public_key_of(const OpenKey& key) const {
    if (const auto* known = key.public_key.get())
        return *known;
    REDOUBT_TRY(const auto derived, curve_->public_key(key.private_key));
    if (ethereum::address_of(derived) != key.address)
        return fail(Code::RecordInvalid, "the sealed record's address is not its key's");
    key.public_key.set(derived);
    return derived;
}

Result<std::shared_ptr<OpenKey>> Enclave::open_sealed(const OpenVault& vault, const sealed::KeyId& id,
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
    key->private_key = std::move(private_key);
    key->address = opened.head.address;
    // Where every signature is verified before it leaves, that it names this address is verified with it, and
    // a public key derived for that alone would be most of what opening costs.
    if (hd || !manifest()->verify_before_release) {
        REDOUBT_CHECK(public_key_of(*key));
    }
    if (hd)
        key->seed = std::move(opened.private_key);
    key->head = opened.head;
    key->lease = vault.lease;
    key->opened = now;
    return key;
}

// With what the gateway sent along, which may take KMS.
Enclave::VaultOrReply Enclave::vault(const Asked& asked, const sealed::VaultId& id) {
    if (auto open = vaults_.find(id, asked.now))
        return {std::move(open), std::nullopt};
    const std::string name = sealed::vault_id_text(id);
    const auto record = asked.item(wire::ItemKind::VaultRecord, name);
    if (!record)
        return {nullptr, need(wire::ItemKind::VaultRecord, name)};
    if (asked.may_wait != MayWait::ForKms) {
        if (auto refused = opening_.refused(crypto::sha256(*record)))
            return {nullptr, refusal(*refused)};
        return {nullptr, std::nullopt};
    }
    if (const auto status = open_vault(*record); !status)
        return {nullptr, refusal(status.error())};
    auto open = vaults_.find(id, clock_.now());
    if (!open)
        return {nullptr, refusal({Code::VaultClosed, "the key's vault is closed"})};
    return {std::move(open), std::nullopt};
}

Enclave::KeyOrReply Enclave::policy_for(const Asked& asked, std::shared_ptr<OpenKey> key) {
    const Hash32 digest = policy_in_force(key->head, asked.now);
    if (key->head.pending_policy != Hash32{} && digest != key->head.pending_policy)
        key->policy_until = key->head.pending_from;
    if (digest == policy::open_policy_digest())
        return {std::move(key), std::nullopt};
    key->policy = policies_.find(digest);
    if (!key->policy) {
        const std::string name = to_hex(digest);
        const auto stored = asked.item(wire::ItemKind::Policy, name);
        if (!stored)
            return {nullptr, need(wire::ItemKind::Policy, name)};
        auto document = policy::open_document(*stored, digest);
        if (!document)
            return {nullptr, refusal(document.error())};
        key->policy = std::make_shared<const policy::Document>(std::move(*document));
        policies_.insert(key->policy);
    }
    return {std::move(key), std::nullopt};
}

Enclave::KeyOrReply Enclave::open_record(const Asked& asked, const sealed::KeyId& id, ByteView record,
                                         wire::ItemKind kind) {
    const auto head = sealed::read_key_head(record);
    if (!head)
        return {nullptr, refusal(head.error())};
    VaultOrReply in = vault(asked, head->vault);
    if (!in.vault) {
        // The record must come again with what is needed beside it.
        if (in.reply && in.reply->status == wire::kNeeds)
            in.reply->needs.push_back({kind, sealed::key_id_text(id)});
        return {nullptr, std::move(in.reply)};
    }
    auto opened = open_sealed(*in.vault, id, record, asked.now);
    if (!opened)
        return {nullptr, refusal(opened.error())};
    KeyOrReply found = policy_for(asked, std::move(*opened));
    if (!found.key) {
        if (found.reply && found.reply->status == wire::kNeeds)
            found.reply->needs.push_back({kind, sealed::key_id_text(id)});
        return found;
    }
    if (found.key->head.revision > 1)
        (void)revisions_.raise(id, found.key->head.revision, RevisionTable::kMaxOpened);
    keys_.insert(cache_id(id), found.key);
    // Whoever changed the key meanwhile, or had everything forgotten, may have looked into the cache before
    // this one was there.
    if (found.key->head.revision < revisions_.known(id) || asked.forgotten != forgotten_)
        keys_.remove(cache_id(id));
    return found;
}

Enclave::KeyOrReply Enclave::any_key(const Asked& asked, std::string_view key_id) {
    const auto id = sealed::parse_key_id(key_id);
    if (!id)
        return {nullptr,
                refusal({Code::UnknownKey, "there is no such key; key ids are key- and 32 hex digits"})};
    KeyOrReply found{keys_.find(cache_id(*id), asked.now), std::nullopt};
    if (found.key && found.key->policy_until != 0 && asked.now >= found.key->policy_until) {
        keys_.remove(cache_id(*id)); // another policy is in force from now on
        found.key = nullptr;
    }
    if (!found.key) {
        // What this enclave changed and nobody has stored yet is the newest.
        const auto unstored = revisions_.unstored(*id);
        auto record =
            unstored ? std::optional<ByteView>(*unstored) : asked.item(wire::ItemKind::KeyRecord, key_id);
        if (!record)
            return {nullptr, need(wire::ItemKind::KeyRecord, key_id)};
        found = open_record(asked, *id, *record, wire::ItemKind::KeyRecord);
        if (!found.key)
            return found;
    }
    if (const auto status = readable(found.key->head, asked.now); !status) {
        keys_.remove(cache_id(*id));
        // By a change that is not stored: it must not be told as done before it is.
        if (auto first = not_stored_yet(*id))
            return {nullptr, std::move(first)};
        return {nullptr, refusal(status.error())};
    }
    return found;
}

Enclave::KeyOrReply Enclave::vault_key(const Asked& asked, std::string_view key_id) {
    KeyOrReply found = any_key(asked, key_id);
    if (found.key)
        if (const auto status = usable(*found.key, asked.now); !status)
            return {nullptr, refusal(status.error())};
    return found;
}

Result<std::string> Enclave::key_description(const OpenKey& key, const OpenVault& vault,
                                             const std::optional<Bytes>& nonce) {
    const sealed::KeyHead& head = key.head;
    trust::KeyStatement statement;
    statement.key_id = sealed::key_id_text(head.id);
    statement.address = ethereum::to_checksum(key.address);
    REDOUBT_TRY(const auto public_key, public_key_of(key));
    statement.public_key = to_hex0x(public_key);
    statement.algorithm = sealed::algorithm_name(head.algorithm);
    statement.vault_id = sealed::vault_id_text(head.vault);
    statement.vault_commitment = to_hex(vault.record.commitment);
    statement.policy_digest = to_hex(policy_in_force(head, clock_.now()));
    if (head.pending_policy != Hash32{} && clock_.now() < head.pending_from) {
        statement.pending_policy = to_hex(head.pending_policy);
        statement.pending_from = static_cast<std::uint64_t>(head.pending_from);
    }
    statement.epoch = head.epoch;
    statement.exportable = (head.flags & sealed::kFlagExportable) != 0;
    statement.raw_signing = (head.flags & sealed::kFlagRawSigning) != 0;
    statement.state = sealed::state_name(head.state);
    statement.revision = head.revision;
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("key_id", statement.key_id)
        .member("address", statement.address)
        .member("public_key", statement.public_key)
        .member("algorithm", statement.algorithm)
        .member("vault_id", statement.vault_id)
        .member("vault_commitment", statement.vault_commitment)
        .member("policy_digest", statement.policy_digest);
    if (!statement.pending_policy.empty())
        writer.member("pending_policy", statement.pending_policy)
            .member("pending_from", to_iso8601(head.pending_from));
    writer.member("epoch", statement.epoch)
        .member("exportable", statement.exportable)
        .member("raw_signing", statement.raw_signing)
        .member("state", statement.state)
        .member("revision", statement.revision)
        .member("created", to_iso8601(head.created));
    if (head.state == sealed::State::PendingDeletion)
        writer.member("deletes", to_iso8601(head.deletes));
    writer.member("label", head.label).key("tags").begin_object();
    for (const auto& tag : head.tags)
        writer.member(tag.name, tag.value);
    writer.end_object();
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

Result<wire::Reply> Enclave::described(const Asked& asked, const OpenKey& key, const Bytes& nonce) {
    const auto vault = vaults_.find(key.head.vault, asked.now);
    if (!vault)
        return fail(Code::VaultClosed, "the key's vault is closed");
    // A statement proves nothing to a client that sent no nonce: it could be any key's, of any time.
    REDOUBT_TRY(auto description,
                key_description(key, *vault, nonce.empty() ? std::nullopt : std::optional(nonce)));
    wire::Reply reply;
    reply.body = std::move(description);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::DescribeKey& operation) {
    const KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    if (operation.nonce) {
        if (asked.may_wait == MayWait::No)
            return std::nullopt;
        if (const auto status = attestor_.allow_statement(); !status)
            return refusal(status.error());
    }
    auto reply = described(asked, *found.key, operation.nonce.value_or(Bytes()));
    if (!reply)
        return refusal(reply.error());
    // What is shown is stored before it is answered.
    if (auto unstored = revisions_.unstored_with_policy(found.key->head.id))
        add_unstored(*reply, std::move(*unstored));
    return std::move(*reply);
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
