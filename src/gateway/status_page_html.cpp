// SPDX-License-Identifier: Apache-2.0
// The document of status_page.h. What a colour says a word says, too.
#include "gateway/status_page.h"

#include <algorithm>
#include <cstdio>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2330; --quiet: #515c6d; --line: #d5dae3; --card: #f5f7fa;
  --good: #0a6b35; --warn: #8a4b00; --bad: #b3141d; --mark: #1d5fc2; --loud: #ffe9e9; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161d; --ink: #e6eaf1; --quiet: #a3aebf; --line: #323b4a;
  --card: #1a202a; --good: #5fd18f; --warn: #f2b155; --bad: #ff8c8c; --mark: #7db3ff; --loud: #4a1518; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 16px/1.45 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 1.75rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .4rem 0; }
.quiet { color: var(--quiet); }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.good, .warn, .bad { font-weight: 600; }
.alarm { background: var(--loud); color: var(--bad); border: 2px solid var(--bad); border-radius: .4rem;
  padding: .6rem .8rem; font-weight: 600; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 0; }
.numbers div, article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.numbers dt { color: var(--quiet); font-size: .875rem; }
.numbers dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.numbers dd small { font-size: .875rem; color: var(--quiet); }
article { margin: 0 0 .75rem; }
article th { width: 10rem; }
thead + tbody td { min-width: 7rem; }
article > div { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 0; font-size: .9375rem; }
caption { text-align: left; color: var(--quiet); padding: .2rem 0; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 500; color: var(--quiet); white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; }
.spark polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; }
.spark { display: block; max-width: 100%; }
button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--quiet); border-radius: .4rem;
  padding: .2rem .8rem; }
button:focus-visible, .scroll:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
footer { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .5rem; color: var(--quiet); font-size: .875rem; }
)";

// Looks again by itself until it is told not to.
constexpr std::string_view kScript = R"(
const button = document.querySelector("button");
let timer;
const look = (on) => {
  clearTimeout(timer);
  if (on) timer = setTimeout(() => location.reload(), 5000);
  button.textContent = on ? "Pause" : "Go on";
  sessionStorage.setItem("redoubt-paused", on ? "" : "1");
};
button.hidden = false;
button.addEventListener("click", () => look(button.textContent === "Go on"));
look(sessionStorage.getItem("redoubt-paused") !== "1");
)";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text)
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    return out;
}

std::string number(std::uint64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t at = digits.size(); at > 3;)
        digits.insert(at -= 3, ",");
    return digits;
}

std::string milliseconds(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value < 10 ? "%.2f ms" : "%.0f ms", value);
    return text;
}

// Of a bucket's upper bound; 0: of no requests.
std::string at_most(double value) {
    return value == 0 ? "–" : "≤ " + milliseconds(value);
}

std::string duration(std::int64_t ms) {
    const std::int64_t s = std::max<std::int64_t>(0, ms) / 1'000;
    if (s < 120)
        return std::to_string(s) + " s";
    if (s < 2 * 3'600)
        return std::to_string(s / 60) + " min";
    if (s < 2 * 86'400)
        return std::to_string(s / 3'600) + " h";
    return std::to_string(s / 86'400) + " d";
}

std::string marked(std::string_view style, std::string_view text) {
    return "<span class=\"" + std::string(style) + "\">" + escaped(text) + "</span>";
}

void row(std::string& out, std::string_view name, const std::string& html) {
    out += "<tr><th scope=\"row\">" + std::string(name) + "</th><td>" + html + "</td></tr>";
}

void figure(std::string& out, std::string_view name, const std::string& html) {
    out += "<div><dt>" + std::string(name) + "</dt><dd>" + html + "</dd></div>";
}

std::string state_of(StatusView::Enclave::State state) {
    switch (state) {
    case StatusView::Enclave::State::Unreachable:
        return marked("bad", "Unreachable");
    case StatusView::Enclave::State::Starting:
        return marked("warn", "Starting: it has not taken the manifest");
    case StatusView::Enclave::State::VaultsClosed:
        return marked("warn", "Serving, but not every vault is open");
    case StatusView::Enclave::State::Ready:
        return marked("good", "Ready");
    case StatusView::Enclave::State::Leaving:
        return marked("warn", "Leaving: it gets no new requests");
    }
    return {};
}

std::string code(std::string_view text) {
    return text.empty() ? marked("quiet", "not told") : "<code>" + escaped(text) + "</code>";
}

std::string lease_text(std::int64_t ms) {
    constexpr std::int64_t kShortMs = 60'000;
    return ms < kShortMs ? marked("warn", duration(ms) + " left") : duration(ms) + " left";
}

void counts(std::string& out, const StatusView::Enclave& e) {
    row(out, "Load",
        number(e.outstanding) + " waiting; " + number(e.requests) + " served, " + number(e.refused) +
            " refused, " +
            (e.failed > 0 ? marked("bad", number(e.failed) + " failed") : number(e.failed) + " failed"));
    if (!e.mean_ms.empty())
        row(out, "Mean latency",
            sparkline(e.mean_ms, 240, 28,
                      "Mean latency lately, at most " + milliseconds(*std::ranges::max_element(e.mean_ms))) +
                "at most " + milliseconds(*std::ranges::max_element(e.mean_ms)));
    const std::uint64_t looked = e.cache_hits + e.cache_misses;
    row(out, "Open keys",
        number(e.keys_open) +
            (looked > 0 ? ", found open " + number(100 * e.cache_hits / looked) + " % of the time" : ""));
    row(out, "KMS",
        number(e.kms_calls) + (e.kms_calls == 1 ? " call, " : " calls, ") +
            (e.kms_failures > 0 ? marked("warn", number(e.kms_failures) + " without success")
                                : number(e.kms_failures) + " without success"));
    row(out, "Clock",
        "set " + duration(e.clock_age_ms) + " ago, then corrected by " + std::to_string(e.clock_step_ms) +
            " ms");
}

void enclave(std::string& out, const StatusView::Enclave& e) {
    out += "<article><div><h3>" + escaped(e.name) + "</h3><p>" + state_of(e.state) + "</p></div>";
    if (e.debug)
        out +=
            "<p class=\"alarm\">Debug mode: PCR0 is all zero. Whoever owns the host can read this enclave's "
            "memory and every key in it. Never use it with keys of value.</p>";
    out += "<div class=\"scroll\"><table><tbody>";
    if (e.told) {
        row(out, "Version",
            escaped(e.version.empty() ? "not told" : e.version) +
                (e.image.empty() ? "" : ", " + escaped(e.image) + " image") +
                (e.up_ms > 0 ? ", up " + duration(e.up_ms) : ""));
        row(out, "Module", code(e.module_id));
        row(out, "PCR0",
            e.debug ? "<span class=\"bad\">" + code(e.pcr0) + " debug mode</span>" : code(e.pcr0));
        row(out, "PCR16 (manifest)", code(e.pcr16));
    }
    if (e.counted)
        counts(out, e);
    for (const auto& vault : e.vaults)
        row(out, "Vault lease", "<code>" + escaped(vault.id) + "</code> " + lease_text(vault.lease_ms));
    out += "</tbody></table></div></article>";
}

void vaults(std::string& out, const StatusView& view) {
    out += "<section aria-labelledby=\"vaults\"><h2 id=\"vaults\">Vaults</h2>";
    if (view.vaults.empty()) {
        out += "<p class=\"quiet\">The store holds none.</p></section>";
        return;
    }
    out += "<div class=\"scroll\" tabindex=\"0\"><table><caption>As the store holds "
           "them</caption><thead><tr><th "
           "scope=\"col\">Vault</th><th scope=\"col\">Epoch</th><th scope=\"col\">Made</th><th "
           "scope=\"col\">Open "
           "in</th><th scope=\"col\">KMS keys</th></tr></thead><tbody>";
    for (const auto& vault : view.vaults) {
        const std::string open = std::to_string(vault.open) + " of " + std::to_string(view.enclaves.size()) +
                                 (view.enclaves.size() == 1 ? " enclave" : " enclaves");
        out += "<tr><td><code>" + escaped(vault.id) + "</code></td><td>" + number(vault.epoch) + "</td><td>" +
               escaped(vault.created) + "</td><td>" + (vault.open == 0 ? marked("bad", open) : open) +
               "</td><td>";
        for (std::size_t i = 0; i < vault.kms_keys.size(); ++i)
            out += (i == 0 ? "<code>" : "<br><code>") + escaped(vault.kms_keys[i]) + "</code>";
        out += "</td></tr>";
    }
    out += "</tbody></table></div></section>";
}

void load(std::string& out, const StatusView& view) {
    out += "<section aria-labelledby=\"load\"><h2 id=\"load\">Load</h2><dl class=\"numbers\">";
    figure(out, "Answered", number(view.requests));
    figure(out, "Under way", number(view.in_flight));
    figure(out, "Refused (4xx)", number(view.refused));
    figure(out, "Failed (5xx)", view.failed > 0 ? marked("bad", number(view.failed)) : "0");
    std::vector<double> rates, medians, slow;
    for (const auto& interval : view.history) {
        rates.push_back(static_cast<double>(interval.requests) * 1'000 /
                        static_cast<double>(view.interval_ms));
        medians.push_back(interval.p50_ms);
        slow.push_back(interval.p99_ms);
    }
    if (view.history.size() >= 2) {
        // The last whole interval: the one that runs has only begun.
        const std::size_t last = view.history.size() - 2;
        char rate[32];
        std::snprintf(rate, sizeof rate, "%.1f", rates[last]);
        figure(out, "Requests",
               std::string(rate) + " <small>a second</small>" +
                   sparkline(rates, 200, 32, "Requests a second in the last minutes"));
        figure(out, "Median latency",
               at_most(medians[last]) + sparkline(medians, 200, 32, "Median latency in the last minutes"));
        figure(out, "99th percentile",
               at_most(slow[last]) +
                   sparkline(slow, 200, 32, "99th percentile of latency in the last minutes"));
    }
    out += "</dl>";
    if (!view.refusals.empty()) {
        out += "<div class=\"scroll\" tabindex=\"0\"><table><caption>Refusals and failures since the "
               "start</caption><thead><tr><th scope=\"col\">Code</th><th "
               "scope=\"col\">Times</th></tr></thead><tbody>";
        for (const auto& [name, count] : view.refusals)
            out += "<tr><td><code>" + escaped(name) + "</code></td><td>" + number(count) + "</td></tr>";
        out += "</tbody></table></div>";
    }
    out += "</section>";
}

void surroundings(std::string& out, const StatusView& view) {
    out += "<section aria-labelledby=\"around\"><h2 id=\"around\">Around it</h2><dl class=\"numbers\">";
    const bool short_of = view.credentials_end && view.credentials_ms < 5 * 60'000;
    const std::string left =
        view.credentials_end ? duration(view.credentials_ms) + " left" : "without an end";
    figure(out, "AWS credentials",
           view.credentials_ms < 0 && view.credentials_end ? marked("bad", "none")
           : short_of                                      ? marked("warn", left)
                                                           : left);
    figure(out, "Log of receipts",
           !view.receipts_kept       ? "not kept"
           : view.receipts_unwritten ? marked("bad", "cannot be written")
                                     : marked("good", "written"));
    figure(out, "Store",
           view.store_failures > 0 ? marked("warn", number(view.store_failures) + " failures")
                                   : marked("good", "no failures"));
    if (view.sending) {
        const auto& s = *view.sending;
        figure(out, "Transactions",
               number(s.pending) + " pending <small>" + number(s.waiting) + " waiting, " + number(s.mined) +
                   " mined, " + number(s.failed) + " failed, " + number(s.gaps) + " gaps</small>");
    }
    out += "</dl></section>";
}

} // namespace

std::string_view status_page_style() noexcept {
    return kStyle;
}

std::string_view status_page_script() noexcept {
    return kScript;
}

std::string status_page_html(const StatusView& view) {
    using State = StatusView::Enclave::State;
    const auto ready = std::ranges::count(view.enclaves, State::Ready, &StatusView::Enclave::state);
    const auto able =
        ready + std::ranges::count(view.enclaves, State::VaultsClosed, &StatusView::Enclave::state);
    const auto debug = std::ranges::count(view.enclaves, true, &StatusView::Enclave::debug);
    std::string out = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
    out += able == 0 ? "Cannot sign" : "Signing";
    out += " – Redoubt</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
           "<meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\">"
           "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript><style>";
    out += kStyle;
    out += "</style></head><body><header><h1>Redoubt</h1><p>";
    out += able == 0 ? marked("bad", "No enclave is able to sign")
           : ready == static_cast<std::ptrdiff_t>(view.enclaves.size())
               ? marked("good", "All enclaves are ready")
               : marked("warn", std::to_string(ready) + " of " + std::to_string(view.enclaves.size()) +
                                    " enclaves are ready");
    out += "</p><p class=\"quiet\">Gateway " + escaped(view.version) + ", up " + duration(view.up_ms) +
           ", at " + to_iso8601(view.now) +
           "</p><button type=\"button\" hidden>Pause</button></header><main>";
    if (debug > 0)
        out += "<p class=\"alarm\" role=\"alert\">" + std::to_string(debug) +
               (debug == 1 ? " enclave runs" : " enclaves run") +
               " in debug mode (PCR0 all zero): the host can read every key in it.</p>";
    load(out, view);
    out += "<section aria-labelledby=\"enclaves\"><h2 id=\"enclaves\">Enclaves</h2>";
    for (const auto& each : view.enclaves)
        enclave(out, each);
    out += "</section>";
    vaults(out, view);
    surroundings(out, view);
    out +=
        "</main><footer>What enclaves say of themselves is shown as they say it, through this host. Proof is "
        "<code>redoubt attestation verify</code>.</footer><script>";
    out += kScript;
    out += "</script></body></html>";
    return out;
}

} // namespace redoubt::gateway
