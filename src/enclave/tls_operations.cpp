// SPDX-License-Identifier: Apache-2.0
// What is asked of the key of TLS connections that end here: its attestation, a certificate request, and a
// certificate for it.
#include "enclave/asked.h"

#include "api/operation.h"
#include "base/json.h"
#include "enclave/tls_identity.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

std::vector<std::string> hosts_of(const trust::Manifest& manifest) {
    std::vector<std::string> out;
    for (const auto& authority : manifest.authorities)
        out.push_back(host_of_authority(authority));
    return out;
}

} // namespace

Status Enclave::name_tls_certificate(const trust::Manifest& taken) {
    return tls_identity_->self_sign(hosts_of(taken), clock_.now());
}

std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::AttestTls& operation) {
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    if (const auto status = attestor_.allow_identity(); !status)
        return refusal(status.error());
    // No public_key: a document that carries one is for KMS to encrypt to.
    const auto document =
        attestor_.document(trust::kPurposeTls, tls_identity_->digest(), operation.nonce, {});
    if (!document)
        return refusal(document.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("attestation", to_base64(*document))
        .member("spki_sha256", to_hex(tls_identity_->digest()))
        .member("manifest", manifest()->canonical)
        .end_object();
    return reply;
}

std::optional<wire::Reply> Enclave::run(const Asked&, const api::MakeTlsRequest&) {
    const auto request = tls_identity_->certificate_request(hosts_of(*manifest()));
    if (!request)
        return refusal(request.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("csr", *request)
        .member("spki_sha256", to_hex(tls_identity_->digest()))
        .end_object();
    return reply;
}

// Proves nothing and weakens nothing: what the key is worth, its attestation says. But a client that looks
// for a name would be turned away by a wrong certificate, so not everybody may install one.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::InstallTlsCertificate& operation) {
    asked.note.operation = "install-tls-certificate";
    const trust::Manifest* m = manifest();
    if (m->principals.empty() && !m->owners.empty())
        return refusal({Code::Forbidden,
                        "the manifest names owners and no principals: name one there who may install a "
                        "certificate"});
    if (const auto status = admitted(asked, true); !status)
        return refusal(status.error());
    const auto end = tls_identity_->install(operation.chain, hosts_of(*m), clock_.now());
    if (!end)
        return refusal(end.error());
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("spki_sha256", to_hex(tls_identity_->digest()))
        .member("not_after", to_iso8601(*end))
        .end_object();
    return reply;
}

} // namespace redoubt::enclave
