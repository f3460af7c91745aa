// SPDX-License-Identifier: Apache-2.0
#include "host/local_runner.h"

#include "base/log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

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

// A file in memory that is read from its beginning.
Result<net::Fd> in_memory(const std::string& text) {
    net::Fd fd(memfd_create("plan", MFD_CLOEXEC));
    if (!fd || pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail(Code::RunnerFailed, "an enclave's plan cannot be written", std::strerror(errno));
    return fd;
}

void send_signal(int pidfd, int signal) {
    syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0U);
}

} // namespace

LocalRunner::~LocalRunner() {
    *alive_ = false;
    for (auto& [cid, slot] : slots_) {
        for (const auto timer : {slot->timer, slot->again_timer})
            if (timer != 0)
                loop_.cancel(timer);
        loop_.remove(slot->pidfd());
        slot->child.leave();
    }
}

void LocalRunner::later(std::function<void()> task) {
    loop_.after(0, [alive = alive_, task = std::move(task)] {
        if (*alive)
            task();
    });
}

void LocalRunner::start(std::uint32_t cid, Started done) {
    auto found = slots_.find(cid);
    Slot* slot = found != slots_.end() ? found->second.get() : join(cid);
    if (slot == nullptr) {
        if (const auto launched = launch(cid, done); !launched)
            later([done = std::move(done), error = launched.error()] { done(std::unexpected(error)); });
        return;
    }
    using State = MinderReport::State;
    if (slot->started || slot->stopping || (slot->said && slot->said->state > State::Running))
        return later([done = std::move(done)] {
            done(fail(Code::RunnerFailed, "the slot's enclave is about to start or to end"));
        });
    if (slot->said && slot->said->state == State::Running)
        return later([done = std::move(done), enclave = slot->said->enclave] { done(enclave); });
    slot->started = std::move(done);
}

LocalRunner::Slot* LocalRunner::join(std::uint32_t cid) {
    auto minder = find_minder(files_.directory, files_.name, cid);
    if (!minder.pidfd)
        return nullptr;
    auto slot = std::make_unique<Slot>();
    slot->cid = cid;
    slot->found = std::move(minder.pidfd);
    Slot& kept = *(slots_[cid] = std::move(slot));
    watch(kept, std::move(minder.socket));
    kill_later(kept, kAnswerMs);
    return &kept;
}

// Where it succeeds it has taken `done`.
Status LocalRunner::launch(std::uint32_t cid, Started& done) {
    // First the lock: what plan() writes would be another's.
    REDOUBT_TRY(const net::Fd lock, lock_slot(minder_lock(files_.directory, files_.name, cid)));
    REDOUBT_TRY(Plan planned, plan(cid));
    const std::string log_file = minder_log(files_.directory, files_.name, cid);
    planned.kind = kind_;
    planned.enclave.cid = cid;
    planned.logs = {log_file};
    REDOUBT_TRY(const net::Fd text, in_memory(to_json(planned)));
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(Code::RunnerFailed, "a connection to the enclave's minder cannot be made",
                    std::strerror(errno));
    net::Fd ours(ends[0]);
    const net::Fd theirs(ends[1]);
    ChildOptions options;
    options.arguments = {files_.redoubt, "enclave-minder",
                         "--socket",     minder_socket(files_.directory, files_.name, cid),
                         "--orphan-ms",  std::to_string(files_.orphan_ms)};
    options.environment = {"PATH=/usr/bin:/bin"};
    options.descriptors = {
        {text.get(), STDIN_FILENO}, {theirs.get(), kMinderFirstFd}, {lock.get(), kMinderLockFd}};
    options.log_file = log_file;
    options.outlives = true;
    auto child = spawn(options);
    if (!child)
        return fail(Code::RunnerFailed, "the enclave's minder cannot be started: check the program's rights",
                    child.error().describe());
    auto slot = std::make_unique<Slot>();
    slot->cid = cid;
    slot->child = std::move(*child);
    slot->started = std::move(done);
    Slot& kept = *(slots_[cid] = std::move(slot));
    watch(kept, std::move(ours));
    kill_later(kept, kAnswerMs);
    return {};
}

void LocalRunner::watch(Slot& slot, net::Fd socket) {
    loop_.add(slot.pidfd(), EPOLLIN, [this, cid = slot.cid](std::uint32_t) { gone(cid); });
    connect(slot, std::move(socket));
}

void LocalRunner::connect(Slot& slot, net::Fd socket) {
    slot.minder = std::make_unique<LineChannel>(
        loop_, std::move(socket), [this, &slot](const std::string& line) { hear(slot, line); },
        [this, &slot] {
            slot.minder.reset();
            connect_again(slot);
        });
}

// The minder has ended, which its pidfd tells in a moment, or somebody else connected.
void LocalRunner::connect_again(Slot& slot) {
    slot.again_timer = loop_.after(kAgainMs, [this, &slot] {
        slot.again_timer = 0;
        auto minder = find_minder(files_.directory, files_.name, slot.cid);
        if (minder.pidfd)
            connect(slot, std::move(minder.socket));
        else
            connect_again(slot);
    });
}

void LocalRunner::hear(Slot& slot, const std::string& line) {
    auto report = parse_minder_report(line);
    if (!report) {
        log(LogLevel::Error, "an enclave's minder says what is not understood: it is ended",
            {{"cid", std::to_string(slot.cid)}, {"error", report.error().describe()}});
        return send_signal(slot.pidfd(), SIGTERM);
    }
    const bool first = !slot.said;
    slot.said = std::move(*report);
    if (first && slot.timer != 0 && !slot.stopping) // it answers
        loop_.cancel(std::exchange(slot.timer, 0));
    if (slot.said->state == MinderReport::State::Running) {
        const RunningEnclave& told = slot.said->enclave;
        if (std::string& last = last_ids_[slot.cid]; last != told.id) {
            consoles_.erase(last);
            last = told.id;
            consoles_[told.id] = slot.said->console_file;
        }
    }
    if (first)
        later([this] { answer_described(); });
    if (slot.said->state == MinderReport::State::Running && slot.started)
        std::exchange(slot.started, nullptr)(slot.said->enclave);
}

void LocalRunner::kill_later(Slot& slot, int ms) {
    if (slot.timer != 0)
        loop_.cancel(slot.timer);
    slot.timer = loop_.after(ms, [&slot] {
        slot.timer = 0;
        log(LogLevel::Error, "an enclave's minder does not do what it is told: it is killed",
            {{"cid", std::to_string(slot.cid)}});
        send_signal(slot.pidfd(), SIGKILL); // and the kernel ends the enclave with it
    });
}

// The minder has ended, and the enclave's programs before it.
void LocalRunner::gone(std::uint32_t cid) {
    const auto found = slots_.find(cid);
    const std::unique_ptr<Slot> slot = std::move(found->second);
    slots_.erase(found); // whoever is told below may start another
    loop_.remove(slot->pidfd());
    if (slot->timer != 0)
        loop_.cancel(std::exchange(slot->timer, 0));
    if (slot->minder)
        slot->minder->drain(); // its last words
    if (slot->again_timer != 0)
        loop_.cancel(slot->again_timer);
    slot->minder.reset();
    (void)reap(slot->child, true);
    using State = MinderReport::State;
    const State state = slot->said ? slot->said->state : State::Starting;
    const std::string log_file = minder_log(files_.directory, files_.name, cid);
    if (slot->started)
        slot->started(std::unexpected(
            state > State::Running
                ? error_of(*slot->said)
                : Error{Code::RunnerFailed, "the enclave's minder ended: its log says why", log_file}));
    for (const auto& stopped : slot->stopped)
        stopped({});
    if (!slot->started && !slot->stopping && slot->said && !slot->said->enclave.id.empty() && ended_)
        ended_(slot->said->enclave.id, slot->said->why.empty() ? "its minder ended" : slot->said->why);
    answer_described();
}

void LocalRunner::stop(const std::string& id, StopHow how, Stopped done) {
    const auto found = std::ranges::find_if(
        slots_, [&](const auto& one) { return one.second->said && one.second->said->enclave.id == id; });
    if (found == slots_.end())
        return later([done = std::move(done)] { done({}); });
    Slot& slot = *found->second;
    slot.stopped.push_back(std::move(done));
    slot.stopping = true;
    if (slot.minder)
        slot.minder->send(to_json(how));
    else
        send_signal(slot.pidfd(), SIGTERM);
    kill_later(slot, kMinderMs + (how == StopHow::Orderly ? Minder::kStopLimitMs : 0));
}

void LocalRunner::describe(Described done) {
    for (const std::uint32_t cid : minders_of(files_.directory, files_.name))
        if (!slots_.contains(cid))
            (void)join(cid);
    describing_.push_back(std::move(done));
    later([this] { answer_described(); });
}

void LocalRunner::answer_described() {
    if (describing_.empty() || std::ranges::any_of(slots_, [](const auto& one) {
            return !one.second->said && !one.second->started;
        }))
        return;
    std::vector<RunningEnclave> out;
    for (const auto& [cid, slot] : slots_)
        if (slot->said && !slot->said->enclave.id.empty()) {
            out.push_back(slot->said->enclave);
            out.back().ending = slot->stopping || slot->said->state > MinderReport::State::Running;
        }
    for (const auto& done : std::exchange(describing_, {}))
        done(out);
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
