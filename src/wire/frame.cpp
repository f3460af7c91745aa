// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include "base/secret.h"

#include <algorithm>
#include <cstring>

namespace redoubt::wire {

namespace {

bool known(std::uint8_t kind) noexcept {
    return (kind >= static_cast<std::uint8_t>(Kind::Hello) &&
            kind <= static_cast<std::uint8_t>(Kind::Metrics)) ||
           is_stream(static_cast<Kind>(kind)) || kind == static_cast<std::uint8_t>(Kind::Reply);
}

} // namespace

FrameReader& FrameReader::operator=(FrameReader&& other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(start_, other.start_);
    std::swap(filled_, other.filled_);
    return *this;
}

FrameReader::~FrameReader() {
    wipe(buffer_);
}

void FrameReader::forget(const Frame& frame) noexcept {
    const auto at = static_cast<std::size_t>(frame.payload.data() - buffer_.data());
    wipe(std::span(buffer_).subspan(at, frame.payload.size()));
}

std::span<std::uint8_t> FrameReader::space(std::size_t at_least) {
    if (start_ == filled_) {
        start_ = filled_ = 0;
    } else if (start_ > 0 && buffer_.size() - filled_ < at_least) {
        std::memmove(buffer_.data(), buffer_.data() + start_, filled_ - start_);
        filled_ -= start_;
        start_ = 0;
    }
    if (buffer_.size() - filled_ < at_least) {
        Bytes larger(std::max(filled_ + at_least, 2 * buffer_.size()));
        std::copy_n(buffer_.begin(), filled_, larger.begin());
        wipe(buffer_);
        buffer_ = std::move(larger);
    }
    return std::span(buffer_).subspan(filled_);
}

Result<std::optional<Frame>> FrameReader::next() {
    const ByteView waiting = ByteView(buffer_).subspan(start_, filled_ - start_);
    if (waiting.size() < kFrameHead)
        return std::nullopt;
    Cursor cursor(waiting);
    const std::uint32_t length = cursor.u32();
    if (length < kFrameHead - 4 || length > kMaxFrame)
        return fail(Code::BadRequest, "a frame's length is out of range");
    const std::uint8_t kind = cursor.u8();
    if (!known(kind))
        return fail(Code::BadRequest, "a frame is of an unknown kind");
    const std::uint64_t id = cursor.u64();
    const std::size_t payload = length - (kFrameHead - 4);
    if (cursor.rest().size() < payload)
        return std::nullopt;
    start_ += kFrameHead + payload;
    return Frame{static_cast<Kind>(kind), id, cursor.take(payload)};
}

std::size_t begin_frame(Bytes& out, Kind kind, std::uint64_t id) {
    Writer(out).u32(0).u8(static_cast<std::uint8_t>(kind)).u64(id);
    return out.size();
}

void end_frame(Bytes& out, std::size_t payload_at) noexcept {
    const auto length = static_cast<std::uint32_t>(out.size() - payload_at + kFrameHead - 4);
    const std::size_t head = payload_at - kFrameHead;
    for (std::size_t i = 0; i < 4; ++i)
        out[head + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
}

} // namespace redoubt::wire
