// SPDX-License-Identifier: Apache-2.0
// sd_notify(3) without libsystemd: tells the service manager that the service is ready, what it is doing, and
// that it is alive. Without a service manager every call does nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace redoubt::host {

class ServiceManager {
  public:
    ServiceManager() = default;
    // From NOTIFY_SOCKET ("/path" or "@abstract"; vsock addresses are not taken), WATCHDOG_USEC and
    // WATCHDOG_PID, as getenv(3) gives them: null where they are not set.
    ServiceManager(const char* notify_socket, const char* watchdog_usec, const char* watchdog_pid);
    static ServiceManager from_environment();

    bool present() const noexcept { return !socket_.empty(); }
    // Milliseconds between signs of life that the manager waits for at most; tell it twice as often.
    std::optional<std::int64_t> watchdog_ms() const noexcept { return watchdog_ms_; }

    void ready() const { send("READY=1"); }
    void alive() const { send("WATCHDOG=1"); }
    void stopping() const { send("STOPPING=1"); }
    void status(std::string_view text) const; // one line; line feeds become spaces

  private:
    void send(std::string_view message) const;
    std::string socket_;
    std::optional<std::int64_t> watchdog_ms_;
};

} // namespace redoubt::host
