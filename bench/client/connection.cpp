// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include "base/clock.h"
#include "crypto/hash.h"

#include <algorithm>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

namespace redoubt::bench {

namespace {

constexpr int kConnectMs = 10'000;

// Instead of chain and name: is it one of these keys? They were taken from attestation documents before.
int pinned(X509_STORE_CTX* context, void* pins) {
    const X509* const certificate = X509_STORE_CTX_get0_cert(context);
    unsigned char* der = nullptr;
    const int size = certificate == nullptr ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0)
        return 0;
    const Hash32 digest = crypto::sha256(ByteView(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    const auto& known = *static_cast<const std::vector<Hash32>*>(pins);
    return std::ranges::find(known, digest) != known.end() ? 1 : 0;
}

} // namespace

net::TlsContext make_context(const Spec& spec) {
    const std::string protocol = spec.protocol == Protocol::Http2 ? "h2" : "http/1.1";
    // Where keys are pinned no root is asked; but a context has some.
    std::string roots = spec.ca_pem;
    if (!spec.pins.empty()) {
        const auto any = net::make_certificate_authority("nobody");
        if (!any)
            die(any.error().describe());
        roots = any->certificate;
    }
    auto tls = net::TlsContext::client(roots, {protocol});
    if (!tls)
        die(tls.error().describe());
    if (!spec.pins.empty())
        SSL_CTX_set_cert_verify_callback(tls->get(), pinned, const_cast<std::vector<Hash32>*>(&spec.pins));
    return std::move(*tls);
}

net::Stream connect(const Spec& spec, const net::TlsContext& tls) {
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = spec.url.host;
    endpoint.port = spec.url.port;
    auto fd = net::connect_to(endpoint, kConnectMs);
    if (!fd)
        die(fd.error().describe());
    auto stream = net::Stream::tls_client(tls, std::move(*fd), spec.url.host);
    if (!stream)
        die(stream.error().describe());
    for (;;) {
        const net::Io io = stream->handshake();
        if (io == net::Io::Done)
            break;
        if (io != net::Io::WantRead && io != net::Io::WantWrite)
            die("TLS handshake: " + stream->failure());
        pollfd waiting{stream->fd(), static_cast<short>(io == net::Io::WantRead ? POLLIN : POLLOUT), 0};
        if (poll(&waiting, 1, kConnectMs) == 0)
            die("TLS handshake: no answer");
    }
    if (spec.protocol == Protocol::Http2 && stream->alpn() != "h2")
        die("the server does not speak HTTP/2");
    return std::move(*stream);
}

void Connection::readable(AnswerSink& sink) {
    std::uint8_t buffer[16 * 1024]; // a TLS record
    do {
        std::size_t n = 0;
        const net::Io io = stream_.read(buffer, n);
        if (io == net::Io::WantRead || io == net::Io::WantWrite)
            return;
        if (io != net::Io::Done)
            die("the server ended a connection: " + stream_.failure());
        received(ByteView(buffer, n), monotonic_us(), sink);
    } while (stream_.pending());
}

bool Connection::write(std::string& out, std::size_t& written) {
    while (written < out.size()) {
        std::size_t n = 0;
        const net::Io io = stream_.write(as_bytes(out).subspan(written), n);
        if (io == net::Io::WantWrite || io == net::Io::WantRead)
            return false;
        if (io != net::Io::Done)
            die("a connection broke: " + stream_.failure());
        written += n;
    }
    out.clear();
    written = 0;
    return true;
}

} // namespace redoubt::bench
