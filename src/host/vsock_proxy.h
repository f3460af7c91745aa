// SPDX-License-Identifier: Apache-2.0
// The byte proxy between an enclave and an AWS endpoint: no TLS ends here, nothing is parsed. Accepts the
// allow-list file of AWS's vsock-proxy (`allowlist: - {address: host, port: 443}`). Differences: hundreds of
// connections at once, half-close is passed on, a failed look-up refuses one connection instead of ending the
// process.
#pragma once

#include "net/event_loop.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace redoubt::host {

struct AllowEntry {
    std::string address;
    std::uint16_t port;
};
// Strict: unknown or missing members are errors. Error: Usage with the line in the context.
Result<std::vector<AllowEntry>> parse_allowlist(const std::string& yaml);

struct ProxyOptions {
    net::Endpoint listen; // vsock:3:8000 (or cid any), unix:PATH
    std::string remote_host;
    std::uint16_t remote_port = 443;
    // The remote must match: port, then literal name, else a resolved address. Where only an address
    // matches, connections go to the addresses that were allowed at the start and to no other.
    std::vector<AllowEntry> allowlist;
    std::size_t max_connections = 1024; // beyond: connections wait in the listener's queue
    int address_family = 0;             // 0 any, 4, 6
};

// Serves until stop_fd is readable, then closes every connection. Raises the process's limit of open
// descriptors to what max_connections needs. A name is looked up in a helper thread; an answer is used for
// 30 s. Errors: Usage (remote not allowed), Io.
Status serve_proxy(const ProxyOptions& options, int stop_fd, const std::function<void()>& ready);

} // namespace redoubt::host
