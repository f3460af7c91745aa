// SPDX-License-Identifier: Apache-2.0
// The pool keeps the queue at each enclave short: queue_bound.h.
#include "gateway/enclave_pool.h"

#include <algorithm>

namespace redoubt::gateway {

std::size_t EnclavePool::most_at(const Member& member) const noexcept {
    return std::min(setup_.max_outstanding, member.queue.limit());
}

bool EnclavePool::has_room(const EnclaveLink& link) const noexcept {
    for (const auto& member : members_)
        if (member->link.get() == &link)
            return link.outstanding() < most_at(*member);
    return true;
}

void EnclavePool::measure() {
    measure_timer_ = loop_.after(QueueBound::kEveryMs, [this] { measure(); });
    const std::int64_t now = monotonic_us();
    for (const auto& member : members_) {
        if (!member->link->open() || !member->manifest_taken)
            continue;
        if (member->measured_at_us != 0) { // if it is late already, that is known before it is answered
            member->queue.waits(member->measured_behind, now - member->measured_at_us, now);
            continue;
        }
        const std::size_t outstanding = member->link->outstanding();
        if (!member->queue.matters(outstanding))
            continue;
        member->measured_at_us = now;
        member->measured_behind = outstanding;
        member->link->send(
            wire::Kind::Probe, [](Bytes&) {},
            [weak = member->weak_from_this(), now, outstanding](const Result<wire::Reply>& reply) {
                const auto kept = weak.lock();
                if (!kept || kept->measured_at_us != now)
                    return;
                kept->measured_at_us = 0;
                const std::int64_t then = monotonic_us();
                if (reply)
                    kept->queue.probed(outstanding, then - now, then);
            });
    }
}

} // namespace redoubt::gateway
