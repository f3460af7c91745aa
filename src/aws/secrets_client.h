// SPDX-License-Identifier: Apache-2.0
// AWS Secrets Manager from the host: fetches ciphertexts of reference keys. Blocking, not thread-safe.
#pragma once

#include "aws/credentials.h"
#include "net/http_client.h"

#include <optional>

namespace redoubt::aws {

class SecretsClient {
  public:
    // endpoint: URL, e.g. "https://secretsmanager.us-east-1.amazonaws.com" or devcloud's
    // "http://127.0.0.1:PORT". tls may be null for http endpoints.
    SecretsClient(std::string endpoint, std::string region, const net::TlsContext* tls,
                  int timeout_ms = 3'000);
    // SecretString (as bytes) or SecretBinary of AWSCURRENT. Errors: SecretMissing, AwsRefused,
    // CredentialsExpired, AwsUnavailable.
    Result<Bytes> get_secret_value(const std::string& secret_id, const Credentials& credentials);

  private:
    std::string endpoint_, region_;
    const net::TlsContext* tls_;
    int timeout_ms_;
    std::optional<net::HttpClient> connection_; // kept between calls
};

} // namespace redoubt::aws
