// SPDX-License-Identifier: Apache-2.0
// One front end's session: what it negotiated, the memory it shares, the rings it set up. Its messages come
// in as vhost_message.h reads them; one that is wrong is an error, and the session is then over.
#pragma once

#include "net/event_loop.h"
#include "nitrosim/vhost_device.h"
#include "nitrosim/vhost_message.h"

namespace redoubt::nitrosim {

class VhostSession final : public Rings {
  public:
    // Both outlive the session.
    VhostSession(net::EventLoop& loop, VhostDevice& device);
    ~VhostSession();
    VhostSession(const VhostSession&) = delete;
    VhostSession& operator=(const VhostSession&) = delete;

    // The reply to send (empty: none). Errors: BadRequest, Io.
    Result<Bytes> handle(VhostMessage message);

    Virtqueue* running(std::uint16_t queue) override;
    void notify(std::uint16_t queue) override;
    bool take_resumed(std::uint16_t queue) override;
    void refuse(std::uint16_t queue, const Error& why) override;

  private:
    struct Ring {
        std::uint32_t size = 0;
        std::uint16_t base = 0;
        std::optional<RingAddresses> addresses;
        net::Fd kick, call, error;
        bool enabled = false;
        bool refused = false;
        bool resumed = false;
        std::optional<Virtqueue> queue; // while it is started
    };

    Result<Bytes> dispatch(VhostMessage& message);
    std::uint64_t protocol_features() const;
    Status set_features(std::uint64_t features);
    Status set_memory(VhostMessage& message);
    Status set_addresses(ByteView payload);
    Result<Ring*> ring_at(std::uint32_t index);
    Result<Ring*> ring_at_rest(std::uint32_t index);
    Status set_kick(VhostMessage& message);
    Status set_other(VhostMessage& message, net::Fd Ring::*which);
    Result<Bytes> stop_ring(ByteView payload);
    Result<Bytes> read_config(ByteView payload) const;
    Status write_config(ByteView payload) const;
    Status start(std::uint16_t index);
    bool stop(Ring& ring);
    void stop_all();

    net::EventLoop& loop_;
    VhostDevice& device_;
    GuestMemory memory_;
    std::vector<Ring> rings_;
    bool protocol_features_ = false; // acknowledged: rings wait for SET_VRING_ENABLE
};

} // namespace redoubt::nitrosim
