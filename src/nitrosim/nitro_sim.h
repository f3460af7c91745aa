// SPDX-License-Identifier: Apache-2.0
// What one enclave finds around it on Nitro hardware, made for a virtual machine without it: the vsock device
// with its parent at CID 3, the NSM, and the hypervisor's end of the boot handshake. A stock QEMU (11 or
// later) takes both devices as vhost-user back ends; docs/nitro-simulator.md has its command.
//
// In the folder: vsock-device.sock and nsm-device.sock for QEMU; vsock for connections into the enclave
// ("CONNECT PORT\n"); vsock_PORT is whoever serves a port of CID 3, vsock_9000 the boot handshake.
#pragma once

#include "image/eif.h"
#include "net/event_loop.h"
#include "nitrosim/nsm_device.h"

#include <map>
#include <string>

namespace redoubt::nitrosim {

// PCR0 to 2, and 8 of a signed image, as hardware shows them of an enclave that runs it.
std::map<std::uint16_t, nitro::Pcr> boot_registers(const image::Measurements& measurements);

struct NitroSimOptions {
    std::string folder;             // exists
    std::uint32_t guest_cid = 0;    // 4 and up
    MakeNsm make_nsm;               // called once for each machine that starts
    std::function<void()> booted{}; // the image's init said that it runs; once a machine
    std::uint32_t vsock_buffer = 256 * 1024;
    std::size_t max_connections = 1024;
};

class NitroSim {
  public:
    // The loop outlives it; everything happens on the loop's thread. Errors: Usage, Io.
    static Result<std::unique_ptr<NitroSim>> create(net::EventLoop& loop, NitroSimOptions options);
    ~NitroSim();
    NitroSim(const NitroSim&) = delete;
    NitroSim& operator=(const NitroSim&) = delete;

  private:
    struct Impl;
    explicit NitroSim(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace redoubt::nitrosim
