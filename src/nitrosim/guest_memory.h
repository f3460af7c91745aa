// SPDX-License-Identifier: Apache-2.0
// The memory of a virtual machine, as a vhost-user front end (QEMU) shares it: files that are mapped here and
// found by two kinds of address, the guest's physical one (in descriptors) and the front end's own (of
// rings). Neither side is believed: every address is translated with its size and never past a region's end.
#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <span>
#include <sys/uio.h>
#include <vector>

namespace redoubt::nitrosim {

// As it stands in VHOST_USER_SET_MEM_TABLE (QEMU docs/interop/vhost-user.rst, "Memory region description").
struct MemoryRegion {
    std::uint64_t guest_address;
    std::uint64_t size;
    std::uint64_t front_address;
    std::uint64_t file_offset;
};
static_assert(sizeof(MemoryRegion) == 32);

class GuestMemory {
  public:
    static constexpr std::size_t kMaxRegions = 8; // VHOST_MEMORY_BASELINE_NREGIONS

    GuestMemory() = default;
    GuestMemory(GuestMemory&& other) noexcept : regions_(std::move(other.regions_)) {
        other.regions_.clear();
    }
    GuestMemory& operator=(GuestMemory&& other) noexcept;
    ~GuestMemory() { unmap(); }

    // One file a region. A file must be sealed against shrinking (QEMU's memory-backend-memfd is): memory
    // that can be taken away under a running device would end this process. Errors: BadRequest, Io.
    static Result<GuestMemory> map(std::span<const MemoryRegion> regions, std::span<const net::Fd> files);

    bool empty() const noexcept { return regions_.empty(); }
    // Appends the pieces of the guest's [address, address + size); false (and `out` of no use) where not all
    // of it is memory.
    bool guest(std::uint64_t address, std::uint64_t size, std::vector<iovec>& out) const;
    // [address, address + size) in the front end's addresses, in one region; else nullptr.
    std::uint8_t* front(std::uint64_t address, std::uint64_t size) const noexcept;

  private:
    struct Mapped {
        MemoryRegion region;
        std::uint8_t* data;
    };
    void unmap() noexcept;
    std::vector<Mapped> regions_;
};

} // namespace redoubt::nitrosim
