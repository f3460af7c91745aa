// SPDX-License-Identifier: Apache-2.0
// The memory of replies' texts, used again: with more than a kilobyte each they are what the C library's
// allocator is slow with, for every one of them. Each thread keeps its own, at most eight of 1 to 8 KiB;
// replies hold no secrets. Thread-safe, since nothing is shared.
#pragma once

#include <string>

namespace redoubt::enclave {

// Empty, with room for at least so many bytes.
std::string take_text(std::size_t room);
// One that is not needed any more, from take_text() or not, of this thread or another. It is freed where it
// is too short or too long to be kept, or enough are.
void give_text(std::string&& text) noexcept;

} // namespace redoubt::enclave
