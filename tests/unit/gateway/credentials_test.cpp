// SPDX-License-Identifier: Apache-2.0
// Where the gateway's AWS credentials come from, and when it fetches new ones.
#include "gateway/credential_keeper.h"
#include "support.h"

#include <cstdlib>

namespace redoubt {
namespace {

using namespace tests;
using wire::ItemKind;
using wire::Kind;

// Variables of this process, gone with the guard.
class Variables {
  public:
    explicit Variables(std::vector<std::pair<const char*, std::string>> values) : values_(std::move(values)) {
        for (const auto& [name, value] : values_)
            setenv(name, value.c_str(), 1);
    }
    ~Variables() {
        for (const auto& [name, value] : values_)
            unsetenv(name);
    }

  private:
    std::vector<std::pair<const char*, std::string>> values_;
};

class AccessKeys {
  public:
    std::optional<wire::Reply> take(Kind kind, ByteView payload) {
        if (kind == Kind::Credentials)
            if (const auto credentials = wire::decode_credentials(payload)) {
                const std::lock_guard lock(mutex_);
                last_ = std::string(credentials->access_key_id);
            }
        return working(kind);
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return last_;
    }

  private:
    std::mutex mutex_;
    std::string last_;
};

TEST(GatewayCredentials, come_from_the_first_source_that_is_configured) {
    Folder folder;
    FakeCloud cloud;
    AccessKeys keys;
    FakeEnclave enclave(folder.file("e"),
                        [&](Kind kind, ByteView payload) { return keys.take(kind, payload); });
    const Variables variables(
        {{"AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"}, {"AWS_SECRET_ACCESS_KEY", "secret"}});
    {
        RunningGateway gateway(folder, cloud, {folder.file("e")});
        ASSERT_TRUE(gateway.ready());
        EXPECT_EQ(keys.last(), "AKIAENVIRONMENT");
        EXPECT_EQ(cloud.credential_calls, 0);
    }
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.credential_source = "imds"; });
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(keys.last(), "ASIAEXAMPLE");
}

TEST(GatewayCredentials, from_the_environment_alone_do_not_fall_back_to_the_instances_role) {
    Folder folder;
    FakeCloud cloud;
    AccessKeys keys;
    FakeEnclave enclave(folder.file("e"),
                        [&](Kind kind, ByteView payload) { return keys.take(kind, payload); });
    const auto only_environment = [](gateway::Options& options) {
        options.credentials_from_environment = true;
    };
    {
        const Variables variables({{"AWS_ACCESS_KEY_ID", "AKIAONLY"}, {"AWS_SECRET_ACCESS_KEY", "secret"}});
        RunningGateway gateway(folder, cloud, {folder.file("e")}, only_environment);
        ASSERT_TRUE(gateway.ready());
        EXPECT_EQ(keys.last(), "AKIAONLY");
    }
    RunningGateway gateway(folder, cloud, {folder.file("e")}, only_environment);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(cloud.credential_calls, 0);
}

TEST(GatewayCredentials, from_no_known_source_are_refused_at_the_start) {
    Folder folder;
    FakeCloud cloud;
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.credential_source = "profile"; });
    EXPECT_FALSE(gateway.ready());
}

TEST(GatewayCredentials, are_renewed_at_once_when_secrets_manager_no_longer_takes_them) {
    for (const char* type :
         {"ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"}) {
        Folder folder;
        std::atomic<bool> refused{false};
        FakeCloud cloud([&](const std::string&) {
            if (!refused.exchange(true))
                return net::HttpResponse::json(400,
                                               std::string(R"({"__type":")") + type + R"(","message":"m"})");
            return net::HttpResponse::json(200, R"({"ARN":"a","Name":"n","SecretString":"Y2lwaGVy"})");
        });
        FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
            if (kind != Kind::Request)
                return working(kind);
            const auto request = wire::decode_request(payload);
            for (const auto& item : request->items)
                if (item.kind == ItemKind::ReferenceCiphertext)
                    return json_reply(200, "{}");
            return need_reply(ItemKind::ReferenceCiphertext, "n");
        });
        RunningGateway gateway(folder, cloud, {folder.file("e")});
        ASSERT_TRUE(gateway.ready());
        std::this_thread::sleep_for(std::chrono::milliseconds(gateway::CredentialKeeper::kFreshMs + 100));
        const int fetched = cloud.credential_calls;
        EXPECT_EQ(gateway.send("POST", "/sign_hash", "{}")->status, 200) << type;
        EXPECT_EQ(cloud.credential_calls, fetched + 1) << type;
        EXPECT_EQ(cloud.secret_calls, 2) << type;
    }
}

TEST(GatewayCredentials, that_secrets_manager_never_takes_end_in_a_clear_answer) {
    Folder folder;
    FakeCloud cloud([](const std::string&) {
        return net::HttpResponse::json(400, R"({"__type":"ExpiredTokenException","message":"m"})");
    });
    FakeEnclave enclave(folder.file("e"), [](Kind kind, ByteView) -> std::optional<wire::Reply> {
        return kind == Kind::Request ? need_reply(ItemKind::ReferenceCiphertext, "n") : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", "/sign_hash", "{}");
    EXPECT_EQ(answer->status, 503);
    EXPECT_NE(text(*answer).find("credentials_expired"), std::string::npos) << text(*answer);
    EXPECT_EQ(cloud.secret_calls, 2);
}

// The keeper alone, with a fetch that the test scripts.
class KeeperRun {
  public:
    explicit KeeperRun(gateway::CredentialKeeper::Fetch fetch)
        : keeper_(loop_, workers_, std::move(fetch),
                  [this](const gateway::CredentialKeeper::Credentials&) { ++changed; }) {}
    // Runs the loop until `done`, or two seconds.
    bool until(const std::function<bool()>& done) {
        const std::int64_t limit = monotonic_ms() + 2'000;
        const std::function<void()> look = [&] {
            if (done() || monotonic_ms() > limit)
                loop_.stop();
            else
                loop_.after(5, look);
        };
        look();
        loop_.run();
        return done();
    }
    std::atomic<int> changed{0};
    net::EventLoop loop_;
    WorkerPool workers_{2, 16};
    gateway::CredentialKeeper keeper_;
};

aws::Credentials credentials_until(UnixMs expires) {
    aws::Credentials out;
    out.access_key_id = "ASIA";
    out.expires = expires;
    return out;
}

TEST(CredentialKeeper, shares_one_fetch_among_all_who_wait) {
    std::atomic<int> fetches{0};
    KeeperRun run([&]() -> Result<aws::Credentials> {
        ++fetches;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return credentials_until(0);
    });
    int told = 0;
    for (int i = 0; i < 10; ++i)
        run.keeper_.refresh([&](const Status& status) { told += status ? 1 : 0; });
    EXPECT_TRUE(run.until([&] { return told == 10; }));
    EXPECT_EQ(fetches, 1);
    // Fresh ones are not fetched again.
    run.keeper_.refresh([&](const Status&) { ++told; });
    EXPECT_EQ(told, 11);
    EXPECT_EQ(fetches, 1);
}

TEST(CredentialKeeper, tries_again_by_itself_after_a_failure) {
    std::atomic<int> fetches{0};
    KeeperRun run([&]() -> Result<aws::Credentials> {
        if (++fetches == 1)
            return fail(Code::AwsUnavailable, "not yet");
        return credentials_until(system_time_ms() + 3'600'000);
    });
    run.keeper_.start();
    EXPECT_TRUE(run.until([&] { return run.changed == 1; }));
    EXPECT_EQ(fetches, 2);
    ASSERT_TRUE(run.keeper_.current());
}

TEST(CredentialKeeper, keeps_what_it_has_when_a_renewal_fails) {
    std::atomic<int> fetches{0};
    KeeperRun run([&]() -> Result<aws::Credentials> {
        if (++fetches > 1)
            return fail(Code::AwsUnavailable, "gone");
        return credentials_until(system_time_ms() + 1'200); // renewed after a second
    });
    run.keeper_.start();
    EXPECT_TRUE(run.until([&] { return fetches == 2; }));
    EXPECT_TRUE(run.keeper_.current());
    EXPECT_EQ(run.changed, 1);
}

} // namespace
} // namespace redoubt
