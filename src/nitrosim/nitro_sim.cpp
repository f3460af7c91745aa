// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/nitro_sim.h"

#include "nitrosim/boot_handshake.h"
#include "nitrosim/vhost_user.h"
#include "nitrosim/vsock_device.h"

#include <algorithm>
#include <sys/resource.h>

namespace redoubt::nitrosim {

namespace {

// Every connection takes a descriptor. A failure shows when they run out.
void raise_descriptor_limit(std::size_t connections) {
    constexpr std::size_t kOthers = 512; // clients that have not said CONNECT, memory, rings
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    const rlim_t wanted = connections + kOthers;
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min<rlim_t>(wanted, limit.rlim_max);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

// In the order in which they must go in reverse: servers before the devices they show.
struct NitroSim::Impl {
    std::unique_ptr<VsockDevice> vsock;
    std::unique_ptr<NsmDevice> nsm;
    std::unique_ptr<VhostUser> vsock_server, nsm_server;
    std::unique_ptr<BootHandshake> handshake;
};

NitroSim::NitroSim(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NitroSim::~NitroSim() = default;

std::map<std::uint16_t, nitro::Pcr> boot_registers(const image::Measurements& measurements) {
    std::map<std::uint16_t, nitro::Pcr> out{
        {0, measurements.pcr0}, {1, measurements.pcr1}, {2, measurements.pcr2}};
    if (measurements.pcr8)
        out[8] = *measurements.pcr8;
    return out;
}

Result<std::unique_ptr<NitroSim>> NitroSim::create(net::EventLoop& loop, NitroSimOptions options) {
    const auto path = [&](const char* name) { return options.folder + "/" + name; };
    raise_descriptor_limit(options.max_connections);
    auto impl = std::make_unique<Impl>();
    VsockOptions vsock;
    vsock.guest_cid = options.guest_cid;
    vsock.path = path("vsock");
    vsock.buffer = options.vsock_buffer;
    vsock.max_connections = options.max_connections;
    REDOUBT_TRY(impl->vsock, VsockDevice::create(loop, std::move(vsock)));
    impl->nsm = std::make_unique<NsmDevice>(loop, std::move(options.make_nsm));
    REDOUBT_TRY(impl->handshake, BootHandshake::create(loop, path("vsock_9000"), std::move(options.booted)));
    static_assert(kBootPort == 9000, "the socket's name above");
    REDOUBT_TRY(impl->vsock_server, VhostUser::create(loop, path("vsock-device.sock"), *impl->vsock));
    REDOUBT_TRY(impl->nsm_server, VhostUser::create(loop, path("nsm-device.sock"), *impl->nsm));
    return std::unique_ptr<NitroSim>(new NitroSim(std::move(impl)));
}

} // namespace redoubt::nitrosim
