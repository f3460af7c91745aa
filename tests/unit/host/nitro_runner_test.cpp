// SPDX-License-Identifier: Apache-2.0
#include "host/nitro_runner.h"

#include "runner_support.h"

namespace redoubt::host::tests {

namespace {

const std::string kPcr(96, '5');

std::string run_answer(const std::string& name, unsigned cid) {
    return R"({"EnclaveName":")" + name + R"(","EnclaveID":"i-1-enc2","ProcessID":1,"EnclaveCID":)" +
           std::to_string(cid) + R"(,"NumberOfCPUs":2,"CPUIDs":[1,3],"MemoryMiB":256})";
}
std::string listed(const std::string& name, unsigned cid, const std::string& state = "RUNNING") {
    std::string out = run_answer(name, cid);
    out.pop_back();
    return out + R"(,"State":")" + state +
           R"(","Flags":"NONE","Measurements":{"HashAlgorithm":"Sha384 { ... }","PCR0":")" + kPcr +
           R"(","PCR1":")" + kPcr + R"(","PCR2":")" + kPcr + R"("}})";
}

// nitro-cli is a shell script: it writes its arguments down and prints the file named like its command, after
// the first use the one with ".2", if it is there.
class NitroRunnerTest : public testing::Test {
  protected:
    NitroRunnerTest() {
        folder.write("nitro-cli", R"(#!/bin/sh
cd )" + folder.path() + R"(
echo "$@" >>calls
[ -e $1.slow ] && sleep 30
if [ -e $1.alone ]; then
  mkdir booting || { echo '[ E36 ] Enclave boot failure.' >&2; exit 1; }
  sleep 0.3
  rmdir booting
fi
[ -e $1.err ] && { cat $1.err >&2; exit 1; }
cat $1 2>/dev/null
[ -e $1.2 ] && mv $1.2 $1
exit 0
)",
                     true);
        folder.write("describe-enclaves", "[]");
        options.nitro_cli = folder.file("nitro-cli");
        options.eif = "/images/redoubt.eif";
        options.endpoint_prefix = "unix:/run/e-";
    }
    Result<RunningEnclave> start() {
        runner.emplace(loop, options);
        std::optional<Result<RunningEnclave>> out;
        runner->start(16, [&](Result<RunningEnclave> result) { out = std::move(result); });
        EXPECT_TRUE(run_until(loop, [&] { return out.has_value(); }));
        return *out;
    }
    Status stop() {
        runner.emplace(loop, options);
        std::optional<Status> out;
        runner->stop("i-1-enc2", StopHow::Orderly, [&](Status status) { out = std::move(status); });
        EXPECT_TRUE(run_until(loop, [&] { return out.has_value(); }));
        return *out;
    }
    Folder folder;
    net::EventLoop loop;
    NitroRunnerOptions options;
    std::optional<NitroRunner> runner;
};

TEST_F(NitroRunnerTest, starts_an_enclave_with_the_arguments_that_nitro_cli_takes) {
    folder.write("run-enclave", run_answer("redoubt-16", 16));
    folder.write("describe-enclaves.2", "[" + listed("redoubt-16", 16) + "]");
    const auto started = start();
    ASSERT_TRUE(started) << started.error().describe();
    EXPECT_EQ(started->id, "i-1-enc2");
    EXPECT_EQ(started->pcr0, kPcr);
    EXPECT_EQ(started->endpoint.text(), "unix:/run/e-16.sock");
    EXPECT_EQ(folder.read("calls"),
              "describe-enclaves\n"
              "run-enclave --eif-path /images/redoubt.eif --memory 256 --cpu-count 2 --enclave-cid 16 "
              "--enclave-name redoubt-16\n"
              "describe-enclaves\n");
}

TEST_F(NitroRunnerTest, serves_on_vsock_at_the_enclaves_cid_unless_told_otherwise) {
    options.endpoint_prefix.clear();
    folder.write("describe-enclaves", "[" + listed("redoubt-16", 16) + "]");
    const auto started = start();
    ASSERT_TRUE(started);
    EXPECT_EQ(started->endpoint.text(), "vsock:16:5000");
}

TEST_F(NitroRunnerTest, answers_with_the_enclave_that_runs_in_the_slot_instead_of_starting_a_double) {
    folder.write("describe-enclaves", "[" + listed("redoubt-16", 16) + "]");
    ASSERT_TRUE(start());
    EXPECT_EQ(folder.read("calls"), "describe-enclaves\n");
}

TEST_F(NitroRunnerTest,
       starts_nothing_while_the_slots_enclave_ends_or_another_has_its_cid_or_nothing_is_known) {
    folder.write("describe-enclaves", "[" + listed("redoubt-16", 16, "TERMINATING") + "]");
    EXPECT_FALSE(start());
    folder.write("describe-enclaves", "[" + listed("somebody-else", 16) + "]");
    const auto foreign = start();
    ASSERT_FALSE(foreign);
    EXPECT_NE(foreign.error().text.view().find("--first-cid"), std::string_view::npos);
    folder.write("describe-enclaves", "[");
    EXPECT_FALSE(start());
    folder.write("describe-enclaves.err", "[ E39 ] Enclave process connection failure.");
    const auto unknown = start();
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().context.find("E39"), std::string::npos);
    EXPECT_EQ(folder.read("calls").find("run-enclave"), std::string::npos);
}

TEST_F(NitroRunnerTest, tells_why_an_enclave_did_not_boot) {
    folder.write("run-enclave.err", "Start allocating memory...\n[ E36 ] Enclave boot failure. Such error\n");
    const auto started = start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::RunnerFailed);
    EXPECT_NE(started.error().text.view().find("did not boot"), std::string_view::npos);
}

TEST_F(NitroRunnerTest, lets_one_enclave_boot_at_a_time) {
    folder.write("run-enclave.alone", "");
    folder.write("run-enclave", run_answer("redoubt-16", 16));
    folder.write("run-enclave.2", run_answer("redoubt-17", 17));
    options.enclaves = 2;
    runner.emplace(loop, options);
    std::vector<Result<RunningEnclave>> answers;
    for (const std::uint32_t cid : {16u, 17u})
        runner->start(cid, [&](Result<RunningEnclave> result) { answers.push_back(std::move(result)); });
    EXPECT_TRUE(run_until(loop, [&] { return answers.size() == 2; }));
    for (const auto& answer : answers) { // both booted, and are not in the list, which stays empty here
        ASSERT_FALSE(answer);
        EXPECT_NE(answer.error().text.view().find("ended as soon"), std::string_view::npos)
            << answer.error().describe();
    }
    const std::string calls = folder.read("calls");
    EXPECT_LT(calls.find("--enclave-cid 16"), calls.find("--enclave-cid 17"));
}

TEST_F(NitroRunnerTest, goes_on_with_the_next_start_when_one_fails_and_drops_those_that_wait) {
    options.run_limit_ms = 300;
    folder.write("run-enclave.slow", "");
    runner.emplace(loop, options);
    int failures = 0;
    for (const std::uint32_t cid : {16u, 17u, 18u})
        runner->start(cid, [&](const Result<RunningEnclave>& result) { failures += result ? 0 : 1; });
    EXPECT_TRUE(run_until(loop, [&] { return failures == 2; }));
    runner.reset();
    EXPECT_FALSE(run_until(
        loop, [&] { return failures == 3; }, 600));
}

TEST_F(NitroRunnerTest,
       leaves_what_is_listed_without_name_or_measurements_to_others_unless_it_may_be_its_own) {
    const auto without = [](std::string text, const std::string& from, const std::string& to) {
        const std::size_t at = text.find(from);
        return text.erase(at, text.find(to, at) + to.size() - at);
    };
    const auto described = [&](const std::string& one) {
        folder.write("describe-enclaves", "[" + one + "]");
        runner.emplace(loop, options);
        std::optional<Result<std::vector<RunningEnclave>>> out;
        runner->describe([&](auto result) { out = std::move(result); });
        EXPECT_TRUE(run_until(loop, [&] { return out.has_value(); }));
        return out && *out;
    };
    const auto nameless = [&](unsigned cid) {
        return without(listed("x", cid), "\"EnclaveName\"", "\"x\",");
    };
    const auto unmeasured = [&](const std::string& name, unsigned cid, const std::string& state = "RUNNING") {
        return without(listed(name, cid, state), ",\"Measurements\"", "\"}");
    };
    EXPECT_TRUE(described(nameless(40)));
    EXPECT_TRUE(described(unmeasured("payments", 40)));
    EXPECT_TRUE(described(unmeasured("redoubt-16", 16, "EMPTY"))); // it is about to start
    EXPECT_FALSE(described(nameless(16)));
    EXPECT_FALSE(described(unmeasured("payments", 16)));
    EXPECT_FALSE(described(unmeasured("redoubt-40", 40)));
}

TEST_F(NitroRunnerTest, does_not_wait_for_ever) {
    options.run_limit_ms = 300;
    folder.write("run-enclave.slow", "");
    const auto started = start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().text.view().find("in time"), std::string_view::npos);
}

TEST_F(NitroRunnerTest, ends_an_enclave_that_got_another_name_than_it_was_given) {
    folder.write("run-enclave", run_answer("redoubt-16_1", 16));
    folder.write("terminate-enclave",
                 R"({"EnclaveName":"redoubt-16_1","EnclaveID":"i-1-enc2","Terminated":true})");
    EXPECT_FALSE(start());
    EXPECT_TRUE(folder.read("calls").ends_with("terminate-enclave --enclave-id i-1-enc2\n"));
}

TEST_F(NitroRunnerTest, takes_an_enclave_for_ended_when_it_is_gone_whatever_nitro_cli_said) {
    folder.write("terminate-enclave.err", "[ E39 ] Enclave process connection failure.");
    EXPECT_TRUE(stop());
    folder.write("describe-enclaves", "[" + listed("redoubt-16", 16) + "]");
    const auto refused = stop();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().context.find("E39"), std::string::npos);
}

TEST_F(NitroRunnerTest, tells_of_a_nitro_cli_that_is_not_there) {
    options.nitro_cli = "/nonexistent/nitro-cli";
    const auto started = start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().text.view().find("--nitro-cli"), std::string_view::npos);
}

} // namespace

} // namespace redoubt::host::tests
