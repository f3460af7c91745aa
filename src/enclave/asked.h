// SPDX-License-Identifier: Apache-2.0
// One client request as the operations see it.
#pragma once

#include "crypto/hash.h"
#include "enclave/enclave.h"
#include "policy/http_signature.h"
#include "trust/receipt.h"

namespace redoubt::enclave {

// What a request's receipt will say; filled in on the way.
struct Enclave::Note {
    std::size_t kind = 0;                          // of operation, for counting
    const policy::PublicKey* connection = nullptr; // of the client's certificate, where its TLS ends here
    std::string_view operation;                    // one of operation_name()'s
    sealed::KeyId key_id{};
    Hash32 policy_digest{}, signed_digest{};
    std::string rule, principal;
    bool known = false;    // the asker was authenticated
    bool repeated = false; // the same request was allowed before
    bool changed = false;  // a key was, whatever the answer says of it

    void clear() noexcept { // keeps the texts' memory
        kind = 0;
        connection = nullptr;
        operation = {};
        key_id = {};
        policy_digest = signed_digest = {};
        rule.clear();
        principal.clear();
        known = repeated = changed = false;
    }
};

// All is decided, and note.signed_digest is to be signed: then signed_reply() says the rest.
struct Enclave::ToSign {
    std::shared_ptr<const OpenKey> key; // nullptr: nothing is
    wire::Reply::Records records;       // to go along with the answer
};

struct Enclave::Asked {
    const wire::Request& message;
    MayWait may_wait;
    UnixMs now;                                // trusted
    std::uint64_t forgotten;                   // as it was when the request came
    const policy::RequestSignature& signature; // its form was checked; empty: the request is not signed
    const Hash32& digest;                      // of the request, as receipts have it
    Note& note;
    ToSign& to_sign;

    // What the gateway sent along, or nullopt.
    std::optional<ByteView> item(wire::ItemKind kind, std::string_view name) const noexcept {
        for (const auto& item : message.items)
            if (item.kind == kind && item.name == name)
                return item.bytes;
        return std::nullopt;
    }
};

// What the sample's stores hold: base64 text (perhaps with a line end), or the blob itself.
inline Bytes ciphertext_of(ByteView stored) {
    std::string_view text = as_text(stored);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.remove_suffix(1);
    if (auto decoded = from_base64(text); decoded && !decoded->empty())
        return std::move(*decoded);
    return to_bytes(stored);
}

// A changed record that is not stored yet goes along with an answer, after the policy that it names.
inline void add_unstored(wire::Reply& reply, RevisionTable::Unstored unstored) {
    if (!unstored.policy.empty())
        reply.records.push_back(
            {wire::ItemKind::Policy, to_hex(crypto::sha256(unstored.policy)), std::move(unstored.policy)});
    reply.records.push_back(
        {wire::ItemKind::KeyUpdate, sealed::key_id_text(unstored.id), std::move(unstored.record)});
}

// The code of a refusal that this enclave has just written.
inline std::string_view code_of(const wire::Reply& reply) noexcept {
    constexpr std::string_view kMember = R"("code":")";
    const std::string_view body = reply.body;
    const std::size_t at = body.find(kMember);
    if (at == std::string_view::npos)
        return code_name(Code::MissingField); // the sample's first generation says it in words
    const std::string_view rest = body.substr(at + kMember.size());
    return rest.substr(0, rest.find('"'));
}

inline wire::Reply need(wire::ItemKind kind, std::string_view name) {
    wire::Reply reply;
    reply.status = wire::kNeeds;
    reply.needs.push_back({kind, std::string(name)});
    return reply;
}

} // namespace redoubt::enclave
