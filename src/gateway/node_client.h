// SPDX-License-Identifier: Apache-2.0
// JSON-RPC to Ethereum nodes. A chain may have several nodes: the first that answers serves, one that failed
// is asked again after a pause. Nodes are not trusted: what comes from them is bounded and parsed strictly,
// and decides nothing but nonces, gas and fees, which the key's policy bounds. Loop thread only; the
// exchanges run on workers.
#pragma once

#include "base/result.h"
#include "base/worker_pool.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace redoubt::gateway {

struct NodeSetting {
    std::uint64_t chain_id = 0;
    std::string url; // http://… or https://…; may hold a token: never logged beyond its host
};
Result<NodeSetting> parse_node_setting(std::string_view text); // "CHAIN_ID=URL". Error: Usage

// What a node said, apart from failures to ask it at all.
struct NodeReply {
    std::string result; // JSON; empty when the node answered with an error
    struct Refusal {
        std::int64_t code = 0;
        std::string message; // at most 1,024 bytes, valid UTF-8
        std::string data;    // JSON, or empty
    };
    std::optional<Refusal> error;
};

class NodeClient {
  public:
    // `roots_pem`: for https nodes. Loop and workers outlive the client.
    NodeClient(net::EventLoop& loop, WorkerPool& workers, std::vector<NodeSetting> nodes,
               std::string roots_pem);
    ~NodeClient();

    bool has(std::uint64_t chain_id) const noexcept;
    std::vector<std::uint64_t> chains() const;

    // `params`: a JSON array. `done` on the loop, once. Errors: NotFound (no node for this chain),
    // NodeUnavailable (none answered), NodeRefused (its answer is no JSON-RPC answer), Overloaded.
    using Done = std::function<void(Result<NodeReply>)>;
    // `trace_parent`: W3C Trace Context, passed on to the node; or empty.
    void call(std::uint64_t chain_id, std::string method, std::string params, Done done,
              std::string trace_parent = {});

    static constexpr int kTimeoutMs = 10'000;
    static constexpr std::size_t kMaxReply = 16u << 20;
    static constexpr int kPauseMs = 2'000; // for a node that failed

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>(); // ends with the client, whatever is under way
};

} // namespace redoubt::gateway
