// SPDX-License-Identifier: Apache-2.0
// What happens to a key after it was made: its label and tags, its state, its vault, and its export. A change
// is a new record with a higher revision. It holds in this enclave from here on, whatever the host does with
// the record; in others once the gateway has told them, and after a restart as far as the store is honest.
#include "api/facts.h"
#include "api/operation.h"
#include "crypto/hpke.h"
#include "enclave/decisions.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

using What = api::ChangeKey::What;

// The head after the change; the same one where nothing changes. Error: Conflict, InvalidField.
Result<sealed::KeyHead> changed(sealed::KeyHead head, const api::ChangeKey& change, UnixMs now,
                                std::uint32_t least_wait) {
    if (change.revision && *change.revision != head.revision)
        return fail(Code::Conflict,
                    "the key's revision is another one: it was changed meanwhile; look again");
    const bool pending = head.state == sealed::State::PendingDeletion;
    switch (change.what) {
    case What::Describe:
        if (change.label)
            head.label = *change.label;
        if (change.tags)
            head.tags = *change.tags;
        return head;
    case What::Enable:
    case What::Disable:
        if (pending)
            return fail(Code::Conflict, "the key waits for its deletion; cancel that first");
        head.state = change.what == What::Enable ? sealed::State::Enabled : sealed::State::Disabled;
        return head;
    case What::ScheduleDeletion: {
        const std::uint32_t wait = change.wait_seconds.value_or(least_wait);
        if (wait < least_wait)
            return fail(Code::InvalidField, "wait_seconds is less than the manifest's deletion_wait_seconds");
        if (pending && change.wait_seconds)
            return fail(Code::Conflict, "the key waits for its deletion already; cancel that first");
        if (!pending) {
            head.state = sealed::State::PendingDeletion;
            head.deletes = now + std::int64_t{1000} * wait;
        }
        return head;
    }
    case What::CancelDeletion:
        if (pending) {
            head.state = sealed::State::Disabled;
            head.deletes = 0;
        }
        return head;
    }
    return fail(Code::Internal, "a change of a key is of an unknown kind");
}

} // namespace

Result<std::shared_ptr<const OpenKey>> Enclave::change_key(const Asked& asked, const OpenKey& old,
                                                           sealed::KeyHead head, const OpenVault& vault,
                                                           wire::Reply& reply,
                                                           std::shared_ptr<const policy::Document> policy) {
    if (old.head.revision >= sealed::kMaxRevision)
        return fail(Code::Conflict, "the key was changed too often to be changed again");
    REDOUBT_TRY(const auto public_key, public_key_of(old)); // nothing is sealed under another key's address
    head.revision = old.head.revision + 1;
    auto key = std::make_shared<OpenKey>();
    key->private_key = old.private_key.clone();
    key->seed = old.seed.clone();
    key->public_key.set(public_key);
    key->address = old.address;
    key->head = std::move(head);
    const bool waits = key->head.pending_policy != Hash32{} && asked.now < key->head.pending_from;
    key->policy = policy && !waits ? policy : old.policy;
    key->policy_until = waits ? key->head.pending_from : 0;
    key->lease = vault.lease;
    key->opened = asked.now;
    Bytes record =
        sealed::seal_key(vault.key, key->head, key->seed.empty() ? key->private_key : key->seed, random_);
    const sealed::KeyId& id = key->head.id;
    Bytes document = policy ? to_bytes(policy->canonical) : Bytes();
    if (!revisions_.keep(id, key->head.revision, record, document))
        return fail(
            Code::Overloaded,
            "too many changes of keys are not stored yet; the gateway's log says why its store fails");
    if (!revisions_.raise(id, key->head.revision)) {
        revisions_.stored(id, key->head.revision);
        return fail(Code::Overloaded,
                    "this enclave has seen a million keys changed and remembers no more; start it again");
    }
    add_unstored(reply, {id, std::move(record), std::move(document)});
    asked.note.changed = true;
    keys_.insert(cache_id(id), key);
    return key;
}

// A change on top of one that the store may yet refuse, because another enclave's was first, would win over
// that one with its higher revision, though it never saw it. The record goes along, so that a repeat finds
// the matter settled.
std::optional<wire::Reply> Enclave::not_stored_yet(const sealed::KeyId& id) const {
    auto unstored = revisions_.unstored_with_policy(id);
    if (!unstored)
        return std::nullopt;
    wire::Reply reply =
        refusal({Code::StoreFailed, "the key's last change is not stored yet; try again in a second"});
    add_unstored(reply, std::move(*unstored));
    return reply;
}

Enclave::KeyOrReply Enclave::key_to_change(const Asked& asked, std::string_view key_id) {
    KeyOrReply found = any_key(asked, key_id);
    if (found.key)
        if (auto busy = not_stored_yet(found.key->head.id))
            return {nullptr, std::move(busy)};
    return found;
}

// What was changed is described, whatever happens to it meanwhile. Where that fails the change holds, and its
// record is stored: a repeat describes it.
std::optional<wire::Reply> Enclave::changed_reply(const OpenKey& key, const OpenVault& vault,
                                                  const Bytes& nonce, wire::Reply change) {
    auto description = key_description(key, vault, nonce.empty() ? std::nullopt : std::optional(nonce));
    wire::Reply reply;
    if (description)
        reply.body = std::move(*description);
    else
        reply = refusal(description.error());
    reply.records = std::move(change.records);
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ChangeKey& operation) {
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    // What waits for KMS does so before the lock; then the key is what it is now.
    KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    wire::Reply change;
    std::shared_ptr<const OpenVault> vault;
    {
        const std::lock_guard lock(changes_);
        found = key_to_change(asked, operation.key_id);
        if (!found.key)
            return found.reply;
        if (auto allowed = permit(asked, *found.key, *api::facts_of(operation)); allowed.reply)
            return allowed.reply;
        // Of those alone who may change the key: nobody else uses the budget up.
        if (!operation.nonce.empty())
            if (const auto status = attestor_.allow_change(); !status)
                return refusal(status.error());
        const auto head =
            changed(found.key->head, operation, asked.now, manifest()->limits.deletion_wait_seconds);
        if (!head)
            return refusal(head.error());
        vault = vaults_.find(found.key->head.vault, asked.now);
        if (!vault)
            return refusal({Code::VaultClosed, "the key's vault is closed"});
        if (*head != found.key->head) {
            auto now = change_key(asked, *found.key, *head, *vault, change);
            if (!now)
                return refusal(now.error());
            found.key = std::move(*now);
        }
    }
    return changed_reply(*found.key, *vault, operation.nonce, std::move(change));
}

// To be sealed under another vault's key and epoch. Moving needs no right to sign: it gives nobody any.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::MoveKey& operation) {
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    const auto id = sealed::parse_vault_id(operation.vault_id);
    if (!id)
        return refusal({Code::VaultUnknown, "vault ids are vault- and 32 hex digits"});
    KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    VaultOrReply to = vault(asked, *id);
    if (!to.vault) {
        if (to.reply && to.reply->status == wire::kNeeds)
            to.reply->needs.push_back({wire::ItemKind::KeyRecord, std::string(operation.key_id)});
        return to.reply;
    }
    if (!operation.nonce.empty())
        if (const auto status = attestor_.allow_statement(); !status)
            return refusal(status.error());
    wire::Reply change;
    {
        const std::lock_guard lock(changes_);
        found = key_to_change(asked, operation.key_id);
        if (!found.key)
            return found.reply;
        // Where the manifest names owners, it is theirs to say, for all keys of a vault at once.
        if (manifest()->owners.empty())
            if (auto allowed = permit(asked, *found.key, *api::facts_of(operation)); allowed.reply)
                return allowed.reply;
        sealed::KeyHead head = found.key->head;
        if (head.vault != *id) {
            const std::string from = sealed::vault_id_text(head.vault);
            if (const auto status = authorised(operation.authorization, asked.now,
                                               [&](const trust::Authorization& a) {
                                                   return a.operation == "vault-move" && a.from == from &&
                                                          a.to == operation.vault_id;
                                               });
                !status)
                return refusal(status.error());
            // Or a client could put keys back where the next manifest's min_epoch ends them.
            if (to.vault->record.epoch < head.epoch)
                return refusal({Code::Conflict,
                                "the vault's epoch is lower than the key's; keys move to later epochs only"});
            head.vault = *id;
            head.epoch = to.vault->record.epoch;
            auto now = change_key(asked, *found.key, std::move(head), *to.vault, change);
            if (!now)
                return refusal(now.error());
            found.key = std::move(*now);
        }
    }
    return changed_reply(*found.key, *to.vault, operation.nonce, std::move(change));
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ExportKey& operation) {
    const KeyOrReply found = vault_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    const OpenKey& key = *found.key;
    if ((key.head.flags & sealed::kFlagExportable) == 0)
        return refusal({Code::ExportRefused, "the key was not made exportable, and never leaves"});
    const policy::ExportRecipient* recipient =
        key.policy ? key.policy->find_recipient(operation.recipient) : nullptr;
    if (recipient == nullptr)
        return refusal(
            {Code::ExportRefused, "the key's policy names no such recipient in export_recipients"});
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    // What is exported is the key of the address that the statement names.
    if (const auto known = public_key_of(key); !known)
        return refusal(known.error());
    if (auto allowed = permit(asked, key, *api::facts_of(operation)); allowed.reply)
        return allowed.reply;
    if (const auto status = attestor_.allow_statement(); !status)
        return refusal(status.error());
    trust::ExportStatement statement;
    statement.key_id = sealed::key_id_text(key.head.id);
    statement.address = ethereum::to_checksum(key.address);
    statement.algorithm = sealed::algorithm_name(key.head.algorithm);
    statement.vault_id = sealed::vault_id_text(key.head.vault);
    statement.policy_digest = to_hex(policy_in_force(key.head, asked.now));
    statement.recipient = recipient->id;
    statement.recipient_public_key = to_hex0x(recipient->public_key);
    statement.nonce = to_hex(operation.nonce);
    const auto sealed_to = crypto::hpke_seal(recipient->public_key, as_bytes(trust::export_info(statement)),
                                             {}, key.seed.empty() ? key.private_key : key.seed, random_);
    if (!sealed_to)
        return refusal(sealed_to.error());
    statement.encapsulated_key = to_hex0x(sealed_to->encapsulated);
    statement.ciphertext = to_hex0x(sealed_to->ciphertext);
    const std::string text = trust::encode_statement(statement);
    const auto document =
        attestor_.document(trust::kPurposeExport, crypto::sha256(as_bytes(text)), operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("key_id", statement.key_id)
        .member("address", statement.address)
        .member("recipient", statement.recipient)
        .member("encapsulated_key", statement.encapsulated_key)
        .member("ciphertext", statement.ciphertext)
        .member("statement", to_base64(as_bytes(text)))
        .member("attestation", to_base64(*document))
        .end_object();
    return reply;
}

} // namespace redoubt::enclave
