// SPDX-License-Identifier: Apache-2.0
// The header of a virtio-vsock packet (virtio 1.2, section 5.10.6): 44 bytes, little-endian, then the data.
#pragma once

#include "base/bytes.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace redoubt::nitrosim {

static_assert(std::endian::native == std::endian::little, "virtio structures are little-endian");

inline constexpr std::uint32_t kParentCid = 3; // of every Nitro enclave
inline constexpr std::size_t kVsockHeader = 44;
inline constexpr std::uint16_t kVsockStream = 1;
inline constexpr std::uint32_t kShutdownReceive = 1,
                               kShutdownSend = 2; // the sender of the packet does no more

enum class VsockOp : std::uint16_t {
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
};

// Its members stand in the packet's order, without gaps but for the end.
struct VsockPacket {
    std::uint64_t source_cid = 0, target_cid = 0;
    std::uint32_t source_port = 0, target_port = 0;
    std::uint32_t size = 0; // of the data
    std::uint16_t type = kVsockStream;
    VsockOp op{};
    std::uint32_t flags = 0;
    std::uint32_t buffer = 0;    // bytes the sender of the packet can keep
    std::uint32_t forwarded = 0; // bytes it has taken out of that buffer, modulo 2^32
};
static_assert(sizeof(VsockPacket) >= kVsockHeader && offsetof(VsockPacket, forwarded) == 40);

inline VsockPacket read_packet(const ByteArray<kVsockHeader>& bytes) noexcept {
    VsockPacket out;
    std::memcpy(static_cast<void*>(&out), bytes.data(), bytes.size());
    return out;
}
inline ByteArray<kVsockHeader> write_packet(const VsockPacket& packet) noexcept {
    ByteArray<kVsockHeader> out;
    std::memcpy(out.data(), &packet, out.size());
    return out;
}

} // namespace redoubt::nitrosim
