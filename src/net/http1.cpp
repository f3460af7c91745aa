// SPDX-License-Identifier: Apache-2.0
#include "net/http1.h"

#include "base/clock.h"

#include <algorithm>
#include <utility>

namespace redoubt::net {

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace

Http1::Http1(HttpCarrier& carrier)
    : carrier_(carrier), parser_(HttpParser::Kind::Request, carrier.options().limits) {}

bool Http1::paused() const noexcept {
    return slots_.size() >= carrier_.options().max_pipelined || carrier_.unsent() > HttpCarrier::kMaxUnsent;
}

std::optional<std::int64_t> Http1::partial_since() const noexcept {
    return parser_.started() ? std::optional(request_since_ms_) : std::nullopt;
}

void Http1::waited(std::int64_t now) noexcept {
    if (parser_.started())
        request_since_ms_ = now;
}

void Http1::take(ByteView bytes) {
    const std::size_t taken = parse(bytes);
    if (carrier_.open() && !carrier_.no_more && taken < bytes.size())
        in_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(taken), bytes.end());
}

// Parses and hands on requests until the bytes end or no more is wanted; returns how many were taken.
std::size_t Http1::parse(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && carrier_.open() && !carrier_.no_more && !paused()) {
        if (!parser_.started())
            request_since_ms_ = monotonic_ms();
        const auto taken = parser_.feed(bytes.subspan(at));
        if (!taken) {
            reject(taken.error());
            return bytes.size();
        }
        at += *taken;
        if (!account()) {
            reject({Code::Overloaded, "the server holds too many request bodies; try again in a second"});
            return bytes.size();
        }
        if (parser_.done())
            dispatch();
        else
            offer_continue();
    }
    return at;
}

void Http1::dispatch() {
    HttpRequest request = parser_.take_request();
    continue_sent_ = false;
    if (!request.keep_alive || carrier_.draining())
        carrier_.no_more = true;
    slots_.push_back({request.keep_alive, request.method == "HEAD", request.body.size()});
    slot_bytes_ += request.body.size();
    ++carrier_.counts().requests_http1;
    carrier_.hand_on(std::move(request), first_sequence_ + slots_.size() - 1);
}

// The client waits for our 100 before it sends the body.
bool Http1::continue_owed() const noexcept {
    return !continue_sent_ && parser_.head_done() && parser_.request().expect_continue;
}

// RFC 9110, section 10.1.1; after the answers to earlier requests.
void Http1::offer_continue() {
    if (!slots_.empty() || !continue_owed())
        return;
    continue_sent_ = true;
    request_since_ms_ = monotonic_ms();
    append(carrier_.out, as_bytes(kContinue));
    carrier_.want_flush();
}

// The message's end is not known any more, so neither is the next one's beginning.
void Http1::reject(const Error& error) {
    ++carrier_.counts().rejected;
    carrier_.no_more = true;
    slots_.push_back({false, false, 0, true, HttpResponse::refusal(error)});
    write_answers();
}

void Http1::answer(std::uint64_t sequence, HttpResponse response, std::optional<std::size_t> cut_after) {
    const std::uint64_t at = sequence - first_sequence_;
    if (at >= slots_.size() || slots_[at].answered)
        return;
    slots_[at].answered = true;
    slots_[at].cut_after = cut_after;
    slot_bytes_ -= std::exchange(slots_[at].body, 0);
    (void)account();
    if (at == 0) {
        write_answer(slots_.front(), response);
        give_back(std::move(response));
        slots_.pop_front();
        ++first_sequence_;
        write_answers();
    } else {
        slots_[at].response = std::move(response);
    }
}

// Those that are complete and whose turn it is.
void Http1::write_answers() {
    while (!slots_.empty() && slots_.front().answered) {
        write_answer(slots_.front(), slots_.front().response);
        give_back(std::move(slots_.front().response));
        slots_.pop_front();
        ++first_sequence_;
    }
    offer_continue();
    carrier_.want_flush();
}

void Http1::write_answer(const Slot& slot, const HttpResponse& response) {
    const bool last = slots_.size() == 1;
    const bool more_coming = !carrier_.no_more && (!carrier_.draining() || parser_.started() || !in_.empty());
    const bool keep_alive = slot.keep_alive && (!last || more_coming);
    if (carrier_.cut)
        return; // an earlier answer ended the connection
    Bytes& out = carrier_.out;
    const std::size_t before = out.size();
    append_response(out, response, keep_alive, slot.head, carrier_.common_lines());
    if (slot.cut_after) {
        out.resize(std::min(out.size(), before + *slot.cut_after));
        carrier_.no_more = true;
        carrier_.cut = true;
    } else if (!keep_alive) {
        carrier_.no_more = true;
        carrier_.close_wanted = true;
    }
}

void Http1::resume() {
    if (in_.empty() || paused())
        return;
    in_taken_ += parse(ByteView(in_).subspan(in_taken_));
    if (carrier_.no_more || in_taken_ == in_.size()) {
        in_.clear();
        in_taken_ = 0;
    }
}

bool Http1::check_time(std::int64_t now, bool blocked) {
    if (blocked || !parser_.started())
        return !slots_.empty() || !in_.empty();
    if (!carrier_.no_more && wants_input() && !continue_owed() &&
        now - request_since_ms_ >= carrier_.options().request_timeout_ms)
        reject({Code::Timeout, "the request did not arrive in time; send it faster"});
    return true;
}

void Http1::ended() noexcept {
    in_ = Bytes();
    in_taken_ = 0;
    slots_.clear();
    slot_bytes_ = 0;
}

} // namespace redoubt::net
