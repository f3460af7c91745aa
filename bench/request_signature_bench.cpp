// SPDX-License-Identifier: Apache-2.0
// What it costs the enclave to know who asks: the signature of a request with 400 bytes of JSON read, its
// body hashed and the signature verified, for each kind of key. One thread.
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/owner_signature.h"
#include "policy/http_signature.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace redoubt {
namespace {

constexpr std::size_t kBodySize = 400;
constexpr UnixMs kNow = 1'800'000'001'000;
// The published keys of RFC 9421, appendix B.1.
constexpr std::string_view kEd25519 = "-----BEGIN PRIVATE KEY-----\n"
                                      "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
                                      "-----END PRIVATE KEY-----\n";
constexpr std::string_view kP256 = "-----BEGIN PRIVATE KEY-----\n"
                                   "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUpuF81l+kOxbjf7T\n"
                                   "4mNSv0r5tN67Gim7rnf6EFpcYDuhRANCAASohVhlUsKs9kcYeM/XsJNbT/4P0t/D\n"
                                   "QSSOoXvEHgWK8DHOJzfS0wzgYX6FHoPGHvVnnRUYZ2V2SQNdkKdM2ehd\n"
                                   "-----END PRIVATE KEY-----\n";

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "request_signature_bench: %s\n", what);
    std::exit(1);
}

// Microseconds each, in the fastest of the windows of 2 ms that `ms` has: what else the machine does then
// counts little.
double cost(int ms, const std::function<void()>& work) {
    double best = 1e9;
    const std::int64_t end = monotonic_ms() + ms;
    do {
        const std::int64_t begin = monotonic_us();
        int done = 0;
        std::int64_t now = begin;
        for (; now - begin < 2000; now = monotonic_us(), done += 10)
            for (int i = 0; i < 10; ++i)
                work();
        best = std::min(best, static_cast<double>(now - begin) / done);
    } while (monotonic_ms() < end);
    return best;
}

int run(int ms) {
    std::string body = R"({"transaction":{"data":"0x)";
    body.append(kBodySize - body.size() - 3, '5').append("\"}}");
    must(body.size() == kBodySize, "the bench's own body");
    const std::string digest = "sha-256=:" + to_base64(crypto::sha256(as_bytes(body))) + ":";
    policy::SignedMessage message{.method = "POST",
                                  .authority = "redoubt.example:8443",
                                  .path = "/v1/keys/key-00112233445566778899aabbccddeeff/sign-transaction",
                                  .query = {},
                                  .content_type = "application/json",
                                  .content_digest = digest,
                                  .signature_input = {},
                                  .signature = {},
                                  .body = as_bytes(body)};
    const std::string input =
        R"(sig1=("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=1800000000;)"
        R"(expires=1800000060;nonce="7d9c3a0e5b1f42868f0e6c1d2a3b4c5d";)"
        R"(keyid="session-0011223344556677000102030405060708090a0b0c0d0e0f";tag="redoubt")";
    message.signature_input = input;
    const auto check = [&] {
        auto checked = policy::check_request_signature(message, kNow);
        must(checked && *checked, "the bench's own request");
        return std::move(*checked);
    };
    const auto row = [&](const char* name, const std::function<void()>& work) {
        const double us = cost(ms, work);
        std::printf("%-42s %10.2f %12.0f\n", name, us, 1e6 / us);
    };
    std::printf("%-42s %10s %12s\n", "request with 400 bytes of JSON", "us each", "per second");

    Bytes key_bytes(32, 0x42);
    const Secret session = Secret::take(key_bytes);
    std::string signature = "sig1=:" + to_base64(Hash32{}) + ":";
    message.signature = signature;
    const auto base = check().base;
    const auto mac =
        crypto::hmac_sha256(session.view(SecretAccess("sign as the bench's client")), as_bytes(base));
    signature = "sig1=:" + to_base64(mac) + ":";
    message.signature = signature;
    row("read and checked, not verified", [&] { check(); });
    row("with a session's key (hmac-sha256)", [&] {
        const auto checked = check();
        must(policy::verify_hmac(checked.input, session, checked.base), "a signature is wrong");
    });
    for (const auto& [name, pem] :
         {std::pair("with an Ed25519 key", kEd25519), {"with a P-256 key", kP256}}) {
        const auto made = crypto::sign_with_pem(Secret::copy_of(as_bytes(pem)), as_bytes(base));
        must(made.has_value(), "the bench's own key");
        signature = "sig1=:" + to_base64(made->signature) + ":";
        message.signature = signature;
        const policy::PublicKey key{made->ed25519 ? policy::KeyAlgorithm::Ed25519
                                                  : policy::KeyAlgorithm::EcdsaP256,
                                    made->public_key};
        row(name, [&] {
            const auto checked = check();
            must(policy::verify_signature(checked.input, key, checked.base), "a signature is wrong");
        });
    }
    return 0;
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    const int ms = argc > 1 ? std::atoi(argv[1]) : 1000;
    if (ms <= 0) {
        std::fputs(
            "request_signature_bench [MILLISECONDS]: what it costs to verify a request's signature, for "
            "each kind of key; a window each\n",
            stderr);
        return 2;
    }
    return redoubt::run(ms);
}
