// SPDX-License-Identifier: Apache-2.0
// What the runners share whose enclaves are child processes of this one: an enclave is one or more programs
// that live and die together, and none outlives this process (process.h). Logs are files of a folder; they
// are looked at every kLogLookMs and kept short (log_limit.h).
#pragma once

#include "host/enclave_runner.h"
#include "host/process.h"
#include "net/event_loop.h"

#include <map>
#include <memory>

namespace redoubt::host {

class LocalRunner : public EnclaveRunner {
  public:
    ~LocalRunner() override;
    LocalRunner(const LocalRunner&) = delete;
    LocalRunner& operator=(const LocalRunner&) = delete;

    void start(std::uint32_t cid, Started done) final;
    // Orderly: SIGTERM to all, and SIGKILL after kStopLimitMs.
    void stop(const std::string& id, StopHow how, Stopped done) final;
    void describe(Described done) final;
    // Of one that has ended, too, until its slot is started again.
    void console(const std::string& id, Console done) final;
    void on_ended(Ended ended) final { ended_ = std::move(ended); }
    bool outlived() const noexcept final { return false; }

    static constexpr int kStopLimitMs = 3'000;
    static constexpr int kSocketLimitMs = 10'000; // until a program has made what the next one needs
    static constexpr int kLogLookMs = 1'000;

  protected:
    struct Part {
        ChildOptions options;
        std::vector<std::string> after; // paths that must be there before this program is started
    };
    struct Plan {
        std::vector<Part> parts;
        RunningEnclave enclave;   // its id is filled in: the kind and the last part's pid
        std::string console_file; // whoever writes it appends
    };
    LocalRunner(net::EventLoop& loop, std::string kind) : loop_(loop), kind_(std::move(kind)) {}
    virtual Result<Plan> plan(std::uint32_t cid) = 0;
    virtual void running(const RunningEnclave&) {}
    virtual void gone(std::uint32_t /*cid*/) {}
    net::EventLoop& loop() noexcept { return loop_; }

  private:
    struct Enclave {
        Plan plan;
        std::vector<std::unique_ptr<Child>> children; // as many as were started; stable for their callbacks
        Started started;                              // until it was called
        std::vector<Stopped> stopped;
        bool stopping = false;
        std::string why; // it ended
        net::EventLoop::TimerId timer = 0;
        bool timer_set = false;
        std::int64_t deadline = 0; // for the next part's paths
    };
    void next_part(std::uint32_t cid);
    void child_ended(std::uint32_t cid, std::size_t index);
    void start_failed(std::uint32_t cid, Error error);
    void all_gone(std::uint32_t cid);
    void end_children(Enclave& enclave, int signal);
    void set_timer(Enclave& enclave, int ms, std::function<void()> task);
    Enclave* find(const std::string& id, std::uint32_t& cid);
    void later(std::function<void()> task);
    static void shorten_logs(const Plan& plan);
    void watch_logs();

    net::EventLoop& loop_;
    std::string kind_;
    Ended ended_;
    net::EventLoop::TimerId log_timer_ = 0;
    bool watching_logs_ = false;
    std::map<std::uint32_t, std::unique_ptr<Enclave>> enclaves_; // by CID
    std::map<std::string, std::string> consoles_;                // by id, of each slot's last
    std::map<std::uint32_t, std::string> last_ids_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace redoubt::host
