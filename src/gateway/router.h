// SPDX-License-Identifier: Apache-2.0
// From a client's request to its answer: forwards to an enclave, fetches what the enclave asks for, stores
// what it made, and answers exactly once. Decides nothing. Loop thread only.
#pragma once

#include "base/text_hash.h"
#include "gateway/call.h"
#include "gateway/counter_writer.h"
#include "gateway/enclave_pool.h"
#include "gateway/key_reader.h"
#include "gateway/reference_secrets.h"

#include <map>
#include <unordered_map>

namespace redoubt::gateway {

class Router {
  public:
    // All outlive the router.
    Router(net::EventLoop& loop, WorkerPool& store_workers, WorkerPool& list_workers, store::Store& store,
           EnclavePool& pool, CredentialKeeper& credentials, ReferenceSecrets& secrets, int deadline_ms,
           ReceiptLog* receipts = nullptr);
    ~Router();
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    void handle(Call&& call);

    // A request that came to an enclave inside TLS, of which this side sees names and sealed records alone
    // (wire/stream.h). It stays with its enclave.
    struct Inside {
        std::shared_ptr<EnclaveLink> link; // the enclave's; nullptr: it has gone
        // Sends all that was needed so far, and brings what the enclave says next.
        std::function<void(std::vector<wire::Item> items, EnclaveLink::Callback next)> again;
    };
    // `first`: what the enclave asks for or made, without a body. `done` is called once: what was made is
    // stored, and the client is to be answered; or why not.
    void attend(Inside inside, wire::Reply first, std::function<void(Status)> done);

    static constexpr int kMaxAttempts = 2; // enclaves that a request is tried on: one that ends them ends two
    static constexpr int kMaxRounds = 6;   // times that an enclave may ask for more
    // Requests under way with what was attached to them, wherever they wait; beyond: 503.
    static constexpr std::size_t kMaxJobs = 16'384;
    static constexpr std::size_t kMaxJobBytes = 256u << 20;
    // Keys with limits, and the enclaves that count for them; beyond, they are learnt anew.
    static constexpr std::size_t kMaxOwners = 65'536;
    static constexpr int kElsewhereMs = 250; // before an enclave that does not count for a key is asked again

  private:
    struct Job;
    using JobPtr = std::shared_ptr<Job>;
    // In a list of jobs, which a job leaves when it ends; and the list itself.
    struct Place {
        Place() = default;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() { leave(); }
        void leave() noexcept {
            before->after = after;
            after->before = before;
            before = after = this;
        }
        void add_last(Place& one) noexcept {
            one.before = before;
            one.after = this;
            before = before->after = &one;
        }
        Place *before = this, *after = this;
    };

    void health(const Call& call);
    void probe(const Call& call);
    void list_keys(const Call& call);
    void list_vaults(const Call& call);
    bool read_record_first(const JobPtr& job, const std::shared_ptr<EnclaveLink>& link);
    void forward_inside(const JobPtr& job);
    void take_sidecar(const JobPtr& job);
    void add_network_form(const JobPtr& job, wire::Reply reply);
    void forward(const JobPtr& job);
    void forward(const JobPtr& job, std::int64_t now);
    Result<std::shared_ptr<EnclaveLink>> link_for(const JobPtr& job);
    void store_counters(const JobPtr& job, wire::Reply reply);
    bool count_elsewhere(const JobPtr& job);
    void take_decision(const JobPtr& job, wire::Reply& reply);
    bool answer_at_once(const JobPtr& job, const wire::Reply& reply);
    void flush();
    void replied(const JobPtr& job, Result<wire::Reply>& reply);
    void supply(const JobPtr& job, std::vector<wire::Reply::Need> needs);
    void supply_next(const JobPtr& job);
    using Read = std::function<Result<std::optional<Bytes>>(store::Store& store)>;
    void fetch(const JobPtr& job, const wire::Reply::Need& need, Read read, const Error& missing);
    void fetched(const JobPtr& job, const wire::Reply::Need& need, Result<std::optional<Bytes>> found,
                 const Error& missing);
    void supplied(const JobPtr& job, wire::ItemKind kind, const std::string& name,
                  std::shared_ptr<const Bytes> bytes);
    void store_records(const JobPtr& job, wire::Reply reply);
    void stored(const JobPtr& job, const std::shared_ptr<wire::Reply>& reply, const Status& status);
    bool read_again(const JobPtr& job, const wire::Reply& reply) const;
    void delete_due();
    void answer(const JobPtr& job, const wire::Reply& reply);
    void answer(const JobPtr& job, const wire::Reply& reply, ByteView receipt, ByteView receipt_head);
    void refuse(const JobPtr& job, const Error& error);
    void sweep();
    void expire(const JobPtr& job);
    // Runs on a store worker; `done` back on the loop. False: too much is waiting.
    bool on_store(std::function<void()> work, std::function<void()> done);
    bool on(WorkerPool& workers, std::function<void()> work, std::function<void()> done);

    net::EventLoop& loop_;
    WorkerPool& store_workers_;
    WorkerPool& list_workers_; // of their own: a list may look at ten thousand records
    store::Store& store_;
    EnclavePool& pool_;
    CredentialKeeper& credentials_;
    ReferenceSecrets& secrets_;
    int deadline_ms_;
    CounterWriter counters_;
    KeyReader key_reader_;
    ReceiptLog* receipts_;
    // By key id: the tag of who counts.
    std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> owners_;
    struct Ready { // an answer that goes out once its receipt is written
        JobPtr job;
        net::HttpResponse response;
        std::int64_t until; // monotonic; then it is refused
    };
    std::vector<Ready> ready_, ready_room_; // the second one's memory is the first's next time
    Bytes head_shown_;                      // in the last answer's header,
    std::string head_text_;                 // and as it stood there
    bool flushing_ = false;                 // a flush is on its way
    bool looking_again_ = false;            // one is planned for answers whose turn has not come
    struct Load {
        std::size_t jobs = 0, bytes = 0;
    };
    std::shared_ptr<Load> load_ = std::make_shared<Load>(); // jobs on their way may outlive the router
    std::int64_t failure_logged_at_ = 0;
    // In the order of their deadlines, since all but `early_` have the same time: one timer serves them all.
    Place deadlines_;
    using Early = std::multimap<std::int64_t, Job*>; // those whose clients wait no longer than that
    Early early_;
    net::EventLoop::TimerId timer_ = 0, deletion_timer_ = 0;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
