// SPDX-License-Identifier: Apache-2.0
// A ramdisk: a cpio archive in the "newc" format, as the Linux kernel unpacks it (its
// Documentation/driver-api/early-userspace/buffer-format). The same entries give the same bytes: owner root,
// no times, inodes numbered in their order.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace redoubt::image {

struct CpioEntry {
    std::string path;              // "etc/redoubt/roots.pem": relative, no "." or ".." in it
    std::uint32_t permissions = 0; // the lower 9 bits of a mode
    bool folder = false;
    Bytes content = {}; // of a file
};

// Error: ImageInvalid (a path that is none, or twice the same, or a folder that comes after what it holds).
Result<Bytes> write_cpio(const std::vector<CpioEntry>& entries);

} // namespace redoubt::image
