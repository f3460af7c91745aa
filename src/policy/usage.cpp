// SPDX-License-Identifier: Apache-2.0
#include "policy/usage.h"

#include "base/cursor.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

using ethereum::Uint256;

constexpr std::uint8_t kVersion = 1;
constexpr std::uint32_t kMaxWindow = 31'622'400; // seconds, as limits have it
// Encoded: of all, of a counter, and of a part at most.
constexpr std::size_t kUsageHead = 1 + 2, kCounterHead = 16 + 4 + 2, kPartHead = 8 + 8 + 1;
// With one part each, the counters of two merged usages fit.
static_assert(kUsageHead + 2 * kMaxKept * (kCounterHead + kPartHead + 32) <= kMaxUsage);
// A document's counters fit as they are, with a part more than a window can hold.
static_assert(kUsageHead + kMaxCounters * (kCounterHead + (kBuckets + 2) * (kPartHead + 32)) <= kMaxUsage);

constexpr Uint256 most() noexcept {
    Uint256 out;
    out.limbs.fill(UINT64_MAX);
    return out;
}

// What is counted never becomes less by overflow: it stays at the most there is.
Uint256 sum(const Uint256& a, const Uint256& b) noexcept {
    return ethereum::add(a, b).value_or(most());
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) noexcept {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

std::uint64_t window_ms(std::uint32_t window_seconds) noexcept {
    return std::uint64_t{1000} * window_seconds;
}

// A part's length: kBuckets of them are the window, or up to kBuckets ms more.
std::uint64_t part_ms(std::uint32_t window_seconds) noexcept {
    return (window_ms(window_seconds) + kBuckets - 1) / kBuckets;
}

std::uint64_t time_of(UnixMs now) noexcept {
    return now < 0 ? 0 : std::min(static_cast<std::uint64_t>(now), kLastTime);
}

// From when on no event of the part is in one window with what happens then. Numbers are at most
// kLastTime / part_ms: nothing overflows.
std::uint64_t part_counts_until(std::uint64_t number, std::uint32_t window_seconds) noexcept {
    return (number + 1) * part_ms(window_seconds) + window_ms(window_seconds);
}

std::size_t minimal_size(const Uint256& amount) noexcept {
    const auto bytes = ethereum::to_big_endian(amount);
    return static_cast<std::size_t>(bytes.end() -
                                    std::ranges::find_if(bytes, [](std::uint8_t byte) { return byte != 0; }));
}

} // namespace

// Into its place: added to the part that is there, or by the larger of the two.
void Usage::put(Counter& counter, const Bucket& bucket, bool larger) {
    auto at = std::ranges::lower_bound(counter.buckets, bucket.number, {}, &Bucket::number);
    if (at == counter.buckets.end() || at->number != bucket.number) {
        counter.buckets.insert(at, bucket);
    } else if (larger) {
        at->count = std::max(at->count, bucket.count);
        at->amount = std::max(at->amount, bucket.amount);
    } else {
        at->count = sum(at->count, bucket.count);
        at->amount = sum(at->amount, bucket.amount);
    }
}

void Usage::cut_anew(Counter& counter, std::uint32_t window_seconds) {
    if (counter.window_seconds == window_seconds)
        return;
    const std::uint64_t before = part_ms(counter.window_seconds), length = part_ms(window_seconds);
    Counter out;
    out.window_seconds = window_seconds;
    for (Bucket bucket : counter.buckets) {
        // All of it may have been used at its last moment.
        bucket.number = std::min((bucket.number + 1) * before - 1, kLastTime) / length;
        put(out, bucket, false);
    }
    counter = std::move(out);
}

void Usage::forget_old(Counter& counter, UnixMs now) {
    const std::uint64_t time = time_of(now);
    std::erase_if(counter.buckets, [&](const Bucket& bucket) {
        return part_counts_until(bucket.number, counter.window_seconds) <= time;
    });
}

void Usage::forget_old(UnixMs now) {
    for (auto entry = counters_.begin(); entry != counters_.end();) {
        forget_old(entry->second, now);
        entry = entry->second.buckets.empty() ? counters_.erase(entry) : std::next(entry);
    }
}

std::optional<NoRoom> Usage::reserve(std::span<const Charge> charges, UnixMs now) {
    forget_old(now);
    const std::uint64_t time = time_of(now);
    std::optional<NoRoom> refused;
    const auto refuse = [&](const Limit* limit, const Uint256& used, std::int64_t retry_ms) {
        // Never is longer than any time.
        if (!refused || (refused->retry_ms != 0 && (retry_ms == 0 || retry_ms > refused->retry_ms)))
            refused = NoRoom{limit, used, retry_ms};
    };
    // How long until a part that counts until `until` does not any more.
    const auto wait = [&](std::uint64_t until) { return static_cast<std::int64_t>(until - time); };
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < charges.size(); ++i) {
        const Limit& limit = *charges[i].limit;
        // What all charges of this counter up to this one ask for.
        std::uint64_t count = 0;
        std::optional<Uint256> amount = Uint256();
        for (const auto& charge : charges.first(i + 1))
            if (charge.counter == charges[i].counter) {
                ++count;
                amount = amount ? ethereum::add(*amount, charge.amount) : std::nullopt;
            }
        const auto room = [&](std::uint64_t used_count, const std::optional<Uint256>& used_amount) {
            if (limit.most_count &&
                (used_count > *limit.most_count || count > *limit.most_count - used_count))
                return false;
            if (!limit.most_amount)
                return true;
            const auto total = used_amount && amount ? ethereum::add(*used_amount, *amount) : std::nullopt;
            return total && *total <= *limit.most_amount;
        };
        const auto found = counters_.find(charges[i].counter);
        if (found == counters_.end()) {
            if (!room(0, Uint256()))
                refuse(&limit, 0, 0);
            else if (count == 1 && counters_.size() + ++fresh > kMaxKept) {
                // A place is free when the first of the counters is forgotten.
                std::uint64_t until = UINT64_MAX;
                for (const auto& [id, counter] : counters_)
                    until = std::min(
                        until, part_counts_until(counter.buckets.back().number, counter.window_seconds));
                refuse(&limit, 0, wait(until));
            }
            continue;
        }
        Counter& counter = found->second;
        cut_anew(counter, limit.window_seconds);
        std::uint64_t used_count = 0;
        std::optional<Uint256> used_amount = Uint256();
        // From the last part back: as far as there is room the parts may stay.
        std::optional<std::uint64_t> until;
        for (auto part = counter.buckets.rbegin(); part != counter.buckets.rend(); ++part) {
            const std::uint64_t counts_until = part_counts_until(part->number, counter.window_seconds);
            if (counts_until <= time)
                continue; // only after it was cut anew
            used_count = sum(used_count, part->count);
            used_amount = used_amount ? ethereum::add(*used_amount, part->amount) : std::nullopt;
            if (!until && !room(used_count, used_amount))
                until = counts_until;
        }
        if (until) {
            const bool ever = room(0, Uint256());
            refuse(&limit, limit.most_count ? Uint256(used_count) : used_amount.value_or(most()),
                   ever ? wait(*until) : 0);
        } else if (!room(0, Uint256())) {
            refuse(&limit, limit.most_count ? Uint256(used_count) : used_amount.value_or(most()), 0);
        }
    }
    if (refused)
        return refused;
    for (const auto& charge : charges) {
        Counter& counter = counters_[charge.counter];
        if (counter.buckets.empty())
            counter.window_seconds = charge.limit->window_seconds;
        cut_anew(counter, charge.limit->window_seconds);
        put(counter, {time / part_ms(counter.window_seconds), 1, charge.amount}, false);
    }
    fit();
    return std::nullopt;
}

void Usage::merge(const Usage& other) {
    for (const auto& [id, theirs] : other.counters_) {
        const auto [entry, added] = counters_.try_emplace(id, theirs);
        if (added)
            continue;
        Counter& ours = entry->second;
        const std::uint32_t window = std::max(ours.window_seconds, theirs.window_seconds);
        Counter cut = theirs;
        cut_anew(cut, window);
        cut_anew(ours, window);
        for (const auto& bucket : cut.buckets)
            put(ours, bucket, true);
    }
    fit();
}

std::size_t Usage::encoded_size() const noexcept {
    std::size_t size = kUsageHead;
    for (const auto& [id, counter] : counters_) {
        size += kCounterHead;
        for (const auto& bucket : counter.buckets)
            size += kPartHead + minimal_size(bucket.amount);
    }
    return size;
}

// Joins parts in pairs, first where there are most, until all can be encoded.
void Usage::fit() {
    while (encoded_size() > kMaxUsage) {
        const auto longest = std::ranges::max_element(
            counters_, {}, [](const auto& entry) { return entry.second.buckets.size(); });
        Counter& counter = longest->second;
        if (counter.buckets.size() < 2)
            return;
        std::vector<Bucket> joined;
        for (std::size_t i = 0; i < counter.buckets.size(); i += 2) {
            Bucket bucket = counter.buckets[i];
            if (i + 1 < counter.buckets.size()) {
                const Bucket& later = counter.buckets[i + 1];
                bucket = {later.number, sum(bucket.count, later.count), sum(bucket.amount, later.amount)};
            }
            joined.push_back(bucket);
        }
        counter.buckets = std::move(joined);
    }
}

Bytes Usage::encode() const {
    Bytes out;
    Writer writer(out);
    writer.u8(kVersion).u16(static_cast<std::uint16_t>(counters_.size()));
    for (const auto& [id, counter] : counters_) {
        writer.bytes(id).u32(counter.window_seconds).u16(static_cast<std::uint16_t>(counter.buckets.size()));
        for (const auto& bucket : counter.buckets) {
            const Bytes amount = ethereum::to_minimal_big_endian(bucket.amount);
            writer.u64(bucket.number)
                .u64(bucket.count)
                .u8(static_cast<std::uint8_t>(amount.size()))
                .bytes(amount);
        }
    }
    return out;
}

Result<Usage> Usage::decode(ByteView bytes) {
    const auto refused = [] {
        return fail(Code::RecordInvalid, "what the counters' record says of the usage cannot be read");
    };
    if (bytes.size() > kMaxUsage)
        return refused();
    Cursor cursor(bytes);
    Usage out;
    if (cursor.u8() != kVersion)
        return refused();
    const std::size_t counters = cursor.u16();
    for (std::size_t i = 0; i < counters && cursor.ok(); ++i) {
        const auto id = cursor.array<16>();
        Counter counter;
        counter.window_seconds = cursor.u32();
        const std::size_t parts = cursor.u16();
        if (!cursor.ok() || counter.window_seconds == 0 || counter.window_seconds > kMaxWindow ||
            parts == 0 || (!out.counters_.empty() && out.counters_.rbegin()->first >= id))
            return refused();
        const std::uint64_t last = kLastTime / part_ms(counter.window_seconds);
        for (std::size_t j = 0; j < parts; ++j) {
            Bucket bucket;
            bucket.number = cursor.u64();
            bucket.count = cursor.u64();
            const ByteView amount = cursor.take(cursor.u8());
            const auto value = ethereum::from_big_endian(amount);
            if (!cursor.ok() || !value || (!amount.empty() && amount[0] == 0) || bucket.count == 0 ||
                bucket.number > last ||
                (!counter.buckets.empty() && counter.buckets.back().number >= bucket.number))
                return refused();
            bucket.amount = *value;
            counter.buckets.push_back(bucket);
        }
        out.counters_.emplace_hint(out.counters_.end(), id, std::move(counter));
    }
    if (!cursor.finished())
        return refused();
    return out;
}

} // namespace redoubt::policy
