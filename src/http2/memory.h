// SPDX-License-Identifier: Apache-2.0
// libnghttp2's memory: blocks of a few sizes that are kept for the next request instead of being freed, and a
// bound on what one connection makes it hold. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nghttp2/nghttp2.h>

namespace redoubt::http2 {

// Shared by a server's connections; outlives their memory.
class BlockPool {
  public:
    BlockPool() = default;
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    static constexpr std::size_t kMaxKept = 4 << 20; // bytes in free blocks

  private:
    friend class Memory;
    struct alignas(std::max_align_t) Block {
        std::size_t capacity; // of what follows it
        Block* next;
    };
    static constexpr std::size_t kSmallest = 64, kSizes = 10; // the largest kept: 32 KiB

    static std::size_t capacity_for(std::size_t size) noexcept; // of at most half of what can be addressed
    Block* get(std::size_t capacity) noexcept;
    void put(Block* block) noexcept;

    std::array<Block*, kSizes> free_{};
    std::size_t kept_ = 0;
};

class Memory {
  public:
    explicit Memory(BlockPool& pool) noexcept;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    nghttp2_mem* get() noexcept { return &calls_; }
    std::size_t used() const noexcept { return used_; }

    // Tables, buffers and 128 streams take a tenth of it. Beyond, allocation fails, and with it the
    // connection.
    static constexpr std::size_t kMaxUsed = 1 << 20;

  private:
    void* allocate(std::size_t size) noexcept;
    void release(void* data) noexcept;
    void* resize(void* data, std::size_t size) noexcept;

    BlockPool& pool_;
    nghttp2_mem calls_;
    std::size_t used_ = 0;
};

} // namespace redoubt::http2
