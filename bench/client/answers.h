// SPDX-License-Identifier: Apache-2.0
// What came back in one trial, kept as it came until the timed window is over.
#pragma once

#include "base/bytes.h"

#include <memory>
#include <vector>

namespace redoubt::bench {

struct Answer {
    std::int64_t due, sent, at; // µs, monotonic
    std::uint32_t request;
    std::int32_t status;
    const char* body;
    std::uint32_t size;
    std::string_view text() const noexcept { return {body, size}; }
};

class Answers {
  public:
    // Memory for so many answers and bytes of bodies is taken and touched now, rather than in the window.
    void begin(std::size_t answers, std::size_t bytes);
    void add(std::uint32_t request, int status, std::int64_t due, std::int64_t sent, std::int64_t at,
             std::string_view body);
    const std::vector<Answer>& all() const noexcept { return answers_; }

  private:
    static constexpr std::size_t kChunk = std::size_t{16} << 20;
    void grow();

    std::vector<Answer> answers_;
    std::vector<std::unique_ptr<char[]>> chunks_;
    std::size_t chunk_ = 0; // in use; those before it are full
    std::size_t used_ = 0;  // of it
};

} // namespace redoubt::bench
