// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4: signing in the Authorization header or in the query (a presigned URL), and
// verification of both for stand-ins. One canonicaliser serves all. Specification: AWS "Signature Version 4
// signing process"; tested on aws-c-auth's suite.
#pragma once

#include "aws/credentials.h"
#include "base/result.h"
#include "net/http.h"

#include <functional>

namespace redoubt::aws {

struct SigV4Options {
    std::string region, service;
    bool normalise_path = true;      // false for S3
    bool sign_body_header = true;    // adds and signs x-amz-content-sha256
    bool omit_session_token = false; // add the token header unsigned, after signing
};

// Adds x-amz-date, x-amz-security-token, x-amz-content-sha256 and authorization to `request`, which must have
// its authority. Headers never signed: user-agent, connection, expect, transfer-encoding, x-amzn-trace-id.
// Refuses requests that carry x-amz-date, x-amz-content-sha256, x-amz-security-token or authorization
// already, or whose target is not `path` and `query`. The caller wipes the token header's value after
// sending. Error: InvalidField.
Status sign_sigv4(net::HttpRequest& request, const Credentials& credentials, const SigV4Options& options,
                  UnixMs now);

// A presigned request: adds X-Amz-Algorithm, -Credential, -Date, -SignedHeaders, -Expires, -Security-Token
// and -Signature to the query, and no header. Valid for `expires_seconds`, 1 … 604,800 (seven days). The body
// is signed, too. Refuses what sign_sigv4 refuses, and a query that has a parameter of these names already;
// the caller wipes target and query after sending where there is a token. Error: InvalidField.
Status presign_sigv4(net::HttpRequest& request, const Credentials& credentials, const SigV4Options& options,
                     UnixMs now, std::int64_t expires_seconds);

std::string sigv4_canonical_request(const net::HttpRequest& request, const std::string& signed_headers,
                                    const SigV4Options& options, const std::string& payload_hash);
// The same with another query than the request's.
std::string sigv4_canonical_request(const net::HttpRequest& request, std::string_view query,
                                    const std::string& signed_headers, const SigV4Options& options,
                                    const std::string& payload_hash);

// Verification, as a service does it: of the Authorization header, or of the query where there is none (both
// at once are refused). The look-up returns the secret for an access key id (and checks the
// token).
struct SigV4Identity {
    std::string access_key_id, region, service;
};
struct SigV4Failure {
    std::string type; // "InvalidSignatureException", "UnrecognizedClientException",
                      // "MissingAuthenticationTokenException" …
    std::string message;
};
using SecretLookup = std::function<std::expected<Secret, SigV4Failure>(const std::string& access_key_id,
                                                                       std::string_view session_token)>;
std::expected<SigV4Identity, SigV4Failure> verify_sigv4(const net::HttpRequest& request,
                                                        const SecretLookup& lookup, UnixMs now);

} // namespace redoubt::aws
