// SPDX-License-Identifier: Apache-2.0
// Time limits of an HTTP/2 connection: requests that do not arrive, answers that nobody takes.
#include "http2/session.h"

namespace redoubt::http2 {

namespace {

constexpr std::int64_t kGoAwayAfterMs = 500; // draining's notice and its last word (RFC 9113, section 6.8)
constexpr std::uint64_t kMinProgress = 64 * 1024; // bytes that a slow reader takes in each write time-out

} // namespace

bool Session::check_time(std::int64_t now, bool blocked) {
    now_ = now;
    // A client that only sends no more is still waited for: it may never take its answers.
    if (session_ == nullptr || failed_ || carrier_.close_wanted)
        return busy_ > 0;
    if (!greeted_ && now - began_ms_ >= carrier_.options().request_timeout_ms) {
        fail_session(NGHTTP2_SETTINGS_TIMEOUT);
        return true;
    }
    if (drain_since_ms_ != 0 && !goaway_sent_ && now - drain_since_ms_ >= kGoAwayAfterMs) {
        goaway_sent_ = true;
        (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                                    nullptr, 0);
        carrier_.want_flush();
    }
    bool waits = false;
    for (const auto& slot : slots_) {
        if (!slot)
            continue;
        waits = true;
        if (slot->state < Exchange::State::Ready)
            check_request(*slot, now);
        else if (slot->state == Exchange::State::Answering)
            check_answer(*slot, now, blocked);
        if (failed_)
            return true;
    }
    return waits;
}

void Session::check_request(Exchange& exchange, std::int64_t now) {
    if (!wants_input() || now - exchange.since_ms < carrier_.options().request_timeout_ms)
        return;
    if (exchange.state == Exchange::State::Head)
        return fail_session(NGHTTP2_ENHANCE_YOUR_CALM); // nothing else can be read before its end
    refuse(exchange, {Code::Timeout, "the request did not arrive in time; send it faster"});
    carrier_.want_flush();
}

void Session::check_answer(Exchange& exchange, std::int64_t now, bool blocked) {
    const auto mark = [&] {
        exchange.mark_ms = now;
        exchange.mark_at = exchange.at;
        exchange.mark_sent = body_sent_;
    };
    if (blocked) // which the connection has a time limit for
        return mark();
    if (now - exchange.mark_ms < carrier_.options().write_timeout_ms)
        return;
    if (exchange.at - exchange.mark_at >= kMinProgress)
        return mark();
    if (nghttp2_session_get_stream_remote_window_size(session_, exchange.id) <= 0) {
        // Its own window is shut, whatever the others do.
        (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange.id, NGHTTP2_CANCEL);
        carrier_.want_flush();
        return mark();
    }
    if (body_sent_ - exchange.mark_sent >= kMinProgress)
        return mark();
    fail_session(NGHTTP2_ENHANCE_YOUR_CALM);
}

} // namespace redoubt::http2
