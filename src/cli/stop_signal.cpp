// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_signal.h"

#include <csignal>
#include <sys/signalfd.h>

namespace redoubt::cli {

net::Fd stop_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return net::Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

} // namespace redoubt::cli
