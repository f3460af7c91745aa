// SPDX-License-Identifier: Apache-2.0
#include "enclave/counters.h"

#include "wire/message.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

// In the order of api::Operation.
constexpr std::string_view kKindNames[] = {
    "none",
    "create-key",
    "offer-import",
    "import-key",
    "adopt-key",
    "change-key",
    "move-key",
    "export-key",
    "create-vault",
    "challenge",
    "offer-session",
    "open-session",
    "show-policy",
    "change-policy",
    "put-policy",
    "describe-key",
    "sign-transaction",
    "sign-message",
    "sign-typed-data",
    "sign-authorization",
    "sign-hash",
    "sign-data",
    "derive",
    "attest",
    "attest-tls",
    "make-tls-request",
    "install-tls-certificate",
    "reference-sign-transaction",
    "reference-sign-hash",
    "reference-generate-key",
};
static_assert(std::size(kKindNames) == std::variant_size_v<api::Operation> + 1);

constexpr std::string_view kOutcomes[] = {"ok", "needs", "refused", "failed"};
constexpr std::string_view kCalls[] = {"decrypt", "generate-data-key"};
constexpr std::string_view kRenewals[] = {"renewed", "failed", "denied", "ended"};

constexpr Code kKmsCodes[] = {Code::KmsDenied,    Code::KmsRefused,        Code::KmsReplyInvalid,
                              Code::KmsThrottled, Code::KmsUnavailable,    Code::KmsTimeout,
                              Code::NsmFailed,    Code::CredentialsExpired};

std::size_t outcome_of(std::uint16_t status) noexcept {
    return status == wire::kNeeds ? 1 : status < 400 ? 0 : status < 500 ? 2 : 3;
}

// 0: answered; the last: any other code.
std::size_t kms_code(const Error* error) noexcept {
    if (error == nullptr)
        return 0;
    const auto found = std::ranges::find(kKmsCodes, error->code);
    return 1 + static_cast<std::size_t>(found - std::ranges::begin(kKmsCodes));
}

std::string_view kms_code_name(std::size_t index) noexcept {
    return index == 0 ? "ok" : index <= std::size(kKmsCodes) ? code_name(kKmsCodes[index - 1]) : "other";
}

void put(std::vector<wire::Sample>& samples, wire::Metric metric, std::string_view first,
         std::string_view second, std::int64_t value) {
    samples.push_back({static_cast<std::uint16_t>(metric), std::string(first), std::string(second), value});
}

std::string two_digits(std::size_t n) {
    return {static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)};
}

} // namespace

std::string_view kind_name(std::size_t kind) noexcept {
    return kind < std::size(kKindNames) ? kKindNames[kind] : kKindNames[0];
}

void Counters::request(std::size_t kind, std::uint16_t status, std::int64_t microseconds) noexcept {
    Kind& counted = kinds_[kind < kKinds ? kind : 0];
    add(counted.outcomes[outcome_of(status)]);
    add(counted.microseconds, microseconds);
}

void Counters::kms(KmsCall call, const Error* error, std::int64_t milliseconds) noexcept {
    static_assert(std::size(enclave::kKmsCodes) + 2 == kKmsCodes);
    Kms& counted = kms_[static_cast<std::size_t>(call)];
    add(counted.codes[kms_code(error)]);
    const auto bucket = std::ranges::lower_bound(wire::kTimeBuckets, milliseconds);
    add(counted.buckets[static_cast<std::size_t>(bucket - wire::kTimeBuckets.begin())]);
    add(counted.milliseconds, milliseconds);
}

// What never happened is not sent: most enclaves see few of the operations.
void Counters::add_to(std::vector<wire::Sample>& samples) const {
    using wire::Metric;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        bool any = false;
        for (std::size_t i = 0; i < std::size(kOutcomes); ++i)
            if (const std::int64_t count = kinds_[kind].outcomes[i]; count != 0) {
                put(samples, Metric::Requests, kKindNames[kind], kOutcomes[i], count);
                any = true;
            }
        if (any)
            put(samples, Metric::RequestTime, kKindNames[kind], {}, kinds_[kind].microseconds);
    }
    for (std::size_t call = 0; call < std::size(kCalls); ++call) {
        const Kms& counted = kms_[call];
        for (std::size_t code = 0; code < kKmsCodes; ++code)
            if (const std::int64_t count = counted.codes[code]; count != 0 || code == 0)
                put(samples, Metric::KmsCalls, kCalls[call], kms_code_name(code), count);
        std::int64_t so_far = 0;
        for (std::size_t i = 0; i < counted.buckets.size(); ++i)
            put(samples, Metric::KmsTime, kCalls[call], two_digits(i), so_far += counted.buckets[i]);
        put(samples, Metric::KmsTime, kCalls[call], "sum", counted.milliseconds);
    }
    for (std::size_t i = 0; i < std::size(kRenewals); ++i)
        put(samples, Metric::LeaseRenewals, kRenewals[i], {}, renewals_[i]);
    put(samples, Metric::QueueJobs, "nsm", {}, nsm.jobs);
    put(samples, Metric::QueueJobs, "kms", {}, kms_queue.jobs);
    put(samples, Metric::QueueRefused, "nsm", {}, nsm.refused);
    put(samples, Metric::QueueRefused, "kms", {}, kms_queue.refused);
    put(samples, Metric::QueueBytes, {}, {}, queue_bytes);
    put(samples, Metric::Connections, {}, {}, connections);
    put(samples, Metric::HeapBytes, {}, {}, heap_bytes);
}

} // namespace redoubt::enclave
