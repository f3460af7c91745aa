// SPDX-License-Identifier: Apache-2.0
#include "kmstool/entropy.h"

#include "net/endpoint.h"

#include <cstring>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace redoubt::kmstool {

Status seed_kernel_random(nitro::Nsm& nsm, const char* device) {
    REDOUBT_TRY(const Secret drawn, nsm.random());
    const net::Fd fd(open(device, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd)
        return fail(Code::Io, "the kernel's random device cannot be opened", device);
    const auto bytes = drawn.view(SecretAccess("seed the kernel's generator"));

    // linux/random.h, struct rand_pool_info: bits of entropy, size in bytes, the bytes.
    constexpr std::size_t kHead = 2 * sizeof(int);
    Secret pool(kHead + bytes.size());
    const auto space = pool.mutable_view(SecretAccess("seed the kernel's generator"));
    const int head[2] = {static_cast<int>(bytes.size() * 8), static_cast<int>(bytes.size())};
    std::memcpy(space.data(), head, kHead);
    std::memcpy(space.data() + kHead, bytes.data(), bytes.size());
    if (ioctl(fd.get(), RNDADDENTROPY, space.data()) == 0)
        return {};
    if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail(Code::Io, "the kernel's random device does not take more", device);
    return {};
}

} // namespace redoubt::kmstool
