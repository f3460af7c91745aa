// SPDX-License-Identifier: Apache-2.0
// The enclaves' samples as Prometheus has them, with what the gateway sees of each.
#include "base/clock.h"
#include "gateway/enclave_metrics.h"
#include "gateway/metric_parts.h"

#include <charconv>
#include <limits>

namespace redoubt::gateway {

namespace {

using Families = std::vector<prometheus::MetricFamily>;
using prometheus::MetricType;

// One metric of its family for each first label: buckets and sum come as samples of their own.
void add_bucket(Families& families, const wire::MetricInfo& info, const std::string& enclave,
                const wire::Sample& sample) {
    auto& family = metric_family(families, MetricType::Histogram, info.name, info.help);
    const std::vector<prometheus::ClientMetric::Label> labels{{"enclave", enclave},
                                                              {std::string(info.labels[0]), sample.first}};
    auto found = std::ranges::find(family.metric, labels, &prometheus::ClientMetric::label);
    if (found == family.metric.end()) {
        family.metric.emplace_back().label = labels;
        found = family.metric.end() - 1;
    }
    auto& histogram = found->histogram;
    if (sample.second == "sum") {
        histogram.sample_sum = static_cast<double>(sample.value) * info.scale;
        return;
    }
    std::size_t index = 0;
    const auto* end = sample.second.data() + sample.second.size();
    const auto read = std::from_chars(sample.second.data(), end, index);
    if (read.ec != std::errc() || read.ptr != end || index > wire::kTimeBuckets.size())
        return;
    const double bound = index < wire::kTimeBuckets.size()
                             ? static_cast<double>(wire::kTimeBuckets[index]) * info.scale
                             : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({static_cast<std::uint64_t>(sample.value), bound});
    histogram.sample_count = static_cast<std::uint64_t>(sample.value); // the last bucket is of all
}

void add_sample(Families& families, const std::string& enclave, const wire::Sample& sample) {
    const wire::MetricInfo* info = wire::find_metric(sample.metric);
    if (info == nullptr)
        return;
    if (info->type == wire::MetricType::Histogram)
        return add_bucket(families, *info, enclave, sample);
    MetricLabels labels{{"enclave", enclave}};
    if (!info->labels[0].empty())
        labels.push_back({std::string(info->labels[0]), sample.first});
    if (!info->labels[1].empty())
        labels.push_back({std::string(info->labels[1]), sample.second});
    metric_value(families, info->type == wire::MetricType::Counter ? MetricType::Counter : MetricType::Gauge,
                 info->name, info->help, labels, static_cast<double>(sample.value) * info->scale);
}

} // namespace

void EnclaveMetrics::add_to(std::vector<prometheus::MetricFamily>& families) const {
    const std::int64_t now = monotonic_ms();
    for (const auto& view : pool_.views()) {
        const MetricLabels labels{{"enclave", view.name}};
        const auto gauge = [&](std::string_view name, std::string_view help, double value) {
            metric_value(families, MetricType::Gauge, name, help, labels, value);
        };
        gauge("redoubt_enclave_connected", "1: the gateway has a connection to it.", view.connected ? 1 : 0);
        gauge("redoubt_enclave_usable", "1: it has taken the manifest, and gets requests.",
              view.manifest_taken && view.in_service ? 1 : 0);
        gauge("redoubt_enclave_ready", "1: every vault of the store that its manifest lets it open is open.",
              view.vaults_open ? 1 : 0);
        gauge("redoubt_enclave_outstanding", "Frames that it has not answered yet.",
              static_cast<double>(view.outstanding));
        gauge("redoubt_enclave_crowded",
              "1: more comes than it can do, and the rest is refused; with short queues only.",
              view.crowded ? 1.0 : 0.0);
        if (view.receipts_through)
            gauge("redoubt_enclave_receipts_through", "Sequence of its last receipt in the log.",
                  static_cast<double>(*view.receipts_through));
        const Known* known = find(view.name);
        if (known == nullptr || !view.connected) // what it said is history
            continue;
        if (known->description) {
            const auto& described = *known->description;
            gauge("redoubt_enclave_debug",
                  "1: its PCR0 is all zero: a debug enclave, whose memory the host can read.",
                  described.debug() ? 1 : 0);
            metric_value(families, MetricType::Gauge, "redoubt_enclave_info",
                         "1, with what the enclave says of itself.",
                         {{"enclave", view.name},
                          {"version", described.version},
                          {"image", described.image},
                          {"module", described.module_id},
                          {"pcr0", described.pcr0},
                          {"pcr16", described.pcr16}},
                         1);
        }
        metric_value(families, MetricType::Counter, "redoubt_enclave_samples_missed_total",
                     "Times that it did not tell its samples.", labels, static_cast<double>(known->failures));
        if (known->told_at == 0)
            continue;
        gauge("redoubt_enclave_samples_age_seconds", "Since it told the samples below.",
              static_cast<double>(now - known->told_at) / 1e3);
        gauge("redoubt_enclave_round_trip_seconds", "From asking for samples to having them.",
              static_cast<double>(known->round_trip_us) / 1e6);
        for (const auto& sample : known->samples)
            add_sample(families, view.name, sample);
    }
}

} // namespace redoubt::gateway
