// SPDX-License-Identifier: Apache-2.0
#include "gateway/measured_store.h"

#include "base/clock.h"
#include "gateway/metric_parts.h"

#include <limits>

namespace redoubt::gateway {

namespace {

// In the order of MeasuredStore::Call.
constexpr std::string_view kNames[] = {"put_key",    "update_key", "get_key",      "list_keys",
                                       "delete_due", "put_vault",  "list_vaults",  "get_vault",
                                       "put_policy", "get_policy", "put_counters", "get_counters"};

// Whether the store itself is at fault, and not what it was asked.
bool is_failure(Code code) noexcept {
    return code == Code::StoreFailed || code == Code::Io || code == Code::Internal ||
           code == Code::AwsRefused || code == Code::AwsUnavailable || code == Code::CredentialsMissing ||
           code == Code::CredentialsExpired;
}

} // namespace

template<class Ask>
auto MeasuredStore::measured(Call call, Ask ask) {
    static_assert(std::size(kNames) == kCalls);
    const std::int64_t began = monotonic_us();
    auto result = ask();
    count(call, monotonic_us() - began, !result && is_failure(result.error().code));
    return result;
}

void MeasuredStore::count(Call call, std::int64_t took_us, bool failed) {
    Counted& counted = counted_[static_cast<std::size_t>(call)];
    const auto bucket = std::ranges::lower_bound(kBounds, static_cast<double>(took_us) / 1e6);
    ++counted.buckets[static_cast<std::size_t>(bucket - kBounds.begin())];
    counted.sum_us += static_cast<std::uint64_t>(took_us);
    if (failed)
        ++counted.failed;
}

Status MeasuredStore::put_key(ByteView record) {
    return measured(Call::PutKey, [&] { return store_.put_key(record); });
}
Status MeasuredStore::update_key(ByteView record) {
    return measured(Call::UpdateKey, [&] { return store_.update_key(record); });
}
Result<std::optional<Bytes>> MeasuredStore::get_key(const sealed::KeyId& id) {
    return measured(Call::GetKey, [&] { return store_.get_key(id); });
}
// Each is one call of get_key, which took as long as whoever asked had to wait.
std::vector<Result<std::optional<Bytes>>> MeasuredStore::get_keys(std::span<const sealed::KeyId> ids) {
    const std::int64_t began = monotonic_us();
    auto results = store_.get_keys(ids);
    const std::int64_t took = monotonic_us() - began;
    for (const auto& result : results)
        count(Call::GetKey, took, !result && is_failure(result.error().code));
    return results;
}
Result<store::KeyPage> MeasuredStore::list_keys(const store::KeyFilter& filter,
                                                std::optional<store::Position> after, std::size_t limit) {
    return measured(Call::ListKeys, [&] { return store_.list_keys(filter, after, limit); });
}
Result<std::vector<sealed::KeyId>> MeasuredStore::delete_due_keys(UnixMs now, std::size_t limit) {
    return measured(Call::DeleteDueKeys, [&] { return store_.delete_due_keys(now, limit); });
}
Status MeasuredStore::put_vault(ByteView record) {
    return measured(Call::PutVault, [&] { return store_.put_vault(record); });
}
Result<std::vector<Bytes>> MeasuredStore::list_vaults() {
    return measured(Call::ListVaults, [&] { return store_.list_vaults(); });
}
Result<std::optional<Bytes>> MeasuredStore::get_vault(const sealed::VaultId& id) {
    return measured(Call::GetVault, [&] { return store_.get_vault(id); });
}
Status MeasuredStore::put_policy(ByteView document) {
    return measured(Call::PutPolicy, [&] { return store_.put_policy(document); });
}
Result<std::optional<Bytes>> MeasuredStore::get_policy(const Hash32& digest) {
    return measured(Call::GetPolicy, [&] { return store_.get_policy(digest); });
}
Status MeasuredStore::put_counters(ByteView record) {
    return measured(Call::PutCounters, [&] { return store_.put_counters(record); });
}
Result<std::optional<Bytes>> MeasuredStore::get_counters(const sealed::KeyId& id) {
    return measured(Call::GetCounters, [&] { return store_.get_counters(id); });
}

std::uint64_t MeasuredStore::failures() const noexcept {
    std::uint64_t out = 0;
    for (const auto& counted : counted_)
        out += counted.failed;
    return out;
}

void MeasuredStore::add_to(std::vector<prometheus::MetricFamily>& families) const {
    using prometheus::MetricType;
    for (std::size_t call = 0; call < kCalls; ++call) {
        const Counted& counted = counted_[call];
        const std::string name(kNames[call]);
        metric_value(families, MetricType::Counter, "redoubt_store_failures_total",
                     "Calls of the store that failed; conflicts and missing records are answers.",
                     {{"call", name}}, static_cast<double>(counted.failed));
        prometheus::ClientMetric metric;
        metric.label.push_back({"call", name});
        std::uint64_t so_far = 0;
        for (std::size_t i = 0; i < counted.buckets.size(); ++i)
            metric.histogram.bucket.push_back(
                {so_far += counted.buckets[i],
                 i < kBounds.size() ? kBounds[i] : std::numeric_limits<double>::infinity()});
        metric.histogram.sample_count = so_far;
        metric.histogram.sample_sum = static_cast<double>(counted.sum_us) / 1e6;
        metric_family(families, MetricType::Histogram, "redoubt_store_seconds",
                      "Time of the store's answers.")
            .metric.push_back(std::move(metric));
    }
}

} // namespace redoubt::gateway
