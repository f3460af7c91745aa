// SPDX-License-Identifier: Apache-2.0
#include "http2/session.h"

#include "base/clock.h"
#include "http2/callbacks.h"
#include "http2/http2.h"
#include "net/http_head.h"

#include <algorithm>
#include <utility>

namespace redoubt::http2 {

namespace {

constexpr std::uint32_t kStreamWindow = 256 * 1024;
constexpr std::int32_t kConnectionWindow = 1 << 20;
constexpr std::size_t kFill = 64 * 1024; // written at once: four TLS records
constexpr std::size_t kExchangesKept = 4096;
constexpr std::size_t kMaxQueued = 1'000; // frames that wait to be sent, before nothing more is read
constexpr std::int64_t kResetsAtOnce = 200, kResetsPerSecond = 30;
constexpr std::int64_t kFramesAtOnce = 2'000, kFramesPerSecond = 200;

// A slot's number, and the stream's so that an answer to an earlier one finds nothing.
std::uint64_t sequence_of(const Exchange& exchange) noexcept {
    return static_cast<std::uint64_t>(exchange.id) << 32 | exchange.slot;
}

} // namespace

std::function<std::unique_ptr<net::HttpProtocol>(net::HttpCarrier&)> protocol() {
    return [shared = std::make_shared<Shared>()](net::HttpCarrier& carrier) {
        return std::make_unique<Session>(shared, carrier);
    };
}

Session::Session(std::shared_ptr<Shared> shared, net::HttpCarrier& carrier)
    : shared_(std::move(shared)), carrier_(carrier), memory_(shared_->blocks), began_ms_(monotonic_ms()),
      now_(began_ms_), resets_(kResetsAtOnce, kResetsPerSecond, now_),
      frames_(kFramesAtOnce, kFramesPerSecond, now_) {
    const auto& options = carrier.options();
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(options.max_streams)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<std::uint32_t>(options.limits.header_bytes + options.limits.request_line)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    session_ = Callbacks::make_session(*this, memory_.get());
    if (session_ == nullptr ||
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0 ||
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) != 0)
        carrier_.no_more = carrier_.close_wanted = true;
    if (carrier_.draining())
        drain();
    carrier_.want_flush();
}

Session::~Session() {
    ended();
}

void Session::ended() noexcept {
    nghttp2_session_del(std::exchange(session_, nullptr));
    for (auto& slot : slots_)
        if (slot)
            release(*slot);
    ready_.clear();
    ready_at_ = 0;
    held_ = 0;
}

Exchange* Session::open_exchange(std::int32_t id) {
    std::unique_ptr<Exchange> exchange;
    if (shared_->exchanges.empty()) {
        exchange = std::make_unique<Exchange>();
    } else {
        exchange = std::move(shared_->exchanges.back());
        shared_->exchanges.pop_back();
    }
    if (free_slots_.empty()) {
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    exchange->slot = free_slots_.back();
    free_slots_.pop_back();
    exchange->id = id;
    exchange->state = Exchange::State::Head;
    exchange->whole = exchange->gone = exchange->to_head = false;
    exchange->held = exchange->at = 0;
    exchange->since_ms = now_;
    exchange->head.begin(carrier_.options().limits, carrier_.secure());
    auto& slot = slots_[exchange->slot];
    slot = std::move(exchange);
    return slot.get();
}

void Session::enter(Exchange& exchange, Exchange::State state) noexcept {
    if (exchange.state < Exchange::State::Ready && state >= Exchange::State::Ready)
        ++busy_;
    exchange.state = state;
}

void Session::release(Exchange& exchange) noexcept {
    if (exchange.state >= Exchange::State::Ready && !exchange.gone)
        --busy_;
    if (exchange.state == Exchange::State::Working)
        --in_work_;
    if (exchange.state == Exchange::State::Answering)
        unanswered_bytes_ -= exchange.response.body.size() - exchange.at;
    (void)hold(exchange, 0);
    exchange.head.request = {};
    net::give_back(std::move(exchange.response));
    exchange.response = {};
    free_slots_.push_back(exchange.slot);
    auto& slot = slots_[exchange.slot];
    if (shared_->exchanges.size() < kExchangesKept)
        shared_->exchanges.push_back(std::move(slot));
    slot.reset();
}

Exchange* Session::find(std::uint64_t sequence) const noexcept {
    const auto slot = static_cast<std::size_t>(sequence & 0xffff'ffff);
    Exchange* const out = slot < slots_.size() ? slots_[slot].get() : nullptr;
    return out != nullptr && sequence_of(*out) == sequence ? out : nullptr;
}

bool Session::hold(Exchange& exchange, std::size_t bytes) noexcept {
    held_ += bytes - exchange.held;
    exchange.held = bytes;
    return carrier_.hold(held_);
}

void Session::take(ByteView bytes) {
    if (session_ == nullptr)
        return;
    now_ = monotonic_ms();
    const auto taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
    if (calm_)
        fail_session(NGHTTP2_ENHANCE_YOUR_CALM);
    else if (taken < 0)
        fail_session(taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
                     : taken == NGHTTP2_ERR_NOMEM ? NGHTTP2_INTERNAL_ERROR
                                                  : NGHTTP2_PROTOCOL_ERROR);
    else
        hand_on();
    if (session_ != nullptr &&
        (nghttp2_session_want_write(session_) != 0 || nghttp2_session_want_read(session_) == 0))
        carrier_.want_flush();
}

// Says goodbye with an error; nothing else is read or answered.
void Session::fail_session(std::uint32_t error) {
    if (std::exchange(failed_, true))
        return;
    if (nghttp2_session_terminate_session(session_, error) != 0)
        carrier_.close_wanted = true; // without a goodbye
    carrier_.no_more = true;
    carrier_.want_flush();
}

void Session::fill() {
    if (session_ == nullptr || carrier_.cut)
        return;
    if (!pump(kFill) ||
        (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0))
        carrier_.no_more = carrier_.close_wanted = true;
}

// Appends to what is unsent what libnghttp2 has, until there are so many bytes. False: it failed.
bool Session::pump(std::size_t until) {
    while (carrier_.unsent() < until) {
        const std::uint8_t* data = nullptr;
        paused_ = false;
        const auto size = nghttp2_session_mem_send(session_, &data);
        if (size < 0)
            return false;
        if (size == 0 && !paused_)
            return true;
        append(carrier_.out, {data, static_cast<std::size_t>(size)});
    }
    return true;
}

bool Session::wants_input() const noexcept {
    return session_ != nullptr && carrier_.unsent() < kFill &&
           nghttp2_session_get_outbound_queue_size(session_) < kMaxQueued;
}

// Requests that are whole go to the handler, for as long as the client takes the answers.
void Session::hand_on() {
    using net::HttpCarrier;
    while (ready_at_ < ready_.size() && carrier_.open() && !failed_ && !calm_ &&
           unanswered_bytes_ <= HttpCarrier::kMaxUnsent) {
        Exchange* const next = ready_[ready_at_++];
        if (next == nullptr) // its stream was closed meanwhile
            continue;
        Exchange& exchange = *next;
        if (in_work_ >= carrier_.options().max_streams) {
            // Requests that were reset are still in work: the client would have more of them than it may.
            spend_reset();
            (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange.id, NGHTTP2_REFUSED_STREAM);
            enter(exchange, Exchange::State::Answering); // released when the stream closes
            exchange.mark_ms = now_;
            exchange.mark_at = 0;
            exchange.mark_sent = body_sent_;
            carrier_.want_flush();
            continue;
        }
        if (!hold(exchange, exchange.held)) {
            refuse(exchange,
                   {Code::Overloaded, "the server holds too many request bodies; try again in a second"});
            carrier_.want_flush();
            continue;
        }
        enter(exchange, Exchange::State::Working);
        ++in_work_;
        frames_.earn(4);
        ++carrier_.counts().requests_http2;
        carrier_.hand_on(std::move(exchange.head.request), sequence_of(exchange));
    }
    if (ready_at_ == ready_.size()) {
        ready_.clear();
        ready_at_ = 0;
    }
    if (calm_ && carrier_.open())
        fail_session(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Session::answer(std::uint64_t sequence, net::HttpResponse response,
                     std::optional<std::size_t> cut_after) {
    Exchange* const exchange = find(sequence);
    if (session_ == nullptr || exchange == nullptr || exchange->state != Exchange::State::Working)
        return;
    if (exchange->gone)
        return release(*exchange);
    --in_work_;
    if (!cut_after) {
        respond(*exchange, std::move(response));
    } else if (!carrier_.cut && pump(SIZE_MAX)) {
        const std::size_t before = carrier_.out.size();
        respond(*exchange, std::move(response));
        (void)pump(SIZE_MAX);
        carrier_.out.resize(std::min(carrier_.out.size(), before + *cut_after));
        carrier_.no_more = carrier_.cut = true;
    }
    carrier_.want_flush();
}

bool Session::gone(std::uint64_t sequence) const noexcept {
    const Exchange* const exchange = find(sequence);
    return exchange == nullptr || exchange->gone;
}

void Session::head_complete(Exchange& exchange, bool last) {
    exchange.whole = last;
    exchange.to_head = exchange.head.method() == "HEAD";
    if (auto head = exchange.head.end(); !head)
        return refuse(exchange, head.error());
    enter(exchange, Exchange::State::Body);
    if (last)
        return request_complete(exchange);
    exchange.head.request.body.reserve(static_cast<std::size_t>(
        std::min<std::uint64_t>(exchange.head.length().value_or(0), net::kFirstBodyBytes)));
    if (exchange.head.request.expect_continue)
        offer_continue(exchange);
}

void Session::body(Exchange& exchange, ByteView bytes) {
    Bytes& out = exchange.head.request.body;
    if (bytes.size() > carrier_.options().limits.body - out.size())
        return refuse(exchange, {Code::TooLarge, "the body is larger than the limit"});
    if (const auto length = exchange.head.length(); length && bytes.size() > *length - out.size())
        return refuse(exchange, {Code::BadRequest, "the body is longer than the Content-Length says"});
    append(out, bytes);
    if (!hold(exchange, out.size()))
        refuse(exchange,
               {Code::Overloaded, "the server holds too many request bodies; try again in a second"});
}

void Session::request_complete(Exchange& exchange) {
    exchange.whole = true;
    const auto length = exchange.head.length();
    if (length && *length != exchange.head.request.body.size())
        return refuse(exchange, {Code::BadRequest, "the body is shorter than the Content-Length says"});
    enter(exchange, Exchange::State::Ready);
    ready_.push_back(&exchange);
}

// The answer is ours. What the client still sends of the request is dropped, and not asked for any more.
void Session::refuse(Exchange& exchange, const Error& error) {
    ++carrier_.counts().rejected;
    spend_reset();
    exchange.head.request.body = Bytes();
    respond(exchange, net::HttpResponse::refusal(error));
}

void Session::stream_closed(Exchange& exchange) {
    using State = Exchange::State;
    const bool answered = exchange.state == State::Answering && exchange.at == exchange.response.body.size();
    if (!answered)
        spend_reset();
    if (reading_ == &exchange)
        reading_ = nullptr;
    if (exchange.state == State::Ready)
        std::replace(ready_.begin() + static_cast<std::ptrdiff_t>(ready_at_), ready_.end(), &exchange,
                     static_cast<Exchange*>(nullptr));
    if (exchange.state != State::Working)
        return release(exchange);
    exchange.gone = true;
    --busy_;
}

void Session::drain() {
    if (session_ == nullptr || drain_since_ms_ != 0)
        return;
    drain_since_ms_ = monotonic_ms();
    (void)nghttp2_submit_shutdown_notice(session_);
    carrier_.want_flush();
}

bool Session::farewell() {
    if (session_ == nullptr || nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR) != 0)
        return false;
    return true;
}

std::optional<std::int64_t> Session::partial_since() const noexcept {
    std::optional<std::int64_t> out;
    for (const auto& slot : slots_)
        if (slot && slot->state < Exchange::State::Ready)
            out = std::min(out.value_or(slot->since_ms), slot->since_ms);
    return out;
}

void Session::waited(std::int64_t now) noexcept {
    for (const auto& slot : slots_)
        if (slot && slot->state < Exchange::State::Ready)
            slot->since_ms = now;
}

} // namespace redoubt::http2
