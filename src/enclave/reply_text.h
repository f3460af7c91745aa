// SPDX-License-Identifier: Apache-2.0
// The memory of replies' texts and receipts, used again: of more than a kilobyte each, texts are what the C
// library's allocator is slow with, for every one of them. Each thread keeps its own; replies hold no
// secrets. Thread-safe, since nothing is shared.
#pragma once

#include "base/bytes.h"

namespace redoubt::enclave {

// Empty, with room for at least so many bytes.
std::string take_text(std::size_t room);
// One that is not needed any more, from take_text() or not, of this thread or another. It is freed where it
// is too short or too long to be kept, or enough are: eight of 1 to 8 KiB.
void give_text(std::string&& text) noexcept;

// The same for what goes along with a text: 64 of 128 to 1,024 bytes.
Bytes take_bytes();
void give_bytes(Bytes&& bytes) noexcept;

} // namespace redoubt::enclave
