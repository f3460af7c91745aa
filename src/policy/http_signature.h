// SPDX-License-Identifier: Apache-2.0
// HTTP Message Signatures (RFC 9421) as requests to Redoubt carry them: one label; the algorithm that of the
// registered key; exactly these components, without parameters, in any order: "@method", "@authority",
// "@path", "@query", and of a request with a body "content-type" and "content-digest"; the parameters
// created, expires, nonce, keyid and tag="redoubt" (and alg, if it is the key's), in any order. Structured
// fields (RFC 8941) are read as policy/structured_fields.h says. Pure functions, thread-safe.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/spare.h"
#include "policy/principal.h"

#include <functional>
#include <vector>

namespace redoubt::policy {

inline constexpr std::size_t kMaxSignatureHeader = 4096;  // bytes of signature-input, and of signature
inline constexpr std::int64_t kMaxSignatureSeconds = 300; // from created to expires
inline constexpr std::int64_t kMaxClockSkewSeconds = 30;  // that a client's clock may be ahead
inline constexpr std::size_t kMaxSignatureNonce = 128, kMaxKeyId = 128; // characters
inline constexpr std::size_t kMaxSignatureComponents = 32;

struct SignatureComponent {
    std::string_view name; // "@method", "content-type", …; without the quotes
    std::string_view item; // as it stands in the list, with quotes and parameters
    bool has_parameters = false;
};

// The one member of signature-input, read but not yet judged. Views point into the headers.
struct SignatureInput {
    std::string_view label;
    std::vector<SignatureComponent, SpareAllocator<SignatureComponent, 8>> components;
    std::string_view parameters; // all after "label=": what "@signature-params" is in the base
    std::optional<std::int64_t> created, expires; // seconds since 1970
    std::optional<std::string_view> nonce, keyid, tag, alg;
    ByteArray<64> signature_bytes{};
    std::size_t signature_size = 0; // 32 (a MAC) or 64
    ByteView signature() const noexcept { return ByteView(signature_bytes).first(signature_size); }
};

// Error: SignatureInvalid (not these structured fields, more than one label, another label in signature, an
// unknown or repeated parameter, a component twice, a signature of another size).
Result<SignatureInput> parse_signature(std::string_view signature_input, std::string_view signature);

// The signature base (RFC 9421, 2.5). `value_of` gives a component's value, or nothing where the message has
// no such component. Error: SignatureInvalid (no such component, or a value that is not printable ASCII).
Result<std::string>
signature_base(const SignatureInput& input,
               const std::function<std::optional<std::string>(const SignatureComponent&)>& value_of);

// Is it a signature over `base` by this key? alg, where given, must be the key's algorithm.
bool verify_signature(const SignatureInput& input, const PublicKey& key, std::string_view base);
bool verify_hmac(const SignatureInput& input, const Secret& key, std::string_view base); // hmac-sha256

// A request as the enclave has it, and its signature headers. Nothing of it is trusted.
struct SignedMessage {
    std::string_view method, authority, path, query; // query without '?'
    bool has_query = false;
    std::string_view content_type, content_digest; // header values; empty: absent
    std::string_view signature_input, signature;
    ByteView body;
};

struct RequestSignature {
    using Base = std::basic_string<char, std::char_traits<char>, SpareAllocator<char, 1'024>>;

    SignatureInput input;
    Base base;
    std::string_view keyid, nonce; // point into the message's headers, as all of `input` does
    UnixMs expires = 0;
    explicit operator bool() const noexcept { return !base.empty(); }
};

// Everything of a request's signature that needs no key: form, components, tag, times against the trusted
// time, content-digest (sha-256, exactly one) against the body. Neither header present: an empty
// RequestSignature. Errors: SignatureInvalid; SignatureExpired (ended, or made in the future).
Result<RequestSignature> check_request_signature(const SignedMessage& message, UnixMs now);

} // namespace redoubt::policy
