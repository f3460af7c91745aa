// SPDX-License-Identifier: Apache-2.0
#include "devcloud/devcloud.h"

#include "base/log.h"
#include "devcloud/data_lock.h"
#include "devcloud/iam_admin.h"
#include "devcloud/serving.h"
#include "net/event_loop.h"
#include "net/http_server.h"

#include <fstream>
#include <iterator>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/epoll.h>

namespace redoubt::devcloud {

namespace {

// Service model: an attestation document of up to 262,144 bytes in base64 is the largest member.
constexpr std::size_t kMaxBody = 1 << 20;
constexpr int kDrainMs = 1'000;

Result<Bytes> read_certificate_der(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string pem{std::istreambuf_iterator<char>(in), {}};
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
    std::uint8_t* der = nullptr;
    const int size = certificate ? i2d_X509(certificate.get(), &der) : -1;
    if (size <= 0)
        return fail(Code::Io, "the attestation root is not a PEM certificate that can be read", path);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

struct Listening {
    net::Fd fd;
    net::Endpoint endpoint;
};

Result<Listening> start_listening(const std::string& text) {
    REDOUBT_TRY(const auto asked, net::parse_endpoint(text));
    if (asked.kind != net::Endpoint::Kind::Tcp)
        return fail(Code::Usage, "devcloud listens on tcp endpoints: tcp:HOST:PORT", text);
    Listening listening;
    REDOUBT_TRY(listening.fd, net::listen_on(asked));
    REDOUBT_TRY(listening.endpoint, net::local_endpoint(asked, listening.fd));
    return listening;
}

std::string url_of(const net::Endpoint& endpoint) {
    const bool ipv6 = endpoint.host.find(':') != std::string::npos && !endpoint.host.starts_with('[');
    return "http://" + (ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
           std::to_string(endpoint.port);
}

void deliver(Outcome& outcome, const net::HttpServer::Responder& respond) {
    if (outcome.cut_after)
        respond.cut(std::move(outcome.response), *outcome.cut_after);
    else
        respond(std::move(outcome.response));
}

} // namespace

Status serve(const Options& options, int stop_fd, const std::function<void(const Started&)>& ready) {
    crypto::SystemRandom random;
    REDOUBT_TRY(const auto lock, lock_data_folder(options.data_dir));
    REDOUBT_TRY(const auto state, State::open(options.data_dir));
    REDOUBT_TRY(auto events, EventLog::open(options.data_dir + "/events.jsonl"));
    Cloud cloud{{}, *state, events, random, system_time_ms};
    cloud.settings.region = options.region;
    cloud.settings.account = options.account;
    cloud.settings.access_key_id = options.access_key_id;
    cloud.settings.secret_access_key = Secret::copy_of(as_bytes(options.secret_access_key));
    cloud.settings.instance_role = options.instance_role;
    cloud.settings.imds_token_key = random.array<32>();
    REDOUBT_TRY(cloud.settings.attestation_root_der, read_certificate_der(options.attestation_root));
    REDOUBT_CHECK(prepare_iam(cloud));

    REDOUBT_TRY(const auto tls,
                net::TlsContext::server(options.tls_certificate, options.tls_key, {"http/1.1"}));
    REDOUBT_TRY(auto plain_listener, start_listening(options.http_listen));
    REDOUBT_TRY(auto tls_listener, start_listening(options.tls_listen));

    net::EventLoop loop;
    net::HttpServerOptions server_options;
    server_options.limits.body = kMaxBody;
    const auto handler = [&cloud, &loop](Listener listener) {
        return [&cloud, &loop, listener](net::HttpRequest request, net::HttpServer::Responder respond) {
            auto outcome = answer(cloud, request, listener);
            if (outcome.delay_ms == 0)
                return deliver(outcome, respond);
            (void)loop.after(outcome.delay_ms, [late = std::make_shared<Outcome>(std::move(outcome)),
                                                respond] { deliver(*late, respond); });
        };
    };
    net::HttpServer plain_server(loop, std::move(plain_listener.fd), nullptr, server_options,
                                 handler(Listener::Plain));
    net::HttpServer tls_server(loop, std::move(tls_listener.fd), &tls, server_options,
                               handler(Listener::Tls));

    int draining = 2;
    const auto drained = [&] {
        if (--draining == 0)
            loop.stop();
    };
    loop.add(stop_fd, EPOLLIN, [&](std::uint32_t) {
        loop.remove(stop_fd);
        plain_server.drain(kDrainMs, drained);
        tls_server.drain(kDrainMs, drained);
    });

    const Started started{url_of(plain_listener.endpoint),
                          static_cast<std::uint16_t>(tls_listener.endpoint.port)};
    log(LogLevel::Info, "devcloud_started", {{"url", started.url}});
    if (ready)
        ready(started);
    loop.run();
    log(LogLevel::Info, "devcloud_stopped");
    return {};
}

} // namespace redoubt::devcloud
