// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/guest_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMaxMemory = std::uint64_t{64} << 30;

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) noexcept {
    return a < b ? b - a < a_size : a - b < b_size;
}

// Sizes are at most kMaxMemory, so that "address + size" overflows only where it is refused here.
Status check(std::span<const MemoryRegion> regions) {
    for (std::size_t i = 0; i < regions.size(); ++i) {
        const MemoryRegion& region = regions[i];
        if (region.size == 0 || region.size > kMaxMemory || region.size % kPage != 0 ||
            region.file_offset % kPage != 0 || region.front_address % kPage != 0)
            return fail(Code::BadRequest, "a memory region has an impossible size, offset or address");
        if (region.guest_address + region.size < region.size ||
            region.front_address + region.size < region.size ||
            region.file_offset + region.size < region.size)
            return fail(Code::BadRequest, "a memory region reaches over the end of its address space");
        for (std::size_t j = 0; j < i; ++j)
            if (overlap(region.guest_address, region.size, regions[j].guest_address, regions[j].size) ||
                overlap(region.front_address, region.size, regions[j].front_address, regions[j].size))
                return fail(Code::BadRequest, "two memory regions overlap");
    }
    return {};
}

Status check_file(int fd, const MemoryRegion& region) {
    struct stat info {};
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        return fail(Code::BadRequest, "the guest's memory must be a memfd sealed against shrinking "
                                      "(memory-backend-memfd)");
    if (fstat(fd, &info) != 0 || info.st_size < 0 ||
        static_cast<std::uint64_t>(info.st_size) < region.file_offset + region.size)
        return fail(Code::BadRequest, "a memory region is larger than its file");
    return {};
}

} // namespace

GuestMemory& GuestMemory::operator=(GuestMemory&& other) noexcept {
    if (this != &other) {
        unmap();
        regions_ = std::move(other.regions_);
        other.regions_.clear();
    }
    return *this;
}

void GuestMemory::unmap() noexcept {
    for (const Mapped& mapped : regions_)
        (void)munmap(mapped.data, mapped.region.size);
    regions_.clear();
}

Result<GuestMemory> GuestMemory::map(std::span<const MemoryRegion> regions, std::span<const net::Fd> files) {
    if (regions.empty() || regions.size() > kMaxRegions || regions.size() != files.size())
        return fail(Code::BadRequest, "a memory table has 1 to 8 regions with a file each");
    REDOUBT_CHECK(check(regions));
    GuestMemory out;
    for (std::size_t i = 0; i < regions.size(); ++i) {
        const MemoryRegion& region = regions[i];
        REDOUBT_CHECK(check_file(files[i].get(), region));
        void* const data = mmap(nullptr, region.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                                files[i].get(), static_cast<off_t>(region.file_offset));
        if (data == MAP_FAILED)
            return fail(Code::Io, "the guest's memory cannot be mapped", std::strerror(errno));
        (void)madvise(data, region.size, MADV_DONTDUMP);
        out.regions_.push_back({region, static_cast<std::uint8_t*>(data)});
    }
    return out;
}

bool GuestMemory::guest(std::uint64_t address, std::uint64_t size, std::vector<iovec>& out) const {
    while (size > 0) {
        const auto found = std::ranges::find_if(regions_, [&](const Mapped& m) {
            return address >= m.region.guest_address && address - m.region.guest_address < m.region.size;
        });
        if (found == regions_.end())
            return false;
        const std::uint64_t offset = address - found->region.guest_address;
        const std::uint64_t n = std::min(size, found->region.size - offset);
        out.push_back({found->data + offset, n});
        address += n; // at most the region's end, which is no overflow
        size -= n;
    }
    return true;
}

std::uint8_t* GuestMemory::front(std::uint64_t address, std::uint64_t size) const noexcept {
    for (const Mapped& m : regions_) {
        if (address < m.region.front_address || address - m.region.front_address >= m.region.size)
            continue;
        const std::uint64_t offset = address - m.region.front_address;
        return size <= m.region.size - offset ? m.data + offset : nullptr;
    }
    return nullptr;
}

} // namespace redoubt::nitrosim
