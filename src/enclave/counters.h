// SPDX-License-Identifier: Apache-2.0
// What the enclave counts of its work, for operators: numbers by kind of operation and outcome, never by key
// or client. Every member may be used from any thread; numbers that belong together may be seen a moment
// apart.
#pragma once

#include "api/operation.h"
#include "wire/metrics.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace redoubt::enclave {

enum class KmsCall : std::uint8_t { Decrypt, GenerateDataKey };
enum class Renewal : std::uint8_t { Renewed, Failed, Denied, Ended };

class Counters {
  public:
    using Number = std::atomic<std::int64_t>;

    // `kind`: as kind_of() gives it; 0 for what could not be read. `status`: the reply's.
    void request(std::size_t kind, std::uint16_t status, std::int64_t microseconds) noexcept;
    void kms(KmsCall call, const Error* error,
             std::int64_t milliseconds) noexcept; // nullptr: it was answered
    void renewal(Renewal outcome) noexcept { add(renewals_[static_cast<std::size_t>(outcome)]); }

    // The server's: frames that wait for a worker of a kind or are in its work, and those that found no room.
    struct Queue {
        Number jobs{0}, refused{0};
    };
    Queue nsm, kms_queue;
    Number queue_bytes{0}, connections{0};
    Number heap_bytes{0}; // as measured now and then

    void add_to(std::vector<wire::Sample>& samples) const;

  private:
    static void add(Number& number, std::int64_t by = 1) noexcept {
        number.fetch_add(by, std::memory_order_relaxed);
    }

    static constexpr std::size_t kKinds = std::variant_size_v<api::Operation> + 1;
    static constexpr std::size_t kKmsCodes = 10; // of kms_code() in counters.cpp
    struct Kind {
        std::array<Number, 4> outcomes{}; // ok, needs, refused, failed
        Number microseconds{0};
    };
    struct Kms {
        std::array<Number, kKmsCodes> codes{};
        std::array<Number, wire::kTimeBuckets.size() + 1> buckets{}; // not cumulative
        Number milliseconds{0};
    };
    std::array<Kind, kKinds> kinds_{};
    std::array<Kms, 2> kms_{};
    std::array<Number, 4> renewals_{};
};

inline std::size_t kind_of(const api::Operation& operation) noexcept {
    return operation.index() + 1;
}
std::string_view kind_name(std::size_t kind) noexcept; // "sign-transaction"; "none" for 0

} // namespace redoubt::enclave
