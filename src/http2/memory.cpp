// SPDX-License-Identifier: Apache-2.0
#include "http2/memory.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace redoubt::http2 {

namespace {

std::size_t size_class(std::size_t capacity, std::size_t smallest) noexcept {
    return static_cast<std::size_t>(std::countr_zero(capacity) - std::countr_zero(smallest));
}

} // namespace

BlockPool::~BlockPool() {
    for (Block* block : free_)
        while (block != nullptr)
            std::free(std::exchange(block, block->next));
}

std::size_t BlockPool::capacity_for(std::size_t size) noexcept {
    return std::bit_ceil(size < kSmallest ? kSmallest : size);
}

BlockPool::Block* BlockPool::get(std::size_t capacity) noexcept {
    const std::size_t at = size_class(capacity, kSmallest);
    if (at < kSizes && free_[at] != nullptr) {
        Block* const out = std::exchange(free_[at], free_[at]->next);
        kept_ -= out->capacity;
        return out;
    }
    auto* const out = static_cast<Block*>(std::malloc(sizeof(Block) + capacity));
    if (out != nullptr)
        out->capacity = capacity;
    return out;
}

void BlockPool::put(Block* block) noexcept {
    const std::size_t at = size_class(block->capacity, kSmallest);
    if (at >= kSizes || kept_ + block->capacity > kMaxKept)
        return std::free(block);
    kept_ += block->capacity;
    block->next = std::exchange(free_[at], block);
}

Memory::Memory(BlockPool& pool) noexcept : pool_(pool), calls_{} {
    calls_.mem_user_data = this;
    calls_.malloc = [](std::size_t size, void* self) { return static_cast<Memory*>(self)->allocate(size); };
    calls_.free = [](void* data, void* self) { static_cast<Memory*>(self)->release(data); };
    calls_.calloc = [](std::size_t count, std::size_t size, void* self) -> void* {
        std::size_t bytes = 0;
        if (__builtin_mul_overflow(count, size, &bytes))
            return nullptr;
        void* const out = static_cast<Memory*>(self)->allocate(bytes);
        return out == nullptr ? nullptr : std::memset(out, 0, bytes);
    };
    calls_.realloc = [](void* data, std::size_t size, void* self) {
        return static_cast<Memory*>(self)->resize(data, size);
    };
}

void* Memory::allocate(std::size_t size) noexcept {
    if (size > kMaxUsed)
        return nullptr;
    const std::size_t capacity = BlockPool::capacity_for(size);
    if (capacity > kMaxUsed - used_) // used_ is never more
        return nullptr;
    BlockPool::Block* const block = pool_.get(capacity);
    if (block == nullptr)
        return nullptr;
    used_ += block->capacity;
    return block + 1;
}

void Memory::release(void* data) noexcept {
    if (data == nullptr)
        return;
    BlockPool::Block* const block = static_cast<BlockPool::Block*>(data) - 1;
    used_ -= block->capacity;
    pool_.put(block);
}

void* Memory::resize(void* data, std::size_t size) noexcept {
    if (data == nullptr)
        return allocate(size);
    const std::size_t capacity = (static_cast<BlockPool::Block*>(data) - 1)->capacity;
    if (size <= capacity)
        return data;
    void* const out = allocate(size);
    if (out != nullptr) {
        std::memcpy(out, data, capacity);
        release(data);
    }
    return out;
}

} // namespace redoubt::http2
