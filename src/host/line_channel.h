// SPDX-License-Identifier: Apache-2.0
// Lines of text both ways over a connected stream socket, on an event loop: what a watchdog and the minder of
// an enclave say to each other (minder_plan.h). Lines are short and few; everything happens on the loop's
// thread.
#pragma once

#include "net/event_loop.h"

#include <functional>
#include <string>

namespace redoubt::host {

class LineChannel {
  public:
    // `line`: each one that came, without its line feed. `ended`: once, when the other side has closed, or
    // sent a longer line than kMaxLine; nothing comes after it. That one may destroy the channel.
    LineChannel(net::EventLoop& loop, net::Fd socket, std::function<void(const std::string&)> line,
                std::function<void()> ended);
    ~LineChannel();
    LineChannel(const LineChannel&) = delete;
    LineChannel& operator=(const LineChannel&) = delete;

    // Adds the line feed. Sent at once where the socket has room, else as soon as it has.
    void send(const std::string& line);
    // Takes what has arrived by now, without waiting for the loop.
    void drain();
    bool open() const noexcept { return static_cast<bool>(socket_); }

    static constexpr std::size_t kMaxLine = 64 * 1024;

  private:
    bool receive(); // false: nothing more for now, and the channel may be gone
    void flush();
    void close();

    net::EventLoop& loop_;
    net::Fd socket_;
    std::function<void(const std::string&)> line_;
    std::function<void()> ended_;
    std::string in_, out_;
};

} // namespace redoubt::host
