// SPDX-License-Identifier: Apache-2.0
// The HTTP routes of web3signer's eth1 mode, for clients that were made for it; its JSON-RPC is
// gateway/rpc.h. docs/web3signer.md. Loop thread only.
#pragma once

#include "crypto/secp256k1.h"
#include "gateway/key_book.h"

namespace redoubt::gateway {

class Web3Signer {
  public:
    // All outlive it. `ask_enclave`: native calls, which are held to what the caller's grant allows.
    // `reload`: reads the configuration again, on the loop; what it says is told by GET /reload.
    Web3Signer(net::EventLoop& loop, KeyBook& keys, Serve ask_enclave, std::function<Status()> reload);
    ~Web3Signer();
    Web3Signer(const Web3Signer&) = delete;
    Web3Signer& operator=(const Web3Signer&) = delete;

    // GET /upcheck, GET /healthcheck, GET and POST /reload, GET /api/v1/eth1/publicKeys, POST
    // /api/v1/eth1/sign/{public key}; another method there is refused, and so is another path below /api/v1.
    static bool takes(const net::HttpRequest& request) noexcept;
    void serve(Call call);

    static constexpr std::size_t kInWork = 8;       // keys of one list that the enclave is asked for at once
    static constexpr std::size_t kMaxLists = 8;     // lists in work; beyond: 503
    static constexpr std::size_t kMaxKept = 65'536; // public keys that are kept; they never change
    static constexpr int kCountMs = 30'000; // how old the number of keys that a health check tells may be

  private:
    struct List;
    struct Reload {
        enum class State : std::uint8_t { Idle, Running, Completed, Failed } state = State::Idle;
        UnixMs at = 0;
        std::string error;
    };

    void health(Call call);
    void count_keys();
    void public_keys(Call call);
    void go_on(const std::shared_ptr<List>& list);
    void described(const std::shared_ptr<List>& list, std::size_t index, const net::HttpResponse& reply);
    void sign(Call call, std::string_view identifier);
    void reload(Call call);
    template<class F>
    auto guarded(F done);

    net::EventLoop& loop_;
    KeyBook& keys_;
    Serve ask_enclave_;
    std::function<Status()> reload_;
    Reload last_reload_;
    std::map<sealed::KeyId, crypto::PublicKey> kept_;
    std::size_t lists_ = 0;
    std::size_t count_ = 0, count_errors_ = 0; // of keys, as they were last counted
    std::int64_t count_until_ = 0;             // monotonic
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
