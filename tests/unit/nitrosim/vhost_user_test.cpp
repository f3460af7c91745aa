// SPDX-License-Identifier: Apache-2.0
#include "front_end.h"

#include "base/log.h"

#include <atomic>

namespace redoubt::nitrosim::tests {
namespace {

// Gives each chain back with "hi" where it can be written.
class Echo final : public VhostDevice {
  public:
    std::uint16_t queues() const override { return 2; }
    Bytes config() const override { return {1, 2, 3, 4, 5, 6, 7, 8}; }
    void attached(Rings& rings) override {
        rings_ = &rings;
        ++attached_count;
    }
    void detached() override { rings_ = nullptr; }
    void stopped() override { ++stopped_count; }
    void kicked(std::uint16_t queue) override {
        for (;;) {
            Virtqueue* const ring = rings_->running(queue);
            Chain chain;
            if (ring == nullptr)
                return;
            const auto got = ring->pop(chain);
            if (!got)
                return rings_->refuse(queue, got.error());
            if (!*got)
                return;
            std::uint32_t written = 0;
            if (chain.writable_size >= 2) {
                std::memcpy(chain.writable[0].iov_base, "hi", 2);
                written = 2;
            }
            ring->push(chain.head, written);
            rings_->notify(queue);
        }
    }
    std::atomic<int> attached_count = 0, stopped_count = 0;

  private:
    Rings* rings_ = nullptr;
};

class VhostUserTest : public ::testing::Test {
  protected:
    VhostUserTest() {
        set_log_level(LogLevel::Error);
        server_ = VhostUser::create(thread_.loop(), path_, device_).value();
        thread_.start();
    }
    ~VhostUserTest() override {
        thread_.stop();
        server_.reset();
        set_log_level(LogLevel::Info);
        EXPECT_FALSE(std::filesystem::exists(path_));
    }
    void answers(FrontEnd& front, DriverRing& ring, std::uint32_t index = 0) {
        const auto head = ring.post_in(16);
        front.kick(index);
        ASSERT_TRUE(front.called(index));
        EXPECT_EQ(ring.used(), (DriverRing::Used{head, 2}));
    }

    std::string path_ = test_path("device");
    Echo device_;
    LoopThread thread_;
    std::unique_ptr<VhostUser> server_;
    GuestRam ram_;
    DriverRing ring_{ram_, 16};
};

TEST_F(VhostUserTest, serves_a_front_end_as_qemu_starts_a_device) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    answers(front, ring_);
    for (int i = 0; i < 100; ++i)
        answers(front, ring_);
}

TEST_F(VhostUserTest, buffers_posted_before_the_ring_started_are_taken) {
    const auto head = ring_.post_in(16);
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    ASSERT_TRUE(front.called(0));
    EXPECT_EQ(ring_.used(), (DriverRing::Used{head, 2}));
}

TEST_F(VhostUserTest, a_ring_runs_only_while_it_is_enabled) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    front.set(VhostRequest::SetVringEnable, 0, 0);
    ASSERT_TRUE(front.alive());
    (void)ring_.post_in(16);
    front.kick(0);
    EXPECT_FALSE(front.called(0, 100));
    front.set(VhostRequest::SetVringEnable, 0, 1);
    EXPECT_TRUE(front.called(0));
}

TEST_F(VhostUserTest, without_protocol_features_a_ring_needs_no_enabling) {
    FrontEnd front(path_);
    front.send(VhostRequest::SetFeatures, raw(FrontEnd::kVersion1));
    front.share(ram_);
    const net::Fd kick(eventfd(0, EFD_CLOEXEC)), call(eventfd(0, EFD_CLOEXEC));
    front.set(VhostRequest::SetVringNum, 0, 16);
    front.set_addresses(0, ring_.addresses());
    front.send(VhostRequest::SetVringCall, raw(std::uint64_t{0}), {call.get()});
    (void)ring_.post_in(16);
    front.send(VhostRequest::SetVringKick, raw(std::uint64_t{0}), {kick.get()});
    EXPECT_TRUE(wait_readable(call.get()));
}

TEST_F(VhostUserTest, a_stopped_ring_says_where_to_go_on_and_does) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    for (int i = 0; i < 5; ++i)
        answers(front, ring_);
    EXPECT_EQ(front.stop(0), 5U);
    EXPECT_EQ(device_.stopped_count, 1);
    EXPECT_EQ(front.stop(0), 5U); // stopped already
    EXPECT_EQ(device_.stopped_count, 1);
    front.start(0, ring_, 5);
    answers(front, ring_);
    front.send(VhostRequest::ResetDevice);
    ASSERT_TRUE(front.alive());
    EXPECT_EQ(device_.stopped_count, 2);
}

TEST_F(VhostUserTest, a_new_memory_table_leaves_running_rings_where_they_are) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    answers(front, ring_);
    constexpr std::uint64_t kHalf = GuestRam::kSize / 2;
    const MemoryRegion all = ram_.region();
    front.share({{all.guest_address, kHalf, all.front_address, 0},
                 {all.guest_address + kHalf, kHalf, all.front_address + kHalf, kHalf}},
                {ram_.fd(), ram_.fd()});
    answers(front, ring_);
}

TEST_F(VhostUserTest, a_ring_that_breaks_the_rules_stops_and_the_others_go_on) {
    DriverRing other(ram_, 16);
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    front.start(1, other);
    ring_.offer(999);
    front.kick(0);
    ASSERT_TRUE(front.refused(0));
    (void)ring_.post_in(16);
    front.kick(0);
    EXPECT_FALSE(front.called(0, 100));
    answers(front, other, 1);
    (void)front.stop(0);
    DriverRing anew(ram_, 16);
    front.start(0, anew);
    answers(front, anew);
}

TEST_F(VhostUserTest, the_next_front_end_finds_the_device_as_new) {
    for (int i = 1; i <= 3; ++i) {
        DriverRing ring(ram_, 16);
        FrontEnd front(path_);
        front.negotiate(ram_);
        front.start(0, ring);
        answers(front, ring);
        EXPECT_EQ(device_.attached_count, i);
    }
}

TEST_F(VhostUserTest, a_second_front_end_waits_for_the_first_to_go) {
    auto first = std::make_unique<FrontEnd>(path_);
    ASSERT_TRUE(first->alive());
    FrontEnd second(path_);
    second.send(VhostRequest::GetFeatures);
    ASSERT_TRUE(first->alive());
    EXPECT_EQ(device_.attached_count, 1);
    first.reset();
    EXPECT_TRUE(second.reply());
}

TEST_F(VhostUserTest, gives_its_configuration_and_keeps_it) {
    FrontEnd front(path_);
    EXPECT_EQ(front.ask_u64(VhostRequest::GetProtocolFeatures), 0x201U);
    const auto ask = [&](std::uint32_t offset, std::uint32_t size) {
        Bytes payload = raw(std::array<std::uint32_t, 3>{offset, size, 0});
        payload.resize(12 + size);
        return front.ask(VhostRequest::GetConfig, payload);
    };
    auto whole = ask(0, 8);
    ASSERT_TRUE(whole && whole->size() == 20);
    EXPECT_EQ(to_hex(ByteView(*whole).subspan(12)), "0102030405060708");
    Bytes write = raw(std::array<std::uint32_t, 3>{0, 2, 0});
    append(write, ByteArray<2>{9, 9});
    front.send(VhostRequest::SetConfig, write);
    auto part = ask(1, 2);
    ASSERT_TRUE(part && part->size() == 14);
    EXPECT_EQ(to_hex(ByteView(*part).subspan(12)), "0203");
    EXPECT_EQ(ask(8, 1)->size(), 0U);
    EXPECT_EQ(ask(0, 9)->size(), 0U);
    EXPECT_EQ(ask(0xffffffff, 8)->size(), 0U);
}

TEST_F(VhostUserTest, a_message_may_come_in_pieces) {
    FrontEnd front(path_);
    for (const std::uint8_t byte : FrontEnd::message(1, {})) {
        front.send_raw({&byte, 1});
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(front.reply());
}

TEST_F(VhostUserTest, messages_that_break_the_protocol_end_the_connection) {
    const net::Fd event(eventfd(0, EFD_CLOEXEC));
    const int fd = event.get();
    const auto words = [](std::uint32_t a, std::uint32_t b) {
        return raw(std::array<std::uint32_t, 2>{a, b});
    };
    Bytes table = raw(std::uint64_t{1});
    append(table, raw(ram_.region()));
    Bytes two = raw(std::uint64_t{2});
    append(two, raw(ram_.region()));
    const struct {
        const char* what;
        Bytes bytes;
        std::vector<int> files;
    } cases[] = {
        {"unknown request", FrontEnd::message(99, {}), {}},
        {"request 0", FrontEnd::message(0, {}), {}},
        {"dirty log", FrontEnd::message(6, raw(std::uint64_t{0})), {fd}},
        {"version 0", FrontEnd::message(1, {}, 0), {}},
        {"a reply", FrontEnd::message(1, {}, 5), {}},
        {"flags nobody knows", FrontEnd::message(1, {}, 0x11), {}},
        {"payload too long", FrontEnd::message(1, Bytes(8)), {}},
        {"payload too short", FrontEnd::message(2, Bytes(4)), {}},
        {"payload of 4 GiB", raw(std::array<std::uint32_t, 3>{25, 1, 0xffffffff}), {}},
        {"feature not offered", FrontEnd::message(2, raw(FrontEnd::kVersion1 | 1 << 29)), {}},
        {"protocol feature not offered", FrontEnd::message(16, raw(std::uint64_t{8})), {}},
        {"no such ring: size", FrontEnd::message(8, words(2, 16)), {}},
        {"no such ring: base", FrontEnd::message(10, words(0xffffffff, 0)), {}},
        {"no such ring: stop", FrontEnd::message(11, words(2, 0)), {}},
        {"no such ring: kick", FrontEnd::message(12, raw(std::uint64_t{2})), {fd}},
        {"no such ring: enable", FrontEnd::message(18, words(2, 1)), {}},
        {"base of 17 bits", FrontEnd::message(10, words(0, 0x10000)), {}},
        {"kick without descriptor", FrontEnd::message(12, raw(std::uint64_t{0})), {}},
        {"polling", FrontEnd::message(12, raw(std::uint64_t{0x100})), {}},
        {"kick before the ring is set up", FrontEnd::message(12, raw(std::uint64_t{0})), {fd}},
        {"two descriptors for a kick", FrontEnd::message(12, raw(std::uint64_t{0})), {fd, fd}},
        {"call without its descriptor", FrontEnd::message(13, raw(std::uint64_t{0})), {}},
        {"call with one too many", FrontEnd::message(13, raw(std::uint64_t{0x100})), {fd}},
        {"ring addresses too short", FrontEnd::message(9, Bytes(39)), {}},
        {"logged ring", FrontEnd::message(9, raw(std::array<std::uint64_t, 5>{std::uint64_t{1} << 32})), {}},
        {"memory without file", FrontEnd::message(5, table), {}},
        {"memory in an eventfd", FrontEnd::message(5, table), {fd}},
        {"memory with two files", FrontEnd::message(5, table), {ram_.fd(), ram_.fd()}},
        {"two regions announced, one sent", FrontEnd::message(5, two), {ram_.fd()}},
        {"no region", FrontEnd::message(5, raw(std::uint64_t{0})), {}},
        {"nine descriptors", FrontEnd::message(5, table), std::vector<int>(9, fd)},
        {"thirty descriptors", FrontEnd::message(5, table), std::vector<int>(30, fd)},
        {"descriptors nobody asked for", FrontEnd::message(1, {}), {fd}},
        {"configuration longer than it says", FrontEnd::message(24, Bytes(20)), {}},
        {"written configuration longer than it says", FrontEnd::message(25, Bytes(20)), {}},
    };
    for (const auto& c : cases) {
        FrontEnd front(path_);
        ASSERT_TRUE(front.alive()) << c.what; // and the device goes on after the case before
        front.send_raw(c.bytes, c.files);
        EXPECT_TRUE(front.closed()) << c.what;
    }
}

TEST_F(VhostUserTest, rings_that_run_are_not_changed) {
    for (const auto request :
         {VhostRequest::SetVringNum, VhostRequest::SetVringBase, VhostRequest::SetVringAddr}) {
        DriverRing ring(ram_, 16);
        FrontEnd front(path_);
        front.negotiate(ram_);
        front.start(0, ring);
        answers(front, ring);
        if (request == VhostRequest::SetVringAddr)
            front.set_addresses(0, ring.addresses());
        else
            front.set(request, 0, 16);
        EXPECT_TRUE(front.closed());
    }
}

TEST_F(VhostUserTest, a_ring_outside_the_shared_memory_is_refused_at_its_start) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    const net::Fd kick(eventfd(0, EFD_CLOEXEC));
    front.set(VhostRequest::SetVringNum, 0, 16);
    front.set_addresses(0, {0x1000, 0x2000, 0x3000});
    front.send(VhostRequest::SetVringKick, raw(std::uint64_t{0}), {kick.get()});
    EXPECT_TRUE(front.closed());
}

TEST_F(VhostUserTest, memory_taken_from_under_a_running_ring_ends_the_connection) {
    FrontEnd front(path_);
    front.negotiate(ram_);
    front.start(0, ring_);
    answers(front, ring_);
    const MemoryRegion all = ram_.region();
    front.share({{all.guest_address, 4096, 0x1000, 0}}, {ram_.fd()});
    EXPECT_TRUE(front.closed());
    FrontEnd next(path_);
    EXPECT_TRUE(next.alive());
}

TEST_F(VhostUserTest, descriptors_that_are_no_eventfds_do_no_harm) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const net::Fd read_end(ends[0]);
    net::Fd write_end(ends[1]);
    const net::Fd file(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int fd : {read_end.get(), file.get(), ram_.fd()}) {
        FrontEnd front(path_);
        front.negotiate(ram_);
        DriverRing ring(ram_, 16);
        front.start(0, ring);
        front.send(VhostRequest::SetVringKick, raw(std::uint64_t{0}), {fd});
        front.send(VhostRequest::SetVringCall, raw(std::uint64_t{0}), {fd});
        EXPECT_TRUE(front.alive());
        write_end.reset(); // the pipe ends
        EXPECT_TRUE(front.alive());
    }
}

} // namespace
} // namespace redoubt::nitrosim::tests
