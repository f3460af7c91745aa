// SPDX-License-Identifier: Apache-2.0
// The certificate of TLS connections that end in the enclave: asked for, issued by an authority, installed.
#include "tls_client.h"

#include "enclave/tls_identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::Kind;

template<class T, void release(T*)>
struct Freed {
    void operator()(T* object) const { release(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Req = std::unique_ptr<X509_REQ, Freed<X509_REQ, X509_REQ_free>>;

Key make_key() {
    return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

std::string pem_of(X509* certificate) {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    const std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
}

Req request_of(const std::string& pem) {
    BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    Req out(PEM_read_bio_X509_REQ(bio, nullptr, nullptr, nullptr));
    BIO_free(bio);
    return out;
}

// An authority of the test's own, which asks nobody for anything.
struct Authority {
    Key key = make_key();
    Cert certificate = issue(key.get(), "an authority", "", 0, 86'400, true);

    Cert issue(EVP_PKEY* subject, const char* name, const std::string& dns, long from, long until,
               bool self = false) const {
        Cert out(X509_new());
        X509_set_version(out.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 7);
        X509_gmtime_adj(X509_getm_notBefore(out.get()), from - 60);
        X509_gmtime_adj(X509_getm_notAfter(out.get()), until);
        X509_set_pubkey(out.get(), subject);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
        X509_set_issuer_name(out.get(), X509_get_subject_name(self ? out.get() : certificate.get()));
        if (!dns.empty()) {
            X509_EXTENSION* const names =
                X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + dns).c_str());
            X509_add_ext(out.get(), names, -1);
            X509_EXTENSION_free(names);
        }
        X509_sign(out.get(), key.get(), EVP_sha256());
        return out;
    }
};

std::string install(const std::string& chain) {
    return nlohmann::json{{"chain", chain}}.dump();
}

const std::string kNamed = R"(,"min_epoch":1,"authorities":["localhost","signer.example:8444"])";

TEST(TlsCertificate, names_the_authorities_of_the_manifest_from_the_moment_that_it_is_taken) {
    Service service(kNamed);
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    for (const char* name : {"localhost", "signer.example"})
        EXPECT_EQ(X509_check_host(client.certificate(), name, 0, 0, nullptr), 1) << name;
    EXPECT_EQ(X509_check_host(client.certificate(), "other.example", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_verify(client.certificate(), X509_get0_pubkey(client.certificate())), 1) << "self-signed";
}

TEST(TlsCertificate, is_issued_for_a_request_and_shown_to_who_connects_from_then_on) {
    Service service(kNamed);
    StreamHost host(service);
    TlsClient before, after;
    host.open(1, before);
    before.write(http("GET", "/v1/tls/csr"));
    host.run();
    const auto answer = nlohmann::json::parse(before.said.substr(before.said.find("\r\n\r\n") + 4));
    const Req request = request_of(answer["csr"].get<std::string>());
    ASSERT_TRUE(request);
    ASSERT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1);
    EXPECT_EQ(answer["spki_sha256"], to_hex(crypto::sha256(before.spki())));
    const Authority authority;
    const Cert leaf =
        authority.issue(X509_REQ_get0_pubkey(request.get()), "signer", "signer.example", 0, 3'600);
    before.said.clear();
    before.write(http("POST", "/v1/tls/certificate",
                      install(pem_of(leaf.get()) + "\n" + pem_of(authority.certificate.get()))));
    host.run();
    EXPECT_TRUE(before.said.starts_with("HTTP/1.1 200")) << before.said;
    EXPECT_EQ(service.last_receipt().operation, "install-tls-certificate");
    host.open(2, after);
    ASSERT_TRUE(after.open());
    EXPECT_EQ(X509_cmp(after.certificate(), leaf.get()), 0);
    EXPECT_EQ(after.spki(), before.spki()) << "the attested key stays what it was";
}

TEST(TlsCertificate, of_another_key_another_name_another_time_or_out_of_order_is_refused) {
    Service service(kNamed);
    const auto& identity = service.instance.enclave->tls_identity();
    const Bytes& der = identity.public_der();
    const unsigned char* at = der.data();
    const Key ours(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
    const Key theirs = make_key();
    const Authority authority, other;
    const std::string root_pem = pem_of(authority.certificate.get());
    const auto post = [&](const std::string& chain) {
        return service.post("/v1/tls/certificate", install(chain));
    };
    const auto leaf = [&](EVP_PKEY* key, const std::string& dns, long from = 0, long until = 3'600) {
        return pem_of(authority.issue(key, "leaf", dns, from, until).get());
    };
    const std::string good = leaf(ours.get(), "localhost");
    EXPECT_EQ(code(post(leaf(theirs.get(), "localhost"))), "conflict");
    for (const auto& [chain, why] : std::vector<std::pair<std::string, std::string>>{
             {leaf(ours.get(), "elsewhere.example"), "authorities"},
             {leaf(ours.get(), "localhost", 3'000), "valid now"},
             {leaf(ours.get(), "localhost", -7'200, -3'600), "valid now"},
             {good + pem_of(other.certificate.get()), "in order"},
             {good + "and more", "PEM"},
             {good.substr(0, good.size() / 2), "PEM"},
             {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM"},
             {" \n", "no certificate"},
             {[&] {
                  std::string many = good;
                  for (int i = 0; i < 8; ++i)
                      many += root_pem;
                  return many;
              }(),
              "more than eight"}}) {
        const auto reply = post(chain);
        EXPECT_EQ(code(reply), "invalid_field") << why;
        EXPECT_NE(reply.body.find(why), std::string::npos) << reply.body;
    }
    EXPECT_EQ(post(good).status, 200);
    EXPECT_EQ(post(good + root_pem).status, 200);
    EXPECT_EQ(code(service.post("/v1/tls/certificate", R"({"chain":1})")), "invalid_field");
    EXPECT_EQ(code(service.post("/v1/tls/certificate", R"({"chain":"x","more":1})")), "unknown_field");
}

TEST(TlsCertificate, is_installed_by_principals_of_the_manifest_where_it_names_any) {
    const std::string more = kNamed + R"(,"principals":[)" + alice().entry("") + "]";
    Service service(more);
    const auto& der = service.instance.enclave->tls_identity().public_der();
    const unsigned char* at = der.data();
    const Key ours(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
    const Authority authority;
    const std::string body = install(pem_of(authority.issue(ours.get(), "x", "localhost", 0, 3'600).get()));
    EXPECT_EQ(code(service.post("/v1/tls/certificate", body)), "unauthorized");
    EXPECT_EQ(code(service.post("/v1/tls/certificate", body, by(eve(), service.challenge()))),
              "unknown_principal");
    EXPECT_EQ(code(service.post("/v1/tls/certificate", body, by(alice()))), "challenge_invalid");
    EXPECT_EQ(service.post("/v1/tls/certificate", body, by(alice(), service.challenge())).status, 200);
}

TEST(TlsCertificate, host_is_what_stands_before_the_port) {
    EXPECT_EQ(host_of_authority("a.example"), "a.example");
    EXPECT_EQ(host_of_authority("a.example:8443"), "a.example");
    EXPECT_EQ(host_of_authority("[2001:db8::1]:8443"), "2001:db8::1");
    EXPECT_EQ(host_of_authority("[2001:db8::1]"), "2001:db8::1");
    EXPECT_EQ(host_of_authority("127.0.0.1:1"), "127.0.0.1");
}

} // namespace
} // namespace redoubt::enclave
