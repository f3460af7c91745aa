// SPDX-License-Identifier: Apache-2.0
// Clients of HTTP/2: libnghttp2's, which keeps the rules unless it is told otherwise, and frames made by
// hand.
#pragma once

#include "http2/http2.h"
#include "unit/net/support.h"

#include <map>
#include <nghttp2/nghttp2.h>

namespace redoubt::http2::tests {

using net::HttpRequest;
using net::HttpResponse;
using net::HttpServer;
using net::HttpServerOptions;
using net::tests::kPatienceMs;
using net::tests::RawClient;

inline const net::TlsContext& server_tls() {
    static const net::TlsContext out = net::tests::identity().server_context({"h2", "http/1.1"});
    return out;
}
inline const net::TlsContext& client_tls() {
    static const net::TlsContext out = net::tests::identity().client_context({"h2"});
    return out;
}

inline HttpServerOptions with_http2(HttpServerOptions options) {
    options.http2 = protocol();
    return options;
}

class RunningServer : public net::tests::RunningServer {
  public:
    RunningServer(HttpServerOptions options, HttpServer::Handler handler)
        : net::tests::RunningServer(&server_tls(), with_http2(std::move(options)), std::move(handler)) {}
    HttpServer::Counts counts() {
        HttpServer::Counts out;
        on_loop([&] { out = server().counts(); });
        return out;
    }
};

inline void ok(const HttpRequest&, const HttpServer::Responder& respond) {
    respond(HttpResponse::text(200, "ok"));
}

using Fields = std::vector<std::pair<std::string, std::string>>;

inline Fields head(std::string method, std::string path, Fields more = {}) {
    Fields out{{":method", std::move(method)},
               {":scheme", "https"},
               {":path", std::move(path)},
               {":authority", "localhost"}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
    std::string out;
    const auto byte = [&out](std::size_t value) { out.push_back(static_cast<char>(value & 0xff)); };
    byte(payload.size() >> 16);
    byte(payload.size() >> 8);
    byte(payload.size());
    byte(type);
    byte(flags);
    for (const int shift : {24, 16, 8, 0})
        byte(stream >> shift);
    return out.append(payload);
}
inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(NGHTTP2_SETTINGS, 0, 0);
// GET https://localhost/, out of the static table but for the authority.
inline const std::string kGetBlock = "\x82\x84\x87\x41\x09localhost";

struct Answer {
    std::map<std::string, std::string> fields;
    std::size_t head_size = 0; // bytes of its fields as they came
    std::string body;
    std::vector<std::string> interim; // statuses of 1xx
    bool ended = false;               // END_STREAM
    bool closed = false;
    std::uint32_t error = 0; // of RST_STREAM
    int status() const {
        const auto found = fields.find(":status");
        return found == fields.end() ? 0 : std::stoi(found->second);
    }
};

struct ClientOptions {
    std::uint32_t window = 1 << 20; // of each stream
    bool updates_windows = true;
    int receive_buffer = 0;
};

class Client {
  public:
    explicit Client(const net::Endpoint& endpoint, ClientOptions options = {})
        : raw_(endpoint, &client_tls(), options.receive_buffer) {
        EXPECT_EQ(raw_.stream().alpn(), "h2");
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_option* option = nullptr;
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, options.updates_windows ? 0 : 1);
        nghttp2_session_client_new2(&session_, callbacks, this, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.window},
                                                   {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
        flush();
    }
    ~Client() { nghttp2_session_del(session_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The stream. `end`: the request is whole.
    std::int32_t ask(const Fields& fields, const std::string& body = {}, bool end = true) {
        std::vector<nghttp2_nv> nvs;
        for (const auto& [name, value] : fields)
            nvs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        Upload* const upload = uploads_.emplace_back(std::make_unique<Upload>(body, end)).get();
        nghttp2_data_provider provider{};
        provider.source.ptr = upload;
        provider.read_callback = read_upload;
        const bool with_body = !body.empty() || !end;
        const std::int32_t id = nghttp2_submit_request(session_, nullptr, nvs.data(), nvs.size(),
                                                       with_body ? &provider : nullptr, nullptr);
        upload->id = id;
        return id;
    }
    std::int32_t get(const std::string& path, const Fields& more = {}) {
        return ask(head("GET", path, more));
    }
    std::int32_t post(const std::string& path, const std::string& body, const Fields& more = {}) {
        return ask(head("POST", path, more), body);
    }
    // More of a body that has not ended.
    void append(std::int32_t id, std::string_view more, bool end) {
        for (auto& upload : uploads_)
            if (upload->id == id) {
                upload->rest += more;
                upload->end = end;
                nghttp2_session_resume_data(session_, id);
            }
    }
    void trailers(std::int32_t id, std::string name, std::string value) {
        const nghttp2_nv nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
        nghttp2_submit_headers(session_, NGHTTP2_FLAG_END_STREAM, id, nullptr, &nv, 1, nullptr);
    }
    void reset(std::int32_t id, std::uint32_t error = NGHTTP2_CANCEL) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error);
    }
    bool flush() {
        for (;;) {
            const std::uint8_t* data = nullptr;
            const auto size = nghttp2_session_mem_send(session_, &data);
            if (size <= 0)
                return true;
            if (!raw_.send(as_text({data, static_cast<std::size_t>(size)})))
                return false;
        }
    }
    // Speaks until `done`; false: the connection ended before.
    bool until(const std::function<bool()>& done) {
        for (flush(); !done(); flush()) {
            if (!raw_.receive_more() && raw_.peek().empty())
                return done();
            const std::string got = raw_.take();
            if (nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(got.data()),
                                         got.size()) < 0)
                return false;
        }
        return true;
    }
    const Answer& answer(std::int32_t id) {
        until([&] { return answers[id].closed; });
        return answers[id];
    }
    // Reads until the server has closed the connection.
    bool ended() {
        return !until([] { return false; }) && !raw_.failed();
    }
    RawClient& raw() { return raw_; }
    nghttp2_session* session() { return session_; }

    std::map<std::int32_t, Answer> answers;
    std::optional<std::uint32_t> goaway; // the last one's error
    std::int32_t goaway_stream = -1;

  private:
    struct Upload {
        Upload(std::string body, bool whole) : rest(std::move(body)), end(whole) {}
        std::string rest;
        bool end;
        std::int32_t id = 0;
    };
    static std::uint8_t* bytes(const std::string& text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
    }
    static ssize_t read_upload(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t length,
                               std::uint32_t* flags, nghttp2_data_source* source, void*) {
        auto& upload = *static_cast<Upload*>(source->ptr);
        const std::size_t n = std::min(length, upload.rest.size());
        std::copy_n(upload.rest.begin(), n, out);
        upload.rest.erase(0, n);
        if (upload.rest.empty() && upload.end)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (n == 0)
            return NGHTTP2_ERR_DEFERRED;
        return static_cast<ssize_t>(n);
    }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* self) {
        Answer& answer = static_cast<Client*>(self)->answers[frame->hd.stream_id];
        const std::string text(as_text({value, value_size}));
        if (as_text({name, name_size}) == ":status" && text.starts_with('1'))
            answer.interim.push_back(text);
        else
            answer.fields[std::string(as_text({name, name_size}))] = text;
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
        Client& client = *static_cast<Client*>(self);
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            client.goaway = frame->goaway.error_code;
            client.goaway_stream = frame->goaway.last_stream_id;
        }
        if (frame->hd.type == NGHTTP2_HEADERS)
            client.answers[frame->hd.stream_id].head_size = frame->hd.length;
        if (frame->hd.type == NGHTTP2_RST_STREAM)
            client.answers[frame->hd.stream_id].error = frame->rst_stream.error_code;
        if (frame->hd.type <= NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            client.answers[frame->hd.stream_id].ended = true;
        return 0;
    }
    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                       std::size_t size, void* self) {
        static_cast<Client*>(self)->answers[id].body += as_text({data, size});
        return 0;
    }
    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* self) {
        static_cast<Client*>(self)->answers[id].closed = true;
        return 0;
    }

    RawClient raw_;
    nghttp2_session* session_ = nullptr;
    std::vector<std::unique_ptr<Upload>> uploads_;
};

// A client that sends what it is told, and reads frames.
class Frames {
  public:
    explicit Frames(const net::Endpoint& endpoint, bool preface = true) : raw_(endpoint, &client_tls()) {
        EXPECT_TRUE(raw_.send(preface ? kPreface : ""));
    }
    bool send(std::string_view bytes) { return raw_.send(bytes); }
    // The error of the GOAWAY that ends the connection; nothing: it ended without.
    std::optional<std::uint32_t> goaway() {
        std::string in = raw_.take();
        while (raw_.receive_more())
            in += raw_.take();
        in += raw_.take();
        std::optional<std::uint32_t> out;
        for (std::size_t at = 0; at + 9 <= in.size();) {
            const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in[at + i]); };
            const std::size_t size = std::size_t{byte(0)} << 16 | std::size_t{byte(1)} << 8 | byte(2);
            if (byte(3) == NGHTTP2_GOAWAY && at + 17 <= in.size())
                out = std::uint32_t{byte(13)} << 24 | std::uint32_t{byte(14)} << 16 |
                      std::uint32_t{byte(15)} << 8 | byte(16);
            at += 9 + size;
        }
        return out;
    }
    RawClient& raw() { return raw_; }

  private:
    RawClient raw_;
};

} // namespace redoubt::http2::tests
