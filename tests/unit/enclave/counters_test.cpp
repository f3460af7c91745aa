// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include "support/sanitized.h"
#include "wire/metrics.h"

namespace redoubt::enclave::tests {
namespace {

using wire::Metric;

std::vector<wire::Sample> samples_of(Instance& instance) {
    const auto reply = instance.call(wire::Kind::Metrics);
    EXPECT_EQ(reply.status, 200);
    const auto decoded = wire::decode_samples(as_bytes(reply.body));
    EXPECT_TRUE(decoded);
    return decoded ? *decoded : std::vector<wire::Sample>{};
}

// -1: it is not there.
std::int64_t value(const std::vector<wire::Sample>& samples, Metric metric, std::string_view first = {},
                   std::string_view second = {}) {
    for (const auto& sample : samples)
        if (sample.metric == static_cast<std::uint16_t>(metric) && sample.first == first &&
            sample.second == second)
            return sample.value;
    return -1;
}

TEST(Counters, count_requests_by_operation_and_outcome) {
    Counters counters;
    counters.request(0, 400, 5);
    counters.request(1, wire::kNeeds, 10);
    counters.request(1, 201, 20);
    counters.request(1, 503, 30);
    counters.request(9'999, 200, 1); // out of range counts as unknown
    std::vector<wire::Sample> samples;
    counters.add_to(samples);
    EXPECT_EQ(value(samples, Metric::Requests, "none", "refused"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "none", "ok"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "create-key", "needs"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "create-key", "ok"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "create-key", "failed"), 1);
    EXPECT_EQ(value(samples, Metric::RequestTime, "create-key"), 60);
    EXPECT_EQ(value(samples, Metric::Requests, "sign-message", "ok"), -1)
        << "what never happened is not sent";
}

TEST(Counters, count_kms_by_code_and_time) {
    Counters counters;
    const Error denied{Code::KmsDenied, "no"}, odd{Code::Io, "no"};
    counters.kms(KmsCall::Decrypt, nullptr, 7);
    counters.kms(KmsCall::Decrypt, &denied, 90'000);
    counters.kms(KmsCall::Decrypt, &odd, 5);
    std::vector<wire::Sample> samples;
    counters.add_to(samples);
    EXPECT_EQ(value(samples, Metric::KmsCalls, "decrypt", "ok"), 1);
    EXPECT_EQ(value(samples, Metric::KmsCalls, "decrypt", "kms_denied"), 1);
    EXPECT_EQ(value(samples, Metric::KmsCalls, "decrypt", "other"), 1);
    EXPECT_EQ(value(samples, Metric::KmsCalls, "generate-data-key", "ok"), 0);
    EXPECT_EQ(value(samples, Metric::KmsTime, "decrypt", "00"), 1) << "5 ms is within the first bound";
    EXPECT_EQ(value(samples, Metric::KmsTime, "decrypt", "01"), 2);
    EXPECT_EQ(value(samples, Metric::KmsTime, "decrypt", "09"), 2);
    EXPECT_EQ(value(samples, Metric::KmsTime, "decrypt", "10"), 3) << "cumulative, and the last is of all";
    EXPECT_EQ(value(samples, Metric::KmsTime, "decrypt", "sum"), 90'012);
}

TEST(EnclaveMetrics, tell_what_an_enclave_did_and_holds) {
    Instance instance;
    const auto vault = sealed::decode_vault(make_vault(instance));
    ASSERT_TRUE(vault);
    const auto key = make_key(instance);
    const std::string sign = "/v1/keys/" + key.id + "/sign-message";
    const std::string body = R"({"text":"hello"})";
    EXPECT_EQ(instance.ask("POST", sign, body).status, wire::kNeeds) << "it holds no record yet";
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(instance.ask("POST", sign, body, {{wire::ItemKind::KeyRecord, key.id, key.record}}).status,
                  200);
    EXPECT_EQ(instance.ask("POST", sign, "not json").status, 400);
    const auto samples = samples_of(instance);
    EXPECT_EQ(value(samples, Metric::Requests, "sign-message", "ok"), 2);
    EXPECT_EQ(value(samples, Metric::Requests, "sign-message", "needs"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "create-key", "ok"), 1);
    EXPECT_EQ(value(samples, Metric::Requests, "none", "refused"), 1);
    EXPECT_GT(value(samples, Metric::RequestTime, "create-key"), 0);
    EXPECT_EQ(value(samples, Metric::VaultsOpen), 1);
    const auto lease = value(samples, Metric::LeaseRemaining, sealed::vault_id_text(vault->id));
    EXPECT_GT(lease, 3'500'000);
    EXPECT_LE(lease, 3'600'000);
    EXPECT_EQ(value(samples, Metric::CacheEntries, "keys"), 1);
    EXPECT_EQ(value(samples, Metric::CacheHits, "keys"), 1) << "the second signature's";
    EXPECT_GE(value(samples, Metric::CacheMisses, "keys"), 2);
    EXPECT_GE(value(samples, Metric::KmsCalls, "generate-data-key", "ok"), 1);
    EXPECT_GE(value(samples, Metric::KmsCalls, "decrypt", "ok"), 1);
    EXPECT_GE(value(samples, Metric::ReceiptsKept), 3) << "started, and two decisions";
    EXPECT_EQ(value(samples, Metric::ChangesUnstored), 0);
    EXPECT_GE(value(samples, Metric::Uptime), 0);
    EXPECT_GE(value(samples, Metric::ClockAge), 0);
}

TEST(EnclaveMetrics, name_no_key_and_hold_no_secret) {
    Instance instance;
    make_vault(instance);
    const auto key = make_key(instance);
    EXPECT_EQ(instance
                  .ask("POST", "/v1/keys/" + key.id + "/sign-message", R"({"text":"hello"})",
                       {{wire::ItemKind::KeyRecord, key.id, key.record}})
                  .status,
              200);
    const auto body = instance.call(wire::Kind::Metrics).body;
    EXPECT_EQ(body.find(key.id), std::string::npos);
    EXPECT_EQ(body.find(key.id.substr(4)), std::string::npos);
    EXPECT_EQ(body.find("ASIATEST"), std::string::npos);
    EXPECT_EQ(body.find("hello"), std::string::npos);
}

TEST(EnclaveMetrics, are_there_before_the_manifest) {
    Instance instance("", false);
    const auto samples = samples_of(instance);
    EXPECT_EQ(value(samples, Metric::VaultsOpen), 0);
    EXPECT_EQ(value(samples, Metric::ReceiptsKept), -1);
    EXPECT_EQ(value(samples, Metric::CredentialsRemaining), -1);
}

TEST(EnclaveMetrics, measure_memory_at_upkeep) {
    Instance instance;
    EXPECT_EQ(value(samples_of(instance), Metric::HeapBytes), 0);
    instance.enclave->maintain();
    const auto after = value(samples_of(instance), Metric::HeapBytes);
    EXPECT_TRUE(kSanitized || after > 100'000) << after;
}

TEST(EnclaveMetrics, answer_at_once_on_the_thread_that_signs) {
    Instance instance;
    EXPECT_TRUE(instance.enclave->handle(wire::Kind::Metrics, {}, MayWait::No));
}

TEST(Hello, tells_the_version_and_the_measurement) {
    Instance instance;
    const auto reply = instance.call(wire::Kind::Hello);
    EXPECT_FALSE(member(reply, "version").empty());
    EXPECT_EQ(member(reply, "pcr0"), to_hex(pcr0()));
}

} // namespace
} // namespace redoubt::enclave::tests
