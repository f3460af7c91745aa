// SPDX-License-Identifier: Apache-2.0
// A key's policy, shown and changed. A change is a new record of the key, bound to the new document; where
// the present policy has a time lock, the record names both, and from when on the new one decides.
#include "api/operation.h"
#include "enclave/decisions.h"
#include "policy/open_policy.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

std::vector<trust::ManifestOwner> owners_of(const policy::Document& document) {
    std::vector<trust::ManifestOwner> out;
    for (const auto& owner : document.owners)
        out.push_back({owner.id,
                       owner.key.algorithm == policy::KeyAlgorithm::Ed25519
                           ? trust::OwnerAlgorithm::Ed25519
                           : trust::OwnerAlgorithm::EcdsaP256,
                       owner.key.bytes});
    return out;
}

} // namespace

// To the principals that the policy itself names; the open policy to anyone.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ShowPolicy& operation) {
    const KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    const OpenKey& key = *found.key;
    const policy::Document* document = key.policy.get();
    if (document != nullptr && !document->open) {
        std::shared_ptr<const Session> session;
        const auto asker = authenticate(asked, document, session);
        if (!asker)
            return refusal(asker.error());
        if (asker->key == nullptr || document->find_principal(*asker->key) == nullptr)
            return refusal(
                {Code::Unauthorized, "a policy is shown to the principals that it names: sign the request"});
    }
    wire::Reply reply;
    json::Writer writer(reply.body);
    writer.begin_object()
        .member("key_id", operation.key_id)
        .member("policy_digest",
                to_hex(document != nullptr ? document->digest : policy::open_policy_digest()))
        .key("policy")
        .raw(document != nullptr ? std::string_view(document->canonical) : policy::kOpenPolicy);
    if (key.policy_until != 0)
        writer.member("pending_policy", to_hex(key.head.pending_policy))
            .member("pending_from", to_iso8601(key.head.pending_from));
    writer.end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::PutPolicy& operation) {
    asked.note.operation = "put-policy";
    asked.note.policy_digest = operation.policy.digest;
    if (const auto status = admitted(asked, true); !status)
        return refusal(status.error());
    wire::Reply reply;
    reply.status = 201;
    json::Writer(reply.body)
        .begin_object()
        .member("policy_digest", to_hex(operation.policy.digest))
        .end_object();
    reply.records.push_back(
        {wire::ItemKind::Policy, to_hex(operation.policy.digest), to_bytes(operation.policy.canonical)});
    return reply;
}

// No challenge: what owners sign names the key, the policy that it has and the one that it gets, and versions
// only grow, so it can be shown again to no effect.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::ChangePolicy& operation) {
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    asked.note.operation = "change-policy";
    asked.note.key_id = found.key->head.id;
    wire::Reply change;
    std::shared_ptr<const OpenVault> vault;
    {
        const std::lock_guard lock(changes_);
        found = key_to_change(asked, operation.key_id);
        if (!found.key)
            return found.reply;
        const OpenKey& key = *found.key;
        const Hash32 in_force = policy_in_force(key.head, asked.now);
        asked.note.policy_digest = in_force;
        if (!key.policy || key.policy->owners.empty())
            return refusal({Code::Forbidden, "the key's policy names no owners, so nobody can change it"});
        const policy::Document& present = *key.policy;
        const std::string from = to_hex(in_force), to = to_hex(operation.policy.digest);
        const auto authorization = trust::check_authorization(*manifest(), operation.authorization, asked.now,
                                                              owners_of(present), present.threshold);
        if (!authorization)
            return refusal(authorization.error());
        if (authorization->operation != "policy-change" || authorization->key_id != operation.key_id ||
            authorization->from_policy != from || authorization->to_policy != to)
            return refusal({Code::Forbidden,
                            "the owners' authorization is for another key, from another policy "
                            "than the one in force, or to another one than is given"});
        for (const auto& signature : operation.authorization.signatures)
            asked.note.principal += (asked.note.principal.empty() ? "owner:" : ",") + signature.owner;
        if (asked.note.principal.size() > 128)
            asked.note.principal.resize(128);
        asked.note.known = true;
        if (!operation.nonce.empty())
            if (const auto status = attestor_.allow_change(); !status)
                return refusal(status.error());
        // A policy that waits already has been seen by those who watch: no lower version takes its place.
        std::uint64_t least = present.version;
        if (key.policy_until != 0) {
            const std::string name = to_hex(key.head.pending_policy);
            auto pending = policies_.find(key.head.pending_policy);
            if (!pending) {
                const auto stored = asked.item(wire::ItemKind::Policy, name);
                if (!stored)
                    return need(wire::ItemKind::Policy, name);
                auto opened = policy::open_document(*stored, key.head.pending_policy);
                if (!opened)
                    return refusal(opened.error());
                pending = std::make_shared<const policy::Document>(std::move(*opened));
                policies_.insert(pending);
            }
            least = std::max(least, pending->version);
        }
        if (operation.policy.version <= least)
            return refusal(
                {Code::PolicyVersion,
                 "the policy's version must be higher than that of the one in force, and of one that "
                 "waits for its time lock"});
        if (manifest()->require_policy && operation.policy.open)
            return refusal(
                {Code::PolicyRequired, "the manifest requires a policy, and this is the open one"});
        vault = vaults_.find(key.head.vault, asked.now);
        if (!vault)
            return refusal({Code::VaultClosed, "the key's vault is closed"});
        sealed::KeyHead head = key.head;
        const bool at_once = present.time_lock_seconds == 0;
        head.policy_digest = at_once ? operation.policy.digest : in_force;
        head.pending_policy = at_once ? Hash32{} : operation.policy.digest;
        head.pending_from = at_once ? 0 : asked.now + std::int64_t{1000} * present.time_lock_seconds;
        auto document = std::make_shared<const policy::Document>(operation.policy);
        policies_.insert(document);
        auto now = change_key(asked, key, std::move(head), *vault, change, std::move(document));
        if (!now)
            return refusal(now.error());
        found.key = std::move(*now);
    }
    return changed_reply(*found.key, *vault, operation.nonce, std::move(change));
}

} // namespace redoubt::enclave
