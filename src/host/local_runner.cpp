// SPDX-License-Identifier: Apache-2.0
#include "host/local_runner.h"

#include "base/clock.h"
#include "host/log_limit.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

constexpr int kLookAgainMs = 20;

std::string end_of(const std::string& program, int status) {
    const std::string name = program.substr(program.rfind('/') + 1);
    if (WIFSIGNALED(status))
        return name + " was ended by signal " + std::to_string(WTERMSIG(status));
    return name + " ended with exit code " + std::to_string(WEXITSTATUS(status));
}

bool exists(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
}

Result<std::string> tail_of(const std::string& path, std::size_t size) {
    const net::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd || fstat(fd.get(), &info) != 0)
        return fail(Code::RunnerFailed, "the enclave's console file cannot be read",
                    path + ": " + std::strerror(errno));
    std::string out(std::min(size, static_cast<std::size_t>(info.st_size)), '\0');
    const ssize_t n = pread(fd.get(), out.data(), out.size(), info.st_size - static_cast<off_t>(out.size()));
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
}

} // namespace

LocalRunner::~LocalRunner() {
    *alive_ = false;
    if (watching_logs_)
        loop_.cancel(log_timer_);
    for (auto& [cid, enclave] : enclaves_) {
        if (enclave->timer_set)
            loop_.cancel(enclave->timer);
        for (auto& child : enclave->children)
            if (child->running())
                loop_.remove(child->pidfd()); // and the child's destructor kills it
    }
}

void LocalRunner::later(std::function<void()> task) {
    loop_.after(0, [alive = alive_, task = std::move(task)] {
        if (*alive)
            task();
    });
}

void LocalRunner::set_timer(Enclave& enclave, int ms, std::function<void()> task) {
    if (enclave.timer_set)
        loop_.cancel(enclave.timer);
    enclave.timer_set = true;
    enclave.timer = loop_.after(ms, [&enclave, task = std::move(task)] {
        enclave.timer_set = false;
        task();
    });
}

void LocalRunner::shorten_logs(const Plan& plan) {
    for (const Part& part : plan.parts)
        (void)shorten_log(part.options.log_file);
    (void)shorten_log(plan.console_file); // where it is one of the above, it is short already
}

void LocalRunner::watch_logs() {
    if (std::exchange(watching_logs_, true))
        return;
    log_timer_ = loop_.after(kLogLookMs, [this] {
        watching_logs_ = false;
        for (const auto& [cid, enclave] : enclaves_)
            shorten_logs(enclave->plan);
        if (!enclaves_.empty())
            watch_logs();
    });
}

void LocalRunner::start(std::uint32_t cid, Started done) {
    if (const auto found = enclaves_.find(cid); found != enclaves_.end()) {
        if (found->second->started || found->second->stopping)
            return later([done = std::move(done)] {
                done(fail(Code::RunnerFailed, "the slot's enclave is about to start or to end"));
            });
        return later([done = std::move(done), enclave = found->second->plan.enclave] { done(enclave); });
    }
    auto planned = plan(cid);
    if (!planned)
        return later([done = std::move(done), error = planned.error()] { done(std::unexpected(error)); });
    auto enclave = std::make_unique<Enclave>();
    enclave->plan = std::move(*planned);
    enclave->started = std::move(done);
    enclave->deadline = monotonic_ms() + kSocketLimitMs;
    shorten_logs(enclave->plan); // of those before it, which may have ended too soon to be looked at
    enclaves_[cid] = std::move(enclave);
    watch_logs();
    later([this, cid] { next_part(cid); });
}

void LocalRunner::next_part(std::uint32_t cid) {
    const auto found = enclaves_.find(cid);
    if (found == enclaves_.end() || !found->second->started || found->second->stopping)
        return;
    Enclave& enclave = *found->second;
    while (enclave.children.size() < enclave.plan.parts.size()) {
        const Part& part = enclave.plan.parts[enclave.children.size()];
        if (!std::ranges::all_of(part.after, exists)) {
            if (monotonic_ms() > enclave.deadline)
                return start_failed(cid, {Code::RunnerFailed,
                                          "a program of the enclave did not make its sockets in time: its "
                                          "log says why",
                                          part.options.log_file});
            return set_timer(enclave, kLookAgainMs, [this, cid] { next_part(cid); });
        }
        auto child = spawn(part.options);
        if (!child)
            return start_failed(cid, {Code::RunnerFailed,
                                      "a program of the enclave cannot be started: check its path and rights",
                                      child.error().describe()});
        const std::size_t index = enclave.children.size();
        enclave.children.push_back(std::make_unique<Child>(std::move(*child)));
        loop_.add(enclave.children.back()->pidfd(), EPOLLIN,
                  [this, cid, index](std::uint32_t) { child_ended(cid, index); });
        enclave.deadline = monotonic_ms() + kSocketLimitMs;
    }
    RunningEnclave& told = enclave.plan.enclave;
    told.id = kind_ + "-" + std::to_string(enclave.children.back()->pid());
    told.cid = cid;
    consoles_.erase(last_ids_[cid]);
    last_ids_[cid] = told.id;
    consoles_[told.id] = enclave.plan.console_file;
    running(told);
    std::exchange(enclave.started, nullptr)(told);
}

void LocalRunner::start_failed(std::uint32_t cid, Error error) {
    Enclave& enclave = *enclaves_.at(cid);
    const Started started = std::exchange(enclave.started, nullptr);
    enclave.stopping = true; // nobody is told of this end but by the answer
    enclave.stopped.push_back(
        [started, error = std::move(error)](const Status&) { started(std::unexpected(error)); });
    if (enclave.children.empty() || std::ranges::none_of(enclave.children, &Child::running,
                                                         [](const auto& c) -> const Child& { return *c; }))
        return later([this, cid] { all_gone(cid); });
    end_children(enclave, SIGKILL);
}

void LocalRunner::end_children(Enclave& enclave, int signal) {
    for (auto& child : enclave.children)
        signal_child(*child, signal);
}

void LocalRunner::child_ended(std::uint32_t cid, std::size_t index) {
    Enclave& enclave = *enclaves_.at(cid);
    Child& child = *enclave.children[index];
    loop_.remove(child.pidfd());
    const int status = reap(child, true);
    if (enclave.why.empty())
        enclave.why = end_of(enclave.plan.parts[index].options.arguments[0], status);
    if (enclave.started)
        return start_failed(cid, {Code::RunnerFailed,
                                  "a program of the enclave ended at once: its log says why", enclave.why});
    if (std::ranges::any_of(enclave.children, [](const auto& other) { return other->running(); })) {
        // The others are of no use without it.
        if (!enclave.stopping)
            end_children(enclave, SIGKILL);
        return;
    }
    all_gone(cid);
}

void LocalRunner::all_gone(std::uint32_t cid) {
    const auto found = enclaves_.find(cid);
    if (found == enclaves_.end())
        return;
    const std::unique_ptr<Enclave> enclave = std::move(found->second);
    enclaves_.erase(found);
    if (enclave->timer_set)
        loop_.cancel(enclave->timer);
    gone(cid);
    for (const auto& stopped : enclave->stopped)
        stopped({});
    if (!enclave->stopping && ended_)
        ended_(enclave->plan.enclave.id, enclave->why);
}

LocalRunner::Enclave* LocalRunner::find(const std::string& id, std::uint32_t& cid) {
    for (auto& [number, enclave] : enclaves_)
        if (enclave->plan.enclave.id == id) {
            cid = number;
            return enclave.get();
        }
    return nullptr;
}

void LocalRunner::stop(const std::string& id, StopHow how, Stopped done) {
    std::uint32_t cid = 0;
    Enclave* const enclave = find(id, cid);
    if (enclave == nullptr)
        return later([done = std::move(done)] { done({}); });
    enclave->stopped.push_back(std::move(done));
    enclave->stopping = true;
    end_children(*enclave, how == StopHow::AtOnce ? SIGKILL : SIGTERM);
    if (how == StopHow::Orderly)
        set_timer(*enclave, kStopLimitMs, [this, enclave] { end_children(*enclave, SIGKILL); });
}

void LocalRunner::describe(Described done) {
    std::vector<RunningEnclave> out;
    for (const auto& [cid, enclave] : enclaves_)
        if (!enclave->started) {
            out.push_back(enclave->plan.enclave);
            out.back().ending = enclave->stopping;
        }
    later([done = std::move(done), out = std::move(out)] { done(out); });
}

void LocalRunner::console(const std::string& id, Console done) {
    const auto found = consoles_.find(id);
    Result<std::string> tail = found == consoles_.end()
                                   ? fail(Code::RunnerFailed, "no console of such an enclave is kept", id)
                                   : tail_of(found->second, kConsoleTail);
    // Just cut: what came before is in the former file.
    if (tail && tail->size() < kConsoleTail)
        if (const auto before = tail_of(found->second + ".1", kConsoleTail - tail->size()))
            tail->insert(0, *before);
    later([done = std::move(done), tail = std::move(tail)] { done(tail); });
}

} // namespace redoubt::host
