// SPDX-License-Identifier: Apache-2.0
// Sends transactions: fills in nonce, gas and fees from the chain's node, has the enclave sign (as a request
// of the caller's, so the key's policy decides), broadcasts, and watches until each is mined. Keeps the order
// of each account. What was signed is in the journal before the node sees it, so after kill -9 the same bytes
// are sent again and no nonce is used for two transactions, unless a caller asks for a replacement.
// docs/sending.md. Loop thread only.
#pragma once

#include "gateway/call.h"
#include "gateway/key_book.h"
#include "gateway/node_client.h"

#include <string>

namespace redoubt::store {
class TransactionJournal;
}

namespace redoubt::gateway {

class Sender {
  public:
    struct Settings {
        int resend_ms = 3'000;         // between looks at what is not mined
        int replace_after_ms = 0;      // unmined for so long: again with higher fees; 0: only when asked
        unsigned replace_percent = 15; // by how much each fee rises (a node wants at least 10)
        std::string
            max_fee_per_gas; // decimal wei; what is filled in or raised goes no higher; empty: no bound
    };
    // All outlive the sender.
    Sender(net::EventLoop& loop, WorkerPool& store_workers, store::TransactionJournal& journal,
           NodeClient& nodes, KeyBook& keys, Serve ask_enclave, Settings settings);
    ~Sender();

    // Reads the journal, and goes on with what was under way.
    void start();
    // Takes no more, and finishes what is between journal and node; then `done`.
    void drain(std::function<void()> done);

    struct Sent {
        std::string hash; // 0x…, of the transaction as broadcast
        std::string id;   // of GET /v1/transactions/{id}
    };
    // What a JSON-RPC client learns of a refusal.
    struct Refused {
        Error error;
        std::optional<NodeReply::Refusal> node; // what the node said, if it was the node
        std::string body;                       // the enclave's refusal, JSON, if it was the enclave
    };
    using Done = std::function<void(std::expected<Sent, Refused>)>;
    // `transaction`: a JSON object with JSON-RPC's names; `from` names the account; nonce, gas and fees may
    // be missing. `call` is the client's, for its caller, id and trace. Done when the node has taken it, or
    // when it is in the journal and the node has not answered for 20 s: it is sent whatever comes.
    void send(const Call& call, std::uint64_t chain_id, std::string transaction, Done done);

    // POST /v1/transactions, GET /v1/transactions?…, GET /v1/transactions/{id}, POST
    // /v1/transactions/{id}/replace, POST /v1/transactions/{id}/cancel.
    static bool serves(std::string_view path) noexcept;
    void serve(Call call);

    // For metrics and the status page.
    struct Counts {
        std::size_t waiting = 0, pending = 0, mined = 0, failed = 0, gaps = 0;
    };
    Counts counts() const noexcept;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace redoubt::gateway
