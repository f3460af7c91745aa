// SPDX-License-Identifier: Apache-2.0
// One HTTP/2 connection: libnghttp2's session, and the exchanges (a request and its answer) on it.
// libnghttp2 calls back while it reads and while it writes; nothing of ours that may end the connection
// happens there: requests that are whole are handed on when it has returned.
#pragma once

#include "http2/budget.h"
#include "http2/memory.h"
#include "http2/request_head.h"
#include "net/http_protocol.h"

#include <array>
#include <memory>
#include <vector>

namespace redoubt::http2 {

struct Exchange {
    enum class State {
        Head,     // its fields come
        Body,     // its body comes
        Ready,    // it is whole
        Working,  // the handler has it
        Answering // the answer is libnghttp2's to send
    };
    std::int32_t id = 0; // of the stream
    std::uint32_t slot = 0;
    State state = State::Head;
    bool whole = false;   // the client has sent all of the request
    bool gone = false;    // the stream is closed, and nobody waits for the answer
    bool to_head = false; // the answer has no body, but says how long it would be
    RequestHead head;
    std::size_t held = 0; // bytes of the request's body, or of the answer's
    std::int64_t since_ms = 0;
    net::HttpResponse response;
    std::size_t at = 0; // of the answer's body, sent
    std::array<char, 4> status{};
    std::array<char, 20> length{};
    // When progress was last looked at, and what was sent by then: of this answer, of the connection.
    std::int64_t mark_ms = 0;
    std::size_t mark_at = 0;
    std::uint64_t mark_sent = 0;
};

// What the connections of a server share.
struct Shared {
    BlockPool blocks;
    std::vector<std::unique_ptr<Exchange>> exchanges; // for the next requests
    std::vector<nghttp2_nv> fields;                   // of whoever answers at the moment
};

class Session final : public net::HttpProtocol {
  public:
    Session(std::shared_ptr<Shared> shared, net::HttpCarrier& carrier);
    ~Session() override;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void take(ByteView bytes) override;
    void fill() override;
    void resume() override { hand_on(); }
    void answer(std::uint64_t sequence, net::HttpResponse response,
                std::optional<std::size_t> cut_after) override;
    bool gone(std::uint64_t sequence) const noexcept override;
    bool wants_input() const noexcept override;
    bool working() const noexcept override { return busy_ > 0; }
    std::optional<std::int64_t> partial_since() const noexcept override;
    void waited(std::int64_t now) noexcept override;
    bool check_time(std::int64_t now, bool blocked) override;
    void drain() override;
    bool farewell() override;
    void ended() noexcept override;

  private:
    friend struct Callbacks;

    void fail_session(std::uint32_t error);
    void hand_on();
    void respond(Exchange& exchange, net::HttpResponse response);
    void add_fields(Exchange& exchange);
    void refuse(Exchange& exchange, const Error& error);
    void offer_continue(Exchange& exchange);
    void head_complete(Exchange& exchange, bool last);
    void body(Exchange& exchange, ByteView bytes);
    void request_complete(Exchange& exchange);
    void stream_closed(Exchange& exchange);
    void check_request(Exchange& exchange, std::int64_t now);
    void check_answer(Exchange& exchange, std::int64_t now, bool blocked);
    void spend_reset() { calm_ = calm_ || !resets_.spend(now_); }

    Exchange* open_exchange(std::int32_t id);
    void enter(Exchange& exchange, Exchange::State state) noexcept;
    void release(Exchange& exchange) noexcept;
    Exchange* find(std::uint64_t sequence) const noexcept;
    bool hold(Exchange& exchange, std::size_t bytes) noexcept;
    bool pump(std::size_t until);

    std::shared_ptr<Shared> shared_;
    net::HttpCarrier& carrier_;
    Memory memory_;
    nghttp2_session* session_ = nullptr; // nullptr: the connection has ended
    std::vector<std::unique_ptr<Exchange>> slots_;
    std::vector<std::uint32_t> free_slots_;
    Exchange* reading_ = nullptr;  // the one whose head is being read
    std::vector<Exchange*> ready_; // requests that are whole, in order, from ready_at_ on
    std::size_t ready_at_ = 0;
    std::size_t busy_ = 0;             // exchanges from Ready on, whose clients wait
    std::size_t in_work_ = 0;          // of them with the handler
    std::size_t unanswered_bytes_ = 0; // of answers' bodies that wait for the client
    std::size_t held_ = 0;
    std::uint64_t body_sent_ = 0;
    std::int64_t began_ms_, now_;
    std::int64_t drain_since_ms_ = 0; // 0: not draining
    bool goaway_sent_ = false;        // the last one
    bool greeted_ = false;            // the client's SETTINGS are here
    bool calm_ = false;               // it does too much of something: the connection is to end
    bool failed_ = false;             // its last word is an error
    bool paused_ = false;             // writing stopped after a DATA frame
    Budget resets_, frames_;
};

} // namespace redoubt::http2
