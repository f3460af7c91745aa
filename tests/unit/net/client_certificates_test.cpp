// SPDX-License-Identifier: Apache-2.0
// What a server learns of its clients' certificates, and contexts that are replaced while connections live.
#include "net/tls.h"

#include "support.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace redoubt::net::tests {
namespace {

struct Met {
    Io server = Io::WantRead, client = Io::WantRead;
    std::shared_ptr<const Peer> peer;
};

// A client that shows this certificate, or none; the handshake and one record from the server.
class ShowingClient {
  public:
    explicit ShowingClient(const PemPair* shown) : context_(identity().client_context()) {
        if (shown == nullptr)
            return;
        BIO* certificate =
            BIO_new_mem_buf(shown->certificate.data(), static_cast<int>(shown->certificate.size()));
        BIO* key = BIO_new_mem_buf(shown->key.data(), static_cast<int>(shown->key.size()));
        X509* x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
        EVP_PKEY* pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
        EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), x509), 1);
        EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), pkey), 1);
        X509_free(x509);
        EVP_PKEY_free(pkey);
        BIO_free(certificate);
        BIO_free(key);
    }
    const TlsContext& context() const { return context_; }

  private:
    TlsContext context_;
};

std::pair<Fd, Fd> connected_pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    return {Fd(fds[0]), Fd(fds[1])};
}

Met meet(const TlsContext& server, const TlsContext& client) {
    auto [a, b] = connected_pair();
    Stream at_server = std::move(*Stream::tls_server(server, std::move(a)));
    Stream at_client = std::move(*Stream::tls_client(client, std::move(b), "localhost"));
    Met out;
    const auto going = [](Io io) { return io == Io::WantRead || io == Io::WantWrite; };
    for (int i = 0; i < 20; ++i) {
        if (going(out.client))
            out.client = at_client.handshake();
        if (going(out.server))
            out.server = at_server.handshake();
    }
    if (out.server == Io::Done)
        out.peer = at_server.peer();
    return out;
}

TlsContext asking_server(const std::string& ca_pem) {
    auto out =
        TlsContext::server(identity().certificate_file, identity().key_file, {"http/1.1"}, {true, ca_pem});
    EXPECT_TRUE(out) << (out ? "" : out.error().describe());
    return std::move(*out);
}

Hash32 sha256_of_certificate(const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* x509 = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    Hash32 out{};
    unsigned size = 0;
    EXPECT_EQ(X509_digest(x509, EVP_sha256(), out.data(), &size), 1);
    X509_free(x509);
    BIO_free(bio);
    return out;
}

TEST(ClientCertificates, one_that_a_trusted_ca_vouches_for_is_verified_and_read) {
    const auto ca = *make_certificate_authority("clients");
    const auto pair = *make_client_certificate(ca, {"Pay.example", "10.0.0.1", "second.example"});
    const ShowingClient client(&pair);
    const auto done = meet(asking_server(ca.certificate), client.context());
    ASSERT_EQ(done.server, Io::Done);
    ASSERT_NE(done.peer, nullptr);
    EXPECT_TRUE(done.peer->verified);
    EXPECT_EQ(done.peer->certificate_sha256, sha256_of_certificate(pair.certificate));
    EXPECT_EQ(done.peer->dns_names, (std::vector<std::string>{"pay.example", "second.example"}));
    EXPECT_EQ(done.peer->subject, "CN=Pay.example");
    EXPECT_LT(done.peer->not_before, system_time_ms());
    EXPECT_GT(done.peer->not_after, system_time_ms());
}

TEST(ClientCertificates, one_that_nobody_vouches_for_is_let_in_and_not_verified) {
    const auto trusted = *make_certificate_authority("clients"),
               other = *make_certificate_authority("clients");
    const auto pair = *make_client_certificate(other, {"pay.example"});
    const ShowingClient client(&pair);
    for (const auto& ca : {trusted.certificate, std::string()}) {
        const auto done = meet(asking_server(ca), client.context());
        ASSERT_EQ(done.server, Io::Done);
        ASSERT_NE(done.peer, nullptr);
        EXPECT_FALSE(done.peer->verified);
        EXPECT_EQ(done.peer->certificate_sha256, sha256_of_certificate(pair.certificate));
    }
}

TEST(ClientCertificates, a_servers_certificate_is_no_clients) {
    const auto ca = *make_certificate_authority("clients");
    const auto pair = *make_server_certificate(ca, {"pay.example"});
    const ShowingClient client(&pair);
    const auto done = meet(asking_server(ca.certificate), client.context());
    ASSERT_NE(done.peer, nullptr);
    EXPECT_FALSE(done.peer->verified);
}

TEST(ClientCertificates, who_shows_none_is_let_in_without) {
    const auto ca = *make_certificate_authority("clients");
    const ShowingClient client(nullptr);
    const auto done = meet(asking_server(ca.certificate), client.context());
    EXPECT_EQ(done.server, Io::Done);
    EXPECT_EQ(done.peer, nullptr);
}

TEST(ClientCertificates, a_server_that_does_not_ask_learns_of_none) {
    const auto ca = *make_certificate_authority("clients");
    const auto pair = *make_client_certificate(ca, {"pay.example"});
    const ShowingClient client(&pair);
    const auto done = meet(server_tls(), client.context());
    EXPECT_EQ(done.server, Io::Done);
    EXPECT_EQ(done.peer, nullptr);
}

TEST(ClientCertificates, authorities_that_are_none_are_refused) {
    for (const char* pem :
         {"no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
        const auto out =
            TlsContext::server(identity().certificate_file, identity().key_file, {}, {true, pem});
        ASSERT_FALSE(out);
        EXPECT_EQ(out.error().code, Code::TlsFailed);
    }
}

TEST(ClientCertificates, the_servers_requests_carry_the_peer) {
    const auto ca = *make_certificate_authority("clients");
    const auto pair = *make_client_certificate(ca, {"pay.example"});
    const TlsContext tls = asking_server(ca.certificate);
    EventLoop loop;
    Endpoint at;
    Fd listener = listen_anywhere(at);
    HttpServer server(loop, std::move(listener), &tls, {},
                      [](HttpRequest request, HttpServer::Responder respond) {
                          respond(HttpResponse::text(200, request.peer ? request.peer->subject : "nobody"));
                      });
    std::thread thread([&] { loop.run(); });
    const auto ask = [&](const TlsContext& client) {
        auto fd = connect_to(at, kPatienceMs);
        Stream stream = std::move(*Stream::tls_client(client, std::move(*fd), "localhost"));
        const std::string twice = get("/") + get("/");
        std::string got;
        std::array<std::uint8_t, 4096> buffer;
        bool sent = false;
        for (const auto until = monotonic_ms() + kPatienceMs; monotonic_ms() < until;) {
            std::size_t n = 0;
            if (!sent && stream.handshake() == Io::Done)
                sent = stream.write(as_bytes(twice), n) == Io::Done;
            if (sent && stream.read(buffer, n) == Io::Done)
                got += as_text(ByteView(buffer).first(n));
            if (std::size_t second = got.find("200 OK", got.find("200 OK") + 1);
                second != std::string::npos && got.size() > second + 100)
                break;
            usleep(1'000);
        }
        return got;
    };
    const ShowingClient showing(&pair), silent(nullptr);
    const std::string first = ask(showing.context());
    EXPECT_NE(first.find("CN=pay.example"), std::string::npos) << first;
    EXPECT_NE(first.rfind("CN=pay.example"), first.find("CN=pay.example")) << "the second request, too";
    EXPECT_NE(ask(silent.context()).find("nobody"), std::string::npos);
    loop.stop();
    thread.join();
}

TEST(TlsReload, live_connections_go_on_and_new_ones_get_the_new_certificate) {
    TlsContext context = identity().server_context();
    auto [a, b] = connected_pair();
    const TlsContext client = identity().client_context();
    std::optional<Stream> half_way = std::move(*Stream::tls_server(context, std::move(a)));
    std::optional<Stream> its_client = std::move(*Stream::tls_client(client, std::move(b), "localhost"));
    (void)its_client->handshake(); // the first message is under way when the context is replaced

    const Identity other = Identity::make({"localhost"});
    context = other.server_context();
    Io at_server = Io::WantRead, at_client = Io::WantRead;
    for (int i = 0; i < 20; ++i) {
        at_server = half_way->handshake();
        at_client = its_client->handshake();
    }
    EXPECT_EQ(at_server, Io::Done);
    EXPECT_EQ(at_client, Io::Done) << its_client->failure();
    EXPECT_EQ(its_client->alpn(), "http/1.1") << "the old context's protocols are still there";

    EXPECT_EQ(meet(context, other.client_context()).client, Io::Done);
    EXPECT_EQ(meet(context, client).client, Io::Failed) << "the new certificate is another authority's";
}

} // namespace
} // namespace redoubt::net::tests
