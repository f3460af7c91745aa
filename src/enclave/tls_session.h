// SPDX-License-Identifier: Apache-2.0
// The server's side of one TLS connection, without a socket: bytes of the client go in, bytes for the client
// come out. Not thread-safe.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "policy/principal.h"

#include <memory>
#include <span>

struct ssl_ctx_st; // OpenSSL's SSL_CTX
struct ssl_st;     // SSL
struct bio_st;     // BIO

namespace redoubt::enclave {

class TlsSession {
  public:
    static Result<TlsSession> accept(const std::shared_ptr<ssl_ctx_st>& context); // Error: TlsFailed
    TlsSession(TlsSession&& other) noexcept;
    TlsSession& operator=(TlsSession&&) = delete;
    ~TlsSession();

    void feed(ByteView from_client);
    std::size_t unread() const noexcept; // of what was fed, what TLS has not looked at

    enum class Read { Some, None, Closed, Failed };
    // Some: `n` > 0 bytes of plaintext. Shakes hands as needed. After Failed there may be an alert to send.
    Read read(std::span<std::uint8_t> into, std::size_t& n);
    bool open() const noexcept; // hands are shaken
    // Once open: the key of the client's certificate, which the handshake proves that it holds. Nothing else
    // of the certificate is looked at. nullptr: it showed none, or one of another kind than principals have.
    std::shared_ptr<const policy::PublicKey> client_key() const;
    // Takes all of it, or fails. Only while open.
    bool write(ByteView plaintext);
    void shutdown(); // close_notify

    std::size_t unsent() const noexcept;               // bytes for the client
    void take(Bytes& into, std::size_t most) noexcept; // appends the first of them

  private:
    explicit TlsSession(ssl_st* ssl) noexcept : ssl_(ssl) {}
    ssl_st* ssl_;
    bio_st* in_ = nullptr; // ssl_'s
    bio_st* out_ = nullptr;
    bool failed_ = false;
};

} // namespace redoubt::enclave
