// SPDX-License-Identifier: Apache-2.0
#include "gateway/gatekeeper.h"
#include "gateway/key_guard.h"

#include "crypto/hash.h"
#include "support.h"

namespace redoubt::tests {
namespace {

using gateway::Call;
using gateway::Gatekeeper;

const std::string kToken = "rdt_0000000000000001_" + std::string(64, 'a');
const std::string kKeyA = "key-000000000000000000000000000000aa";
const std::string kKeyB = "key-000000000000000000000000000000bb";

std::string clients_json(const std::string& grant, const std::string& more = {}) {
    return R"({"version":1,"hosts":["signer.example"])" + more +
           R"(,"clients":[{"name":"pay","tokens":[{"id":"0000000000000001","sha256":")" +
           to_hex(crypto::sha256(as_bytes(kToken))) + "\"}]," + grant + "}]}";
}

class GatekeeperTest : public testing::Test {
  protected:
    void SetUp() override {
        write_certificate();
        ASSERT_TRUE(open(clients_json(R"("keys":["*"],"operations":["sign-message","list"])")));
    }
    void write_certificate() {
        const auto authority = *net::make_certificate_authority("Redoubt test CA");
        const auto pair = *net::make_server_certificate(authority, {"signer.example"});
        write_text(folder_.file("server.pem"), pair.certificate);
        write_text(folder_.file("server.key"), pair.key);
    }
    bool open(const std::string& document) {
        write_text(folder_.file("clients.json"), document);
        auto opened = Gatekeeper::open(
            {folder_.file("server.pem"), folder_.file("server.key"), folder_.file("clients.json")},
            *net::parse_endpoint("tcp:0.0.0.0:8443"));
        if (!opened) {
            ADD_FAILURE() << opened.error().describe();
            return false;
        }
        gatekeeper_ = std::move(*opened);
        return true;
    }
    Call call(const std::string& method, const std::string& path, const std::string& token = kToken,
              const std::string& host = "signer.example:8443") {
        Call out;
        out.request.method = method;
        out.request.path = out.request.target = path;
        out.request.authority = host;
        if (!token.empty())
            out.request.headers.push_back({"authorization", "Bearer " + token});
        out.respond = [this](net::HttpResponse response) { answers_.push_back(std::move(response)); };
        return out;
    }
    // 0: it passed.
    int status(Call& asked) {
        auto refusal = gatekeeper_->check(asked);
        last_ = refusal.value_or(net::HttpResponse());
        return refusal ? refusal->status : 0;
    }
    int status(Call&& asked) { return status(asked); }
    std::string sign_message() const { return "/v1/keys/" + kKeyA + "/sign-message"; }

    Folder folder_;
    std::unique_ptr<Gatekeeper> gatekeeper_;
    net::HttpResponse last_;
    std::vector<net::HttpResponse> answers_;
};

TEST_F(GatekeeperTest, lets_in_whom_the_document_knows_and_says_who_it_is) {
    Call good = call("POST", sign_message());
    EXPECT_EQ(status(good), 0);
    EXPECT_EQ(good.caller.name, "pay");
    ASSERT_NE(good.caller.grant, nullptr);
    EXPECT_EQ(gatekeeper_->refusals().unauthorized, 0u);
}

TEST_F(GatekeeperTest, answers_401_with_what_would_help) {
    EXPECT_EQ(status(call("POST", sign_message(), "")), 401);
    EXPECT_EQ(last_.header("www-authenticate"), R"(Bearer realm="redoubt")");
    EXPECT_EQ(status(call("POST", sign_message(), kToken.substr(1))), 401);
    EXPECT_EQ(last_.header("www-authenticate"), R"(Bearer realm="redoubt", error="invalid_token")");
    EXPECT_EQ(gatekeeper_->refusals().unauthorized, 2u);
}

TEST_F(GatekeeperTest, answers_403_with_the_operation_that_is_missing) {
    EXPECT_EQ(status(call("POST", "/v1/keys/" + kKeyA + "/export")), 403);
    EXPECT_NE(as_text(last_.body).find("lack export"), std::string_view::npos) << as_text(last_.body);
    EXPECT_EQ(status(call("POST", "/sign_transaction")), 403);
    EXPECT_EQ(status(call("GET", "/metrics")), 403);
}

TEST_F(GatekeeperTest, answers_421_for_another_host_and_404_for_no_route) {
    EXPECT_EQ(status(call("POST", sign_message(), kToken, "rebound.example")), 421);
    EXPECT_EQ(status(call("GET", "/v1/nothing")), 404);
    EXPECT_EQ(status(call("GET", "/v1/nothing", "")), 401) << "strangers do not learn what there is";
}

TEST_F(GatekeeperTest, health_needs_no_client_and_no_host) {
    Call health = call("GET", "/healthz", "", "10.0.0.7");
    EXPECT_EQ(status(health), 0);
    EXPECT_EQ(health.caller.grant, nullptr);
}

TEST_F(GatekeeperTest, json_rpc_needs_a_client_and_its_methods_are_checked_later) {
    EXPECT_EQ(status(call("POST", "/rpc")), 0);
    EXPECT_EQ(status(call("POST", "/")), 0);
    EXPECT_EQ(status(call("POST", "/rpc", "")), 401);
}

TEST_F(GatekeeperTest, a_client_is_held_to_its_rate_and_told_when_to_come_again) {
    ASSERT_TRUE(open(clients_json(R"("keys":["*"],"operations":["*"],"rate_per_second":1,"burst":2)")));
    EXPECT_EQ(status(call("POST", sign_message())), 0);
    EXPECT_EQ(status(call("POST", sign_message())), 0);
    EXPECT_EQ(status(call("POST", sign_message())), 429);
    EXPECT_EQ(last_.header("retry-after"), "1");
    EXPECT_NE(as_text(last_.body).find("too_many_requests"), std::string_view::npos);
    EXPECT_EQ(gatekeeper_->refusals().rate, 1u);
}

TEST_F(GatekeeperTest, a_client_has_as_many_requests_in_work_as_it_may_until_they_are_answered) {
    ASSERT_TRUE(open(clients_json(R"("keys":["*"],"operations":["*"],"concurrency":1)")));
    Call first = call("POST", sign_message());
    EXPECT_EQ(status(first), 0);
    EXPECT_EQ(status(call("POST", sign_message())), 429);
    first.respond(net::HttpResponse::json(200, "{}"));
    EXPECT_EQ(answers_.size(), 1u);
    EXPECT_EQ(status(call("POST", sign_message())), 0) << "the first was answered";
}

TEST_F(GatekeeperTest, further_calls_for_one_request_cost_tokens_too) {
    ASSERT_TRUE(open(clients_json(R"("keys":["*"],"operations":["*"],"rate_per_second":1,"burst":2)")));
    Call batch = call("POST", "/rpc");
    ASSERT_EQ(status(batch), 0);
    EXPECT_FALSE(gatekeeper_->charge(batch.caller));
    EXPECT_FALSE(gatekeeper_->charge(batch.caller));
    const auto refusal = gatekeeper_->charge(batch.caller);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 429);
}

TEST_F(GatekeeperTest, without_a_document_only_loopback_is_served) {
    const Gatekeeper::Files files{folder_.file("server.pem"), folder_.file("server.key"), ""};
    for (const char* where : {"tcp:0.0.0.0:1", "tcp:[::]:1", "tcp:10.0.0.1:1"}) {
        const auto refused = Gatekeeper::open(files, *net::parse_endpoint(where));
        ASSERT_FALSE(refused) << where;
        EXPECT_EQ(refused.error().code, Code::Usage);
        EXPECT_NE(refused.error().text.view().find("--clients"), std::string_view::npos);
    }
    for (const char* where : {"tcp:127.0.0.1:1", "tcp:[::1]:1"}) {
        auto opened = Gatekeeper::open(files, *net::parse_endpoint(where));
        ASSERT_TRUE(opened) << where;
        Call anybody = call("POST", sign_message(), "", "whatever");
        EXPECT_FALSE((*opened)->check(anybody));
        EXPECT_EQ(anybody.caller.name, "");
        EXPECT_EQ(anybody.caller.grant, nullptr);
    }
}

TEST_F(GatekeeperTest, a_reload_takes_over_a_good_document_and_keeps_the_old_one_before_a_bad_one) {
    const std::string path = folder_.file("clients.json");
    write_text(path, clients_json(R"("keys":["*"],"operations":["list"])"));
    EXPECT_EQ(status(call("POST", sign_message())), 0) << "nothing changes by itself";
    ASSERT_TRUE(gatekeeper_->reload());
    EXPECT_EQ(status(call("POST", sign_message())), 403);

    write_text(path, R"({"version":1,"clients":[{"name":"pay"}]})");
    EXPECT_FALSE(gatekeeper_->reload());
    EXPECT_EQ(status(call("GET", "/v1/keys")), 0);

    write_text(path, clients_json(R"("keys":["*"],"operations":["*"])"));
    write_text(folder_.file("server.key"), "no key");
    EXPECT_FALSE(gatekeeper_->reload());
    EXPECT_EQ(status(call("POST", sign_message())), 403)
        << "all or nothing: the key is bad, the clients stay";

    write_certificate();
    const auto* const before = gatekeeper_->tls().get();
    EXPECT_TRUE(gatekeeper_->reload());
    EXPECT_NE(gatekeeper_->tls().get(), before);
    EXPECT_EQ(status(call("POST", sign_message())), 0);
}

TEST_F(GatekeeperTest, ca_files_are_named_from_the_documents_folder_and_must_be_there) {
    const std::string document = clients_json(R"("keys":["*"],"operations":["*"],"dns_name":"pay.example")",
                                              R"(,"client_ca":"ca.pem")");
    write_text(folder_.file("clients.json"), document);
    EXPECT_FALSE(gatekeeper_->reload());
    write_text(folder_.file("ca.pem"), net::make_certificate_authority("clients")->certificate);
    EXPECT_TRUE(gatekeeper_->reload());
}

// A store with one key, by id and address.
class OneKey final : public store::Store {
  public:
    Status put_key(ByteView) override { return {}; }
    Status update_key(ByteView) override { return {}; }
    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        ++asked;
        if (sealed::key_id_text(id) != kKeyB)
            return std::nullopt;
        sealed::KeyHead head;
        head.id = id;
        head.address.fill(0xbb);
        crypto::SystemRandom random;
        return sealed::seal_key(random.secret(32), head, random.secret(32), random);
    }
    Result<store::KeyPage> list_keys(const store::KeyFilter&, std::optional<store::Position>,
                                     std::size_t) override {
        return store::KeyPage{};
    }
    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs, std::size_t) override {
        return std::vector<sealed::KeyId>{};
    }
    Status put_vault(ByteView) override { return {}; }
    Result<std::vector<Bytes>> list_vaults() override { return std::vector<Bytes>{}; }
    Result<std::optional<Bytes>> get_vault(const sealed::VaultId&) override { return std::nullopt; }
    Status put_policy(ByteView) override { return {}; }
    Result<std::optional<Bytes>> get_policy(const Hash32&) override { return std::nullopt; }
    Status put_counters(ByteView) override { return {}; }
    Result<std::optional<Bytes>> get_counters(const sealed::KeyId&) override { return std::nullopt; }

    std::atomic<int> asked{0};
};

class KeyGuardTest : public GatekeeperTest {
  protected:
    // The status of the refusal; 0: it went on to the enclave.
    int guarded(const std::string& method, const std::string& path, const std::string& body = {}) {
        Call asked = call(method, path);
        asked.request.body = to_bytes(body);
        if (const int refused = status(asked); refused != 0)
            return refused;
        answers_.clear();
        passed_ = 0;
        guard_.serve(std::move(asked));
        const auto until = monotonic_ms() + 10'000;
        while (answers_.empty() && passed_ == 0 && monotonic_ms() < until) {
            loop_.after(2, [this] { loop_.stop(); });
            loop_.run();
        }
        EXPECT_EQ(answers_.size() + static_cast<std::size_t>(passed_), 1u);
        return answers_.empty() ? 0 : answers_.front().status;
    }
    void grant(const std::string& keys) {
        ASSERT_TRUE(open(
            clients_json(R"("operations":["sign-message","sign-transaction","sign-raw","list","create"],)"
                         R"("keys":)" +
                         keys)));
    }

    net::EventLoop loop_;
    OneKey store_;
    WorkerPool workers_{1, 8};
    int passed_ = 0;
    // Opened anew by each test: the guard asks it only for charges.
    std::unique_ptr<Gatekeeper> charges_ =
        std::move(*Gatekeeper::open(files(), *net::parse_endpoint("tcp:127.0.0.1:1")));
    gateway::KeyGuard guard_{loop_, workers_, store_, *charges_, [this](const Call&) { ++passed_; }};

  private:
    Gatekeeper::Files files() {
        write_certificate();
        return {folder_.file("server.pem"), folder_.file("server.key"), ""};
    }
};

TEST_F(KeyGuardTest, a_key_that_is_named_by_id_is_the_clients_and_others_are_not) {
    grant("[\"" + kKeyA + "\"]");
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyA + "/sign-message"), 0);
    EXPECT_EQ(guarded("GET", "/v1/keys/" + kKeyA), 0);
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyB + "/sign-message"), 403);
    EXPECT_EQ(guarded("GET", "/v1/keys/" + kKeyB), 403);
    EXPECT_EQ(store_.asked, 0) << "ids need no look at the store";
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyA.substr(4) + "/sign-message"), 404);
}

TEST_F(KeyGuardTest, a_key_that_is_named_by_address_is_looked_up_once) {
    grant(R"(["0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"])");
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyB + "/sign-message"), 0);
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyB + "/sign-hash"), 0);
    EXPECT_EQ(store_.asked, 1);
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyA + "/sign-message"), 404) << "the store has no such key";
    grant(R"(["0xcccccccccccccccccccccccccccccccccccccccc"])");
    EXPECT_EQ(guarded("POST", "/v1/keys/" + kKeyB + "/sign-message"), 403);
}

TEST_F(KeyGuardTest, reference_keys_are_named_by_their_secret) {
    grant(R"(["secret:hot"])");
    EXPECT_EQ(guarded("POST", "/sign_hash", R"({"hash":"00","secret_id":"hot"})"), 0);
    EXPECT_EQ(guarded("POST", "/", R"({"transaction_payload":{},"secret_id":"h\u006ft"})"), 0);
    EXPECT_EQ(guarded("POST", "/any/path", R"({"transaction_payload":{},"secret_id":"cold"})"), 403);
    EXPECT_EQ(guarded("POST", "/", R"({"secret_id":"hot","secret_id":"cold"})"), 403);
    EXPECT_EQ(guarded("POST", "/", "not json"), 403);
}

TEST_F(KeyGuardTest, what_names_no_key_needs_only_its_operation) {
    grant("[]");
    EXPECT_EQ(guarded("POST", "/v1/keys", "{}"), 0);
    EXPECT_EQ(guarded("POST", "/v1/vaults", "{}"), 403) << "vaults is not granted";
}

TEST_F(KeyGuardTest, the_gateways_own_calls_are_held_to_the_grant_of_whom_they_are_for) {
    grant("[\"" + kKeyA + "\"]");
    Call rpc = call("POST", "/rpc");
    ASSERT_EQ(status(rpc), 0);
    for (const auto& [path, wanted] :
         std::vector<std::pair<std::string, int>>{{"/v1/keys/" + kKeyA + "/sign-message", 0},
                                                  {"/v1/keys/" + kKeyB + "/sign-message", 403},
                                                  {"/v1/keys/" + kKeyA + "/export", 403},
                                                  {"/v1/nothing", 404}}) {
        answers_.clear();
        passed_ = 0;
        guard_.serve(call_for(rpc, "POST", path, "{}", [this](net::HttpResponse response) {
            answers_.push_back(std::move(response));
        }));
        EXPECT_EQ(answers_.empty() ? 0 : answers_.front().status, wanted) << path;
        EXPECT_EQ(passed_, wanted == 0 ? 1 : 0) << path;
    }
}

} // namespace
} // namespace redoubt::tests
