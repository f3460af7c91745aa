// SPDX-License-Identifier: Apache-2.0
#include "enclave/tls_stream.h"

#include "enclave/asked.h"

#include <algorithm>
#include <utility>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kMaxUnsent = 256 * 1024; // beyond, no further request is read
constexpr std::size_t kReadBuffer = 16 * 1024; // a TLS record's
constexpr std::size_t kTellTaken = wire::kStreamWindow / 4;
constexpr std::size_t kMaxHeader = 8'192; // wire/message.cpp takes no longer one
constexpr int kMaxRounds = 8;             // times that the gateway may send items for a request
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// What decides; all else stands in no signature and is read by nobody.
bool passed_on(std::string_view name) noexcept {
    return name == "content-type" || name == "content-digest" || name == "signature" ||
           name == "signature-input";
}

std::unexpected<Error> broken() {
    return fail(Code::BadRequest, "the gateway breaks the rules of streams");
}

bool says(const wire::Reply& reply, Code code) noexcept {
    return reply.status == http_status(code) && code_of(reply) == code_name(code);
}

// A newer record, or another enclave's counters, may change these.
bool may_change(const wire::Reply& reply) noexcept {
    return says(reply, Code::RecordStale) || says(reply, Code::LimitsElsewhere);
}

// When a request that a limit has no room for may fit, as the body tells whom the policy names.
std::optional<std::uint64_t> room_after(std::string_view body) {
    json::Document document;
    const auto root = document.parse(body);
    const auto decision = root ? root->get("decision") : std::nullopt;
    const auto seconds = decision ? decision->get("retry_after_seconds") : std::nullopt;
    return seconds ? seconds->u64() : std::nullopt;
}

// The host's word, in the enclave's own words: no text of its comes to a client from here.
constexpr FixedText kHostRefused =
    "the gateway could not give, or store, what the request needs; the code says why, by its word alone";

} // namespace

TlsStreams::TlsStreams(const TlsIdentity& identity, std::shared_ptr<StreamLoad> load, Hooks hooks,
                       StreamTimes times)
    : identity_(identity), load_(std::move(load)), hooks_(std::move(hooks)), times_(times) {}

TlsStreams::~TlsStreams() {
    for (const auto& [id, stream] : streams_)
        load_->bytes -= stream->accounted;
    load_->streams -= streams_.size();
}

Status TlsStreams::open(std::uint64_t id, std::int64_t now) {
    if (streams_.contains(id))
        return broken();
    const bool room = load_->streams.fetch_add(1) < wire::kMaxStreams;
    auto session = room && load_->handshakes.take()
                       ? TlsSession::accept(identity_.context())
                       : Result<TlsSession>(fail(Code::Overloaded, "too many streams"));
    if (!session) {
        --load_->streams;
        hooks_.send(wire::Kind::StreamClose, id,
                    [](Bytes& out) { wire::encode_stream_close(out, wire::StreamEnd::Gone); });
        return {};
    }
    streams_.emplace(id, std::make_unique<Stream>(id, std::move(*session), now));
    return {};
}

Status TlsStreams::take(const wire::Frame& frame, std::int64_t now) {
    if (frame.kind == wire::Kind::StreamOpen)
        return frame.payload.empty() ? open(frame.id, now) : Status(broken());
    const auto found = streams_.find(frame.id);
    if (found == streams_.end())
        return {}; // it ended here while the frame was on its way
    REDOUBT_CHECK(take(*found->second, frame, now));
    settle(*found->second, now);
    return {};
}

Status TlsStreams::take(Stream& stream, const wire::Frame& frame, std::int64_t now) {
    switch (frame.kind) {
    case wire::Kind::StreamData:
        if (frame.payload.empty() || frame.payload.size() > wire::kMaxStreamData || stream.input_ended ||
            stream.fed - stream.told + frame.payload.size() > wire::kStreamWindow)
            return broken();
        stream.session.feed(frame.payload);
        stream.fed += frame.payload.size();
        return {};
    case wire::Kind::StreamTaken: {
        REDOUBT_TRY(const std::uint32_t taken, wire::decode_stream_taken(frame.payload));
        if (taken > wire::kStreamWindow - stream.window)
            return broken();
        stream.window += taken;
        stream.moved = now;
        return {};
    }
    case wire::Kind::StreamClose: {
        REDOUBT_TRY(const auto end, wire::decode_stream_close(frame.payload));
        stream.input_ended = true;
        stream.dead = end == wire::StreamEnd::Gone;
        return {};
    }
    case wire::Kind::StreamItems: {
        REDOUBT_TRY(const auto message, wire::decode_stream_items(frame.payload));
        if (!stream.work || stream.work->number != message.number ||
            !std::exchange(stream.work->asked, false))
            return {}; // too late
        Work& work = *stream.work;
        work.items.clear();
        for (const auto& item : message.items)
            work.items.push_back({{item.kind, std::string(item.name)}, to_bytes(item.bytes)});
        if (++work.rounds > kMaxRounds)
            refuse(stream, {Code::Internal, "the gateway sends the same again and again"}, now);
        else
            run(stream, now);
        return {};
    }
    case wire::Kind::StreamSettled: {
        REDOUBT_TRY(const auto message, wire::decode_stream_settled(frame.payload));
        if (!stream.work || stream.work->number != message.number ||
            !std::exchange(stream.work->asked, false))
            return {};
        const wire::Reply held = std::move(stream.work->held);
        if (held.status != wire::kNeeds && (!message.refused || says(held, *message.refused)))
            respond(stream, held, now);
        else
            refuse(stream, {message.refused.value_or(Code::Internal), kHostRefused}, now);
        return {};
    }
    default:
        return broken();
    }
}

// Reads requests until there are no more bytes, or one is in work.
void TlsStreams::pump(Stream& stream, std::int64_t now) {
    ByteArray<kReadBuffer> buffer;
    while (!stream.closing && !stream.dead && !stream.work && stream.session.unsent() <= kMaxUnsent) {
        if (stream.in.empty()) {
            std::size_t n = 0;
            const bool was_open = stream.session.open();
            const auto read = stream.session.read(buffer, n);
            if (!was_open && stream.session.open()) {
                stream.since = now;
                stream.client = stream.session.client_key();
            }
            switch (read) {
            case TlsSession::Read::Some:
                stream.in.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
                break;
            case TlsSession::Read::None:
                stream.closing = stream.input_ended;
                return;
            case TlsSession::Read::Closed:
                stream.session.shutdown();
                stream.closing = true;
                return;
            case TlsSession::Read::Failed:
                stream.closing = true; // an alert may have to go out
                return;
            }
        }
        if (!stream.parser.started())
            stream.request_since = now;
        const auto taken = stream.parser.feed(stream.in);
        if (!taken)
            return reject(stream, taken.error(), now);
        stream.in.erase(stream.in.begin(), stream.in.begin() + static_cast<std::ptrdiff_t>(*taken));
        account(stream);
        if (stream.accounted > kFairStreamBytes && load_->bytes > kMaxStreamBytes)
            return reject(
                stream,
                {Code::Overloaded, "the enclave holds too many request bodies; try again in a second"}, now);
        if (stream.parser.done()) {
            begin(stream, now);
        } else if (!stream.continued && stream.parser.head_done() &&
                   stream.parser.request().expect_continue) {
            stream.continued = true; // RFC 9110, section 10.1.1
            stream.closing = !stream.session.write(as_bytes(kContinue));
        }
    }
}

void TlsStreams::begin(Stream& stream, std::int64_t now) {
    Work& work = stream.work.emplace();
    work.number = ++stream.last_number;
    work.request = stream.parser.take_request();
    work.since = now;
    stream.continued = false;
    std::size_t headers = 0;
    for (const auto& header : work.request.headers)
        if (passed_on(header.name) && (header.value.size() > kMaxHeader || ++headers > wire::kMaxHeaders))
            return refuse(
                stream,
                {Code::HeadersTooLarge,
                 "there are too many content or signature headers, or one is longer than 8,192 bytes"},
                now);
    run(stream, now);
}

void TlsStreams::run(Stream& stream, std::int64_t now) {
    const Work& work = *stream.work;
    wire::Request message;
    message.method = work.request.method;
    message.authority = work.request.authority;
    message.path = work.request.path;
    message.query = work.request.query;
    message.has_query = work.request.has_query;
    message.deadline_ms =
        static_cast<std::uint32_t>(std::max<std::int64_t>(1, times_.deadline_ms - (now - work.since)));
    message.body = work.request.body;
    for (const auto& header : work.request.headers)
        if (passed_on(header.name))
            message.headers.push_back({header.name, header.value});
    for (const auto& [what, bytes] : work.items)
        message.items.push_back({what.kind, what.name, bytes});
    Bytes payload;
    wire::encode_request(payload, message);
    if (auto reply = hooks_.run(stream.id, work.number, payload, stream.client))
        judge(stream, std::move(*reply), now);
}

void TlsStreams::replied(std::uint64_t id, std::uint32_t number, wire::Reply reply, std::int64_t now) {
    const auto found = streams_.find(id);
    if (found == streams_.end() || !found->second->work || found->second->work->number != number) {
        // Its client has gone. What was made is stored all the same, and a repeat finds it.
        if (reply.status == wire::kNeeds || reply.records.empty())
            return;
        return hooks_.send(wire::Kind::StreamAsk, id, [&](Bytes& out) {
            reply.body.clear();
            wire::encode_stream_ask(out, {number, std::move(reply)});
        });
    }
    judge(*found->second, std::move(reply), now);
    settle(*found->second, now);
}

// What the gateway has no part in is answered at once.
void TlsStreams::judge(Stream& stream, wire::Reply reply, std::int64_t now) {
    const bool again = may_change(reply);
    if (reply.status != wire::kNeeds && reply.records.empty() && !again)
        return respond(stream, reply, now);
    wire::StreamAsk ask{stream.work->number, {}};
    ask.reply.status = reply.status;
    ask.reply.content_type = again ? wire::ContentType::Json : wire::ContentType::None;
    if (again) // only the code: what a refusal says beside it may be about the request
        ask.reply.body =
            wire::error_reply({*code_from_name(code_of(reply)), "a newer record may change it"}).body;
    ask.reply.needs = reply.needs;
    wire::Reply::Records receipts;
    for (const auto& record : reply.records)
        if (record.kind == wire::ItemKind::Receipt || record.kind == wire::ItemKind::ReceiptHead)
            receipts.push_back(record);
    ask.reply.records = std::exchange(reply.records, std::move(receipts));
    stream.work->held = std::move(reply);
    stream.work->asked = true;
    hooks_.send(wire::Kind::StreamAsk, stream.id, [&](Bytes& out) { wire::encode_stream_ask(out, ask); });
}

void TlsStreams::respond(Stream& stream, const wire::Reply& reply, std::int64_t now) {
    Work work = std::move(*stream.work);
    stream.work.reset();
    stream.since = now;
    net::HttpResponse response = reply.content_type == wire::ContentType::Text
                                     ? net::HttpResponse::text(reply.status, reply.body)
                                     : net::HttpResponse::json(reply.status, reply.body);
    for (const auto& record : reply.records)
        if (record.kind == wire::ItemKind::Receipt || record.kind == wire::ItemKind::ReceiptHead)
            response.headers.push_back(
                {record.kind == wire::ItemKind::Receipt ? "redoubt-receipt" : "redoubt-receipt-head",
                 to_base64(record.bytes)});
    if (reply.status == 503)
        response.headers.push_back({"retry-after", "1"});
    else if (reply.status == http_status(Code::LimitReached))
        if (const auto seconds = room_after(reply.body))
            response.headers.push_back({"retry-after", std::to_string(*seconds)});
    // Another enclave counts for the key: a new connection may reach it.
    const bool stays = work.request.keep_alive && !stream.input_ended && !says(reply, Code::LimitsElsewhere);
    Bytes out;
    net::append_response(out, response, stays, work.request.method == "HEAD");
    if (!stream.session.write(out) || !stays) {
        stream.session.shutdown();
        stream.closing = true;
    }
}

void TlsStreams::refuse(Stream& stream, const Error& error, std::int64_t now) {
    respond(stream, wire::error_reply(error), now);
}

// The message's end is not known any more, so neither is the next one's beginning.
void TlsStreams::reject(Stream& stream, const Error& error, std::int64_t now) {
    stream.work.emplace();
    stream.work->request.keep_alive = false;
    refuse(stream, error, now);
}

void TlsStreams::flush(Stream& stream, std::int64_t now) {
    while (!stream.dead && stream.window > 0 && stream.session.unsent() > 0) {
        const std::size_t n = std::min({stream.window, wire::kMaxStreamData, stream.session.unsent()});
        hooks_.send(wire::Kind::StreamData, stream.id, [&](Bytes& out) { stream.session.take(out, n); });
        if (stream.window == wire::kStreamWindow)
            stream.moved = now;
        stream.window -= n;
    }
}

void TlsStreams::account(Stream& stream) {
    std::size_t now = stream.dead ? 0 : stream.parser.request().body.size() + stream.session.unsent();
    if (stream.work && !stream.dead) {
        now += stream.work->request.body.size() + stream.work->held.body.size();
        for (const auto& item : stream.work->items)
            now += item.second.size();
    }
    load_->bytes += now - stream.accounted; // modulo 2^64, as the sum is
    stream.accounted = now;
}

void TlsStreams::settle(Stream& stream, std::int64_t now) {
    for (;;) {
        pump(stream, now);
        const std::size_t unsent = stream.session.unsent();
        flush(stream, now);
        if (unsent <= kMaxUnsent || stream.session.unsent() > kMaxUnsent)
            break; // nothing that pump() stopped for was changed
    }
    const std::size_t taken = stream.fed - stream.session.unread();
    if (!stream.dead && !stream.closing && taken - stream.told >= kTellTaken) {
        hooks_.send(wire::Kind::StreamTaken, stream.id, [&](Bytes& out) {
            wire::encode_stream_taken(out, static_cast<std::uint32_t>(taken - stream.told));
        });
        stream.told = taken;
    }
    if (stream.closing && stream.session.unsent() == 0 && !stream.dead) {
        stream.dead = true;
        hooks_.send(wire::Kind::StreamClose, stream.id,
                    [](Bytes& out) { wire::encode_stream_close(out, wire::StreamEnd::Gone); });
    }
    account(stream);
    if (stream.dead) {
        --load_->streams;
        streams_.erase(stream.id);
    }
}

void TlsStreams::sweep(std::int64_t now) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, stream] : streams_)
        ids.push_back(id);
    for (const std::uint64_t id : ids) {
        Stream& stream = *streams_.at(id);
        const auto end = [&] {
            stream.dead = true;
            hooks_.send(wire::Kind::StreamClose, id,
                        [](Bytes& out) { wire::encode_stream_close(out, wire::StreamEnd::Gone); });
        };
        if (stream.session.unsent() > 0 && now - stream.moved >= times_.stuck_ms) {
            end();
        } else if (!stream.session.open()) {
            if (now - stream.since >= times_.handshake_ms)
                end();
        } else if (stream.work) {
            if (now - stream.work->since >= times_.settle_ms) {
                stream.work->request.keep_alive = false;
                const wire::Reply late = wire::error_reply(
                    {Code::EnclaveTimeout, "the request took too long; nothing says whether it was signed"});
                respond(stream, late, now);
            }
        } else if (stream.parser.started()) {
            if (now - stream.request_since >= times_.request_ms)
                reject(stream, {Code::Timeout, "the request did not arrive in time; send it faster"}, now);
        } else if (now - stream.since >= times_.idle_ms && stream.session.unsent() == 0) {
            stream.session.shutdown();
            stream.closing = true;
        }
        settle(stream, now);
    }
}

} // namespace redoubt::enclave
