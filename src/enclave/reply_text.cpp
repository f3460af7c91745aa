// SPDX-License-Identifier: Apache-2.0
#include "enclave/reply_text.h"

#include <array>
#include <utility>

namespace redoubt::enclave {

namespace {

// `Count` that have room for `Least` to `Most` bytes.
template<class Text, std::size_t Count, std::size_t Least, std::size_t Most>
class Kept {
  public:
    Text take() noexcept {
        Text out;
        if (count_ > 0)
            out = std::move(texts_[--count_]);
        out.clear();
        return out;
    }
    void give(Text&& text) noexcept {
        if (count_ < Count && text.capacity() >= Least && text.capacity() <= Most)
            texts_[count_++] = std::move(text);
    }

  private:
    std::array<Text, Count> texts_;
    std::size_t count_ = 0;
};

// Eight requests are worked on together; few of their texts are longer.
auto& kept_texts() noexcept {
    thread_local Kept<std::string, 8, 1'024, 8 * 1024> out;
    return out;
}

auto& kept_bytes() noexcept {
    thread_local Kept<Bytes, 64, 128, 1'024> out;
    return out;
}

} // namespace

std::string take_text(std::size_t room) {
    std::string out = kept_texts().take();
    out.reserve(room);
    return out;
}

void give_text(std::string&& text) noexcept {
    kept_texts().give(std::move(text));
}

Bytes take_bytes() {
    return kept_bytes().take();
}

void give_bytes(Bytes&& bytes) noexcept {
    kept_bytes().give(std::move(bytes));
}

} // namespace redoubt::enclave
