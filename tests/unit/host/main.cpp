// SPDX-License-Identifier: Apache-2.0
// The tests of this folder start minders, which are processes of their own: this program is also theirs, as
// `redoubt enclave-minder` is the watchdog's.
#include "host/minder.h"

#include "runner_support.h"

#include <csignal>
#include <cstdlib>
#include <sys/signalfd.h>

namespace {

// enclave-minder --socket PATH --orphan-ms N, as LocalRunner starts it.
int mind(char** arguments) {
    (void)std::signal(SIGPIPE, SIG_IGN);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const redoubt::net::Fd stop(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    const auto status = redoubt::host::mind_enclave(arguments[3], std::atoi(arguments[5]), stop.get());
    if (!status)
        std::fprintf(stderr, "%s\n", status.error().describe().c_str());
    return status ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 6 && std::string_view(argv[1]) == "enclave-minder")
        return mind(argv);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
