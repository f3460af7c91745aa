// SPDX-License-Identifier: Apache-2.0
// What a watchdog tells of its enclaves: metrics and /status.
#include "base/clock.h"
#include "base/json.h"
#include "host/watchdog.h"

namespace redoubt::host {

namespace {

struct Metric {
    const char* name;
    const char* type;
    const char* help;
    std::int64_t (*value)(const Keeper& keeper, const Keeper::Slot& slot, std::int64_t now);
};

bool runs(const Keeper::Slot& slot) {
    return slot.phase == Keeper::Phase::Booting || slot.phase == Keeper::Phase::Working;
}

constexpr Metric kMetrics[] = {
    {"redoubt_enclave_running", "gauge", "1: the enclave runs.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) { return std::int64_t{runs(slot)}; }},
    {"redoubt_enclave_can_sign", "gauge", "1: it signed a probe lately.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return std::int64_t{slot.phase == Keeper::Phase::Working};
     }},
    {"redoubt_enclave_signed_ago_ms", "gauge", "Since its last signed probe; -1: none yet.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t now) {
         return slot.phase == Keeper::Phase::Working ? now - slot.signed_at : std::int64_t{-1};
     }},
    {"redoubt_enclave_manifest_taken", "gauge", "1: it has its manifest.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return std::int64_t{slot.last && slot.last->manifest_taken};
     }},
    {"redoubt_enclave_vaults_open", "gauge", "Vaults that it has open.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return slot.last ? static_cast<std::int64_t>(slot.last->vaults_open) : std::int64_t{0};
     }},
    {"redoubt_enclave_debug", "gauge", "1: DEBUG MODE, the host can read its memory.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) { return std::int64_t{in_debug(slot)}; }},
    {"redoubt_enclave_image_current", "gauge", "1: it runs the image on disk.",
     [](const Keeper& keeper, const Keeper::Slot& slot, std::int64_t) {
         return std::int64_t{slot.enclave && !keeper.stale(slot)};
     }},
    {"redoubt_enclave_start_limited", "gauge", "1: its start limit is reached, it rests.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) { return std::int64_t{slot.limited}; }},
    {"redoubt_enclave_starts_total", "counter", "Starts.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return static_cast<std::int64_t>(slot.starts);
     }},
    {"redoubt_enclave_failures_total", "counter", "Unplanned ends, failed starts, and silences.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return static_cast<std::int64_t>(slot.all_failures);
     }},
    {"redoubt_enclave_replacements_total", "counter", "Ends for another image.",
     [](const Keeper&, const Keeper::Slot& slot, std::int64_t) {
         return static_cast<std::int64_t>(slot.replacements);
     }},
};

void head(std::string& out, const std::string& name, const std::string& type, const std::string& help) {
    out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

} // namespace

std::string Watchdog::metrics() const {
    std::string out;
    const std::int64_t now = monotonic_ms();
    for (const Metric& metric : kMetrics) {
        head(out, metric.name, metric.type, metric.help);
        for (const auto& slot : keeper_.slots())
            out += std::string(metric.name) + "{cid=\"" + std::to_string(slot.cid) + "\"} " +
                   std::to_string(metric.value(keeper_, slot, now)) + "\n";
    }
    const auto one = [&](const char* name, const char* help, std::size_t value) {
        head(out, name, "gauge", help);
        out += std::string(name) + " " + std::to_string(value) + "\n";
    };
    one("redoubt_watchdog_enclaves", "Enclaves that are to run.", keeper_.slots().size());
    one("redoubt_watchdog_replacing", "1: an enclave is being replaced by one of another image.",
        keeper_.replacing() ? 1 : 0);
    one("redoubt_watchdog_image_readable", "1: the image on disk can be used.",
        image_looked_at_ && image_error_.empty() ? 1 : 0);
    one("redoubt_watchdog_list_readable", "1: running enclaves can be listed.",
        listed_ && list_error_.empty() ? 1 : 0);
    return out;
}

std::string Watchdog::status_json() const {
    std::string out;
    const std::int64_t now = monotonic_ms();
    json::Writer writer(out);
    writer.begin_object()
        .member("runner", options_.runner_name)
        .member("summary", summary())
        .key("image")
        .begin_object()
        .member("path", image_path_)
        .member("pcr0", keeper_.wanted_pcr0())
        .member("error", image_error_)
        .end_object()
        .key("replacing");
    if (const auto cid = keeper_.replacing())
        writer.number(std::uint64_t{*cid});
    else
        writer.null();
    writer.key("enclaves").begin_array();
    for (const auto& slot : keeper_.slots()) {
        writer.begin_object()
            .member("cid", std::uint64_t{slot.cid})
            .member("phase", phase_name(slot.phase))
            .member("id", slot.enclave ? slot.enclave->id : std::string())
            .member("endpoint", slot.enclave ? slot.enclave->endpoint.text() : std::string())
            .member("pcr0", slot.enclave ? slot.enclave->pcr0 : std::string())
            .member("current", slot.enclave && !keeper_.stale(slot))
            .member("debug", in_debug(slot))
            .member("can_sign", slot.phase == Keeper::Phase::Working)
            .member("manifest_taken", slot.last && slot.last->manifest_taken)
            .member("vaults_open", slot.last ? slot.last->vaults_open : std::uint64_t{0})
            .key("signed_ago_ms");
        if (slot.phase == Keeper::Phase::Working)
            writer.number(now - slot.signed_at);
        else
            writer.null();
        writer.member("starts", slot.starts)
            .member("failures", slot.all_failures)
            .member("replacements", slot.replacements)
            .member("start_limited", slot.limited)
            .member("trouble", slot.trouble)
            .end_object();
    }
    writer.end_array().end_object();
    return out;
}

} // namespace redoubt::host
