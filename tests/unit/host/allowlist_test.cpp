// SPDX-License-Identifier: Apache-2.0
#include "host/vsock_proxy.h"

#include <gtest/gtest.h>

namespace redoubt::host::tests {

namespace {

TEST(Allowlist, reads_the_file_that_awss_proxy_reads) {
    const auto list = parse_allowlist("# comment\n"
                                      "allowlist:\n"
                                      "- {address: kms.us-east-1.amazonaws.com, port: 443}\n"
                                      "- {address: \"127.0.0.1\", port: 8080}\n"
                                      "- address: fd00::1\n"
                                      "  port: 65535\n");
    ASSERT_TRUE(list) << list.error().describe();
    ASSERT_EQ(list->size(), 3u);
    EXPECT_EQ((*list)[0].address, "kms.us-east-1.amazonaws.com");
    EXPECT_EQ((*list)[0].port, 443);
    EXPECT_EQ((*list)[1].address, "127.0.0.1");
    EXPECT_EQ((*list)[1].port, 8080);
    EXPECT_EQ((*list)[2].address, "fd00::1");
    EXPECT_EQ((*list)[2].port, 65535);
}

TEST(Allowlist, an_empty_list_allows_nothing_and_is_no_error) {
    const auto list = parse_allowlist("allowlist: []\n");
    ASSERT_TRUE(list);
    EXPECT_TRUE(list->empty());
}

struct Refused {
    const char* what;
    const char* yaml;
    const char* where; // in the context
};

class AllowlistRefuses : public testing::TestWithParam<Refused> {};

TEST_P(AllowlistRefuses, the_file) {
    const auto list = parse_allowlist(GetParam().yaml);
    ASSERT_FALSE(list) << GetParam().what;
    EXPECT_EQ(list.error().code, Code::Usage);
    EXPECT_NE(list.error().context.find(GetParam().where), std::string::npos)
        << GetParam().what << ": " << list.error().describe();
}

constexpr Refused kRefused[] = {
    {"an empty file", "", "empty"},
    {"a scalar", "allowlist", "line 1"},
    {"a null list", "allowlist:\n", "line 1"},
    {"a mapping for a list", "allowlist:\n  address: a\n", "line"},
    {"the former member name", "whitelist:\n- {address: a, port: 443}\n", "line 1"},
    {"another member", "allowlist: []\nother: 1\n", "line 2"},
    {"a member twice", "allowlist: []\nallowlist: []\n", "line 2"},
    {"two documents", "allowlist: []\n---\nallowlist: []\n", "line"},
    {"an entry that is a scalar", "allowlist:\n- a:443\n- b\n", "line 2"},
    {"an entry without a port", "allowlist:\n- {address: a}\n", "line 2"},
    {"an entry without an address", "allowlist:\n- {port: 443}\n", "line 2"},
    {"an unknown member", "allowlist:\n- {address: a, port: 443, extra: 1}\n", "line 2"},
    {"an address twice", "allowlist:\n- {address: a, address: b, port: 443}\n", "line 2"},
    {"a quoted port", "allowlist:\n- {address: a, port: \"443\"}\n", "line 2"},
    {"a port of 0", "allowlist:\n- {address: a, port: 0}\n", "line 2"},
    {"a port above 65535", "allowlist:\n- {address: a, port: 65536}\n", "line 2"},
    {"a negative port", "allowlist:\n- {address: a, port: -1}\n", "line 2"},
    {"a port with a fraction", "allowlist:\n- {address: a, port: 443.5}\n", "line 2"},
    {"a port that is a list", "allowlist:\n- {address: a, port: [443]}\n", "line 2"},
    {"an empty address", "allowlist:\n- {address: \"\", port: 443}\n", "line 2"},
    {"an address with a space", "allowlist:\n- {address: a b, port: 443}\n", "line 2"},
    {"an address that is a list", "allowlist:\n- {address: [a], port: 443}\n", "line 2"},
    {"a null address", "allowlist:\n- {address: , port: 443}\n", "line 2"},
    {"broken YAML", "allowlist:\n- {address: a, port: 443\n", "line"},
    {"a tab for an indent", "allowlist:\n\t- {address: a, port: 443}\n", "line 2"},
};
INSTANTIATE_TEST_SUITE_P(Table, AllowlistRefuses, testing::ValuesIn(kRefused));

TEST(Allowlist, refuses_a_file_without_end) {
    EXPECT_FALSE(parse_allowlist(std::string((1 << 20) + 1, ' ')));
    EXPECT_FALSE(parse_allowlist("allowlist: " + std::string(100'000, '[')));
}

} // namespace

} // namespace redoubt::host::tests
