// SPDX-License-Identifier: Apache-2.0
// What the tests of enclaves under minders share: a runner whose enclave is a shell script.
#pragma once

#include "host/process_runner.h"

#include "process_support.h"
#include "runner_support.h"

namespace redoubt::host::tests {

class ProcessRunnerTest : public testing::Test {
  protected:
    ~ProcessRunnerTest() override {
        runner.reset();
        end_minders(folder.path(), "", Minder::kStopLimitMs);
    }
    // The program gets --listen unix:PATH and what follows; it is a shell script.
    void make(const std::string& script) {
        folder.write("program", "#!/bin/sh\n" + script + "\n", true);
        make_runner();
    }
    // As the next watchdog does, while the first is not there any more.
    void make_runner() {
        runner.reset();
        ProcessRunnerOptions options;
        options.redoubt = "/proc/self/exe"; // main.cpp
        options.orphan_ms = orphan_ms;
        options.program = folder.file("program");
        options.arguments = {"--more", "things"};
        options.directory = folder.path();
        options.name = "e";
        runner = std::make_unique<ProcessRunner>(loop, options);
        runner->on_ended(
            [this](const std::string& id, const std::string& why) { ends.push_back(id + ": " + why); });
    }
    Result<RunningEnclave> start(std::uint32_t cid) {
        std::optional<Result<RunningEnclave>> out;
        runner->start(cid, [&](Result<RunningEnclave> result) { out = std::move(result); });
        EXPECT_FALSE(out); // never at once
        EXPECT_TRUE(run_until(loop, [&] { return out.has_value(); }));
        return *out;
    }
    bool stop(const std::string& id, StopHow how) {
        bool done = false;
        runner->stop(id, how, [&](const Status& status) { done = status.has_value(); });
        return run_until(loop, [&] { return done; });
    }
    std::vector<RunningEnclave> list() {
        std::optional<std::vector<RunningEnclave>> out;
        runner->describe([&](const Result<std::vector<RunningEnclave>>& result) { out = result.value(); });
        EXPECT_FALSE(out); // never at once
        EXPECT_TRUE(run_until(loop, [&] { return out.has_value(); }));
        return out.value_or(std::vector<RunningEnclave>());
    }
    // The process that listens for the watchdog.
    pid_t minder_of(std::uint32_t cid) { return find_minder(folder.path(), "e", cid).pid; }
    static pid_t pid_of(const RunningEnclave& enclave) {
        return static_cast<pid_t>(
            std::strtol(enclave.id.c_str() + std::string("process-").size(), nullptr, 10));
    }
    Folder folder;
    net::EventLoop loop;
    std::unique_ptr<ProcessRunner> runner;
    std::vector<std::string> ends;
    int orphan_ms = kOrphanMs;
};

} // namespace redoubt::host::tests
