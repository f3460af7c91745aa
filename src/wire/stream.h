// SPDX-License-Identifier: Apache-2.0
// A client's TLS connection that ends in the enclave: its bytes pass through the gateway, which reads none of
// them. What a request of it needs of the store and makes for it passes beside them, as names and sealed
// records. docs/formats/wire.md.
//
// Each side may have kStreamWindow bytes of a stream on their way that the other has not taken; more ends the
// stream. Every field is bounded; a message with anything left over is refused. Views in decoded messages
// point into the frame.
#pragma once

#include "wire/message.h"

namespace redoubt::wire {

inline constexpr std::size_t kMaxStreams = 1'024;        // of one enclave, by all its connections
inline constexpr std::size_t kStreamWindow = 64 * 1024;  // each way
inline constexpr std::size_t kMaxStreamData = 16 * 1024; // in a frame
inline constexpr std::size_t kMaxSettledCode = 64;       // of a code's name

// Encoders append a payload. Decoders: Error BadRequest.

void encode_stream_taken(Bytes& out, std::uint32_t bytes);
Result<std::uint32_t> decode_stream_taken(ByteView payload); // 1 … kStreamWindow

enum class StreamEnd : std::uint8_t {
    Finished = 0, // gateway: the client sends no more, and may still read
    Gone = 1,     // the stream is over; what was sent before it still counts
};
void encode_stream_close(Bytes& out, StreamEnd end);
Result<StreamEnd> decode_stream_close(ByteView payload);

// Of the enclave, about request `number` of its stream. The reply has needs, or a status with records, or a
// refusal that a newer record might change. Its body is empty, but for such a refusal's code.
struct StreamAsk {
    std::uint32_t number = 0;
    Reply reply;
};
void encode_stream_ask(Bytes& out, const StreamAsk& ask);
Result<StreamAsk> decode_stream_ask(ByteView payload);

// All that was needed for the request so far.
struct StreamItems {
    std::uint32_t number = 0;
    std::vector<Item> items; // at most kMaxAttachments
};
void encode_stream_items(Bytes& out, const StreamItems& items);
Result<StreamItems> decode_stream_items(ByteView payload);

// What the enclave made for the request is stored, and the client is to be answered; or it is to be refused.
struct StreamSettled {
    std::uint32_t number = 0;
    std::optional<Code> refused;
};
void encode_stream_settled(Bytes& out, const StreamSettled& settled);
Result<StreamSettled> decode_stream_settled(ByteView payload);

} // namespace redoubt::wire
