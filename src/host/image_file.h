// SPDX-License-Identifier: Apache-2.0
// The file that enclaves are started from, and the PCR0 that one started from it now would have.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace redoubt::host {

// A whole image file, or one that becomes a part of an image, by copy: a mapped file that somebody truncates
// would end this process. Errors: Io, TooLarge (empty, or above image::kMaxEif).
Result<Bytes> read_image(const std::string& path);

class ImageFile {
  public:
    // Program: redoubt-enclave-dev, whose PCR0 is that of its own file. Eif: an enclave image.
    enum class Kind { Eif, Program };
    ImageFile(std::string path, Kind kind) : path_(std::move(path)), kind_(kind) {}

    const std::string& path() const noexcept { return path_; }
    // 96 hex digits. The file is read again only when it has become another one (device, inode, size, time of
    // change). An image whose checksum is wrong has no PCR0: it may be half copied. Blocking: half a second
    // for a large image. Errors: Io, ImageInvalid, TooLarge, Conflict (it changed while it was read).
    Result<std::string> pcr0();
    // The file is still the one whose PCR0 was told last.
    bool unchanged() const;

  private:
    struct Identity {
        std::uint64_t device = 0, inode = 0, size = 0;
        std::int64_t changed_s = 0, changed_ns = 0;
        bool operator==(const Identity&) const = default;
    };
    static std::optional<Identity> identity_of(const std::string& path);

    std::string path_;
    Kind kind_;
    std::optional<Identity> known_;
    std::string pcr0_;
};

} // namespace redoubt::host
