// SPDX-License-Identifier: Apache-2.0
// How many requests may wait at one enclave, so that the rest is refused at once.
//
// Two things are wanted that exclude each other. A burst (a batch, a restart of many clients, a moment
// without a processor) should be answered whole, though its last requests wait for a while. And where more
// comes than the enclave can do, each request that is let in should be answered about as soon as ever, since
// a long queue then helps nobody: it is always full, and everybody waits for its whole length. What tells
// them apart is that a burst ends. So there are two bounds, and an enclave is in one of two states:
//   calm     as many wait as are answered within kLongUs, at least kBurst, and never more
//            than its owner says. Beyond, the enclave is crowded.
//   crowded  kFew: enough that it is never idle, and not many more than wait now and then anyway. (Where
//            clients who know nothing of each other ask for 70 % of what can be done, and all requests take
//            the enclave as long, one in a hundred is answered after 7.6 times as long as that: an M/D/1
//            queue.) It is calm again when fewer than one in kFewRefused had to be refused for a while, or
//            when half of the looks found no queue: what is refused then comes in bursts. Who is crowded
//            again within the time that it was, stays so for twice as long, at most kLongestUs.
//
// How long a request takes is learnt from probes: the enclave answers one in its turn, behind the requests
// that came before, but never waits for KMS with it. So requests that wait for KMS do not count as a queue,
// however long they take. Of the last probes the median counts: one that met a process that was not scheduled
// for a moment says nothing. A value; times are microseconds of a clock that never goes back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace redoubt::gateway {

class QueueBound {
  public:
    explicit QueueBound(std::size_t most = 65'536) noexcept : most_(most) {}

    std::size_t limit() const noexcept;
    bool crowded() const noexcept { return crowded_; }
    // Whether a probe is worth while.
    bool matters(std::size_t queued) const noexcept { return crowded_ || slow_ns_ != 0 || queued >= kQueue; }
    // A probe that was sent behind `ahead` requests was answered; and one that is not yet, after so long.
    void probed(std::size_t ahead, std::int64_t took_us) noexcept;
    void waits(std::size_t ahead, std::int64_t for_us) noexcept;
    // A request was sent to the enclave; and one was refused because as many as limit() wait.
    void let_in() noexcept { ++let_in_; }
    void turned_away(std::int64_t now_us) noexcept;
    // To be called every kEveryMs, with what waits: ends what has lasted for long enough.
    void look(std::int64_t now_us, std::size_t queued) noexcept;

    static constexpr std::int64_t kLongUs = 200'000;
    static constexpr std::size_t kBurst = 64, kFew = 12;
    static constexpr std::size_t kFewRefused = 8;
    static constexpr std::int64_t kCrowdedUs = 1'000'000; // at least; a while, too
    static constexpr std::int64_t kLongestUs = 16'000'000;
    static constexpr std::size_t kQueue = 8; // fewer are none
    static constexpr int kEveryMs = 10;      // between looks

  private:
    void learn(std::size_t ahead, std::int64_t took_us) noexcept;

    std::size_t most_;
    std::array<std::int64_t, 8> samples_{}; // nanoseconds of the enclave's time that a request takes
    std::size_t taken_ = 0;                 // samples so far
    std::int64_t each_ns_ = 0;              // their median; 0: not known
    std::int64_t slow_ns_ = 0;              // and while a probe takes longer than anything may; 0: none does
    bool crowded_ = false;
    std::size_t let_in_ = 0, turned_away_ = 0; // in this while
    std::size_t looks_ = 0, idle_looks_ = 0;   // in this while; and those that found no queue
    std::int64_t while_since_us_ = 0;
    std::int64_t crowded_for_us_ = kCrowdedUs, crowded_until_us_ = 0; // this time, or the next
    std::int64_t calm_since_us_ = 0;
};

} // namespace redoubt::gateway
