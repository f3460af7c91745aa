// SPDX-License-Identifier: Apache-2.0
#include "enclave/connection.h"

#include "base/log.h"
#include "enclave/reply_text.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::enclave {

namespace {

constexpr int kStreamSweepMs = 250;
constexpr std::size_t kMaxAhead = 64; // of one connection's requests in the queue
// The loop's thread signs for so long, and so often, before it looks at its sockets.
constexpr std::int64_t kTurnUs = 1000;
constexpr std::size_t kTurnTasks = 16;

wire::Reply overload() {
    return wire::error_reply(
        {Code::Overloaded, "the enclave has too much waiting work; try again in a second"});
}

void append_reply(Bytes& out, std::uint64_t id, const wire::Reply& reply) {
    const std::size_t payload_at = wire::begin_frame(out, wire::Kind::Reply, id);
    wire::encode_reply(out, reply);
    // A longer frame would be the end of the connection, and of everybody's requests on it.
    if (out.size() - payload_at + wire::kFrameHead - 4 > wire::kMaxFrame) {
        out.resize(payload_at);
        wire::encode_reply(
            out, wire::error_reply({Code::TooLarge, "the reply would be longer than 4 MiB; ask for less "
                                                    "(a smaller call, or no function and abi)"}));
    }
    wire::end_frame(out, payload_at);
}

} // namespace

// A frame, or a stream's request, that waits for a worker.
struct Connection::Job {
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

void Shared::work() {
    working = false;
    const std::int64_t until = monotonic_us() + kTurnUs;
    std::size_t done = 0;
    while (queue.try_pop(own)) {
        done += own.size();
        run(own, By::Loop);
        if (done >= kTurnTasks || monotonic_us() >= until) {
            plan_work();
            break;
        }
    }
    collect();
}

void Shared::collect() {
    while (!touched.empty()) { // one may have signed more
        collecting.swap(touched);
        for (const auto& connection : collecting)
            connection->collect();
        collecting.clear();
    }
}

void Shared::plan_work() {
    if (!std::exchange(working, true))
        loop.after(0, [this] { work(); });
}

void Shared::sign() {
    std::vector<SigningQueue::TaskPtr> tasks;
    while (queue.pop(tasks))
        run(tasks, By::Signer);
}

void Shared::run(std::vector<SigningQueue::TaskPtr>& tasks, By by) {
    std::array<Enclave::Ask, SigningQueue::kMostTogether> asks;
    std::array<SigningTask*, SigningQueue::kMostTogether> asked;
    std::size_t count = 0;
    for (const auto& task : tasks) {
        asks[count].kind = task->kind;
        asks[count].payload = task->payload;
        asks[count].came = task->came;
        asks[count].connection = task->client.get();
        asked[count++] = task.get();
    }
    enclave.handle(std::span(asks).first(count));
    for (std::size_t i = 0, end = 0; i < count; i = end) {
        const auto& connection = asked[i]->connection;
        while (end < count && asked[end]->connection == connection)
            ++end;
        if (!connection->done(std::span(asked).subspan(i, end - i), std::span(asks).subspan(i, end - i)))
            continue;
        if (by == By::Loop)
            touched.push_back(connection);
        else
            loop.post([connection = connection] {
                connection->collect();
                connection->shared_.collect();
            });
    }
    for (auto& ask : std::span(asks).first(count))
        if (ask.reply) {
            give_text(std::move(ask.reply->body));
            for (auto& record : ask.reply->records)
                give_bytes(std::move(record.bytes));
        }
    queue.recycle(tasks);
}

Connection::Connection(Shared& shared, net::Fd fd)
    : shared_(shared), fd_(std::move(fd)), count_(shared.open_connections),
      counters_(shared.enclave.counters()), events_(EPOLLIN) {
    ++*count_;
    ++counters_.connections;
}

Connection::~Connection() {
    --*count_;
    --counters_.connections;
}

void Connection::start() {
    shared_.loop.add(fd_.get(), EPOLLIN,
                     [self = shared_from_this()](std::uint32_t events) { self->ready(events); });
}

void Connection::close() {
    if (!fd_)
        return;
    const auto self = shared_from_this();
    shared_.loop.remove(fd_.get());
    shared_.connections.erase(fd_.get());
    fd_.reset();
    streams_.reset();
}

void Connection::ready(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0)
        flush();
    if (fd_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read();
}

void Connection::read() {
    const auto space = reader_.space();
    const ssize_t n = recv(fd_.get(), space.data(), space.size(), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return close();
    if (n < 0)
        return;
    reader_.commit(static_cast<std::size_t>(n));
    parse();
    hand_out();
    flush();
    shared_.collect();
}

void Connection::parse() {
    for (;;) {
        // What else is there waits, in the socket in the end: other connections' requests get in between.
        held_up_ = waiting_ >= kMaxAhead;
        if (held_up_)
            return;
        auto frame = reader_.next();
        if (!frame) {
            log(LogLevel::Warning, "a connection sent what is no frame; it is closed");
            return close();
        }
        if (!*frame)
            return;
        take(**frame);
        if (!fd_)
            return;
    }
}

void Connection::take(const wire::Frame& frame) {
    if (wire::is_stream(frame.kind))
        return take_stream(frame);
    // A probe asks whether requests are worked on, so it stands in their line.
    if (frame.kind == wire::Kind::Request || frame.kind == wire::Kind::Probe)
        return enqueue(frame.kind, frame.id, frame.payload);
    auto reply = shared_.enclave.handle(frame.kind, frame.payload, MayWait::No);
    if (frame.kind == wire::Kind::Credentials)
        reader_.forget(frame);
    if (reply)
        return append_reply(out_, frame.id, *reply);
    // It has to wait: the payload is copied, since the reader's buffer is used again.
    if (shared_.waiting_bytes + frame.payload.size() > kMaxWaitingBytes) {
        ++counters_.nsm.refused;
        return append_reply(out_, frame.id, overload());
    }
    auto job = std::make_shared<Job>(shared_, frame.kind, frame.id, frame.payload);
    if (!submit(job, MayWait::ForNsm))
        append_reply(out_, frame.id, overload());
}

// Streams have times of their own, which somebody has to look at.
void Connection::take_stream(const wire::Frame& frame) {
    if (!streams_) {
        streams_ = std::make_unique<TlsStreams>(
            shared_.enclave.tls_identity(), shared_.streams,
            TlsStreams::Hooks{
                [this](wire::Kind kind, std::uint64_t id, const std::function<void(Bytes&)>& encode) {
                    const std::size_t payload_at = wire::begin_frame(out_, kind, id);
                    encode(out_);
                    wire::end_frame(out_, payload_at);
                },
                // As any request is worked on; nobody vouches for its client.
                [this](std::uint64_t id, std::uint32_t number, const Bytes& payload,
                       const ClientKey& client) -> std::optional<wire::Reply> {
                    if (shared_.waiting_bytes + shared_.queue.bytes() + payload.size() > kMaxWaitingBytes) {
                        ++counters_.nsm.refused;
                        return overload();
                    }
                    enqueue(wire::Kind::Request, id, payload, number, client);
                    return std::nullopt;
                }});
        sweep_streams();
    }
    if (streams_->take(frame, monotonic_ms()))
        return;
    log(LogLevel::Warning, "a connection broke the rules of streams; it is closed");
    close();
}

void Connection::sweep_streams() {
    shared_.loop.after(kStreamSweepMs, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || !self->streams_)
            return;
        self->streams_->sweep(monotonic_ms());
        self->hand_out();
        self->flush();
        self->shared_.collect();
        self->sweep_streams();
    });
}

void Connection::enqueue(wire::Kind kind, std::uint64_t id, ByteView payload,
                         std::optional<std::uint32_t> number, ClientKey client) {
    if (!number && shared_.waiting_bytes + shared_.queue.bytes() + payload.size() > kMaxWaitingBytes) {
        ++counters_.nsm.refused;
        return append_reply(out_, id, overload());
    }
    if (shared_.blanks.empty())
        shared_.queue.blanks(shared_.blanks);
    auto task = std::move(shared_.blanks.back());
    shared_.blanks.pop_back();
    task->connection = shared_from_this();
    task->kind = kind;
    task->id = id;
    task->number = number;
    task->client = std::move(client);
    task->payload.assign(payload.begin(), payload.end());
    task->came = monotonic_ms();
    ++waiting_;
    arrived_.push_back(std::move(task));
}

// One that came alone is signed here and now: it costs no other thread's waking.
void Connection::hand_out() {
    if (arrived_.empty())
        return;
    if (arrived_.size() == 1 && shared_.queue.size() == 0)
        return shared_.run(arrived_, Shared::By::Loop);
    shared_.queue.push(arrived_, 1);
    shared_.plan_work();
}

bool Connection::done(std::span<SigningTask* const> tasks, std::span<Enclave::Ask> asks) {
    for (std::size_t i = 0; i < tasks.size(); ++i)
        if (!asks[i].reply)
            asks[i].reply = pass_on(*tasks[i]);
    waiting_ -= tasks.size();
    const std::lock_guard lock(done_mutex_);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        auto& reply = asks[i].reply;
        if (reply && tasks[i]->number)
            done_streams_.push_back({tasks[i]->id, *tasks[i]->number, std::move(*reply)});
        else if (reply)
            append_reply(done_, tasks[i]->id, *reply);
    }
    return !std::exchange(collecting_, true);
}

// To a thread that may wait for the NSM.
std::optional<wire::Reply> Connection::pass_on(const SigningTask& task) {
    const auto job =
        std::make_shared<Job>(shared_, task.kind, task.id, task.payload, task.number, task.client);
    job->came = task.came;
    return submit(job, MayWait::ForNsm) ? std::nullopt : std::optional(overload());
}

// What signers have done meanwhile goes out.
void Connection::collect() {
    std::vector<StreamReply> of_streams;
    {
        const std::lock_guard lock(done_mutex_);
        collecting_ = false;
        collected_.swap(done_);
        of_streams.swap(done_streams_);
    }
    if (fd_) {
        if (out_.empty())
            out_.swap(collected_);
        else
            append(out_, collected_);
        for (auto& each : of_streams)
            if (streams_)
                streams_->replied(each.id, each.number, std::move(each.reply), monotonic_ms());
        if (held_up_ && waiting_ <= kMaxAhead / 2)
            parse();
        hand_out();
        flush();
    }
    collected_.clear();
}

void Connection::deliver(std::uint64_t id, std::optional<std::uint32_t> number, wire::Reply reply) {
    if (!fd_)
        return;
    if (number)
        streams_->replied(id, *number, std::move(reply), monotonic_ms());
    else
        append_reply(out_, id, reply);
    hand_out();
    flush();
    shared_.collect();
}

// What turns out to need KMS goes on to those workers.
bool Connection::submit(const std::shared_ptr<Job>& job, MayWait may_wait) {
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
        shared_.loop.post([self, id = job->id, number = job->number, reply = std::move(*reply)]() mutable {
            self->deliver(id, number, std::move(reply));
        });
    });
    if (!taken) {
        job->leave();
        ++queue.refused;
    }
    return taken;
}

void Connection::flush() {
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
    const std::uint32_t wanted = (unsent < kMaxUnsent && !held_up_ ? std::uint32_t{EPOLLIN} : 0u) |
                                 (unsent > 0 ? std::uint32_t{EPOLLOUT} : 0u);
    if (wanted != events_) {
        events_ = wanted;
        shared_.loop.modify(fd_.get(), wanted);
    }
}

} // namespace redoubt::enclave
