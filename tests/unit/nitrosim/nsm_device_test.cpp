// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/nsm_device.h"

#include "base/log.h"
#include "front_end.h"
#include "nitro/attestation.h"
#include "nitro/cbor.h"
#include "nitro/software_nsm.h"

#include <atomic>

namespace redoubt::nitrosim::tests {
namespace {

const nitro::DevelopmentRoot& root() {
    static const nitro::DevelopmentRoot instance = nitro::make_development_root().value();
    return instance;
}

nitro::Pcr filled(std::uint8_t byte) {
    nitro::Pcr out;
    out.fill(byte);
    return out;
}

// The Linux driver's way with the queue, as a transport: a request buffer, a response buffer, one kick, and
// both must be back at the first call.
class GuestNsm final : public nitro::NsmTransport {
  public:
    GuestNsm(FrontEnd& front, DriverRing& ring) : front_(front), ring_(ring) {}
    Result<Bytes> exchange(ByteView request) override {
        const auto out = ring_.post_out(request);
        const auto in = ring_.post_in(room);
        front_.kick(0);
        if (!front_.called(0))
            return fail(Code::NsmFailed, "no answer");
        const auto first = ring_.used(), second = ring_.used();
        if (first != DriverRing::Used{out, 0} || !second || second->head != in)
            return fail(Code::NsmFailed, "not both buffers came back in order");
        return Bytes(ring_.buffer(in), ring_.buffer(in) + second->written);
    }
    std::size_t room = DriverRing::kBuffer;

  private:
    FrontEnd& front_;
    DriverRing& ring_;
};

class NsmDeviceTest : public ::testing::Test {
  protected:
    NsmDeviceTest() {
        set_log_level(LogLevel::Error);
        server_ = VhostUser::create(thread_.loop(), path_, device_).value();
        thread_.start();
        front_.emplace(path_);
        front_->negotiate(ram_);
        front_->start(0, ring_);
    }
    ~NsmDeviceTest() override {
        front_.reset();
        thread_.stop();
        server_.reset();
        set_log_level(LogLevel::Info);
    }
    std::unique_ptr<GuestNsm> transport() { return std::make_unique<GuestNsm>(*front_, ring_); }
    // The name of the error that a request gets.
    std::string error_of(ByteView request, std::size_t room = DriverRing::kBuffer) {
        GuestNsm guest(*front_, ring_);
        guest.room = room;
        const auto reply = guest.exchange(request);
        if (!reply)
            return std::string(reply.error().text.view());
        nitro::cbor::Reader in(*reply);
        if (!in.map() || in.text() != "Error")
            return "no error";
        return std::string(in.text().value_or("no text"));
    }

    std::string path_ = test_path("nsm");
    std::atomic<int> made_ = 0;
    std::atomic<bool> can_make_ = true;
    LoopThread thread_;
    NsmDevice device_{thread_.loop(), [this]() -> Result<std::unique_ptr<nitro::NsmTransport>> {
                          ++made_;
                          if (!can_make_)
                              return fail(Code::Internal, "out of order");
                          nitro::SoftwareNsmOptions options;
                          options.pcrs[0] = filled(0xa0);
                          return nitro::make_software_nsm(root(), options);
                      }};
    std::unique_ptr<VhostUser> server_;
    GuestRam ram_;
    DriverRing ring_{ram_, 16};
    std::optional<FrontEnd> front_;
};

TEST_F(NsmDeviceTest, a_guest_gets_a_document_that_verifies) {
    nitro::Nsm nsm(transport());
    nitro::AttestationRequest request;
    request.nonce = to_bytes("once");
    request.public_key = Bytes(800, 0x11);
    request.user_data = Bytes(512, 0x22);
    const auto document = nsm.attest(request);
    ASSERT_TRUE(document) << document.error().describe();
    const auto verified = nitro::verify_attestation(*document, root().certificate_der, system_time_ms());
    ASSERT_TRUE(verified) << verified.error().describe();
    EXPECT_EQ(verified->nonce, request.nonce);
    EXPECT_EQ(verified->public_key, request.public_key);
    EXPECT_EQ(verified->pcrs.at(0), to_bytes(filled(0xa0)));
}

TEST_F(NsmDeviceTest, every_command_goes_through) {
    nitro::Nsm nsm(transport());
    ASSERT_TRUE(nsm.describe());
    EXPECT_EQ(nsm.random()->size(), 256U);
    EXPECT_EQ(nsm.describe_pcr(0)->value, filled(0xa0));
    EXPECT_EQ(nsm.extend_pcr(16, as_bytes("x")).value(), nitro::pcr_of(as_bytes("x")));
    EXPECT_TRUE(nsm.lock_pcr(16));
    EXPECT_FALSE(nsm.extend_pcr(16, as_bytes("x")));
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(nsm.random());
    EXPECT_EQ(made_, 1);
}

TEST_F(NsmDeviceTest, a_machine_that_starts_anew_has_fresh_registers) {
    nitro::Nsm nsm(transport());
    ASSERT_TRUE(nsm.extend_pcr(16, as_bytes("x")));
    ASSERT_TRUE(nsm.lock_pcr(16));
    const auto base = front_->stop(0);
    front_->start(0, ring_, static_cast<std::uint16_t>(base));
    const auto pcr = nsm.describe_pcr(16);
    ASSERT_TRUE(pcr) << pcr.error().describe();
    EXPECT_FALSE(pcr->locked);
    EXPECT_EQ(pcr->value, nitro::Pcr{});
    EXPECT_EQ(made_, 2);
}

TEST_F(NsmDeviceTest, offers_no_configuration) {
    EXPECT_EQ(front_->ask_u64(VhostRequest::GetProtocolFeatures), 1U);
}

TEST_F(NsmDeviceTest, waits_for_the_second_buffer) {
    Bytes request;
    nitro::cbor::Writer(request).text("GetRandom");
    (void)ring_.post_out(request);
    front_->kick(0);
    EXPECT_FALSE(front_->called(0, 100));
    (void)ring_.post_in(4096);
    front_->kick(0);
    EXPECT_TRUE(front_->called(0));
}

TEST_F(NsmDeviceTest, errors_are_the_modules_own) {
    EXPECT_EQ(error_of(Bytes(4097, 0x60)), "InputTooLarge");
    EXPECT_EQ(error_of(Bytes(4096, 0x60)), "InvalidOperation");
    Bytes random;
    nitro::cbor::Writer(random).text("GetRandom");
    EXPECT_EQ(error_of(random, 100), "BufferTooSmall");
    EXPECT_EQ(error_of(random), "no error");
}

TEST_F(NsmDeviceTest, a_module_that_cannot_be_made_is_an_internal_error) {
    can_make_ = false;
    EXPECT_EQ(error_of(Bytes{0x60}), "InternalError");
    can_make_ = true;
    EXPECT_EQ(error_of(Bytes{0x60}), "InvalidOperation");
}

TEST_F(NsmDeviceTest, buffers_in_the_wrong_order_are_refused) {
    using Post = std::function<void()>;
    const Post in = [&] { (void)ring_.post_in(64); };
    const Post out = [&] { (void)ring_.post_out(as_bytes("x")); };
    const Post empty_out = [&] { (void)ring_.post_out({}); };
    const Post empty_in = [&] { (void)ring_.post_in(0); };
    const std::pair<Post, Post> cases[] = {{in, out}, {in, in}, {out, out}, {empty_out, in}, {out, empty_in}};
    for (const auto& [first, second] : cases) {
        first();
        second();
        front_->kick(0);
        EXPECT_TRUE(front_->refused(0));
        EXPECT_FALSE(ring_.used());
        const auto base = front_->stop(0);
        EXPECT_EQ(base, ring_.next());
        front_->start(0, ring_, static_cast<std::uint16_t>(base));
    }
    EXPECT_EQ(error_of(Bytes{0x60}), "InvalidOperation"); // it works again
}

} // namespace
} // namespace redoubt::nitrosim::tests
