// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue (virtio 1.2, section 2.7), without indirect descriptors and without
// event indices. The driver is a guest's and is not believed: indices, chains and addresses are checked as
// they are read, each is read once, and a chain that comes back to itself is refused.
#pragma once

#include "nitrosim/guest_memory.h"

namespace redoubt::nitrosim {

struct Chain {
    std::uint16_t head = 0;
    std::vector<iovec> readable, writable; // by the device
    std::size_t readable_size = 0, writable_size = 0;
};

// In the front end's address space, as VHOST_USER_SET_VRING_ADDR gives them.
struct RingAddresses {
    std::uint64_t descriptors = 0, used = 0, available = 0;
};

class Virtqueue {
  public:
    static constexpr std::uint32_t kMaxSize = 32768;
    static constexpr std::size_t kMaxPieces = 256;                 // of a chain
    static constexpr std::size_t kMaxChain = std::size_t{1} << 20; // bytes, each way

    // Views of `memory`, which must stay as it is while the queue is used. `base`: the available entry to
    // take first. Error: BadRequest.
    static Result<Virtqueue> at(const GuestMemory& memory, std::uint32_t size, const RingAddresses& addresses,
                                std::uint16_t base);

    // How many chains wait. Error: BadRequest, and then the queue is of no further use.
    Result<std::uint16_t> available() const;
    // Takes the next chain; false: none waits. Error: as available().
    Result<bool> pop(Chain& out);
    // Puts the chain popped last back, unused.
    void unpop() noexcept { --next_; }
    // Gives a chain back to the driver with so many bytes written.
    void push(std::uint16_t head, std::uint32_t written) noexcept;
    // Whether the driver wants to be told of what was pushed.
    bool wants_notification() const noexcept;

    std::uint16_t next() const noexcept { return next_; }

  private:
    Virtqueue() = default;
    const GuestMemory* memory_ = nullptr;
    std::uint16_t size_mask_ = 0;
    std::uint32_t size_ = 0;
    std::uint8_t* descriptors_ = nullptr;
    std::uint8_t* available_ = nullptr;
    std::uint8_t* used_ = nullptr;
    std::uint16_t next_ = 0, used_index_ = 0;
};

} // namespace redoubt::nitrosim
