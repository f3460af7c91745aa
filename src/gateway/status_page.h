// SPDX-License-Identifier: Apache-2.0
// The status page: the gateway and its enclaves for people, as one HTML document that loads nothing and works
// without JavaScript. Pure: what it shows is given to it, and every text of others' is escaped.
#pragma once

#include "base/clock.h"
#include "net/http.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace redoubt::gateway {

struct StatusView {
    UnixMs now = 0;
    std::string version;    // the gateway's
    std::int64_t up_ms = 0; // since its start

    struct Enclave {
        enum class State : std::uint8_t { Unreachable, Starting, VaultsClosed, Ready, Leaving };
        std::string name; // its endpoint
        State state = State::Unreachable;
        bool counted = false; // the numbers below are there
        bool told = false;    // it has described itself
        bool debug = false;   // PCR0 is all zero
        std::string version, image, module_id, pcr0, pcr16, manifest;
        std::int64_t up_ms = 0;
        std::uint64_t outstanding = 0, requests = 0, refused = 0, failed = 0;
        std::uint64_t keys_open = 0, cache_hits = 0, cache_misses = 0;
        std::uint64_t kms_calls = 0, kms_failures = 0;
        std::int64_t clock_age_ms = 0, clock_step_ms = 0;
        struct Vault {
            std::string id;
            std::int64_t lease_ms = 0; // left
        };
        std::vector<Vault> vaults;   // open
        std::vector<double> mean_ms; // of requests lately, oldest first
    };
    std::vector<Enclave> enclaves;

    struct Vault {
        std::string id, created;
        std::uint64_t epoch = 0;
        std::size_t open = 0; // enclaves that have it open
        std::vector<std::string> kms_keys;
    };
    std::vector<Vault> vaults;

    std::uint64_t requests = 0, refused = 0, failed = 0, in_flight = 0;
    struct Interval {
        std::uint64_t requests = 0, failed = 0;
        double p50_ms = 0, p99_ms = 0;
    };
    std::int64_t interval_ms = 5'000;
    std::vector<Interval> history; // oldest first
    // Since the start, the most frequent first: code and how often.
    std::vector<std::pair<std::string, std::uint64_t>> refusals;

    std::int64_t credentials_ms = -1; // left; below zero: there are none
    bool credentials_end = true;      // false: they have no end
    bool receipts_kept = false;       // a log of receipts is kept
    bool receipts_unwritten = false;  // and could not be written lately
    std::uint64_t store_failures = 0;

    struct Sending { // of transactions; only where a node is configured
        std::size_t waiting = 0, pending = 0, mined = 0, failed = 0, gaps = 0;
    };
    std::optional<Sending> sending;
};

std::string status_page_html(const StatusView& view);
// As the document holds them, for the policy's digests.
std::string_view status_page_style() noexcept;
std::string_view status_page_script() noexcept;

// The document with its headers: nothing may be loaded, framed or kept, and no script runs but the page's own
// by its digest.
net::HttpResponse status_page(const StatusView& view);

// A line through `values` (at least 0) over `width` × `height`, as inline SVG with a text for those who don't
// see it.
std::string sparkline(const std::vector<double>& values, int width, int height, std::string_view label);

} // namespace redoubt::gateway
