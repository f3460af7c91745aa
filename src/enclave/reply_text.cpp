// SPDX-License-Identifier: Apache-2.0
#include "enclave/reply_text.h"

#include <array>
#include <utility>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kLeastKept = 1'024, kMostKept = 8 * 1024; // bytes of one: few are longer

struct Kept {
    std::array<std::string, 8> texts; // as many as requests are worked on together
    std::size_t count = 0;
};

Kept& kept() noexcept {
    thread_local Kept out;
    return out;
}

} // namespace

std::string take_text(std::size_t room) {
    Kept& all = kept();
    std::string out;
    if (all.count > 0)
        out = std::move(all.texts[--all.count]);
    out.clear();
    out.reserve(room);
    return out;
}

void give_text(std::string&& text) noexcept {
    Kept& all = kept();
    if (all.count < all.texts.size() && text.capacity() >= kLeastKept && text.capacity() <= kMostKept)
        all.texts[all.count++] = std::move(text);
}

} // namespace redoubt::enclave
