// SPDX-License-Identifier: Apache-2.0
// How much each client may ask for: a token bucket for its requests in time, and how many may be in work at
// once. Loop thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace redoubt::gateway {

struct ClientLimit {
    std::uint32_t rate_per_second = 0; // 0: any; at most kMaxRate
    std::uint32_t burst = 0;           // requests that may come at once; 0: as many as a second's
    std::uint32_t concurrency = 0;     // in work at once; 0: any
    bool operator==(const ClientLimit&) const = default;

    static constexpr std::uint32_t kMaxRate = 1'000'000;
};

// Holds `burst` tokens and gets `rate` new ones a second. Counts in millionths, so nothing is lost to
// rounding.
class TokenBucket {
  public:
    // Takes one; else the microseconds until there will be one. `now_us` never goes back.
    std::optional<std::int64_t> take(const ClientLimit& limit, std::int64_t now_us) noexcept;

  private:
    std::int64_t millionths_ = 0, filled_at_us_ = 0;
    bool started_ = false;
};

// What a client has going; shared by those of its requests that are in work.
struct ClientLoad {
    TokenBucket bucket;
    std::uint32_t in_work = 0;
};

// A request that was let in. Its place among those in work is free again when it is released or gone.
class Admission {
  public:
    Admission(std::shared_ptr<ClientLoad> load, const ClientLimit& limit) noexcept;
    ~Admission() { release(); }
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    void release() noexcept;
    // For what the gateway asks of an enclave in the request's name: the first is what let it in, each
    // further one takes a token (so a batch of a hundred signatures costs a hundred). As TokenBucket::take.
    std::optional<std::int64_t> charge(std::int64_t now_us) noexcept;

  private:
    std::shared_ptr<ClientLoad> load_;
    ClientLimit limit_;
    bool held_ = true, first_ = true;
};

class RateLimits {
  public:
    struct Outcome {
        std::shared_ptr<Admission> admission; // nullptr: it must wait
        std::int64_t wait_us = 0;             // until another attempt makes sense
        bool too_many_at_once = false;        // its concurrency is used up, not its rate
    };
    Outcome admit(const std::string& client, const ClientLimit& limit, std::int64_t now_us);
    // Forgets clients that are not among those and have nothing in work.
    void keep_only(const std::set<std::string>& clients);
    std::size_t clients() const noexcept { return loads_.size(); }

  private:
    std::unordered_map<std::string, std::shared_ptr<ClientLoad>> loads_;
};

// "retry-after": whole seconds, at least one.
std::string retry_after_seconds(std::int64_t wait_us);

} // namespace redoubt::gateway
