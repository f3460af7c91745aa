// SPDX-License-Identifier: Apache-2.0
// TLS by OpenSSL: contexts, and a stream over a non-blocking descriptor with or without TLS. TLS 1.2 and 1.3
// only, no renegotiation, no compression, session tickets for servers.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "net/endpoint.h"
#include "net/peer.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

struct ssl_ctx_st; // OpenSSL's SSL_CTX
struct ssl_st;     // SSL

namespace redoubt::net {

// Whether a server asks its clients for certificates. One that shows none, or one that nobody vouches for, is
// not turned away: Stream::peer() tells what there is, and who may do what is for the layer above to say.
struct ClientCertificates {
    bool wanted = false;
    std::string ca_pem; // the CAs whose certificates are Peer::verified; empty: none
};

// Assigning another one to a server's context is a reload: connections that there are keep what they began
// with, later ones get the new one. Not while another thread makes streams of it.
class TlsContext {
  public:
    // Certificate chain and key as PEM files. ALPN: in order of preference, e.g. {"http/1.1"}. Error:
    // TlsFailed.
    static Result<TlsContext> server(const std::string& certificate_file, const std::string& key_file,
                                     std::vector<std::string> alpn, const ClientCertificates& clients = {});
    // Trusts exactly the roots of a PEM text; verifies chain and name. `clock` says when certificates must be
    // valid; empty: the system's clock. It is called from the threads that connect. Error: TlsFailed.
    static Result<TlsContext> client(std::string_view roots_pem, std::vector<std::string> alpn,
                                     std::function<UnixMs()> clock = {});
    TlsContext(TlsContext&&) noexcept;
    TlsContext& operator=(TlsContext&&) noexcept;
    ~TlsContext();
    ssl_ctx_st* get() const noexcept { return context_; }
    const std::function<UnixMs()>& clock() const noexcept { return clock_; }

  private:
    explicit TlsContext(ssl_ctx_st* context) noexcept;
    ssl_ctx_st* context_;
    std::function<UnixMs()> clock_;
};

// A development certificate authority and server certificates (P-256), for `redoubt up` and tests.
struct PemPair {
    std::string certificate, key; // the key is a development key, not a signing secret
};
Result<PemPair> make_certificate_authority(const std::string& name);
// subject_alt_names: DNS names or numeric addresses.
Result<PemPair> make_server_certificate(const PemPair& authority,
                                        const std::vector<std::string>& subject_alt_names);
// For a client that shows who it is. Its subject is "CN=" and the first name.
Result<PemPair> make_client_certificate(const PemPair& authority,
                                        const std::vector<std::string>& subject_alt_names);

enum class Io { Done, WantRead, WantWrite, Closed, Failed };

// One connection, plain or TLS, non-blocking. Not thread-safe.
class Stream {
  public:
    static Stream plain(Fd fd);
    static Result<Stream> tls_server(const TlsContext& context, Fd fd);
    static Result<Stream> tls_client(const TlsContext& context, Fd fd, const std::string& server_name);
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;
    ~Stream();

    int fd() const noexcept { return fd_.get(); }
    bool is_tls() const noexcept { return ssl_ != nullptr; }
    Io handshake(); // Done at once for plain streams
    // Read or write some; `n` is set when the result is Done (n > 0).
    Io read(std::span<std::uint8_t> into, std::size_t& n);
    Io write(ByteView from, std::size_t& n);
    void shutdown();               // best effort close_notify
    bool pending() const noexcept; // decrypted bytes wait inside TLS
    std::string alpn() const;
    std::shared_ptr<const Peer> peer() const; // once the handshake is done; nullptr: it showed no certificate
    std::string failure() const;              // why Failed, for logs

  private:
    Stream() = default;
    Fd fd_;
    ssl_st* ssl_ = nullptr;
    std::string failure_;
};

} // namespace redoubt::net
