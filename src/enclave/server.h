// SPDX-License-Identifier: Apache-2.0
// The enclave's sockets and threads: an event loop, whose thread signs as well; further threads that sign, so
// that there is one for each CPU whatever the number of connections; workers for what waits for the NSM,
// others for what waits for KMS, and a thread for upkeep. Several connections; frames of one connection may
// be answered out of order.
//
// Bounds: kMaxConnections, queues of kMaxWaitingNsm and kMaxWaitingKms jobs, which with the requests that
// wait for a thread hold at most kMaxWaitingBytes (beyond: 503 overloaded), and kMaxUnsent bytes of unread
// answers on a connection (beyond: its frames are not read until the peer reads). The queues are short: a job
// that waits longer than its client only delays others.
#pragma once

#include "enclave/enclave.h"
#include "net/endpoint.h"

#include <functional>

namespace redoubt::enclave {

inline constexpr std::size_t kMaxConnections = 256;
inline constexpr std::size_t kMaxWaitingNsm = 256; // some milliseconds each
inline constexpr std::size_t kMaxWaitingKms = 64;  // some 100 ms each
inline constexpr std::size_t kMaxWaitingBytes = 32 * 1024 * 1024;
inline constexpr std::size_t kMaxUnsent = 8 * 1024 * 1024;

struct ServerOptions {
    net::Fd listener;
    int signers = 1; // threads that sign, the loop's among them
    int nsm_workers = 2;
    int kms_workers = 4;
    std::function<void()>
        started; // all threads run, nothing is accepted yet: the moment to sandbox the process
};

// Serves until `stop_fd` is readable (pass -1: for ever).
void serve(Enclave& enclave, ServerOptions options, int stop_fd);

} // namespace redoubt::enclave
