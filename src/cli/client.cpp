// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"

#include "base/json.h"
#include "crypto/hash.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr int kTimeoutMs = 15'000;

Result<Bytes> certificate_der(const std::string& text) {
    X509* certificate = nullptr;
    if (text.starts_with('\x30')) { // a SEQUENCE: DER
        const auto* at = reinterpret_cast<const unsigned char*>(text.data());
        certificate = d2i_X509(nullptr, &at, static_cast<long>(text.size()));
    } else {
        BIO* bio = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
        certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
        BIO_free(bio);
    }
    if (certificate == nullptr)
        return fail(Code::Usage, "the attestation root is not a certificate, PEM or DER");
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    X509_free(certificate);
    if (size <= 0)
        return fail(Code::Internal, "a certificate cannot be encoded");
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

Result<std::optional<Bytes>> parse_pcr(const std::string& text) {
    if (text.empty())
        return std::nullopt;
    auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 48)
        return fail(Code::Usage, "a PCR is 96 hexadecimal digits");
    return std::move(*bytes);
}

} // namespace

Result<std::string> read_text_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return fail(Code::Io, "a file cannot be read", path + ": " + std::strerror(errno));
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

Result<Bytes> read_root(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    return certificate_der(text);
}

Status write_file_atomically(const std::string& path, std::string_view content, unsigned mode) {
    const std::string temporary = path + ".new";
    const net::Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd)
        return fail(Code::Io, "a file cannot be written", temporary + ": " + std::strerror(errno));
    const auto failed = [&](const std::string& name) {
        const int error = errno;
        (void)unlink(temporary.c_str());
        return fail(Code::Io, "a file cannot be written", name + ": " + std::strerror(error));
    };
    while (!content.empty()) {
        const ssize_t n = write(fd.get(), content.data(), content.size());
        if (n <= 0)
            return failed(temporary);
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    if (fsync(fd.get()) != 0 || rename(temporary.c_str(), path.c_str()) != 0)
        return failed(path);
    return {};
}

Status complete(Connection& connection) {
    if (connection.ready_file.empty()) {
        if (const char* path = std::getenv("REDOUBT_READY_FILE"))
            connection.ready_file = path;
    }
    if (!connection.ready_file.empty()) {
        REDOUBT_TRY(const std::string text, read_text_file(connection.ready_file));
        json::Document document;
        const auto root = document.parse(text);
        if (!root || !root->is_object())
            return fail(Code::Usage, "the ready file is not JSON; was it written by redoubt up?",
                        connection.ready_file);
        const auto fill = [&](std::string& into, std::string_view name) {
            const auto value = root->get(name);
            if (into.empty() && value && value->is_string())
                into = std::string(value->text());
        };
        fill(connection.gateway, "gateway");
        fill(connection.ca_file, "ca_cert");
        fill(connection.attestation_root, "attestation_root");
        fill(connection.pcr0, "pcr0");
        fill(connection.pcr16, "pcr16");
    }
    if (connection.gateway.empty())
        return fail(Code::Usage, "name the gateway: --gateway URL, or --ready-file PATH of redoubt up");
    return {};
}

Result<Gateway> Gateway::connect(const Connection& connection) {
    REDOUBT_TRY(const auto url, net::parse_url(connection.gateway));
    Gateway out;
    if (url.tls) {
        const std::string roots =
            connection.ca_file.empty() ? "/etc/ssl/certs/ca-certificates.crt" : connection.ca_file;
        REDOUBT_TRY(const std::string pem, read_text_file(roots));
        REDOUBT_TRY(auto tls, net::TlsContext::client(pem, {"http/1.1"}));
        out.tls_ = std::make_unique<net::TlsContext>(std::move(tls));
    }
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = url.host;
    endpoint.port = url.port;
    out.authority_ = url.authority();
    if (!connection.as.empty()) {
        REDOUBT_TRY(out.signer_, read_signer(connection.as));
    }
    out.client_ = std::make_unique<net::HttpClient>(endpoint, out.tls_.get(), url.host);
    return out;
}

Result<Gateway::Answer> Gateway::send(net::HttpRequest request) {
    request.authority = authority_;
    if (signer_) {
        // A nonce of the enclave's serves every request, those too that it takes once.
        net::HttpRequest asking;
        asking.method = "GET";
        asking.target = "/v1/challenge";
        asking.authority = authority_;
        REDOUBT_TRY(const auto given, client_->send(asking, kTimeoutMs));
        json::Document document;
        const auto root = document.parse(as_text(given.body));
        const auto challenge = root ? root->get("challenge") : std::nullopt;
        if (!challenge || !challenge->is_string())
            return fail(Code::BadRequest, "the gateway gave no challenge to sign the request with");
        REDOUBT_CHECK(sign_request(request, *signer_, challenge->text()));
    }
    REDOUBT_TRY(const auto response, client_->send(request, kTimeoutMs));
    Answer answer{response.status, std::string(as_text(response.body))};
    if (response.status < 400)
        return answer;
    json::Document document;
    const auto root = document.parse(answer.body);
    std::string context = "HTTP " + std::to_string(response.status);
    Code code = Code::BadRequest;
    if (root) {
        if (const auto name = root->get("code"); name && name->is_string())
            code = code_from_name(name->text()).value_or(Code::BadRequest);
        if (const auto sentence = root->get("error"); sentence && sentence->is_string())
            context = std::string(sentence->text());
    }
    return fail(code, "the gateway refused", std::move(context));
}

Result<Gateway::Answer> Gateway::get(const std::string& path) {
    net::HttpRequest request;
    request.method = "GET";
    request.target = path;
    return send(std::move(request));
}

Result<Gateway::Answer> Gateway::post(const std::string& path, const std::string& body) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = path;
    request.headers.push_back({"content-type", "application/json"});
    request.body = to_bytes(body);
    return send(std::move(request));
}

Result<trust::Pins> pins_for(const Connection& connection, ByteView document, ByteView nonce) {
    trust::Pins pins;
    pins.nonce = to_bytes(nonce);
    REDOUBT_TRY(pins.pcr0, parse_pcr(connection.pcr0));
    REDOUBT_TRY(pins.pcr16, parse_pcr(connection.pcr16));
    if ((!pins.pcr0 || !pins.pcr16) && !connection.allow_unpinned)
        return fail(
            Code::Usage,
            "pin the image and the manifest: --pcr0 HEX --pcr16 HEX (or, knowing that any enclave then "
            "passes, --allow-unpinned)");
    if (connection.attestation_root.empty()) {
        // AWS's root is known by its digest; the document carries it first in its bundle.
        REDOUBT_TRY(const auto attestation, nitro::parse_attestation(document));
        if (attestation.cabundle.empty() ||
            crypto::sha256(attestation.cabundle[0]) != nitro::kAwsNitroRootSha256)
            return fail(Code::AttestationUntrusted, "the document does not lead to AWS's root; for redoubt "
                                                    "up name its root with --attestation-root");
        pins.root_der = attestation.cabundle[0];
    } else {
        REDOUBT_TRY(pins.root_der, read_root(connection.attestation_root));
    }
    return pins;
}

int report(const Error& error, bool json) {
    if (json) {
        std::string out;
        json::Writer(out)
            .begin_object()
            .member("error", error.text.view())
            .member("code", code_name(error.code))
            .member("context", error.context)
            .end_object();
        std::fprintf(stderr, "%s\n", out.c_str());
    } else {
        std::fprintf(stderr, "redoubt: %s\n", error.describe().c_str());
    }
    switch (error.code) {
    case Code::Usage:
        return kExitUsage;
    case Code::AttestationInvalid:
    case Code::AttestationExpired:
    case Code::AttestationUntrusted:
        return kExitUntrusted;
    default:
        return kExitFailed;
    }
}

} // namespace redoubt::cli
