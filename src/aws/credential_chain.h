// SPDX-License-Identifier: Apache-2.0
// Where the host side gets AWS credentials: the environment, a web identity (IRSA), a container endpoint
// (ECS, EKS Pod Identity), IMDSv2, in AWS's order. Never inside the enclave, which takes what the gateway
// hands it.
//
// A source that is not configured is passed over. One that is configured and fails ends the search, as in
// botocore: going on would turn a passing failure of one role into calls by another. The source that answered
// once is the only one asked from then on, for the same reason.
//
// Blocking (up to about 16 s when everything is silent). Thread-safe: one fetch at a time.
#pragma once

#include "aws/credential_parts.h"

#include <mutex>
#include <optional>
#include <vector>

namespace redoubt::aws {

enum class CredentialSource { Environment, WebIdentity, Container, Imds };

std::string_view source_name(CredentialSource source) noexcept; // "environment", "web-identity", …
// "auto" (nullopt) or a source's name. Error: Usage.
Result<std::optional<CredentialSource>> parse_credential_source(std::string_view text);

struct ChainOptions {
    std::optional<CredentialSource> only; // nullopt: all
    std::string region = "us-east-1";
    // URLs; empty: AWS's own (IMDS: AWS_EC2_METADATA_SERVICE_ENDPOINT first).
    std::string sts_endpoint{}, imds_endpoint{}, container_endpoint{};
    std::string roots_file =
        "/etc/ssl/certs/ca-certificates.crt"; // read when an https endpoint is first used
    EnvironmentLookup environment = process_environment;
    int imds_timeout_ms = 3'000, container_timeout_ms = 2'000, sts_timeout_ms = 5'000;
    int tries = 3; // container and STS
};

// Why a source gave nothing, without any secret: fit for logs.
struct SourceFailure {
    CredentialSource source;
    bool configured; // false: passed over
    Error error;
    std::string text() const; // "imds: it cannot be reached (…)"
};

class CredentialChain {
  public:
    explicit CredentialChain(ChainOptions options);

    // Credentials that have not expired. Errors: CredentialsMissing, CredentialsExpired, AwsRefused,
    // AwsUnavailable; the context is diagnosis().
    Result<Credentials> fetch();
    // The source that answered, once one did.
    std::optional<CredentialSource> answered() const;
    // What the last fetch met before it succeeded or failed.
    std::vector<SourceFailure> failures() const;
    // One line for each of those, "; " between.
    std::string diagnosis() const;

  private:
    Result<Credentials> ask(CredentialSource source);
    Result<const net::TlsContext*> tls();
    std::string diagnosis_locked() const;

    ChainOptions options_;
    mutable std::mutex mutex_;
    std::optional<net::TlsContext> tls_;
    std::optional<CredentialSource> answered_;
    std::vector<SourceFailure> failures_;
};

} // namespace redoubt::aws
