// SPDX-License-Identifier: Apache-2.0
// A store that counts and times what is asked of another one. Thread-safe, as every store; what a caller gets
// is the other store's answer, unchanged.
#pragma once

#include "store/store.h"

#include <array>
#include <atomic>
#include <memory>

namespace prometheus {
struct MetricFamily;
}

namespace redoubt::gateway {

class MeasuredStore final : public store::Store {
  public:
    // The store outlives it.
    explicit MeasuredStore(store::Store& store) : store_(store) {}

    Status put_key(ByteView record) override;
    Status update_key(ByteView record) override;
    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override;
    std::vector<Result<std::optional<Bytes>>> get_keys(std::span<const sealed::KeyId> ids) override;
    std::size_t keys_at_once() const noexcept override { return store_.keys_at_once(); }
    Result<store::KeyPage> list_keys(const store::KeyFilter& filter, std::optional<store::Position> after,
                                     std::size_t limit) override;
    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs now, std::size_t limit) override;
    Status put_vault(ByteView record) override;
    Result<std::vector<Bytes>> list_vaults() override;
    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override;
    Status put_policy(ByteView document) override;
    Result<std::optional<Bytes>> get_policy(const Hash32& digest) override;
    Status put_counters(ByteView record) override;
    Result<std::optional<Bytes>> get_counters(const sealed::KeyId& id) override;

    void add_to(std::vector<prometheus::MetricFamily>& families) const;
    std::uint64_t failures() const noexcept; // of all calls

    static constexpr std::array<double, 10> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                    0.025,  0.05,  0.1,    0.5,   2.5}; // seconds

  private:
    enum class Call : std::size_t {
        PutKey,
        UpdateKey,
        GetKey,
        ListKeys,
        DeleteDueKeys,
        PutVault,
        ListVaults,
        GetVault,
        PutPolicy,
        GetPolicy,
        PutCounters,
        GetCounters,
    };
    static constexpr std::size_t kCalls = 12;
    struct Counted {
        std::atomic<std::uint64_t> failed{0}; // StoreFailed and the like; a conflict is an answer
        std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets{};
        std::atomic<std::uint64_t> sum_us{0};
    };
    template<class Ask>
    auto measured(Call call, Ask ask);
    void count(Call call, std::int64_t took_us, bool failed);

    store::Store& store_;
    std::array<Counted, kCalls> counted_{};
};

} // namespace redoubt::gateway
