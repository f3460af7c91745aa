// SPDX-License-Identifier: Apache-2.0
// The memory of replies' texts, used again: with more than a kilobyte each they are what the C library's
// allocator is slow with, for every one of them. Each thread has its own; replies hold no secrets.
#pragma once

#include <string>

namespace redoubt::enclave {

// Empty, with room for so many bytes.
std::string take_text(std::size_t room);
// One that is not needed any more; the thread may be another than the one that took it.
void give_text(std::string&& text) noexcept;

} // namespace redoubt::enclave
