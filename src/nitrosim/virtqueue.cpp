// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/virtqueue.h"

#include <atomic>
#include <bit>
#include <cstring>

namespace redoubt::nitrosim {

namespace {

static_assert(std::endian::native == std::endian::little, "virtio structures are little-endian");

struct Descriptor {
    std::uint64_t address;
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);
constexpr std::uint16_t kNext = 1, kWrite = 2; // 4: indirect, not offered

struct UsedElement {
    std::uint32_t head;
    std::uint32_t written;
};
static_assert(sizeof(UsedElement) == 8);

// Both rings: u16 flags, u16 index, entries; then a u16 for event indices, which are not offered.
constexpr std::size_t kFlags = 0, kIndex = 2, kEntries = 4;
constexpr std::uint16_t kNoInterrupt = 1;

// Fields that both sides use at once; aligned, as at() saw to.
std::uint16_t load(const std::uint8_t* at, int order) noexcept {
    return __atomic_load_n(reinterpret_cast<const std::uint16_t*>(at), order);
}

} // namespace

Result<Virtqueue> Virtqueue::at(const GuestMemory& memory, std::uint32_t size, const RingAddresses& addresses,
                                std::uint16_t base) {
    if (!std::has_single_bit(size) || size > kMaxSize)
        return fail(Code::BadRequest, "a ring's size is a power of two of at most 32768");
    if (addresses.descriptors % 16 != 0 || addresses.available % 2 != 0 || addresses.used % 4 != 0)
        return fail(Code::BadRequest, "a ring is not aligned as virtio demands");
    Virtqueue out;
    out.memory_ = &memory;
    out.size_ = size;
    out.size_mask_ = static_cast<std::uint16_t>(size - 1);
    out.descriptors_ = memory.front(addresses.descriptors, size * sizeof(Descriptor));
    out.available_ = memory.front(addresses.available, kEntries + 2 * size);
    out.used_ = memory.front(addresses.used, kEntries + sizeof(UsedElement) * size);
    if (out.descriptors_ == nullptr || out.available_ == nullptr || out.used_ == nullptr)
        return fail(Code::BadRequest, "a ring is not within the guest's memory");
    out.next_ = base;
    out.used_index_ = load(out.used_ + kIndex, __ATOMIC_ACQUIRE);
    return out;
}

Result<std::uint16_t> Virtqueue::available() const {
    // Acquire: the entries and descriptors are read after the index that says they are there.
    const std::uint16_t index = load(available_ + kIndex, __ATOMIC_ACQUIRE);
    const auto waiting = static_cast<std::uint16_t>(index - next_);
    if (waiting > size_)
        return fail(Code::BadRequest, "the driver offers more chains than its ring holds");
    return waiting;
}

Result<bool> Virtqueue::pop(Chain& out) {
    REDOUBT_TRY(const std::uint16_t waiting, available());
    if (waiting == 0)
        return false;
    out.readable.clear();
    out.writable.clear();
    out.readable_size = out.writable_size = 0;
    out.head =
        load(available_ + kEntries + 2 * static_cast<std::size_t>(next_ & size_mask_), __ATOMIC_RELAXED);
    std::uint32_t index = out.head;
    // A chain has at most as many descriptors as the table; more means that it comes back to itself.
    for (std::uint32_t n = 0;; ++n) {
        if (n == size_)
            return fail(Code::BadRequest, "a descriptor chain comes back to itself");
        if (index >= size_)
            return fail(Code::BadRequest, "a descriptor is not in the ring's table");
        Descriptor descriptor;
        std::memcpy(&descriptor, descriptors_ + index * sizeof descriptor, sizeof descriptor);
        if ((descriptor.flags & ~(kNext | kWrite)) != 0)
            return fail(Code::BadRequest, "a descriptor has flags that were not agreed on");
        const bool writable = (descriptor.flags & kWrite) != 0;
        if (!writable && out.writable_size > 0)
            return fail(Code::BadRequest, "a descriptor to read follows one to write");
        std::size_t& total = writable ? out.writable_size : out.readable_size;
        total += descriptor.size;
        if (total > kMaxChain)
            return fail(Code::BadRequest, "a descriptor chain has more bytes than any device takes");
        if (!memory_->guest(descriptor.address, descriptor.size, writable ? out.writable : out.readable))
            return fail(Code::BadRequest, "a descriptor is not within the guest's memory");
        if (out.readable.size() + out.writable.size() > kMaxPieces)
            return fail(Code::BadRequest, "a descriptor chain has more pieces than any device takes");
        if ((descriptor.flags & kNext) == 0)
            break;
        index = descriptor.next;
    }
    ++next_;
    return true;
}

void Virtqueue::push(std::uint16_t head, std::uint32_t written) noexcept {
    const UsedElement element{head, written};
    std::memcpy(used_ + kEntries + sizeof element * static_cast<std::size_t>(used_index_ & size_mask_),
                &element, sizeof element);
    ++used_index_;
    // Release: the driver that sees the index sees the element and the buffer.
    __atomic_store_n(reinterpret_cast<std::uint16_t*>(used_ + kIndex), used_index_, __ATOMIC_RELEASE);
}

bool Virtqueue::wants_notification() const noexcept {
    // The index must be out before the flag is read: the driver sets the flag, then looks at the index.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return (load(available_ + kFlags, __ATOMIC_RELAXED) & kNoInterrupt) == 0;
}

} // namespace redoubt::nitrosim
