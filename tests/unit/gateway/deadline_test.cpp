// SPDX-License-Identifier: Apache-2.0
#include "gateway/deadline.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

std::optional<std::int64_t> wait_of(std::vector<std::string> values) {
    net::HttpRequest request;
    request.headers.push_back({"accept", "wait=7"});
    for (auto& value : values)
        request.headers.push_back({"prefer", std::move(value)});
    return preferred_wait_ms(request);
}

TEST(Deadline, is_told_in_seconds_by_the_prefer_header) {
    EXPECT_EQ(wait_of({"wait=10"}), 10'000);
    EXPECT_EQ(wait_of({"Wait = \"3\""}), 3'000);
    EXPECT_EQ(wait_of({"respond-async, wait=5;x=1, handling=strict"}), 5'000);
    EXPECT_EQ(wait_of({"return=minimal", "wait=2"}), 2'000);
    EXPECT_EQ(wait_of({"wait=2, wait=9"}), 2'000);
    EXPECT_EQ(wait_of({"wait=999999999"}), kLongestWaitMs);
}

TEST(Deadline, what_is_no_time_is_ignored_as_the_standard_says) {
    for (const char* value : {"", ",", "wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "wait=1s", "waits=4",
                              "await=4", "wait=\"", "wait=9999999999999999999999"})
        EXPECT_EQ(wait_of({value}), std::nullopt) << value;
    EXPECT_EQ(wait_of({}), std::nullopt);
}

} // namespace
} // namespace redoubt::gateway
