// SPDX-License-Identifier: Apache-2.0
#include "enclave/tls_session.h"

#include "crypto/openssl.h"

#include <algorithm>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <utility>

namespace redoubt::enclave {

Result<TlsSession> TlsSession::accept(const std::shared_ptr<ssl_ctx_st>& context) {
    TlsSession out(SSL_new(context.get()));
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const to = BIO_new(BIO_s_mem());
    if (out.ssl_ == nullptr || in == nullptr || to == nullptr) {
        BIO_free(in);
        BIO_free(to);
        crypto::forget_openssl_errors();
        return fail(Code::TlsFailed, "a TLS connection cannot be made");
    }
    BIO_set_mem_eof_return(in, -1); // empty: more may come
    SSL_set_bio(out.ssl_, in, to);  // owns both
    SSL_set_accept_state(out.ssl_);
    out.in_ = in;
    out.out_ = to;
    return out;
}

TlsSession::TlsSession(TlsSession&& other) noexcept
    : ssl_(std::exchange(other.ssl_, nullptr)), in_(other.in_), out_(other.out_), failed_(other.failed_) {}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
}

void TlsSession::feed(ByteView from_client) {
    if (!from_client.empty())
        crypto::require_openssl(BIO_write(in_, from_client.data(), static_cast<int>(from_client.size())) ==
                                static_cast<int>(from_client.size()));
}

std::size_t TlsSession::unread() const noexcept {
    return BIO_ctrl_pending(in_);
}

TlsSession::Read TlsSession::read(std::span<std::uint8_t> into, std::size_t& n) {
    if (failed_)
        return Read::Failed;
    ERR_clear_error();
    if (SSL_read_ex(ssl_, into.data(), into.size(), &n) == 1)
        return Read::Some;
    switch (SSL_get_error(ssl_, 0)) {
    case SSL_ERROR_WANT_READ:
        return Read::None;
    case SSL_ERROR_ZERO_RETURN:
        return Read::Closed;
    default:
        ERR_clear_error();
        failed_ = true;
        return Read::Failed;
    }
}

bool TlsSession::open() const noexcept {
    return SSL_is_init_finished(ssl_) == 1;
}

std::shared_ptr<const policy::PublicKey> TlsSession::client_key() const {
    constexpr std::size_t kEd25519 = 32, kPoint = 65; // uncompressed
    const X509* const certificate = SSL_get0_peer_certificate(ssl_);
    EVP_PKEY* const key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
    auto out = std::make_shared<policy::PublicKey>();
    out->bytes.resize(kPoint);
    std::size_t size = kEd25519;
    if (key == nullptr)
        return nullptr;
    if (EVP_PKEY_is_a(key, "ED25519") == 1 &&
        EVP_PKEY_get_raw_public_key(key, out->bytes.data(), &size) == 1) {
        out->algorithm = policy::KeyAlgorithm::Ed25519;
        out->bytes.resize(size);
        return out;
    }
    ByteArray<32> group{};
    std::size_t name = 0;
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, reinterpret_cast<char*>(group.data()),
                                       group.size(), &name) == 1 &&
        as_text(ByteView(group).first(name)) == SN_X9_62_prime256v1 &&
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out->bytes.data(), out->bytes.size(),
                                        &size) == 1 &&
        size == kPoint && out->bytes[0] == 4) {
        out->algorithm = policy::KeyAlgorithm::EcdsaP256;
        return out;
    }
    crypto::forget_openssl_errors();
    return nullptr;
}

bool TlsSession::write(ByteView plaintext) {
    while (!plaintext.empty()) {
        std::size_t n = 0;
        ERR_clear_error();
        if (failed_ || SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &n) != 1) {
            ERR_clear_error();
            failed_ = true;
            return false;
        }
        plaintext = plaintext.subspan(n);
    }
    return true;
}

void TlsSession::shutdown() {
    if (failed_ || !open())
        return;
    ERR_clear_error();
    (void)SSL_shutdown(ssl_);
    ERR_clear_error();
}

std::size_t TlsSession::unsent() const noexcept {
    return BIO_ctrl_pending(out_);
}

void TlsSession::take(Bytes& into, std::size_t most) noexcept {
    const std::size_t n = std::min(most, unsent());
    const std::size_t at = into.size();
    into.resize(at + n);
    crypto::require_openssl(n == 0 ||
                            BIO_read(out_, into.data() + at, static_cast<int>(n)) == static_cast<int>(n));
}

} // namespace redoubt::enclave
