// SPDX-License-Identifier: Apache-2.0
// What the runners share whose enclaves are programs on this machine: an enclave is one or more programs that
// live and die together under a minder (minder.h), one process for each slot. Minders outlive this process
// for a while; they are found again by their sockets (minder_files.h).
#pragma once

#include "host/enclave_runner.h"
#include "host/line_channel.h"
#include "host/minder.h"
#include "host/minder_files.h"
#include "host/minder_plan.h"

#include <map>
#include <memory>

namespace redoubt::host {

struct LocalRunnerOptions {
    std::string directory;     // sockets and logs, for this user alone
    std::string name;          // the enclaves are NAME-CID
    std::string redoubt;       // for `redoubt enclave-minder`
    int orphan_ms = kOrphanMs; // how long an enclave lives without a watchdog
};

class LocalRunner : public EnclaveRunner {
  public:
    // Leaves the enclaves to their minders. Only one runner of a name in a folder at a time: the last one
    // has them.
    ~LocalRunner() override;
    LocalRunner(const LocalRunner&) = delete;
    LocalRunner& operator=(const LocalRunner&) = delete;

    void start(std::uint32_t cid, Started done) final;
    // Orderly: SIGTERM to all, and SIGKILL after Minder::kStopLimitMs. A minder that does not do so in time
    // is killed, and its enclave with it.
    void stop(const std::string& id, StopHow how, Stopped done) final;
    // Looks for minders that it does not know yet. One that does not answer within kAnswerMs is killed.
    void describe(Described done) final;
    // Of one that has ended, too, until its slot is started again.
    void console(const std::string& id, Console done) final;
    void on_ended(Ended ended) final { ended_ = std::move(ended); }
    bool outlived() const noexcept final { return true; }
    bool keeps_consoles() const noexcept final { return true; }

    static constexpr int kAnswerMs = 10'000;
    static constexpr int kAgainMs = 1'000;  // after a minder's connection was another's
    static constexpr int kMinderMs = 2'000; // beyond what ending the enclave takes

  protected:
    using Plan = MinderPlan; // its id, logs and kind are filled in
    LocalRunner(net::EventLoop& loop, std::string kind, LocalRunnerOptions options)
        : loop_(loop), kind_(std::move(kind)), files_(std::move(options)) {}
    virtual Result<Plan> plan(std::uint32_t cid) = 0;

  private:
    // A slot whose minder runs.
    struct Slot {
        std::uint32_t cid = 0;
        std::unique_ptr<LineChannel> minder; // none: another has taken its place, for now
        Child child;                         // the minder, where this process started it
        net::Fd found;                       // else a pidfd of it
        std::optional<MinderReport> said;    // the last it said
        Started started;                     // until it was called
        std::vector<Stopped> stopped;
        bool stopping = false;
        net::EventLoop::TimerId timer = 0, again_timer = 0; // 0: none
        int pidfd() const noexcept { return found ? found.get() : child.pidfd(); }
    };
    Slot* join(std::uint32_t cid); // of a minder that runs already; null: there is none
    Status launch(std::uint32_t cid, Started& done);
    void watch(Slot& slot, net::Fd socket);
    void connect(Slot& slot, net::Fd socket);
    void connect_again(Slot& slot);
    void hear(Slot& slot, const std::string& line);
    void answer(Slot& slot);
    void kill_later(Slot& slot, int ms);
    void gone(std::uint32_t cid);
    void answer_described();
    void later(std::function<void()> task);

    net::EventLoop& loop_;
    std::string kind_;
    LocalRunnerOptions files_;
    Ended ended_;
    std::map<std::uint32_t, std::unique_ptr<Slot>> slots_; // by CID
    std::vector<Described> describing_;                    // until every minder has answered
    std::map<std::string, std::string> consoles_;          // by id, of each slot's last
    std::map<std::uint32_t, std::string> last_ids_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace redoubt::host
