// SPDX-License-Identifier: Apache-2.0
// Challenges and sessions: what makes requests good for once, and cheap to sign.
#include "api/operation.h"
#include "crypto/hpke.h"
#include "enclave/decisions.h"
#include "trust/statement.h"

namespace redoubt::enclave {

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::GiveChallenge&) {
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("challenge", challenges_.issue(asked.now))
        .member("expires", static_cast<std::uint64_t>(asked.now + Challenges::kLifeMs))
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::OfferSession& operation) {
    // The key says which enclave this is best agreed with; nothing of it is needed otherwise.
    if (!sealed::parse_key_id(operation.key_id))
        return refusal({Code::UnknownKey, "there is no such key; key ids are key- and 32 hex digits"});
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    if (const auto status = attestor_.allow_statement(); !status)
        return refusal(status.error());
    trust::SessionOffer offer;
    offer.public_key = to_hex0x(session_public_);
    offer.challenge = challenges_.issue(asked.now);
    offer.nonce = to_hex(operation.nonce);
    const std::string text = trust::encode_statement(offer);
    const auto document =
        attestor_.document(trust::kPurposeSession, crypto::sha256(as_bytes(text)), operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("public_key", offer.public_key)
        .member("challenge", offer.challenge)
        .member("time", static_cast<std::uint64_t>(asked.now))
        .member("statement", to_base64(as_bytes(text)))
        .member("attestation", to_base64(*document))
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::OpenSession& operation) {
    const KeyOrReply found = any_key(asked, operation.key_id);
    if (!found.key)
        return found.reply;
    const OpenKey& key = *found.key;
    asked.note.operation = "open-session";
    asked.note.key_id = key.head.id;
    asked.note.policy_digest = policy_in_force(key.head, asked.now);
    const policy::Principal* principal =
        key.policy ? key.policy->find_principal(operation.principal) : nullptr;
    if (principal == nullptr)
        return refusal({Code::UnknownPrincipal, "the key's policy names no such principal"});
    // A session opens no session: it would outlive what it was agreed for.
    if (!asked.signature || asked.signature.keyid != operation.principal)
        return refusal({Code::Unauthorized, "a session is opened by a request that its principal has signed: "
                                            "keyid must be the principal's id"});
    std::shared_ptr<const Session> none;
    const auto asker = authenticate(asked, key.policy.get(), none);
    if (!asker)
        return refusal(asker.error());
    // Whatever the ids say: the session is whose key has signed, by itself.
    if (none || asker->key == nullptr || *asker->key != principal->key)
        return refusal({Code::Unauthorized,
                        "a session is opened by its principal's own signature, not by another session's"});
    if (operation.expires <= asked.now || operation.expires > asked.now + Sessions::kLongestMs)
        return refusal({Code::InvalidField, "a session's expires must be in the next 24 hours"});
    auto secret =
        crypto::hpke_open(session_private_, {operation.encapsulated, operation.ciphertext},
                          as_bytes(session_info(session_public_, principal->key, operation.expires)), {});
    if (!secret)
        return refusal(secret.error());
    if (const auto status = challenges_.take(asked.signature.nonce, asked.now); !status)
        return refusal(status.error());
    const auto id = sessions_.add({principal->key, std::move(*secret), operation.expires}, asked.now);
    if (!id)
        return refusal(id.error());
    wire::Reply reply;
    reply.status = 201;
    json::Writer(reply.body)
        .begin_object()
        .member("session_id", *id)
        .member("expires", static_cast<std::uint64_t>(operation.expires))
        .end_object();
    return reply;
}

} // namespace redoubt::enclave
