// SPDX-License-Identifier: Apache-2.0
#include "enclave/server.h"

#include "base/log.h"
#include "base/worker_pool.h"
#include "enclave/tls_streams.h"
#include "net/acceptor.h"
#include "net/event_loop.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>

namespace redoubt::enclave {

namespace {

constexpr int kStreamSweepMs = 250;

class Connection;

// One loop's share of the server. Connections live and die on their loop's thread.
struct Loop {
    net::EventLoop events;
    std::map<int, std::shared_ptr<Connection>> connections;
};

struct Shared {
    Enclave& enclave;
    std::atomic<std::size_t> waiting_bytes{0};
    // Connections that answers on their way still hold may outlive the rest of this.
    std::shared_ptr<std::atomic<std::size_t>> connections = std::make_shared<std::atomic<std::size_t>>(0);
    std::shared_ptr<StreamLoad> streams = std::make_shared<StreamLoad>();
    // The NSM's workers hand work on to KMS's, so they end first, and the rest after both.
    WorkerPool kms_workers, nsm_workers;

    Shared(Enclave& e, const ServerOptions& options)
        : enclave(e), kms_workers(options.kms_workers, kMaxWaitingKms),
          nsm_workers(options.nsm_workers, kMaxWaitingNsm) {}
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Shared& shared, Loop& loop, net::Fd fd)
        : shared_(shared), loop_(loop), fd_(std::move(fd)), count_(shared.connections),
          counters_(shared.enclave.counters()) {
        ++*count_;
        ++counters_.connections;
    }
    ~Connection() {
        --*count_;
        --counters_.connections;
    }

    void start() {
        loop_.events.add(fd_.get(), EPOLLIN,
                         [self = shared_from_this()](std::uint32_t events) { self->ready(events); });
    }

    int fd() const noexcept { return fd_.get(); }

    void close() {
        if (!fd_)
            return;
        const auto self = shared_from_this();
        loop_.events.remove(fd_.get());
        loop_.connections.erase(fd_.get());
        fd_.reset();
        streams_.reset();
    }

  private:
    void ready(std::uint32_t events) {
        if ((events & EPOLLOUT) != 0)
            flush();
        if (fd_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            read();
    }

    void read() {
        const auto space = reader_.space();
        const ssize_t n = recv(fd_.get(), space.data(), space.size(), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return close();
        if (n < 0)
            return;
        reader_.commit(static_cast<std::size_t>(n));
        for (;;) {
            auto frame = reader_.next();
            if (!frame) {
                log(LogLevel::Warning, "a connection sent what is no frame; it is closed");
                return close();
            }
            if (!*frame)
                break;
            take(**frame);
            if (!fd_)
                return;
        }
        flush();
    }

    void take(const wire::Frame& frame) {
        if (wire::is_stream(frame.kind))
            return take_stream(frame);
        auto reply = shared_.enclave.handle(frame.kind, frame.payload, MayWait::No);
        if (frame.kind == wire::Kind::Credentials)
            reader_.forget(frame);
        if (reply)
            return answer(frame.id, *reply);
        // It has to wait: the payload is copied, since the reader's buffer is used again.
        if (shared_.waiting_bytes + frame.payload.size() > kMaxWaitingBytes) {
            ++counters_.nsm.refused;
            return overloaded(frame.id);
        }
        auto job = std::make_shared<Job>(shared_, frame.kind, frame.id, frame.payload);
        if (!submit(job, MayWait::ForNsm))
            overloaded(frame.id);
    }

    // Streams have times of their own, which somebody has to look at.
    void take_stream(const wire::Frame& frame) {
        if (!streams_) {
            streams_ = std::make_unique<TlsStreams>(
                shared_.enclave.tls_identity(), shared_.streams,
                TlsStreams::Hooks{
                    [this](wire::Kind kind, std::uint64_t id, const std::function<void(Bytes&)>& encode) {
                        const std::size_t payload_at = wire::begin_frame(out_, kind, id);
                        encode(out_);
                        wire::end_frame(out_, payload_at);
                    },
                    [this](std::uint64_t id, std::uint32_t number, const Bytes& payload,
                           const ClientKey& client) { return run_in_stream(id, number, payload, client); }});
            sweep_streams();
        }
        if (streams_->take(frame, monotonic_ms()))
            return;
        log(LogLevel::Warning, "a connection broke the rules of streams; it is closed");
        close();
    }

    void sweep_streams() {
        loop_.events.after(kStreamSweepMs, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self || !self->streams_)
                return;
            self->streams_->sweep(monotonic_ms());
            self->flush();
            self->sweep_streams();
        });
    }

    // As any request is worked on; nobody vouches for its client.
    std::optional<wire::Reply> run_in_stream(std::uint64_t id, std::uint32_t number, const Bytes& payload,
                                             const ClientKey& client) {
        auto reply = shared_.enclave.handle(wire::Kind::Request, payload, MayWait::No, 0, client.get());
        if (reply)
            return reply;
        if (shared_.waiting_bytes + payload.size() > kMaxWaitingBytes) {
            ++counters_.nsm.refused;
            return overload();
        }
        auto job = std::make_shared<Job>(shared_, wire::Kind::Request, id, payload, number, client);
        return submit(job, MayWait::ForNsm) ? std::nullopt : std::optional(overload());
    }

    // A frame, or a stream's request, that waits for a worker.
    struct Job {
        Shared& shared;
        wire::Kind kind;
        std::uint64_t id;
        Bytes payload;
        std::optional<std::uint32_t> number; // of a stream's request
        ClientKey client;
        std::int64_t came = monotonic_ms();
        Counters::Queue* queue = nullptr; // where it is counted

        Job(Shared& owner, wire::Kind its_kind, std::uint64_t its_id, ByteView its_payload,
            std::optional<std::uint32_t> its_number = {}, ClientKey its_client = {})
            : shared(owner), kind(its_kind), id(its_id), payload(to_bytes(its_payload)), number(its_number),
              client(std::move(its_client)) {
            shared.waiting_bytes += payload.size();
            shared.enclave.counters().queue_bytes += static_cast<std::int64_t>(payload.size());
        }
        ~Job() {
            leave();
            shared.waiting_bytes -= payload.size();
            shared.enclave.counters().queue_bytes -= static_cast<std::int64_t>(payload.size());
        }
        void enter(Counters::Queue& next) noexcept {
            leave();
            queue = &next;
            ++next.jobs;
        }
        void leave() noexcept {
            if (queue != nullptr)
                --queue->jobs;
            queue = nullptr;
        }
        Job(const Job&) = delete;
        Job& operator=(const Job&) = delete;
    };

    // What turns out to need KMS goes on to those workers.
    bool submit(const std::shared_ptr<Job>& job, MayWait may_wait) {
        WorkerPool& workers = may_wait == MayWait::ForNsm ? shared_.nsm_workers : shared_.kms_workers;
        Counters::Queue& queue = may_wait == MayWait::ForNsm ? counters_.nsm : counters_.kms_queue;
        job->enter(queue);
        const bool taken = workers.submit([this, self = shared_from_this(), job, may_wait] {
            auto reply = shared_.enclave.handle(job->kind, job->payload, may_wait, monotonic_ms() - job->came,
                                                job->client.get());
            if (!reply && may_wait == MayWait::ForNsm && submit(job, MayWait::ForKms))
                return;
            if (!reply)
                reply = overload();
            loop_.events.post(
                [self, id = job->id, number = job->number, reply = std::move(*reply)]() mutable {
                    if (!self->fd_)
                        return;
                    if (number)
                        self->streams_->replied(id, *number, std::move(reply), monotonic_ms());
                    else
                        self->answer(id, reply);
                    self->flush();
                });
        });
        if (!taken) {
            job->leave();
            ++queue.refused;
        }
        return taken;
    }

    static wire::Reply overload() {
        return refusal({Code::Overloaded, "the enclave has too much waiting work; try again in a second"});
    }
    void overloaded(std::uint64_t id) { answer(id, overload()); }

    void answer(std::uint64_t id, const wire::Reply& reply) {
        const std::size_t payload_at = wire::begin_frame(out_, wire::Kind::Reply, id);
        wire::encode_reply(out_, reply);
        // A longer frame would be the end of the connection, and of everybody's requests on it.
        if (out_.size() - payload_at + wire::kFrameHead - 4 > wire::kMaxFrame) {
            out_.resize(payload_at);
            wire::encode_reply(out_,
                               refusal({Code::TooLarge, "the reply would be longer than 4 MiB; ask for less "
                                                        "(a smaller call, or no function and abi)"}));
        }
        wire::end_frame(out_, payload_at);
    }

    void flush() {
        while (fd_ && sent_ < out_.size()) {
            const ssize_t n = send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && errno != EAGAIN)
                return close();
            if (n < 0)
                break;
            sent_ += static_cast<std::size_t>(n);
        }
        if (!fd_)
            return;
        if (sent_ == out_.size()) {
            out_.clear();
            sent_ = 0;
        } else if (sent_ >= out_.size() / 2) { // a socket that is never empty must not keep what was sent
            out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
            sent_ = 0;
        }
        const std::size_t unsent = out_.size() - sent_;
        const std::uint32_t wanted =
            (unsent < kMaxUnsent ? std::uint32_t{EPOLLIN} : 0u) | (unsent > 0 ? std::uint32_t{EPOLLOUT} : 0u);
        if (wanted != events_) {
            events_ = wanted;
            loop_.events.modify(fd_.get(), wanted);
        }
    }

    Shared& shared_;
    Loop& loop_;
    net::Fd fd_;
    std::shared_ptr<std::atomic<std::size_t>> count_;
    Counters& counters_; // the enclave's, which outlives every connection
    wire::FrameReader reader_;
    std::unique_ptr<TlsStreams> streams_; // nullptr: none was opened
    Bytes out_;
    std::size_t sent_ = 0;
    std::uint32_t events_ = EPOLLIN;
};

} // namespace

void serve(Enclave& enclave, ServerOptions options, int stop_fd) {
    std::vector<std::unique_ptr<Loop>> loops;
    for (int i = 0; i < std::max(1, options.loops); ++i)
        loops.push_back(std::make_unique<Loop>());

    std::atomic<bool> stopping{false};
    {
        Shared shared(enclave, options);

        std::thread upkeep([&] {
            for (int tick = 0; !stopping; ++tick) {
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
                if (tick % 10 == 0)
                    enclave.maintain();
            }
        });
        std::vector<std::thread> threads;
        for (std::size_t i = 1; i < loops.size(); ++i)
            threads.emplace_back([&loop = *loops[i]] { loop.events.run(); });
        if (options.started)
            options.started();

        std::size_t next = 0;
        Loop& first = *loops[0];
        net::Acceptor acceptor(first.events, std::move(options.listener), [&](net::Fd fd) {
            if (*shared.connections >= kMaxConnections)
                return;
            Loop& loop = *loops[next++ % loops.size()];
            auto connection = std::make_shared<Connection>(shared, loop, std::move(fd));
            loop.events.post([&loop, connection] {
                connection->start();
                loop.connections.emplace(connection->fd(), connection);
            });
        });
        if (stop_fd >= 0)
            first.events.add(stop_fd, EPOLLIN, [&](std::uint32_t) { first.events.stop(); });
        first.events.run();

        stopping = true;
        for (std::size_t i = 1; i < loops.size(); ++i)
            loops[i]->events.stop();
        for (auto& thread : threads)
            thread.join();
        upkeep.join();
    } // workers finish what they have begun before the loops go
    for (auto& loop : loops)
        while (!loop->connections.empty())
            loop->connections.begin()->second->close();
}

} // namespace redoubt::enclave
