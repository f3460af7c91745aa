// SPDX-License-Identifier: Apache-2.0
// One connection to one enclave: frames out, replies in, matched by id. Everything on the loop's thread.
//
// A link knows four states: down (waiting to connect again), connecting, open (frames pass), and closed for
// good. What was sent and not answered when it goes down fails with EnclaveUnavailable.
#pragma once

#include "base/clock.h"
#include "base/spare.h"
#include "gateway/held_keys.h"
#include "net/event_loop.h"
#include "wire/message.h"

#include <concepts>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace redoubt::gateway {

// Who waits for a reply; whatever has a request under way can be it, so that waiting costs nothing besides.
class ReplyReceiver {
  public:
    virtual ~ReplyReceiver() = default;
    // Error: EnclaveUnavailable (the connection ended). Whoever wants more of the reply than a look takes it:
    // its memory is the next one's.
    virtual void receive(Result<wire::Reply>& reply) = 0;
};

class EnclaveLink : public std::enable_shared_from_this<EnclaveLink> {
  public:
    // A ReplyReceiver, or a function of a reply. How long to wait is the caller's business.
    class Callback {
      public:
        Callback() = default;
        Callback(std::shared_ptr<ReplyReceiver> to) noexcept : to_(std::move(to)) {} // NOLINT: it is one
        template<class Function>
        requires std::invocable<Function&, Result<wire::Reply>>
        Callback(Function function) // NOLINT: as std::function
            : to_(make_spare_shared<Calling<Function>>(std::move(function))) {}
        void operator()(Result<wire::Reply>& reply) const { to_->receive(reply); }
        void operator()(Result<wire::Reply>&& reply) const { to_->receive(reply); }

      private:
        template<class Function>
        struct Calling final : ReplyReceiver {
            explicit Calling(Function f) : function(std::move(f)) {}
            void receive(Result<wire::Reply>& reply) override { function(std::move(reply)); }
            Function function;
        };
        std::shared_ptr<ReplyReceiver> to_;
    };
    struct Events {
        std::function<void()> opened; // frames pass from now on
        std::function<void()> closed; // before the callbacks are told, so that they find other enclaves
    };

    // `held_keys`: how many keys the enclave holds open.
    EnclaveLink(net::EventLoop& loop, net::Endpoint endpoint, Events events, std::size_t held_keys);
    ~EnclaveLink();
    EnclaveLink(const EnclaveLink&) = delete;
    EnclaveLink& operator=(const EnclaveLink&) = delete;

    const net::Endpoint& endpoint() const noexcept { return endpoint_; }
    bool open() const noexcept { return state_ == State::Open; }
    HeldKeys& held_keys() noexcept { return held_keys_; } // nothing of before the connection
    std::size_t outstanding() const noexcept { return waiting_.size() + promised_; }
    // Of those the ones that the enclave has not come to, as far as can be told: it takes frames in the order
    // in which they were sent, so whatever was sent before one that is answered waits for something else.
    std::size_t queued() const noexcept {
        return static_cast<std::size_t>(next_id_ - 1 - come_to_) + promised_;
    }
    // For a request that was let in and is going to be sent: it counts as outstanding, and as queued.
    class Place {
      public:
        explicit Place(std::shared_ptr<EnclaveLink> link) noexcept : link_(std::move(link)) {
            ++link_->promised_;
        }
        ~Place() { --link_->promised_; }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        const std::shared_ptr<EnclaveLink>& link() const noexcept { return link_; }

      private:
        std::shared_ptr<EnclaveLink> link_;
    };

    // Keeps trying until stop(): at once, then every kRetryMs.
    void start();
    void stop();
    // Ends the connection that there is, and connects again: for an enclave that stopped answering.
    void reset(FixedText why);

    // `encode` appends the payload. Beyond kMaxUnsent bytes that the enclave has not taken: Overloaded. The
    // callback may come from within send() when the link is not open. What is sent in one turn of the loop
    // leaves in few writes.
    void send(wire::Kind kind, const std::function<void(Bytes&)>& encode, Callback callback);

    // Milliseconds since the enclave last said something while answers were due; 0 when none are due. An
    // enclave that works answers probes even while KMS keeps other requests waiting.
    std::int64_t silent_ms(std::int64_t now) const noexcept;

    static constexpr std::size_t kMaxUnsent = 16 * 1024 * 1024;
    static constexpr int kRetryMs = 100;
    static constexpr int kConnectMs = 1'000;

  private:
    static constexpr std::size_t kMostSpare = 1024;                       // nodes
    static constexpr std::size_t kKeptBody = 64 * 1024, kKeptRecords = 4; // of a reply, for the next one
    static constexpr int kPush = 16; // frames that wait for the turn's end; more are sent before
    enum class State { Down, Connecting, Open, Stopped };
    void connect();
    void connected();
    void ready(std::uint32_t events);
    void read();
    bool push();
    void flush();
    void down(FixedText why);

    net::EventLoop& loop_;
    net::Endpoint endpoint_;
    Events events_;
    State state_ = State::Down;
    HeldKeys held_keys_;
    std::size_t promised_ = 0; // places
    net::Fd fd_;
    std::uint32_t interest_ = 0;
    wire::FrameReader reader_;
    Bytes out_;
    std::size_t sent_ = 0;
    int unsent_frames_ = 0;
    bool flush_deferred_ = false;
    std::uint64_t next_id_ = 1;
    std::uint64_t come_to_ = 0; // the highest id that was answered
    using Waiting = std::unordered_map<std::uint64_t, Callback>;
    Waiting waiting_;
    std::vector<Waiting::node_type> spare_; // of it, at most kMostSpare
    Result<wire::Reply> reply_;             // the last one's memory
    std::int64_t heard_at_ = 0;
    net::EventLoop::TimerId timer_ = 0;
    bool timer_set_ = false;
    bool told_down_ = false;
};

} // namespace redoubt::gateway
