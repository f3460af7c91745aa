// SPDX-License-Identifier: Apache-2.0
// The other side of the devices, for their tests: a guest's memory and rings, as a driver lays them out, and
// a front end that speaks vhost-user as QEMU does.
#pragma once

#include "nitrosim/vhost_user.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace redoubt::nitrosim::tests {

constexpr int kWaitMs = 20'000; // for what must come; nothing waits so long that goes right

inline std::string test_path(const std::string& name) {
    static int count = 0;
    return std::filesystem::temp_directory_path() /
           ("rns-" + std::to_string(getpid()) + "-" + std::to_string(++count) + "-" + name);
}

inline bool wait_readable(int fd, int ms = kWaitMs) {
    pollfd item{fd, POLLIN, 0};
    return poll(&item, 1, ms) == 1;
}

// A loop with a thread of its own. What lives on it is made before start() and destroyed after stop().
class LoopThread {
  public:
    net::EventLoop& loop() { return loop_; }
    void start() {
        thread_ = std::thread([this] { loop_.run(); });
    }
    void stop() {
        if (!thread_.joinable())
            return;
        loop_.stop();
        thread_.join();
    }
    ~LoopThread() { stop(); }

  private:
    net::EventLoop loop_;
    std::thread thread_;
};

class GuestRam {
  public:
    static constexpr std::uint64_t kGuest = 0x4000'0000, kFront = 0x7000'0000'0000;
    static constexpr std::size_t kSize = std::size_t{16} << 20;

    GuestRam() {
        file_ = net::Fd(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        EXPECT_EQ(ftruncate(file_.get(), kSize), 0);
        EXPECT_EQ(fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
        void* const data = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
        EXPECT_NE(data, MAP_FAILED);
        data_ = static_cast<std::uint8_t*>(data);
    }
    ~GuestRam() { munmap(data_, kSize); }
    GuestRam(const GuestRam&) = delete;
    GuestRam& operator=(const GuestRam&) = delete;

    int fd() const { return file_.get(); }
    net::Fd file() const { return net::Fd(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)); }
    MemoryRegion region() const { return {kGuest, kSize, kFront, 0}; }
    GuestMemory mapped() const {
        const std::array regions{region()};
        std::array<net::Fd, 1> files{file()};
        return GuestMemory::map(regions, files).value();
    }
    // An offset, page-aligned.
    std::size_t allocate(std::size_t size) {
        const std::size_t at = next_;
        next_ += (size + 4095) / 4096 * 4096;
        EXPECT_LE(next_, kSize);
        return at;
    }
    std::uint8_t* at(std::size_t offset) { return data_ + offset; }

  private:
    net::Fd file_;
    std::uint8_t* data_ = nullptr;
    std::size_t next_ = 0;
};

// A ring as its driver sees it. Each descriptor has a buffer of its own.
class DriverRing {
  public:
    static constexpr std::uint16_t kNext = 1, kWrite = 2, kIndirect = 4;
    static constexpr std::size_t kBuffer = 8192;
    struct Descriptor {
        std::uint64_t address;
        std::uint32_t size;
        std::uint16_t flags, next;
    };

    DriverRing(GuestRam& ram, std::uint16_t size)
        : ram_(ram), size_(size), table_(ram.allocate(size * sizeof(Descriptor))),
          available_(ram.allocate(6 + 2U * size)), used_(ram.allocate(6 + 8U * size)),
          buffers_(ram.allocate(size * kBuffer)) {
        for (std::uint16_t i = 0; i < size; ++i)
            free_.push_back(i);
    }

    std::uint16_t size() const { return size_; }
    RingAddresses addresses() const {
        return {GuestRam::kFront + table_, GuestRam::kFront + used_, GuestRam::kFront + available_};
    }
    std::uint64_t buffer_address(std::uint16_t index) const {
        return GuestRam::kGuest + buffers_ + index * kBuffer;
    }
    std::uint8_t* buffer(std::uint16_t index) { return ram_.at(buffers_ + index * kBuffer); }
    std::size_t free() const { return free_.size(); }

    void write(std::uint16_t index, const Descriptor& descriptor) {
        std::memcpy(ram_.at(table_ + index * sizeof descriptor), &descriptor, sizeof descriptor);
    }
    // Offers what the table holds at `head`.
    void offer(std::uint16_t head) {
        std::memcpy(ram_.at(available_ + 4 + 2U * (next_ % size_)), &head, sizeof head);
        set_index(static_cast<std::uint16_t>(next_ + 1));
    }
    void set_index(std::uint16_t index) {
        next_ = index;
        __atomic_store_n(reinterpret_cast<std::uint16_t*>(ram_.at(available_ + 2)), index, __ATOMIC_RELEASE);
    }
    void set_flags(std::uint16_t flags) { std::memcpy(ram_.at(available_), &flags, sizeof flags); }

    // A buffer for the device to read, or to write.
    std::uint16_t post_out(ByteView bytes) {
        const std::uint16_t index = take();
        std::copy(bytes.begin(), bytes.end(), buffer(index)); // also of none
        write(index, {buffer_address(index), static_cast<std::uint32_t>(bytes.size()), 0, 0});
        offer(index);
        return index;
    }
    std::uint16_t post_in(std::size_t size) {
        const std::uint16_t index = take();
        write(index, {buffer_address(index), static_cast<std::uint32_t>(size), kWrite, 0});
        offer(index);
        return index;
    }
    struct Used {
        std::uint32_t head, written;
        bool operator==(const Used&) const = default;
    };
    // What the device gave back; its descriptor is free again.
    std::optional<Used> used() {
        const auto index =
            __atomic_load_n(reinterpret_cast<std::uint16_t*>(ram_.at(used_ + 2)), __ATOMIC_ACQUIRE);
        if (index == seen_)
            return std::nullopt;
        Used out;
        std::memcpy(&out, ram_.at(used_ + 4 + sizeof out * (seen_ % size_)), sizeof out);
        ++seen_;
        free_.push_back(static_cast<std::uint16_t>(out.head));
        return out;
    }
    std::uint16_t next() const { return next_; }

  private:
    std::uint16_t take() {
        const std::uint16_t index = free_.front();
        free_.pop_front();
        return index;
    }
    GuestRam& ram_;
    std::uint16_t size_;
    std::size_t table_, available_, used_, buffers_;
    std::deque<std::uint16_t> free_;
    std::uint16_t next_ = 0, seen_ = 0;
};

template<class T>
Bytes raw(const T& value) {
    Bytes out(sizeof value);
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

class FrontEnd {
  public:
    static constexpr std::uint64_t kVersion1 = std::uint64_t{1} << 32, kProtocol = std::uint64_t{1} << 30;

    explicit FrontEnd(const std::string& path)
        : socket_(net::connect_to({net::Endpoint::Kind::Unix, path, 0, "", 0}, kWaitMs).value()) {
        (void)fcntl(socket_.get(), F_SETFL, 0);
    }

    void send_raw(ByteView bytes, const std::vector<int>& files = {}) {
        iovec piece{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(32 * sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        if (!files.empty()) {
            message.msg_control = control.data();
            message.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
            cmsghdr* const c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
            std::memcpy(CMSG_DATA(c), files.data(), files.size() * sizeof(int));
        }
        (void)sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    }
    static Bytes message(std::uint32_t request, ByteView payload, std::uint32_t flags = 1) {
        Bytes out =
            raw(std::array<std::uint32_t, 3>{request, flags, static_cast<std::uint32_t>(payload.size())});
        append(out, payload);
        return out;
    }
    void send(VhostRequest request, ByteView payload = {}, const std::vector<int>& files = {}) {
        send_raw(message(static_cast<std::uint32_t>(request), payload), files);
    }
    // The reply's payload; nullopt: the back end closed the connection.
    std::optional<Bytes> reply() {
        Bytes header(kVhostHeader);
        if (!receive(header))
            return std::nullopt;
        std::array<std::uint32_t, 3> words;
        std::memcpy(words.data(), header.data(), header.size());
        EXPECT_EQ(words[1], 5U);
        Bytes payload(words[2]);
        if (!receive(payload))
            return std::nullopt;
        return payload;
    }
    std::optional<Bytes> ask(VhostRequest request, ByteView payload = {}) {
        send(request, payload);
        return reply();
    }
    std::uint64_t ask_u64(VhostRequest request) {
        const auto payload = ask(request);
        std::uint64_t out = 0;
        EXPECT_TRUE(payload && payload->size() == 8);
        if (payload && payload->size() == 8)
            std::memcpy(&out, payload->data(), 8);
        return out;
    }
    // Whether all that was sent was taken.
    bool alive() { return ask(VhostRequest::GetFeatures).has_value(); }
    bool closed() { return !reply().has_value(); }

    void share(const GuestRam& ram) { share({ram.region()}, {ram.fd()}); }
    void share(const std::vector<MemoryRegion>& regions, const std::vector<int>& files) {
        Bytes payload = raw(std::uint64_t{regions.size()});
        for (const auto& region : regions)
            append(payload, raw(region));
        send(VhostRequest::SetMemTable, payload, files);
    }
    void negotiate(const GuestRam& ram) {
        EXPECT_EQ(ask_u64(VhostRequest::GetFeatures) & (kVersion1 | kProtocol), kVersion1 | kProtocol);
        const auto protocol = ask_u64(VhostRequest::GetProtocolFeatures);
        EXPECT_EQ(protocol & ~std::uint64_t{0x201}, 0U); // MQ, CONFIG
        EXPECT_NE(protocol & 1, 0U);
        send(VhostRequest::SetProtocolFeatures, raw(protocol));
        EXPECT_GE(ask_u64(VhostRequest::GetQueueNum), 1U);
        send(VhostRequest::SetOwner);
        send(VhostRequest::SetFeatures, raw(kVersion1 | kProtocol));
        share(ram);
    }
    void set(VhostRequest request, std::uint32_t index, std::uint32_t number) {
        send(request, raw(std::array<std::uint32_t, 2>{index, number}));
    }
    void set_addresses(std::uint32_t index, const RingAddresses& at, std::uint32_t flags = 0) {
        send(VhostRequest::SetVringAddr,
             raw(std::array<std::uint64_t, 5>{index | std::uint64_t{flags} << 32, at.descriptors, at.used,
                                              at.available, 0}));
    }
    // In QEMU's order.
    void start(std::uint32_t index, const DriverRing& ring, std::uint16_t base = 0) {
        kicks_[index] = net::Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        calls_[index] = net::Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        errors_[index] = net::Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        send(VhostRequest::SetVringCall, raw(std::uint64_t{index}), {calls_[index].get()});
        send(VhostRequest::SetVringErr, raw(std::uint64_t{index}), {errors_[index].get()});
        set(VhostRequest::SetVringNum, index, ring.size());
        set(VhostRequest::SetVringBase, index, base);
        set_addresses(index, ring.addresses());
        send(VhostRequest::SetVringKick, raw(std::uint64_t{index}), {kicks_[index].get()});
        set(VhostRequest::SetVringEnable, index, 1);
    }
    // The entry that the device would take next.
    std::uint32_t stop(std::uint32_t index) {
        const auto payload = ask(VhostRequest::GetVringBase, raw(std::array<std::uint32_t, 2>{index, 0}));
        std::array<std::uint32_t, 2> state{};
        EXPECT_TRUE(payload && payload->size() == sizeof state);
        if (payload && payload->size() == sizeof state)
            std::memcpy(state.data(), payload->data(), sizeof state);
        EXPECT_EQ(state[0], index);
        return state[1];
    }
    void kick(std::uint32_t index) {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(kicks_[index].get(), &one, sizeof one), 8);
    }
    bool called(std::uint32_t index, int ms = kWaitMs) { return signalled(calls_[index].get(), ms); }
    bool refused(std::uint32_t index, int ms = kWaitMs) { return signalled(errors_[index].get(), ms); }
    int call_fd(std::uint32_t index) { return calls_[index].get(); }

  private:
    static bool signalled(int fd, int ms) {
        std::uint64_t count = 0;
        return wait_readable(fd, ms) && ::read(fd, &count, sizeof count) == 8;
    }
    bool receive(Bytes& into) {
        for (std::size_t have = 0; have < into.size();) {
            if (!wait_readable(socket_.get()))
                return false;
            const ssize_t n = recv(socket_.get(), into.data() + have, into.size() - have, 0);
            if (n <= 0)
                return false;
            have += static_cast<std::size_t>(n);
        }
        return true;
    }
    net::Fd socket_;
    std::map<std::uint32_t, net::Fd> kicks_, calls_, errors_;
};

} // namespace redoubt::nitrosim::tests
