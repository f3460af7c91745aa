// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/virtqueue.h"

#include "front_end.h"
#include "nitrosim/buffers.h"

namespace redoubt::nitrosim::tests {
namespace {

class VirtqueueTest : public ::testing::Test {
  protected:
    GuestRam ram_;
    DriverRing ring_{ram_, 8};
    GuestMemory memory_ = ram_.mapped();
    Virtqueue queue_ = Virtqueue::at(memory_, 8, ring_.addresses(), 0).value();

    DriverRing::Descriptor out(std::uint16_t index, std::uint32_t size) {
        return {ring_.buffer_address(index), size, 0, 0};
    }
    std::string refusal() {
        Chain chain;
        const auto got = queue_.pop(chain);
        if (got)
            return *got ? "taken" : "none";
        EXPECT_EQ(got.error().code, Code::BadRequest);
        return std::string(got.error().text.view());
    }
};

TEST_F(VirtqueueTest, takes_chains_in_the_order_they_are_offered) {
    Chain chain;
    EXPECT_FALSE(queue_.pop(chain).value());
    const auto first = ring_.post_out(as_bytes("first"));
    const auto second = ring_.post_in(100);
    EXPECT_EQ(queue_.available().value(), 2);
    ASSERT_TRUE(queue_.pop(chain).value());
    EXPECT_EQ(chain.head, first);
    EXPECT_EQ(chain.readable_size, 5U);
    Bytes text(5);
    EXPECT_EQ(gather(chain.readable, text), 5U);
    EXPECT_EQ(as_text(text), "first");
    ASSERT_TRUE(queue_.pop(chain).value());
    EXPECT_EQ(chain.head, second);
    EXPECT_EQ(chain.writable_size, 100U);
    EXPECT_EQ(scatter(chain.writable, as_bytes("answer")), 6U);
    queue_.push(first, 0);
    queue_.push(second, 6);
    EXPECT_EQ(ring_.used(), (DriverRing::Used{first, 0}));
    EXPECT_EQ(ring_.used(), (DriverRing::Used{second, 6}));
    EXPECT_EQ(std::memcmp(ring_.buffer(second), "answer", 6), 0);
}

TEST_F(VirtqueueTest, a_chain_put_back_is_taken_again) {
    const auto head = ring_.post_out(as_bytes("x"));
    Chain chain;
    ASSERT_TRUE(queue_.pop(chain).value());
    queue_.unpop();
    EXPECT_EQ(queue_.next(), 0);
    ASSERT_TRUE(queue_.pop(chain).value());
    EXPECT_EQ(chain.head, head);
}

TEST_F(VirtqueueTest, indices_go_round_after_65536_chains) {
    for (int i = 0; i < 70'000; ++i) {
        const auto head = ring_.post_in(4);
        Chain chain;
        ASSERT_TRUE(queue_.pop(chain).value());
        ASSERT_EQ(chain.head, head);
        queue_.push(head, 4);
        ASSERT_EQ(ring_.used(), (DriverRing::Used{head, 4}));
    }
}

TEST_F(VirtqueueTest, a_chain_has_its_pieces_in_order) {
    ring_.write(3, {ring_.buffer_address(3), 10, DriverRing::kNext, 5});
    ring_.write(5, {ring_.buffer_address(5), 0, DriverRing::kNext, 1});
    ring_.write(1, {ring_.buffer_address(1), 20, DriverRing::kNext | DriverRing::kWrite, 0});
    ring_.write(0, {ring_.buffer_address(0), 30, DriverRing::kWrite, 7});
    ring_.offer(3);
    Chain chain;
    ASSERT_TRUE(queue_.pop(chain).value());
    EXPECT_EQ(chain.readable_size, 10U);
    EXPECT_EQ(chain.writable_size, 50U);
    ASSERT_EQ(chain.writable.size(), 2U);
    const auto across = slice(chain.writable, 15, 10);
    ASSERT_EQ(across.size(), 2U);
    EXPECT_EQ(across[0].iov_len, 5U);
    EXPECT_EQ(across[1].iov_len, 5U);
    EXPECT_TRUE(slice(chain.writable, 50, 1).empty());
}

TEST_F(VirtqueueTest, the_driver_may_ask_not_to_be_told) {
    EXPECT_TRUE(queue_.wants_notification());
    ring_.set_flags(1);
    EXPECT_FALSE(queue_.wants_notification());
}

TEST_F(VirtqueueTest, chains_that_break_the_rules_are_refused) {
    using D = DriverRing::Descriptor;
    constexpr auto kNext = DriverRing::kNext, kWrite = DriverRing::kWrite;
    const std::uint64_t good = ring_.buffer_address(0);
    const struct {
        std::vector<D> table; // from descriptor 0
        std::uint16_t head;
        const char* why;
    } cases[] = {
        {{{good, 8, kNext, 1}, {good, 8, kNext, 0}}, 0, "a descriptor chain comes back to itself"},
        {{{good, 8, kNext, 0}}, 0, "a descriptor chain comes back to itself"},
        {{{good, 8, kNext, 8}}, 0, "a descriptor is not in the ring's table"},
        {{{good, 8, 0, 0}}, 8, "a descriptor is not in the ring's table"},
        {{{good, 8, 0, 0}}, 0xffff, "a descriptor is not in the ring's table"},
        {{{good, 16, DriverRing::kIndirect, 0}}, 0, "a descriptor has flags that were not agreed on"},
        {{{good, 16, 0x8000, 0}}, 0, "a descriptor has flags that were not agreed on"},
        {{{good, 8, kNext | kWrite, 1}, {good, 8, 0, 0}}, 0, "a descriptor to read follows one to write"},
        {{{GuestRam::kGuest - 1, 8, 0, 0}}, 0, "a descriptor is not within the guest's memory"},
        {{{GuestRam::kGuest + GuestRam::kSize - 7, 8, 0, 0}},
         0,
         "a descriptor is not within the guest's memory"},
        {{{GuestRam::kGuest + GuestRam::kSize, 1, kWrite, 0}},
         0,
         "a descriptor is not within the guest's memory"},
        {{{0xffff'ffff'ffff'fff8, 16, 0, 0}}, 0, "a descriptor is not within the guest's memory"},
        {{{0xffff'ffff'ffff'ffff, 1, kWrite, 0}}, 0, "a descriptor is not within the guest's memory"},
        {{{good, 0xffff'ffff, 0, 0}}, 0, "a descriptor chain has more bytes than any device takes"},
        {{{good, 1 << 20, kNext, 1}, {good, 1, 0, 0}},
         0,
         "a descriptor chain has more bytes than any device takes"},
    };
    for (const auto& c : cases) {
        for (std::uint16_t i = 0; i < c.table.size(); ++i)
            ring_.write(i, c.table[i]);
        ring_.offer(c.head);
        EXPECT_EQ(refusal(), c.why);
        queue_ = Virtqueue::at(memory_, 8, ring_.addresses(), ring_.next()).value();
    }
    ring_.set_index(static_cast<std::uint16_t>(ring_.next() + 9));
    EXPECT_EQ(refusal(), "the driver offers more chains than its ring holds");
}

TEST_F(VirtqueueTest, rings_in_impossible_places_are_refused) {
    const RingAddresses good = ring_.addresses();
    constexpr std::uint64_t kEnd = GuestRam::kFront + GuestRam::kSize;
    const struct {
        std::uint32_t size;
        RingAddresses at;
    } cases[] = {
        {0, good},
        {7, good},
        {65536, good},
        {8, {good.descriptors + 8, good.used, good.available}},
        {8, {good.descriptors, good.used + 2, good.available}},
        {8, {good.descriptors, good.used, good.available + 1}},
        {8, {kEnd - 112, good.used, good.available}},
        {8, {good.descriptors, kEnd - 64, good.available}},
        {8, {good.descriptors, good.used, kEnd - 16}},
        {8, {good.descriptors, good.used, kEnd}},
        {8, {0xffff'ffff'ffff'fff0, good.used, good.available}},
        {8, {0, 0, 0}},
        {8, {GuestRam::kGuest, good.used, good.available}}, // the guest's address, not the front end's
    };
    for (const auto& c : cases) {
        const auto made = Virtqueue::at(memory_, c.size, c.at, 0);
        ASSERT_FALSE(made) << c.size << " " << c.at.descriptors;
        EXPECT_EQ(made.error().code, Code::BadRequest);
    }
    EXPECT_TRUE(Virtqueue::at(memory_, 8, {kEnd - 128, good.used, good.available}, 0));
}

TEST(GuestMemory, a_buffer_may_lie_in_two_regions_that_touch) {
    const GuestRam ram;
    constexpr std::uint64_t kHalf = GuestRam::kSize / 2;
    const std::array regions{MemoryRegion{0x1000, kHalf, 0x10'0000'0000, 0},
                             MemoryRegion{0x1000 + kHalf, kHalf, 0x20'0000'0000, kHalf}};
    const std::array files{ram.file(), ram.file()};
    const auto memory = GuestMemory::map(regions, files);
    ASSERT_TRUE(memory) << memory.error().describe();
    std::vector<iovec> pieces;
    ASSERT_TRUE(memory->guest(0x1000 + kHalf - 10, 30, pieces));
    ASSERT_EQ(pieces.size(), 2U);
    EXPECT_EQ(pieces[0].iov_len, 10U);
    EXPECT_EQ(pieces[1].iov_len, 20U);
    EXPECT_EQ(memory->front(0x10'0000'0000 + kHalf - 10, 30), nullptr);
    EXPECT_NE(memory->front(0x10'0000'0000 + kHalf - 10, 10), nullptr);
}

TEST(GuestMemory, tables_that_cannot_be_are_refused) {
    const GuestRam ram;
    const MemoryRegion good = ram.region();
    constexpr std::uint64_t kSize = GuestRam::kSize;
    const std::vector<MemoryRegion> cases[] = {
        {},
        {{good.guest_address, 0, good.front_address, 0}},
        {{good.guest_address, 100, good.front_address, 0}},
        {{good.guest_address, 4096, good.front_address, 100}},
        {{good.guest_address, kSize + 4096, good.front_address, 0}},
        {{good.guest_address, 4096, good.front_address, kSize}},
        {{good.guest_address, 4096, good.front_address, 0xffff'ffff'ffff'f000}},
        {{0xffff'ffff'ffff'f000, 8192, good.front_address, 0}},
        {{good.guest_address, 8192, 0xffff'ffff'ffff'f000, 0}},
        {{good.guest_address, std::uint64_t{1} << 60, good.front_address, 0}},
        {{0, 8192, 0, 0}, {4096, 8192, 1 << 30, 0}},
        {{0, 8192, 0, 0}, {1 << 30, 8192, 4096, 0}},
        std::vector<MemoryRegion>(9, good),
    };
    for (const auto& regions : cases) {
        std::vector<net::Fd> files;
        for (std::size_t i = 0; i < regions.size(); ++i)
            files.push_back(ram.file());
        EXPECT_FALSE(GuestMemory::map(regions, files)) << regions.size();
    }
    const std::array one{good};
    EXPECT_FALSE(GuestMemory::map(one, {}));
}

TEST(GuestMemory, memory_that_can_be_taken_away_is_refused) {
    net::Fd file(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(file.get(), 8192), 0);
    const std::array regions{MemoryRegion{0, 8192, 0, 0}};
    std::array<net::Fd, 1> files{net::Fd(dup(file.get()))};
    EXPECT_FALSE(GuestMemory::map(regions, files));
    ASSERT_EQ(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
    EXPECT_TRUE(GuestMemory::map(regions, files));
    std::array<net::Fd, 1> pipe_end;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pipe_end[0] = net::Fd(ends[0]);
    const net::Fd other(ends[1]);
    EXPECT_FALSE(GuestMemory::map(regions, pipe_end));
}

} // namespace
} // namespace redoubt::nitrosim::tests
