// SPDX-License-Identifier: Apache-2.0
// From an enclave's frames to what an operator reads, over real sockets.
#include "gateway/metrics_server.h"
#include "support.h"

namespace redoubt::gateway {
namespace {

using redoubt::tests::FakeEnclave;
using redoubt::tests::Folder;
using redoubt::tests::json_reply;

wire::Sample sample(wire::Metric metric, std::string first, std::string second, std::int64_t value) {
    return {static_cast<std::uint16_t>(metric), std::move(first), std::move(second), value};
}

std::vector<wire::Sample> samples() {
    using wire::Metric;
    return {sample(Metric::Requests, "sign-message", "ok", 5),
            sample(Metric::RequestTime, "sign-message", "", 2'500'000),
            sample(Metric::KmsTime, "decrypt", "00", 1),
            sample(Metric::KmsTime, "decrypt", "10", 3),
            sample(Metric::KmsTime, "decrypt", "sum", 1'500),
            sample(Metric::LeaseRemaining, "vault-1", "", 90'000),
            sample(Metric::ClockStep, "", "", -250)};
}

wire::Reply samples_reply() {
    wire::Reply reply;
    reply.content_type = wire::ContentType::None;
    reply.body = std::string(as_text(wire::encode_samples(samples())));
    return reply;
}

const std::string kZeros(96, '0'), kPcr(96, 'a');

// A pool with one enclave, watched, and its listener for operators.
class Watched {
  public:
    explicit Watched(FakeEnclave::Script script)
        : enclave_(folder_.file("enclave"), std::move(script)),
          store_(*store::open_store(folder_.file("store.db"))), measured_(*store_), aws_workers_(1, 8),
          store_workers_(1, 8),
          credentials_(
              loop_, aws_workers_,
              [] {
                  aws::Credentials out;
                  out.access_key_id = "ASIAEXAMPLE";
                  out.secret_access_key = Secret::copy_of(to_bytes("example-secret"));
                  out.expires = system_time_ms() + 3'600'000;
                  return Result<aws::Credentials>(std::move(out));
              },
              [this](const CredentialKeeper::Credentials&) { pool_.credentials_changed(); }),
          pool_(loop_, store_workers_, measured_, credentials_,
                {.endpoints = {*net::parse_endpoint("unix:" + folder_.file("enclave"))}, .manifest = "{}"},
                {}, [] {}),
          watcher_(loop_, pool_), observatory_({.metrics = metrics_,
                                                .enclaves = watcher_,
                                                .pool = pool_,
                                                .credentials = &credentials_,
                                                .store = &measured_}) {
        server_ =
            std::move(*MetricsServer::open(loop_, *net::parse_endpoint("tcp:127.0.0.1:0"), observatory_));
        credentials_.start();
        pool_.start();
        watcher_.start();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Watched() {
        loop_.post([this] {
            watcher_.stop();
            pool_.stop();
            loop_.stop();
        });
        thread_.join();
    }

    net::HttpResponse get(const std::string& target, const std::string& host = {}) {
        net::HttpClient client(server_->endpoint(), nullptr, "");
        net::HttpRequest request;
        request.method = "GET";
        request.target = target;
        request.authority = host.empty() ? "127.0.0.1:" + std::to_string(server_->endpoint().port) : host;
        auto response = client.send(request, 5'000);
        EXPECT_TRUE(response);
        return response ? *response : net::HttpResponse{};
    }
    std::string text(const std::string& target) { return std::string(as_text(get(target).body)); }
    // Once it holds that.
    std::string text_with(const std::string& target, const std::string& part) {
        const std::int64_t limit = monotonic_ms() + 10'000;
        for (;;) {
            auto out = text(target);
            if (out.find(part) != std::string::npos || monotonic_ms() > limit)
                return out;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
    std::string name() const { return "unix:" + folder_.file("enclave"); }
    FakeEnclave& enclave() { return enclave_; }

  private:
    Folder folder_;
    FakeEnclave enclave_;
    net::EventLoop loop_;
    std::unique_ptr<store::Store> store_;
    MeasuredStore measured_;
    WorkerPool aws_workers_, store_workers_;
    CredentialKeeper credentials_;
    EnclavePool pool_;
    Metrics metrics_;
    EnclaveMetrics watcher_;
    Observatory observatory_;
    std::unique_ptr<MetricsServer> server_;
    std::thread thread_;
};

FakeEnclave::Script telling(std::string pcr0) {
    return [pcr0 = std::move(pcr0)](wire::Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind == wire::Kind::Metrics)
            return samples_reply();
        if (kind == wire::Kind::Hello)
            return json_reply(
                200, R"({"protocol":1,"version":"1.2.3","module_id":"i-1-enc2","image":"production",)"
                     R"("manifest":"aa","pcr0":")" +
                         pcr0 + R"(","pcr16":"bb"})");
        return redoubt::tests::working(kind);
    };
}

TEST(EnclaveSamples, stand_in_the_metrics_with_their_enclaves_name) {
    Watched watched(telling(kPcr));
    const std::string label = R"({enclave=")" + watched.name() + R"(")";
    const auto text = watched.text_with("/metrics", "redoubt_enclave_clock_step_seconds");
    const auto has = [&](const std::string& line) {
        EXPECT_NE(text.find("\n" + line + "\n"), std::string::npos) << line << "\nin\n" << text;
    };
    has("redoubt_enclave_requests_total" + label + R"(,operation="sign-message",outcome="ok"} 5)");
    has("redoubt_enclave_request_seconds_total" + label + R"(,operation="sign-message"} 2.5)");
    has("redoubt_enclave_kms_call_seconds_count" + label + R"(,call="decrypt"} 3)");
    has("redoubt_enclave_kms_call_seconds_sum" + label + R"(,call="decrypt"} 1.5)");
    has("redoubt_enclave_kms_call_seconds_bucket" + label + R"(,call="decrypt",le="+Inf"} 3)");
    has("redoubt_enclave_vault_lease_remaining_seconds" + label + R"(,vault="vault-1"} 90)");
    has("redoubt_enclave_clock_step_seconds" + label + "} -0.25");
    has("redoubt_enclave_connected" + label + "} 1");
    has("redoubt_enclave_usable" + label + "} 1");
    has("redoubt_enclave_crowded" + label + "} 0");
    has("redoubt_enclave_debug" + label + "} 0");
    has("redoubt_enclaves 1");
    has("redoubt_enclaves_usable 1");
    EXPECT_NE(text.find(R"(version="1.2.3")"), std::string::npos);
    EXPECT_NE(text.find("redoubt_credentials_remaining_seconds 35"), std::string::npos) << "some 3,599 s";
}

TEST(EnclaveSamples, go_when_their_enclave_goes) {
    Watched watched(telling(kPcr));
    const std::string label = R"({enclave=")" + watched.name() + R"("})";
    (void)watched.text_with("/metrics", "redoubt_enclave_clock_step_seconds");
    watched.enclave().kill();
    auto text = watched.text_with("/metrics", "redoubt_enclave_connected" + label + " 0");
    EXPECT_NE(text.find("redoubt_enclave_connected" + label + " 0"), std::string::npos) << text;
    const std::int64_t limit = monotonic_ms() + 10'000;
    while (text.find("redoubt_enclave_clock_step_seconds") != std::string::npos && monotonic_ms() < limit)
        text = watched.text("/metrics");
    EXPECT_EQ(text.find("redoubt_enclave_clock_step_seconds"), std::string::npos)
        << "what it said is history";
}

TEST(EnclaveSamples, that_cannot_be_read_are_counted_and_harm_nothing) {
    Watched watched([](wire::Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind == wire::Kind::Metrics)
            return json_reply(200, "no samples");
        if (kind == wire::Kind::Hello)
            return json_reply(200, "no json");
        return redoubt::tests::working(kind);
    });
    const std::string missed =
        R"(redoubt_enclave_samples_missed_total{enclave=")" + watched.name() + R"("} 1)";
    const auto text = watched.text_with("/metrics", missed);
    EXPECT_NE(text.find(missed), std::string::npos) << text;
    EXPECT_NE(text.find("redoubt_enclaves_usable 1"), std::string::npos) << text;
    EXPECT_EQ(text.find("redoubt_enclave_info"), std::string::npos);
}

TEST(StatusListener, shows_an_enclave_in_debug_mode_as_such) {
    Watched watched(telling(kZeros));
    const auto html = watched.text_with("/status", "Debug mode");
    EXPECT_NE(html.find("Debug mode: PCR0 is all zero"), std::string::npos) << html;
    EXPECT_NE(html.find("i-1-enc2"), std::string::npos);
    EXPECT_NE(watched.text("/metrics").find("redoubt_enclave_debug{enclave=\"" + watched.name() + "\"} 1"),
              std::string::npos);
}

TEST(StatusListener, has_two_pages_and_refuses_other_names_for_itself) {
    Watched watched(telling(kPcr));
    EXPECT_EQ(watched.get("/metrics").header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(watched.get("/").status, 302);
    EXPECT_EQ(watched.get("/").header("location"), "/status");
    EXPECT_EQ(watched.get("/v1/keys").status, 404);
    EXPECT_EQ(watched.get("/metrics", "evil.example").status, 421);
    EXPECT_EQ(watched.get("/metrics", "localhost").status, 200);
}

TEST(EnclaveDescriptions, hold_only_plain_text) {
    const auto read = read_description(R"({"version":"1.0","module_id":"a b","pcr0":7,"image":"\u0001"})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->version, "1.0");
    EXPECT_EQ(read->module_id, "");
    EXPECT_EQ(read->pcr0, "");
    EXPECT_EQ(read->image, "");
    EXPECT_FALSE(read->debug()) << "not told is not zero";
    EXPECT_FALSE(read_description("[]"));
    EXPECT_FALSE(read_description("{"));
    EXPECT_TRUE(read_description(R"({"pcr0":"0000"})")->debug());
}

} // namespace
} // namespace redoubt::gateway
