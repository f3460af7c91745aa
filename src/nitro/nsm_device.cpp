// SPDX-License-Identifier: Apache-2.0
// Linux drivers/misc/nsm.c and include/uapi/linux/nsm.h (since 6.8). The structures are written out here, so
// that the build needs no header of a certain kernel.
#include "nitro/nsm.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace redoubt::nitro {

namespace {

struct NsmBuffer {
    std::uint64_t address;
    std::uint64_t size;
};

struct NsmRaw {
    NsmBuffer request;
    NsmBuffer response; // its size is the buffer's, and after the call the response's
};
static_assert(sizeof(NsmRaw) == 32);

constexpr auto kNsmRaw = _IOWR(0x0a, 0, NsmRaw);
static_assert(kNsmRaw == 0xc0200a00);

std::uint64_t address_of(const std::uint8_t* data) noexcept {
    return reinterpret_cast<std::uintptr_t>(data);
}

class Device final : public NsmTransport {
  public:
    explicit Device(int fd) noexcept : fd_(fd) {}
    ~Device() override { ::close(fd_); }
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    Result<Bytes> exchange(ByteView request) override {
        if (request.empty() || request.size() > kNsmMaxRequest)
            return fail(Code::NsmFailed, "a request to the NSM has 1 to 4096 bytes");
        Bytes response(kNsmMaxResponse);
        NsmRaw raw{{address_of(request.data()), request.size()},
                   {address_of(response.data()), response.size()}};
        {
            const std::lock_guard lock(mutex_);
            // Never repeated: the driver is not interruptible, and an extension done twice is another value.
            if (::ioctl(fd_, kNsmRaw, &raw) != 0)
                return fail(Code::NsmFailed, "the NSM device does not answer", std::strerror(errno));
        }
        if (raw.response.size == 0 || raw.response.size > response.size())
            return fail(Code::NsmFailed, "the NSM device states an impossible length");
        response.resize(static_cast<std::size_t>(raw.response.size));
        return response;
    }

  private:
    std::mutex mutex_;
    int fd_;
};

} // namespace

Result<std::unique_ptr<NsmTransport>> open_nsm_device(const char* path) {
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return fail(Code::NsmFailed, "the NSM device cannot be opened; is this a Nitro enclave?",
                    std::string(path) + ": " + std::strerror(errno));
    return std::make_unique<Device>(fd);
}

} // namespace redoubt::nitro
