// SPDX-License-Identifier: Apache-2.0
// How failure is told: std::expected with a typed code. A code is stable (clients may switch on its name),
// has one HTTP status, and comes with a sentence that says what to change.
//
// Errors that leave the enclave are a code and a *fixed* sentence: FixedText can only be made from a string
// literal, so no value of a request, key or reply can slip into one. `context` is for the host side alone
// (file names, addresses, what AWS answered); the enclave's reply encoder never sends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace redoubt {

// NAME, wire name, HTTP status
#define REDOUBT_CODES(X)                                                                                     \
    /* The request, as bytes */                                                                              \
    X(BadRequest, "bad_request", 400)                                                                        \
    X(BadJson, "bad_json", 400)                                                                              \
    X(MissingField, "missing_field", 400)                                                                    \
    X(UnknownField, "unknown_field", 400)                                                                    \
    X(InvalidField, "invalid_field", 400)                                                                    \
    X(AmbiguousField, "ambiguous_field", 400)                                                                \
    X(BadTransaction, "bad_transaction", 400)                                                                \
    X(UnsupportedType, "unsupported_transaction_type", 400)                                                  \
    X(PrecisionLost, "precision_lost", 400)                                                                  \
    X(Unauthorized, "unauthorized", 401)                                                                     \
    X(Forbidden, "forbidden", 403)                                                                           \
    X(SignatureInvalid, "signature_invalid", 401)                                                            \
    X(SignatureExpired, "signature_expired", 401)                                                            \
    X(UnknownPrincipal, "unknown_principal", 401)                                                            \
    X(SessionUnknown, "session_unknown", 401)                                                                \
    X(ChallengeInvalid, "challenge_invalid", 401)                                                            \
    X(NonceReused, "nonce_reused", 409)                                                                      \
    X(PolicyDenied, "policy_denied", 403)                                                                    \
    X(PolicyVersion, "policy_version", 409)                                                                  \
    X(LimitReached, "limit_reached", 429)                                                                    \
    X(LimitsElsewhere, "limits_elsewhere", 503)                                                              \
    X(ReceiptInvalid, "receipt_invalid", 400)                                                                \
    X(ImageInvalid, "image_invalid", 400)                                                                    \
    X(RunnerFailed, "runner_failed", 503)                                                                    \
    X(WrongAuthority, "wrong_authority", 421)                                                                \
    X(NotFound, "not_found", 404)                                                                            \
    X(UnknownKey, "unknown_key", 404)                                                                        \
    X(MethodNotAllowed, "method_not_allowed", 405)                                                           \
    X(Timeout, "request_timeout", 408)                                                                       \
    X(Conflict, "conflict", 409)                                                                             \
    X(TooLarge, "too_large", 413)                                                                            \
    X(UriTooLong, "uri_too_long", 414)                                                                       \
    X(UnsupportedMedia, "unsupported_media_type", 415)                                                       \
    X(TooManyRequests, "too_many_requests", 429)                                                             \
    X(HeadersTooLarge, "headers_too_large", 431)                                                             \
    X(NotImplemented, "not_implemented", 501)                                                                \
    X(HttpVersion, "http_version_not_supported", 505)                                                        \
    /* Trust: records, manifest, attestation */                                                              \
    X(ManifestMissing, "manifest_missing", 503)                                                              \
    X(ManifestRefused, "manifest_refused", 409)                                                              \
    X(ManifestInvalid, "manifest_invalid", 400)                                                              \
    X(PolicyRequired, "policy_required", 403)                                                                \
    X(KeyDisabled, "key_disabled", 403)                                                                      \
    X(KeyPendingDeletion, "key_pending_deletion", 403)                                                       \
    X(PolicyExpired, "policy_expired", 403)                                                                  \
    X(ExportRefused, "export_refused", 403)                                                                  \
    X(RawSigningRefused, "raw_signing_refused", 403)                                                         \
    X(ReferenceKeyRefused, "reference_key_refused", 403)                                                     \
    X(KmsKeyRefused, "kms_key_refused", 403)                                                                 \
    X(RecordInvalid, "record_invalid", 409)                                                                  \
    X(RecordStale, "record_stale", 409)                                                                      \
    X(VaultClosed, "vault_closed", 503)                                                                      \
    X(VaultUnknown, "vault_unknown", 409)                                                                    \
    X(KeyInvalid, "key_invalid", 422)                                                                        \
    X(AttestationInvalid, "attestation_invalid", 400)                                                        \
    X(AttestationExpired, "attestation_expired", 400)                                                        \
    X(AttestationUntrusted, "attestation_untrusted", 400)                                                    \
    X(NsmFailed, "nsm_failed", 500)                                                                          \
    /* What the enclave asks the gateway for; the gateway turns what it cannot supply into one of these */   \
    X(CredentialsMissing, "credentials_missing", 503)                                                        \
    X(SecretMissing, "secret_not_found", 404)                                                                \
    /* KMS and other AWS services */                                                                         \
    X(KmsDenied, "kms_denied", 502)                                                                          \
    X(KmsRefused, "kms_refused", 502)                                                                        \
    X(KmsReplyInvalid, "kms_reply_invalid", 502)                                                             \
    X(KmsThrottled, "kms_throttled", 503)                                                                    \
    X(KmsUnavailable, "kms_unavailable", 503)                                                                \
    X(KmsTimeout, "kms_timeout", 504)                                                                        \
    X(CredentialsExpired, "credentials_expired", 503)                                                        \
    X(AwsRefused, "aws_refused", 502)                                                                        \
    X(AwsUnavailable, "aws_unavailable", 503)                                                                \
    /* The service itself */                                                                                 \
    X(Overloaded, "overloaded", 503)                                                                         \
    X(EnclaveUnavailable, "enclave_unavailable", 503)                                                        \
    X(EnclaveTimeout, "enclave_timeout", 504)                                                                \
    X(StoreFailed, "store_failed", 503)                                                                      \
    X(NodeUnavailable, "node_unavailable", 502)                                                              \
    X(NodeRefused, "node_refused", 502)                                                                      \
    X(ShuttingDown, "shutting_down", 503)                                                                    \
    X(SigningFailed, "signing_failed", 500)                                                                  \
    X(Internal, "internal", 500)                                                                             \
    /* Host side only */                                                                                     \
    X(Io, "io", 500)                                                                                         \
    X(ConnectFailed, "connect_failed", 502)                                                                  \
    X(TlsFailed, "tls_failed", 502)                                                                          \
    X(Usage, "usage", 400)

enum class Code : std::uint16_t {
#define REDOUBT_CODE(name, text, status) name,
    REDOUBT_CODES(REDOUBT_CODE)
#undef REDOUBT_CODE
};

std::string_view code_name(Code code) noexcept;
int http_status(Code code) noexcept;
std::optional<Code> code_from_name(std::string_view name) noexcept;

// A sentence fixed at compile time.
class FixedText {
  public:
    template<std::size_t N>
    consteval FixedText(const char (&literal)[N]) : text_(literal, N - 1) {}
    constexpr std::string_view view() const noexcept { return text_; }

  private:
    std::string_view text_;
};

struct Error {
    Code code;
    FixedText text;
    std::string context{}; // host side only; see above

    // "code: sentence (context)", for host-side logs and the command line.
    std::string describe() const;
};

template<class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> fail(Code code, FixedText text) {
    return std::unexpected(Error{code, text, {}});
}
inline std::unexpected<Error> fail(Code code, FixedText text, std::string context) {
    return std::unexpected(Error{code, text, std::move(context)});
}

// Assigns the value of a Result to `var`, or returns its error from the calling function.
#define REDOUBT_CONCAT2(a, b) a##b
#define REDOUBT_CONCAT(a, b) REDOUBT_CONCAT2(a, b)
#define REDOUBT_TRY_IMPL(tmp, var, expression)                                                               \
    auto tmp = (expression);                                                                                 \
    if (!tmp)                                                                                                \
        return std::unexpected(std::move(tmp).error());                                                      \
    var = std::move(*tmp)
#define REDOUBT_TRY(var, expression) REDOUBT_TRY_IMPL(REDOUBT_CONCAT(try_result_, __LINE__), var, expression)
#define REDOUBT_CHECK(expression)                                                                            \
    if (auto REDOUBT_CONCAT(check_, __LINE__) = (expression); !REDOUBT_CONCAT(check_, __LINE__))             \
    return std::unexpected(std::move(REDOUBT_CONCAT(check_, __LINE__)).error())

} // namespace redoubt
