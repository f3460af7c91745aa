// SPDX-License-Identifier: Apache-2.0
// Certificates and documents of any shape, made by OpenSSL's own X.509 code: what an attacker could bring.
#pragma once

#include "crypto/openssl.h"
#include "nitro/attestation.h"
#include "nitro/cbor.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <gtest/gtest.h>

namespace redoubt::nitro::tests {

using crypto::Pkey;

// 2026-01-02T03:04:05Z
inline constexpr UnixMs kNow = 1'767'323'045'000;
inline constexpr UnixMs kMinute = 60'000, kHour = 60 * kMinute;

inline Pkey make_key(const char* curve = "P-384") {
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)); // EVP_EC_gen casts a const away
}

struct Extension {
    int nid;
    std::string value; // OpenSSL's configuration syntax
};

struct Shape {
    std::string subject;
    std::string basic_constraints = "critical,CA:TRUE"; // empty: left out
    std::string key_usage = "critical,keyCertSign";     // empty: left out
    std::vector<Extension> more{};
    const EVP_MD* digest = EVP_sha384();
    UnixMs not_before = kNow - kHour, not_after = kNow + kHour;
    long version = 2; // v3
};

inline Shape leaf_shape(std::string subject = "leaf") {
    Shape out{std::move(subject)};
    out.basic_constraints = "critical,CA:FALSE";
    out.key_usage = "digitalSignature";
    return out;
}

inline void set_name(X509_NAME* name, const std::string& common_name) {
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
}

inline Bytes make_certificate(const Shape& shape, const Pkey& key, const std::string& issuer,
                              const Pkey& issuer_key) {
    X509* certificate = X509_new();
    X509_set_version(certificate, shape.version);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 77);
    ASN1_TIME_set(X509_getm_notBefore(certificate), shape.not_before / 1000);
    ASN1_TIME_set(X509_getm_notAfter(certificate), shape.not_after / 1000);
    set_name(X509_get_subject_name(certificate), shape.subject);
    set_name(X509_get_issuer_name(certificate), issuer);
    X509_set_pubkey(certificate, key.get());
    std::vector<Extension> extensions;
    if (!shape.basic_constraints.empty())
        extensions.push_back({NID_basic_constraints, shape.basic_constraints});
    if (!shape.key_usage.empty())
        extensions.push_back({NID_key_usage, shape.key_usage});
    extensions.insert(extensions.end(), shape.more.begin(), shape.more.end());
    for (const Extension& extension : extensions) {
        X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, extension.nid, extension.value.c_str());
        EXPECT_NE(made, nullptr) << extension.value;
        X509_add_ext(certificate, made, -1);
        X509_EXTENSION_free(made);
    }
    EXPECT_GT(X509_sign(certificate, issuer_key.get(), shape.digest), 0);
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    X509_free(certificate);
    crypto::forget_openssl_errors();
    return out;
}

inline Bytes sign_raw(const Pkey& key, ByteView message, const EVP_MD* digest = EVP_sha384()) {
    const crypto::DigestContext context(EVP_MD_CTX_new());
    Bytes der(160);
    std::size_t size = der.size();
    EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key.get());
    EXPECT_EQ(EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()), 1);
    const unsigned char* at = der.data();
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    const int width = (EVP_PKEY_get_bits(key.get()) + 7) / 8;
    Bytes out(2 * static_cast<std::size_t>(width));
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out.data(), width);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out.data() + width, width);
    ECDSA_SIG_free(signature);
    return out;
}

// Payload members in hardware's order; each test changes what it is about.
struct Fields {
    std::vector<std::pair<std::string, Bytes>> members; // name, encoded value

    Bytes& operator[](const std::string& name) {
        for (auto& member : members) {
            if (member.first == name)
                return member.second;
        }
        return members.emplace_back(name, Bytes{}).second;
    }
    void erase(const std::string& name) {
        std::erase_if(members, [&](const auto& member) { return member.first == name; });
    }
    Bytes encode(bool indefinite = false) const {
        Bytes out;
        cbor::Writer writer(out);
        if (indefinite)
            writer.map_indefinite();
        else
            writer.map(members.size());
        for (const auto& [name, value] : members)
            writer.text(name).raw(value);
        if (indefinite)
            writer.end();
        return out;
    }
};

template<class F>
Bytes encoded(F&& write) {
    Bytes out;
    cbor::Writer writer(out);
    write(writer);
    return out;
}

inline Bytes encode_bytes(ByteView value) {
    return encoded([&](cbor::Writer& w) { w.bytes(value); });
}
inline Bytes encode_text(std::string_view value) {
    return encoded([&](cbor::Writer& w) { w.text(value); });
}
inline Bytes encode_u64(std::uint64_t value) {
    return encoded([&](cbor::Writer& w) { w.u64(value); });
}
inline Bytes encode_null() {
    return encoded([&](cbor::Writer& w) { w.null(); });
}
inline Bytes encode_bundle(const std::vector<Bytes>& bundle) {
    return encoded([&](cbor::Writer& w) {
        w.array(bundle.size());
        for (const Bytes& certificate : bundle)
            w.bytes(certificate);
    });
}

inline Fields make_fields(const std::vector<Bytes>& bundle, const Bytes& leaf) {
    Fields out;
    out["module_id"] = encode_text("i-00000000000000001-enc0000000000000002");
    out["digest"] = encode_text("SHA384");
    out["timestamp"] = encode_u64(kNow);
    out["pcrs"] = encoded([](cbor::Writer& w) {
        w.map(16);
        for (std::uint16_t index = 0; index < 16; ++index)
            w.u64(index).bytes(Bytes(48, static_cast<std::uint8_t>(index + 1)));
    });
    out["certificate"] = encode_bytes(leaf);
    out["cabundle"] = encode_bundle(bundle);
    out["public_key"] = encode_null();
    out["user_data"] = encode_null();
    out["nonce"] = encode_null();
    return out;
}

inline Bytes es384_header() {
    return {0xa1, 0x01, 0x38, 0x22};
}

inline Bytes to_be_signed(ByteView payload, ByteView header = es384_header()) {
    return encoded(
        [&](cbor::Writer& w) { w.array(4).text("Signature1").bytes(header).bytes({}).bytes(payload); });
}

inline Bytes cose(ByteView payload, ByteView signature, ByteView header = es384_header()) {
    return encoded([&](cbor::Writer& w) { w.array(4).bytes(header).map(0).bytes(payload).bytes(signature); });
}

inline Bytes sign_document(ByteView payload, const Pkey& key) {
    return cose(payload, sign_raw(key, to_be_signed(payload)));
}

// A chain of any length, root first; each level's shape and key can be changed before it is made.
struct Chain {
    std::vector<Shape> shapes;
    std::vector<Pkey> keys;

    // Root, `authorities` below it, and a leaf.
    explicit Chain(std::size_t authorities = 3) {
        for (std::size_t i = 0; i <= authorities; ++i)
            add(Shape{"authority " + std::to_string(i)});
        add(leaf_shape());
    }
    void add(Shape shape) {
        shapes.push_back(std::move(shape));
        keys.push_back(make_key());
    }
    std::vector<Bytes> certificates() const {
        std::vector<Bytes> out;
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            const std::size_t issuer = i == 0 ? 0 : i - 1;
            out.push_back(make_certificate(shapes[i], keys[i], shapes[issuer].subject, keys[issuer]));
        }
        return out;
    }
};

struct Forged {
    Bytes root, document;
};

inline Forged forge(const std::vector<Bytes>& certificates, const Pkey& leaf_key) {
    const std::vector<Bytes> bundle(certificates.begin(), certificates.end() - 1);
    return {bundle.front(), sign_document(make_fields(bundle, certificates.back()).encode(), leaf_key)};
}
inline Forged forge(const Chain& chain) {
    return forge(chain.certificates(), chain.keys.back());
}

inline std::string verdict(const Forged& forged, UnixMs at = kNow) {
    const auto result = verify_attestation(forged.document, forged.root, at);
    EXPECT_EQ(ERR_peek_error(), 0u) << "OpenSSL's error queue is not empty";
    return result ? "verified" : std::string(code_name(result.error().code));
}

} // namespace redoubt::nitro::tests
