// SPDX-License-Identifier: Apache-2.0
#include "enclave/server.h"

#include "base/log.h"
#include "base/worker_pool.h"
#include "net/event_loop.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>

namespace redoubt::enclave {

namespace {

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
    // The NSM's workers hand work on to KMS's, so they end first, and the rest after both.
    WorkerPool kms_workers, nsm_workers;

    Shared(Enclave& e, const ServerOptions& options)
        : enclave(e), kms_workers(options.kms_workers, kMaxWaitingKms),
          nsm_workers(options.nsm_workers, kMaxWaitingNsm) {}
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Shared& shared, Loop& loop, net::Fd fd)
        : shared_(shared), loop_(loop), fd_(std::move(fd)), count_(shared.connections) {
        ++*count_;
    }
    ~Connection() { --*count_; }

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
        }
        flush();
    }

    void take(const wire::Frame& frame) {
        auto reply = shared_.enclave.handle(frame.kind, frame.payload, MayWait::No);
        if (frame.kind == wire::Kind::Credentials)
            reader_.forget(frame);
        if (reply)
            return answer(frame.id, *reply);
        // It has to wait: the payload is copied, since the reader's buffer is used again.
        if (shared_.waiting_bytes + frame.payload.size() > kMaxWaitingBytes)
            return overloaded(frame.id);
        auto job = std::make_shared<Job>(shared_, frame);
        if (!submit(job, MayWait::ForNsm))
            overloaded(frame.id);
    }

    // A frame that waits for a worker.
    struct Job {
        Shared& shared;
        wire::Kind kind;
        std::uint64_t id;
        Bytes payload;
        std::int64_t came = monotonic_ms();

        Job(Shared& owner, const wire::Frame& frame)
            : shared(owner), kind(frame.kind), id(frame.id), payload(to_bytes(frame.payload)) {
            shared.waiting_bytes += payload.size();
        }
        ~Job() { shared.waiting_bytes -= payload.size(); }
        Job(const Job&) = delete;
        Job& operator=(const Job&) = delete;
    };

    // What turns out to need KMS goes on to those workers.
    bool submit(const std::shared_ptr<Job>& job, MayWait may_wait) {
        WorkerPool& workers = may_wait == MayWait::ForNsm ? shared_.nsm_workers : shared_.kms_workers;
        return workers.submit([this, self = shared_from_this(), job, may_wait] {
            auto reply =
                shared_.enclave.handle(job->kind, job->payload, may_wait, monotonic_ms() - job->came);
            if (!reply && may_wait == MayWait::ForNsm && submit(job, MayWait::ForKms))
                return;
            if (!reply)
                reply = overload();
            loop_.events.post([self, id = job->id, reply = std::move(*reply)] {
                if (!self->fd_)
                    return;
                self->answer(id, reply);
                self->flush();
            });
        });
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
    wire::FrameReader reader_;
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
        first.events.add(options.listener.get(), EPOLLIN, [&](std::uint32_t) {
            net::Fd fd(accept4(options.listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd || *shared.connections >= kMaxConnections)
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
