// SPDX-License-Identifier: Apache-2.0
#include "enclave/limit_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace redoubt::enclave {

namespace {

// When there are too many keys, and one of them has nothing that must be remembered, it is not.
constexpr std::size_t kLookedAt = 256;

std::unexpected<Error> elsewhere() {
    return fail(Code::LimitsElsewhere,
                "another enclave counts for this key at the moment; send the request again in some seconds");
}

std::unexpected<Error> went_back() {
    return fail(Code::RecordStale,
                "the store holds an earlier record of this key's counters than the enclave has seen; restore "
                "the store's latest state");
}

} // namespace

std::size_t LimitTable::Hasher::operator()(const sealed::KeyId& id) const noexcept {
    std::size_t out = 0; // ids are random or digests: their first bytes are hash enough
    std::memcpy(&out, id.data(), sizeof out);
    return out;
}

std::shared_ptr<LimitTable::Counted> LimitTable::find(const sealed::KeyId& id, UnixMs now, bool& full) {
    full = false;
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(id);
    if (found != keys_.end())
        return found->second;
    if (keys_.size() >= kMaxKeys) {
        // What is in use now, or has anything counted, stays.
        const auto idle = [&](const std::shared_ptr<Counted>& counted) {
            const std::unique_lock unused(counted->mutex, std::try_to_lock);
            if (counted.use_count() > 1 || !unused)
                return false; // nobody else gets at it while the table's mutex is held
            counted->usage.forget_old(std::max(now, counted->latest));
            return counted->usage.empty() && counted->head.lease_until <= now;
        };
        auto bucket = next_bucket_ % keys_.bucket_count();
        std::optional<sealed::KeyId> gone;
        for (std::size_t looked = 0; looked < kLookedAt && !gone; ++looked) {
            for (auto entry = keys_.begin(bucket); entry != keys_.end(bucket) && !gone; ++entry)
                if (idle(entry->second))
                    gone = entry->first;
            bucket = (bucket + 1) % keys_.bucket_count();
        }
        next_bucket_ = bucket;
        if (!gone) {
            full = true;
            return nullptr;
        }
        keys_.erase(*gone);
    }
    return keys_.emplace(id, std::make_shared<Counted>()).first->second;
}

// Takes in what the store holds. Afterwards `ours` says whether this enclave may go on in its own term, and
// if not, `head` is what a new term is opened on.
Status LimitTable::show(Counted& counted, const Secret& counter_key, const sealed::KeyId& id, ByteView stored,
                        UnixMs now) const {
    sealed::CounterHead& head = counted.head;
    if (stored.empty()) {
        // A first record that did not get there is made again. Anything later was there.
        if (head.term > 1 || (head.term == 1 && !counted.ours))
            return went_back();
        return {};
    }
    REDOUBT_TRY(const auto opened, sealed::open_counters(counter_key, stored));
    if (opened.head.key != id)
        return fail(Code::RecordInvalid, "the record of counters is another key's; show this key's");
    REDOUBT_TRY(const auto usage, policy::Usage::decode(opened.usage));
    const bool own = opened.head.owner == owner_;
    if (counted.ours && own && opened.head.term == head.term && opened.head.sequence <= head.sequence)
        return {}; // what it counts is counted here
    // Whatever the record is, it is authentic: what it counts was counted.
    counted.usage.merge(usage);
    // This enclave's term has not begun in the store unless it holds a record of it. Until then it begins
    // after the last record of the term before, whatever that has come to.
    const bool not_begun = counted.ours && opened.head.term < head.term && head.term - opened.head.term == 1;
    if (opened.head.term < head.term && !not_begun)
        return went_back();
    if (!own && opened.head.lease_until > now) {
        if (not_begun) {
            head.lease_until = 0; // counts nothing before it is shown what becomes of that one
        } else {
            head = opened.head;
            counted.ours = false;
        }
        return elsewhere();
    }
    if (opened.head.term == UINT64_MAX)
        return fail(Code::RecordInvalid, "the record of counters has no next term; restore another one");
    if (not_begun) {
        // A term only grows in the store: a record with less is one that was read earlier. What was counted
        // on that may have been lost since.
        head.base = std::max(head.base, opened.head.sequence);
    } else {
        head = opened.head;
        counted.ours = false;
    }
    return {};
}

LimitTable::Outcome LimitTable::reserve(const sealed::KeyId& id, const Secret& secret,
                                        std::span<const policy::Candidate> candidates,
                                        std::optional<ByteView> stored, UnixMs now,
                                        std::optional<Taken> before) {
    Outcome out;
    if (!candidates.empty() && candidates.front().charges.empty()) {
        out.candidate = 0; // nothing is counted
        return out;
    }
    if (candidates.empty()) {
        out.error = Error{Code::PolicyDenied, "no rule of the key's policy allows this request", {}};
        return out;
    }
    bool full = false;
    const auto counted = find(id, now, full);
    if (full) {
        out.error = Error{Code::Overloaded,
                          "this enclave counts the limits of as many keys as it can; use another enclave",
                          {}};
        return out;
    }
    const std::lock_guard lock(counted->mutex);
    // Requests get here in another order than they read the clock.
    now = counted->latest = std::max(now, counted->latest);
    const Secret counter_key = sealed::counter_key(secret, id);
    if (stored) {
        const Status shown = show(*counted, counter_key, id, *stored, now);
        if (!shown) {
            out.error = shown.error();
            return out;
        }
    } else if (!counted->ours || counted->head.lease_until <= now) {
        out.need_record = true;
        return out;
    }
    sealed::CounterHead next = counted->head;
    if (!counted->ours)
        next = {id, counted->head.term + 1, 0, counted->head.sequence, owner_, 0};
    if (next.sequence == UINT64_MAX) {
        out.error = Error{Code::RecordInvalid, "the counters' term has no next record", {}};
        return out;
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].charges.empty()) {
            out.candidate = i;
            out.no_room.reset();
            return out;
        }
        if (before && counted->ours && *before == Taken{next.term, next.base}) {
            out.candidate = i;
            break;
        }
        auto no_room = counted->usage.reserve(candidates[i].charges, now);
        if (!no_room) {
            out.candidate = i;
            break;
        }
        if (i == 0)
            out.no_room = no_room;
    }
    if (!out.candidate)
        return out;
    out.no_room.reset();
    const Bytes usage = counted->usage.encode();
    if (usage.size() > policy::kMaxUsage) {
        out.candidate.reset();
        out.error =
            Error{Code::Overloaded,
                  "the key has more counters than a record holds; wait until their windows have passed",
                  {}};
        return out;
    }
    ++next.sequence;
    next.lease_until = now + kLeaseMs;
    out.record = sealed::seal_counters(counter_key, next, usage, random_);
    out.taken = {next.term, next.base};
    counted->head = next;
    counted->ours = true;
    return out;
}

} // namespace redoubt::enclave
