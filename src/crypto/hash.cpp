// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3 calls its plain SHA256_… functions deprecated in favour of EVP's, which allocate for each message
// and take twice the time for a small one (HMAC: three times). SHA-256 is on the way of every request.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash.h"

#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <algorithm>
#include <climits>

namespace redoubt::crypto {

namespace {

// Looking an algorithm up in OpenSSL's providers costs more than hashing a small message, so each is looked
// up once and kept for the life of the process.
const EVP_MD* fetch(const char* name) noexcept {
    const EVP_MD* method = EVP_MD_fetch(nullptr, name, nullptr);
    require_openssl(method != nullptr);
    return method;
}

const EVP_MD* sha384_method() noexcept {
    static const EVP_MD* const method = fetch("SHA384");
    return method;
}

const EVP_MD* sha512_method() noexcept {
    static const EVP_MD* const method = fetch("SHA512");
    return method;
}

template<std::size_t N>
ByteArray<N> digest(const EVP_MD* method, std::initializer_list<ByteView> parts) noexcept {
    const DigestContext context(EVP_MD_CTX_new());
    require_openssl(context != nullptr && EVP_DigestInit_ex2(context.get(), method, nullptr) == 1);
    for (const ByteView part : parts)
        require_openssl(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
    ByteArray<N> out;
    unsigned int size = 0;
    require_openssl(EVP_DigestFinal_ex(context.get(), out.data(), &size) == 1 && size == N);
    return out;
}

// EVP_MAC_init takes a null pointer for "keep the key that is set", so an empty key needs an address.
constexpr std::uint8_t kNoKey[1] = {};

void set_key(EVP_MAC_CTX* context, ByteView key, const OSSL_PARAM* params) noexcept {
    require_openssl(EVP_MAC_init(context, key.empty() ? kNoKey : key.data(), key.size(), params) == 1);
}

// SHA-256 of what is added. What it holds may be secret, and is wiped.
class Sha256 {
  public:
    Sha256() noexcept { require_openssl(SHA256_Init(&context_) == 1); }
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    ~Sha256() { OPENSSL_cleanse(&context_, sizeof context_); }

    void add(ByteView part) noexcept {
        require_openssl(SHA256_Update(&context_, part.data(), part.size()) == 1);
    }
    void finish(std::span<std::uint8_t, 32> out) noexcept {
        require_openssl(SHA256_Final(out.data(), &context_) == 1);
    }

  private:
    SHA256_CTX context_;
};

// RFC 2104. `out` may be one of the parts.
void hmac_256(ByteView key, std::initializer_list<ByteView> parts, Hash32& out) noexcept {
    ByteArray<64> pad{};
    if (key.size() > pad.size()) {
        Sha256 hash;
        hash.add(key);
        hash.finish(std::span(pad).first<32>());
    } else {
        std::ranges::copy(key, pad.begin());
    }
    for (auto& byte : pad)
        byte ^= 0x36;
    {
        Sha256 inner;
        inner.add(pad);
        for (const ByteView part : parts)
            inner.add(part);
        inner.finish(out);
    }
    for (auto& byte : pad)
        byte ^= 0x36 ^ 0x5c;
    Sha256 outer;
    outer.add(pad);
    outer.add(out);
    outer.finish(out);
    wipe(pad);
}

// An HMAC context with its digest chosen; callers copy it and set their key in the copy.
const EVP_MAC_CTX* hmac_model(std::string digest_name) noexcept {
    EVP_MAC* method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    require_openssl(method != nullptr);
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(method);
    EVP_MAC_free(method);
    require_openssl(context != nullptr);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name.data(), 0),
        OSSL_PARAM_construct_end()};
    set_key(context, {}, params);
    return context;
}

const EVP_MAC_CTX* hmac_sha512_model() noexcept {
    static const EVP_MAC_CTX* const model = hmac_model("SHA512");
    return model;
}

void hmac(const EVP_MAC_CTX* model, ByteView key, std::initializer_list<ByteView> parts,
          std::span<std::uint8_t> out) noexcept {
    const MacContext context(EVP_MAC_CTX_dup(model));
    require_openssl(context != nullptr);
    set_key(context.get(), key, nullptr);
    for (const ByteView part : parts)
        if (!part.empty())
            require_openssl(EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
    std::size_t size = 0;
    require_openssl(EVP_MAC_final(context.get(), out.data(), &size, out.size()) == 1 && size == out.size());
}

} // namespace

Hash32 sha256(ByteView data) noexcept {
    return sha256(std::initializer_list<ByteView>{data});
}

Hash32 sha256(std::initializer_list<ByteView> parts) noexcept {
    Sha256 hash;
    for (const ByteView part : parts)
        hash.add(part);
    Hash32 out;
    hash.finish(out);
    return out;
}

Hash48 sha384(ByteView data) noexcept {
    return digest<48>(sha384_method(), {data});
}

Hash48 sha384(std::initializer_list<ByteView> parts) noexcept {
    return digest<48>(sha384_method(), parts);
}

Hash32 hmac_sha256(ByteView key, ByteView data) noexcept {
    Hash32 out;
    hmac_256(key, {data}, out);
    return out;
}

Secret hmac_sha512(ByteView key, std::initializer_list<ByteView> parts) {
    Secret out(64);
    hmac(hmac_sha512_model(), key, parts, out.mutable_view(SecretAccess("write an HMAC")));
    return out;
}

Secret hkdf_sha256(ByteView input_key, ByteView salt, ByteView info, std::size_t size) {
    require_openssl(size <= 255 * 32);
    // An absent salt is 32 zero bytes (RFC 5869, 2.2), which HMAC's own padding makes of an empty key.
    Hash32 extracted;
    hmac_256(salt, {input_key}, extracted);

    Secret out(size);
    const auto okm = out.mutable_view(SecretAccess("derive a key with HKDF"));
    Hash32 block{};
    ByteView previous; // T(0) is empty
    std::uint8_t counter = 1;
    for (std::size_t at = 0; at < size; at += block.size(), ++counter) {
        hmac_256(extracted, {previous, info, {&counter, 1}}, block);
        previous = block;
        std::copy_n(block.begin(), std::min(block.size(), size - at),
                    okm.begin() + static_cast<std::ptrdiff_t>(at));
    }
    wipe(extracted);
    wipe(block);
    return out;
}

Secret pbkdf2_sha512(ByteView password, ByteView salt, std::uint32_t rounds, std::size_t size) {
    constexpr std::size_t kMost = INT_MAX; // OpenSSL counts in int
    require_openssl(rounds >= 1 && rounds <= kMost && size >= 1 && size <= kMost &&
                    password.size() <= kMost && salt.size() <= kMost);
    // OpenSSL takes a null password for the empty one, and a null salt for nothing at all.
    Secret out(size);
    const auto bytes = out.mutable_view(SecretAccess("derive a key with PBKDF2"));
    require_openssl(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                                      static_cast<int>(password.size()), salt.empty() ? kNoKey : salt.data(),
                                      static_cast<int>(salt.size()), static_cast<int>(rounds),
                                      sha512_method(), static_cast<int>(size), bytes.data()) == 1);
    return out;
}

} // namespace redoubt::crypto
