// SPDX-License-Identifier: Apache-2.0
// Frames between gateway and enclave on a byte stream (vsock or unix socket), big-endian:
//     u32 length of what follows (9 … kMaxFrame) | u8 kind | u64 id | payload
// The gateway chooses ids; a reply carries its request's id and may overtake others. docs/formats/wire.md.
#pragma once

#include "base/cursor.h"
#include "base/result.h"

namespace redoubt::wire {

inline constexpr std::size_t kMaxFrame = 4 * 1024 * 1024;
inline constexpr std::size_t kFrameHead = 13;

enum class Kind : std::uint8_t {
    Hello = 1,       // who are you: answered with a JSON description
    Manifest = 2,    // payload: the manifest's bytes; taken once
    Credentials = 3, // AWS credentials for KMS calls
    VaultCreate = 4, // no payload; the reply's records hold the sealed vault
    VaultOpen = 5,   // payload: a sealed vault record
    Request = 6,     // a client's request
    Probe = 7,       // sign with a key of the enclave's own: is it able to work?
    Forget = 8,   // payload: a Forget message; what was opened is wiped, and opened again when it is needed
    Receipts = 9, // payload: a ReceiptsAsked message; the reply's records hold what the log lacks
    Metrics = 10, // no payload; the reply's body is a list of samples (wire/metrics.h)
    // TLS connections of clients that end in the enclave; the frame's id is the stream's (wire/stream.h).
    StreamOpen = 0x20,    // gateway: a client has connected
    StreamData = 0x21,    // both: bytes of the connection
    StreamTaken = 0x22,   // both: so many of them were taken, and as many more may come
    StreamClose = 0x23,   // both
    StreamAsk = 0x24,     // enclave: what a request needs, or what it made, as a Reply without its body
    StreamItems = 0x25,   // gateway: what was needed
    StreamSettled = 0x26, // gateway: what was made is stored; or a code that says why not
    Reply = 0x80,
};

struct Frame {
    Kind kind;
    std::uint64_t id;
    ByteView payload; // views the reader's buffer until its next feed()
};

constexpr bool is_stream(Kind kind) noexcept {
    return kind >= Kind::StreamOpen && kind <= Kind::StreamSettled;
}

// Cuts a byte stream into frames. Not thread-safe.
class FrameReader {
  public:
    FrameReader() = default;
    FrameReader(FrameReader&& other) noexcept = default;
    FrameReader& operator=(FrameReader&& other) noexcept;
    ~FrameReader();
    // Room to read into; then commit what arrived.
    std::span<std::uint8_t> space(std::size_t at_least = 64 * 1024);
    void commit(std::size_t n) noexcept { filled_ += n; }
    // The next whole frame, nullopt when more bytes are needed. Error: BadRequest (length out of range,
    // unknown kind): the stream is lost and must be closed.
    Result<std::optional<Frame>> next();
    // Overwrites the last frame's payload, which held credentials. What the buffer held is also overwritten
    // when it grows or dies.
    void forget(const Frame& frame) noexcept;

  private:
    Bytes buffer_;
    std::size_t start_ = 0, filled_ = 0;
};

// Appends a frame's head and returns where the payload begins; end_frame fills in the length.
std::size_t begin_frame(Bytes& out, Kind kind, std::uint64_t id);
void end_frame(Bytes& out, std::size_t payload_at) noexcept;

} // namespace redoubt::wire
