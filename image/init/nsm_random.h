// SPDX-License-Identifier: Apache-2.0
// The NSM's GetRandom as the bytes that cross /dev/nsm (CBOR, RFC 8949; names as in
// aws-nitro-enclaves-nsm-api, src/api/mod.rs). Init has no library, so this file has none either: no
// allocation, no exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace redoubt::init {

inline constexpr std::size_t kMaxNsmReply = 0x3000; // Linux drivers/misc/nsm.c

// The request: a unit variant, the text "GetRandom".
inline constexpr std::uint8_t kGetRandom[] = {0x69, 'G', 'e', 't', 'R', 'a', 'n', 'd', 'o', 'm'};

struct RandomBytes {
    const std::uint8_t* data = nullptr; // inside the reply; null: the reply is no answer to GetRandom
    std::size_t size = 0;
};

// The reply is {"GetRandom": {"random": bytes}}, each map of definite or of indefinite length, the string of
// definite length, with nothing after it; anything else, {"Error": …} and an empty string included, gives
// null.
inline RandomBytes random_of_reply(const std::uint8_t* reply, std::size_t size) noexcept {
    constexpr std::uint8_t kOneMember = 0xa1, kIndefiniteMap = 0xbf, kBreak = 0xff;
    constexpr std::uint8_t kRandom[] = {0x66, 'r', 'a', 'n', 'd', 'o', 'm'};
    constexpr std::size_t kHead = 1 + sizeof(kGetRandom) + 1 + sizeof(kRandom);
    if (size < kHead + 1)
        return {};
    std::size_t at = 0, breaks = 0;
    const auto enter = [&](const std::uint8_t* name, std::size_t name_size) {
        const std::uint8_t map = reply[at++];
        if (map == kIndefiniteMap)
            ++breaks;
        const bool good =
            (map == kOneMember || map == kIndefiniteMap) && std::memcmp(reply + at, name, name_size) == 0;
        at += name_size;
        return good;
    };
    if (!enter(kGetRandom, sizeof(kGetRandom)) || !enter(kRandom, sizeof(kRandom)))
        return {};
    const std::uint8_t first = reply[at++];
    std::size_t length = first & 0x1fu;
    if (first >> 5 != 2) // major type 2: bytes
        return {};
    if (length == 24 || length == 25) { // one or two bytes of length follow
        const std::size_t width = length - 23;
        if (size - at < width)
            return {};
        length = 0;
        for (std::size_t i = 0; i < width; ++i)
            length = length << 8 | reply[at++];
    } else if (length > 25) {
        return {};
    }
    if (length == 0 || length > size - at || size - at - length != breaks)
        return {};
    for (std::size_t i = 0; i < breaks; ++i)
        if (reply[at + length + i] != kBreak)
            return {};
    return {reply + at, length};
}

} // namespace redoubt::init
