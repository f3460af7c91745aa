// SPDX-License-Identifier: Apache-2.0
// The enclaves behind a gateway: connects to each, brings it to work (manifest, credentials, vaults), notices
// when it stops answering, and picks one for each request. Loop thread only.
#pragma once

#include "gateway/credential_keeper.h"
#include "gateway/enclave_link.h"
#include "store/store.h"

#include <string>
#include <vector>

namespace redoubt::gateway {

class EnclavePool {
  public:
    struct Setup {
        std::vector<net::Endpoint> endpoints;
        std::string manifest;      // its bytes, for enclaves that have none
        bool create_vault = false; // when the store has none
        std::size_t max_outstanding = 4096;
    };

    // `can_sign` is called once, when the first enclave has its manifest and its vaults open. The rest
    // outlives the pool. `vaults`: what the store holds.
    EnclavePool(net::EventLoop& loop, WorkerPool& store_workers, store::Store& store,
                CredentialKeeper& credentials, Setup setup, std::vector<Bytes> vaults,
                std::function<void()> can_sign);
    ~EnclavePool();
    EnclavePool(const EnclavePool&) = delete;
    EnclavePool& operator=(const EnclavePool&) = delete;

    void start();
    void stop();
    void credentials_changed();
    // To one enclave, before a request is sent again. Error: EnclaveUnavailable.
    void give_credentials(EnclaveLink& link, std::function<void(Status)> done);

    // The usable enclave with the fewest requests outstanding. Errors: EnclaveUnavailable, Overloaded.
    Result<std::shared_ptr<EnclaveLink>> pick() const;
    // There are vaults, and some enclave has them open; or there are none to open.
    bool ready() const noexcept;
    // The sealed record of a vault, for requests whose enclave has not opened it.
    std::shared_ptr<const Bytes> vault(const std::string& id) const;

    struct Counts {
        std::size_t total = 0, usable = 0, vault_open = 0; // vault_open: all vaults of the store
    };
    Counts counts() const noexcept;

    static constexpr int kProbeMs = 250;
    static constexpr std::int64_t kSilentMs = 700;          // with answers due: the enclave has stopped
    static constexpr std::int64_t kLongestPauseMs = 10'000; // between attempts to open vaults
    static constexpr std::int64_t kRefusedPauseMs = 2'000;  // before a refused manifest is offered again

  private:
    struct Member {
        std::shared_ptr<EnclaveLink> link;
        bool manifest_taken = false;
        bool vaults_open = false;
        bool opening = false; // vaults
        bool probing = false;
        std::int64_t pause_ms = 0, not_before = 0; // for the next attempt to open vaults
        std::int64_t manifest_again_at = 0;
    };
    void opened(Member& member);
    void closed(Member& member);
    void offer_manifest(Member& member);
    void bring_up(Member& member);
    void open_vaults(Member& member, std::size_t index, Status status);
    void create_vault(Member& member);
    void vault_made(Member& member, wire::Reply reply);
    void vaults_done(Member& member, const Status& status);
    void watch();

    net::EventLoop& loop_;
    WorkerPool& store_workers_;
    store::Store& store_;
    CredentialKeeper& credentials_;
    Setup setup_;
    struct Vault {
        std::string id;
        std::shared_ptr<const Bytes> record;
    };
    std::vector<Vault> vaults_;
    bool damaged_ = false; // the store holds a vault that cannot be read: a new one would hide that
    std::function<void()> can_sign_;
    std::vector<std::unique_ptr<Member>> members_;
    bool creating_vault_ = false;
    net::EventLoop::TimerId timer_ = 0;
    bool running_ = false;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

// What a reply says went wrong, as an error; nothing for a success.
Status status_of(const Result<wire::Reply>& reply);

} // namespace redoubt::gateway
