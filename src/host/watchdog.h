// SPDX-License-Identifier: Apache-2.0
// Keeps enclaves running: starts them, asks each whether it can sign, ends and starts those that cannot, and
// replaces them one by one when the image on disk changes (keeper.h decides). docs/watchdog.md.
#pragma once

#include "base/worker_pool.h"
#include "host/image_file.h"
#include "host/keeper.h"
#include "host/service_manager.h"
#include "net/http_server.h"

#include <map>
#include <memory>
#include <set>

namespace redoubt::host {

struct WatchdogOptions {
    std::size_t enclaves = 1;
    std::uint32_t first_cid = 16; // theirs are this and those that follow
    std::string name = "redoubt"; // prefix of the enclaves' names: what bears it is this watchdog's
    KeeperLimits limits{};
    bool wants_debug = false;
    int probe_ms = 1'000; // between an enclave's answer and the next question
    int list_ms = 5'000;  // between looks at what runs, where the runner tells nothing by itself
    int image_ms = 2'000; // between looks at the image on disk
    // Where enclaves outlive the watchdog: whether an orderly stop ends them.
    bool end_enclaves = false;
    std::string runner_name = "process"; // for people
    std::optional<net::Endpoint> listen; // GET /metrics and /status: a unix socket, or loopback
    ServiceManager manager{};
};

class Watchdog {
  public:
    // The loop is the runner's; both outlive the watchdog.
    Watchdog(net::EventLoop& loop, EnclaveRunner& runner, ImageFile image, WatchdogOptions options);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    // Runs until stop_fd is readable. `ready` is called once, when the first enclave can sign; it gets the
    // endpoint of the metrics, if any. Errors: Usage (options), Io (the metrics' endpoint), RunnerFailed (the
    // start limit was reached for every enclave).
    Status run(int stop_fd, std::function<void(const std::optional<net::Endpoint>&)> ready);

    std::string metrics() const;     // Prometheus' text format
    std::string status_json() const; // for people and tests

  private:
    void tick();
    void act(const Keeper::Action& action);
    void list();
    void take_list(const std::vector<RunningEnclave>& enclaves);
    void measure();
    void update_links();
    void tell_state();
    void tell_enclave(const Keeper::Slot& slot);
    void show_console(const RunningEnclave& enclave);
    void stop();
    void stop_step();
    void after(const char* what, int ms, std::function<void()> task);
    std::string summary() const;
    void answer(const net::HttpRequest& request, const net::HttpServer::Responder& respond) const;

    net::EventLoop& loop_;
    EnclaveRunner& runner_;
    WatchdogOptions options_;
    Keeper keeper_;
    ImageFile image_; // the worker's, once run() has begun
    std::string image_path_, image_error_;
    bool image_looked_at_ = false, listed_ = false, listing_ = false, list_asked_ = false;
    std::string list_error_;
    struct Link {
        std::string id; // of the enclave
        std::unique_ptr<ProbeLink> probe;
        bool debug_told = false, mismatch_told = false, working_told = false;
    };
    std::map<std::uint32_t, Link> links_; // by CID
    std::set<std::string> told_limited_;
    std::map<std::string, net::EventLoop::TimerId> timers_; // by what they are for
    std::optional<net::Endpoint> listening_;
    std::unique_ptr<net::HttpServer> server_;
    std::function<void(const std::optional<net::Endpoint>&)> ready_;
    std::string last_summary_;
    bool stopping_ = false, gave_up_ = false;
    std::set<std::string> ending_, gone_; // ids whose end was asked for while stopping, and came
    std::int64_t stop_deadline_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::unique_ptr<WorkerPool> worker_; // last: its thread ends before what it uses
};

} // namespace redoubt::host
