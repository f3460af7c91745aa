// SPDX-License-Identifier: Apache-2.0
// A ring in a guest's memory of any content: every chain that is taken lies within that memory and within the
// limits, and reading one ends. Input: base, then the memory. Seeds: corpus/virtqueue.
#include "nitrosim/virtqueue.h"

#include "base/cursor.h"
#include "nitrosim/buffers.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace redoubt;
using namespace redoubt::nitrosim;

namespace {

constexpr std::size_t kMemory = 8192;
constexpr std::uint32_t kSize = 16;
constexpr std::uint64_t kGuest = 0x10000, kFront = 0x20000;

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Ram {
    Ram() {
        const int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        require(fd >= 0 && ftruncate(fd, kMemory) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
        const std::array regions{MemoryRegion{kGuest, kMemory, kFront, 0}};
        const std::array<net::Fd, 1> files{net::Fd(fd)};
        auto mapped = GuestMemory::map(regions, files);
        require(mapped.has_value());
        memory = std::move(*mapped);
        data = memory.front(kFront, kMemory);
    }
    GuestMemory memory;
    std::uint8_t* data = nullptr;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Ram ram;
    Cursor in(ByteView(data, size));
    const std::uint16_t base = in.u16();
    const ByteView content = in.rest().first(std::min(in.rest().size(), kMemory));
    std::memset(ram.data, 0, kMemory);
    std::ranges::copy(content, ram.data); // memcpy takes no null pointer, which an empty view has
    // Table, available ring, used ring, then buffers; addresses 0x10000 and up reach all of it.
    auto queue = Virtqueue::at(ram.memory, kSize, {kFront, kFront + 512, kFront + 256}, base);
    require(queue.has_value());
    const auto within = [](const std::vector<iovec>& pieces) {
        std::size_t total = 0;
        for (const iovec& piece : pieces) {
            const auto* const at = static_cast<const std::uint8_t*>(piece.iov_base);
            require(at >= ram.data && piece.iov_len <= kMemory && at + piece.iov_len <= ram.data + kMemory);
            total += piece.iov_len;
        }
        return total;
    };
    Chain chain;
    for (std::uint32_t n = 0;; ++n) {
        const auto got = queue->pop(chain);
        if (!got || !*got)
            break;
        require(n < kSize); // nothing that happens here offers more
        require(within(chain.readable) == chain.readable_size &&
                within(chain.writable) == chain.writable_size);
        require(chain.readable.size() + chain.writable.size() <= Virtqueue::kMaxPieces);
        require(chain.head < kSize);
        Bytes copy(chain.readable_size);
        require(gather(chain.readable, copy) == copy.size());
        queue->push(chain.head, static_cast<std::uint32_t>(chain.writable_size));
        (void)queue->wants_notification();
    }
    return 0;
}
