// SPDX-License-Identifier: Apache-2.0
#include "enclave/tls_identity.h"

#include "crypto/hash.h"
#include "enclave/tls_certificate.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>

namespace redoubt::enclave {

namespace {

using crypto::Releaser;
using Group = std::unique_ptr<EC_GROUP, Releaser<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Releaser<EC_POINT_free>>;
using Number = std::unique_ptr<BIGNUM, Releaser<BN_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Releaser<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Releaser<OSSL_PARAM_free>>;

constexpr std::size_t kScalar = 32;
constexpr std::size_t kPoint = 65; // uncompressed

// The key of a scalar; nullptr: it is out of range.
crypto::Pkey key_of(const Secret& scalar) {
    const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    const auto view = scalar.view(SecretAccess("the enclave's TLS key, handed to OpenSSL, which uses it"));
    const Number number(BN_bin2bn(view.data(), static_cast<int>(view.size()), nullptr));
    crypto::require_openssl(group != nullptr && number != nullptr);
    BN_set_flags(number.get(), BN_FLG_CONSTTIME);
    if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0)
        return nullptr;
    const Point point(EC_POINT_new(group.get()));
    ByteArray<kPoint> encoded{};
    crypto::require_openssl(point != nullptr &&
                            EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) ==
                                1 &&
                            EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                                               encoded.data(), encoded.size(), nullptr) == encoded.size());
    const Builder builder(OSSL_PARAM_BLD_new());
    crypto::require_openssl(
        builder != nullptr &&
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(),
                                         encoded.size()) == 1 &&
        OSSL_PARAM_BLD_push_BN_pad(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get(), kScalar) == 1);
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const crypto::PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    crypto::require_openssl(parameters != nullptr && context != nullptr &&
                            EVP_PKEY_fromdata_init(context.get()) == 1 &&
                            EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) == 1);
    return crypto::Pkey(key);
}

constexpr std::string_view kAlpn{"\x08http/1.1", 9};

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
    unsigned char* chosen = nullptr;
    const auto ours = as_bytes(kAlpn);
    if (SSL_select_next_proto(&chosen, out_size, ours.data(), static_cast<unsigned>(ours.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301, section 3.2
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// A client's certificate says one thing: the key that it proves to hold. Whether that is anybody's a policy
// says.
int take_any_certificate(X509_STORE_CTX*, void*) {
    return 1;
}

Result<std::shared_ptr<SSL_CTX>> make_context(EVP_PKEY* key, const std::vector<Certificate>& chain) {
    const auto failed = [] {
        crypto::forget_openssl_errors();
        return fail(Code::TlsFailed, "a TLS context cannot be made with the certificate");
    };
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr); // no file decides what is set here
    const std::shared_ptr<SSL_CTX> out(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    char groups[] = "X25519:P-256:P-384"; // read only, but taken as char*
    if (!out || chain.empty())
        return failed();
    SSL_CTX* const context = out.get();
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    // What is released while a connection idles is what a thousand idle ones would hold.
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr); // asked for, and not needed
    SSL_CTX_set_cert_verify_callback(context, take_any_certificate, nullptr);
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1 || SSL_CTX_set1_groups_list(context, groups) != 1 ||
        SSL_CTX_use_certificate(context, chain.front().get()) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        return failed();
    for (std::size_t i = 1; i < chain.size(); ++i)
        if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1)
            return failed();
    return out;
}

} // namespace

TlsIdentity::TlsIdentity(evp_pkey_st* key)
    : key_(key), public_der_(public_key_der(key)), digest_(crypto::sha256(public_der_)) {}

TlsIdentity::~TlsIdentity() {
    EVP_PKEY_free(key_); // overwrites the private number
}

Result<std::unique_ptr<TlsIdentity>> TlsIdentity::create(crypto::Random& random, UnixMs now) {
    crypto::Pkey key;
    while (!key)
        key = key_of(random.secret(kScalar));
    std::unique_ptr<TlsIdentity> out(new TlsIdentity(key.release()));
    REDOUBT_CHECK(out->self_sign({}, now));
    return out;
}

Status TlsIdentity::self_sign(const std::vector<std::string>& hosts, UnixMs now) {
    REDOUBT_TRY(auto certificate, self_signed_certificate(key_, hosts, now));
    std::vector<Certificate> chain;
    chain.push_back(std::move(certificate));
    REDOUBT_TRY(auto context, make_context(key_, chain));
    take(std::move(context));
    return {};
}

Result<std::string> TlsIdentity::certificate_request(const std::vector<std::string>& hosts) const {
    return certificate_request_pem(key_, hosts);
}

Result<UnixMs> TlsIdentity::install(std::string_view chain_pem, const std::vector<std::string>& hosts,
                                    UnixMs now) {
    REDOUBT_TRY(const auto chain, read_chain(chain_pem, kMaxChain));
    EVP_PKEY* const certified = X509_get0_pubkey(chain.front().get());
    if (certified == nullptr || public_key_der(certified) != public_der_) {
        crypto::forget_openssl_errors();
        return fail(Code::Conflict,
                    "the certificate is not for this enclave's key: every enclave has its own, drawn when it "
                    "starts; ask this one for a new request");
    }
    REDOUBT_CHECK(check_chain(chain, hosts, now));
    auto context = make_context(key_, chain);
    if (!context)
        return fail(Code::InvalidField,
                    "the chain cannot be used: every key in it needs 112 bits of security");
    take(std::move(*context));
    return end_of(chain.front());
}

std::shared_ptr<ssl_ctx_st> TlsIdentity::context() const {
    const std::lock_guard lock(mutex_);
    return context_;
}

void TlsIdentity::take(std::shared_ptr<ssl_ctx_st> context) {
    const std::lock_guard lock(mutex_);
    context_ = std::move(context);
}

std::string host_of_authority(std::string_view authority) {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return std::string(authority.substr(1, end == std::string_view::npos ? end : end - 1));
    }
    return std::string(authority.substr(0, authority.rfind(':')));
}

} // namespace redoubt::enclave
