// SPDX-License-Identifier: Apache-2.0
// What stands between a virtio device and the front end that shows it to a guest. Everything happens on the
// event loop's thread.
#pragma once

#include "base/bytes.h"
#include "nitrosim/virtqueue.h"

namespace redoubt::nitrosim {

// The rings of one front end.
class Rings {
  public:
    // nullptr: not running (not set up, not enabled, or refused). Good until the device returns to the loop.
    virtual Virtqueue* running(std::uint16_t queue) = 0;
    // Tells the driver of what was pushed, if it wants to be told.
    virtual void notify(std::uint16_t queue) = 0;
    // Whether the ring was started in the middle, as its driver used it before with another back end or
    // before a stop; true once a start.
    virtual bool take_resumed(std::uint16_t queue) = 0;
    // The driver broke the ring's rules: it stops until the front end sets it up anew.
    virtual void refuse(std::uint16_t queue, const Error& why) = 0;

  protected:
    ~Rings() = default;
};

class VhostDevice {
  public:
    virtual ~VhostDevice() = default;
    virtual std::uint16_t queues() const = 0;
    virtual Bytes config() const = 0; // the device's configuration space, read-only
    // A front end came; `rings` lives until detached().
    virtual void attached(Rings& rings) = 0;
    virtual void detached() = 0;
    // A ring that runs may have new chains; also called when it starts to run.
    virtual void kicked(std::uint16_t queue) = 0;
    // A ring stopped: the guest reset the device, or rebooted.
    virtual void stopped() = 0;
};

} // namespace redoubt::nitrosim
