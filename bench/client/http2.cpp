// SPDX-License-Identifier: Apache-2.0
// HTTP/2 (RFC 9113) as the load generator needs it, which shares its processors with what it measures: frames
// are put together by hand, since a library's bookkeeping for each stream costs as much as all the rest of a
// request. Many requests are in flight, and what is submitted in a turn leaves at once. Fields that every
// request has are indexed from the second on, strings are sent as they are (RFC 7541, section 5.2 leaves both
// to the sender). Answers' fields are decoded by libnghttp2, but for those that nobody looks at. Whatever a
// server may do that is not expected here ends the program.
#include "client/connection.h"
#include "client/hpack_filter.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <nghttp2/nghttp2.h>
#include <vector>

namespace redoubt::bench {

namespace {

constexpr std::uint32_t kWindow = 1u << 30;     // answers are taken as they come
constexpr std::int64_t kFirstWindow = 65'535;   // RFC 9113, section 6.9.2
constexpr std::size_t kMostPayload = 16 * 1024; // section 4.2: what every peer takes
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kStreamsKnown = 1 << 16; // by the lower bits of their numbers
// The static table (RFC 7541, appendix A), and where the dynamic one begins.
constexpr std::uint8_t kPost = 3, kHttps = 7, kAuthority = 1, kPath = 4, kContentType = 31;
constexpr std::size_t kDynamic = 62;
constexpr std::size_t kSignatureFields = 3;
constexpr std::size_t kMostSignature = 1'024; // bytes of their names and values in the table
constexpr std::size_t kTable = 4'096;         // bytes, RFC 9113, section 6.5.2

struct FreeInflater {
    void operator()(nghttp2_hd_inflater* inflater) const noexcept { nghttp2_hd_inflate_del(inflater); }
};

void append_number(std::string& out, std::uint64_t value, int bytes) {
    while (bytes-- > 0)
        out.push_back(static_cast<char>(value >> (8 * bytes)));
}

std::uint32_t number(ByteView bytes) noexcept {
    std::uint32_t out = 0;
    for (const auto byte : bytes)
        out = out << 8 | byte;
    return out;
}

void append_frame_head(std::string& out, std::size_t size, int type, int flags, std::uint32_t stream) {
    append_number(out, size, 3);
    append_number(out, static_cast<std::uint64_t>(type), 1);
    append_number(out, static_cast<std::uint64_t>(flags), 1);
    append_number(out, stream, 4);
}

// RFC 7541, section 5.1: below `first`'s `bits` lowest bits.
void append_integer(std::string& out, unsigned first, unsigned bits, std::size_t value) {
    const std::size_t most = (std::size_t{1} << bits) - 1;
    if (value < most)
        return out.push_back(static_cast<char>(first | value));
    out.push_back(static_cast<char>(first | most));
    for (value -= most; value >= 128; value >>= 7)
        out.push_back(static_cast<char>(value | 128));
    out.push_back(static_cast<char>(value));
}

void append_string(std::string& out, std::string_view text) {
    append_integer(out, 0, 7, text.size());
    out += text;
}

class Http2 final : public Connection {
  public:
    Http2(net::Stream stream, const Requests& requests, std::size_t streams)
        : Connection(std::move(stream)), requests_(requests), slots_(streams), by_stream_(kStreamsKnown) {
        for (auto& slot : slots_)
            free_.push_back(&slot);
        nghttp2_hd_inflater* inflater = nullptr;
        if (nghttp2_hd_inflate_new(&inflater) != 0)
            die("no memory");
        inflater_.reset(inflater);
        out_ = NGHTTP2_CLIENT_MAGIC;
        append_frame_head(out_, 12, NGHTTP2_SETTINGS, 0, 0);
        append_number(out_, NGHTTP2_SETTINGS_ENABLE_PUSH, 2);
        append_number(out_, 0, 4);
        append_number(out_, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2);
        append_number(out_, kWindow, 4);
        widen(kWindow);
    }

    std::size_t room() const noexcept override { return free_.size(); }

    void submit(const InFlight& request) override {
        Slot* const slot = free_.back();
        free_.pop_back();
        slot->asked = request;
        slot->status = 0;
        slot->body.clear();
        ++in_flight_;
        waiting_.push_back(slot);
        send_waiting();
    }

    bool flush() override { return out_.empty() || write(out_, written_); }

  private:
    struct Slot {
        InFlight asked;
        std::uint32_t stream = 0;
        int status = 0;
        std::string body;
    };

    // As far as the server's window reaches.
    void send_waiting() {
        for (; !waiting_.empty(); waiting_.pop_front()) {
            Slot& slot = *waiting_.front();
            body_.clear();
            requests_.append_body(body_, slot.asked.request);
            if (static_cast<std::int64_t>(body_.size()) > window_)
                return;
            if (static_cast<std::int64_t>(body_.size()) > stream_window_)
                die("a request is longer than the server takes at once");
            window_ -= static_cast<std::int64_t>(body_.size());
            slot.stream = next_stream_;
            next_stream_ += 2;
            Slot*& known = by_stream_[slot.stream / 2 % kStreamsKnown];
            if (known != nullptr)
                die("a request has waited while tens of thousands were answered");
            known = &slot;
            append_head(slot, body_.empty());
            for (std::size_t at = 0; at < body_.size();) {
                const std::size_t size = std::min(body_.size() - at, kMostPayload);
                append_frame_head(out_, size, NGHTTP2_DATA,
                                  at + size == body_.size() ? NGHTTP2_FLAG_END_STREAM : 0, slot.stream);
                out_.append(body_, at, size);
                at += size;
            }
        }
    }

    void append_head(const Slot& slot, bool last) {
        const std::size_t frame = out_.size();
        append_frame_head(out_, 0, NGHTTP2_HEADERS,
                          NGHTTP2_FLAG_END_HEADERS | (last ? NGHTTP2_FLAG_END_STREAM : 0), slot.stream);
        path_.clear();
        requests_.append_path(path_, slot.asked.request);
        out_.push_back(static_cast<char>(0x80 | kPost));
        out_.push_back(static_cast<char>(0x80 | kHttps));
        const auto& more = requests_.more_headers();
        const Signed* const made = requests_.signature(slot.asked.request);
        const bool first = common_.empty();
        if (first) { // into the table
            common_ = path_;
            if (table_size() + (made != nullptr ? kMostSignature : 0) > kTable)
                die("the headers that all requests have are more than HPACK's table holds");
            append_indexed_name(kAuthority, requests_.authority());
            append_indexed_name(kPath, path_);
            append_indexed_name(kContentType, "application/json");
            for (const auto& [name, value] : more) {
                out_.push_back(0x40);
                append_string(out_, name);
                append_string(out_, value);
            }
        } else {
            // The newest has the lowest index.
            const std::size_t oldest = kDynamic + 2 + more.size() + (made != nullptr ? kSignatureFields : 0);
            append_integer(out_, 0x80, 7, oldest);
            if (path_ == common_) {
                append_integer(out_, 0x80, 7, oldest - 1);
            } else {
                append_integer(out_, 0, 4, kPath);
                append_string(out_, path_);
            }
            for (std::size_t i = 2; i < 3 + more.size(); ++i)
                append_integer(out_, 0x80, 7, oldest - i);
        }
        if (made != nullptr) {
            input_.clear();
            requests_.append_input(input_, *made);
            // Another value each time, but the names come again: they are in the table from the first one on.
            std::size_t index = kDynamic + kSignatureFields;
            for (const auto& [name, value] :
                 {std::pair<std::string_view, std::string_view>{"content-digest", made->content_digest()},
                  {"signature-input", input_},
                  {"signature", made->signature()}}) {
                if (first) {
                    out_.push_back(0x40);
                    append_string(out_, name);
                } else {
                    append_integer(out_, 0, 4, --index);
                }
                append_string(out_, value);
            }
        }
        const std::size_t size = out_.size() - frame - kFrameHead;
        if (size > kMostPayload)
            die("a request's headers are longer than a frame");
        for (std::size_t i = 0; i < 3; ++i)
            out_[frame + i] = static_cast<char>(size >> (16 - 8 * i));
    }

    // RFC 7541, section 4.1: of what goes into the server's table, whose names are no longer than this.
    std::size_t table_size() const {
        constexpr std::size_t kEach = 32, kLongest = sizeof("content-type");
        std::size_t out = 3 * (kEach + kLongest) + requests_.authority().size() + path_.size() +
                          std::string_view("application/json").size();
        for (const auto& [name, value] : requests_.more_headers())
            out += kEach + name.size() + value.size();
        return out;
    }

    void append_indexed_name(std::uint8_t name, std::string_view value) {
        append_integer(out_, 0x40, 6, name);
        append_string(out_, value);
    }

    // The connection's window, by so much.
    void widen(std::uint32_t by) {
        append_frame_head(out_, 4, NGHTTP2_WINDOW_UPDATE, 0, 0);
        append_number(out_, by, 4);
    }

    void received(ByteView bytes, std::int64_t at, AnswerSink& sink) override {
        // A frame that has not come whole waits for its rest.
        ByteView rest = bytes;
        if (!in_.empty())
            rest = as_bytes(in_.append(as_text(bytes)));
        while (rest.size() >= kFrameHead) {
            const std::size_t size = kFrameHead + number(rest.first(3));
            if (rest.size() < size)
                break;
            take_frame(rest[3], rest[4], number(rest.subspan(5, 4)),
                       rest.subspan(kFrameHead, size - kFrameHead));
            rest = rest.subspan(size);
        }
        in_ = std::string(as_text(rest));
        for (Slot* const slot : done_) {
            free_.push_back(slot);
            --in_flight_;
            sink.answered(*this, slot->asked, slot->status, slot->body, at);
        }
        done_.clear();
        if (!out_.empty())
            sink.has_to_write(*this);
    }

    void take_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, ByteView payload) {
        switch (type) {
        case NGHTTP2_HEADERS:
            if ((flags & ~NGHTTP2_FLAG_END_STREAM) != NGHTTP2_FLAG_END_HEADERS)
                die("an answer's headers come in more than one frame, or padded");
            return take_head(slot_of(stream), payload, (flags & NGHTTP2_FLAG_END_STREAM) != 0);
        case NGHTTP2_DATA: {
            if ((flags & ~NGHTTP2_FLAG_END_STREAM) != 0)
                die("an answer's body is padded");
            Slot& slot = slot_of(stream);
            slot.body += as_text(payload);
            taken_ += static_cast<std::uint32_t>(payload.size());
            if (taken_ >= kWindow / 2) {
                widen(taken_);
                taken_ = 0;
            }
            return (flags & NGHTTP2_FLAG_END_STREAM) != 0 ? ended(slot) : void();
        }
        case NGHTTP2_SETTINGS:
            return take_settings(flags, payload);
        case NGHTTP2_WINDOW_UPDATE: // a stream's is enough from the start
            if (stream == 0 && payload.size() == 4) {
                window_ += number(payload) & 0x7fff'ffff;
                send_waiting();
            }
            return;
        case NGHTTP2_PING:
            if ((flags & NGHTTP2_FLAG_ACK) == 0) {
                append_frame_head(out_, payload.size(), NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0);
                out_ += as_text(payload);
            }
            return;
        case NGHTTP2_GOAWAY:
            die("the server wants to end a connection");
        case NGHTTP2_RST_STREAM:
            die("the server ended a stream without an answer: error " +
                std::to_string(number(payload.first(std::min<std::size_t>(4, payload.size())))));
        default:
            die("the server sent a frame of a kind that is not expected: " + std::to_string(type));
        }
    }

    void take_settings(std::uint8_t flags, ByteView payload) {
        if ((flags & NGHTTP2_FLAG_ACK) != 0)
            return;
        for (; payload.size() >= 6; payload = payload.subspan(6)) {
            const std::uint32_t id = number(payload.first(2)), value = number(payload.subspan(2, 4));
            if (id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS && value < slots_.size())
                die("the server takes fewer requests at a time than streams says");
            if (id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE && value < kTable)
                die("the server has no room for the headers that all requests have");
            if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
                stream_window_ = value;
        }
        append_frame_head(out_, 0, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
    }

    Slot& slot_of(std::uint32_t stream) {
        Slot* const slot = by_stream_[stream / 2 % kStreamsKnown];
        if (slot == nullptr || slot->stream != stream)
            die("the server answers what was not asked");
        return *slot;
    }

    void take_head(Slot& slot, ByteView block, bool last) {
        head_.clear();
        if (append_without_literals(block, head_))
            block = as_bytes(head_);
        for (;;) {
            nghttp2_nv field{};
            int flags = 0;
            const auto size =
                nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, block.data(), block.size(), 1);
            if (size < 0)
                die("an answer's headers cannot be read");
            block = block.subspan(static_cast<std::size_t>(size));
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.namelen == 7 && field.valuelen == 3 &&
                field.name[1] == 's') // ":status"
                slot.status =
                    (field.value[0] - '0') * 100 + (field.value[1] - '0') * 10 + field.value[2] - '0';
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
                break;
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && block.empty())
                die("an answer's headers are cut short");
        }
        nghttp2_hd_inflate_end_headers(inflater_.get());
        if (last)
            ended(slot);
    }

    void ended(Slot& slot) {
        by_stream_[slot.stream / 2 % kStreamsKnown] = nullptr;
        done_.push_back(&slot);
    }

    const Requests& requests_;
    std::unique_ptr<nghttp2_hd_inflater, FreeInflater> inflater_;
    std::vector<Slot> slots_;
    std::vector<Slot*> free_, done_;
    std::deque<Slot*> waiting_;    // for the server's window
    std::vector<Slot*> by_stream_; // nullptr: no request is in flight
    std::uint32_t next_stream_ = 1;
    std::int64_t window_ = kFirstWindow, stream_window_ = kFirstWindow; // what the server takes
    std::uint32_t taken_ = 0; // bytes of answers since the window was widened
    std::string common_;      // the path that is in the server's table
    std::string path_, body_, input_, out_, in_, head_;
    std::size_t written_ = 0;
};

} // namespace

std::unique_ptr<Connection> make_http2(net::Stream stream, const Requests& requests, std::size_t streams) {
    return std::make_unique<Http2>(std::move(stream), requests, streams);
}

} // namespace redoubt::bench
