// SPDX-License-Identifier: Apache-2.0
// Frames and messages between gateway and enclave on any bytes: the same frames however the stream is cut,
// and whatever message is accepted encodes to the bytes it came from. Seeds: corpus/frame.
#include "wire/message.h"
#include "wire/metrics.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Seen {
    std::vector<Bytes> frames; // kind, id, payload
    bool failed = false;
    bool operator==(const Seen&) const = default;
};

Seen read_all(ByteView stream, std::size_t step) {
    wire::FrameReader reader;
    Seen seen;
    while (!stream.empty()) {
        const std::size_t n = std::min(step, stream.size());
        const auto space = reader.space(n);
        require(space.size() >= n);
        std::memcpy(space.data(), stream.data(), n);
        reader.commit(n);
        stream = stream.subspan(n);
        for (;;) {
            const auto frame = reader.next();
            if (!frame) {
                seen.failed = true;
                return seen;
            }
            if (!*frame)
                break;
            Bytes copy;
            Writer(copy)
                .u8(static_cast<std::uint8_t>((*frame)->kind))
                .u64((*frame)->id)
                .bytes((*frame)->payload);
            seen.frames.push_back(std::move(copy));
        }
    }
    return seen;
}

void messages(ByteView payload) {
    if (const auto request = wire::decode_request(payload)) {
        require(request->headers.size() <= wire::kMaxHeaders &&
                request->items.size() <= wire::kMaxAttachments && request->body.size() <= wire::kMaxBody);
        Bytes again;
        wire::encode_request(again, *request);
        require(std::ranges::equal(again, payload));
    }
    static wire::Reply used; // whatever the last one left in it
    const bool read_again = wire::decode_reply(payload, used).has_value();
    const auto reply = wire::decode_reply(payload);
    require(reply.has_value() == read_again);
    if (reply) {
        Bytes again;
        wire::encode_reply(again, *reply);
        require(std::ranges::equal(again, payload));
        Bytes of_used;
        wire::encode_reply(of_used, used);
        require(of_used == again);
    }
    if (const auto forget = wire::decode_forget(payload)) {
        Bytes again;
        wire::encode_forget(again, *forget);
        require(std::ranges::equal(again, payload));
    }
    if (const auto samples = wire::decode_samples(payload)) {
        // What is of metrics unknown here is left out, so the bytes need not come back; the samples do.
        const auto again = wire::decode_samples(wire::encode_samples(*samples));
        require(samples->size() <= wire::kMaxSamples && again && *again == *samples);
    }
    if (const auto credentials = wire::decode_credentials(payload)) {
        Bytes again;
        wire::encode_credentials(again, *credentials);
        require(std::ranges::equal(again, payload));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    const Seen whole = read_all(bytes, size + 1);
    require(whole == read_all(bytes, 1));
    require(whole == read_all(bytes, 7));
    messages(bytes);
    for (const auto& frame : whole.frames)
        messages(ByteView(frame).subspan(9));
    return 0;
}
