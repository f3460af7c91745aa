// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/nsm_device.h"

#include "base/log.h"
#include "nitro/cbor.h"
#include "nitrosim/buffers.h"

#include <algorithm>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint16_t kQueue = 0;
constexpr int kAnswersPerTurn = 8; // a document is a signature; then other sockets have their turn

Bytes nsm_error(std::string_view name) {
    Bytes out;
    nitro::cbor::Writer(out).map(1).text("Error").text(name);
    return out;
}

} // namespace

void NsmDevice::detached() {
    nsm_.reset();
    rings_ = nullptr;
}

void NsmDevice::kicked(std::uint16_t queue) {
    // The driver looks for both buffers at once, so it is told when both are back.
    for (int n = 0;; ++n) {
        Virtqueue* const ring = rings_ == nullptr ? nullptr : rings_->running(queue);
        if (ring == nullptr)
            return;
        const auto waiting = ring->available();
        if (waiting && *waiting < 2)
            return;
        if (n == kAnswersPerTurn) {
            if (again_ == 0)
                again_ = loop_.after(0, [this, queue] {
                    again_ = 0;
                    kicked(queue);
                });
            return;
        }
        const Status status = waiting ? answer(*ring) : Status(std::unexpected(waiting.error()));
        if (!status)
            return rings_->refuse(kQueue, status.error());
        rings_->notify(kQueue);
    }
}

Status NsmDevice::answer(Virtqueue& ring) {
    Chain request, response;
    REDOUBT_TRY(const bool first, ring.pop(request));
    REDOUBT_TRY(const bool second, ring.pop(response));
    if (!first || !second || request.writable_size != 0 || request.readable_size == 0 ||
        response.readable_size != 0 || response.writable_size == 0)
        return fail(Code::BadRequest, "the NSM takes a buffer to read, then one to write");
    // One byte more than a request may have is enough to see that it has too many.
    Bytes bytes(std::min(request.readable_size, nitro::kNsmMaxRequest + 1));
    (void)gather(request.readable, bytes);
    Bytes reply = exchange(bytes);
    if (reply.size() > response.writable_size)
        reply = nsm_error("BufferTooSmall");
    const std::size_t written = scatter(response.writable, reply);
    ring.push(request.head, 0);
    ring.push(response.head, static_cast<std::uint32_t>(written));
    return {};
}

Bytes NsmDevice::exchange(ByteView request) {
    if (request.size() > nitro::kNsmMaxRequest)
        return nsm_error("InputTooLarge");
    if (!nsm_) {
        auto made = make_();
        if (!made) {
            log(LogLevel::Error, "the NSM cannot be made", {{"why", made.error().text.view()}});
            return nsm_error("InternalError");
        }
        nsm_ = std::move(*made);
    }
    auto reply = nsm_->exchange(request);
    return reply ? std::move(*reply) : nsm_error("InternalError");
}

} // namespace redoubt::nitrosim
