// SPDX-License-Identifier: Apache-2.0
// People with keys who sign requests, and an enclave before an honest gateway's store.
#pragma once

#include "person.h"
#include "support.h"

#include "crypto/hash.h"
#include "crypto/hpke.h"
#include "crypto/owner_signature.h"
#include "policy/document.h"
#include "trust/audit.h"
#include "trust/authorization.h"

namespace redoubt::enclave::tests {

inline const Person& alice() {
    static const Person person("alice", true);
    return person;
}
inline const Person& bob() {
    static const Person person("bob", false);
    return person;
}
inline const Person& eve() { // whom no policy of the tests names
    static const Person person("eve", true);
    return person;
}

// How a request is signed.
struct Signing {
    std::string keyid;
    std::function<Bytes(std::string_view base)> sign;
    std::string nonce;
    std::int64_t seconds = 60; // until it expires
    std::int64_t created = 0;  // 0: now
};

inline std::string fresh_nonce() {
    static std::atomic<int> count{0};
    return "n-" + std::to_string(++count);
}

inline Signing by(const Person& person, std::string nonce = {}) {
    return {person.id, [&person](std::string_view base) { return person.sign(base); },
            nonce.empty() ? fresh_nonce() : std::move(nonce)};
}

inline Signing by_session(const std::string& id, ByteView key, std::string nonce = {}) {
    return {id,
            [key = to_bytes(key)](std::string_view base) {
                return to_bytes(crypto::hmac_sha256(key, as_bytes(base)));
            },
            nonce.empty() ? fresh_nonce() : std::move(nonce)};
}

struct SentRequest {
    std::string method, path, query, body, signature_input, signature, content_digest;

    // RFC 9421, 2.5, put together here and by no code of the product.
    void sign(const Signing& how, UnixMs now) {
        const std::int64_t created = how.created != 0 ? how.created : now / 1000;
        std::string base, components;
        const auto cover = [&](const std::string& name, const std::string& value) {
            components += (components.empty() ? "\"" : " \"") + name + "\"";
            base += "\"" + name + "\": " + value + "\n";
        };
        cover("@method", method);
        cover("@authority", "localhost");
        cover("@path", path);
        cover("@query", "?" + query);
        if (!body.empty()) {
            content_digest = "sha-256=:" + to_base64(crypto::sha256(as_bytes(body))) + ":";
            cover("content-type", "application/json");
            cover("content-digest", content_digest);
        }
        const std::string parameters = "(" + components + ");created=" + std::to_string(created) +
                                       ";expires=" + std::to_string(created + how.seconds) + ";nonce=\"" +
                                       how.nonce + "\";keyid=\"" + how.keyid + "\";tag=\"redoubt\"";
        signature_input = "s=" + parameters;
        signature = "s=:" + to_base64(how.sign(base + "\"@signature-params\": " + parameters)) + ":";
    }
};

// What is kept under which name.
inline std::string shelf(wire::ItemKind kind, const std::string& name) {
    switch (kind) {
    case wire::ItemKind::KeyRecord:
    case wire::ItemKind::KeyIfAny:
    case wire::ItemKind::KeyUpdate:
        return "key/" + name;
    case wire::ItemKind::VaultRecord:
    case wire::ItemKind::VaultIfAny:
        return "vault/" + name;
    case wire::ItemKind::Policy:
        return "policy/" + name;
    case wire::ItemKind::CountersIfAny:
    case wire::ItemKind::Counters:
        return "counters/" + name;
    default:
        return "other/" + name;
    }
}

using Shelves = std::map<std::string, Bytes>;

inline const std::string kLongLease =
    R"(,"min_epoch":1,"limits":{"vault_lease_seconds":86400,"key_cache_seconds":86400,"deletion_wait_seconds":0})";

// An enclave, and a gateway that stores what comes and gives it again.
struct Service {
    MovedTime time;
    std::shared_ptr<Shelves> store;
    Instance instance;
    std::string manifest_text;
    bool stores = true;                 // or its store fails
    std::string host;                   // whom the gateway vouches for
    std::vector<Item> unasked;          // to send along with the next request
    std::vector<wire::ItemKind> needed; // by the last request
    std::vector<Bytes> receipts;        // all, in their order

    explicit Service(const std::string& more = kLongLease, std::shared_ptr<Shelves> shared = {},
                     MovedTime moved = {})
        : time(std::move(moved)), store(shared ? std::move(shared) : std::make_shared<Shelves>()),
          instance(manifest(more), true, time), manifest_text(manifest(more)) {
        bool found = false;
        for (const auto& [name, bytes] : *store)
            if (name.starts_with("vault/")) {
                found = true;
                EXPECT_EQ(instance.call(wire::Kind::VaultOpen, as_text(bytes)).status, 200);
            }
        if (found)
            return;
        const Bytes vault = make_vault(instance);
        (*store)["vault/" + sealed::vault_id_text(sealed::decode_vault(vault)->id)] = vault;
    }

    UnixMs now() const { return time(); }
    // The NSM's time goes on, and the enclave takes it.
    void wait(std::int64_t ms) {
        *time.by += ms;
        instance.enclave->maintain();
    }

    wire::Reply send(const SentRequest& sent) {
        std::vector<Item> items = std::exchange(unasked, {});
        needed.clear();
        for (int round = 0; round < 6; ++round) {
            wire::Request request;
            request.method = sent.method;
            request.path = sent.path;
            request.authority = "localhost";
            request.query = sent.query;
            request.has_query = !sent.query.empty();
            request.headers = {{"content-type", "application/json"}};
            if (!sent.content_digest.empty())
                request.headers.push_back({"content-digest", sent.content_digest});
            if (!sent.signature.empty()) {
                request.headers.push_back({"signature-input", sent.signature_input});
                request.headers.push_back({"signature", sent.signature});
            }
            request.principal.host_name = host;
            request.body = as_bytes(sent.body);
            for (const auto& item : items)
                request.items.push_back({item.kind, item.name, item.bytes});
            Bytes payload;
            wire::encode_request(payload, request);
            auto reply = *instance.enclave->handle(wire::Kind::Request, payload, MayWait::ForKms);
            if (reply.status != wire::kNeeds) {
                keep(reply);
                return reply;
            }
            EXPECT_TRUE(reply.records.empty()) << "a need is no decision";
            for (const auto& need : reply.needs) {
                needed.push_back(need.kind);
                std::erase_if(items, [&](const Item& item) {
                    return item.kind == need.kind && item.name == need.name;
                });
                const auto found = store->find(shelf(need.kind, need.name));
                items.push_back({need.kind, need.name, found != store->end() ? found->second : Bytes()});
            }
        }
        ADD_FAILURE() << "it keeps asking";
        return {};
    }

    SentRequest signed_request(const std::string& path, const std::string& body, const Signing& how,
                               const std::string& method = "POST") const {
        SentRequest out{method, path, "", body, "", "", ""};
        out.sign(how, now());
        return out;
    }
    wire::Reply post(const std::string& path, const std::string& body, const Signing& how) {
        return send(signed_request(path, body, how));
    }
    wire::Reply post(const std::string& path, const std::string& body) {
        return send({"POST", path, "", body, "", "", ""});
    }
    wire::Reply get(const std::string& path, const std::string& query = "") {
        return send({"GET", path, query, "", "", "", ""});
    }
    wire::Reply get(const std::string& path, const Signing& how) {
        return send(signed_request(path, "", how, "GET"));
    }

    void keep(const wire::Reply& reply) {
        for (const auto& record : reply.records) {
            if (record.kind == wire::ItemKind::Receipt)
                receipts.push_back(record.bytes);
            if (!stores || record.kind >= wire::ItemKind::Receipt)
                continue;
            (*store)[shelf(record.kind, record.name.str())] = record.bytes;
            if (record.kind == wire::ItemKind::KeyUpdate)
                told_stored(record.name.str(), sealed::read_key_head(record.bytes)->revision);
        }
    }
    void told_stored(const std::string& id, std::uint32_t revision) {
        Bytes payload;
        wire::encode_forget(payload, {*sealed::parse_key_id(id), revision});
        EXPECT_EQ(instance.call(wire::Kind::Forget, as_text(payload)).status, 200);
    }
    void forget_all() { EXPECT_EQ(instance.call(wire::Kind::Forget).status, 200); }

    std::string create(const std::string& body) {
        const auto reply = post("/v1/keys", body);
        EXPECT_EQ(reply.status, 201) << reply.body;
        return member(reply, "key_id");
    }
    std::string create_with(const std::string& policy, const std::string& more = "") {
        return create(R"({"policy":)" + policy + more + "}");
    }
    std::string challenge() { return member(get("/v1/challenge"), "challenge"); }
    trust::Receipt last_receipt() const {
        EXPECT_FALSE(receipts.empty());
        return receipts.empty() ? trust::Receipt{} : *trust::decode_receipt(receipts.back());
    }
};

// {"redoubt_policy":1, principals alice and bob, these rules, and more members with a comma before them}
inline std::string policy_of(const std::string& rules, const std::string& more = "") {
    return R"({"redoubt_policy":1,"principals":[)" + alice().entry() + "," + bob().entry() +
           R"(],"rules":[)" + rules + "]" + more + "}";
}

inline std::string rule(const std::string& name, const std::string& effect, const std::string& principals,
                        const std::string& operations, const std::string& more = "") {
    return R"({"name":")" + name + R"(","effect":")" + effect + R"(","principals":)" + principals +
           R"(,"operations":)" + operations + more + "}";
}

inline const std::string kBobSigns = rule("bobs", "allow", R"(["bob"])", R"(["sign-message"])");

inline std::string counted(int count,
                           const std::string& operations = R"(["sign-message","sign-transaction"])") {
    return rule("few", "allow", R"(["alice","bob"])", operations,
                R"(,"limits":[{"name":"hourly","window_seconds":3600,"count":)" + std::to_string(count) +
                    "}]");
}

inline const std::string kAliceSigns = rule("messages", "allow", R"(["alice"])", R"(["sign-message"])");

inline std::string digest_of(const std::string& policy) {
    return to_hex(policy::parse_document(policy)->digest);
}

inline const std::string kMessage = R"({"text":"m"})";

inline std::string key_path(const std::string& id, const std::string& action) {
    return "/v1/keys/" + id + "/" + action;
}

inline nlohmann::json decision(const wire::Reply& reply) {
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    return body.is_object() && body.contains("decision") ? body["decision"] : nlohmann::json();
}

inline bool is_signed(const wire::Reply& reply) {
    return reply.status == 200 && !member(reply, "signature").empty();
}

} // namespace redoubt::enclave::tests
