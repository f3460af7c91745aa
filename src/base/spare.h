// SPDX-License-Identifier: Apache-2.0
// Memory for objects of one type that come and go with each request: what one leaves, the next one of its
// thread takes. At most kMaxSpare blocks wait for that; the rest goes back. Any thread may allocate and free.
// With AddressSanitizer nothing is kept, so that it sees each object come and go.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace redoubt {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t kMaxSpare = 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr std::size_t kMaxSpare = 0;
#else
inline constexpr std::size_t kMaxSpare = 4096;
#endif
#else
inline constexpr std::size_t kMaxSpare = 4096;
#endif

// A thread's blocks of one size, at most Most of which wait.
template<std::size_t Size, std::size_t Most = kMaxSpare>
class SpareBlocks {
  public:
    static std::size_t waiting() noexcept { return count_; }
    static void* take() {
        Block* const out = head_;
        if (out == nullptr)
            return ::operator new(Size);
        head_ = out->next;
        --count_;
        return out;
    }
    static void give(void* block) noexcept {
        if (state_ != State::Keeping && !begin())
            return ::operator delete(block);
        if (count_ >= Most)
            return ::operator delete(block);
        head_ = new (block) Block{head_};
        ++count_;
    }

  private:
    struct Block {
        Block* next;
    };
    static_assert(Size >= sizeof(Block));
    enum class State : unsigned char { New, Keeping, Over };
    struct Reaper {
        ~Reaper() {
            state_ = State::Over;
            while (head_ != nullptr)
                ::operator delete(std::exchange(head_, head_->next));
        }
    };
    static constinit inline thread_local Block* head_ = nullptr;
    static constinit inline thread_local std::size_t count_ = 0;
    static constinit inline thread_local State state_ = State::New;

    // The first block that waits: from now on the thread's end gives back what does.
    static bool begin() noexcept {
        if (state_ == State::Over)
            return false;
        thread_local Reaper reaper;
        state_ = State::Keeping;
        return true;
    }
};

// For std::allocate_shared(), and for vectors that mostly hold few: up to Most objects are in such a block.
template<class T, std::size_t Most = 1>
class SpareAllocator {
  public:
    using value_type = T;
    template<class Other>
    struct rebind {
        using other = SpareAllocator<Other, Most>;
    };
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

    SpareAllocator() noexcept = default;
    template<class Other>
    SpareAllocator(const SpareAllocator<Other, Most>&) noexcept {}

    T* allocate(std::size_t count) {
        return static_cast<T*>(count <= Most ? SpareBlocks<Most * sizeof(T)>::take()
                                             : ::operator new(count * sizeof(T)));
    }
    void deallocate(T* block, std::size_t count) noexcept {
        if (count <= Most)
            SpareBlocks<Most * sizeof(T)>::give(block);
        else
            ::operator delete(block);
    }
    friend bool operator==(const SpareAllocator&, const SpareAllocator&) noexcept { return true; }
};

// As std::make_shared.
template<class T, class... Arguments>
std::shared_ptr<T> make_spare_shared(Arguments&&... arguments) {
    return std::allocate_shared<T>(SpareAllocator<T>(), std::forward<Arguments>(arguments)...);
}

} // namespace redoubt
