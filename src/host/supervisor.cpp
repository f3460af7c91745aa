// SPDX-License-Identifier: Apache-2.0
#include "host/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/log_limit.h"

#include <algorithm>
#include <csignal>
#include <sys/epoll.h>
#include <sys/wait.h>

namespace redoubt::host {

struct Supervisor::Kept {
    SupervisedChild wanted;
    Child child;
    std::int64_t started_ms = 0;
    int failures = 0; // in a row
    net::EventLoop::TimerId restart_timer = 0;
    bool restart_waits = false;
};

namespace {

std::string status_text(int status) {
    if (status < 0)
        return "not started";
    if (WIFSIGNALED(status))
        return "signal " + std::to_string(WTERMSIG(status));
    return "exit " + std::to_string(WEXITSTATUS(status));
}

} // namespace

Supervisor::Supervisor(net::EventLoop& loop, SupervisorOptions options, SupervisorEvents events)
    : loop_(loop), options_(options), events_(std::move(events)) {
    log_timer_ = loop_.after(options_.log_look_ms, [this] { shorten_logs(); });
}

Supervisor::~Supervisor() {
    loop_.cancel(log_timer_);
    if (stop_timer_set_)
        loop_.cancel(stop_timer_);
    if (done_timer_set_)
        loop_.cancel(done_timer_);
    for (auto& kept : kept_) {
        if (kept->restart_waits)
            loop_.cancel(kept->restart_timer);
        if (kept->child.running()) {
            loop_.remove(kept->child.pidfd());
            signal_child(kept->child, SIGKILL); // to all first; each Child's destructor then waits
        }
    }
}

Status Supervisor::add(SupervisedChild child) {
    if (stopping_)
        return fail(Code::ShuttingDown, "the supervisor is stopping; no child is started any more");
    auto kept = std::make_unique<Kept>();
    kept->wanted = std::move(child);
    Kept& reference = *kept;
    kept_.push_back(std::move(kept));
    if (auto started = start(reference); !started) {
        kept_.pop_back(); // start() calls nobody when it fails, so it is still the last
        return started;
    }
    return {};
}

void Supervisor::shorten_logs() {
    for (const auto& kept : kept_)
        if (const std::string& file = kept->wanted.options.log_file; !file.empty())
            (void)shorten_log(file, options_.log_limit);
    log_timer_ = loop_.after(options_.log_look_ms, [this] { shorten_logs(); });
}

Status Supervisor::start(Kept& kept) {
    REDOUBT_TRY(kept.child, spawn(kept.wanted.options));
    kept.started_ms = monotonic_ms();
    loop_.add(kept.child.pidfd(), EPOLLIN, [this, &kept](std::uint32_t) { ended(kept); });
    const pid_t pid = kept.child.pid();
    log(LogLevel::Info, "child-started", {{"child", kept.wanted.name}, {"pid", std::to_string(pid)}});
    if (events_.started)
        events_.started(kept.wanted.name, pid);
    return {};
}

void Supervisor::ended(Kept& kept) {
    const pid_t pid = kept.child.pid();
    loop_.remove(kept.child.pidfd());
    const int status = reap(kept.child, true);
    if (monotonic_ms() - kept.started_ms >= options_.healthy_after_ms)
        kept.failures = 0;
    if (!stopping_) {
        restart_later(kept, pid, status);
        return;
    }
    log(LogLevel::Info, "child-stopped",
        {{"child", kept.wanted.name}, {"pid", std::to_string(pid)}, {"status", status_text(status)}});
    if (events_.exited)
        events_.exited(kept.wanted.name, pid, status, -1);
    stop_stage();
}

void Supervisor::restart_later(Kept& kept, pid_t pid, int status) {
    // Doubling past 2^20 times the first delay would only overflow: the longest delay has long been reached.
    const std::int64_t doubled = std::int64_t{options_.first_delay_ms} << std::min(kept.failures, 20);
    const int delay = static_cast<int>(std::min<std::int64_t>(doubled, options_.longest_delay_ms));
    ++kept.failures;
    log(LogLevel::Warning, "child-ended",
        {{"child", kept.wanted.name},
         {"pid", std::to_string(pid)},
         {"status", status_text(status)},
         {"restart_ms", std::to_string(delay)}});
    kept.restart_waits = true;
    kept.restart_timer = loop_.after(delay, [this, &kept] {
        kept.restart_waits = false;
        if (auto started = start(kept); !started) {
            log(LogLevel::Error, "child-not-started",
                {{"child", kept.wanted.name}, {"error", started.error().describe()}});
            restart_later(kept, -1, -1);
        }
    });
    if (events_.exited)
        events_.exited(kept.wanted.name, pid, status, delay);
}

std::vector<pid_t> Supervisor::pids(const std::string& name) const {
    std::vector<pid_t> out;
    for (const auto& kept : kept_)
        if (kept->wanted.name == name)
            out.push_back(kept->child.pid());
    return out;
}

void Supervisor::signal(pid_t pid, int signal) {
    for (const auto& kept : kept_)
        if (kept->child.running() && kept->child.pid() == pid)
            signal_child(kept->child, signal);
}

void Supervisor::stop(std::function<void()> done) {
    done_ = std::move(done);
    if (stopping_) {
        stop_stage();
        return;
    }
    stopping_ = true;
    for (auto& kept : kept_) {
        if (kept->restart_waits)
            loop_.cancel(kept->restart_timer);
        kept->restart_waits = false;
        stage_ = std::max(stage_, kept->wanted.stage);
    }
    ++stage_; // above every stage: stop_stage goes down from here
    stop_stage();
}

// Goes to the next stage when the present one has no running child, and to `done` after the last.
void Supervisor::stop_stage() {
    int highest = 0;
    bool any = false;
    for (const auto& kept : kept_)
        if (kept->child.running()) {
            highest = any ? std::max(highest, kept->wanted.stage) : kept->wanted.stage;
            any = true;
        }
    if (any && highest >= stage_)
        return; // still waiting for the present stage
    if (stop_timer_set_)
        loop_.cancel(stop_timer_);
    stop_timer_set_ = false;
    if (!any) {
        if (done_timer_set_)
            return;
        done_timer_set_ = true; // through the loop, so that stop() never calls back before it returns
        done_timer_ = loop_.after(0, [this] {
            done_timer_set_ = false;
            if (const auto done = std::exchange(done_, nullptr))
                done();
        });
        return;
    }
    stage_ = highest;
    for (auto& kept : kept_)
        if (kept->wanted.stage == stage_)
            signal_child(kept->child, SIGTERM);
    stop_timer_set_ = true;
    stop_timer_ = loop_.after(options_.stop_limit_ms, [this] {
        stop_timer_set_ = false;
        for (auto& kept : kept_)
            if (kept->child.running() && kept->wanted.stage == stage_) {
                log(LogLevel::Warning, "child-killed",
                    {{"child", kept->wanted.name}, {"pid", std::to_string(kept->child.pid())}});
                signal_child(kept->child, SIGKILL);
            }
    });
}

} // namespace redoubt::host
