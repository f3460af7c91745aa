// SPDX-License-Identifier: Apache-2.0
#include "wire/message.h"

#include "base/json.h"

#include <algorithm>
#include <array>

namespace redoubt::wire {

namespace {

constexpr std::size_t kMaxName = 2048; // a secret's ARN is the longest
constexpr std::size_t kMaxHeader = 8192;
constexpr std::size_t kMaxToken = 16 * 1024;

std::unexpected<Error> malformed() {
    return fail(Code::BadRequest, "a message between gateway and enclave is malformed");
}

std::string_view text16(Cursor& cursor, std::size_t limit) noexcept {
    return as_text(cursor.block16(limit));
}

bool valid_item(ItemKind kind) noexcept {
    return kind >= ItemKind::KeyRecord && kind <= ItemKind::ReceiptStart;
}

} // namespace

bool is_request_id(std::string_view text) noexcept {
    static constexpr auto kAllowed = [] {
        std::array<bool, 256> out{};
        for (const char c :
             std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"))
            out[static_cast<std::uint8_t>(c)] = true;
        return out;
    }();
    return !text.empty() && text.size() <= kMaxRequestId &&
           std::ranges::all_of(text, [](char c) { return kAllowed[static_cast<std::uint8_t>(c)]; });
}

void encode_request(Bytes& out, const Request& request) {
    Writer writer(out);
    writer.block16(as_bytes(request.method))
        .block16(as_bytes(request.authority))
        .block16(as_bytes(request.path))
        .u8(request.has_query ? 1 : 0)
        .block16(as_bytes(request.query))
        .u32(request.deadline_ms)
        .block16(as_bytes(request.principal.host_name))
        .block16(as_bytes(request.request_id))
        .u8(static_cast<std::uint8_t>(request.headers.size()));
    for (const auto& header : request.headers)
        writer.block16(as_bytes(header.name)).block16(as_bytes(header.value));
    writer.u8(static_cast<std::uint8_t>(request.items.size()));
    for (const auto& item : request.items)
        writer.u8(static_cast<std::uint8_t>(item.kind)).block16(as_bytes(item.name)).block32(item.bytes);
    writer.block32(request.body);
}

Result<Request> decode_request(ByteView payload) {
    Request request;
    REDOUBT_CHECK(decode_request(payload, request));
    return request;
}

Status decode_request(ByteView payload, Request& request) {
    Cursor cursor(payload);
    request.headers.clear();
    request.items.clear();
    request.method = text16(cursor, 32);
    request.authority = text16(cursor, kMaxHeader);
    request.path = text16(cursor, kMaxHeader);
    const std::uint8_t has_query = cursor.u8();
    request.has_query = has_query == 1;
    request.query = text16(cursor, kMaxHeader);
    request.deadline_ms = cursor.u32();
    request.principal.host_name = text16(cursor, 256);
    request.request_id = text16(cursor, kMaxRequestId);
    if (!request.request_id.empty() && !is_request_id(request.request_id))
        return malformed();
    const std::size_t headers = cursor.u8();
    if (has_query > 1 || headers > kMaxHeaders)
        return malformed();
    for (std::size_t i = 0; i < headers && cursor.ok(); ++i) {
        const auto name = text16(cursor, 64);
        request.headers.push_back({name, text16(cursor, kMaxHeader)});
    }
    const std::size_t items = cursor.u8();
    if (items > kMaxAttachments)
        return malformed();
    for (std::size_t i = 0; i < items && cursor.ok(); ++i) {
        const auto kind = static_cast<ItemKind>(cursor.u8());
        const auto name = text16(cursor, kMaxName);
        if (!valid_item(kind))
            return malformed();
        request.items.push_back({kind, name, cursor.block32(kMaxAttachment)});
    }
    request.body = cursor.block32(kMaxBody);
    if (!cursor.finished())
        return malformed();
    return {};
}

void encode_credentials(Bytes& out, const CredentialsMessage& credentials) {
    const SecretAccess why("credentials to the enclave, which signs its KMS calls with them");
    Writer(out)
        .block16(as_bytes(credentials.access_key_id))
        .block16(credentials.secret_access_key.view(why))
        .block16(credentials.session_token.view(why))
        .u64(static_cast<std::uint64_t>(credentials.expires));
}

Result<CredentialsMessage> decode_credentials(ByteView payload) {
    Cursor cursor(payload);
    CredentialsMessage out;
    out.access_key_id = std::string(text16(cursor, 128));
    out.secret_access_key = Secret::copy_of(cursor.block16(1024));
    out.session_token = Secret::copy_of(cursor.block16(kMaxToken));
    out.expires = static_cast<UnixMs>(cursor.u64());
    if (!cursor.finished() || out.access_key_id.empty() || out.secret_access_key.empty() || out.expires < 0)
        return malformed();
    return out;
}

void encode_forget(Bytes& out, const Forget& forget) {
    if (forget.key_id)
        Writer(out).bytes(*forget.key_id).u32(forget.revision);
}

Result<Forget> decode_forget(ByteView payload) {
    Forget out;
    if (payload.empty())
        return out;
    Cursor cursor(payload);
    out.key_id = cursor.array<16>();
    out.revision = cursor.u32();
    if (!cursor.finished())
        return malformed();
    return out;
}

void encode_receipts_asked(Bytes& out, const ReceiptsAsked& asked) {
    Writer(out).bytes(asked.chain).u8(asked.through ? 1 : 0).u64(asked.through.value_or(0));
}

Result<ReceiptsAsked> decode_receipts_asked(ByteView payload) {
    Cursor cursor(payload);
    ReceiptsAsked out;
    out.chain = cursor.array<16>();
    const std::uint8_t has = cursor.u8();
    const std::uint64_t through = cursor.u64();
    if (!cursor.finished() || has > 1 || (has == 0 && through != 0))
        return malformed();
    if (has == 1)
        out.through = through;
    return out;
}

void encode_reply(Bytes& out, const Reply& reply) {
    Writer writer(out);
    writer.u16(reply.status).u8(static_cast<std::uint8_t>(reply.content_type)).block32(as_bytes(reply.body));
    writer.u8(static_cast<std::uint8_t>(reply.records.size()));
    for (const auto& record : reply.records)
        writer.u8(static_cast<std::uint8_t>(record.kind))
            .block16(as_bytes(record.name))
            .block32(record.bytes);
    writer.u8(static_cast<std::uint8_t>(reply.needs.size()));
    for (const auto& need : reply.needs)
        writer.u8(static_cast<std::uint8_t>(need.kind)).block16(as_bytes(need.name));
}

Result<Reply> decode_reply(ByteView payload) {
    Reply reply;
    REDOUBT_CHECK(decode_reply(payload, reply));
    return reply;
}

Status decode_reply(ByteView payload, Reply& reply) {
    Cursor cursor(payload);
    reply.status = cursor.u16();
    const std::uint8_t type = cursor.u8();
    reply.content_type = static_cast<ContentType>(type);
    reply.body = as_text(cursor.block32(kMaxFrame));
    const std::size_t records = cursor.u8();
    if (type > 2 || records > kMaxRecords)
        return malformed();
    reply.records.resize(records);
    for (auto& record : reply.records) {
        record.kind = static_cast<ItemKind>(cursor.u8());
        record.name = text16(cursor, kMaxRecordName);
        const ByteView bytes = cursor.block32(kMaxAttachment);
        if (!cursor.ok() || !valid_item(record.kind))
            return malformed();
        record.bytes.assign(bytes.begin(), bytes.end());
    }
    reply.needs.clear();
    const std::size_t needs = cursor.u8();
    if (needs > kMaxAttachments)
        return malformed();
    for (std::size_t i = 0; i < needs && cursor.ok(); ++i) {
        const auto kind = static_cast<ItemKind>(cursor.u8());
        if (!valid_item(kind))
            return malformed();
        reply.needs.push_back({kind, std::string(text16(cursor, kMaxName))});
    }
    const bool status_fits =
        reply.status == kNeeds ? !reply.needs.empty() : reply.status >= 200 && reply.status < 600;
    if (!cursor.finished() || !status_fits)
        return malformed();
    return {};
}

Reply error_reply(const Error& error) {
    Reply reply;
    reply.status = static_cast<std::uint16_t>(http_status(error.code));
    json::Writer(reply.body)
        .begin_object()
        .member("error", error.text.view())
        .member("code", code_name(error.code))
        .end_object();
    return reply;
}

} // namespace redoubt::wire
