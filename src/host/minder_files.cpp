// SPDX-License-Identifier: Apache-2.0
#include "host/minder_files.h"

#include "base/clock.h"
#include "host/enclave_runner.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

constexpr std::string_view kSocket = ".minder.sock";
constexpr std::string_view kLock = ".minder.lock";
constexpr std::string_view kLog = ".minder.log";
constexpr int kLookAgainMs = 20;
constexpr int kKilledMs = 2'000; // from SIGKILL to the end, on a machine with much else to do

std::string slot_file(const std::string& directory, const std::string& name, std::uint32_t cid,
                      std::string_view suffix) {
    return directory + "/" + enclave_name(name, cid) + std::string(suffix);
}

struct Slot {
    std::string name;
    std::uint32_t cid;
};

// "redoubt-16.minder.sock" is slot 16 of "redoubt".
std::optional<Slot> slot_of(std::string_view file, std::string_view suffix) {
    if (!file.ends_with(suffix))
        return std::nullopt;
    file.remove_suffix(suffix.size());
    const std::size_t dash = file.rfind('-');
    if (dash == std::string_view::npos)
        return std::nullopt;
    Slot out{std::string(file.substr(0, dash)), 0};
    const char* const end = file.data() + file.size();
    const auto [stop, error] = std::from_chars(file.data() + dash + 1, end, out.cid);
    if (error != std::errc() || stop != end || enclave_name(out.name, out.cid) != file)
        return std::nullopt;
    return out;
}

std::vector<Slot> slots_in(const std::string& directory, std::string_view suffix) {
    std::vector<Slot> out;
    std::error_code error;
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error))
        if (auto slot = slot_of(at->path().filename().string(), suffix))
            out.push_back(std::move(*slot));
    return out;
}

bool ends_by(const net::Fd& pidfd, std::int64_t deadline) {
    pollfd one{pidfd.get(), POLLIN, 0};
    for (;;) {
        const std::int64_t left = std::max<std::int64_t>(deadline - monotonic_ms(), 0);
        const int n = poll(&one, 1, static_cast<int>(left));
        if (n > 0)
            return true;
        if (n == 0)
            return false;
    }
}

} // namespace

std::string minder_socket(const std::string& directory, const std::string& name, std::uint32_t cid) {
    return slot_file(directory, name, cid, kSocket);
}

std::string minder_lock(const std::string& directory, const std::string& name, std::uint32_t cid) {
    return slot_file(directory, name, cid, kLock);
}

std::string minder_log(const std::string& directory, const std::string& name, std::uint32_t cid) {
    return slot_file(directory, name, cid, kLog);
}

std::vector<std::uint32_t> minders_of(const std::string& directory, const std::string& name) {
    std::vector<std::uint32_t> out;
    for (const Slot& slot : slots_in(directory, kSocket))
        if (slot.name == name)
            out.push_back(slot.cid);
    std::ranges::sort(out);
    return out;
}

Result<net::Fd> lock_slot(const std::string& path) {
    net::Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd)
        return fail(Code::RunnerFailed, "the lock of an enclave's slot cannot be made: check the folder",
                    path + ": " + std::strerror(errno));
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(Code::RunnerFailed, "the slot's enclave is about to start or to end", path);
    return fd;
}

FoundMinder find_minder(const std::string& directory, const std::string& name, std::uint32_t cid) {
    FoundMinder out;
    net::Endpoint endpoint;
    endpoint.path = minder_socket(directory, name, cid);
    auto socket = net::start_connect(endpoint);
    if (!socket || !net::connect_result(*socket)) {
        if (const auto lock = lock_slot(minder_lock(directory, name, cid)))
            (void)unlink(endpoint.path.c_str());
        return out;
    }
    // The peer is who listens: the minder itself.
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == getpid())
        return out;
    out.pidfd = net::Fd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0U)));
    if (!out.pidfd)
        return out; // it ended just now
    out.pid = peer.pid;
    out.socket = std::move(*socket);
    return out;
}

std::size_t end_minders(const std::string& directory, const std::string& name, int limit_ms) {
    const std::int64_t deadline = monotonic_ms() + limit_ms;
    std::vector<FoundMinder> found;
    for (const Slot& slot : slots_in(directory, kLock)) {
        if (!name.empty() && slot.name != name)
            continue;
        // Held: somebody minds there, and listens soon if not yet.
        while (!lock_slot(minder_lock(directory, slot.name, slot.cid))) {
            auto minder = find_minder(directory, slot.name, slot.cid);
            if (minder.pidfd) {
                syscall(SYS_pidfd_send_signal, minder.pidfd.get(), SIGTERM, nullptr, 0U);
                found.push_back(std::move(minder));
                break;
            }
            if (monotonic_ms() > deadline)
                break;
            (void)poll(nullptr, 0, kLookAgainMs);
        }
    }
    for (const FoundMinder& minder : found)
        if (!ends_by(minder.pidfd, deadline)) {
            syscall(SYS_pidfd_send_signal, minder.pidfd.get(), SIGKILL, nullptr, 0U);
            (void)ends_by(minder.pidfd, monotonic_ms() + kKilledMs);
        }
    return found.size();
}

} // namespace redoubt::host
