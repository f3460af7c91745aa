// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on a connection: keep-alive, pipelining with answers in request order, 100-continue.
#pragma once

#include "net/http_protocol.h"

#include <deque>

namespace redoubt::net {

class Http1 final : public HttpProtocol {
  public:
    explicit Http1(HttpCarrier& carrier);

    void take(ByteView bytes) override;
    void resume() override;
    void answer(std::uint64_t sequence, HttpResponse response, std::optional<std::size_t> cut_after) override;
    bool gone(std::uint64_t) const noexcept override { return false; }
    bool wants_input() const noexcept override { return in_.empty() && !paused(); }
    bool working() const noexcept override { return !slots_.empty(); }
    std::optional<std::int64_t> partial_since() const noexcept override;
    void waited(std::int64_t now) noexcept override;
    bool check_time(std::int64_t now, bool blocked) override;
    void ended() noexcept override;

  private:
    struct Slot {
        bool keep_alive;
        bool head;
        std::size_t body;
        bool answered = false;
        HttpResponse response{};                // where it waits for those before it
        std::optional<std::size_t> cut_after{}; // Responder::cut()
    };

    std::size_t parse(ByteView bytes);
    void dispatch();
    void offer_continue();
    void reject(const Error& error);
    void write_answer(const Slot& slot, const HttpResponse& response);
    void write_answers();
    bool account() noexcept { return carrier_.hold(slot_bytes_ + parser_.request().body.size()); }
    bool continue_owed() const noexcept;
    bool paused() const noexcept; // not reading at the moment: enough is in work or unsent

    HttpCarrier& carrier_;
    HttpParser parser_;
    Bytes in_; // received, not parsed: paused in the middle of a read
    std::size_t in_taken_ = 0;
    std::deque<Slot> slots_;           // requests in work, in order
    std::size_t slot_bytes_ = 0;       // their bodies
    std::uint64_t first_sequence_ = 0; // of slots_
    bool continue_sent_ = false;
    std::int64_t request_since_ms_ = 0; // its first byte
};

} // namespace redoubt::net
