// SPDX-License-Identifier: Apache-2.0
// What a gateway may send of TLS streams, on any bytes: whatever message is accepted encodes to the bytes
// that it came from, and the enclave's side ends in an error or keeps its bounds. Seeds:
// corpus/stream_frames.
#include "crypto/random.h"
#include "enclave/tls_streams.h"
#include "wire/stream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

template<class Decoded, class Encode>
void same(const Result<Decoded>& decoded, const Encode& encode, ByteView payload) {
    if (!decoded)
        return;
    Bytes again;
    encode(again, *decoded);
    require(std::ranges::equal(again, payload));
}

void messages(ByteView payload) {
    same(wire::decode_stream_taken(payload), wire::encode_stream_taken, payload);
    same(wire::decode_stream_close(payload), wire::encode_stream_close, payload);
    same(wire::decode_stream_ask(payload), wire::encode_stream_ask, payload);
    same(wire::decode_stream_items(payload), wire::encode_stream_items, payload);
    same(wire::decode_stream_settled(payload), wire::encode_stream_settled, payload);
}

const enclave::TlsIdentity& identity() {
    static crypto::SystemRandom random;
    static const auto made = *enclave::TlsIdentity::create(random, 1'700'000'000'000);
    return *made;
}

// Frames as they come, to streams whose requests are never answered.
void streams(ByteView bytes) {
    const auto load = std::make_shared<enclave::StreamLoad>();
    {
        enclave::TlsStreams all(
            identity(), load,
            {[&](wire::Kind kind, std::uint64_t, const std::function<void(Bytes&)>& encode) {
                 Bytes payload;
                 encode(payload);
                 require(kind != wire::Kind::StreamData || payload.size() <= wire::kMaxStreamData);
             },
             [](std::uint64_t, std::uint32_t, const Bytes&, const enclave::ClientKey&) {
                 return std::optional<wire::Reply>();
             }});
        wire::FrameReader reader;
        const auto space = reader.space(bytes.size());
        std::ranges::copy(bytes, space.begin());
        reader.commit(bytes.size());
        std::int64_t now = 1'000;
        for (;;) {
            const auto frame = reader.next();
            if (!frame || !*frame)
                break;
            if (wire::is_stream((*frame)->kind) && !all.take(**frame, now++))
                break;
            require(load->streams == all.count());
        }
        all.sweep(now + 1'000'000);
    }
    require(load->streams == 0 && load->bytes == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    messages(bytes);
    streams(bytes);
    return 0;
}
