// SPDX-License-Identifier: Apache-2.0
// Enclaves that speak of streams as a test scripts it, and a gateway with nothing but the streams' listener.
#pragma once

#include "gateway/stream_pass.h"
#include "support.h"

namespace redoubt::tests {

// Answers what a pool asks, and gives stream frames to a script, which may send any.
class StreamEnclave {
  public:
    struct Got {
        wire::Kind kind;
        std::uint64_t id;
        Bytes payload;
    };
    class Line { // to one gateway
      public:
        explicit Line(int fd) : fd_(fd) {}
        void send(wire::Kind kind, std::uint64_t id, ByteView payload) const {
            Bytes out;
            const std::size_t at = wire::begin_frame(out, kind, id);
            append(out, payload);
            wire::end_frame(out, at);
            for (ByteView rest = out; !rest.empty();) {
                const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
                if (n <= 0)
                    return;
                rest = rest.subspan(static_cast<std::size_t>(n));
            }
        }
        void say(std::uint64_t id, std::string_view text) const {
            send(wire::Kind::StreamData, id, as_bytes(text));
        }
        void close(std::uint64_t id) const { send(wire::Kind::StreamClose, id, Bytes{1}); }
        void ask(std::uint64_t id, std::uint32_t number, wire::Reply reply) const {
            Bytes payload;
            wire::encode_stream_ask(payload, {number, std::move(reply)});
            send(wire::Kind::StreamAsk, id, payload);
        }

      private:
        int fd_;
    };
    using Script = std::function<void(const Line&, const Got&)>;

    StreamEnclave(std::string path, Script script) : path_(std::move(path)), script_(std::move(script)) {
        listener_ = *net::listen_on(*net::parse_endpoint("unix:" + path_));
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~StreamEnclave() { kill(); }
    void kill() {
        stopping_ = true;
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : connections_)
                ::shutdown(fd, SHUT_RDWR);
        }
        if (acceptor_.joinable())
            acceptor_.join();
        for (auto& thread : threads_)
            thread.join();
        threads_.clear();
        listener_.reset();
        (void)unlink(path_.c_str());
    }
    std::vector<Got> got(wire::Kind kind) {
        const std::lock_guard lock(mutex_);
        std::vector<Got> out;
        std::copy_if(got_.begin(), got_.end(), std::back_inserter(out),
                     [&](const Got& one) { return one.kind == kind; });
        return out;
    }

  private:
    void accept_all() {
        while (!stopping_) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            if (poll(&waiting, 1, 20) <= 0)
                continue;
            const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            const std::lock_guard lock(mutex_);
            connections_.push_back(fd);
            threads_.emplace_back([this, fd] { serve(fd); });
        }
    }
    void serve(int fd) {
        wire::FrameReader reader;
        for (;;) {
            const auto space = reader.space();
            const ssize_t n = recv(fd, space.data(), space.size(), 0);
            if (n <= 0)
                break;
            reader.commit(static_cast<std::size_t>(n));
            for (auto frame = reader.next(); frame && *frame; frame = reader.next())
                take(fd, **frame);
        }
        const std::lock_guard lock(mutex_);
        std::erase(connections_, fd);
        close(fd);
    }
    void take(int fd, const wire::Frame& frame) {
        const Line line(fd);
        if (!wire::is_stream(frame.kind)) {
            Bytes payload;
            wire::encode_reply(payload, *working(frame.kind));
            return line.send(wire::Kind::Reply, frame.id, payload);
        }
        const Got one{frame.kind, frame.id, to_bytes(frame.payload)};
        {
            const std::lock_guard lock(mutex_);
            got_.push_back(one);
        }
        script_(line, one);
    }

    std::string path_;
    Script script_;
    net::Fd listener_;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::thread> threads_;
    std::vector<int> connections_;
    std::vector<Got> got_;
    std::atomic<bool> stopping_{false};
};

inline bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

// A gateway with nothing but this listener.
class Passing {
  public:
    Passing(const Folder& folder, const std::vector<std::string>& sockets)
        : store(*store::open_sqlite_store(folder.file("store.db"))), workers_(2, 64), lists_(1, 8),
          credentials_(
              loop_, workers_,
              [] {
                  aws::Credentials out;
                  out.access_key_id = "ASIATEST";
                  out.secret_access_key = Secret::copy_of(to_bytes("secret"));
                  return Result<aws::Credentials>(std::move(out));
              },
              [this](const auto&) { pool_.credentials_changed(); }),
          pool_(loop_, workers_, *store, credentials_, setup(sockets), {}, [this] { ready_ = true; }),
          secrets_(
              loop_, workers_, credentials_,
              [](const std::string&, const aws::Credentials&) {
                  return Result<Bytes>(fail(Code::SecretMissing, "none"));
              },
              0),
          router_(loop_, workers_, lists_, *store, pool_, credentials_, secrets_, 10'000) {
        const auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = *net::listen_on(asked);
        endpoint_ = *net::local_endpoint(asked, listener);
        loop_.post([this, fd = std::make_shared<net::Fd>(std::move(listener))] {
            pass_ = std::make_unique<StreamPass>(loop_, pool_, router_, std::move(*fd));
            credentials_.start();
            pool_.start();
        });
        thread_ = std::thread([this] { loop_.run(); });
        EXPECT_TRUE(eventually([this] { return ready_.load(); }));
    }
    ~Passing() {
        on_loop([this] {
            pass_.reset();
            pool_.stop();
        });
        loop_.stop();
        thread_.join();
    }
    void on_loop(const std::function<void()>& work) {
        std::atomic<bool> done{false};
        loop_.post([&] {
            work();
            done = true;
        });
        while (!done)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::size_t usable() {
        std::size_t out = 0;
        on_loop([&] { out = pool_.usable().size(); });
        return out;
    }
    std::size_t connections() {
        std::size_t out = 0;
        on_loop([&] { out = pass_->connections(); });
        return out;
    }
    void drain(int ms, std::atomic<bool>& drained) {
        on_loop([&] { pass_->drain(ms, [&drained] { drained = true; }); });
    }
    Result<net::Fd> try_connect() const { return net::connect_to(endpoint_, 2'000); }
    net::Fd connect() const { return std::move(*try_connect()); }

    std::unique_ptr<store::Store> store;

  private:
    using StreamPass = gateway::StreamPass;
    static gateway::EnclavePool::Setup setup(const std::vector<std::string>& sockets) {
        gateway::EnclavePool::Setup out;
        for (const auto& socket : sockets)
            out.endpoints.push_back(*net::parse_endpoint("unix:" + socket));
        out.manifest = "{}";
        return out;
    }

    net::EventLoop loop_;
    WorkerPool workers_, lists_;
    gateway::CredentialKeeper credentials_;
    std::atomic<bool> ready_{false};
    gateway::EnclavePool pool_;
    gateway::ReferenceSecrets secrets_;
    gateway::Router router_;
    std::unique_ptr<StreamPass> pass_;
    net::Endpoint endpoint_;
    std::thread thread_;
};

inline bool put(const net::Fd& fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (n > 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        pollfd waiting{fd.get(), POLLOUT, 0};
        if (n == 0 || errno != EAGAIN || poll(&waiting, 1, 2'000) <= 0)
            return false;
    }
    return true;
}

// Up to `most` bytes, or to the end. `ended`: the connection was closed.
inline std::string get(const net::Fd& fd, std::size_t most, bool* ended = nullptr, int ms = 5'000) {
    std::string out(most, '\0');
    std::size_t size = 0;
    while (size < most) {
        pollfd waiting{fd.get(), POLLIN, 0};
        if (poll(&waiting, 1, ms) <= 0)
            break;
        const ssize_t n = recv(fd.get(), out.data() + size, most - size, 0);
        if (n <= 0) {
            if (ended != nullptr)
                *ended = true;
            break;
        }
        size += static_cast<std::size_t>(n);
    }
    out.resize(size);
    return out;
}

inline Bytes taken(std::size_t n) {
    Bytes out;
    wire::encode_stream_taken(out, static_cast<std::uint32_t>(n));
    return out;
}

// Gives back what comes, and takes it.
inline void echo(const StreamEnclave::Line& line, const StreamEnclave::Got& got) {
    if (got.kind == wire::Kind::StreamData) {
        line.send(wire::Kind::StreamTaken, got.id, taken(got.payload.size()));
        line.send(wire::Kind::StreamData, got.id, got.payload);
    } else if (got.kind == wire::Kind::StreamClose && got.payload == Bytes{0}) {
        line.close(got.id);
    }
}

} // namespace redoubt::tests
