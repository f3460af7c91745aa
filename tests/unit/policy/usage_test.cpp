// SPDX-License-Identifier: Apache-2.0
#include "policy/usage.h"

#include "base/cursor.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace redoubt::policy {
namespace {

using ethereum::Uint256;

Limit most_count(std::uint64_t most, std::uint32_t window = 60) {
    Limit out;
    out.window_seconds = window;
    out.most_count = most;
    return out;
}

Limit most_amount(const Uint256& most, std::uint32_t window = 60) {
    Limit out;
    out.window_seconds = window;
    out.most_amount = most;
    return out;
}

Charge charge(const Limit& limit, const Uint256& amount = 0, std::uint8_t counter = 1) {
    return {&limit, {counter}, amount};
}

bool take(Usage& usage, const Limit& limit, UnixMs now, const Uint256& amount = 0, std::uint8_t counter = 1) {
    const Charge one[] = {charge(limit, amount, counter)};
    return !usage.reserve(one, now);
}

Uint256 all_ones() {
    Uint256 out;
    out.limbs.fill(UINT64_MAX);
    return out;
}

constexpr UnixMs kNow = 1'800'000'000'000;

TEST(Usage, holds_exactly_the_limit) {
    const Limit five = most_count(5);
    Usage usage;
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(take(usage, five, kNow + i));
    const Charge one[] = {charge(five)};
    const auto no_room = usage.reserve(one, kNow + 5);
    ASSERT_TRUE(no_room);
    EXPECT_EQ(no_room->limit, &five);
    EXPECT_EQ(no_room->used, Uint256(5));
    EXPECT_GT(no_room->retry_ms, 59'000);
    EXPECT_LE(no_room->retry_ms, 60'000 + 60'000 / 32 + 1);
}

TEST(Usage, what_is_above_the_limit_itself_never_has_room) {
    const Limit none = most_count(0), ten = most_amount(10);
    Usage usage;
    const Charge count[] = {charge(none)}, amount[] = {charge(ten, 11)};
    EXPECT_EQ(usage.reserve(count, kNow)->retry_ms, 0);
    EXPECT_EQ(usage.reserve(amount, kNow)->retry_ms, 0);
    EXPECT_TRUE(usage.empty());
    EXPECT_TRUE(take(usage, ten, kNow, 4));
    const auto no_room = usage.reserve(amount, kNow);
    ASSERT_TRUE(no_room);
    EXPECT_EQ(no_room->retry_ms, 0);
    EXPECT_EQ(no_room->used, Uint256(4));
}

TEST(Usage, a_part_counts_until_the_whole_of_it_has_left_the_window) {
    // 32 s: each part is a second long.
    const Limit one = most_count(1, 32);
    const UnixMs start = kNow - kNow % 1'000; // a part's first moment
    for (const UnixMs at : {start, start + 1, start + 999}) {
        Usage usage;
        ASSERT_TRUE(take(usage, one, at));
        EXPECT_FALSE(take(usage, one, at));
        EXPECT_FALSE(take(usage, one, at + 32'000));
        EXPECT_FALSE(take(usage, one, start + 32'999));
        const Charge again[] = {charge(one)};
        EXPECT_EQ(usage.reserve(again, at + 5'000)->retry_ms, start + 33'000 - (at + 5'000));
        EXPECT_TRUE(take(usage, one, start + 33'000));
    }
}

TEST(Usage, a_window_of_a_second_is_cut_into_whole_milliseconds) {
    const Limit one = most_count(1, 1);
    for (UnixMs at = kNow; at < kNow + 70; ++at) {
        Usage usage;
        ASSERT_TRUE(take(usage, one, at));
        EXPECT_FALSE(take(usage, one, at + 1'000));
        EXPECT_TRUE(take(usage, one, at + 1'033));
    }
}

TEST(Usage, amounts_are_exact_up_to_the_largest_there_is) {
    const Limit all = most_amount(all_ones());
    Usage usage;
    Uint256 less = all_ones();
    less.limbs[0] -= 1;
    EXPECT_TRUE(take(usage, all, kNow, less));
    EXPECT_FALSE(take(usage, all, kNow, 2)); // 2^256 has no room, whatever it would wrap to
    EXPECT_TRUE(take(usage, all, kNow, 1));
    EXPECT_FALSE(take(usage, all, kNow, 1));
    EXPECT_TRUE(take(usage, all, kNow, 0));
    EXPECT_FALSE(take(usage, all, kNow, all_ones()));
    const Charge one[] = {charge(all, 1)};
    EXPECT_EQ(usage.reserve(one, kNow)->used, all_ones());
    // Overflow across parts is no room either.
    Usage parts;
    EXPECT_TRUE(take(parts, all, kNow, less));
    EXPECT_FALSE(take(parts, all, kNow + 30'000, less));
    EXPECT_TRUE(take(parts, all, kNow + 30'000, 1));
}

TEST(Usage, takes_all_charges_or_none) {
    const Limit many = most_count(100), ten = most_amount(10), one = most_count(1);
    Usage usage;
    ASSERT_TRUE(take(usage, one, kNow, 0, 3));
    const Usage before = usage;
    const Charge charges[] = {charge(many, 0, 1), charge(ten, 5, 2), charge(one, 0, 3)};
    const auto no_room = usage.reserve(charges, kNow);
    ASSERT_TRUE(no_room);
    EXPECT_EQ(no_room->limit, &one);
    EXPECT_EQ(usage, before);
    EXPECT_FALSE(usage.reserve(std::span(charges).first(2), kNow));
    EXPECT_NE(usage, before);
    EXPECT_FALSE(usage.reserve({}, kNow)); // nothing has room always
}

TEST(Usage, of_several_without_room_the_one_that_waits_longest_tells) {
    const Limit minute = most_count(1, 60), hour = most_count(1, 3'600), never = most_count(0);
    Usage usage;
    ASSERT_TRUE(take(usage, minute, kNow, 0, 1));
    ASSERT_TRUE(take(usage, hour, kNow, 0, 2));
    const Charge both[] = {charge(minute, 0, 1), charge(hour, 0, 2)};
    EXPECT_EQ(usage.reserve(both, kNow)->limit, &hour);
    const Charge swapped[] = {both[1], both[0]};
    EXPECT_EQ(usage.reserve(swapped, kNow)->limit, &hour);
    const Charge all[] = {both[0], charge(never, 0, 3), both[1]};
    EXPECT_EQ(usage.reserve(all, kNow)->limit, &never);
}

TEST(Usage, the_same_counter_twice_takes_both) {
    const Limit three = most_count(3), ten = most_amount(10);
    Usage usage;
    const Charge twice[] = {charge(three), charge(three)};
    EXPECT_FALSE(usage.reserve(twice, kNow));
    EXPECT_TRUE(usage.reserve(twice, kNow)); // only one more
    EXPECT_TRUE(take(usage, three, kNow));
    EXPECT_FALSE(take(usage, three, kNow));
    const Charge sums[] = {charge(ten, 6, 2), charge(ten, 5, 2)};
    const auto no_room = usage.reserve(sums, kNow);
    ASSERT_TRUE(no_room);
    EXPECT_EQ(no_room->retry_ms, 0); // together they are above the limit itself
    const Charge overflow[] = {charge(ten, 1, 2), charge(ten, all_ones(), 2)};
    EXPECT_TRUE(usage.reserve(overflow, kNow));
    const Charge exact[] = {charge(ten, 6, 2), charge(ten, 4, 2)};
    EXPECT_FALSE(usage.reserve(exact, kNow));
}

// Everything that was taken, whole.
struct Event {
    UnixMs at;
    std::uint64_t amount;
};

TEST(Usage, in_no_window_of_any_start_is_more_than_the_limit_ever_used) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 200; ++round) {
        const auto window = static_cast<std::uint32_t>(1 + random() % (round % 2 == 0 ? 3 : 100));
        const bool counted = random() % 2 == 0;
        const std::uint64_t most = 1 + random() % 20;
        const Limit limit = counted ? most_count(most, window) : most_amount(most, window);
        const std::int64_t width = 1'000 * std::int64_t{window};
        Usage usage;
        std::vector<Event> events;
        UnixMs now = kNow + static_cast<UnixMs>(random() % 100'000);
        for (int step = 0; step < 300; ++step) {
            now += static_cast<UnixMs>(
                random() % static_cast<std::uint64_t>(random() % 4 == 0 ? width / 2 : width / 20 + 1));
            const std::uint64_t amount = counted ? 1 : random() % (most + 1);
            const Charge one[] = {charge(limit, counted ? 0 : amount)};
            const auto no_room = usage.reserve(one, now);
            if (!no_room) {
                events.push_back({now, amount});
            } else {
                // Not refused while a part's length more than the window holds room, either.
                std::uint64_t held = amount;
                for (const auto& event : events)
                    if (event.at > now - width - (width + 31) / 32 - 1)
                        held += event.amount;
                ASSERT_GT(held, most);
                ASSERT_GT(no_room->retry_ms, 0);
                // Never too early: then there is room. And not late: a moment before there is none.
                Usage later = usage, sooner = usage;
                ASSERT_FALSE(later.reserve(one, now + no_room->retry_ms));
                ASSERT_TRUE(sooner.reserve(one, now + no_room->retry_ms - 1));
                if (random() % 3 == 0)
                    now += no_room->retry_ms;
            }
            if (random() % 10 == 0) { // through a record
                const auto decoded = Usage::decode(usage.encode());
                ASSERT_TRUE(decoded);
                ASSERT_EQ(*decoded, usage);
                usage = *decoded;
            }
            if (random() % 10 == 0)
                usage.forget_old(now);
        }
        ASSERT_FALSE(events.empty());
        // Each period that begins with an event; any other holds no more than one of them.
        for (std::size_t first = 0; first < events.size(); ++first) {
            std::uint64_t held = 0;
            for (std::size_t i = first; i < events.size() && events[i].at <= events[first].at + width; ++i)
                held += events[i].amount;
            ASSERT_LE(held, most);
        }
    }
}

Usage some_usage(std::mt19937_64& random, UnixMs from, std::size_t steps, std::uint32_t window = 0) {
    Usage out;
    for (std::size_t i = 0; i < steps; ++i) {
        const auto counter = static_cast<std::uint8_t>(random() % 5);
        const Limit limit = most_amount(all_ones(), window != 0 ? window : 60u + 7u * counter);
        from += static_cast<UnixMs>(random() % 5'000);
        (void)take(out, limit, from, random() % 1'000, counter);
    }
    return out;
}

Usage merged(Usage a, const Usage& b) {
    a.merge(b);
    return a;
}

TEST(Usage, merging_is_commutative_associative_and_idempotent) {
    std::mt19937_64 random(9);
    for (int round = 0; round < 200; ++round) {
        const Usage a = some_usage(random, kNow, 20), b = some_usage(random, kNow + 7, 20),
                    c = some_usage(random, kNow + 100, 20);
        EXPECT_EQ(merged(a, b), merged(b, a));
        EXPECT_EQ(merged(merged(a, b), c), merged(a, merged(b, c)));
        EXPECT_EQ(merged(a, a), a);
        EXPECT_EQ(merged(a, Usage()), a);
        EXPECT_EQ(merged(Usage(), a), a);
        EXPECT_EQ(merged(merged(a, b), b), merged(a, b));
    }
}

// What a limit of this much still lets through, of one counter.
std::uint64_t room(Usage usage, std::uint32_t window, std::uint64_t most, UnixMs now, std::uint8_t counter) {
    const Limit limit = most_count(most, window);
    std::uint64_t out = 0;
    while (take(usage, limit, now, 0, counter))
        ++out;
    return out;
}

TEST(Usage, a_merged_usage_has_no_more_room_than_either_at_any_time) {
    std::mt19937_64 random(13);
    for (int round = 0; round < 50; ++round) {
        const auto one = static_cast<std::uint32_t>(40 + random() % 50);
        const auto two = round % 2 == 0 ? one : static_cast<std::uint32_t>(40 + random() % 50);
        const Usage a = some_usage(random, kNow, 30, one), b = some_usage(random, kNow + 50, 30, two);
        const Usage both = merged(a, b);
        for (UnixMs at = kNow + 150'000; at < kNow + 260'000; at += 3'000)
            for (std::uint8_t counter = 0; counter < 5; ++counter) {
                const std::uint32_t window = std::max(one, two);
                const auto left = room(both, window, 20, at, counter);
                ASSERT_LE(left, room(a, window, 20, at, counter));
                ASSERT_LE(left, room(b, window, 20, at, counter));
            }
    }
}

TEST(Usage, another_window_keeps_what_was_used_at_least_as_long_as_it_says) {
    std::mt19937_64 random(17);
    for (int round = 0; round < 300; ++round) {
        const auto before = static_cast<std::uint32_t>(1 + random() % 300),
                   after = static_cast<std::uint32_t>(1 + random() % 300);
        const Limit first = most_count(1'000, before);
        Usage usage;
        std::vector<UnixMs> events;
        UnixMs now = kNow;
        for (int i = 0; i < 30; ++i) {
            now += static_cast<UnixMs>(random() % 4'000);
            ASSERT_TRUE(take(usage, first, now));
            events.push_back(now);
        }
        now += static_cast<UnixMs>(random() % 4'000);
        // What both windows hold is still counted.
        const std::int64_t held = 1'000 * std::int64_t{std::min(before, after)};
        const auto used = static_cast<std::uint64_t>(
            std::ranges::count_if(events, [&](UnixMs at) { return at > now - held; }));
        ASSERT_LE(room(usage, after, 1'000, now, 1), 1'000 - used);
    }
}

TEST(Usage, a_limit_of_the_count_may_become_one_of_an_amount_and_back) {
    const Limit count = most_count(3), amount = most_amount(10);
    Usage usage;
    EXPECT_TRUE(take(usage, count, kNow));
    EXPECT_TRUE(take(usage, amount, kNow, 6));
    EXPECT_FALSE(take(usage, amount, kNow, 5));
    EXPECT_TRUE(take(usage, count, kNow));
    EXPECT_FALSE(take(usage, count, kNow)); // the amount's request was one, too
    EXPECT_TRUE(take(usage, amount, kNow, 4));
}

TEST(Usage, old_parts_are_forgotten_and_nothing_else) {
    const Limit ten = most_count(10, 32);
    Usage usage;
    ASSERT_TRUE(take(usage, ten, kNow));
    Usage same = usage;
    same.forget_old(kNow + 32'000);
    EXPECT_EQ(same, usage);
    same.forget_old(kNow + 33'000);
    EXPECT_TRUE(same.empty());
    EXPECT_EQ(same, Usage());
}

TEST(Usage, encodes_as_documented) {
    const Limit amount = most_amount(100'000, 32);
    Usage usage;
    ASSERT_TRUE(take(usage, amount, 5'000, 0x1234, 7));
    ASSERT_TRUE(take(usage, amount, 5'999, 1, 7));
    ASSERT_TRUE(take(usage, amount, 6'000, 0, 7));
    Bytes expected;
    Writer(expected)
        .u8(1)
        .u16(1)
        .bytes(ByteArray<16>{7})
        .u32(32)
        .u16(2)
        .u64(5)
        .u64(2)
        .u8(2)
        .u16(0x1235)
        .u64(6)
        .u64(1)
        .u8(0);
    EXPECT_EQ(usage.encode(), expected);
    EXPECT_EQ(Usage().encode(), (Bytes{1, 0, 0}));
    EXPECT_TRUE(Usage::decode(Bytes{1, 0, 0})->empty());
}

TEST(Usage, has_one_encoding_and_no_other_is_read) {
    std::mt19937_64 random(21);
    for (int round = 0; round < 20; ++round) {
        const Usage usage = some_usage(random, kNow, 40);
        const Bytes bytes = usage.encode();
        ASSERT_EQ(Usage::decode(bytes).value(), usage);
        for (std::size_t size = 0; size < bytes.size(); ++size)
            ASSERT_FALSE(Usage::decode(ByteView(bytes).first(size)));
        // Whatever is read is written the same.
        for (int i = 0; i < 2'000; ++i) {
            Bytes altered = bytes;
            altered[random() % altered.size()] = static_cast<std::uint8_t>(random());
            const auto read = Usage::decode(altered);
            if (read) {
                ASSERT_EQ(read->encode(), altered);
            }
        }
        Bytes longer = bytes;
        longer.push_back(0);
        EXPECT_EQ(Usage::decode(longer).error().code, Code::RecordInvalid);
    }
    const auto one = [](std::uint32_t window, std::uint64_t number, std::uint64_t count, Bytes amount) {
        Bytes out;
        Writer(out).u8(1).u16(1).bytes(ByteArray<16>{}).u32(window).u16(1).u64(number).u64(count);
        Writer(out).u8(static_cast<std::uint8_t>(amount.size())).bytes(amount);
        return Usage::decode(out).has_value();
    };
    EXPECT_TRUE(one(1, 1, 1, {1}));
    EXPECT_FALSE(one(0, 1, 1, {1}));
    EXPECT_FALSE(one(31'622'401, 1, 1, {1}));
    EXPECT_TRUE(one(31'622'400, 1, 1, {1}));
    EXPECT_FALSE(one(1, 1, 0, {1}));
    EXPECT_FALSE(one(1, 1, 1, {0, 1}));
    EXPECT_TRUE(one(1, 1, 1, Bytes(32, 255)));
    EXPECT_FALSE(one(1, 1, 1, Bytes(33, 255)));
    EXPECT_TRUE(one(1, kLastTime / 32, 1, {}));
    EXPECT_FALSE(one(1, kLastTime / 32 + 1, 1, {}));
    EXPECT_FALSE(Usage::decode(Bytes(kMaxUsage + 1)));
    EXPECT_FALSE(Usage::decode({}));
}

TEST(Usage, a_documents_counters_fit_without_loss) {
    std::vector<Limit> limits(kMaxCounters, most_amount(all_ones(), 3'200));
    Usage usage;
    Uint256 large;
    large.limbs[3] = std::uint64_t{1} << 50;
    for (UnixMs at = kNow; at < kNow + 3'400'000; at += 100'000)
        for (std::size_t i = 0; i < limits.size(); ++i)
            ASSERT_TRUE(take(usage, limits[i], at, large, static_cast<std::uint8_t>(i)));
    const Bytes bytes = usage.encode();
    EXPECT_GT(bytes.size(), kMaxCounters * 33 * 48);
    EXPECT_LE(bytes.size(), kMaxUsage);
    EXPECT_EQ(Usage::decode(bytes).value(), usage);
}

TEST(Usage, many_policies_counters_stay_bounded_and_shrink_by_nothing) {
    const Limit limit = most_amount(all_ones(), 3'200);
    Usage usage;
    Uint256 large;
    large.limbs[3] = std::uint64_t{1} << 50;
    for (UnixMs at = kNow; at < kNow + 3'200'000; at += 100'000)
        for (std::uint16_t i = 0; i < 60; ++i) {
            const Charge one[] = {{&limit, {static_cast<std::uint8_t>(i)}, large}};
            ASSERT_FALSE(usage.reserve(one, at));
        }
    const Bytes bytes = usage.encode();
    EXPECT_LE(bytes.size(), kMaxUsage);
    ASSERT_TRUE(Usage::decode(bytes));
    // All of it is still counted: 60 times 32 charges.
    for (std::uint8_t i = 0; i < 60; ++i) {
        const Limit count = most_count(33, 3'200);
        EXPECT_EQ(room(usage, 3'200, 33, kNow + 3'190'000, i), 1u) << int{i};
        EXPECT_TRUE(take(usage, count, kNow + 3'190'000, 0, i));
    }
    // And the number of counters has an end.
    Usage many;
    for (std::uint32_t i = 0; i < kMaxKept; ++i) {
        const Charge one[] = {
            {&limit, {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)}, all_ones()}};
        ASSERT_FALSE(many.reserve(one, kNow));
    }
    const Charge more[] = {{&limit, {1, 2, 3}, 1}};
    const auto no_room = many.reserve(more, kNow);
    ASSERT_TRUE(no_room);
    EXPECT_GT(no_room->retry_ms, 0);
    EXPECT_LE(many.encode().size(), kMaxUsage);
    EXPECT_FALSE(many.reserve(more, kNow + no_room->retry_ms));
}

} // namespace
} // namespace redoubt::policy
