// SPDX-License-Identifier: Apache-2.0
// A gateway's connection, and what all of them share; internal to the server's files (server.h is their
// outside). One thread, the loop's, reads and writes all connections and signs as well; signers take requests
// from the queue. A request that came alone is signed at once by the thread that read it.
#pragma once

#include "base/worker_pool.h"
#include "enclave/server.h"
#include "enclave/signing_queue.h"
#include "net/event_loop.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>

namespace redoubt::enclave {

struct Shared {
    Enclave& enclave;
    net::EventLoop loop;
    // By descriptor. This and the next five are the loop's thread's.
    std::map<int, std::shared_ptr<Connection>> connections;
    bool working = false;                                         // it has planned to sign in its next turn
    std::vector<std::shared_ptr<Connection>> touched, collecting; // for which it has signed in this turn
    std::vector<SigningQueue::TaskPtr> blanks, own;               // empty ones, and those in its work
    SigningQueue queue;
    std::atomic<std::size_t> waiting_bytes{0};
    // Connections that answers on their way still hold may outlive the rest of this.
    std::shared_ptr<std::atomic<std::size_t>> open_connections =
        std::make_shared<std::atomic<std::size_t>>(0);
    std::shared_ptr<StreamLoad> streams = std::make_shared<StreamLoad>();
    // The NSM's workers hand work on to KMS's, so they end first, and the rest after both.
    WorkerPool kms_workers, nsm_workers;

    Shared(Enclave& e, const ServerOptions& options)
        : enclave(e), queue(options.signers), kms_workers(options.kms_workers, kMaxWaitingKms),
          nsm_workers(options.nsm_workers, kMaxWaitingNsm) {}

    void work();      // the loop's thread takes its share of the queue, a turn's worth
    void collect();   // and sends what came of it, and of what the others did
    void plan_work(); // in the loop's next turn
    void sign();      // a signer: until the queue is stopped

    // By any signer. The replies go out when the loop's thread has collected them: after this turn if it ran
    // the tasks itself. Empties `tasks`.
    enum class By { Loop, Signer };
    void run(std::vector<SigningQueue::TaskPtr>& tasks, By by);
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Shared& shared, net::Fd fd);
    ~Connection();

    void start();
    void close();
    int fd() const noexcept { return fd_.get(); }
    // What a signer has done of this connection's tasks. A task without a reply would have to wait for longer
    // than a signer may: it goes to whoever may. True: the loop's thread must be told to collect().
    bool done(std::span<SigningTask* const> tasks, std::span<Enclave::Ask> asks);
    void collect();

  private:
    friend Shared;
    struct Job;
    struct StreamReply {
        std::uint64_t id;
        std::uint32_t number;
        wire::Reply reply;
    };

    void ready(std::uint32_t events);
    void read();
    void parse();
    void take(const wire::Frame& frame);
    void take_stream(const wire::Frame& frame);
    void sweep_streams();
    void enqueue(wire::Kind kind, std::uint64_t id, ByteView payload,
                 std::optional<std::uint32_t> number = {}, ClientKey client = {});
    void hand_out();
    std::optional<wire::Reply> pass_on(const SigningTask& task);
    void deliver(std::uint64_t id, std::optional<std::uint32_t> number, wire::Reply reply);
    bool submit(const std::shared_ptr<Job>& job, MayWait may_wait);
    void flush();

    Shared& shared_;
    net::Fd fd_;
    std::shared_ptr<std::atomic<std::size_t>> count_;
    Counters& counters_; // the enclave's, which outlives every connection
    wire::FrameReader reader_;
    std::unique_ptr<TlsStreams> streams_;        // nullptr: none was opened
    std::vector<SigningQueue::TaskPtr> arrived_; // read in this turn
    std::atomic<std::size_t> waiting_{0};        // of its requests, for a signer
    bool held_up_ = false;                       // too many do: no frame is taken at the moment
    Bytes out_;
    std::size_t sent_ = 0;
    std::uint32_t events_;

    // What signers have done. Theirs and the loop's, under the mutex.
    std::mutex done_mutex_;
    Bytes done_; // reply frames
    std::vector<StreamReply> done_streams_;
    bool collecting_ = false; // the loop's thread has been told
    Bytes collected_;         // the loop's: done_ and this one take turns
};

} // namespace redoubt::enclave
