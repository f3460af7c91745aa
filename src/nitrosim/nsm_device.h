// SPDX-License-Identifier: Apache-2.0
// The virtio device of the Nitro Secure Module (virtio id 33; the Linux driver is drivers/misc/nsm.c): one
// queue, on which the driver posts a buffer with a request and then one for the response. What answers is any
// nitro::NsmTransport, made anew for each machine that starts, as its registers must be.
#pragma once

#include "net/event_loop.h"
#include "nitro/nsm.h"
#include "nitrosim/vhost_device.h"

#include <functional>
#include <memory>

namespace redoubt::nitrosim {

using MakeNsm = std::function<Result<std::unique_ptr<nitro::NsmTransport>>()>;

class NsmDevice final : public VhostDevice {
  public:
    // The loop outlives it.
    NsmDevice(net::EventLoop& loop, MakeNsm make) : loop_(loop), make_(std::move(make)) {}
    ~NsmDevice() override { loop_.cancel(again_); }
    NsmDevice(const NsmDevice&) = delete;
    NsmDevice& operator=(const NsmDevice&) = delete;

    std::uint16_t queues() const override { return 1; }
    Bytes config() const override { return {}; }
    void attached(Rings& rings) override { rings_ = &rings; }
    void detached() override;
    void kicked(std::uint16_t queue) override;
    void stopped() override { nsm_.reset(); }

  private:
    Status answer(Virtqueue& ring);
    Bytes exchange(ByteView request);

    net::EventLoop& loop_;
    MakeNsm make_;
    std::unique_ptr<nitro::NsmTransport> nsm_; // from the first request until the device stops
    Rings* rings_ = nullptr;
    net::EventLoop::TimerId again_ = 0;
};

} // namespace redoubt::nitrosim
