// SPDX-License-Identifier: Apache-2.0
// Enclave images put together byte by byte, right or wrong, by none of the code under test.
#pragma once

#include "image/eif.h"

#include <openssl/evp.h>

#include <gtest/gtest.h>

namespace redoubt::image::tests {

inline constexpr std::uint16_t kKernel = 1, kCmdline = 2, kRamdisk = 3, kSignature = 4, kMetadata = 5;
inline constexpr std::size_t kHeader = 548, kSectionHeader = 12, kOffsetsAt = 28, kSizesAt = 284,
                             kChecksumAt = 544;

inline constexpr const char* kSomeMetadata =
    R"({"ImageName":"app","ImageVersion":"1.0","BuildMetadata":{"BuildTime":"2026-01-02T03:04:05+00:00",)"
    R"("BuildTool":"nitro-cli","BuildToolVersion":"1.4.2","OperatingSystem":"Linux","KernelVersion":"4.14"},)"
    R"("DockerInfo":{"Id":"sha256:00"},"CustomMetadata":null})";

inline void put(Bytes& out, std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline void overwrite(Bytes& file, std::size_t at, std::uint64_t value, int size) {
    Bytes bytes;
    put(bytes, value, size);
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

// Bit by bit, as the polynomial has it.
inline std::uint32_t slow_crc(ByteView data) {
    std::uint32_t crc = 0xffff'ffff;
    for (const std::uint8_t byte : data) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb8'8320 : crc >> 1;
    }
    return ~crc;
}

struct Part {
    std::uint16_t type;
    Bytes data;
};

struct ByHand {
    std::uint16_t version = 4, flags = 0;
    std::vector<Part> parts;

    Bytes bytes() const {
        Bytes out = {'.', 'e', 'i', 'f'};
        put(out, version, 2);
        put(out, flags, 2);
        put(out, 1024 * 1024 * 1024, 8);
        put(out, 2, 8);
        put(out, 0, 2);
        put(out, parts.size(), 2);
        std::uint64_t at = kHeader;
        for (std::size_t i = 0; i < 32; ++i) {
            put(out, i < parts.size() ? at : 0, 8);
            at += i < parts.size() ? kSectionHeader + parts[i].data.size() : 0;
        }
        for (std::size_t i = 0; i < 32; ++i)
            put(out, i < parts.size() ? parts[i].data.size() : 0, 8);
        put(out, 0, 4);
        Bytes rest;
        for (const Part& part : parts) {
            put(rest, part.type, 2);
            put(rest, 0, 2);
            put(rest, part.data.size(), 8);
            append(rest, part.data);
        }
        Bytes covered = out;
        append(covered, rest);
        put(out, slow_crc(covered), 4);
        append(out, rest);
        return out;
    }
};

// Kernel, command line, metadata, two ramdisks: nitro-cli's order.
inline ByHand some_image() {
    ByHand out;
    out.parts = {{kKernel, to_bytes("kernel")},
                 {kCmdline, to_bytes("reboot=k")},
                 {kMetadata, to_bytes(kSomeMetadata)},
                 {kRamdisk, to_bytes("init")},
                 {kRamdisk, to_bytes("application")}};
    return out;
}

// SHA384(0^48 ‖ SHA384(content)).
inline crypto::Hash48 pcr_by_hand(ByteView content) {
    Bytes data(96);
    EXPECT_EQ(
        EVP_Q_digest(nullptr, "SHA384", nullptr, content.data(), content.size(), data.data() + 48, nullptr),
        1);
    crypto::Hash48 out;
    EXPECT_EQ(EVP_Q_digest(nullptr, "SHA384", nullptr, data.data(), data.size(), out.data(), nullptr), 1);
    return out;
}

} // namespace redoubt::image::tests
