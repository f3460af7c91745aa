// SPDX-License-Identifier: Apache-2.0
// How much of something a client may do: so many at once, and so many a second in the long run.
#pragma once

#include <algorithm>
#include <cstdint>

namespace redoubt::http2 {

class Budget {
  public:
    Budget(std::int64_t burst, std::int64_t per_second, std::int64_t now_ms) noexcept
        : most_(burst * 1000), per_second_(per_second), left_(most_), at_ms_(now_ms) {}

    // False: it is used up.
    bool spend(std::int64_t now_ms) noexcept {
        left_ = std::min(most_, left_ + std::min<std::int64_t>(now_ms - at_ms_, 60'000) * per_second_);
        at_ms_ = now_ms;
        if (left_ < 1000)
            return false;
        left_ -= 1000;
        return true;
    }
    void earn(std::int64_t count) noexcept { left_ = std::min(most_, left_ + count * 1000); }

  private:
    std::int64_t most_, per_second_, left_, at_ms_; // thousandths
};

} // namespace redoubt::http2
