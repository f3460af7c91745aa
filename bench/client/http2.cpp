// SPDX-License-Identifier: Apache-2.0
// HTTP/2 by libnghttp2: many requests in flight. What is submitted in a turn leaves in one TLS write.
#include "client/connection.h"
#include "client/hpack_filter.h"

#include <algorithm>
#include <memory>
#include <nghttp2/nghttp2.h>
#include <vector>

namespace redoubt::bench {

namespace {

constexpr std::int32_t kWindow = 1 << 30;  // answers are taken as they come
constexpr std::size_t kRecord = 16 * 1024; // bytes of a TLS record
constexpr std::size_t kFrameHead = 9;

struct FreeSession {
    void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
};

nghttp2_nv header(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
    const auto bytes = [](std::string_view text) {
        return const_cast<std::uint8_t*>(as_bytes(text).data()); // read only, whatever its type
    };
    return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

class Http2 final : public Connection {
  public:
    Http2(net::Stream stream, const Requests& requests, std::size_t streams)
        : Connection(std::move(stream)), requests_(requests), slots_(streams) {
        for (auto& slot : slots_)
            free_.push_back(&slot);
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session* session = nullptr;
        if (nghttp2_session_callbacks_new(&callbacks) != 0)
            die("no memory");
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        const int made = nghttp2_session_client_new(&session, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        session_.reset(session);
        const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                   {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
        if (made != 0 ||
            nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0 ||
            nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow) != 0)
            die("no HTTP/2 session can be made");
    }

    std::size_t room() const noexcept override { return free_.size(); }

    void submit(const InFlight& request) override {
        Slot* const slot = free_.back();
        free_.pop_back();
        slot->asked = request;
        slot->status = 0;
        slot->body.clear();
        slot->sent = 0;
        slot->out.clear();
        requests_.append_body(slot->out, request.request);
        path_.clear();
        requests_.append_path(path_, request.request);
        constexpr std::uint8_t kStays = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
        headers_.assign({header(":method", "POST", kStays), header(":scheme", "https", kStays),
                         header(":authority", requests_.authority(), kStays),
                         header(":path", path_, NGHTTP2_NV_FLAG_NO_COPY_NAME),
                         header("content-type", "application/json", kStays)});
        for (const auto& [name, value] : requests_.more_headers())
            headers_.push_back(header(name, value, kStays));
        if (const Signed* const made = requests_.signature(request.request)) {
            input_.clear();
            requests_.append_input(input_, *made);
            // Another one each time: not for the table of what will come again.
            for (const auto& [name, value] :
                 {std::pair<std::string_view, std::string_view>{"content-digest", made->content_digest()},
                  {"signature-input", input_},
                  {"signature", made->signature()}})
                headers_.push_back(
                    header(name, value, NGHTTP2_NV_FLAG_NO_INDEX | NGHTTP2_NV_FLAG_NO_COPY_NAME));
        }
        nghttp2_data_provider provider{};
        provider.source.ptr = slot;
        provider.read_callback = read_body;
        if (nghttp2_submit_request(session_.get(), nullptr, headers_.data(), headers_.size(), &provider,
                                   slot) < 0)
            die("a request cannot be submitted");
        ++in_flight_;
    }

    bool flush() override {
        for (;;) {
            while (out_.size() < kRecord) {
                const std::uint8_t* frame = nullptr;
                const auto size = nghttp2_session_mem_send(session_.get(), &frame);
                if (size < 0)
                    die("HTTP/2 frames cannot be made");
                if (size == 0)
                    break;
                out_.append(as_text(ByteView(frame, static_cast<std::size_t>(size))));
            }
            if (out_.empty())
                return true;
            if (!write(out_, written_))
                return false;
        }
    }

  private:
    struct Slot {
        InFlight asked;
        int status = 0;
        std::string out, body;
        std::size_t sent = 0; // of out
    };

    void received(ByteView bytes, std::int64_t at, AnswerSink& sink) override {
        // A frame that has not come whole waits for its rest.
        ByteView rest = bytes;
        if (!in_.empty())
            rest = as_bytes(in_.append(as_text(bytes)));
        while (rest.size() >= kFrameHead) {
            const std::size_t size =
                kFrameHead + (std::size_t{rest[0]} << 16 | std::size_t{rest[1]} << 8 | rest[2]);
            if (rest.size() < size)
                break;
            take_frame(rest.first(size));
            rest = rest.subspan(size);
        }
        in_ = std::string(as_text(rest));
        for (Slot* const slot : done_) {
            free_.push_back(slot);
            --in_flight_;
            sink.answered(*this, slot->asked, slot->status, slot->body, at);
        }
        done_.clear();
        if (nghttp2_session_want_write(session_.get()) != 0)
            sink.has_to_write(*this);
    }

    void take_frame(ByteView frame) {
        // Whole in one frame, without padding and priority.
        if (frame[3] == NGHTTP2_HEADERS &&
            (frame[4] & ~NGHTTP2_FLAG_END_STREAM) == NGHTTP2_FLAG_END_HEADERS) {
            head_ = as_text(frame.first(kFrameHead));
            if (append_without_literals(frame.subspan(kFrameHead), head_)) {
                const std::size_t size = head_.size() - kFrameHead;
                for (std::size_t i = 0; i < 3; ++i)
                    head_[i] = static_cast<char>(size >> (16 - 8 * i));
                frame = as_bytes(head_);
            }
        }
        if (nghttp2_session_mem_recv(session_.get(), frame.data(), frame.size()) !=
            static_cast<ssize_t>(frame.size()))
            die("what came is no HTTP/2");
    }

    static Slot* slot_of(nghttp2_session* session, std::int32_t stream) {
        return static_cast<Slot*>(nghttp2_session_get_stream_user_data(session, stream));
    }

    static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void*) {
        if (name_size == 7 && name[1] == 's' && value_size == 3) // ":status"
            if (Slot* const slot = slot_of(session, frame->hd.stream_id))
                slot->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
        (void)name;
        return 0;
    }

    static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                       std::size_t size, void*) {
        if (Slot* const slot = slot_of(session, stream))
            slot->body.append(as_text(ByteView(data, size)));
        return 0;
    }

    static int on_close(nghttp2_session* session, std::int32_t stream, std::uint32_t error, void* self) {
        Slot* const slot = slot_of(session, stream);
        if (error != NGHTTP2_NO_ERROR || slot == nullptr)
            die("the server ended a stream without an answer: error " + std::to_string(error));
        static_cast<Http2*>(self)->done_.push_back(slot);
        return 0;
    }

    static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
        if (frame->hd.type == NGHTTP2_GOAWAY)
            die("the server wants to end a connection");
        if (frame->hd.type == NGHTTP2_SETTINGS &&
            nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) <
                static_cast<Http2*>(self)->slots_.size())
            die("the server takes fewer requests at a time than streams says");
        return 0;
    }

    static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t most,
                             std::uint32_t* flags, nghttp2_data_source* source, void*) {
        Slot& slot = *static_cast<Slot*>(source->ptr);
        const std::size_t size = std::min(most, slot.out.size() - slot.sent);
        slot.out.copy(reinterpret_cast<char*>(to), size, slot.sent);
        slot.sent += size;
        if (slot.sent == slot.out.size())
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(size);
    }

    const Requests& requests_;
    std::unique_ptr<nghttp2_session, FreeSession> session_;
    std::vector<Slot> slots_;
    std::vector<Slot*> free_, done_;
    std::vector<nghttp2_nv> headers_;
    std::string path_, input_, out_, in_, head_;
    std::size_t written_ = 0;
};

} // namespace

std::unique_ptr<Connection> make_http2(net::Stream stream, const Requests& requests, std::size_t streams) {
    return std::make_unique<Http2>(std::move(stream), requests, streams);
}

} // namespace redoubt::bench
