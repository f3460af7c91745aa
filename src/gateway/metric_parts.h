// SPDX-License-Identifier: Apache-2.0
// Building prometheus-cpp's families; internal to the files that have metrics.
#pragma once

#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace redoubt::gateway {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// The family of this name, made if it is not there: the format wants each once, with all its metrics. The
// reference is valid until the next family is made.
inline prometheus::MetricFamily& metric_family(std::vector<prometheus::MetricFamily>& families,
                                               prometheus::MetricType type, std::string_view name,
                                               std::string_view help) {
    const auto found = std::ranges::find(families, name, &prometheus::MetricFamily::name);
    if (found != families.end())
        return *found;
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    return families.emplace_back(std::move(family));
}

// Of a counter or gauge.
inline void metric_value(std::vector<prometheus::MetricFamily>& families, prometheus::MetricType type,
                         std::string_view name, std::string_view help, const MetricLabels& labels,
                         double value) {
    auto& metric = metric_family(families, type, name, help).metric.emplace_back();
    for (const auto& [label, text] : labels)
        metric.label.push_back({label, text});
    if (type == prometheus::MetricType::Counter)
        metric.counter.value = value;
    else
        metric.gauge.value = value;
}

} // namespace redoubt::gateway
