// SPDX-License-Identifier: Apache-2.0
// What the enclaves say of themselves, asked over the same links as requests travel on: who each is (once for
// each of its starts, and again when it has taken its manifest), and its samples every kAskMs. Loop thread
// only.
#pragma once

#include "gateway/enclave_pool.h"
#include "wire/metrics.h"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace redoubt::gateway {

// As an enclave describes itself in its answer to Hello: its own word, attested by nothing here.
struct EnclaveDescription {
    std::string version, module_id, image, manifest, pcr0, pcr16; // digests in hex; empty: not told
    bool debug() const noexcept; // PCR0 is all zero: whoever owns the host can read this enclave's memory
};

class EnclaveMetrics {
  public:
    // A moment in the life of an enclave, for the status page's lines.
    struct Moment {
        double mean_ms = 0; // of the requests since the moment before; 0 without any
        std::uint64_t requests = 0;
    };
    struct Known {
        std::optional<EnclaveDescription> description;
        std::vector<wire::Sample> samples;
        std::int64_t told_at = 0;       // monotonic; 0: never
        std::int64_t round_trip_us = 0; // of the last answer
        std::uint64_t failures = 0;     // answers that did not come or could not be read
        std::deque<Moment> moments;     // oldest first, at most kMaxMoments

        std::int64_t sum(wire::Metric metric, std::string_view first = {},
                         std::string_view second = {}) const;
    };

    // Both outlive it.
    EnclaveMetrics(net::EventLoop& loop, EnclavePool& pool) : loop_(loop), pool_(pool) {}
    ~EnclaveMetrics() { stop(); }
    EnclaveMetrics(const EnclaveMetrics&) = delete;
    EnclaveMetrics& operator=(const EnclaveMetrics&) = delete;

    void start();
    void stop();
    const Known* find(const std::string& enclave) const; // by EnclavePool::View's name; nullptr: none
    const EnclavePool& pool() const noexcept { return pool_; }
    void add_to(std::vector<prometheus::MetricFamily>& families) const; // enclave_families.cpp

    static constexpr int kAskMs = 2'000;
    static constexpr std::size_t kMaxMoments = 150; // five minutes

  private:
    struct Entry {
        Known known;
        std::string tag;            // of the start that the description is of
        bool manifest_then = false; // whether that was after it had taken its manifest
        bool asking = false, asking_hello = false;
        std::int64_t requests = 0, microseconds = 0; // sums of the samples before
    };
    void ask_all();
    void ask_who(const EnclavePool::View& view, Entry& entry);
    void ask_samples(const EnclavePool::View& view, Entry& entry);
    void take(Entry& entry, std::vector<wire::Sample> samples);

    net::EventLoop& loop_;
    EnclavePool& pool_;
    std::map<std::string, std::shared_ptr<Entry>> entries_;
    net::EventLoop::TimerId timer_ = 0;
    bool running_ = false;
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

// Separated for tests. Nothing: the answer is none.
std::optional<EnclaveDescription> read_description(std::string_view json);

} // namespace redoubt::gateway
