// SPDX-License-Identifier: Apache-2.0
// Any sequence of messages from a vhost-user front end, to the vsock device and to the NSM's: no crash, no
// access outside the memory that is shared. Input: a byte for the device, then messages as on the socket, but
// the byte before each says how many descriptors come with it and which; 0xff is no message but bytes for the
// guest's memory: u16 offset, u16 size. Seeds: corpus/vhost_user.
#include "nitrosim/nsm_device.h"
#include "nitrosim/vhost_session.h"
#include "nitrosim/vsock_device.h"

#include "base/cursor.h"
#include "base/log.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace redoubt;
using namespace redoubt::nitrosim;

namespace {

constexpr std::size_t kMemory = std::size_t{64} << 10;

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Ram {
    Ram() : fd(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
        require(fd >= 0 && ftruncate(fd, kMemory) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
        void* const mapped = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        require(mapped != MAP_FAILED);
        bytes = {static_cast<std::uint8_t*>(mapped), kMemory};
    }
    int fd;
    std::span<std::uint8_t> bytes;
};

Ram& ram() {
    static Ram instance;
    return instance;
}

struct Mirror final : nitro::NsmTransport {
    Result<Bytes> exchange(ByteView request) override { return to_bytes(request); }
};

void run(VhostDevice& device, net::EventLoop& loop, Cursor& in) {
    VhostSession session(loop, device);
    while (!in.empty()) {
        const std::uint8_t files = in.u8();
        if (files == 0xff) {
            const std::size_t at = in.u16();
            const ByteView bytes = in.block16();
            if (bytes.size() <= kMemory - at)
                std::ranges::copy(bytes, ram().bytes.begin() + static_cast<std::ptrdiff_t>(at));
            continue;
        }
        const auto header = parse_vhost_header(in.array<kVhostHeader>());
        if (!in.ok() || !header)
            return;
        require(header->size <= kVhostMaxPayload);
        VhostMessage message;
        message.request = header->request;
        message.payload = to_bytes(in.take(header->size));
        if (!in.ok())
            return;
        for (std::size_t i = 0; i < (files & 0xfU); ++i)
            message.files.emplace_back((files & 0x80) != 0 ? fcntl(ram().fd, F_DUPFD_CLOEXEC, 0)
                                                           : eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
        const auto reply = session.handle(std::move(message));
        if (!reply)
            return;
        require(reply->empty() || reply->size() >= kVhostHeader);
        loop.post([&] { loop.stop(); }); // one turn: kicks are served
        loop.run();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    set_log_level(LogLevel::Error);
    std::ranges::fill(ram().bytes, std::uint8_t{0});
    Cursor in(ByteView(data, size));
    net::EventLoop loop;
    if (in.u8() % 2 == 0) {
        NsmDevice device(loop, []() -> Result<std::unique_ptr<nitro::NsmTransport>> {
            return std::make_unique<Mirror>();
        });
        run(device, loop, in);
        return 0;
    }
    VsockOptions options;
    options.guest_cid = 16;
    options.path = "/tmp/redoubt-fuzz-vsock-" + std::to_string(getpid());
    auto device = VsockDevice::create(loop, options);
    require(device.has_value());
    run(**device, loop, in);
    require((*device)->connections() == 0); // none outlives its front end
    return 0;
}
