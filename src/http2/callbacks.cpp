// SPDX-License-Identifier: Apache-2.0
#include "http2/callbacks.h"

namespace redoubt::http2 {

namespace {

Session& session_of(void* self) noexcept {
    return *static_cast<Session*>(self);
}

Exchange* exchange_of(nghttp2_session* session, std::int32_t id) noexcept {
    return static_cast<Exchange*>(nghttp2_session_get_stream_user_data(session, id));
}

constexpr std::size_t kMostPadding = 256; // of a DATA frame that may hold nothing else

std::string_view text_of(nghttp2_rcbuf* buffer) noexcept {
    const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
    return as_text({bytes.base, bytes.len});
}

struct Settings {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;

    Settings() {
        if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
            return;
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, Callbacks::header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_received);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_closed);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, Callbacks::frame_not_sent);
        nghttp2_option_set_no_http_messaging(option, 1);     // RequestHead is stricter, and says why
        nghttp2_option_set_no_auto_window_update(option, 1); // what is refused is not asked for any more
        nghttp2_option_set_no_closed_streams(option, 1);     // they served priorities, which are ignored
    }
    ~Settings() {
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_option_del(option);
    }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
};

} // namespace

nghttp2_session* Callbacks::make_session(Session& session, nghttp2_mem* memory) {
    static const Settings settings;
    nghttp2_session* out = nullptr;
    if (settings.option == nullptr ||
        nghttp2_session_server_new3(&out, settings.callbacks, &session, settings.option, memory) != 0)
        return nullptr;
    return out;
}

int Callbacks::begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* self) {
    Session& session = session_of(self);
    const bool idle_data = header->type == NGHTTP2_DATA && (header->flags & NGHTTP2_FLAG_END_STREAM) == 0 &&
                           (header->length == 0 ||
                            (header->length <= kMostPadding && (header->flags & NGHTTP2_FLAG_PADDED) != 0));
    const bool request = header->type == NGHTTP2_DATA || header->type == NGHTTP2_HEADERS;
    if ((idle_data || !request) && !session.frames_.spend(session.now_))
        session.calm_ = true;
    return 0;
}

int Callbacks::begin_headers(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* self) {
    Session& session = session_of(self);
    session.reading_ = nullptr;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (session.calm_)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // the session ends when this read is through
    session.reading_ = session.open_exchange(frame->hd.stream_id);
    return nghttp2_session_set_stream_user_data(nghttp2, frame->hd.stream_id, session.reading_);
}

int Callbacks::header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                      std::uint8_t, void* self) {
    Session& session = session_of(self);
    if (session.reading_ != nullptr)
        session.reading_->head.field(text_of(name), text_of(value));
    return 0;
}

int Callbacks::data(nghttp2_session* nghttp2, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t size, void* self) {
    Exchange* const exchange = exchange_of(nghttp2, id);
    if (exchange == nullptr || exchange->state != Exchange::State::Body) {
        (void)nghttp2_session_consume_connection(nghttp2, size); // others have the connection's window too
        return 0;
    }
    (void)nghttp2_session_consume(nghttp2, id, size);
    session_of(self).body(*exchange, {bytes, size});
    return 0;
}

int Callbacks::frame_received(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* self) {
    Session& session = session_of(self);
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        session.greeted_ = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    Exchange* const exchange = exchange_of(nghttp2, frame->hd.stream_id);
    if (exchange == nullptr)
        return 0;
    if (exchange->state == Exchange::State::Head) {
        session.reading_ = nullptr;
        session.head_complete(*exchange, last);
    } else if (exchange->state != Exchange::State::Body) {
        exchange->whole = exchange->whole || last;
    } else if (frame->hd.type == NGHTTP2_HEADERS) {
        exchange->whole = last;
        session.refuse(*exchange, {Code::BadRequest, "fields after the body (trailers) are not accepted"});
    } else if (last) {
        session.request_complete(*exchange);
    }
    return 0;
}

int Callbacks::stream_closed(nghttp2_session* nghttp2, std::int32_t id, std::uint32_t, void* self) {
    if (Exchange* const exchange = exchange_of(nghttp2, id))
        session_of(self).stream_closed(*exchange);
    return 0;
}

int Callbacks::send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* header, std::size_t size,
                         nghttp2_data_source* source, void* self) {
    constexpr std::size_t kFrameHeader = 9;
    Session& session = session_of(self);
    auto& exchange = *static_cast<Exchange*>(source->ptr);
    append(session.carrier_.out, {header, kFrameHeader});
    append(session.carrier_.out, ByteView(exchange.response.body).subspan(exchange.at, size));
    exchange.at += size;
    session.unanswered_bytes_ -= size;
    session.body_sent_ += size;
    session.frames_.earn(4); // the window updates that it will bring
    session.paused_ = true;
    return NGHTTP2_ERR_PAUSE; // to look at how much there is by now
}

int Callbacks::frame_sent(nghttp2_session* nghttp2, const nghttp2_frame* frame, void* self) {
    Session& session = session_of(self);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        ++session.carrier_.counts().rejected;
    // A stream that never began: the client has more than it may. Others count when they are closed.
    if (frame->hd.type == NGHTTP2_RST_STREAM && exchange_of(nghttp2, frame->hd.stream_id) == nullptr)
        session.spend_reset();
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!last || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    // RFC 9113, section 8.1: a whole answer before the request was whole asks the client to stop sending.
    const Exchange* const exchange = exchange_of(nghttp2, frame->hd.stream_id);
    if (exchange != nullptr && !exchange->whole)
        (void)nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

int Callbacks::frame_not_sent(nghttp2_session* nghttp2, const nghttp2_frame* frame, int, void*) {
    // An answer whose fields are too large for a frame; not one whose stream the client has reset.
    if (frame->hd.type == NGHTTP2_HEADERS && exchange_of(nghttp2, frame->hd.stream_id) != nullptr)
        (void)nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_INTERNAL_ERROR);
    return 0;
}

} // namespace redoubt::http2
