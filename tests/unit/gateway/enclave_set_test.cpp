// SPDX-License-Identifier: Apache-2.0
// The pool's enclaves change while it serves.
#include "gateway/enclave_pool.h"
#include "support.h"

namespace redoubt {
namespace {

using namespace tests;
using wire::Kind;

// A pool whose loop runs on the test's own thread, a while at a time.
class PoolRun {
  public:
    explicit PoolRun(const std::vector<std::string>& sockets, gateway::EnclavePool::Setup setup = quick())
        : store_(*store::open_store(folder.file("store.db"))),
          keeper_(
              loop_, workers_, [] { return Result<aws::Credentials>(credentials()); },
              [this](const auto&) { pool->credentials_changed(); }) {
        setup.endpoints = endpoints(sockets);
        setup.manifest = "{}";
        pool = std::make_unique<gateway::EnclavePool>(loop_, workers_, *store_, keeper_, std::move(setup),
                                                      std::vector<Bytes>(), [] {});
        keeper_.start();
        pool->start();
    }
    ~PoolRun() { pool->stop(); }

    static gateway::EnclavePool::Setup quick() {
        gateway::EnclavePool::Setup setup;
        setup.grace_ms = 300;
        setup.retired_ms = 3'000;
        return setup;
    }
    std::vector<net::Endpoint> endpoints(const std::vector<std::string>& sockets) const {
        std::vector<net::Endpoint> out;
        for (const auto& socket : sockets)
            out.push_back(*net::parse_endpoint("unix:" + folder.file(socket)));
        return out;
    }
    bool until(const std::function<bool()>& done, std::int64_t limit_ms = 5'000) {
        const std::int64_t limit = monotonic_ms() + limit_ms;
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
    void run(std::int64_t ms) {
        (void)until([] { return false; }, ms);
    }
    // Where the next request would go: "a" for …/a.
    std::string picked() const {
        const auto link = pool->pick();
        return link ? std::filesystem::path((*link)->endpoint().path).filename().string() : std::string();
    }

    Folder folder;

  private:
    static aws::Credentials credentials() {
        aws::Credentials out;
        out.access_key_id = "ASIA";
        return out;
    }
    net::EventLoop loop_;
    WorkerPool workers_{1, 16};
    std::unique_ptr<store::Store> store_;
    gateway::CredentialKeeper keeper_;

  public:
    std::unique_ptr<gateway::EnclavePool> pool;
};

std::optional<wire::Reply> answering(Kind kind, ByteView) {
    return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
}

TEST(EnclaveSet, takes_no_empty_set_and_no_enclave_twice_and_stays_as_it_was) {
    PoolRun run({"a"});
    FakeEnclave a(run.folder.file("a"), answering);
    ASSERT_TRUE(run.until([&] { return run.picked() == "a"; }));
    for (const auto& wrong : {std::vector<std::string>(), {"b", "c", "b"}}) {
        const auto status = run.pool->set_endpoints(run.endpoints(wrong));
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().code, Code::Usage);
    }
    EXPECT_FALSE(run.pool->set_endpoints(run.endpoints(std::vector<std::string>(257, "a"))));
    run.run(600);
    EXPECT_EQ(run.picked(), "a");
    EXPECT_EQ(run.pool->counts().total, 1u);
}

TEST(EnclaveSet, the_old_enclave_serves_until_the_new_one_can) {
    PoolRun run({"a"});
    FakeEnclave a(run.folder.file("a"), answering);
    ASSERT_TRUE(run.until([&] { return run.picked() == "a"; }));
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"b"})));
    run.run(800); // there is no b yet
    EXPECT_EQ(run.picked(), "a");
    FakeEnclave b(run.folder.file("b"), answering);
    EXPECT_TRUE(run.until([&] { return run.pool->counts().total == 1 && run.picked() == "b"; }));
    EXPECT_EQ(a.count(Kind::Manifest), 1u);
}

TEST(EnclaveSet, one_retires_for_each_that_can_take_its_place) {
    PoolRun run({"a", "b"});
    FakeEnclave a(run.folder.file("a"), answering), b(run.folder.file("b"), answering);
    ASSERT_TRUE(run.until([&] { return run.pool->counts().vault_open == 2; }));
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"c", "d"})));
    FakeEnclave c(run.folder.file("c"), answering);
    // c, d which is not there, and one of the old ones.
    EXPECT_TRUE(run.until([&] { return run.pool->counts().total == 3; }));
    run.run(600);
    EXPECT_EQ(run.pool->counts().total, 3u);
    EXPECT_EQ(run.pool->counts().usable, 2u);
    FakeEnclave d(run.folder.file("d"), answering);
    EXPECT_TRUE(run.until([&] { return run.pool->counts().total == 2 && run.pool->counts().usable == 2; }));
}

TEST(EnclaveSet, an_enclave_without_a_successor_retires_at_once) {
    PoolRun run({"a", "b"});
    FakeEnclave a(run.folder.file("a"), answering), b(run.folder.file("b"), answering);
    ASSERT_TRUE(run.until([&] { return run.pool->counts().vault_open == 2; }));
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"a"})));
    EXPECT_EQ(run.pool->counts().total, 1u);
    EXPECT_EQ(run.picked(), "a");
    // With requests outstanding at a, b would be the better one.
    const auto link = run.pool->pick();
    for (int i = 0; i < 3; ++i)
        (*link)->send(
            Kind::Request, [](Bytes&) {}, [](const Result<wire::Reply>&) {});
    EXPECT_EQ(run.picked(), "a");
}

TEST(EnclaveSet, one_that_leaves_ends_what_it_has_under_way_and_is_let_go_after_that) {
    auto setup = PoolRun::quick();
    setup.grace_ms = 100;
    PoolRun run({"a"}, setup);
    std::atomic<bool> hold{true};
    FakeEnclave a(run.folder.file("a"), [&](Kind kind, ByteView payload) {
        while (kind == Kind::Request && hold)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return answering(kind, payload);
    });
    FakeEnclave b(run.folder.file("b"), answering);
    ASSERT_TRUE(run.until([&] { return run.picked() == "a"; }));
    const auto link = *run.pool->pick();
    std::optional<int> status;
    link->send(
        Kind::Request, [](Bytes&) {},
        [&](const Result<wire::Reply>& reply) { status = reply ? reply->status : 0; });
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"b"})));
    ASSERT_TRUE(run.until([&] { return run.picked() == "b" && run.pool->counts().total == 1; }));
    run.run(300); // a look beyond the grace, and well within the time in which a silent enclave is given up
    EXPECT_TRUE(link->open());
    hold = false;
    EXPECT_TRUE(run.until([&] { return status.has_value(); }));
    EXPECT_EQ(status, 200);
    EXPECT_TRUE(run.until([&] { return !link->open(); }));
}

TEST(EnclaveSet, one_that_is_gone_when_it_retires_keeps_nobody_waiting_and_what_it_had_fails) {
    PoolRun run({"a", "b"});
    const auto never = [](Kind kind, ByteView) -> std::optional<wire::Reply> {
        return kind == Kind::Request ? std::nullopt : working(kind);
    };
    FakeEnclave a(run.folder.file("a"), never), b(run.folder.file("b"), answering);
    ASSERT_TRUE(run.until([&] { return run.pool->counts().vault_open == 2; }));
    const auto link = *run.pool->pick();
    ASSERT_TRUE(link->endpoint().path.ends_with("/a"));
    std::optional<Code> code;
    std::string next;
    link->send(
        Kind::Request, [](Bytes&) {},
        [&](const Result<wire::Reply>& reply) {
            code = reply ? Code::Internal : reply.error().code;
            next = run.picked(); // as the router does: to another one
        });
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"b"})));
    // It answers probes, but not this: it is let go when its time is over.
    EXPECT_TRUE(run.until([&] { return code.has_value(); }, 6'000));
    EXPECT_EQ(code, Code::EnclaveUnavailable);
    EXPECT_EQ(next, "b");
    run.run(300);
    EXPECT_FALSE(link->open());
}

TEST(EnclaveSet, one_that_is_named_again_is_in_service_again) {
    PoolRun run({"a"});
    FakeEnclave a(run.folder.file("a"), answering);
    ASSERT_TRUE(run.until([&] { return run.picked() == "a"; }));
    const auto link = *run.pool->pick();
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"b"})));
    run.run(400);
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"a"})));
    EXPECT_EQ(run.picked(), "a");
    EXPECT_TRUE(run.until([&] { return run.pool->counts().total == 1; })); // b, which never came, is let go
    run.run(800);
    EXPECT_TRUE(link->open()) << "its connection was never ended";
}

TEST(EnclaveSet, the_named_ones_have_a_time_to_take_over) {
    auto setup = PoolRun::quick();
    setup.hand_over_ms = 700;
    PoolRun run({"a", "b"}, setup);
    FakeEnclave a(run.folder.file("a"), answering), b(run.folder.file("b"), answering);
    ASSERT_TRUE(run.until([&] { return run.pool->counts().vault_open == 2; }));
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"b", "c"}))); // c never comes
    run.run(300);
    EXPECT_EQ(run.pool->counts().total, 3u);
    EXPECT_TRUE(run.until([&] { return run.pool->counts().total == 2; }, 2'000));
    EXPECT_EQ(run.picked(), "b");
    // Nobody retires for those of whom none has come.
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"c"})));
    run.run(1'500);
    EXPECT_EQ(run.picked(), "b");
}

TEST(EnclaveSet, a_key_keeps_its_enclave_when_others_come_and_go) {
    PoolRun run({"a", "b", "c"});
    FakeEnclave a(run.folder.file("a"), answering), b(run.folder.file("b"), answering),
        c(run.folder.file("c"), answering), d(run.folder.file("d"), answering);
    ASSERT_TRUE(run.until([&] { return run.pool->counts().vault_open == 3; }));
    const auto of = [&](int key) { return run.pool->affine("key-" + std::to_string(key))->endpoint().path; };
    std::vector<std::string> before;
    for (int key = 0; key < 200; ++key)
        before.push_back(of(key));
    ASSERT_TRUE(run.pool->set_endpoints(run.endpoints({"d", "b", "c"})));
    ASSERT_TRUE(run.until([&] { return run.pool->counts().total == 3 && run.pool->counts().usable == 3; }));
    int moved = 0;
    for (int key = 0; key < 200; ++key) {
        const std::string now = of(key);
        EXPECT_FALSE(now.ends_with("/a"));
        if (now != before[static_cast<std::size_t>(key)]) {
            ++moved;
            // Only to the new one, or away from the old one.
            EXPECT_TRUE(now.ends_with("/d") || before[static_cast<std::size_t>(key)].ends_with("/a")) << now;
        }
    }
    EXPECT_GT(moved, 40);
    EXPECT_LT(moved, 160);
}

} // namespace
} // namespace redoubt
