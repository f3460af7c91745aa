// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_signal.h"

#include <csignal>
#include <initializer_list>
#include <sys/signalfd.h>

namespace redoubt::cli {

namespace {

net::Fd descriptor_of(std::initializer_list<int> numbers) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : numbers)
        sigaddset(&signals, number);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return net::Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

} // namespace

net::Fd stop_signal() {
    return descriptor_of({SIGTERM, SIGINT});
}

net::Fd reload_signal() {
    return descriptor_of({SIGHUP});
}

} // namespace redoubt::cli
