// SPDX-License-Identifier: Apache-2.0
// A blocking HTTP/1.1 client with a deadline for each exchange, for calls off the hot path: KMS from the
// enclave, IMDS and Secrets Manager from the gateway, the command line. Keeps one connection open and reuses
// it; a reused connection that proves dead before any byte of the answer is replaced once. Not thread-safe.
#pragma once

#include "net/http.h"
#include "net/tls.h"

#include <optional>

namespace redoubt::net {

class HttpClient {
  public:
    // `tls` null: plain. `server_name` is what the certificate must name. The context outlives the client.
    HttpClient(Endpoint endpoint, const TlsContext* tls, std::string server_name, HttpLimits limits = {});

    // Sends as given plus host and content-length. Errors: ConnectFailed, TlsFailed (certificate or
    // handshake), Timeout, BadRequest (the answer is malformed or too large).
    Result<HttpResponse> send(const HttpRequest& request, int timeout_ms);
    void close();

  private:
    Endpoint endpoint_;
    const TlsContext* tls_;
    std::string server_name_;
    HttpLimits limits_;
    std::optional<Stream> stream_;
};

// "http://host:port" or "https://…" with an optional path.
struct Url {
    bool tls = false;
    std::string host;
    std::uint16_t port = 0;
    std::string path;              // begins with '/'
    std::string authority() const; // host[:port], the port only where it is not the scheme's default
};
Result<Url> parse_url(std::string_view text); // Error: Usage

} // namespace redoubt::net
