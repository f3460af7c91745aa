// SPDX-License-Identifier: Apache-2.0
// The parent's end of the handshake of an enclave's start: the image's init connects to port 9000 of CID 3,
// sends 0xB7 and reads 0xB7 (aws-nitro-enclaves-cli, eif_loader/src/lib.rs). nitro-cli waits for it, and so
// does an init that AWS made.
#pragma once

#include "net/acceptor.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace redoubt::nitrosim {

inline constexpr std::uint32_t kBootPort = 9000;

class BootHandshake {
  public:
    // The loop outlives it. Errors: Usage, Io.
    static Result<std::unique_ptr<BootHandshake>> create(net::EventLoop& loop, const std::string& socket_path,
                                                         std::function<void()> booted);
    ~BootHandshake();
    BootHandshake(const BootHandshake&) = delete;
    BootHandshake& operator=(const BootHandshake&) = delete;

  private:
    BootHandshake(net::EventLoop& loop, std::string path, std::function<void()> booted)
        : loop_(loop), path_(std::move(path)), booted_(std::move(booted)) {}
    void take(net::Fd guest);
    void read_byte(int fd);

    net::EventLoop& loop_;
    std::string path_;
    std::function<void()> booted_;
    std::optional<net::Acceptor> acceptor_;
    std::map<int, net::Fd> guests_;
};

} // namespace redoubt::nitrosim
