// SPDX-License-Identifier: Apache-2.0
// Messages of the vhost-user protocol that a front end sends (QEMU docs/interop/vhost-user.rst): a header of
// 12 bytes, a payload, and descriptors beside it. Numbers are in the machine's own order.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "net/endpoint.h"

#include <array>
#include <vector>

namespace redoubt::nitrosim {

enum class VhostRequest : std::uint32_t {
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    ResetOwner = 4,
    SetMemTable = 5,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,
    GetVringBase = 11,
    SetVringKick = 12,
    SetVringCall = 13,
    SetVringErr = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueNum = 17,
    SetVringEnable = 18,
    GetConfig = 24,
    SetConfig = 25,
    ResetDevice = 34,
};

inline constexpr std::size_t kVhostHeader = 12;
inline constexpr std::size_t kVhostMaxPayload =
    12 + 256; // VHOST_USER_MAX_CONFIG_SIZE; a memory table has 264
inline constexpr std::size_t kVhostMaxFiles = 8;

struct VhostHeader {
    VhostRequest request{};
    std::uint32_t size = 0; // of the payload
};

struct VhostMessage {
    VhostRequest request{};
    Bytes payload;
    std::vector<net::Fd> files;
};

// Knows the request and how long its payload may be. Error: BadRequest.
Result<VhostHeader> parse_vhost_header(const ByteArray<kVhostHeader>& bytes);
// Whether it has a payload and descriptors as its request demands. Error: BadRequest.
Status check_vhost_message(const VhostMessage& message);
Bytes make_vhost_reply(VhostRequest request, ByteView payload);

} // namespace redoubt::nitrosim
