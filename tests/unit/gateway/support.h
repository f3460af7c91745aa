// SPDX-License-Identifier: Apache-2.0
// Enclaves and a cloud that the tests script, and a gateway between them.
#pragma once

#include "base/clock.h"
#include "gateway/gateway.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "store/store.h"
#include "wire/message.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace redoubt::tests {

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "redoubt-gw-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

inline void write_text(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline wire::Reply json_reply(int status, std::string body) {
    wire::Reply reply;
    reply.status = static_cast<std::uint16_t>(status);
    reply.body = std::move(body);
    return reply;
}

inline wire::Reply need_reply(wire::ItemKind kind, const std::string& name) {
    wire::Reply reply;
    reply.status = wire::kNeeds;
    reply.needs.push_back({kind, name});
    return reply;
}

// Answers frames as the script says; nullopt: never. The script runs on the connection's thread.
class FakeEnclave {
  public:
    using Script = std::function<std::optional<wire::Reply>(wire::Kind, ByteView payload)>;

    FakeEnclave(std::string path, Script script) : path_(std::move(path)), script_(std::move(script)) {
        start();
    }
    ~FakeEnclave() { kill(); }

    // As a process that ends: the socket and all connections are gone at once.
    void kill() {
        stopping_ = true;
        if (listener_)
            ::shutdown(listener_.get(), SHUT_RDWR);
        (void)unlink(path_.c_str());
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
    }
    void start() {
        stopping_ = false;
        listener_ = *net::listen_on(*net::parse_endpoint("unix:" + path_));
        acceptor_ = std::thread([this] { accept_all(); });
    }

    std::size_t count(wire::Kind kind) {
        const std::lock_guard lock(mutex_);
        return counts_[kind];
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
            while (true) {
                const auto frame = reader.next();
                if (!frame || !*frame)
                    break;
                {
                    const std::lock_guard lock(mutex_);
                    ++counts_[(*frame)->kind];
                }
                const auto reply = script_((*frame)->kind, (*frame)->payload);
                if (!reply)
                    continue;
                Bytes out;
                const std::size_t at = wire::begin_frame(out, wire::Kind::Reply, (*frame)->id);
                wire::encode_reply(out, *reply);
                wire::end_frame(out, at);
                (void)!send(fd, out.data(), out.size(), MSG_NOSIGNAL);
            }
        }
        const std::lock_guard lock(mutex_);
        std::erase(connections_, fd);
        close(fd);
    }

    std::string path_;
    Script script_;
    net::Fd listener_;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::thread> threads_;
    std::vector<int> connections_;
    std::map<wire::Kind, std::size_t> counts_;
    std::atomic<bool> stopping_{false};
};

// What every working enclave says to what is no client's request.
inline std::optional<wire::Reply> working(wire::Kind kind) {
    if (kind == wire::Kind::Probe)
        return json_reply(200, R"({"ok":true,"vaults_open":9})");
    return json_reply(200, R"({"ok":true})");
}

// IMDSv2 and Secrets Manager in as far as the gateway asks them.
class FakeCloud {
  public:
    explicit FakeCloud(std::function<net::HttpResponse(const std::string& secret_body)> secret = {})
        : secret_(std::move(secret)) {
        auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = *net::listen_on(asked);
        url = "http://127.0.0.1:" + std::to_string(net::local_endpoint(asked, listener)->port);
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(listener), nullptr, net::HttpServerOptions{},
            [this](net::HttpRequest request, net::HttpServer::Responder respond) {
                if (request.header("x-amz-target") == "secretsmanager.GetSecretValue") {
                    ++secret_calls;
                    // Later, as a network is: callers that came meanwhile wait together.
                    loop_.after(30, [this, respond, body = std::string(as_text(request.body))] {
                        respond(secret_(body));
                    });
                    return;
                }
                respond(imds(request));
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~FakeCloud() {
        loop_.stop();
        thread_.join();
    }

    std::string url;
    std::atomic<int> secret_calls{0}, credential_calls{0};
    std::atomic<int> lifetime_ms{3'600'000};

  private:
    net::HttpResponse imds(const net::HttpRequest& request) {
        if (request.method == "PUT" && request.path == "/latest/api/token") {
            auto token = net::HttpResponse::text(200, "TOKEN");
            token.headers.push_back({"x-aws-ec2-metadata-token-ttl-seconds", "21600"});
            return token;
        }
        constexpr std::string_view kRoles = "/latest/meta-data/iam/security-credentials/";
        if (request.path == kRoles)
            return net::HttpResponse::text(200, "role");
        if (request.path == std::string(kRoles) + "role") {
            ++credential_calls;
            return net::HttpResponse::json(
                200,
                R"({"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC",)"
                R"("AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"example-secret","Token":"example-token",)"
                R"("Expiration":")" +
                    to_iso8601(system_time_ms() + lifetime_ms) + R"("})");
        }
        return net::HttpResponse::text(404, "not here");
    }

    std::function<net::HttpResponse(const std::string&)> secret_;
    net::EventLoop loop_;
    std::unique_ptr<net::HttpServer> server_;
    std::thread thread_;
};

// gateway::serve on a thread of its own.
class RunningGateway {
  public:
    RunningGateway(const Folder& folder, const FakeCloud& cloud, std::vector<std::string> sockets,
                   const std::function<void(gateway::Options&)>& change = {}) {
        static const net::PemPair authority = *net::make_certificate_authority("gateway tests");
        static const net::PemPair certificate = *net::make_server_certificate(authority, {"127.0.0.1"});
        write_text(folder.file("cert.pem"), certificate.certificate);
        write_text(folder.file("key.pem"), certificate.key);
        write_text(folder.file("manifest.json"), R"({"the enclaves":"read it"})");
        gateway::Options options;
        options.listen = *net::parse_endpoint("tcp:127.0.0.1:0");
        options.certificate_file = folder.file("cert.pem");
        options.key_file = folder.file("key.pem");
        options.manifest_file = folder.file("manifest.json");
        options.store_path = folder.file("store.db");
        options.secretsmanager_endpoint = options.imds_endpoint = cloud.url;
        for (const auto& socket : sockets)
            options.enclaves.push_back(*net::parse_endpoint("unix:" + socket));
        if (change)
            change(options);
        stop_ = net::Fd(eventfd(0, EFD_CLOEXEC));
        thread_ = std::thread([this, options] {
            const auto status = gateway::serve(
                options, stop_.get(), [this](const net::Endpoint& at) { port_ = static_cast<int>(at.port); });
            failed_ = !status;
        });
        const std::int64_t limit = monotonic_ms() + 10'000;
        while (port_ == 0 && !failed_ && monotonic_ms() < limit)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        tls_ =
            std::make_unique<net::TlsContext>(*net::TlsContext::client(authority.certificate, {"http/1.1"}));
    }
    ~RunningGateway() {
        const std::uint64_t one = 1;
        (void)!write(stop_.get(), &one, sizeof one);
        thread_.join();
    }

    bool ready() const { return port_ != 0; }

    Result<net::HttpResponse>
    send(const std::string& method, const std::string& target, const std::string& body = {},
         std::vector<net::Header> headers = {{"content-type", "application/json"}}) const {
        net::Endpoint endpoint = *net::parse_endpoint("tcp:127.0.0.1:" + std::to_string(port_));
        net::HttpClient client(endpoint, tls_.get(), "127.0.0.1");
        net::HttpRequest request;
        request.method = method;
        request.target = target;
        request.authority = "127.0.0.1:" + std::to_string(port_);
        request.headers = std::move(headers);
        request.body = to_bytes(body);
        return client.send(request, 15'000);
    }

  private:
    net::Fd stop_;
    std::thread thread_;
    std::atomic<int> port_{0};
    std::atomic<bool> failed_{false};
    std::unique_ptr<net::TlsContext> tls_;
};

inline std::string text(const net::HttpResponse& response) {
    return std::string(as_text(response.body));
}

} // namespace redoubt::tests
