// SPDX-License-Identifier: Apache-2.0
// Buffers in pieces, as a descriptor chain gives them. The guest may write to them at any moment: what is
// decided on is copied out first, once.
#pragma once

#include "base/bytes.h"

#include <sys/uio.h>
#include <vector>

namespace redoubt::nitrosim {

// The pieces of [offset, offset + size), as far as there are so many bytes.
std::vector<iovec> slice(const std::vector<iovec>& pieces, std::size_t offset, std::size_t size);
// Copies from and to the pieces' beginning; the number of bytes copied.
std::size_t gather(const std::vector<iovec>& pieces, std::span<std::uint8_t> out) noexcept;
std::size_t scatter(const std::vector<iovec>& pieces, ByteView bytes) noexcept;

} // namespace redoubt::nitrosim
