// SPDX-License-Identifier: Apache-2.0
// Who asks, what the key's policy says to that, and what is written down of it.
#include "enclave/decisions.h"

#include "api/facts.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "policy/open_policy.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

constexpr std::string_view kSession = "session-";

// What is done over again is not the same: enabling a key that was disabled since, say. So it is done once.
bool changes(policy::Operation operation) noexcept {
    return !api::signs(operation) && operation != policy::Operation::Derive;
}

policy::PublicKey key_of(const trust::ManifestOwner& person) {
    return {person.algorithm == trust::OwnerAlgorithm::Ed25519 ? policy::KeyAlgorithm::Ed25519
                                                               : policy::KeyAlgorithm::EcdsaP256,
            person.public_key};
}

bool valid_host_name(std::string_view name) noexcept {
    return name.size() <= 64 && std::ranges::all_of(name, [](char c) {
               return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
           });
}

std::unexpected<Error> wrong_signature() {
    return fail(Code::SignatureInvalid,
                "the request's signature does not verify with the key that the keyid names");
}

std::string_view because(policy::Miss::Why why) noexcept {
    switch (why) {
    case policy::Miss::Why::Principal:
        return "principal";
    case policy::Miss::Why::Condition:
        return "condition";
    case policy::Miss::Why::Amount:
        return "amount";
    }
    return "condition";
}

} // namespace

std::string_view Enclave::Judged::rule(std::size_t candidate) const noexcept {
    if (document == nullptr || document->open)
        return kOpenRule;
    if (verdict.denied_by != nullptr)
        return verdict.denied_by->name;
    return candidate < verdict.candidates.size() ? std::string_view(verdict.candidates[candidate].rule->name)
                                                 : std::string_view();
}

const Hash32& Enclave::policy_in_force(const sealed::KeyHead& head, UnixMs now) const noexcept {
    return head.pending_policy != Hash32{} && now >= head.pending_from ? head.pending_policy
                                                                       : head.policy_digest;
}

// By the key's policy, or for requests without a key by the manifest.
Result<policy::Asker> Enclave::authenticate(const Asked& asked, const policy::Document* document,
                                            std::shared_ptr<const Session>& session) const {
    const policy::RequestSignature& signature = asked.signature;
    if (!signature) {
        // The client proved this key to the enclave itself, when the connection was made.
        const policy::Principal* connected = asked.note.connection != nullptr && document != nullptr
                                                 ? document->find_principal(*asked.note.connection)
                                                 : nullptr;
        if (connected != nullptr) {
            asked.note.principal = connected->name;
            asked.note.known = true;
            return policy::Asker{&connected->key, {}};
        }
        const std::string_view host = asked.message.principal.host_name;
        if (!valid_host_name(host))
            return fail(Code::BadRequest, "a host principal's name is 1 to 64 of A-Z a-z 0-9 . _ -");
        if (!host.empty())
            asked.note.principal = "host:" + std::string(host);
        return policy::Asker{nullptr, host};
    }
    if (signature.keyid.starts_with(kSession)) {
        session = sessions_.find(signature.keyid, asked.now);
        if (!session)
            return fail(Code::SessionUnknown,
                        "this enclave has no such session, or it has ended: open a new one");
        if (!policy::verify_hmac(signature.input, session->key, signature.base))
            return wrong_signature();
        const policy::Principal* known =
            document != nullptr ? document->find_principal(session->principal) : nullptr;
        if (known == nullptr)
            return fail(
                Code::UnknownPrincipal,
                "the key's policy does not name the session's principal; where the policy is open, do "
                "not sign requests");
        asked.note.principal = known->name;
        asked.note.known = true;
        return policy::Asker{&session->principal, {}};
    }
    const policy::Principal* principal =
        document != nullptr ? document->find_principal(signature.keyid) : nullptr;
    if (principal == nullptr)
        return fail(Code::UnknownPrincipal,
                    "the key's policy names no principal with the signature's keyid; where the policy is "
                    "open, do not sign requests");
    if (!policy::verify_signature(signature.input, principal->key, signature.base))
        return wrong_signature();
    asked.note.principal = principal->name;
    asked.note.known = true;
    return policy::Asker{&principal->key, {}};
}

Result<Enclave::Judged> Enclave::judge(const Asked& asked, const OpenKey& key, policy::Facts facts) const {
    static const crypto::HdPath default_path = *crypto::parse_hd_path(crypto::kDefaultHdPath);
    Judged out;
    out.document = key.policy.get();
    asked.note.key_id = key.head.id;
    asked.note.policy_digest = key.policy ? key.policy->digest : policy::open_policy_digest();
    asked.note.operation = policy::operation_name(facts.operation);
    REDOUBT_TRY(out.asker, authenticate(asked, out.document, out.session));
    if (out.document == nullptr || out.document->open)
        return out;
    facts.asker = out.asker;
    // The request may have waited for KMS since it came: what decides is the time now.
    facts.now = clock_.now();
    if (asked.signature && facts.now >= asked.signature.expires)
        return fail(Code::SignatureExpired, "the signature has expired meanwhile: sign the request again");
    if (api::signs(facts.operation) && facts.path == nullptr && !key.seed.empty())
        facts.path = &default_path;
    out.verdict = policy::evaluate(*out.document, facts);
    return out;
}

// Says why to whom the policy names; to others only that it is so.
wire::Reply Enclave::denied(const Judged& judged, const policy::NoRoom* no_room) const {
    const Error error =
        no_room != nullptr
            ? Error{Code::LimitReached,
                    "the request is more than what a limit of the key's policy has left; ask again later, or "
                    "for less"}
        : judged.verdict.denied_by != nullptr
            ? Error{Code::PolicyDenied, "a rule of the key's policy denies the request"}
        : judged.asker.key == nullptr && judged.asker.host_name.empty()
            ? Error{Code::PolicyDenied,
                    "no rule of the key's policy allows the request to somebody unknown; sign the request as "
                    "one of the policy's principals"}
            : Error{Code::PolicyDenied, "no rule of the key's policy allows the request"};
    wire::Reply reply = wire::error_reply(error);
    const bool entitled =
        judged.asker.key != nullptr && judged.document->find_principal(*judged.asker.key) != nullptr;
    if (!entitled)
        return reply;
    reply.body.clear();
    json::Writer writer(reply.body);
    writer.begin_object()
        .member("error", error.text.view())
        .member("code", code_name(error.code))
        .key("decision")
        .begin_object();
    if (no_room != nullptr) {
        const policy::Limit& limit = *no_room->limit;
        writer.member("limit", limit.name)
            .member("rule", limit.rule)
            .member("window_seconds", std::uint64_t{limit.window_seconds})
            .member("used", ethereum::to_decimal(no_room->used))
            .member("most", limit.most_count ? std::to_string(*limit.most_count)
                                             : ethereum::to_decimal(*limit.most_amount));
        if (no_room->retry_ms > 0)
            writer.member("retry_after_seconds",
                          static_cast<std::uint64_t>((no_room->retry_ms + 999) / 1000));
    } else if (judged.verdict.denied_by != nullptr) {
        writer.member("effect", "deny").member("rule", judged.verdict.denied_by->name);
    } else {
        writer.key("missing").begin_array();
        for (const auto& miss : judged.verdict.misses) {
            writer.begin_object().member("rule", miss.rule->name).member("because", because(miss.why));
            if (!miss.field.empty())
                writer.member("field", miss.field);
            writer.end_object();
        }
        writer.end_array();
    }
    writer.end_object().end_object();
    return reply;
}

Enclave::Permit Enclave::permit(const Asked& asked, const OpenKey& key, const policy::Facts& facts) {
    const auto judged = judge(asked, key, facts);
    if (!judged)
        return {refusal(judged.error()), {}};
    asked.note.rule = judged->rule();
    if (judged->document == nullptr || judged->document->open)
        return {};
    if (!judged->verdict.allowed())
        return {denied(*judged, nullptr), {}};
    // What stands in a TLS connection to here is nobody's to send again: no nonce has to say so.
    const bool by_signature = judged->asker.key != nullptr && asked.signature;
    if (changes(facts.operation)) {
        if (by_signature)
            if (const auto status = challenges_.take(asked.signature.nonce, asked.now); !status)
                return {refusal(status.error()), {}};
        return {};
    }
    const auto& candidates = judged->verdict.candidates;
    const UnixMs now = clock_.now();
    if (candidates.front().charges.empty())
        return {};

    // What takes from a limit takes it once: the same request again, in its time, is the same signature.
    // All paths of an HD key are counted together.
    const Secret secret = !key.counter_secret.empty() ? key.counter_secret.clone()
                          : key.seed.empty()          ? key.private_key.clone()
                                                      : sealed::counter_key(key.seed, key.head.id);
    const auto rule_index = [&](const policy::Rule* rule) {
        return static_cast<std::uint16_t>(rule - judged->document->rules.data());
    };
    const std::string key_id = sealed::key_id_text(key.head.id);
    const Hash32 principal =
        judged->asker.key != nullptr ? policy::principal_digest(*judged->asker.key) : Hash32{};
    // A nonce is used up for one key: what its policy allowed is nothing to another key.
    const std::string nonce = key_id + "/" + std::string(asked.signature.nonce);
    ReplayTable::Entry entry;
    entry.request = *to_array<16>(ByteView(asked.digest).first(16));
    entry.policy = *to_array<8>(ByteView(judged->document->digest).first(8));
    entry.expires = asked.signature.expires;
    const auto shown = asked.item(wire::ItemKind::CountersIfAny, key_id);
    if (by_signature) {
        if (const auto before = replays_.find(principal, nonce, now)) {
            if (before->request != entry.request)
                return {refusal({Code::NonceReused,
                                 "the signature's nonce was used for another request; use a fresh one"}),
                        {}};
            for (std::size_t i = 0; i < candidates.size(); ++i) {
                if (before->policy != entry.policy || before->rule != rule_index(candidates[i].rule))
                    continue;
                // Nothing more is taken, unless what was has been lost; it must be stored before this answer,
                // too.
                const LimitTable::Taken taken{before->term, before->base};
                auto again = limits_.reserve(key.head.id, secret, std::span(candidates).subspan(i, 1), shown,
                                             now, taken);
                if (again.need_record)
                    return {need(wire::ItemKind::CountersIfAny, key_id), {}};
                if (again.error)
                    return {refusal(*again.error), {}};
                if (again.no_room)
                    return {denied(*judged, &*again.no_room), {}};
                asked.note.rule = candidates[i].rule->name;
                asked.note.repeated = again.taken == taken;
                if (!asked.note.repeated) {
                    entry.rule = before->rule;
                    entry.term = again.taken.term;
                    entry.base = again.taken.base;
                    replays_.insert(principal, nonce, entry, now);
                }
                return {std::nullopt, {{wire::ItemKind::Counters, key_id, std::move(again.record)}}};
            }
        } else if (!replays_.has_room(principal, now)) {
            return {refusal({Code::Overloaded,
                             "too many signed requests are remembered; let signatures expire sooner"}),
                    {}};
        }
    }
    auto outcome = limits_.reserve(key.head.id, secret, candidates, shown, now);
    if (outcome.need_record)
        return {need(wire::ItemKind::CountersIfAny, key_id), {}};
    if (outcome.error)
        return {refusal(*outcome.error), {}};
    if (outcome.no_room)
        return {denied(*judged, &*outcome.no_room), {}};
    const policy::Candidate& chosen = candidates[*outcome.candidate];
    asked.note.rule = chosen.rule->name;
    if (chosen.charges.empty())
        return {};
    if (by_signature) {
        entry.rule = rule_index(chosen.rule);
        entry.term = outcome.taken.term;
        entry.base = outcome.taken.base;
        replays_.insert(principal, nonce, entry, now);
    }
    return {std::nullopt, {{wire::ItemKind::Counters, key_id, std::move(outcome.record)}}};
}

Status Enclave::admitted(const Asked& asked, bool act) {
    const trust::Manifest* m = manifest();
    if (m->principals.empty()) {
        if (asked.signature)
            return fail(Code::UnknownPrincipal,
                        "the manifest names no principals; do not sign requests that name no key");
        return {};
    }
    if (!asked.signature) {
        const auto connected = std::ranges::find_if(m->principals, [&](const trust::ManifestOwner& person) {
            return asked.note.connection != nullptr && key_of(person) == *asked.note.connection;
        });
        if (connected == m->principals.end())
            return fail(Code::Unauthorized,
                        "the manifest says who may do this: sign the request as one of its principals");
        asked.note.principal = policy::principal_name(connected->id, key_of(*connected));
        asked.note.known = true;
        return {};
    }
    const trust::ManifestOwner* person = m->find_principal(asked.signature.keyid);
    if (person == nullptr)
        return fail(Code::UnknownPrincipal, "the manifest names no principal with the signature's keyid");
    const policy::PublicKey key = key_of(*person);
    if (!policy::verify_signature(asked.signature.input, key, asked.signature.base))
        return wrong_signature();
    asked.note.principal = policy::principal_name(person->id, key);
    asked.note.known = true;
    return act ? challenges_.take(asked.signature.nonce, asked.now) : Status();
}

void Enclave::add_receipt(const Hash32& digest, const Note& note, wire::Reply& reply) {
    thread_local trust::Receipt receipt; // used again for its texts' memory
    const bool allowed = reply.status < 400 || note.changed;
    receipt.time = clock_.now();
    receipt.decision = !allowed        ? trust::Decision::Refused
                       : note.repeated ? trust::Decision::Repeated
                                       : trust::Decision::Allowed;
    receipt.operation = note.operation;
    receipt.code = allowed ? std::string_view() : code_of(reply);
    receipt.key_id = note.key_id;
    receipt.request_digest = digest;
    receipt.signed_digest = allowed ? note.signed_digest : Hash32{};
    receipt.policy_digest = note.policy_digest;
    receipt.rule = note.rule;
    receipt.principal = note.principal;
    const std::string_view name = as_text(receipts_->id());
    reply.records.reserve(reply.records.size() + 2);
    if (auto made = receipts_->append(receipt, allowed || note.known))
        reply.records.push_back({wire::ItemKind::Receipt, name, std::move(*made)});
    if (auto head = receipts_->last_head())
        reply.records.push_back({wire::ItemKind::ReceiptHead, name, std::move(*head)});
}

// What the gateway's log lacks, and a head that covers it.
wire::Reply Enclave::receipts(ByteView payload) {
    constexpr std::size_t kAtOnce = 48;
    const auto asked = wire::decode_receipts_asked(payload);
    if (!asked)
        return refusal(asked.error());
    if (manifest() == nullptr)
        return refusal({Code::ManifestMissing, "the enclave has no manifest yet; try again in a moment"});
    const auto& id = receipts_->id();
    const std::string name(reinterpret_cast<const char*>(id.data()), id.size());
    wire::Reply reply;
    json::Writer(reply.body).begin_object().member("ok", true).member("tag", to_hex(tag_)).end_object();
    if (asked->chain != id)
        reply.records.push_back({wire::ItemKind::ReceiptStart, name, receipts_->start()});
    const auto through = asked->chain == id ? asked->through : std::nullopt;
    if (through)
        receipts_->stored(*through);
    for (auto& receipt : receipts_->after(through, kAtOnce))
        reply.records.push_back({wire::ItemKind::Receipt, name, std::move(receipt)});
    if (auto head = receipts_->head(clock_.now()))
        reply.records.push_back({wire::ItemKind::ReceiptHead, name, std::move(*head)});
    return reply;
}

} // namespace redoubt::enclave
