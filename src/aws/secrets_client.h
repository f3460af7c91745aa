// SPDX-License-Identifier: Apache-2.0
// AWS Secrets Manager from the host: ciphertexts of reference keys, and the records of a store there.
// Blocking, not thread-safe. Errors of all: AwsRefused, AwsUnavailable (not reached, throttled or failed: may
// be tried again), CredentialsExpired, and what each one names. An error's context holds what AWS called it.
#pragma once

#include "aws/credentials.h"
#include "net/http_client.h"

#include <optional>
#include <vector>

namespace redoubt::aws {

inline constexpr std::size_t kMaxSecret = 65'536; // bytes of a value

struct SecretVersion {
    Bytes value;
    std::string id; // VersionId: the ClientRequestToken that it was put with, 32 … 64 characters
};

struct ListedSecret {
    std::string name;
    std::string current; // VersionId of AWSCURRENT; empty: it has no value
};

struct SecretsPage {
    std::vector<ListedSecret> secrets;
    std::string next; // token of the next page; empty: this was the last
};

class SecretsClient {
  public:
    // endpoint: URL, e.g. "https://secretsmanager.us-east-1.amazonaws.com" or devcloud's
    // "http://127.0.0.1:PORT". tls may be null for http endpoints.
    SecretsClient(std::string endpoint, std::string region, const net::TlsContext* tls,
                  int timeout_ms = 3'000);

    // SecretString (as bytes) or SecretBinary of AWSCURRENT. Error: SecretMissing.
    Result<Bytes> get_secret_value(const std::string& secret_id, const Credentials& credentials);
    // Error: SecretMissing (also one that is scheduled for deletion).
    Result<SecretVersion> get_current_version(const std::string& secret_id, const Credentials& credentials);

    // A new secret with this SecretBinary, 1 … kMaxSecret bytes, as the version `token` (32 … 64 characters).
    // The same call again is no error. Error: Conflict (there is a secret of this name).
    Status create_secret(const std::string& name, ByteView value, const std::string& token,
                         const Credentials& credentials);
    // Adds a version under the staging label `stage` alone, which moves to it. The same call again is no
    // error and changes nothing. Error: SecretMissing, Conflict (`token` is another value's).
    Status put_secret_value(const std::string& secret_id, ByteView value, const std::string& token,
                            const std::string& stage, const Credentials& credentials);
    // Moves a staging label if it stands on version `from`: a compare-and-set. Error: SecretMissing (also
    // where there is no version `to`), Conflict (it stands elsewhere, or AWS finds another fault with the
    // parameters).
    Status move_stage(const std::string& secret_id, const std::string& stage, const std::string& from,
                      const std::string& to, const Credentials& credentials);
    // At once, without recovery. One that is not there is no error.
    Status delete_secret(const std::string& secret_id, const Credentials& credentials);
    // Secrets whose names begin with `prefix`, those marked for deletion excepted; `next` as the page before
    // told it, else empty. AWS may leave out changes of the last five minutes.
    Result<SecretsPage> list_secrets(const std::string& prefix, const std::string& next,
                                     const Credentials& credentials);

  private:
    // The body of a reply of status 200; a value in it is the caller's to wipe. Error: Conflict, for the
    // exception `conflict`.
    Result<Bytes> call(std::string_view operation, const std::string& body, const Credentials& credentials,
                       std::string_view conflict = {});
    Status put(const char* operation, const std::string& body, const std::string& token,
               const Credentials& credentials);

    std::string endpoint_, region_;
    const net::TlsContext* tls_;
    int timeout_ms_;
    std::optional<net::HttpClient> connection_; // kept between calls
};

} // namespace redoubt::aws
