// SPDX-License-Identifier: Apache-2.0
// The enclave's sockets and threads: event loops that answer what needs no waiting, workers for what does
// (KMS, NSM), and a thread for upkeep. Several connections; frames of one connection may be answered out of
// order.
//
// Bounds: kMaxConnections, a queue of kMaxWaiting jobs (beyond: 503 overloaded), and kMaxUnsent bytes of
// unread answers on a connection (beyond: its frames are not read until the peer reads).
#pragma once

#include "enclave/enclave.h"
#include "net/endpoint.h"

#include <functional>

namespace redoubt::enclave {

inline constexpr std::size_t kMaxConnections = 256;
inline constexpr std::size_t kMaxWaiting = 1024;
inline constexpr std::size_t kMaxUnsent = 8 * 1024 * 1024;

struct ServerOptions {
    net::Fd listener;
    int loops = 1;   // threads that sign
    int workers = 4; // threads that may wait
    std::function<void()>
        started; // all threads run, nothing is accepted yet: the moment to sandbox the process
};

// Serves until `stop_fd` is readable (pass -1: for ever).
void serve(Enclave& enclave, ServerOptions options, int stop_fd);

} // namespace redoubt::enclave
