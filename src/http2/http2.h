// SPDX-License-Identifier: Apache-2.0
// HTTP/2 (RFC 9113) for net::HttpServer, by libnghttp2: give HttpServerOptions::http2 what protocol()
// returns, and the server's TLS context "h2" among its protocols. Only host programs have this floor.
//
// The handler sees no difference from HTTP/1.1: the same requests, limits, refusals and time-outs. What a
// client can do with one connection is bounded:
//   streams        HttpServerOptions::max_streams; one that the client reset counts until its request is
//   answered requests       none is handed on while more than HttpCarrier::kMaxUnsent of answers wait for the
//   client resets         of streams in work, and refused requests: 200 at once, 30 a second; beyond, GOAWAY
//   other frames   (PING, SETTINGS, WINDOW_UPDATE, …): 2,000 at once, 200 a second and some for each request
//   memory         of libnghttp2's: 1 MiB
//   windows        256 KiB for a stream's body, 1 MiB for all
//   slow readers   an answer that waits for its stream's window for the write time-out is reset; where all
//                  answers of the connection stand still, it is closed
#pragma once

#include "net/http_server.h"

namespace redoubt::http2 {

std::function<std::unique_ptr<net::HttpProtocol>(net::HttpCarrier&)> protocol();

} // namespace redoubt::http2
