// SPDX-License-Identifier: Apache-2.0
#include "gateway/measured_store.h"
#include "gateway/metric_parts.h"
#include "support.h"

namespace redoubt::gateway {
namespace {

// Fails as it is told.
class FailingStore final : public store::Store {
  public:
    Error error{Code::StoreFailed, "the disk is full"};
    Status fails() const { return std::unexpected(error); }

    Status put_key(ByteView) override { return fails(); }
    Status update_key(ByteView) override { return fails(); }
    Result<std::optional<Bytes>> get_key(const sealed::KeyId&) override { return Bytes{1, 2}; }
    Result<store::KeyPage> list_keys(const store::KeyFilter&, std::optional<store::Position>,
                                     std::size_t) override {
        return std::unexpected(error);
    }
    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs, std::size_t) override {
        return std::unexpected(error);
    }
    Status put_vault(ByteView) override { return fails(); }
    Result<std::vector<Bytes>> list_vaults() override { return std::unexpected(error); }
    Result<std::optional<Bytes>> get_vault(const sealed::VaultId&) override { return std::unexpected(error); }
    Status put_policy(ByteView) override { return fails(); }
    Result<std::optional<Bytes>> get_policy(const Hash32&) override { return std::unexpected(error); }
    Status put_counters(ByteView) override { return fails(); }
    Result<std::optional<Bytes>> get_counters(const sealed::KeyId&) override {
        return std::unexpected(error);
    }
};

const prometheus::ClientMetric* find(const std::vector<prometheus::MetricFamily>& families,
                                     const std::string& name, const std::string& call) {
    for (const auto& family : families)
        for (const auto& metric : family.metric)
            if (family.name == name && metric.label.at(0).value == call)
                return &metric;
    return nullptr;
}

TEST(MeasuredStore, passes_answers_on_and_counts_failures_but_not_conflicts) {
    FailingStore inner;
    MeasuredStore measured(inner);
    const auto found = measured.get_key({});
    ASSERT_TRUE(found);
    EXPECT_EQ(**found, (Bytes{1, 2}));
    const auto failed = measured.put_key({});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().text.view(), "the disk is full");
    inner.error = {Code::Conflict, "it is there"};
    EXPECT_EQ(measured.put_key({}).error().code, Code::Conflict);
    EXPECT_EQ(measured.failures(), 1u);

    std::vector<prometheus::MetricFamily> families;
    measured.add_to(families);
    const auto* failures = find(families, "redoubt_store_failures_total", "put_key");
    ASSERT_NE(failures, nullptr);
    EXPECT_EQ(failures->counter.value, 1);
    EXPECT_EQ(find(families, "redoubt_store_seconds", "put_key")->histogram.sample_count, 2u);
    EXPECT_EQ(find(families, "redoubt_store_seconds", "get_key")->histogram.sample_count, 1u);
    EXPECT_EQ(find(families, "redoubt_store_seconds", "get_vault")->histogram.sample_count, 0u);
}

TEST(MeasuredStore, counts_each_of_several_keys) {
    FailingStore inner;
    MeasuredStore measured(inner);
    const auto found = measured.get_keys(std::vector<sealed::KeyId>(3));
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(**found[2], (Bytes{1, 2}));
    std::vector<prometheus::MetricFamily> families;
    measured.add_to(families);
    EXPECT_EQ(find(families, "redoubt_store_seconds", "get_key")->histogram.sample_count, 3u);
    EXPECT_EQ(measured.failures(), 0u);
}

TEST(MeasuredStore, counts_every_kind_of_call_under_its_own_name) {
    FailingStore inner;
    MeasuredStore measured(inner);
    (void)measured.put_key({});
    (void)measured.update_key({});
    (void)measured.list_keys({}, {}, 1);
    (void)measured.delete_due_keys(0, 1);
    (void)measured.put_vault({});
    (void)measured.list_vaults();
    (void)measured.get_vault({});
    (void)measured.put_policy({});
    (void)measured.get_policy({});
    (void)measured.put_counters({});
    (void)measured.get_counters({});
    EXPECT_EQ(measured.failures(), 11u);
    std::vector<prometheus::MetricFamily> families;
    measured.add_to(families);
    for (const char* name : {"put_key", "update_key", "list_keys", "delete_due", "put_vault", "list_vaults",
                             "get_vault", "put_policy", "get_policy", "put_counters", "get_counters"}) {
        const auto* metric = find(families, "redoubt_store_failures_total", name);
        ASSERT_NE(metric, nullptr) << name;
        EXPECT_EQ(metric->counter.value, 1) << name;
    }
}

} // namespace
} // namespace redoubt::gateway
