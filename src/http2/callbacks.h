// SPDX-License-Identifier: Apache-2.0
// What libnghttp2 tells a session, from inside of its reading and writing.
#pragma once

#include "http2/session.h"

namespace redoubt::http2 {

struct Callbacks {
    // nullptr: there is no memory.
    static nghttp2_session* make_session(Session& session, nghttp2_mem* memory);

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* self);
    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self);
    static int header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                      std::uint8_t flags, void* self);
    static int data(nghttp2_session*, std::uint8_t flags, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t size, void* self);
    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* self);
    static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t error, void* self);
    static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* header, std::size_t size,
                         nghttp2_data_source* source, void* self);
    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* self);
    static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error, void* self);
};

} // namespace redoubt::http2
