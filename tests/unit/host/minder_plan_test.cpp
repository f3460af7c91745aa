// SPDX-License-Identifier: Apache-2.0
#include "host/minder_plan.h"

#include "host/line_channel.h"
#include "runner_support.h"

#include <array>

namespace redoubt::host::tests {

namespace {

MinderPlan some_plan() {
    MinderPlan out;
    out.kind = "vm";
    out.parts = {{{"/bin/simulator", "--cid", "16"}, {"PATH=/bin"}, "/r/sim.log", {}},
                 {{"/bin/qemu", "with \"quotes\"\n"}, {}, "/r/qemu.log", {"/r/a.sock", "/r/b.sock"}}};
    out.enclave.name = "e-16";
    out.enclave.cid = 16;
    out.enclave.pcr0 = std::string(96, 'a');
    out.enclave.endpoint = *net::parse_endpoint("unix:/r/enclave.sock");
    out.console_file = "/r/console.log";
    out.logs = {"/r/minder.log"};
    out.bridge = MinderPlan::Bridge{"/r/vsock", 5000};
    return out;
}

TEST(MinderPlan, is_read_as_it_was_written) {
    MinderPlan plan = some_plan();
    const auto read = parse_minder_plan(to_json(plan));
    ASSERT_TRUE(read) << read.error().describe();
    EXPECT_EQ(to_json(*read), to_json(plan));
    EXPECT_EQ(read->parts[1].arguments, plan.parts[1].arguments);
    EXPECT_EQ(read->parts[1].after, plan.parts[1].after);
    EXPECT_EQ(read->enclave.endpoint.text(), "unix:/r/enclave.sock");
    ASSERT_TRUE(read->bridge);
    EXPECT_EQ(read->bridge->port, 5000u);
    plan.bridge.reset();
    const auto without = parse_minder_plan(to_json(plan));
    ASSERT_TRUE(without);
    EXPECT_FALSE(without->bridge);
}

TEST(MinderPlan, is_refused_where_it_is_not_as_expected) {
    const std::string good = to_json(some_plan());
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string out = good;
        const auto at = out.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return out.replace(at, from.size(), to);
    };
    for (const std::string& bad :
         {std::string(), std::string("{}"), std::string("[]"), good + "x", changed(R"("kind")", R"("sort")"),
          changed(R"("cid":16)", R"("cid":"16")"), changed(R"("cid":16)", R"("cid":4294967296)"),
          changed(R"("debug":false)", R"("debug":0)"), changed("unix:/r/enclave.sock", "nowhere"),
          changed(R"("port":5000)", R"("port":-1)"), changed(R"("PATH=/bin")", "1"),
          changed(R"("/bin/simulator","--cid","16")", ""), changed(R"("logs":[)", R"("more":[],"logs":[)")}) {
        const auto plan = parse_minder_plan(bad);
        ASSERT_FALSE(plan) << bad;
        EXPECT_EQ(plan.error().code, Code::RunnerFailed) << bad;
    }
}

TEST(MinderReport, is_read_as_it_was_written_and_names_the_failure) {
    MinderReport report;
    report.enclave = some_plan().enclave;
    report.enclave.id = "vm-7";
    report.console_file = "/r/console.log";
    for (const auto state : {MinderReport::State::Starting, MinderReport::State::Running,
                             MinderReport::State::Ending, MinderReport::State::Ended}) {
        report.state = state;
        const auto read = parse_minder_report(to_json(report));
        ASSERT_TRUE(read);
        EXPECT_EQ(read->state, state);
        EXPECT_EQ(read->enclave.id, "vm-7");
        EXPECT_EQ(read->enclave.ending, state == MinderReport::State::Ending);
    }
    report.state = MinderReport::State::Failed;
    report.failure = MinderReport::Failure::SocketsLate;
    report.why = "/r/sim.log";
    const auto read = parse_minder_report(to_json(report));
    ASSERT_TRUE(read);
    const Error error = error_of(*read);
    EXPECT_EQ(error.code, Code::RunnerFailed);
    EXPECT_NE(error.describe().find("did not make its sockets in time"), std::string::npos);
    EXPECT_NE(error.describe().find("/r/sim.log"), std::string::npos);
    EXPECT_FALSE(parse_minder_report(R"({"state":"gone"})"));
}

TEST(MinderStop, is_one_of_two_ways) {
    for (const auto how : {StopHow::Orderly, StopHow::AtOnce}) {
        const auto read = parse_minder_stop(to_json(how));
        ASSERT_TRUE(read);
        EXPECT_EQ(*read, how);
    }
    for (const char* bad : {"", "{}", R"({"stop":"later"})", R"({"stop":"orderly","now":true})"})
        EXPECT_FALSE(parse_minder_stop(bad)) << bad;
}

TEST(LineChannel, carries_lines_both_ways_and_tells_the_end_once) {
    net::EventLoop loop;
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    std::vector<std::string> left, right;
    int over = 0;
    auto a = std::make_unique<LineChannel>(
        loop, net::Fd(ends[0]), [&](const std::string& line) { left.push_back(line); }, [] {});
    LineChannel b(
        loop, net::Fd(ends[1]), [&](const std::string& line) { right.push_back(line); }, [&] { ++over; });
    const std::string longest(LineChannel::kMaxLine - 1, 'x');
    for (int i = 0; i < 50; ++i) // more than the socket takes at once
        a->send(longest);
    b.send("one");
    b.send("two");
    EXPECT_TRUE(run_until(loop, [&] { return right.size() == 50 && left.size() == 2; }));
    EXPECT_EQ(left, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(right.back(), longest);
    a->send("last");
    a.reset();
    EXPECT_TRUE(run_until(loop, [&] { return over != 0; }));
    EXPECT_EQ(right.back(), "last");
    EXPECT_EQ(over, 1);
    b.send("nobody hears it");
    EXPECT_FALSE(b.open());
}

TEST(LineChannel, ends_with_whoever_sends_a_line_without_an_end) {
    net::EventLoop loop;
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    std::size_t lines = 0;
    bool over = false;
    LineChannel a(
        loop, net::Fd(ends[0]), [&](const std::string&) { ++lines; }, [&] { over = true; });
    LineChannel b(
        loop, net::Fd(ends[1]), [](const std::string&) {}, [] {});
    b.send(std::string(2 * LineChannel::kMaxLine, 'x'));
    EXPECT_TRUE(run_until(loop, [&] { return over; }));
    EXPECT_EQ(lines, 0u);
}

} // namespace

} // namespace redoubt::host::tests
