// SPDX-License-Identifier: Apache-2.0
// Requests between the thread that reads them and those that sign: oldest first, to whichever signer is free.
// Thread-safe.
#pragma once

#include "enclave/tls_streams.h"

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

    // One that was done with before, its payload's memory kept, or a new one.
    TaskPtr blank();
    void recycle(TaskPtr task);

    // Takes all; wakes as many signers as there is more in the queue than `own`, what the caller does
    // himself.
    void push(std::vector<TaskPtr>& tasks, std::size_t own);
    TaskPtr try_pop();
    TaskPtr pop(); // waits; nullptr: stop() was called
    void stop();

    std::size_t size() const;
    std::size_t bytes() const; // of payloads

  private:
    TaskPtr take();

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<TaskPtr> waiting_;
    std::vector<TaskPtr> spare_;
    std::size_t bytes_ = 0, sleeping_ = 0;
    bool stopping_ = false;
};

} // namespace redoubt::enclave
