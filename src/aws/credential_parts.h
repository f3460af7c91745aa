// SPDX-License-Identifier: Apache-2.0
// What the sources of the credential chain share: the process's environment, one bounded HTTP exchange, and
// the JSON object that IMDS and the container endpoints answer with.
//
// No context of an error made here quotes an answer's body, a header or a URL's query: each is a status, an
// error's name, an address or a file's path, so that it may be logged.
#pragma once

#include "aws/credentials.h"
#include "base/result.h"
#include "net/http_client.h"

#include <functional>
#include <string>
#include <string_view>

namespace redoubt::aws {

// The value of a variable, empty where it is not set; valid until the environment changes.
using EnvironmentLookup = std::function<std::string_view(const char* name)>;
std::string_view process_environment(const char* name);

inline constexpr std::size_t kMaxAccessKeyId = 128; // STS API Reference, Credentials
inline constexpr std::size_t kMaxSecretAccessKey = 1024;
inline constexpr std::size_t kMaxSessionToken = 16 * 1024; // AWS gives no limit; today's have about 1 KiB

// 1 to `limit` characters of visible ASCII: what may stand in a header.
bool is_visible(std::string_view text, std::size_t limit) noexcept;

// "status 404"
std::string status_context(const net::HttpResponse& response);

// A small file (tokens). Error: Io, with the path.
Result<Secret> read_secret_file(const std::string& path, std::size_t limit);

// The requests of one exchange, on one connection and under one deadline. Redirects are not followed.
class CredentialExchange {
  public:
    // `tls` is needed for https. The context outlives the exchange.
    CredentialExchange(const net::Url& url, const net::TlsContext* tls, int timeout_ms);
    // Fills in the authority; wipes the request's header values and body when it is sent. Errors:
    // AwsUnavailable (no connection, no answer in time), AwsRefused (malformed, or over 32 KiB).
    Result<net::HttpResponse> send(net::HttpRequest request);

  private:
    std::string authority_;
    net::HttpClient client_;
    std::int64_t deadline_;
};

// {"AccessKeyId","SecretAccessKey","Token","Expiration", …}; with `needs_code` also "Code" = "Success"
// (IMDS). Error: AwsRefused: malformed, incomplete, expired.
Result<Credentials> read_credentials_json(std::string_view body, bool needs_code, UnixMs now);

} // namespace redoubt::aws
