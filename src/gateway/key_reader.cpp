// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_reader.h"

#include "base/clock.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

struct KeyReader::Batch {
    std::vector<sealed::KeyId> ids;
    std::vector<Found> found;
    std::vector<Result<std::optional<Bytes>>> records;
};

KeyReader::KeyReader(net::EventLoop& loop, WorkerPool& workers, store::Store& store)
    : loop_(loop), workers_(workers), store_(store) {}

void KeyReader::read(const sealed::KeyId& id, Found found) {
    ids_.push_back(id);
    found_.push_back(std::move(found));
    if (ids_.size() == 1)
        loop_.defer([this, alive = std::weak_ptr<Alive>(alive_)] {
            if (!alive.expired())
                ask();
        });
}

bool KeyReader::late() const noexcept {
    return asked_ > 0 && monotonic_ms() - heard_at_ >= kLateMs;
}

void KeyReader::ask() {
    const auto ids = std::exchange(ids_, {});
    auto found = std::exchange(found_, {});
    const std::size_t most = std::max<std::size_t>(1, store_.keys_at_once());
    for (std::size_t at = 0; at < ids.size(); at += most) {
        const std::size_t n = std::min(most, ids.size() - at);
        auto batch = std::make_shared<Batch>();
        const auto first = static_cast<std::ptrdiff_t>(at), end = static_cast<std::ptrdiff_t>(at + n);
        batch->ids.assign(ids.begin() + first, ids.begin() + end);
        batch->found.assign(std::make_move_iterator(found.begin() + first),
                            std::make_move_iterator(found.begin() + end));
        if (asked_++ == 0)
            heard_at_ = monotonic_ms();
        // What the batch holds belongs to the loop: the worker keeps none of it.
        const bool taken = workers_.submit(
            [this, &store = store_, &loop = loop_, alive = std::weak_ptr<Alive>(alive_), batch]() mutable {
                batch->records = store.get_keys(batch->ids);
                loop.post([this, alive, batch = std::exchange(batch, nullptr)] {
                    if (alive.expired())
                        return;
                    --asked_;
                    heard_at_ = monotonic_ms();
                    for (std::size_t i = 0; i < batch->found.size() && !alive.expired(); ++i)
                        batch->found[i](std::move(batch->records[i]));
                });
            });
        if (taken)
            continue;
        --asked_;
        for (const auto& each : batch->found)
            each(fail(Code::Overloaded, "the store has too much waiting work; try again in a second"));
    }
}

} // namespace redoubt::gateway
