// SPDX-License-Identifier: Apache-2.0
#include "cli/tls_attestation.h"

#include "base/clock.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "net/endpoint.h"
#include "net/http.h"
#include "net/socket_bio.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

namespace redoubt::cli {

namespace {

using SslContext = std::unique_ptr<SSL_CTX, crypto::Releaser<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, crypto::Releaser<SSL_free>>;

constexpr std::size_t kMaxTlsAnswer = 512 * 1024; // a document and a manifest, in JSON

std::unexpected<Error> tls_broken(const std::string& peer) {
    crypto::forget_openssl_errors();
    return fail(Code::TlsFailed, "the TLS connection could not be made, or broke", peer);
}

// Waits as TLS wants. False: it failed, or took too long.
bool tls_go_on(SSL* ssl, int fd, int result, std::int64_t deadline) {
    const int error = SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return false;
    const std::int64_t left = deadline - monotonic_ms();
    pollfd waiting{fd, static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
    return left > 0 && poll(&waiting, 1, static_cast<int>(left)) > 0;
}

bool is_address(const std::string& host) noexcept {
    unsigned char ignored[sizeof(in6_addr)];
    return inet_pton(AF_INET, host.c_str(), ignored) == 1 || inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

// No certificate is asked for anything: the attestation says what the key is, or nothing does.
Result<Ssl> shake_hands(const SslContext& context, const net::Endpoint& endpoint, int fd,
                        std::int64_t deadline) {
    constexpr unsigned char kAlpn[] = "\x08http/1.1";
    Ssl ssl(SSL_new(context.get()));
    BIO* const bio = ssl ? net::make_socket_bio(fd) : nullptr;
    if (bio == nullptr || SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof kAlpn - 1) != 0)
        return tls_broken(endpoint.text());
    SSL_set_bio(ssl.get(), bio, bio);
    if (!is_address(endpoint.host) && SSL_set_tlsext_host_name(ssl.get(), endpoint.host.c_str()) != 1)
        return tls_broken(endpoint.text());
    for (;;) {
        ERR_clear_error();
        const int result = SSL_connect(ssl.get());
        if (result == 1)
            return ssl;
        if (!tls_go_on(ssl.get(), fd, result, deadline))
            return tls_broken(endpoint.text());
    }
}

Result<net::HttpResponse> exchange_over(SSL* ssl, int fd, const net::HttpRequest& request,
                                        const std::string& peer, std::int64_t deadline) {
    const Bytes text = net::serialise_request(request);
    for (std::size_t n = 0;;) {
        ERR_clear_error();
        const int result = SSL_write_ex(ssl, text.data(), text.size(), &n);
        if (result == 1)
            break;
        if (!tls_go_on(ssl, fd, result, deadline))
            return tls_broken(peer);
    }
    net::HttpLimits limits;
    limits.body = kMaxTlsAnswer;
    net::HttpParser parser(net::HttpParser::Kind::Response, limits);
    Bytes buffer(16 * 1024);
    while (!parser.done()) {
        std::size_t n = 0;
        ERR_clear_error();
        const int result = SSL_read_ex(ssl, buffer.data(), buffer.size(), &n);
        if (result == 1) {
            REDOUBT_TRY([[maybe_unused]] const auto taken, parser.feed(ByteView(buffer).first(n)));
        } else if (!tls_go_on(ssl, fd, result, deadline)) {
            return tls_broken(peer);
        }
    }
    return parser.take_response();
}

Result<Bytes> attestation_in(const net::HttpResponse& response) {
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    if (response.status != 200) {
        const auto name = root ? root->get("code") : std::nullopt;
        const auto code = name && name->is_string() ? code_from_name(name->text()) : std::nullopt;
        return fail(
            code.value_or(Code::AttestationInvalid),
            "the other end of the connection gives no attestation of its TLS key; is this the address "
            "of --tls-enclave?",
            "HTTP status " + std::to_string(response.status));
    }
    const auto encoded = root ? root->get("attestation") : std::nullopt;
    auto bytes = encoded && encoded->is_string() ? from_base64(encoded->text()) : std::nullopt;
    if (!bytes || bytes->empty())
        return fail(Code::AttestationInvalid, "the answer has no attestation document");
    return std::move(*bytes);
}

} // namespace

Result<TlsAttestation> fetch_tls_attestation(const std::string& host_and_port, ByteView nonce,
                                             int timeout_ms) {
    const auto endpoint = net::parse_endpoint("tcp:" + host_and_port);
    if (!endpoint || endpoint->port == 0)
        return fail(Code::Usage, "--tls takes HOST:PORT", host_and_port);
    const std::int64_t deadline = monotonic_ms() + timeout_ms;
    REDOUBT_TRY(const net::Fd fd, net::connect_to(*endpoint, timeout_ms));
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    const SslContext context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
        return tls_broken(host_and_port);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    REDOUBT_TRY(const Ssl ssl, shake_hands(context, *endpoint, fd.get(), deadline));

    TlsAttestation out;
    out.protocol = SSL_get_version(ssl.get());
    X509* const certificate = SSL_get0_peer_certificate(ssl.get());
    std::uint8_t* der = nullptr;
    const int size = certificate == nullptr ? 0 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0)
        return tls_broken(host_and_port);
    out.spki_sha256 = crypto::sha256(ByteView(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);

    net::HttpRequest request;
    request.method = "GET";
    request.target = "/v1/attestation/tls?nonce=" + to_hex(nonce);
    request.authority = host_and_port;
    request.keep_alive = false;
    REDOUBT_TRY(const auto response, exchange_over(ssl.get(), fd.get(), request, host_and_port, deadline));
    REDOUBT_TRY(out.document, attestation_in(response));
    return out;
}

} // namespace redoubt::cli
