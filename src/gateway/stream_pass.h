// SPDX-License-Identifier: Apache-2.0
// The listener whose clients' TLS ends in an enclave. Each connection becomes a stream to one enclave, where
// it stays; its bytes pass unread. What its requests need of the store, and make for it, the router brings
// and keeps (Router::attend). docs/tls-in-the-enclave.md.
//
// Bounds: kMaxClients connections, kMaxStreams of an enclave (beyond: the one that was still for longest
// makes room if that was kStillMs, else the new one is closed), and wire::kStreamWindow bytes on their way in
// each direction of each: a client that does not read holds up its own stream. Loop thread only.
#pragma once

#include "gateway/enclave_pool.h"
#include "gateway/router.h"
#include "gateway/stream_link.h"
#include "net/acceptor.h"

#include <map>
#include <unordered_map>

namespace redoubt::gateway {

class StreamPass {
  public:
    // Accepts at once. All outlive it but what they have deferred.
    StreamPass(net::EventLoop& loop, EnclavePool& pool, Router& router, net::Fd listener);
    ~StreamPass();
    StreamPass(const StreamPass&) = delete;
    StreamPass& operator=(const StreamPass&) = delete;

    std::size_t connections() const noexcept { return clients_.size(); }
    // Accepts no more; ends connections on which nothing happens; `done` when none is left, or after the
    // time.
    void drain(int timeout_ms, std::function<void()> done);

    static constexpr std::size_t kMaxClients = 4'096;
    static constexpr std::int64_t kStillMs = 15'000;

  private:
    struct Client;
    struct Enclave;
    using ClientPtr = std::shared_ptr<Client>;

    void begin(net::Fd fd);
    std::shared_ptr<Enclave> choose();
    bool make_room(const Enclave* only);
    void ready(const ClientPtr& client, std::uint32_t events);
    void read(const ClientPtr& client);
    void linger(const ClientPtr& client);
    void flush(const ClientPtr& client);
    void update_interest(Client& client);
    void frame(const std::shared_ptr<Enclave>& enclave, const wire::Frame& frame);
    void ask(const std::shared_ptr<Enclave>& enclave, const wire::Frame& frame);
    void enclave_ended(const std::shared_ptr<Enclave>& enclave);
    void end(const ClientPtr& client, bool tell_enclave);
    void look_at_drain(std::int64_t since, std::int64_t until);

    net::EventLoop& loop_;
    EnclavePool& pool_;
    Router& router_;
    std::unique_ptr<net::Acceptor> acceptor_; // nullptr: it drains
    std::uint64_t next_id_ = 1;               // of streams, of all enclaves
    std::unordered_map<std::uint64_t, ClientPtr> clients_;
    std::map<std::string, std::shared_ptr<Enclave>> enclaves_; // by endpoint
    std::function<void()> drained_;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
