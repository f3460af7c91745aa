// SPDX-License-Identifier: Apache-2.0
// The enclaves behind a gateway: connects to each, brings it to work (manifest, credentials, vaults), notices
// when it stops answering, and picks one for each request. Loop thread only.
#pragma once

#include "gateway/credential_keeper.h"
#include "gateway/enclave_link.h"
#include "gateway/queue_bound.h"
#include "gateway/receipt_log.h"
#include "store/store.h"

#include <set>
#include <string>
#include <vector>

namespace redoubt::gateway {

class EnclavePool {
  public:
    struct Setup {
        std::vector<net::Endpoint> endpoints;
        std::string manifest;      // its bytes, for enclaves that have none; else read for a guess alone
        bool create_vault = false; // when the store has none
        std::size_t max_outstanding = 4096;
        bool short_queues = false;      // refuse what an enclave does not begin soon (queue_bound.h)
        ReceiptLog* receipts = nullptr; // outlives the pool; nullptr: receipts are not kept
        // Of enclaves that leave. How long they serve at most until those that are named can:
        std::int64_t hand_over_ms = 60'000;
        // After that they still get what only they can answer (they gave the challenge, or the session):
        std::int64_t grace_ms = 5'000;
        // And then are let go, whatever they have under way:
        std::int64_t retired_ms = 15'000;
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
    // The enclaves from now on. New ones are brought to work as at the start; those that are not named any
    // more serve until as many new ones can (at most hand_over_ms, if any can), then get no new requests, end
    // what they have under way, and are let go. Error: Usage (none, too many, or one twice: nothing changes).
    Status set_endpoints(const std::vector<net::Endpoint>& endpoints);
    void credentials_changed();
    // To one enclave, before a request is sent again. Error: EnclaveUnavailable.
    void give_credentials(EnclaveLink& link, std::function<void(Status)> done);

    // The usable enclave with the fewest requests outstanding. Errors: EnclaveUnavailable, Overloaded.
    // `again`: for a request that was let in before, and whose enclave was lost; it is not refused for those
    // that wait.
    Result<std::shared_ptr<EnclaveLink>> pick(bool again = false) const;
    // All that pick() chooses from, however much waits there: for what stays with one enclave.
    std::vector<std::shared_ptr<EnclaveLink>> usable() const;
    // Whether one of these may get a further request, as pick() has it: no more wait there than it answers
    // soon (queue_bound.h). Whoever asks sends the request, or refuses it.
    bool has_room(const EnclaveLink& link, bool again = false) const noexcept;
    // Some enclave has little room: more comes than it can do, or it may be given few requests anyway.
    bool crowded() const noexcept;
    // The one that goes by this tag, as challenges, sessions and counters name it: 16 hex digits. nullptr: it
    // is not there.
    std::shared_ptr<EnclaveLink> tagged(std::string_view tag) const;
    // The usable one that is this key's of all that are there: the same one as long as those are.
    std::shared_ptr<EnclaveLink> affine(std::string_view key_id) const;
    // Some enclave has a vault open; or there are none to open.
    bool ready() const noexcept;
    // The sealed record of a vault, for requests whose enclave has not opened it.
    std::shared_ptr<const Bytes> vault(const std::string& id) const;
    // A vault that an enclave has just made and that is stored: the others open it, too.
    void vault_stored(const std::string& id, std::shared_ptr<const Bytes> record);
    // Tells every enclave that is there that a key's record is another one, or gone; `done` once each has
    // answered or its connection has ended (one that comes back is told to forget everything).
    void forget(const sealed::KeyId& id, std::uint32_t revision, std::function<void()> done);
    struct VaultView {
        std::string id;
        std::shared_ptr<const Bytes> record;
        std::size_t open = 0; // enclaves that have it open, as they last said
    };
    std::vector<VaultView> vault_list() const;

    struct Counts {
        // Of those in service. vault_open: with every vault of the store open that its manifest lets it open
        std::size_t total = 0, usable = 0, vault_open = 0;
    };
    Counts counts() const noexcept;

    // For operators: each enclave as it stands (enclave_views.cpp).
    struct View {
        std::string name; // its endpoint
        std::shared_ptr<EnclaveLink> link;
        bool in_service = false; // false: leaves, or has left and ends what it has under way
        bool connected = false, manifest_taken = false;
        bool vaults_open = false; // every vault of the store that its manifest lets it open
        std::size_t outstanding = 0;
        bool crowded = false;                          // more comes than it can do (queue_bound.h)
        std::string tag;                               // of its start; empty: not told yet
        std::vector<std::string> vaults;               // open ones
        std::optional<std::uint64_t> receipts_through; // as the log has them
    };
    std::vector<View> views() const;
    std::string_view
    tag_of(const EnclaveLink& link) const noexcept; // empty: not told yet, or not one of these

    static constexpr std::size_t kMaxEnclaves = 256;
    static constexpr std::size_t kMaxVaults = 64; // as many as an enclave opens
    static constexpr int kProbeMs = 250;
    static constexpr std::int64_t kSilentMs = 700;          // with answers due: the enclave has stopped
    static constexpr std::int64_t kLongestPauseMs = 10'000; // between attempts to open vaults
    static constexpr std::int64_t kRefusedPauseMs = 2'000;  // before a refused manifest is offered again

  private:
    // Leaving: not named any more, serves until the named ones can. Retired: gets no new requests.
    enum class Service : std::uint8_t { In, Leaving, Retired };
    struct Member : std::enable_shared_from_this<Member> {
        std::string name; // its endpoint
        Service service = Service::In;
        std::int64_t since = 0; // of `service`, monotonic
        std::shared_ptr<EnclaveLink> link;
        bool manifest_taken = false;
        bool vaults_open = false;
        bool opening = false;                // vaults
        std::set<std::string> open, refused; // vaults: open as its last probe said; not for its manifest
        bool probing = false;
        std::string tag;        // as it said when it was there last
        trust::ChainId chain{}; // of its receipts; zeros: not told yet
        bool asking_receipts = false;
        std::optional<std::uint64_t> discarded;    // receipts up to here, where no log is kept
        std::int64_t pause_ms = 0, not_before = 0; // for the next attempt to open vaults
        std::int64_t manifest_again_at = 0;
        QueueBound queue;                // for requests that wait there (enclave_queue.cpp)
        bool crowded = false;            // as the log was told
        std::int64_t measured_at_us = 0; // a probe is under way that tells how long they wait; 0: none
        std::size_t measured_behind = 0; // requests
    };
    Member& add_member(const net::Endpoint& endpoint);
    void retire(std::int64_t now);
    void let_go(std::int64_t now);
    void opened(Member& member);
    void closed(Member& member);
    void offer_manifest(Member& member);
    void bring_up(Member& member);
    void open_vaults(Member& member, std::size_t index, Status status);
    bool all_open(const Member& member) const;
    // Changes of keys that an enclave still holds because their record was not stored.
    void store_changes(const wire::Reply& reply);
    void create_vault(Member& member);
    void ask_receipts(Member& member);
    void vault_made(Member& member, wire::Reply reply);
    void vaults_done(Member& member, const Status& status);
    void watch();
    void measure();
    QueueBound queue_bound() const noexcept;
    bool full(const Member& member) const noexcept;
    void turned_away(Member& member) const noexcept;

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
    bool damaged_ = false;  // the store holds a vault that cannot be read: a new one would hide that
    std::size_t held_keys_; // by each enclave, as the manifest has it
    std::function<void()> can_sign_;
    std::vector<std::shared_ptr<Member>> members_; // changes in set_endpoints and at watch's beginning
    bool creating_vault_ = false;
    net::EventLoop::TimerId timer_ = 0, measure_timer_ = 0;
    std::int64_t looked_at_us_ = 0; // when the queues were looked at last
    static constexpr std::int64_t kLateLookUs = 50'000;
    bool running_ = false;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

// The receipts, heads and starts of chains among a reply's records go into the log.
void take_receipts(ReceiptLog& log, const wire::Reply& reply);

// What a reply says went wrong, as an error; nothing for a success.
Status status_of(const Result<wire::Reply>& reply);

} // namespace redoubt::gateway
