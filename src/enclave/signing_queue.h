// SPDX-License-Identifier: Apache-2.0
// Requests between the thread that reads them and those that sign: oldest first, some at a time, to whichever
// signer is free. Thread-safe.
#pragma once

#include "enclave/tls_streams.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace redoubt::enclave {

class Connection;

// A frame, or a TLS stream's request, with a copy of its payload.
struct SigningTask {
    std::shared_ptr<Connection> connection;
    wire::Kind kind = wire::Kind::Request;
    std::uint64_t id = 0;
    std::optional<std::uint32_t> number; // of a stream's request
    ClientKey client;
    Bytes payload;
    std::int64_t came = 0; // monotonic ms
};

class SigningQueue {
  public:
    using TaskPtr = std::unique_ptr<SigningTask>;

    static constexpr std::size_t kMostTogether = 8;
    // Bytes of payloads, of which long ones take milliseconds to read: one ends what is taken together.
    static constexpr std::size_t kMostBytesTogether = 16 * 1024;

    explicit SigningQueue(int signers) noexcept : signers_(static_cast<std::size_t>(std::max(signers, 1))) {}

    // Appends some that were done with before, their payloads' memory kept, or a new one.
    void blanks(std::vector<TaskPtr>& out);
    void recycle(std::vector<TaskPtr>& tasks); // takes all

    // Takes all; wakes as many signers as there is more in the queue than `own`, what the caller does
    // himself.
    void push(std::vector<TaskPtr>& tasks, std::size_t own);
    // A signer's share of what waits, within both limits but one at least, appended to `out`. False: there
    // is none.
    bool try_pop(std::vector<TaskPtr>& out);
    bool pop(std::vector<TaskPtr>& out); // waits for one; false: stop() was called
    void stop();

    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept { return bytes_; } // of payloads

  private:
    void take(std::vector<TaskPtr>& out);

    const std::size_t signers_;
    mutable std::mutex mutex_; // what follows is changed under it
    std::condition_variable wake_;
    std::deque<TaskPtr> waiting_;
    std::vector<TaskPtr> spare_;
    std::atomic<std::size_t> size_{0}, bytes_{0};
    std::size_t sleeping_ = 0;
    bool stopping_ = false;
};

} // namespace redoubt::enclave
