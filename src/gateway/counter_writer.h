// SPDX-License-Identifier: Apache-2.0
// Stores keys' counters before answers that took from them are given. While one record of a key is being
// written others of it may come; then the latest alone is written, for all of them: a later record of the
// same term counts everything that the earlier ones did. Loop thread only.
#pragma once

#include "base/worker_pool.h"
#include "net/event_loop.h"
#include "sealed/counter_record.h"
#include "store/store.h"

#include <map>

namespace redoubt::gateway {

class CounterWriter {
  public:
    // All outlive the writer.
    CounterWriter(net::EventLoop& loop, WorkerPool& workers, store::Store& store);

    // `done`: stored, it or a later one of its term. Errors: Conflict (another enclave has begun to count),
    // Overloaded, and the store's.
    void put(Bytes record, std::function<void(const Status&)> done);

  private:
    struct Waiter {
        sealed::CounterHead head;
        std::function<void(const Status&)> done;
    };
    struct Key {
        bool writing = false;
        Bytes latest; // to be written next
        sealed::CounterHead head;
        std::vector<Waiter> waiting;
    };
    void write(const sealed::KeyId& id);
    void written(const sealed::KeyId& id, const sealed::CounterHead& head, const Status& status);

    net::EventLoop& loop_;
    WorkerPool& workers_;
    store::Store& store_;
    std::map<sealed::KeyId, Key> keys_; // those with something to write
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
