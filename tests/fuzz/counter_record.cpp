// SPDX-License-Identifier: Apache-2.0
// Records of counters as a hostile store returns them, and the usage in one: no crash; a head that is
// accepted is one that could be sealed, and says every byte of itself; no bytes but those that were sealed
// ever open; a usage has one encoding, counts on within its bound, and merging it twice changes nothing.
// Seeds: corpus/counter_record.
#include "sealed/counter_record.h"
#include "crypto/random.h"
#include "policy/usage.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_record(ByteView bytes) {
    static crypto::SystemRandom random;
    static const Secret key = random.secret(32); // drawn anew: nothing in a corpus is sealed under it
    require(!sealed::open_counters(key, bytes));
    const auto head = sealed::read_counter_head(bytes);
    if (!head)
        return;
    require(head->term >= 1 && head->sequence >= 1 && head->lease_until >= 0);
    require(sealed::covers(*head, *head) && !sealed::may_follow(*head, *head));
    require(sealed::may_follow(std::nullopt, *head) == (head->term == 1));
    // Sealing ends the process for a head that no record may have, and writes the same head.
    const Bytes again = sealed::seal_counters(key, *head, {}, random);
    const auto opened = sealed::open_counters(key, again);
    require(opened && opened->head == *head && opened->usage.empty());
    const std::size_t head_size = again.size() - 32 - 16; // salt, tag
    require(bytes.size() >= again.size() &&
            std::ranges::equal(bytes.first(head_size), ByteView(again).first(head_size)));
}

void check_usage(ByteView bytes) {
    const auto usage = policy::Usage::decode(bytes);
    if (!usage)
        return;
    require(std::ranges::equal(usage->encode(), bytes));
    policy::Usage merged = *usage;
    merged.merge(*usage);
    require(merged == *usage);
    // Whatever was counted: what is taken is taken, and it can be encoded again.
    policy::Limit limit;
    limit.window_seconds = 60;
    limit.most_count = UINT64_MAX;
    policy::Charge charge{&limit, {}, ethereum::Uint256(1)};
    if (bytes.size() >= 19) // the first counter there is
        std::copy_n(bytes.begin() + 3, charge.counter.size(), charge.counter.begin());
    constexpr UnixMs kNow = 1'800'000'000'000;
    const auto no_room = merged.reserve(std::span(&charge, 1), kNow);
    require(!no_room || no_room->retry_ms >= 0);
    const auto decoded = policy::Usage::decode(merged.encode());
    require(decoded && *decoded == merged);
    merged.forget_old(INT64_MAX);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check_record({data, size});
    check_usage({data, size});
    return 0;
}
