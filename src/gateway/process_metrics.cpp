// SPDX-License-Identifier: Apache-2.0
// The process itself, under the names that every Prometheus client gives them.
#include "base/clock.h"
#include "gateway/metric_parts.h"
#include "gateway/metrics.h"

#include <dirent.h>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace redoubt::gateway {

namespace {

double resident_bytes() {
    std::ifstream in("/proc/self/statm");
    std::uint64_t total = 0, resident = 0;
    in >> total >> resident;
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_files() {
    DIR* folder = opendir("/proc/self/fd");
    if (folder == nullptr)
        return 0;
    int count = -3; // ".", ".." and the folder's own
    while (readdir(folder) != nullptr)
        ++count;
    closedir(folder);
    return count;
}

double cpu_seconds() {
    rusage used{};
    if (getrusage(RUSAGE_SELF, &used) != 0)
        return 0;
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

const double started_at = static_cast<double>(system_time_ms()) / 1e3;

} // namespace

void Metrics::add_process(Families& families) const {
    using prometheus::MetricType;
    metric_value(families, MetricType::Counter, "process_cpu_seconds_total",
                 "Processor time that the gateway has used.", {}, cpu_seconds());
    metric_value(families, MetricType::Gauge, "process_resident_memory_bytes",
                 "Memory of the gateway that is in RAM.", {}, resident_bytes());
    metric_value(families, MetricType::Gauge, "process_open_fds", "Descriptors that the gateway has open.",
                 {}, open_files());
    metric_value(families, MetricType::Gauge, "process_start_time_seconds",
                 "When the gateway started, in seconds since 1970.", {}, started_at);
}

} // namespace redoubt::gateway
