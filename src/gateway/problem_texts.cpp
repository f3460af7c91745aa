// SPDX-License-Identifier: Apache-2.0
// What the codes mean, for people who look one up. Every code of base/result.h has its text.
#include "gateway/problem.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

constexpr ProblemText kTexts[] = {
    {"bad_request", "The request is malformed",
     "The HTTP message, or a part of it that the sentence names, breaks its grammar. Send it as the sentence "
     "says; the same request fails again."},
    {"bad_json", "The body is not strict JSON",
     "The body is missing, is no JSON object, or could be read in two ways: a name twice, invalid UTF-8, a "
     "byte after the value. Send one JSON object."},
    {"missing_field", "A field is missing", "The sentence names the field that the request needs."},
    {"unknown_field", "A field is not known",
     "The body or the query has a member that this route does not know. Nothing is ignored: remove it, or "
     "correct its name."},
    {"invalid_field", "A field has a wrong value", "The sentence names the field and what it may be."},
    {"ambiguous_field", "Fields contradict each other",
     "Two fields say the same thing in two ways that differ, or exclude each other. Give one."},
    {"bad_transaction", "The transaction is not valid",
     "No chain would take this transaction. The sentence says which rule it breaks."},
    {"unsupported_transaction_type", "The transaction's type is not supported",
     "Types 0 to 4 are signed (legacy, EIP-2930, EIP-1559, EIP-4844, EIP-7702)."},
    {"precision_lost", "A number would lose precision",
     "A JSON integer beyond 2^53 is read differently by different programs. Write it as a string."},
    {"unauthorized", "Proof of who asks is missing",
     "The request needs a bearer token, a client certificate, a signature or an owners' authorization that "
     "verifies. The sentence says which."},
    {"forbidden", "This is not allowed",
     "Who asks is known and may not do this: by the manifest, or by what the gateway's operator allows the "
     "client. The sentence says by which."},
    {"signature_invalid", "The request's signature does not verify",
     "The HTTP message signature does not match the request, does not cover what it must, or is another "
     "key's."},
    {"signature_expired", "The request's signature is out of its time",
     "created and expires must lie around the enclave's time. Set the client's clock and sign again."},
    {"unknown_principal", "The key's policy does not name who signed",
     "keyid is no principal of the key's policy. Use the id that the policy has."},
    {"session_unknown", "The session is not there",
     "It has expired, or its enclave has been replaced. Open a new session and sign again."},
    {"challenge_invalid", "The challenge is not good any more",
     "It was used, has expired, or is of an enclave that has been replaced. Get a new one from GET "
     "/v1/challenge and sign again."},
    {"nonce_reused", "The signature's nonce was used before",
     "Each signed request has a nonce of its own. Draw a new one and sign again."},
    {"policy_denied", "The key's policy does not allow this",
     "No rule allows it, or one forbids it. Principals of the policy learn in decision which, and why."},
    {"policy_version", "The policy's version does not follow",
     "A change of policy needs the version after the present one. Read the policy and make the change anew."},
    {"limit_reached", "A limit of the policy is used up",
     "decision says which limit; where retry_after_seconds is there, the request can succeed after that "
     "time."},
    {"limits_elsewhere", "Another enclave counts for this key",
     "For some seconds after an enclave was replaced nobody counts for the keys it had. Try again."},
    {"receipt_invalid", "The receipt does not verify", "A receipt or head was altered, or is another log's."},
    {"image_invalid", "The image cannot be read", "The enclave image file is damaged or no EIF."},
    {"runner_failed", "The enclave could not be started", "The host's log says why."},
    {"wrong_authority", "The host name is not served here",
     "The Host header names none of the authorities that this service answers to."},
    {"not_found", "There is no such route or resource", "Look the path up in GET /v1/openapi.json."},
    {"unknown_key", "There is no such key", "No record with this key id is in the store, or it was deleted."},
    {"method_not_allowed", "The route has another method", "The sentence names the method."},
    {"request_timeout", "The request did not arrive in time",
     "The client sent its request too slowly; the connection is closed."},
    {"conflict", "The request contradicts what is there",
     "Another change was first, the revision is another one, or the client_token belongs to something else. "
     "Read what is there, and decide anew."},
    {"too_large", "The request is too large",
     "A body has at most 1 MiB (2 MiB with a blob sidecar), and its depth and number of values are bounded."},
    {"uri_too_long", "The request's target is too long", "At most 8 KiB."},
    {"unsupported_media_type", "The body has another type",
     "Send it with content-type: application/json, with no parameter or charset=utf-8."},
    {"too_many_requests", "Too many requests in this time",
     "The client, or this kind of request, has a rate limit. Wait as Retry-After says."},
    {"headers_too_large", "The headers are too large", "The sentence names the bound."},
    {"not_implemented", "This part of HTTP is not implemented", "Send the request in a simpler form."},
    {"http_version_not_supported", "The HTTP version is not supported", "Use HTTP/1.1."},
    {"manifest_missing", "The enclave has no manifest yet",
     "It has just started. Try again; if it stays so, the gateway's log says why."},
    {"manifest_refused", "The enclave refuses the manifest", "It has another one, which it keeps for life."},
    {"manifest_invalid", "The manifest is not valid", "The sentence says which of its rules it breaks."},
    {"policy_required", "A policy is required",
     "The manifest says that every key has a policy of its own: give one."},
    {"key_disabled", "The key is disabled", "It signs again once it has been enabled."},
    {"key_pending_deletion", "The key waits for its deletion",
     "It signs nothing. cancel-deletion keeps it, disabled."},
    {"policy_expired", "The key's policy has expired",
     "Its not_after is past: the key signs nothing until its owners make a new policy."},
    {"export_refused", "The key cannot be exported",
     "It was not created exportable, or the recipient is not in its policy."},
    {"raw_signing_refused", "The key signs no raw digests",
     "A digest can be a transaction's: only keys created with raw_signing sign them."},
    {"reference_key_refused", "The manifest does not allow this reference key",
     "Its address must stand in the manifest's reference_keys."},
    {"kms_key_refused", "The manifest does not name this KMS key",
     "The KMS key must stand in the manifest, with the purpose that it is used for."},
    {"record_invalid", "A record of the store is not authentic",
     "A sealed record was altered, or is not what it is named. Restore it from a backup."},
    {"record_stale", "A record of the store is an old one",
     "The enclave has seen a newer one, or the manifest's min_epoch is above the record's."},
    {"vault_closed", "The vault is not open",
     "The enclave waits for KMS to open it, or KMS no longer lets it. The gateway's log says why; `redoubt "
     "doctor` compares the key policy with what is measured."},
    {"vault_unknown", "There is no such vault for this manifest",
     "The vault is not in the store, or the manifest does not list its commitment."},
    {"key_invalid", "The secret is no key of this curve",
     "An imported secret, or a derived index, gives no valid private key."},
    {"attestation_invalid", "The attestation does not verify", "It was altered, or is no attestation."},
    {"attestation_expired", "The attestation is out of its time", "Ask for a new one."},
    {"attestation_untrusted", "The attestation's root is not trusted",
     "It is signed under another root than the verifier has."},
    {"nsm_failed", "The enclave's security module failed", "Try again; if it stays so, replace the enclave."},
    {"credentials_missing", "The gateway has no AWS credentials", "The gateway's log says why."},
    {"secret_not_found", "There is no such secret", "Secrets Manager has no secret with this secret_id."},
    {"kms_denied", "KMS denies the enclave its key",
     "The key policy does not allow what the enclave measures, or the role. `redoubt doctor` compares them."},
    {"kms_refused", "KMS refuses the request", "KMS answered with an error that a repeat does not mend."},
    {"kms_reply_invalid", "KMS answered what cannot be right", "The answer is discarded, and logged."},
    {"kms_throttled", "KMS limits the rate", "Try again after a while."},
    {"kms_unavailable", "KMS cannot be reached", "Try again; the gateway's log says what fails."},
    {"kms_timeout", "KMS did not answer in time", "Try again."},
    {"credentials_expired", "The AWS credentials have expired", "The gateway fetches new ones. Try again."},
    {"aws_refused", "An AWS service refuses the request", "The gateway's log has its answer."},
    {"aws_unavailable", "An AWS service cannot be reached", "Try again; the gateway's log says what fails."},
    {"overloaded", "Too much is waiting",
     "The request was not begun. Wait as Retry-After says, and send it again."},
    {"enclave_unavailable", "No enclave can take the request",
     "Every enclave is starting, unreachable or closed. Try again in a second."},
    {"enclave_timeout", "No enclave answered in time",
     "What the request asked for may have been done. Reads and signatures can be repeated; creations with "
     "the same client_token."},
    {"store_failed", "The store failed",
     "A record could not be read or written. What is not stored is not answered. Try again."},
    {"node_unavailable", "No node of the chain answered", "Try again; the gateway's log says what fails."},
    {"node_refused", "The chain's node refuses", "The node answered with an error, or with what is none."},
    {"shutting_down", "The service is stopping", "Send the request to another gateway, or try again."},
    {"signing_failed", "A signature failed its check",
     "The enclave checks each signature before it leaves, and this one did not verify. Nothing was signed. "
     "If it "
     "happens again with one key alone, its record is damaged: restore it from a backup."},
    {"internal", "A fault of the service itself", "Report it with the request's id."},
    {"io", "A file could not be read or written", "The log names it."},
    {"connect_failed", "A connection could not be made", "The log names the other side."},
    {"tls_failed", "TLS failed", "The log names the other side and why."},
    {"usage", "The command is used wrongly", "The sentence says how it is used."},
};

} // namespace

std::optional<ProblemText> problem_text(std::string_view code) noexcept {
    const auto* const found = std::ranges::find(kTexts, code, &ProblemText::code);
    return found == std::ranges::end(kTexts) ? std::nullopt : std::optional(*found);
}

} // namespace redoubt::gateway
