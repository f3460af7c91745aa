// SPDX-License-Identifier: Apache-2.0
// What operators learn of the enclave: its samples, and a line in its log for requests that failed or waited
// for KMS. Neither says anything of a key.
#include "enclave/asked.h"

#include "base/json.h"
#include "base/log.h"

#include <malloc.h>

namespace redoubt::enclave {

wire::Reply Enclave::metrics() const {
    using wire::Metric;
    std::vector<wire::Sample> samples;
    samples.reserve(256);
    counters_.add_to(samples);
    const auto put = [&](Metric metric, std::int64_t value, std::string_view label = {}) {
        samples.push_back({static_cast<std::uint16_t>(metric), std::string(label), {}, value});
    };
    const auto cache = [&](std::string_view name, const auto& of) {
        const auto use = of.use();
        put(Metric::CacheEntries, static_cast<std::int64_t>(use.entries), name);
        put(Metric::CacheHits, static_cast<std::int64_t>(use.hits), name);
        put(Metric::CacheMisses, static_cast<std::int64_t>(use.misses), name);
    };
    cache("keys", keys_);
    cache("derived", derived_);
    cache("references", references_);
    cache("policies", policies_);

    const UnixMs now = clock_.now();
    put(Metric::VaultsOpen, static_cast<std::int64_t>(vaults_.count(now)));
    for (const auto& vault : vaults_.all())
        if (vault->lease->valid(now))
            put(Metric::LeaseRemaining, vault->lease->until - now, sealed::vault_id_text(vault->record.id));
    const auto drift = clock_.drift();
    put(Metric::ClockAge, clock_.age_ms());
    put(Metric::ClockStep, drift.step_ms);
    put(Metric::ClockStepOver, drift.over_ms);
    put(Metric::Sessions, static_cast<std::int64_t>(sessions_.size()));
    put(Metric::ChangesUnstored, revisions_.has_unstored() ? 1 : 0);
    if (manifest() != nullptr)
        put(Metric::ReceiptsKept, static_cast<std::int64_t>(receipts_->kept()));
    if (const auto held = credentials(); held && held->expires != 0)
        put(Metric::CredentialsRemaining, held->expires - now);
    put(Metric::Uptime, monotonic_ms() - started_at_);

    wire::Reply reply;
    reply.content_type = wire::ContentType::None;
    const Bytes encoded = wire::encode_samples(std::move(samples));
    reply.body = as_text(encoded);
    return reply;
}

// Whoever asks can make a request fail or wait: the lines are few.
void Enclave::note_request(const wire::Request& message, const Note& note, const wire::Reply& reply,
                           MayWait may_wait, std::int64_t microseconds) {
    counters_.request(note.kind, reply.status, microseconds);
    const bool failed = reply.status >= 500;
    if (!failed && (may_wait != MayWait::ForKms || reply.status == wire::kNeeds))
        return;
    if (!request_lines_.take())
        return;
    log_json(
        failed ? LogLevel::Warning : LogLevel::Info, failed ? "a request failed" : "a request waited for KMS",
        [&](json::Writer& writer) {
            if (!message.request_id.empty())
                writer.member("request_id", message.request_id);
            writer.member("operation", kind_name(note.kind)).member("status", std::uint64_t{reply.status});
            if (reply.status >= 400)
                writer.member("code", code_of(reply));
            writer.member("ms", static_cast<std::uint64_t>(microseconds / 1000));
        });
}

// The allocator's books are walked for it: now and then, and not on a thread that signs.
void Enclave::measure_memory() {
    const auto info = mallinfo2();
    counters_.heap_bytes = static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

} // namespace redoubt::enclave
