// SPDX-License-Identifier: Apache-2.0
#include "client/request_signer.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <charconv>
#include <cstring>

namespace redoubt::bench {

namespace {

constexpr std::string_view kComponents =
    R"(sig=("@method" "@authority" "@path" "@query" "content-type" "content-digest"))";
constexpr std::size_t kLabel = 4; // "sig=", which the signature base lacks

template<std::size_t N>
std::uint8_t set_text(char (&to)[N], std::string_view before, ByteView bytes) {
    const std::string text = std::string(before) + to_base64(bytes) + ":";
    if (text.size() > N)
        die("a signature is longer than any that is expected");
    std::memcpy(to, text.data(), text.size());
    return static_cast<std::uint8_t>(text.size());
}

} // namespace

RequestSigner::RequestSigner(std::string key_id, const Secret& pem) : key_(pem) {
    key_ids_.push_back(std::move(key_id));
}

RequestSigner::RequestSigner(std::vector<Session> sessions) {
    for (auto& session : sessions) {
        key_ids_.push_back(std::move(session.id));
        session_keys_.push_back(std::move(session.key));
    }
}

void RequestSigner::begin() {
    const std::int64_t now = system_time_ms() / 1000;
    // Another run's nonces are others.
    const std::string own = to_hex(crypto::SystemRandom().array<8>());
    before_nonce_ = std::string(kComponents) + ";created=" + std::to_string(now) +
                    ";expires=" + std::to_string(now + kSignatureSeconds) + ";nonce=\"" + own + "-";
    after_nonce_.clear();
    for (const auto& id : key_ids_)
        after_nonce_.push_back("\";keyid=\"" + id + "\";tag=\"redoubt\"");
}

void RequestSigner::append_parameters(std::string& out, std::uint32_t signer, std::uint64_t nonce) const {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, nonce).ptr;
    out.append(before_nonce_).append(digits, end).append(after_nonce_[signer]);
}

void RequestSigner::append_input(std::string& out, const Signed& made) const {
    append_parameters(out, made.signer, made.nonce);
}

Signed RequestSigner::sign(std::string_view authority, std::string_view path, std::string_view body,
                           std::uint64_t nonce) const {
    Signed out;
    out.nonce = nonce;
    out.signer = static_cast<std::uint32_t>(nonce % key_ids_.size());
    out.digest_size = set_text(out.digest, "sha-256=:", crypto::sha256(as_bytes(body)));
    std::string base = "\"@method\": POST\n\"@authority\": ";
    base.append(authority).append("\n\"@path\": ").append(path);
    base.append("\n\"@query\": ?\n\"content-type\": application/json\n\"content-digest\": ");
    base.append(out.content_digest()).append("\n\"@signature-params\": ");
    std::string parameters;
    append_parameters(parameters, out.signer, nonce);
    base.append(parameters, kLabel);
    if (!session_keys_.empty()) {
        const auto mac = crypto::hmac_sha256(
            session_keys_[out.signer].view(SecretAccess("sign a bench's request")), as_bytes(base));
        out.signature_size = set_text(out.signature_text, "sig=:", mac);
        return out;
    }
    out.signature_size = set_text(out.signature_text, "sig=:", key_.sign(as_bytes(base)));
    return out;
}

} // namespace redoubt::bench
