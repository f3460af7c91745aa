// SPDX-License-Identifier: Apache-2.0
#include "wire/stream.h"

namespace redoubt::wire {

namespace {

constexpr std::size_t kMaxItemName = 2048; // as in message.cpp

std::unexpected<Error> malformed() {
    return fail(Code::BadRequest, "a stream's message between gateway and enclave is malformed");
}

} // namespace

void encode_stream_taken(Bytes& out, std::uint32_t bytes) {
    Writer(out).u32(bytes);
}

Result<std::uint32_t> decode_stream_taken(ByteView payload) {
    Cursor cursor(payload);
    const std::uint32_t bytes = cursor.u32();
    if (!cursor.finished() || bytes == 0 || bytes > kStreamWindow)
        return malformed();
    return bytes;
}

void encode_stream_close(Bytes& out, StreamEnd end) {
    Writer(out).u8(static_cast<std::uint8_t>(end));
}

Result<StreamEnd> decode_stream_close(ByteView payload) {
    Cursor cursor(payload);
    const std::uint8_t end = cursor.u8();
    if (!cursor.finished() || end > static_cast<std::uint8_t>(StreamEnd::Gone))
        return malformed();
    return static_cast<StreamEnd>(end);
}

void encode_stream_ask(Bytes& out, const StreamAsk& ask) {
    Writer(out).u32(ask.number);
    encode_reply(out, ask.reply);
}

Result<StreamAsk> decode_stream_ask(ByteView payload) {
    Cursor cursor(payload);
    StreamAsk out;
    out.number = cursor.u32();
    if (!cursor.ok())
        return malformed();
    REDOUBT_TRY(out.reply, decode_reply(cursor.rest()));
    return out;
}

void encode_stream_items(Bytes& out, const StreamItems& items) {
    Writer writer(out);
    writer.u32(items.number).u8(static_cast<std::uint8_t>(items.items.size()));
    for (const auto& item : items.items)
        writer.u8(static_cast<std::uint8_t>(item.kind)).block16(as_bytes(item.name)).block32(item.bytes);
}

Result<StreamItems> decode_stream_items(ByteView payload) {
    Cursor cursor(payload);
    StreamItems out;
    out.number = cursor.u32();
    const std::size_t count = cursor.u8();
    if (count > kMaxAttachments)
        return malformed();
    for (std::size_t i = 0; i < count && cursor.ok(); ++i) {
        const std::uint8_t kind = cursor.u8();
        const auto name = as_text(cursor.block16(kMaxItemName));
        if (kind < static_cast<std::uint8_t>(ItemKind::KeyRecord) ||
            kind > static_cast<std::uint8_t>(ItemKind::ReceiptStart))
            return malformed();
        out.items.push_back({static_cast<ItemKind>(kind), name, cursor.block32(kMaxAttachment)});
    }
    if (!cursor.finished())
        return malformed();
    return out;
}

void encode_stream_settled(Bytes& out, const StreamSettled& settled) {
    Writer(out)
        .u32(settled.number)
        .block16(as_bytes(settled.refused ? code_name(*settled.refused) : std::string_view()));
}

Result<StreamSettled> decode_stream_settled(ByteView payload) {
    Cursor cursor(payload);
    StreamSettled out;
    out.number = cursor.u32();
    const auto name = as_text(cursor.block16(kMaxSettledCode));
    if (!cursor.finished())
        return malformed();
    if (name.empty())
        return out;
    out.refused = code_from_name(name);
    if (!out.refused)
        return malformed();
    return out;
}

} // namespace redoubt::wire
