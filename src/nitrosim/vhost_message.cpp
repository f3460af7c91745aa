// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vhost_message.h"

#include <algorithm>
#include <cstring>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint32_t kVersion = 1, kVersionMask = 3, kReply = 4, kNeedReply = 8;

struct Shape {
    VhostRequest request;
    std::uint32_t min_payload, max_payload;
    std::size_t max_files;
};

constexpr std::array kShapes = {
    Shape{VhostRequest::GetFeatures, 0, 0, 0},
    Shape{VhostRequest::SetFeatures, 8, 8, 0},
    Shape{VhostRequest::SetOwner, 0, 0, 0},
    Shape{VhostRequest::ResetOwner, 0, 0, 0},
    Shape{VhostRequest::SetMemTable, 8 + 32, 8 + 8 * 32, kVhostMaxFiles},
    Shape{VhostRequest::SetVringNum, 8, 8, 0},
    Shape{VhostRequest::SetVringAddr, 40, 40, 0},
    Shape{VhostRequest::SetVringBase, 8, 8, 0},
    Shape{VhostRequest::GetVringBase, 8, 8, 0},
    Shape{VhostRequest::SetVringKick, 8, 8, 1},
    Shape{VhostRequest::SetVringCall, 8, 8, 1},
    Shape{VhostRequest::SetVringErr, 8, 8, 1},
    Shape{VhostRequest::GetProtocolFeatures, 0, 0, 0},
    Shape{VhostRequest::SetProtocolFeatures, 8, 8, 0},
    Shape{VhostRequest::GetQueueNum, 0, 0, 0},
    Shape{VhostRequest::SetVringEnable, 8, 8, 0},
    Shape{VhostRequest::GetConfig, 12, kVhostMaxPayload, 0},
    Shape{VhostRequest::SetConfig, 12, kVhostMaxPayload, 0},
    Shape{VhostRequest::ResetDevice, 0, 0, 0},
};

const Shape* shape_of(VhostRequest request) noexcept {
    const auto found = std::ranges::find(kShapes, request, &Shape::request);
    return found == kShapes.end() ? nullptr : &*found;
}

} // namespace

Result<VhostHeader> parse_vhost_header(const ByteArray<kVhostHeader>& bytes) {
    std::array<std::uint32_t, 3> words;
    static_assert(sizeof words == kVhostHeader);
    std::memcpy(words.data(), bytes.data(), bytes.size());
    const VhostHeader header{VhostRequest{words[0]}, words[2]};
    // A reply that is asked for without VHOST_USER_PROTOCOL_F_REPLY_ACK, which is not offered, is not given.
    if ((words[1] & kVersionMask) != kVersion || (words[1] & ~(kVersionMask | kNeedReply)) != 0)
        return fail(Code::BadRequest, "a vhost-user message has flags of another version");
    const Shape* const shape = shape_of(header.request);
    if (shape == nullptr)
        return fail(Code::BadRequest, "a vhost-user message is of a kind that was not offered",
                    std::to_string(words[0]));
    if (header.size < shape->min_payload || header.size > shape->max_payload)
        return fail(Code::BadRequest, "a vhost-user message has an impossible length",
                    std::to_string(words[0]));
    return header;
}

Status check_vhost_message(const VhostMessage& message) {
    const Shape* const shape = shape_of(message.request);
    if (shape == nullptr || message.payload.size() < shape->min_payload ||
        message.payload.size() > shape->max_payload)
        return fail(Code::BadRequest, "a vhost-user message has an impossible length");
    if (message.files.size() > shape->max_files)
        return fail(Code::BadRequest, "a vhost-user message has more descriptors than it can use");
    return {};
}

Bytes make_vhost_reply(VhostRequest request, ByteView payload) {
    const std::array<std::uint32_t, 3> words{static_cast<std::uint32_t>(request), kVersion | kReply,
                                             static_cast<std::uint32_t>(payload.size())};
    Bytes out(kVhostHeader);
    std::memcpy(out.data(), words.data(), kVhostHeader);
    append(out, payload);
    return out;
}

} // namespace redoubt::nitrosim
