// SPDX-License-Identifier: Apache-2.0
// A request's head out of HTTP/2 fields (RFC 9113, section 8), as strictly as HTTP/1.1's is read: the same
// limits, the same refusals, the same request for the same head. Refused besides: pseudo-fields that are
// missing, unknown, repeated or after others, names in upper case, what speaks of one connection
// (connection, transfer-encoding, upgrade, …), a Host other than :authority, CONNECT, white space around a
// value.
#pragma once

#include "net/http.h"

#include <optional>

namespace redoubt::http2 {

class RequestHead {
  public:
    // For the next request. `secure`: the connection is TLS, and so must the :scheme say.
    void begin(const net::HttpLimits& limits, bool secure) noexcept;
    // Each field in turn. After the first that is refused nothing is kept.
    void field(std::string_view name, std::string_view value);
    // All fields are there. Errors: BadRequest, TooLarge, UriTooLong, HeadersTooLarge.
    Status end();

    std::string_view method() const noexcept { return method_; }             // also of a head that is refused
    std::optional<std::uint64_t> length() const noexcept { return length_; } // its content-length
    net::HttpRequest request{};

  private:
    enum : unsigned { kMethod = 1, kScheme = 2, kPath = 4, kAuthority = 8, kHost = 16 };
    Status take(std::string_view name, std::string_view value);
    Status take_pseudo(std::string_view name, std::string_view value);

    net::HttpLimits limits_;
    bool secure_ = true;
    unsigned seen_ = 0;
    bool regular_ = false; // a field that is no pseudo-field has come
    std::size_t header_bytes_ = 0;
    std::optional<std::uint64_t> length_;
    std::optional<Error> refusal_;
    std::string method_, path_, authority_, host_;
};

} // namespace redoubt::http2
