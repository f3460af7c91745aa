// SPDX-License-Identifier: Apache-2.0
// What has been used of a key's limits. Windows roll: each is cut into kBuckets parts, and a part counts
// until the whole of it has left the window, so that in no period of the window's length more than the limit
// is ever used (and up to a kBuckets-th of the window longer may be waited than need be). Not thread-safe.
#pragma once

#include "policy/evaluator.h"

#include <map>

namespace redoubt::policy {

inline constexpr std::uint32_t kBuckets = 32;

// Why a charge has no room.
struct NoRoom {
    const Limit* limit = nullptr;
    ethereum::Uint256 used;    // in the window now: count or amount
    std::int64_t retry_ms = 0; // until there may be room for this charge; 0: it is above the limit itself
};

class Usage {
  public:
    // Takes all charges, or none; then the one that waits longest tells why. Amounts are exact; a sum that
    // would overflow has no room. `now` does not go back from call to call.
    //
    // A counter whose limit has another window than before (the policy was changed) is cut anew: each of its
    // parts goes into the part of the new window in which it ends, so what was used counts at least as long
    // as that window says; and what the shorter window of before had forgotten stays forgotten. Each charge
    // counts as one and with its amount, so a limit that was one of the count may become one of an amount
    // and back.
    std::optional<NoRoom> reserve(std::span<const Charge> charges, UnixMs now);
    // For each counter and part of its window the larger of the two: a usage never shrinks by it. Of a
    // counter with two windows the shorter is cut anew into the longer one's parts.
    void merge(const Usage& other);
    void forget_old(UnixMs now); // parts that no window holds any more, and counters without parts
    bool empty() const noexcept { return counters_.empty(); }

    // Canonical. docs/formats/sealed.md. At most kMaxUsage bytes: parts are joined, the earlier into the
    // later, and no counter is added to kMaxKept, where a key's policies had so many.
    Bytes encode() const;
    static Result<Usage> decode(ByteView bytes); // Error: RecordInvalid
    bool operator==(const Usage&) const = default;

  private:
    struct Bucket {
        std::uint64_t number = 0; // time / the part's length
        std::uint64_t count = 0;
        ethereum::Uint256 amount;
        bool operator==(const Bucket&) const = default;
    };
    struct Counter {
        std::uint32_t window_seconds = 0;
        std::vector<Bucket> buckets; // in the order of their numbers
        bool operator==(const Counter&) const = default;
    };
    static void put(Counter& counter, const Bucket& bucket, bool larger);
    static void cut_anew(Counter& counter, std::uint32_t window_seconds);
    static void forget_old(Counter& counter, UnixMs now);
    std::size_t encoded_size() const noexcept;
    void fit();
    std::map<ByteArray<16>, Counter> counters_;
};
inline constexpr std::size_t kMaxUsage = 60 * 1024;
inline constexpr std::size_t kMaxKept = 400; // counters

} // namespace redoubt::policy
