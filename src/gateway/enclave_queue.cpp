// SPDX-License-Identifier: Apache-2.0
// The pool keeps the queue at each enclave short: queue_bound.h.
#include "base/log.h"
#include "gateway/enclave_pool.h"

#include <algorithm>

namespace redoubt::gateway {

// Below the number that may be under way, of which some are being signed or wait for KMS: an enclave that
// does as many within the time of a burst would be full and never crowded, with all of them waiting.
QueueBound EnclavePool::queue_bound() const noexcept {
    return QueueBound(setup_.max_outstanding - setup_.max_outstanding / 8);
}

bool EnclavePool::full(const Member& member) const noexcept {
    return member.link->outstanding() >= setup_.max_outstanding ||
           (setup_.short_queues && member.link->queued() >= member.queue.limit());
}

bool EnclavePool::has_room(const EnclaveLink& link, bool again) const noexcept {
    for (const auto& member : members_) {
        if (member->link.get() != &link)
            continue;
        if (again ? link.outstanding() >= setup_.max_outstanding : full(*member)) {
            turned_away(*member);
            return false;
        }
        member->queue.let_in();
        return true;
    }
    return true;
}

bool EnclavePool::crowded() const noexcept {
    constexpr std::size_t kFew = 256;
    return setup_.max_outstanding < kFew ||
           std::ranges::any_of(members_, [](const auto& member) { return member->queue.crowded(); });
}

// What waits for KMS may be too much as well, but crowds nobody.
void EnclavePool::turned_away(Member& member) const noexcept {
    if (setup_.short_queues && member.link->queued() >= member.queue.limit())
        member.queue.turned_away(monotonic_us());
}

void EnclavePool::measure() {
    measure_timer_ = loop_.after(QueueBound::kEveryMs, [this] { measure(); });
    const std::int64_t now = monotonic_us();
    // Where this loop itself was held up, a probe's answer may have waited here: it tells nothing.
    const bool late = looked_at_us_ != 0 && now - looked_at_us_ > kLateLookUs;
    looked_at_us_ = now;
    for (const auto& member : members_) {
        if (late)
            member->measured_at_us = 0;
        if (!member->link->open() || !member->manifest_taken)
            continue;
        member->queue.look(now, member->link->queued());
        if (member->queue.crowded() != member->crowded) {
            member->crowded = member->queue.crowded();
            log(member->crowded ? LogLevel::Warning : LogLevel::Info,
                member->crowded ? "more comes than an enclave can do; the rest is refused"
                                : "an enclave can do what comes again",
                {{"enclave", member->name}});
        }
        if (member->measured_at_us != 0) { // if it is late already, that is known before it is answered
            member->queue.waits(member->measured_behind, now - member->measured_at_us);
            continue;
        }
        const std::size_t ahead = member->link->queued();
        if (!member->queue.matters(ahead))
            continue;
        member->measured_at_us = now;
        member->measured_behind = ahead;
        member->link->send(
            wire::Kind::Probe, [](Bytes&) {},
            [weak = member->weak_from_this(), now, ahead](const Result<wire::Reply>& reply) {
                const auto kept = weak.lock();
                if (!kept || kept->measured_at_us != now)
                    return;
                kept->measured_at_us = 0;
                if (reply)
                    kept->queue.probed(ahead, monotonic_us() - now);
            });
    }
}

} // namespace redoubt::gateway
