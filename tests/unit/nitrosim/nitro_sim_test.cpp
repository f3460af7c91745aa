// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/nitro_sim.h"

#include "base/log.h"
#include "nitro/attestation.h"
#include "nitro/software_nsm.h"
#include "vsock_guest.h"

#include <atomic>

namespace redoubt::nitrosim::tests {
namespace {

class NitroSimTest : public ::testing::Test {
  protected:
    NitroSimTest() {
        set_log_level(LogLevel::Error);
        std::filesystem::create_directory(folder_);
        NitroSimOptions options;
        options.folder = folder_;
        options.guest_cid = VsockGuest::kCid;
        options.make_nsm = [this]() -> Result<std::unique_ptr<nitro::NsmTransport>> {
            nitro::SoftwareNsmOptions nsm;
            nsm.pcrs = boot_registers(measured_);
            return nitro::make_software_nsm(root_, nsm);
        };
        options.booted = [this] { ++booted_; };
        sim_ = NitroSim::create(thread_.loop(), std::move(options)).value();
        thread_.start();
    }
    ~NitroSimTest() override {
        thread_.stop();
        sim_.reset();
        EXPECT_TRUE(std::filesystem::is_empty(folder_));
        std::filesystem::remove_all(folder_);
        set_log_level(LogLevel::Info);
    }
    bool booted(int times) {
        for (int i = 0; i < kWaitMs && booted_ != times; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return booted_ == times;
    }

    std::string folder_ = test_path("sim");
    nitro::DevelopmentRoot root_ = nitro::make_development_root().value();
    image::Measurements measured_{nitro::pcr_of(as_bytes("a")), nitro::pcr_of(as_bytes("b")),
                                  nitro::pcr_of(as_bytes("c")), nitro::pcr_of(as_bytes("d"))};
    std::atomic<int> booted_ = 0;
    LoopThread thread_;
    std::unique_ptr<NitroSim> sim_;
    GuestRam ram_;
};

TEST_F(NitroSimTest, answers_the_boot_handshake_and_tells_of_it) {
    VsockGuest guest(folder_ + "/vsock-device.sock", ram_);
    GuestStream s(guest, 1024, 9000);
    ASSERT_TRUE(s.connect());
    s.send_data("\xb7");
    ASSERT_TRUE(s.receive_bytes(1));
    EXPECT_EQ(s.data, "\xb7");
    EXPECT_TRUE(booted(1));
    EXPECT_TRUE(s.wait(VsockOp::Shutdown));
}

TEST_F(NitroSimTest, another_byte_is_no_boot) {
    VsockGuest guest(folder_ + "/vsock-device.sock", ram_);
    GuestStream s(guest, 1024, 9000);
    ASSERT_TRUE(s.connect());
    s.send_data("x");
    EXPECT_TRUE(s.wait(VsockOp::Shutdown));
    EXPECT_EQ(s.data, "");
    EXPECT_EQ(booted_, 0);
    // One that says nothing keeps nobody out.
    std::vector<GuestStream> silent;
    for (std::uint32_t i = 0; i < 10; ++i) {
        silent.emplace_back(guest, 2000 + i, 9000);
        ASSERT_TRUE(silent.back().connect());
    }
    GuestStream good(guest, 3000, 9000);
    ASSERT_TRUE(good.connect());
    good.send_data("\xb7");
    EXPECT_TRUE(booted(1));
}

TEST_F(NitroSimTest, the_guests_documents_show_the_images_measurements) {
    FrontEnd front(folder_ + "/nsm-device.sock");
    DriverRing ring(ram_, 16);
    front.negotiate(ram_);
    front.start(0, ring);
    const auto request = from_hex("a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365426869"
                                  "6a7075626c69635f6b6579f6");
    (void)ring.post_out(request.value());
    const auto in = ring.post_in(8192);
    front.kick(0);
    ASSERT_TRUE(front.called(0));
    ASSERT_TRUE(ring.used());
    const auto used = ring.used();
    ASSERT_TRUE(used);
    // {"Attestation": {"document": bstr16}}
    constexpr std::size_t kBefore = 1 + 12 + 1 + 9 + 3;
    ASSERT_GT(used->written, kBefore);
    const ByteView document(ring.buffer(in) + kBefore, used->written - kBefore);
    const auto verified = nitro::verify_attestation(document, root_.certificate_der, system_time_ms());
    ASSERT_TRUE(verified) << verified.error().describe();
    EXPECT_EQ(verified->pcrs.at(0), to_bytes(measured_.pcr0));
    EXPECT_EQ(verified->pcrs.at(1), to_bytes(measured_.pcr1));
    EXPECT_EQ(verified->pcrs.at(2), to_bytes(measured_.pcr2));
    EXPECT_EQ(verified->pcrs.at(8), to_bytes(*measured_.pcr8));
    EXPECT_EQ(verified->nonce, to_bytes("hi"));
}

TEST(NitroSim, an_unsigned_image_has_no_register_8) {
    image::Measurements measured{};
    EXPECT_EQ(boot_registers(measured).size(), 3U);
    measured.pcr8 = nitro::pcr_of(as_bytes("certificate"));
    EXPECT_EQ(boot_registers(measured).at(8), *measured.pcr8);
}

TEST(NitroSim, a_folder_that_is_not_there_is_said) {
    net::EventLoop loop;
    NitroSimOptions options;
    options.folder = test_path("nowhere");
    options.guest_cid = 16;
    const auto made = NitroSim::create(loop, std::move(options));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::Io);
}

} // namespace
} // namespace redoubt::nitrosim::tests
