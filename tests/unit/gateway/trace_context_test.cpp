// SPDX-License-Identifier: Apache-2.0
#include "gateway/trace_context.h"
#include "wire/message.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736", kParent = "00f067aa0ba902b7";
const std::string kValid = "00-" + kTrace + "-" + kParent + "-01"; // the standard's example

net::HttpRequest with(std::vector<net::Header> headers) {
    net::HttpRequest request;
    request.headers = std::move(headers);
    return request;
}

TEST(TraceContext, reads_the_standards_example) {
    const auto parsed = parse_trace_parent(kValid);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->trace_id, kTrace);
    EXPECT_EQ(parsed->parent_id, kParent);
    EXPECT_TRUE(parsed->sampled());
    EXPECT_FALSE(parse_trace_parent("00-" + kTrace + "-" + kParent + "-00")->sampled());
}

TEST(TraceContext, ignores_what_the_standard_calls_invalid) {
    const std::string zeros32(32, '0'), zeros16(16, '0');
    for (const std::string& bad :
         {std::string(), std::string("00"), "ff-" + kTrace + "-" + kParent + "-01",
          "0g-" + kTrace + "-" + kParent + "-01", "00-" + zeros32 + "-" + kParent + "-01",
          "00-" + kTrace + "-" + zeros16 + "-01", "00-" + kTrace + "-" + kParent + "-0",
          "00-" + kTrace + "-" + kParent + "-0x", kValid + "-", kValid + "-more", kValid + "0", " " + kValid,
          "00_" + kTrace + "-" + kParent + "-01", "00-" + kTrace + "_" + kParent + "-01",
          "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kParent + "-01", "00-" + kTrace + "-00F067AA0BA902B7-01",
          "01-" + kTrace + "-" + kParent + "-01x"})
        EXPECT_FALSE(parse_trace_parent(bad)) << bad;
}

TEST(TraceContext, reads_the_first_fields_of_a_later_version) {
    EXPECT_TRUE(parse_trace_parent("01-" + kTrace + "-" + kParent + "-01"));
    EXPECT_TRUE(parse_trace_parent("cc-" + kTrace + "-" + kParent + "-01-what-the-future-brings"));
    EXPECT_FALSE(parse_trace_parent("cc-" + kTrace + "-" + kParent + "-01." + std::string(10, 'x')));
    EXPECT_FALSE(parse_trace_parent("cc-" + kTrace + "-" + kParent + "-01-" + std::string(600, 'x')));
}

TEST(TraceContext, goes_on_with_a_parent_of_its_own) {
    const auto first = trace_parent_for(with({{"traceparent", kValid}}));
    const auto second = trace_parent_for(with({{"traceparent", kValid}}));
    const auto parsed = parse_trace_parent(first);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->trace_id, kTrace);
    EXPECT_NE(parsed->parent_id, kParent);
    EXPECT_NE(first, second);
    EXPECT_TRUE(parsed->sampled());
    // Flags that nobody here knows are not passed on.
    EXPECT_TRUE(
        trace_parent_for(with({{"traceparent", "00-" + kTrace + "-" + kParent + "-fe"}})).ends_with("-00"));
    EXPECT_TRUE(trace_parent_for(with({{"traceparent", "cc-" + kTrace + "-" + kParent + "-01-x"}}))
                    .starts_with("00-"));
}

TEST(TraceContext, is_none_without_a_readable_field_or_with_two) {
    EXPECT_EQ(trace_parent_for(with({})), "");
    EXPECT_EQ(trace_parent_for(with({{"traceparent", "nonsense"}})), "");
    EXPECT_EQ(trace_parent_for(with({{"traceparent", kValid}, {"traceparent", kValid}})), "");
}

TEST(RequestIds, are_the_clients_if_they_fit_into_a_log_line) {
    EXPECT_EQ(request_id_for(with({{"x-request-id", "order-7.A_b"}})), "order-7.A_b");
    EXPECT_EQ(request_id_for(with({{"x-request-id", std::string(64, 'x')}})), std::string(64, 'x'));
}

TEST(RequestIds, are_drawn_where_the_clients_do_not_fit) {
    for (const auto& headers :
         std::vector<std::vector<net::Header>>{{},
                                               {{"x-request-id", ""}},
                                               {{"x-request-id", std::string(65, 'x')}},
                                               {{"x-request-id", "a b"}},
                                               {{"x-request-id", "a\"b"}},
                                               {{"x-request-id", "a"}, {"x-request-id", "a"}}}) {
        const std::string id(request_id_for(with(headers)));
        EXPECT_EQ(id.size(), 32u);
        EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
        EXPECT_TRUE(wire::is_request_id(id));
    }
    EXPECT_NE(request_id_for(with({})), request_id_for(with({})));
}

} // namespace
} // namespace redoubt::gateway
