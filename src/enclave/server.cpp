// SPDX-License-Identifier: Apache-2.0
#include "enclave/server.h"

#include "enclave/connection.h"
#include "net/acceptor.h"

#include <algorithm>
#include <sys/epoll.h>
#include <thread>

namespace redoubt::enclave {

void serve(Enclave& enclave, ServerOptions options, int stop_fd) {
    Shared shared(enclave, options);
    std::atomic<bool> stopping{false};
    std::thread upkeep([&] {
        for (int tick = 0; !stopping; ++tick) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            if (tick % 10 == 0)
                enclave.maintain();
        }
    });
    std::vector<std::thread> signers; // beside the loop's thread
    for (int i = 1; i < options.signers; ++i)
        signers.emplace_back([&shared] { shared.sign(); });
    if (options.started)
        options.started();

    net::Acceptor acceptor(shared.loop, std::move(options.listener), [&](net::Fd fd) {
        if (*shared.open_connections >= kMaxConnections)
            return;
        auto connection = std::make_shared<Connection>(shared, std::move(fd));
        connection->start();
        shared.connections.emplace(connection->fd(), connection);
    });
    if (stop_fd >= 0)
        shared.loop.add(stop_fd, EPOLLIN, [&](std::uint32_t) { shared.loop.stop(); });
    shared.loop.run();

    stopping = true;
    shared.queue.stop();
    for (auto& signer : signers)
        signer.join();
    upkeep.join();
    while (!shared.connections.empty())
        shared.connections.begin()->second->close();
}

} // namespace redoubt::enclave
