// SPDX-License-Identifier: Apache-2.0
// A TLS client without a socket, and the host between it and an enclave's streams.
#pragma once

#include "decisions_support.h"
#include "enclave/tls_streams.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace redoubt::enclave::tests {

class TlsClient {
  public:
    // `person`: whose key it proves to hold, by a self-signed certificate.
    explicit TlsClient(int version = TLS1_3_VERSION, std::string_view alpn = {"\x08http/1.1", 9},
                       const Person* person = nullptr) {
        context_ = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
        SSL_CTX_set_max_proto_version(context_, version);
        if (person != nullptr)
            show(*person);
        ssl_ = SSL_new(context_);
        in_ = BIO_new(BIO_s_mem());
        out_ = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(in_, -1);
        SSL_set_bio(ssl_, in_, out_);
        if (!alpn.empty())
            SSL_set_alpn_protos(ssl_, as_bytes(alpn).data(), static_cast<unsigned>(alpn.size()));
        SSL_set_connect_state(ssl_);
        (void)SSL_do_handshake(ssl_);
    }
    ~TlsClient() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    // What came of the enclave. False: it was no TLS of this connection.
    bool feed(ByteView bytes) {
        BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
        ERR_clear_error();
        std::array<char, 16 * 1024> buffer;
        for (;;) {
            std::size_t n = 0;
            if (SSL_read_ex(ssl_, buffer.data(), buffer.size(), &n) == 1) {
                said.append(buffer.data(), n);
                continue;
            }
            const int error = SSL_get_error(ssl_, 0);
            closed = closed || error == SSL_ERROR_ZERO_RETURN;
            if (error == SSL_ERROR_SSL)
                broken = true;
            ERR_clear_error();
            return !broken;
        }
    }
    Bytes take() {
        char* data = nullptr;
        const long size = BIO_get_mem_data(out_, &data);
        Bytes bytes(data, data + size);
        (void)BIO_reset(out_);
        return bytes;
    }
    void write(std::string_view text) {
        std::size_t n = 0;
        EXPECT_EQ(SSL_write_ex(ssl_, text.data(), text.size(), &n), 1);
    }
    bool open() const { return SSL_is_init_finished(ssl_) == 1; }
    X509* certificate() const { return SSL_get0_peer_certificate(ssl_); }
    Bytes spki() const {
        unsigned char* der = nullptr;
        const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate()), &der);
        Bytes bytes(der, der + size);
        OPENSSL_free(der);
        return bytes;
    }

    std::string said; // plaintext, all of it
    bool closed = false, broken = false;

  private:
    void show(const Person& person) {
        const auto pem = person.pem.text(SecretAccess("a test's client key"));
        BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
        EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
        X509* const own = X509_new();
        X509_set_version(own, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(own), 1);
        X509_gmtime_adj(X509_getm_notBefore(own), -7'200);
        X509_gmtime_adj(X509_getm_notAfter(own), -3'600); // nobody looks at its times
        X509_set_pubkey(own, key);
        EXPECT_GT(X509_sign(own, key, person.ed25519 ? nullptr : EVP_sha256()), 0);
        EXPECT_EQ(SSL_CTX_use_certificate(context_, own), 1);
        EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, key), 1);
        X509_free(own);
        EVP_PKEY_free(key);
        BIO_free(bio);
    }

    SSL_CTX* context_;
    SSL* ssl_;
    BIO *in_, *out_;
};

inline std::string http(const std::string& method, const std::string& target, const std::string& body = "",
                        const std::string& headers = "") {
    return method + " " + target + " HTTP/1.1\r\nhost: localhost\r\n" + headers +
           (body.empty() ? "" : "content-type: application/json\r\n") +
           (method == "GET" ? "" : "content-length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

// Passes bytes and, unless it is told not to, gives and stores what the enclave asks for, as a gateway does.
struct StreamHost {
    struct Sent {
        wire::Kind kind;
        std::uint64_t id;
        Bytes payload;
    };

    Service& service;
    std::shared_ptr<StreamLoad> load = std::make_shared<StreamLoad>();
    std::vector<Sent> sent;                     // by the enclave, in all
    std::map<std::uint64_t, TlsClient*> ends{}; // where a stream's bytes go
    std::set<std::uint64_t> closed{};
    std::optional<Code> refuses{};          // the answer to records
    std::function<wire::Reply()> replies{}; // instead of the enclave
    bool gives = true;                      // else asks are only kept
    bool takes = true;                      // tells of bytes taken
    bool vouched = false;                   // some request named a host principal
    std::int64_t now = 1'000'000;
    std::size_t looked_at = 0;
    TlsStreams streams;

    explicit StreamHost(Service& with)
        : service(with),
          streams(with.instance.enclave->tls_identity(), load,
                  {[this](wire::Kind kind, std::uint64_t id, const auto& encode) {
                       sent.push_back({kind, id, {}});
                       encode(sent.back().payload);
                   },
                   [this](std::uint64_t, std::uint32_t, const Bytes& payload, const ClientKey& key) {
                       if (replies)
                           return std::optional(replies());
                       const auto request = wire::decode_request(payload);
                       vouched = vouched || !request || !request->principal.host_name.empty();
                       return service.instance.enclave->handle(wire::Kind::Request, payload, MayWait::ForKms,
                                                               0, key.get());
                   }}) {}

    Status give(wire::Kind kind, std::uint64_t id, ByteView payload = {}) {
        return streams.take({kind, id, payload}, now);
    }
    template<class Encode>
    Status tell(wire::Kind kind, std::uint64_t id, const Encode& encode) {
        Bytes payload;
        encode(payload);
        return give(kind, id, payload);
    }
    void open(std::uint64_t id, TlsClient& client) {
        ends[id] = &client;
        EXPECT_TRUE(give(wire::Kind::StreamOpen, id));
        run();
    }

    // Until nobody has anything to say.
    void run() {
        for (bool moved = true; moved;) {
            moved = false;
            for (const auto& [id, client] : ends) {
                const Bytes bytes = client->take();
                for (std::size_t at = 0; at < bytes.size(); at += wire::kMaxStreamData) {
                    moved = true;
                    EXPECT_TRUE(
                        give(wire::Kind::StreamData, id,
                             ByteView(bytes).subspan(at, std::min(wire::kMaxStreamData, bytes.size() - at))));
                }
            }
            for (; looked_at < sent.size(); ++looked_at) {
                moved = true;
                look(Sent(sent[looked_at]));
            }
        }
    }
    void look(const Sent& frame) {
        if (frame.kind == wire::Kind::StreamClose)
            closed.insert(frame.id);
        if (frame.kind == wire::Kind::StreamData && ends.contains(frame.id)) {
            ends[frame.id]->feed(frame.payload);
            if (takes && !closed.contains(frame.id)) {
                EXPECT_TRUE(tell(wire::Kind::StreamTaken, frame.id, [&](Bytes& out) {
                    wire::encode_stream_taken(out, static_cast<std::uint32_t>(frame.payload.size()));
                }));
            }
        }
        if (frame.kind == wire::Kind::StreamAsk && gives)
            serve(frame);
    }
    void serve(const Sent& frame) {
        const auto ask = wire::decode_stream_ask(frame.payload);
        ASSERT_TRUE(ask);
        if (ask->reply.status != wire::kNeeds) {
            if (!refuses)
                service.keep(ask->reply);
            EXPECT_TRUE(tell(wire::Kind::StreamSettled, frame.id, [&](Bytes& out) {
                wire::encode_stream_settled(out, {ask->number, refuses});
            }));
            return;
        }
        std::vector<Item>& items = given[{frame.id, ask->number}];
        for (const auto& need : ask->reply.needs) {
            const auto found = service.store->find(shelf(need.kind, need.name));
            std::erase_if(items,
                          [&](const Item& item) { return item.kind == need.kind && item.name == need.name; });
            items.push_back({need.kind, need.name, found != service.store->end() ? found->second : Bytes()});
        }
        wire::StreamItems message{ask->number, {}};
        for (const auto& item : items)
            message.items.push_back({item.kind, item.name, item.bytes});
        EXPECT_TRUE(tell(wire::Kind::StreamItems, frame.id,
                         [&](Bytes& out) { wire::encode_stream_items(out, message); }));
    }
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::vector<Item>> given{};

    std::vector<wire::StreamAsk> asks() const {
        std::vector<wire::StreamAsk> out;
        for (const auto& frame : sent)
            if (frame.kind == wire::Kind::StreamAsk)
                out.push_back(*wire::decode_stream_ask(frame.payload));
        return out;
    }
};

} // namespace redoubt::enclave::tests
