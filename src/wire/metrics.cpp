// SPDX-License-Identifier: Apache-2.0
#include "wire/metrics.h"

#include "base/cursor.h"

#include <algorithm>
#include <tuple>

namespace redoubt::wire {

namespace {

constexpr std::uint8_t kVersion = 1;

using enum MetricType;
constexpr double kMilli = 1e-3, kMicro = 1e-6;

constexpr MetricInfo kInfos[] = {
    {Metric::Requests,
     Counter,
     "redoubt_enclave_requests_total",
     "Requests by operation and outcome: ok, needs (asked the gateway for records first), refused (4xx), "
     "failed (5xx).",
     {"operation", "outcome"}},
    {Metric::RequestTime,
     Counter,
     "redoubt_enclave_request_seconds_total",
     "Time that requests took inside the enclave, waiting for NSM and KMS included.",
     {"operation", ""},
     kMicro},
    {Metric::CacheEntries,
     Gauge,
     "redoubt_enclave_cache_entries",
     "What is held open: keys of vaults, keys derived from seeds, reference keys, policies.",
     {"cache", ""}},
    {Metric::CacheHits,
     Counter,
     "redoubt_enclave_cache_hits_total",
     "Look-ups that found an entry.",
     {"cache", ""}},
    {Metric::CacheMisses,
     Counter,
     "redoubt_enclave_cache_misses_total",
     "Look-ups that found none.",
     {"cache", ""}},
    {Metric::KmsCalls,
     Counter,
     "redoubt_enclave_kms_calls_total",
     "Answers of KMS by what was asked and the code, or ok. A new data key is confirmed by a second call, "
     "which counts as one.",
     {"call", "code"}},
    {Metric::KmsTime,
     Histogram,
     "redoubt_enclave_kms_call_seconds",
     "Time until KMS had answered.",
     {"call", "le"},
     kMilli},
    {Metric::VaultsOpen, Gauge, "redoubt_enclave_vaults_open", "Vaults with a valid lease.", {"", ""}},
    {Metric::LeaseRemaining,
     Gauge,
     "redoubt_enclave_vault_lease_remaining_seconds",
     "Until an open vault's lease ends; it is renewed from a quarter of its length on.",
     {"vault", ""},
     kMilli},
    {Metric::LeaseRenewals,
     Counter,
     "redoubt_enclave_lease_renewals_total",
     "Renewals of leases by what came of them: renewed, failed (KMS gave no answer), denied (the vault was "
     "closed), ended.",
     {"outcome", ""}},
    {Metric::QueueJobs,
     Gauge,
     "redoubt_enclave_queue_jobs",
     "Frames that wait for a worker or are in work.",
     {"queue", ""}},
    {Metric::QueueBytes, Gauge, "redoubt_enclave_queue_bytes", "What those frames hold.", {"", ""}},
    {Metric::QueueRefused,
     Counter,
     "redoubt_enclave_queue_refused_total",
     "Frames that were refused since a queue was full.",
     {"queue", ""}},
    {Metric::Connections, Gauge, "redoubt_enclave_connections", "Connections from the host.", {"", ""}},
    {Metric::ClockAge,
     Gauge,
     "redoubt_enclave_clock_age_seconds",
     "Since the NSM gave the time.",
     {"", ""},
     kMilli},
    {Metric::ClockStep,
     Gauge,
     "redoubt_enclave_clock_step_seconds",
     "What the last refresh found: the NSM's time less the enclave's own.",
     {"", ""},
     kMilli},
    {Metric::ClockStepOver,
     Gauge,
     "redoubt_enclave_clock_step_over_seconds",
     "Over how long that difference had built up.",
     {"", ""},
     kMilli},
    {Metric::Sessions, Gauge, "redoubt_enclave_sessions", "Session keys agreed with principals.", {"", ""}},
    {Metric::ChangesUnstored,
     Gauge,
     "redoubt_enclave_changes_unstored",
     "Whether changes of keys wait for the store to take them: 1 or 0.",
     {"", ""}},
    {Metric::ReceiptsKept,
     Gauge,
     "redoubt_enclave_receipts_kept",
     "Receipts that the gateway has not said it has stored; at 65,536 nothing more is decided.",
     {"", ""}},
    {Metric::CredentialsRemaining,
     Gauge,
     "redoubt_enclave_credentials_remaining_seconds",
     "Until the AWS credentials that the enclave holds end, by its trusted time.",
     {"", ""},
     kMilli},
    {Metric::HeapBytes, Gauge, "redoubt_enclave_heap_bytes", "Memory in use on the heap.", {"", ""}},
    {Metric::Uptime, Gauge, "redoubt_enclave_uptime_seconds", "Since the enclave started.", {"", ""}, kMilli},
};

bool is_label(std::string_view text) noexcept {
    constexpr auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return text.size() <= kMaxLabel && std::ranges::all_of(text, allowed);
}

auto place(const Sample& sample) noexcept {
    return std::tie(sample.metric, sample.first, sample.second);
}

std::unexpected<Error> malformed() {
    return fail(Code::BadRequest, "an enclave's list of samples is malformed");
}

} // namespace

std::span<const MetricInfo> metric_infos() noexcept {
    return kInfos;
}

const MetricInfo* find_metric(std::uint16_t metric) noexcept {
    for (const auto& info : kInfos)
        if (static_cast<std::uint16_t>(info.metric) == metric)
            return &info;
    return nullptr;
}

Bytes encode_samples(std::vector<Sample> samples) {
    std::ranges::sort(samples);
    if (samples.size() > kMaxSamples)
        samples.resize(kMaxSamples);
    Bytes out;
    Writer writer(out);
    writer.u8(kVersion).u16(static_cast<std::uint16_t>(samples.size()));
    for (const auto& sample : samples)
        writer.u16(sample.metric)
            .block16(as_bytes(sample.first))
            .block16(as_bytes(sample.second))
            .u64(static_cast<std::uint64_t>(sample.value));
    return out;
}

Result<std::vector<Sample>> decode_samples(ByteView bytes) {
    Cursor cursor(bytes);
    const std::uint8_t version = cursor.u8();
    const std::size_t count = cursor.u16();
    if (version != kVersion || count > kMaxSamples)
        return malformed();
    std::vector<Sample> out;
    Sample before;
    for (std::size_t i = 0; i < count; ++i) {
        Sample sample;
        sample.metric = cursor.u16();
        sample.first = std::string(as_text(cursor.block16(kMaxLabel)));
        sample.second = std::string(as_text(cursor.block16(kMaxLabel)));
        sample.value = static_cast<std::int64_t>(cursor.u64());
        const MetricInfo* info = find_metric(sample.metric);
        if (!cursor.ok() || !is_label(sample.first) || !is_label(sample.second) ||
            (i > 0 && place(before) >= place(sample)) ||
            (info != nullptr && info->type != MetricType::Gauge && sample.value < 0))
            return malformed();
        before = sample;
        if (info != nullptr)
            out.push_back(std::move(sample));
    }
    if (!cursor.finished())
        return malformed();
    return out;
}

} // namespace redoubt::wire
