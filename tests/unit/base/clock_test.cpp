// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <ctime>
#include <gtest/gtest.h>
#include <random>

namespace redoubt {
namespace {

constexpr UnixMs kExample = 1'585'788'591'000; // 2020-04-02T00:49:51Z, IMDS's example of an expiration

TEST(Clock, writes_both_forms_of_aws) {
    EXPECT_EQ(to_iso8601(kExample), "2020-04-02T00:49:51Z");
    EXPECT_EQ(to_amz_date(kExample), "20200402T004951Z");
    EXPECT_EQ(to_iso8601(kExample + 999), "2020-04-02T00:49:51Z");
    EXPECT_EQ(to_iso8601(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(to_iso8601(-1), "1969-12-31T23:59:59Z");
}

TEST(Clock, reads_both_forms_of_aws) {
    EXPECT_EQ(from_iso8601("2020-04-02T00:49:51Z"), kExample);
    EXPECT_EQ(from_amz_date("20200402T004951Z"), kExample);
    EXPECT_EQ(from_iso8601("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(from_iso8601("2020-02-29T23:59:59Z"), 1'583'020'799'000);
}

TEST(Clock, reads_fractions_of_a_second_down_to_milliseconds) {
    EXPECT_EQ(from_iso8601("2020-04-02T00:49:51.5Z"), kExample + 500);
    EXPECT_EQ(from_iso8601("2020-04-02T00:49:51.12Z"), kExample + 120);
    EXPECT_EQ(from_iso8601("2020-04-02T00:49:51.123Z"), kExample + 123);
    EXPECT_EQ(from_iso8601("2020-04-02T00:49:51.123999999Z"), kExample + 123);
}

TEST(Clock, refuses_what_is_not_a_time) {
    for (const char* text : {"",
                             "Z",
                             "2020-04-02",
                             "2020-04-02T00:49:51",
                             "2020-04-02T00:49:51+00:00",
                             "2020-04-02 00:49:51Z",
                             "2020-04-02t00:49:51Z",
                             "2020-04-02T00:49:51z",
                             "2020-4-2T00:49:51Z",
                             "2020-13-02T00:49:51Z",
                             "2020-00-02T00:49:51Z",
                             "2020-04-31T00:49:51Z",
                             "2021-02-29T00:49:51Z",
                             "2020-04-00T00:49:51Z",
                             "2020-04-02T24:49:51Z",
                             "2020-04-02T00:60:51Z",
                             "2020-04-02T00:49:61Z",
                             "2020-04-02T00:49:51.Z",
                             "2020-04-02T00:49:51,5Z",
                             "2020-04-02T00:49:51.5.5Z",
                             "2020-04-02T00:49:51.5",
                             "2020-04-02T00:49:5-Z",
                             "+020-04-02T00:49:51Z",
                             "2020-04-02T00:49:51ZZ",
                             "2020-04-02T00:49:51.12345678901234Z"})
        EXPECT_EQ(from_iso8601(text), std::nullopt) << text;
    for (const char* text : {"", "20200402T004951", "20200402 004951Z", "2020-04-02T00:49:51Z",
                             "20200402T004951ZZ", "20201302T004951Z", "20200402T254951Z", "2020040aT004951Z"})
        EXPECT_EQ(from_amz_date(text), std::nullopt) << text;
}

TEST(Clock, brings_every_second_back_and_agrees_with_gmtime) {
    const std::uint64_t seed = 1970;
    std::mt19937_64 random(seed);
    for (int i = 0; i < 5000; ++i) {
        const UnixMs time =
            static_cast<UnixMs>(random() % 253'402'300'800u) * 1000; // to the end of year 9999
        EXPECT_EQ(from_iso8601(to_iso8601(time)), time) << "seed " << seed;
        EXPECT_EQ(from_amz_date(to_amz_date(time)), time) << "seed " << seed;
        const std::time_t seconds = time / 1000;
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        EXPECT_EQ(to_iso8601(time), text) << "seed " << seed;
    }
}

TEST(Clock, monotonic_time_does_not_go_back_and_wall_time_is_of_this_century) {
    const auto us = monotonic_us();
    const auto ms = monotonic_ms();
    EXPECT_LE(us / 1000, ms);
    EXPECT_LE(ms, monotonic_us() / 1000);
    EXPECT_GT(system_time_ms(), from_iso8601("2024-01-01T00:00:00Z"));
    EXPECT_LT(system_time_ms(), from_iso8601("2100-01-01T00:00:00Z"));
}

} // namespace
} // namespace redoubt
