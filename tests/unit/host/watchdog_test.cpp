// SPDX-License-Identifier: Apache-2.0
#include "host/watchdog.h"

#include "base/log.h"
#include "process_support.h"
#include "runner_support.h"

#include <algorithm>
#include <sys/un.h>

namespace redoubt::host::tests {

namespace {

const std::string kZeros(96, '0');

// Enclaves are sockets on the test's own loop, and outlive a watchdog as those on Nitro do.
class FakeRunner : public EnclaveRunner {
  public:
    FakeRunner(net::EventLoop& loop, const Folder& folder) : loop_(loop), folder_(folder) {}

    void start(std::uint32_t cid, Started done) override {
        calls.push_back("start " + std::to_string(cid));
        if (start_error)
            return later([this, done] { done(std::unexpected(*start_error)); });
        later([this, cid, done] { done(add(cid, "w-" + std::to_string(cid))); });
    }
    void stop(const std::string& id, StopHow how, Stopped done) override {
        calls.push_back((how == StopHow::AtOnce ? "kill " : "stop ") + id);
        later([this, id, done] {
            remove(id);
            done({});
        });
    }
    void describe(Described done) override {
        later([this, done] {
            if (describe_error)
                return done(std::unexpected(*describe_error));
            std::vector<RunningEnclave> out;
            for (const auto& [id, one] : running)
                out.push_back(one.enclave);
            done(out);
        });
    }
    void console(const std::string&, Console done) override {
        later([done] { done(std::string("last words")); });
    }
    void on_ended(Ended) override {}
    bool outlived() const noexcept override { return true; }

    RunningEnclave add(std::uint32_t cid, const std::string& name) {
        Running one;
        one.enclave.id = "i-" + std::to_string(++made_);
        one.enclave.name = name;
        one.enclave.cid = cid;
        one.enclave.pcr0 = pcr0;
        const std::string path = folder_.file(one.enclave.id + ".sock");
        one.enclave.endpoint = *net::parse_endpoint("unix:" + path);
        one.server = std::make_unique<FakeEnclave>(loop_, path, hello_pcr0.empty() ? pcr0 : hello_pcr0);
        const RunningEnclave told = one.enclave;
        running[told.id] = std::move(one);
        return told;
    }
    void remove(const std::string& id) { running.erase(id); }

    struct Running {
        RunningEnclave enclave;
        std::unique_ptr<FakeEnclave> server;
    };
    std::map<std::string, Running> running;
    std::vector<std::string> calls;
    std::optional<Error> start_error, describe_error;
    std::string pcr0, hello_pcr0;

  private:
    void later(std::function<void()> task) { loop_.after(1, std::move(task)); }
    net::EventLoop& loop_;
    const Folder& folder_;
    int made_ = 0;
};

class WatchdogTest : public testing::Test {
  protected:
    WatchdogTest() {
        set_log_level(static_cast<LogLevel>(4)); // what is told is asserted by its effects
        folder.write("image", "version 1");
        runner.pcr0 = *ImageFile(folder.file("image"), ImageFile::Kind::Program).pcr0();
        options.enclaves = 2;
        options.name = "w";
        options.probe_ms = 50;
        options.list_ms = 100;
        options.image_ms = 50;
        options.limits.first_delay_ms = 50;
        options.limits.longest_delay_ms = 200;
        options.limits.silent_limit_ms = 500;
    }
    ~WatchdogTest() override { set_log_level(LogLevel::Info); }

    // Runs until the condition holds, then stops the watchdog; false: it never held.
    bool watch(const std::function<bool()>& until, int limit_ms = 20'000) {
        Pipe stop;
        watchdog = std::make_unique<Watchdog>(
            loop, runner, ImageFile(folder.file("image"), ImageFile::Kind::Program), options);
        bool held = false;
        int left = limit_ms / 10;
        std::function<void()> look = [&] {
            held = until();
            if (held || --left == 0)
                stop.write_end.reset(); // readable: the end of the pipe
            else
                timer = loop.after(10, look);
        };
        timer = loop.after(0, look);
        result = watchdog->run(stop.read_end.get(), [&](const std::optional<net::Endpoint>&) { ++readies; });
        loop.cancel(timer);
        return held;
    }
    bool all_work() const {
        const std::string json = watchdog->status_json();
        return json.find("\"summary\":\"" + std::to_string(options.enclaves) + " of") != std::string::npos;
    }
    std::size_t count(const std::string& call) const {
        return static_cast<std::size_t>(std::ranges::count(runner.calls, call));
    }

    Folder folder;
    net::EventLoop loop;
    FakeRunner runner{loop, folder};
    WatchdogOptions options;
    std::unique_ptr<Watchdog> watchdog;
    Status result;
    int readies = 0;
    net::EventLoop::TimerId timer = 0;
};

TEST_F(WatchdogTest, starts_enclaves_is_ready_once_and_leaves_them_running) {
    EXPECT_TRUE(watch([&] { return all_work(); }));
    EXPECT_TRUE(result);
    EXPECT_EQ(readies, 1);
    EXPECT_EQ(runner.running.size(), 2u);
    EXPECT_EQ(runner.calls, (std::vector<std::string>{"start 16", "start 17"}));
}

TEST_F(WatchdogTest, ends_them_when_told_to) {
    options.end_enclaves = true;
    EXPECT_TRUE(watch([&] { return all_work(); }));
    EXPECT_TRUE(runner.running.empty());
}

TEST_F(WatchdogTest, takes_over_its_own_leaves_others_alone_and_ends_what_is_one_too_many) {
    const auto own = runner.add(17, "w-17");
    const auto other = runner.add(40, "payments");
    const auto surplus = runner.add(20, "w-20");
    EXPECT_TRUE(watch([&] { return all_work() && !runner.running.contains(surplus.id); }));
    EXPECT_TRUE(runner.running.contains(own.id));
    EXPECT_TRUE(runner.running.contains(other.id));
    EXPECT_EQ(count("start 16"), 1u);
    EXPECT_EQ(count("start 17"), 0u);
    EXPECT_EQ(count("stop " + surplus.id), 1u);
}

TEST_F(WatchdogTest, starts_nothing_before_it_knows_what_runs) {
    runner.describe_error = Error{Code::RunnerFailed, "no list"};
    int looks = 0;
    EXPECT_TRUE(watch([&] { return ++looks == 80; }));
    EXPECT_TRUE(runner.calls.empty());
    EXPECT_NE(watchdog->status_json().find("no list"), std::string::npos);
}

TEST_F(WatchdogTest, ends_nothing_because_a_later_list_fails) {
    int looks = 0;
    bool worked = false;
    EXPECT_TRUE(watch([&] {
        worked = worked || all_work();
        if (worked)
            runner.describe_error = Error{Code::RunnerFailed, "no list"};
        return worked && ++looks == 100;
    }));
    EXPECT_EQ(runner.calls.size(), 2u);
    EXPECT_EQ(runner.running.size(), 2u);
}

TEST_F(WatchdogTest, starts_again_what_ended_and_what_does_not_answer) {
    int step = 0;
    EXPECT_TRUE(watch([&] {
        if (!all_work())
            return false;
        if (step == 0) {
            runner.remove("i-1");
            step = 1;
        } else if (step == 1 && count("start 16") == 2) {
            for (auto& [id, one] : runner.running)
                if (one.enclave.cid == 17)
                    one.server->answering = false;
            step = 2;
        } else if (step == 2 && count("start 17") == 2) {
            return true;
        }
        return false;
    }));
    EXPECT_EQ(count("kill i-2"), 1u);
    EXPECT_EQ(runner.running.size(), 2u);
}

TEST_F(WatchdogTest, replaces_one_by_one_when_the_image_on_disk_is_another_one) {
    bool changed = false;
    EXPECT_TRUE(watch([&] {
        if (!changed && all_work()) {
            changed = true;
            folder.write("image.new", "version 2");
            rename(folder.file("image.new").c_str(), folder.file("image").c_str());
            runner.pcr0 = *ImageFile(folder.file("image"), ImageFile::Kind::Program).pcr0();
        }
        if (changed) {
            EXPECT_GE(runner.running.size(), 1u);
        }
        return changed && all_work() && count("start 17") == 2 &&
               watchdog->status_json().find("\"current\":false") == std::string::npos;
    }));
    EXPECT_EQ(runner.calls, (std::vector<std::string>{"start 16", "start 17", "stop i-1", "start 16",
                                                      "stop i-2", "start 17"}));
}

TEST_F(WatchdogTest, keeps_what_runs_when_the_image_on_disk_cannot_be_used) {
    bool removed = false;
    int looks = 0;
    EXPECT_TRUE(watch([&] {
        if (!removed && all_work()) {
            removed = true;
            EXPECT_EQ(unlink(folder.file("image").c_str()), 0);
        }
        return removed && ++looks == 60;
    }));
    EXPECT_EQ(runner.calls.size(), 2u);
    EXPECT_NE(watchdog->status_json().find("cannot be used"), std::string::npos);
    EXPECT_NE(watchdog->metrics().find("redoubt_watchdog_image_readable 0\n"), std::string::npos);
}

TEST_F(WatchdogTest, ends_with_an_error_when_every_slot_has_reached_its_start_limit) {
    options.limits.start_limit = 3;
    runner.start_error = Error{Code::RunnerFailed, "it does not boot"};
    EXPECT_FALSE(watch([] { return false; }));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::RunnerFailed);
    EXPECT_EQ(count("start 16"), 3u);
    EXPECT_EQ(count("start 17"), 3u);
    EXPECT_EQ(readies, 0);
}

TEST_F(WatchdogTest, shows_debug_mode_that_only_the_enclaves_own_nsm_tells) {
    runner.hello_pcr0 = kZeros;
    EXPECT_TRUE(
        watch([&] { return all_work() || watchdog->status_json().find("DEBUG MODE") != std::string::npos; }));
    EXPECT_NE(watchdog->status_json().find("\"debug\":true"), std::string::npos);
    EXPECT_NE(watchdog->metrics().find("redoubt_enclave_debug{cid=\"16\"} 1\n"), std::string::npos);
}

TEST_F(WatchdogTest, tells_the_service_manager_when_it_is_ready_alive_and_stopping) {
    const net::Fd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder.file("notify");
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    options.manager = ServiceManager(path.c_str(), "100000", std::to_string(getpid()).c_str());
    EXPECT_EQ(options.manager.watchdog_ms(), 100);
    std::vector<std::string> told;
    const auto take = [&] {
        char buffer[4096];
        for (ssize_t n = 0; (n = recv(manager.get(), buffer, sizeof buffer, 0)) > 0;)
            told.emplace_back(buffer, static_cast<std::size_t>(n));
    };
    int looks = 0;
    EXPECT_TRUE(watch([&] {
        take();
        return all_work() && ++looks > 40;
    }));
    take();
    EXPECT_EQ(std::ranges::count(told, "READY=1"), 1);
    EXPECT_EQ(std::ranges::count(told, "STOPPING=1"), 1);
    EXPECT_GE(std::ranges::count(told, "WATCHDOG=1"), 5);
    EXPECT_TRUE(std::ranges::any_of(
        told, [](const std::string& one) { return one.starts_with("STATUS=2 of 2 enclaves can sign"); }));
}

TEST_F(WatchdogTest, serves_metrics_nowhere_but_on_this_machine) {
    options.listen = *net::parse_endpoint("tcp:0.0.0.0:0");
    EXPECT_FALSE(watch([] { return false; }, 100));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Usage);
}

TEST(ServiceManager, takes_only_addresses_that_it_can_send_to_and_a_watchdog_that_is_its_own) {
    EXPECT_FALSE(ServiceManager(nullptr, nullptr, nullptr).present());
    EXPECT_FALSE(ServiceManager("", "1000000", nullptr).present());
    EXPECT_FALSE(ServiceManager("relative", nullptr, nullptr).present());
    EXPECT_FALSE(ServiceManager("vsock:2:1234", nullptr, nullptr).present());
    EXPECT_FALSE(ServiceManager(("/" + std::string(200, 'x')).c_str(), nullptr, nullptr).present());
    EXPECT_TRUE(ServiceManager("@abstract", nullptr, nullptr).present());
    EXPECT_EQ(ServiceManager("/run/x", "3000000", nullptr).watchdog_ms(), 3000);
    EXPECT_FALSE(ServiceManager("/run/x", "3000000", "1").watchdog_ms());
    for (const char* bad : {"", "0", "-1", "1s", " 1"})
        EXPECT_FALSE(ServiceManager("/run/x", bad, nullptr).watchdog_ms()) << bad;
}

} // namespace

} // namespace redoubt::host::tests
