// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include "net/socket_bio.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>

namespace redoubt::net {

namespace {

struct FreeContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, FreeContext>;

struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

struct FreeCertificate {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};

// TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9325, section 4.2); TLS 1.3 has no
// others.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::size_t kMaxServerName = 253;
constexpr int kMaxChain = 4; // CAs between a client's certificate and a trusted one

// OpenSSL's reason for the last failure: fixed texts of its own, nothing the peer sent. Empties the queue.
std::string take_reason() {
    const unsigned long code = ERR_peek_last_error();
    const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
    std::string out = text == nullptr ? "no reason given" : text;
    ERR_clear_error();
    return out;
}

std::unexpected<Error> refuse(FixedText text, std::string_view about) {
    return fail(Code::TlsFailed, text, std::string(about) + ": " + take_reason());
}

Result<Bytes> wire_form(const std::vector<std::string>& protocols) {
    Bytes out;
    for (const std::string& protocol : protocols) {
        if (protocol.empty() || protocol.size() > 255) // RFC 7301, section 3.1
            return fail(Code::TlsFailed, "an ALPN protocol name has 1 to 255 bytes");
        out.push_back(static_cast<std::uint8_t>(protocol.size()));
        append(out, as_bytes(protocol));
    }
    return out;
}

// A program must never stop to ask its terminal for a passphrase.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

Result<ContextPointer> make_context(const SSL_METHOD* method) {
    // OpenSSL would otherwise read openssl.cnf, or what OPENSSL_CONF names, and let it loosen what is set
    // here.
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    ERR_clear_error();
    ContextPointer context(SSL_CTX_new(method));
    if (!context)
        return refuse("a TLS context cannot be made", "SSL_CTX_new");
    char groups[] = "X25519:P-256:P-384"; // read only, but taken as char*
    SSL_CTX_set_security_level(context.get(), 2);
    if (SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers) != 1 ||
        SSL_CTX_set1_groups_list(context.get(), groups) != 1)
        return refuse("a TLS context cannot be made", "settings");
    SSL_CTX_set_options(context.get(),
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Buffers are kept while a connection idles (34 KiB each): giving them back costs two allocations, each
    // wiped when freed, for every request.
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context.get(), 1); // one system call for a record's header and body
    SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
    return context;
}

// A server's protocols belong to its context: connections may outlive the TlsContext, which a reload
// replaces.
void free_protocols(void*, void* value, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<Bytes*>(value);
}

int protocols_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_protocols);
    return index;
}

int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
    const auto& ours =
        *static_cast<const Bytes*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), protocols_index()));
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, ours.data(), static_cast<unsigned>(ours.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301, section 3.2
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

Status trust_roots(SSL_CTX* context, std::string_view pem) {
    const std::unique_ptr<BIO, FreeBio> bio(
        pem.size() > 0x7fffffff ? nullptr : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    std::size_t roots = 0;
    while (bio) {
        const std::unique_ptr<X509, FreeCertificate> root(
            PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
        if (!root)
            break;
        if (X509_STORE_add_cert(store, root.get()) != 1)
            return refuse("a root certificate is not accepted", "roots");
        ++roots;
    }
    const unsigned long error = ERR_peek_last_error();
    const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (!at_end)
        return refuse("the root certificates are not readable PEM", "roots");
    ERR_clear_error();
    if (roots == 0)
        return fail(Code::TlsFailed, "the root certificates' text holds no certificate");
    return {};
}

// Verifies as always, remembers the outcome (SSL_get_verify_result), and goes on: that the client holds the
// certificate's key is proved in any case.
int note_verification(X509_STORE_CTX* context, void*) {
    if (X509_verify_cert(context) != 1 && X509_STORE_CTX_get_error(context) == X509_V_OK)
        X509_STORE_CTX_set_error(context, X509_V_ERR_UNSPECIFIED);
    return 1;
}

Status ask_clients(SSL_CTX* context, const ClientCertificates& clients) {
    if (!clients.wanted)
        return {};
    if (!clients.ca_pem.empty())
        REDOUBT_CHECK(trust_roots(context, clients.ca_pem));
    SSL_CTX_set_verify_depth(context, kMaxChain);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context, note_verification, nullptr);
    constexpr std::string_view kName = "redoubt"; // sessions with client certificates need a context's name
    if (SSL_CTX_set_session_id_context(context, as_bytes(kName).data(), kName.size()) != 1)
        return refuse("a TLS context cannot be made", "session id context");
    return {};
}

bool is_numeric(const std::string& host) noexcept {
    unsigned char ignored[sizeof(in6_addr)];
    return inet_pton(AF_INET, host.c_str(), ignored) == 1 || inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

} // namespace

TlsContext::TlsContext(ssl_ctx_st* context) noexcept : context_(context) {}

TlsContext::TlsContext(TlsContext&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)), clock_(std::move(other.clock_)) {}

TlsContext& TlsContext::operator=(TlsContext&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(clock_, other.clock_);
    return *this;
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_); // streams hold references of their own
}

Result<TlsContext> TlsContext::server(const std::string& certificate_file, const std::string& key_file,
                                      std::vector<std::string> alpn, const ClientCertificates& clients) {
    REDOUBT_TRY(Bytes protocols, wire_form(alpn));
    REDOUBT_TRY(ContextPointer context, make_context(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1)
        return refuse("the certificate file is not a readable PEM chain", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
        return refuse("the key file is not a readable PEM key of the certificate", key_file);
    if (SSL_CTX_check_private_key(context.get()) != 1)
        return refuse("the key is not the certificate's", key_file);
    // Sessions are resumed by tickets alone, which the client keeps. One ticket a handshake is enough.
    (void)SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(context.get(), 1) != 1)
        return refuse("a TLS context cannot be made", "tickets");
    REDOUBT_CHECK(ask_clients(context.get(), clients));
    if (!protocols.empty()) {
        auto kept = std::make_unique<Bytes>(std::move(protocols));
        if (protocols_index() < 0 || SSL_CTX_set_ex_data(context.get(), protocols_index(), kept.get()) != 1)
            return refuse("a TLS context cannot be made", "ALPN");
        (void)kept.release(); // the context's now
        SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    }
    return TlsContext(context.release());
}

Result<TlsContext> TlsContext::client(std::string_view roots_pem, std::vector<std::string> alpn,
                                      std::function<UnixMs()> clock) {
    REDOUBT_TRY(Bytes protocols, wire_form(alpn));
    REDOUBT_TRY(ContextPointer context, make_context(TLS_client_method()));
    REDOUBT_CHECK(trust_roots(context.get(), roots_pem));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (!protocols.empty() && SSL_CTX_set_alpn_protos(context.get(), protocols.data(),
                                                      static_cast<unsigned>(protocols.size())) != 0)
        return refuse("a TLS context cannot be made", "ALPN");
    TlsContext out(context.release());
    out.clock_ = std::move(clock);
    return out;
}

Stream::Stream(Stream&& other) noexcept
    : fd_(std::move(other.fd_)), ssl_(std::exchange(other.ssl_, nullptr)),
      failure_(std::move(other.failure_)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(ssl_, other.ssl_);
    std::swap(failure_, other.failure_);
    return *this;
}

Stream::~Stream() {
    SSL_free(ssl_);
}

Stream Stream::plain(Fd fd) {
    Stream out;
    out.fd_ = std::move(fd);
    return out;
}

namespace {

Result<SSL*> make_ssl(const TlsContext& context, int fd) {
    ERR_clear_error();
    SSL* ssl = SSL_new(context.get());
    BIO* bio = ssl == nullptr ? nullptr : make_socket_bio(fd);
    if (bio == nullptr) {
        SSL_free(ssl);
        return refuse("a TLS connection cannot be made", "SSL_new");
    }
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

} // namespace

Result<Stream> Stream::tls_server(const TlsContext& context, Fd fd) {
    Stream out;
    REDOUBT_TRY(out.ssl_, make_ssl(context, fd.get()));
    out.fd_ = std::move(fd);
    SSL_set_accept_state(out.ssl_);
    return out;
}

Result<Stream> Stream::tls_client(const TlsContext& context, Fd fd, const std::string& server_name) {
    // An empty name would mean to OpenSSL that any is right.
    if (server_name.empty() || server_name.size() > kMaxServerName ||
        server_name.find('\0') != std::string::npos)
        return fail(Code::TlsFailed, "the name that a server's certificate must have is missing or too long");
    Stream out;
    REDOUBT_TRY(out.ssl_, make_ssl(context, fd.get()));
    out.fd_ = std::move(fd);
    SSL_set_connect_state(out.ssl_);
    X509_VERIFY_PARAM* const verify = SSL_get0_param(out.ssl_);
    if (context.clock())
        X509_VERIFY_PARAM_set_time(verify, static_cast<time_t>(context.clock()() / 1000));
    if (is_numeric(server_name)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(verify, server_name.c_str()) != 1)
            return refuse("the server's address cannot be checked", server_name);
        return out;
    }
    SSL_set_hostflags(out.ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    // RFC 6066, section 3: names only, never addresses.
    if (SSL_set1_host(out.ssl_, server_name.c_str()) != 1 ||
        SSL_set_tlsext_host_name(out.ssl_, server_name.c_str()) != 1)
        return refuse("the server's name cannot be checked", server_name);
    return out;
}

namespace {

// What an unsuccessful call means. `failure` gets the reason where it is Failed.
Io outcome(SSL* ssl, int result, int error_number, std::string& failure) {
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return Io::WantRead;
    case SSL_ERROR_WANT_WRITE:
        return Io::WantWrite;
    case SSL_ERROR_ZERO_RETURN: // close_notify
        return Io::Closed;
    case SSL_ERROR_SYSCALL:
        failure = error_number != 0 ? std::strerror(error_number) : "the connection ended without notice";
        break;
    default:
        if (const long verified = SSL_get_verify_result(ssl); verified != X509_V_OK)
            failure = X509_verify_cert_error_string(verified);
        else
            failure = take_reason();
        break;
    }
    ERR_clear_error();
    return Io::Failed;
}

Io plain_outcome(int error_number, Io wanted, std::string& failure) {
    if (error_number == EAGAIN || error_number == EWOULDBLOCK)
        return wanted;
    failure = std::strerror(error_number);
    return Io::Failed;
}

} // namespace

// OpenSSL reads its thread's error queue to tell failures apart, so each call starts with an empty one; and
// errno, which it leaves alone when the peer just hung up.

Io Stream::handshake() {
    if (ssl_ == nullptr || SSL_is_init_finished(ssl_) == 1)
        return Io::Done;
    if (!failure_.empty())
        return Io::Failed;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_);
    return result == 1 ? Io::Done : outcome(ssl_, result, errno, failure_);
}

Io Stream::read(std::span<std::uint8_t> into, std::size_t& n) {
    if (ssl_ != nullptr) {
        if (!failure_.empty())
            return Io::Failed;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_read_ex(ssl_, into.data(), into.size(), &n);
        return result == 1 ? Io::Done : outcome(ssl_, result, errno, failure_);
    }
    ssize_t got = 0;
    do {
        got = recv(fd_.get(), into.data(), into.size(), 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return plain_outcome(errno, Io::WantRead, failure_);
    if (got == 0)
        return Io::Closed;
    n = static_cast<std::size_t>(got);
    return Io::Done;
}

Io Stream::write(ByteView from, std::size_t& n) {
    if (ssl_ != nullptr) {
        if (!failure_.empty())
            return Io::Failed;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_write_ex(ssl_, from.data(), from.size(), &n);
        return result == 1 ? Io::Done : outcome(ssl_, result, errno, failure_);
    }
    ssize_t sent = 0;
    do {
        sent = send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return plain_outcome(errno, Io::WantWrite, failure_);
    n = static_cast<std::size_t>(sent);
    return Io::Done;
}

void Stream::shutdown() {
    if (ssl_ == nullptr || !failure_.empty() || SSL_is_init_finished(ssl_) != 1)
        return; // after a failure OpenSSL forbids it
    ERR_clear_error();
    (void)SSL_shutdown(ssl_);
    ERR_clear_error();
}

bool Stream::pending() const noexcept {
    return ssl_ != nullptr && SSL_has_pending(ssl_) == 1;
}

std::string Stream::alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    if (ssl_ != nullptr)
        SSL_get0_alpn_selected(ssl_, &name, &size);
    return name == nullptr ? std::string() : std::string(as_text({name, size}));
}

std::string Stream::failure() const {
    return failure_;
}

} // namespace redoubt::net
