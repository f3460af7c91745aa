// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"
#include "gateway/metrics_server.h"
#include "gateway/status_page.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

using Shown = StatusView::Enclave::State;

StatusView one(Shown state) {
    StatusView view;
    view.version = "0.1.0";
    StatusView::Enclave enclave;
    enclave.name = "vsock:16:5000";
    enclave.state = state;
    enclave.told = true;
    enclave.pcr0 = std::string(96, 'a');
    view.enclaves.push_back(enclave);
    return view;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(StatusPage, says_in_words_whether_it_can_sign) {
    EXPECT_TRUE(has(status_page_html(one(Shown::Ready)), "All enclaves are ready"));
    EXPECT_TRUE(has(status_page_html(one(Shown::Unreachable)), "No enclave is able to sign"));
    EXPECT_TRUE(has(status_page_html(one(Shown::Starting)), "No enclave is able to sign"));
    EXPECT_TRUE(has(status_page_html(one(Shown::VaultsClosed)), "0 of 1 enclaves are ready"));
}

TEST(StatusPage, warns_of_debug_mode_in_words_and_only_then) {
    auto view = one(Shown::Ready);
    EXPECT_FALSE(has(status_page_html(view), "ebug mode"));
    view.enclaves[0].debug = true;
    view.enclaves[0].pcr0 = std::string(96, '0');
    const auto html = status_page_html(view);
    EXPECT_TRUE(has(html, "1 enclave runs in debug mode (PCR0 all zero)"));
    EXPECT_TRUE(has(html, "class=\"alarm\""));
}

TEST(StatusPage, escapes_what_others_say) {
    auto view = one(Shown::Ready);
    const std::string evil = "<script>alert('x')</script>\"&";
    view.enclaves[0].name = view.enclaves[0].version = view.enclaves[0].module_id = evil;
    view.enclaves[0].image = view.enclaves[0].pcr0 = view.enclaves[0].pcr16 = evil;
    view.enclaves[0].vaults.push_back({evil, 1});
    view.vaults.push_back({evil, evil, 1, 1, {evil}});
    view.refusals.push_back({evil, 1});
    const auto html = status_page_html(view);
    EXPECT_FALSE(has(html, "<script>alert"));
    EXPECT_FALSE(has(html, "'x'"));
    EXPECT_TRUE(has(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
}

TEST(StatusPage, lets_nothing_be_loaded_and_no_script_run_but_its_own) {
    const auto response = status_page(one(Shown::Ready));
    const auto csp = response.header("content-security-policy");
    EXPECT_TRUE(csp.starts_with("default-src 'none'"));
    EXPECT_EQ(csp.find("unsafe"), std::string_view::npos);
    for (const auto text : {status_page_style(), status_page_script()})
        EXPECT_NE(csp.find("'sha256-" + to_base64(crypto::sha256(as_bytes(text))) + "'"),
                  std::string_view::npos);
    const std::string html(as_text(response.body));
    // The digests are of what stands between the tags.
    EXPECT_TRUE(has(html, "<style>" + std::string(status_page_style()) + "</style>"));
    EXPECT_TRUE(has(html, "<script>" + std::string(status_page_script()) + "</script>"));
    for (const char* outside : {"http://", "https://", "src=", "@import", "url("})
        EXPECT_FALSE(has(html, outside)) << outside;
    EXPECT_EQ(html.find(" style="), std::string::npos) << "the policy would drop it";
    EXPECT_EQ(response.header("cache-control"), "no-store");
}

TEST(StatusPage, shows_leases_and_an_enclave_that_has_told_nothing) {
    auto view = one(Shown::Ready);
    view.enclaves[0].vaults.push_back({"vault-1", 30'000});
    view.enclaves.push_back({});
    view.enclaves[1].name = "vsock:17:5000";
    const auto html = status_page_html(view);
    EXPECT_TRUE(has(html, "30 s left"));
    EXPECT_TRUE(has(html, "vsock:17:5000"));
    EXPECT_TRUE(has(html, "Unreachable"));
    EXPECT_TRUE(has(html, "1 of 2 enclaves are ready"));
    EXPECT_FALSE(has(html, "Open keys")) << "no numbers where none were told";
    view.enclaves[0].counted = true;
    EXPECT_TRUE(has(status_page_html(view), "Open keys"));
}

TEST(Sparkline, stays_within_its_box_and_needs_two_values) {
    EXPECT_EQ(sparkline({}, 100, 20, "x").find("polyline"), std::string::npos);
    EXPECT_EQ(sparkline({1}, 100, 20, "x").find("polyline"), std::string::npos);
    const auto line = sparkline({0, 5, 10}, 100, 20, "latency");
    EXPECT_TRUE(has(line, R"(points="2.0,18.0 50.0,10.0 98.0,2.0")")) << line;
    EXPECT_TRUE(has(line, R"(aria-label="latency")"));
    EXPECT_TRUE(has(sparkline({0, 0}, 100, 20, "x"), R"(points="2.0,18.0 98.0,18.0")"))
        << "nothing is no division";
}

TEST(MetricsListener, answers_to_addresses_and_localhost_alone) {
    for (const char* good :
         {"localhost", "localhost:9464", "127.0.0.1", "127.0.0.1:9464", "[::1]:9464", "10.0.0.7:1"})
        EXPECT_TRUE(is_literal_authority(good)) << good;
    for (const char* bad : {"", "evil.example", "evil.example:9464", "localhost.evil.example", "[::1", "::1",
                            "127.0.0.1.evil.example"})
        EXPECT_FALSE(is_literal_authority(bad)) << bad;
}

} // namespace
} // namespace redoubt::gateway
