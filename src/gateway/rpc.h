// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0 over HTTP: what signs becomes a native call to the enclave, what a node knows goes to one.
// POST /rpc, POST /rpc/CHAIN_ID, and POST / with a body that is JSON-RPC's (the AWS sample's bodies on that
// path are not). docs/json-rpc.md. Loop thread only.
#pragma once

#include "gateway/key_book.h"
#include "gateway/rpc_methods.h"
#include "gateway/sender.h"

namespace redoubt::gateway {

class JsonRpc {
  public:
    struct Settings {
        std::optional<std::uint64_t> chain_id; // of /rpc and /; nothing: they have none
        std::vector<std::string> forward;      // methods that nodes are asked; empty: all but those barred
        std::string version = "Redoubt";       // what web3_clientVersion says
    };
    // Whom it asks. All outlive it.
    struct Backends {
        Serve enclave; // native calls, which are held to what the caller's grant allows
        std::function<bool(std::uint64_t chain_id)> has_node;
        std::function<void(std::uint64_t chain_id, std::string method, std::string params,
                           std::string trace_parent, NodeClient::Done)>
            node;
        // Empty: nothing is sent.
        std::function<void(const Call& call, std::uint64_t chain_id, std::string transaction, Sender::Done)>
            send;
        // Whether enclaves have little room at the moment. Empty: they never have.
        std::function<bool()> crowded;
    };
    static Backends backends(Serve ask_enclave, NodeClient& nodes, Sender* sender);

    // Loop and book outlive it.
    JsonRpc(net::EventLoop& loop, KeyBook& keys, Backends backends, Settings settings);
    ~JsonRpc();
    JsonRpc(const JsonRpc&) = delete;
    JsonRpc& operator=(const JsonRpc&) = delete;

    static bool takes(const net::HttpRequest& request) noexcept;
    void serve(Call call);

    static constexpr std::size_t kInWork = 64; // calls of one batch at once
    // Of all batches together that enclaves are asked for at once: enough to keep two processors busy while
    // answers are on their way, and two or three milliseconds that a single request waits behind them. Fewer
    // than may always wait at an enclave (queue_bound.h), and fewer still where one is crowded.
    static constexpr std::size_t kAsking = 48, kAskingCrowded = 8;
    static constexpr std::size_t kMaxAnswer = 64u << 20;       // bytes of one batch's answers
    static constexpr std::size_t kMaxHeldBodies = 32u << 20;   // of all requests in work; beyond: 503
    static constexpr std::size_t kMaxHeldAnswers = 256u << 20; // of all batches in work

  private:
    struct Batch;
    struct Asked;
    using BatchPtr = std::shared_ptr<Batch>;

    void run(const BatchPtr& batch);
    void start(const BatchPtr& batch, std::size_t index);
    void sign(const BatchPtr& batch, std::size_t index, RpcSign plan);
    void sign_with(const BatchPtr& batch, std::size_t index, const RpcSign& plan, const KeyBook::Entry& key);
    void ask_enclave(const BatchPtr& batch, std::size_t index, std::string_view method, std::string_view path,
                     std::string_view body, RpcShape shape, const std::optional<KeyBook::Entry>& key);
    void ask_in_turn(Call call);
    void ask_waiting();
    void ask_later();
    void list(const BatchPtr& batch, std::size_t index);
    void send(const BatchPtr& batch, std::size_t index, RpcSend plan);
    void forward(const BatchPtr& batch, std::size_t index, RpcForward plan);
    void finish(const BatchPtr& batch, std::size_t index, std::expected<std::string, RpcFault> result);
    void respond(const BatchPtr& batch);
    // Runs `done` of a callback only while this object is there.
    template<class F>
    auto guarded(F done);

    net::EventLoop& loop_;
    KeyBook& keys_;
    Backends backends_;
    Settings settings_;
    struct Held {
        std::size_t bodies = 0, answers = 0;
    };
    std::deque<Call, SpareAllocator<Call>> waiting_; // of batches, for the enclave
    std::size_t asking_ = 0;
    bool going_to_ask_ = false, asking_now_ = false;        // soon; at the moment
    std::shared_ptr<Held> held_ = std::make_shared<Held>(); // batches may outlive this object
    struct Alive {};
    std::shared_ptr<Alive> alive_ =
        std::make_shared<Alive>(); // last: what is destroyed with the rest asks it
};

} // namespace redoubt::gateway
