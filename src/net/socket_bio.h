// SPDX-License-Identifier: Apache-2.0
// OpenSSL's way to a socket: as its own socket BIO, but a write to a closed connection is an error and never
// the signal SIGPIPE.
#pragma once

#include <openssl/bio.h>

namespace redoubt::net {

// Does not own the descriptor. Null without memory.
BIO* make_socket_bio(int fd) noexcept;

} // namespace redoubt::net
