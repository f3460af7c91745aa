// SPDX-License-Identifier: Apache-2.0
// How many requests may be outstanding at one enclave, so that what is accepted is answered soon and the rest
// is refused at once. What tells is the time that a probe takes: the enclave answers it in its turn, behind
// the requests that came before, but never waits for KMS with it. So requests that wait for KMS do not count
// as a queue, however long they take. A process that is not scheduled for a moment looks like a queue, too:
// at first the bound falls to kSoft only, and lower when probes stay late (as in CoDel, RFC 8289). A value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace redoubt::gateway {

class QueueBound {
  public:
    explicit QueueBound(std::size_t most = 65'536) noexcept : most_(most), limit_(most) {}

    std::size_t limit() const noexcept { return limit_; }
    // Whether a probe is worth while: so many may be a queue, or the bound holds others back.
    bool matters(std::size_t outstanding) const noexcept {
        return outstanding >= kQueue || outstanding >= limit_;
    }
    // A probe that was sent behind `outstanding` requests was answered; and one that is not yet, after so
    // long.
    void probed(std::size_t outstanding, std::int64_t took_us, std::int64_t now_us) noexcept;
    void waits(std::size_t outstanding, std::int64_t for_us, std::int64_t now_us) noexcept;

    static constexpr std::int64_t kTargetUs = 100'000; // that a request may wait behind others
    static constexpr std::int64_t kLateUs = 150'000;   // a probe that takes longer lowers the bound
    static constexpr std::int64_t kPatienceUs =
        500'000;                              // for which probes are late before it falls below kSoft
    static constexpr std::size_t kQueue = 16; // fewer are none
    static constexpr std::size_t kSoft = 256, kLeast = 32;
    static constexpr int kEveryMs = 10; // between looks while it matters

  private:
    void late(std::size_t outstanding, std::int64_t took_us, std::int64_t now_us) noexcept;

    std::size_t most_, limit_;
    std::int64_t late_since_us_ = 0; // probes have been late since then; 0: the last was not
};

} // namespace redoubt::gateway
