// SPDX-License-Identifier: Apache-2.0
// Stands before the enclaves: a client's call goes on only if his grant has the operation and the key that it
// names. It guards native calls and the AWS sample's, and with them whatever the gateway itself asks for in a
// client's name (JSON-RPC, sending). A key that a grant has by its address is looked up in the store. The
// enclave decides by the key's policy afterwards, whatever was said here. Loop thread only.
#pragma once

#include "base/worker_pool.h"
#include "gateway/gatekeeper.h"
#include "net/event_loop.h"
#include "store/store.h"

#include <unordered_map>

namespace redoubt::gateway {

class KeyGuard {
  public:
    // All outlive the guard; `next` is asked for what may go on.
    KeyGuard(net::EventLoop& loop, WorkerPool& workers, store::Store& store, const Gatekeeper& gatekeeper,
             Serve next);

    void serve(Call&& call);
    Serve as_serve() {
        return [this](Call call) { serve(std::move(call)); };
    }

    static constexpr std::size_t kMaxKept = 65'536; // addresses of keys; beyond, they are looked up anew

  private:
    void look_up(Call call, const sealed::KeyId& id);
    void settle(Call call, const sealed::KeyId& id, const Grant::Address& address);

    net::EventLoop& loop_;
    WorkerPool& workers_;
    store::Store& store_;
    const Gatekeeper& gatekeeper_;
    Serve next_;
    std::unordered_map<std::string, Grant::Address> addresses_; // by key id; they never change
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
