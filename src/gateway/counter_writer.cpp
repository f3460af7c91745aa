// SPDX-License-Identifier: Apache-2.0
#include "gateway/counter_writer.h"

#include <utility>

namespace redoubt::gateway {

CounterWriter::CounterWriter(net::EventLoop& loop, WorkerPool& workers, store::Store& store)
    : loop_(loop), workers_(workers), store_(store) {}

void CounterWriter::put(Bytes record, std::function<void(const Status&)> done) {
    const auto head = sealed::read_counter_head(record);
    if (!head)
        return done(std::unexpected(head.error()));
    Key& key = keys_[head->key];
    const bool later = key.latest.empty() || head->term > key.head.term ||
                       (head->term == key.head.term && head->sequence > key.head.sequence);
    if (later) {
        key.latest = std::move(record);
        key.head = *head;
    }
    key.waiting.push_back({*head, std::move(done)});
    if (!key.writing)
        write(head->key);
}

void CounterWriter::write(const sealed::KeyId& id) {
    Key& key = keys_[id];
    key.writing = true;
    auto record = std::make_shared<const Bytes>(std::exchange(key.latest, {}));
    const bool taken = workers_.submit([this, &store = store_, alive = std::weak_ptr<Alive>(alive_),
                                        &loop = loop_, id, head = key.head, record] {
        auto status = std::make_shared<Status>(store.put_counters(*record));
        loop.post([this, alive, id, head, status] {
            if (!alive.expired())
                written(id, head, *status);
        });
    });
    if (!taken)
        written(id, key.head,
                fail(Code::Overloaded, "the store has too much waiting work; try again in a second"));
}

void CounterWriter::written(const sealed::KeyId& id, const sealed::CounterHead& head, const Status& status) {
    Key& key = keys_[id];
    key.writing = false;
    std::vector<Waiter> settled, later;
    for (auto& waiter : key.waiting) {
        const bool covered = waiter.head.term < head.term ||
                             (waiter.head.term == head.term && waiter.head.sequence <= head.sequence);
        (covered ? settled : later).push_back(std::move(waiter));
    }
    key.waiting = std::move(later);
    if (key.waiting.empty())
        keys_.erase(id);
    else
        write(id);
    for (const auto& waiter : settled) {
        // What was counted in a term that has ended, or by another enclave, or on another record of the term
        // before, is not in this record.
        if (status && !sealed::covers(head, waiter.head))
            waiter.done(fail(Code::Conflict, "another enclave has begun to count for the key"));
        else
            waiter.done(status);
    }
}

} // namespace redoubt::gateway
