// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_metrics.h"

#include "base/json.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxText = 256;

// Shown to people and used as labels: what is no plain text is left out.
std::string plain(const json::Value& root, std::string_view name) {
    const auto value = root.get(name);
    if (!value || !value->is_string() || value->text().size() > kMaxText ||
        !std::ranges::all_of(value->text(), [](char c) { return c > ' ' && c <= '~'; }))
        return {};
    return std::string(value->text());
}

} // namespace

bool EnclaveDescription::debug() const noexcept {
    return !pcr0.empty() && std::ranges::all_of(pcr0, [](char c) { return c == '0'; });
}

std::optional<EnclaveDescription> read_description(std::string_view json) {
    json::Document document;
    const auto root = document.parse(json);
    if (!root || !root->is_object())
        return std::nullopt;
    EnclaveDescription out;
    out.version = plain(*root, "version");
    out.module_id = plain(*root, "module_id");
    out.image = plain(*root, "image");
    out.manifest = plain(*root, "manifest");
    out.pcr0 = plain(*root, "pcr0");
    out.pcr16 = plain(*root, "pcr16");
    return out;
}

// An empty label stands for every value.
std::int64_t EnclaveMetrics::Known::sum(wire::Metric metric, std::string_view first,
                                        std::string_view second) const {
    std::int64_t total = 0;
    for (const auto& sample : samples)
        if (sample.metric == static_cast<std::uint16_t>(metric) && (first.empty() || sample.first == first) &&
            (second.empty() || sample.second == second))
            total += sample.value;
    return total;
}

void EnclaveMetrics::start() {
    running_ = true;
    ask_all();
}

void EnclaveMetrics::stop() {
    if (std::exchange(running_, false))
        loop_.cancel(timer_);
}

const EnclaveMetrics::Known* EnclaveMetrics::find(const std::string& enclave) const {
    const auto found = entries_.find(enclave);
    return found != entries_.end() ? &found->second->known : nullptr;
}

void EnclaveMetrics::ask_all() {
    timer_ = loop_.after(kAskMs, [this] { ask_all(); });
    const auto views = pool_.views();
    std::erase_if(entries_, [&](const auto& entry) {
        return std::ranges::none_of(views, [&](const auto& view) { return view.name == entry.first; });
    });
    for (const auto& view : views) {
        auto& entry = entries_[view.name];
        if (!entry)
            entry = std::make_shared<Entry>();
        if (!view.connected) {
            entry->known.samples.clear();
            entry->known.description.reset();
            entry->known.told_at = 0;
            entry->tag.clear();
            continue;
        }
        if (!entry->known.description || entry->tag != view.tag ||
            entry->manifest_then != view.manifest_taken)
            ask_who(view, *entry);
        ask_samples(view, *entry);
    }
}

void EnclaveMetrics::ask_who(const EnclavePool::View& view, Entry& entry) {
    if (std::exchange(entry.asking_hello, true))
        return;
    view.link->send(
        wire::Kind::Hello, [](Bytes&) {},
        [weak = std::weak_ptr(entries_[view.name]), tag = view.tag,
         manifest = view.manifest_taken](const Result<wire::Reply>& reply) {
            const auto kept = weak.lock();
            if (!kept)
                return;
            kept->asking_hello = false;
            if (!status_of(reply))
                return;
            kept->known.description = read_description(reply->body);
            kept->tag = tag;
            kept->manifest_then = manifest;
        });
}

void EnclaveMetrics::ask_samples(const EnclavePool::View& view, Entry& entry) {
    if (std::exchange(entry.asking, true))
        return;
    view.link->send(
        wire::Kind::Metrics, [](Bytes&) {},
        [this, alive = std::weak_ptr<Alive>(alive_), weak = std::weak_ptr(entries_[view.name]),
         sent = monotonic_us()](const Result<wire::Reply>& reply) {
            const auto kept = weak.lock();
            if (!kept || alive.expired())
                return;
            kept->asking = false;
            auto samples =
                reply && reply->status == 200
                    ? wire::decode_samples(as_bytes(reply->body))
                    : Result<std::vector<wire::Sample>>(fail(Code::EnclaveUnavailable, "no answer"));
            if (!samples) {
                ++kept->known.failures;
                return;
            }
            kept->known.round_trip_us = monotonic_us() - sent;
            kept->known.told_at = monotonic_ms();
            take(*kept, std::move(*samples));
        });
}

void EnclaveMetrics::take(Entry& entry, std::vector<wire::Sample> samples) {
    Known& known = entry.known;
    const bool first = known.samples.empty();
    known.samples = std::move(samples);
    const std::int64_t requests = known.sum(wire::Metric::Requests);
    const std::int64_t microseconds = known.sum(wire::Metric::RequestTime);
    Moment moment;
    // One that was started again counts from zero.
    if (!first && requests > entry.requests && microseconds >= entry.microseconds) {
        moment.requests = static_cast<std::uint64_t>(requests - entry.requests);
        moment.mean_ms = static_cast<double>(microseconds - entry.microseconds) / 1000.0 /
                         static_cast<double>(moment.requests);
    }
    entry.requests = requests;
    entry.microseconds = microseconds;
    if (known.moments.size() >= kMaxMoments)
        known.moments.pop_front();
    known.moments.push_back(moment);
}

} // namespace redoubt::gateway
