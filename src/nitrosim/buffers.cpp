// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/buffers.h"

#include <algorithm>
#include <cstring>

namespace redoubt::nitrosim {

std::vector<iovec> slice(const std::vector<iovec>& pieces, std::size_t offset, std::size_t size) {
    std::vector<iovec> out;
    for (const iovec& piece : pieces) {
        if (size == 0)
            break;
        const std::size_t skipped = std::min(offset, piece.iov_len);
        offset -= skipped;
        const std::size_t n = std::min(size, piece.iov_len - skipped);
        if (n > 0)
            out.push_back({static_cast<std::uint8_t*>(piece.iov_base) + skipped, n});
        size -= n;
    }
    return out;
}

std::size_t gather(const std::vector<iovec>& pieces, std::span<std::uint8_t> out) noexcept {
    std::size_t done = 0;
    for (const iovec& piece : pieces) {
        const std::size_t n = std::min(piece.iov_len, out.size() - done);
        if (n > 0)
            std::memcpy(out.data() + done, piece.iov_base, n);
        done += n;
    }
    return done;
}

std::size_t scatter(const std::vector<iovec>& pieces, ByteView bytes) noexcept {
    std::size_t done = 0;
    for (const iovec& piece : pieces) {
        const std::size_t n = std::min(piece.iov_len, bytes.size() - done);
        if (n > 0)
            std::memcpy(piece.iov_base, bytes.data() + done, n);
        done += n;
    }
    return done;
}

} // namespace redoubt::nitrosim
