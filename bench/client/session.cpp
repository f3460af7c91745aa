// SPDX-License-Identifier: Apache-2.0
#include "client/session.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/request_signing.h"
#include "client/connection.h"
#include "crypto/hpke.h"
#include "crypto/owner_signature.h"
#include "policy/principal.h"

namespace redoubt::bench {

namespace {

constexpr int kTimeoutMs = 15'000;
constexpr UnixMs kLifeMs = 6 * 3'600'000;

std::string member(const std::string& body, std::string_view name) {
    json::Document document;
    const auto root = document.parse(body);
    const auto value = root ? root->get(name) : std::nullopt;
    if (!value || value->text().empty())
        die("the agreement of a session: no " + std::string(name) + " in " + body);
    return std::string(value->text());
}

net::HttpRequest request_for(const Spec& spec, std::string method, std::string target,
                             std::string_view body) {
    net::HttpRequest out;
    out.method = std::move(method);
    out.target = std::move(target);
    out.authority = spec.url.authority();
    for (const auto& [name, value] : spec.headers)
        out.headers.push_back({name, value});
    if (!body.empty())
        out.headers.push_back({"content-type", "application/json"});
    out.body = to_bytes(body);
    return out;
}

std::string ask(net::HttpClient& client, const net::HttpRequest& request, int status) {
    const auto answer = client.send(request, kTimeoutMs);
    if (!answer)
        die("the agreement of a session: " + answer.error().describe());
    if (answer->status != status)
        die("the agreement of a session: " + std::string(as_text(answer->body)));
    return std::string(as_text(answer->body));
}

} // namespace

// The offer's attestation is not verified: what is measured here is the operator's own machine, and a host
// that put a key of its own there would measure itself.
std::vector<RequestSigner::Session> agree_sessions(const Spec& spec, const std::string& key_id) {
    const auto signer = cli::read_signer(spec.principal.key_id + ":" + spec.principal.key_file);
    const auto known = signer ? crypto::sign_with_pem(signer->pem, {}) : fail(Code::KeyInvalid, "no key");
    if (!known)
        die("the principal's key: " + known.error().describe());
    const policy::PublicKey principal{
        known->ed25519 ? policy::KeyAlgorithm::Ed25519 : policy::KeyAlgorithm::EcdsaP256, known->public_key};
    Spec plain = spec;
    plain.protocol = Protocol::Http1;
    const auto tls = make_context(plain);
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = spec.url.host;
    endpoint.port = spec.url.port;
    net::HttpClient client(endpoint, &tls, spec.url.host);
    crypto::SystemRandom random;
    const std::string target = "/v1/keys/" + key_id + "/session";

    std::vector<RequestSigner::Session> out;
    for (std::size_t i = 0; i < spec.principal.sessions; ++i) {
        const std::string offer =
            ask(client, request_for(spec, "GET", target + "?nonce=" + to_hex(random.array<32>()), {}), 200);
        crypto::X25519Public enclave{};
        const std::string offered = member(offer, "public_key");
        if (!offered.starts_with("0x") || !from_hex_exact(std::string_view(offered).substr(2), enclave))
            die("a session's offer has no key");
        const UnixMs expires = system_time_ms() + kLifeMs;
        const std::string info = R"({"enclave":")" + to_hex(enclave) + R"(","expires":)" +
                                 std::to_string(expires) + R"(,"principal":")" +
                                 to_hex(policy::principal_digest(principal)) + R"(","redoubt_session":1})";
        Secret key(32);
        random.fill(key.mutable_view(SecretAccess("draw a session's key")));
        const auto sealed = crypto::hpke_seal(enclave, as_bytes(info), {}, key, random);
        if (!sealed)
            die("a session's key: " + sealed.error().describe());
        std::string body;
        json::Writer(body)
            .begin_object()
            .member("principal", signer->id)
            .member("expires", static_cast<std::uint64_t>(expires))
            .member("encapsulated_key", to_hex0x(sealed->encapsulated))
            .member("ciphertext", to_hex0x(sealed->ciphertext))
            .end_object();
        auto request = request_for(spec, "POST", target, body);
        if (const auto status = cli::sign_request(request, *signer, member(offer, "challenge")); !status)
            die("a session's request: " + status.error().describe());
        out.push_back({member(ask(client, request, 201), "session_id"), std::move(key)});
    }
    return out;
}

} // namespace redoubt::bench
