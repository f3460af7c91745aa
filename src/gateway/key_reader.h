// SPDX-License-Identifier: Apache-2.0
// Reads keys' sealed records for requests: those that are wanted in one turn of the loop are asked of the
// store together, so that a worker is woken, and the store's locks are taken, once for all of them. Loop
// thread only.
#pragma once

#include "base/worker_pool.h"
#include "net/event_loop.h"
#include "store/store.h"

namespace redoubt::gateway {

class KeyReader {
  public:
    using Found = std::function<void(Result<std::optional<Bytes>>)>;

    // All outlive the reader.
    KeyReader(net::EventLoop& loop, WorkerPool& workers, store::Store& store);
    KeyReader(const KeyReader&) = delete;
    KeyReader& operator=(const KeyReader&) = delete;

    // `found` is called once, later, unless the reader is gone by then. Errors: Overloaded, and the store's.
    void read(const sealed::KeyId& id, Found found);
    // The store has told nothing for kLateMs, though it was asked.
    bool late() const noexcept;

    static constexpr std::int64_t kLateMs = 100;

  private:
    struct Batch;
    void ask();

    net::EventLoop& loop_;
    WorkerPool& workers_;
    store::Store& store_;
    std::size_t asked_ = 0;          // batches that are not back
    std::int64_t heard_at_ = 0;      // when the first of them was asked for, or one came back after that
    std::vector<sealed::KeyId> ids_; // wanted in this turn,
    std::vector<Found> found_;       // and by whom
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
