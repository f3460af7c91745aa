// SPDX-License-Identifier: Apache-2.0
#include "client/answers.h"

#include "client/spec.h"

#include <cstring>

namespace redoubt::bench {

void Answers::grow() {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(kChunk));
    std::memset(chunks_.back().get(), 1, kChunk); // so that the kernel gives the pages now
}

void Answers::begin(std::size_t answers, std::size_t bytes) {
    answers_.clear();
    if (answers_.capacity() < answers) {
        answers_.resize(answers); // writes to all of it
        answers_.clear();
    }
    chunk_ = used_ = 0;
    while (chunks_.empty() || chunks_.size() * kChunk < bytes)
        grow();
}

void Answers::add(std::uint32_t request, int status, std::int64_t due, std::int64_t sent, std::int64_t at,
                  std::string_view body) {
    if (body.size() > kChunk)
        die("an answer is larger than any that is expected");
    if (kChunk - used_ < body.size()) {
        if (++chunk_ == chunks_.size())
            grow();
        used_ = 0;
    }
    char* const to = chunks_[chunk_].get() + used_;
    std::memcpy(to, body.data(), body.size());
    used_ += body.size();
    answers_.push_back({due, sent, at, request, status, to, static_cast<std::uint32_t>(body.size())});
}

} // namespace redoubt::bench
