// SPDX-License-Identifier: Apache-2.0
// An enclave in debug mode, where the host can read its memory and its NSM shows PCR0 as zero.
#include "support.h"

namespace redoubt::enclave::tests {
namespace {

// Counts what the NSM is asked.
class CountingNsm final : public nitro::NsmTransport {
  public:
    CountingNsm(std::unique_ptr<nitro::NsmTransport> inner, int& requests)
        : inner_(std::move(inner)), requests_(requests) {}
    Result<Bytes> exchange(ByteView request) override {
        ++requests_;
        return inner_->exchange(request);
    }

  private:
    std::unique_ptr<nitro::NsmTransport> inner_;
    int& requests_;
};

// Never answers.
class SilentNsm final : public nitro::NsmTransport {
  public:
    Result<Bytes> exchange(ByteView) override { return fail(Code::NsmFailed, "the NSM of this test fails"); }
};

struct Start {
    Image image = Image::Production;
    std::map<std::uint16_t, nitro::Pcr> pcrs;
    int requests = 0;
    bool key_made = false;

    Result<std::unique_ptr<Enclave>> operator()() {
        nitro::SoftwareNsmOptions nsm;
        nsm.pcrs = pcrs;
        Options options;
        options.image = image;
        options.tls_roots_pem = kms().roots();
        options.make_recipient = [this] {
            key_made = true;
            return crypto::RecipientKey::from_pkcs8(recipient_key());
        };
        return Enclave::create(
            std::make_unique<CountingNsm>(*nitro::make_software_nsm(root(), nsm), requests),
            std::move(options));
    }
};

TEST(DebugMode, ends_a_production_image_before_it_does_anything) {
    Start start; // PCR0, PCR1 and PCR2 are zero
    const auto made = start();
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().text.view().find("debug enclave"), std::string_view::npos);
    EXPECT_EQ(start.requests, 1); // PCR0: no document, no random number
    EXPECT_FALSE(start.key_made);
}

TEST(DebugMode, is_told_by_PCR0_whatever_the_other_registers_say) {
    Start start;
    start.pcrs = {{1, pcr0()}, {2, pcr0()}, {8, pcr0()}};
    EXPECT_FALSE(start());
    start.pcrs = {{0, pcr0()}};
    EXPECT_TRUE(start());
    nitro::Pcr nearly_zero{};
    nearly_zero.back() = 1;
    start.pcrs = {{0, nearly_zero}};
    EXPECT_TRUE(start());
}

TEST(DebugMode, lets_a_development_image_start) {
    Start start;
    start.image = Image::Development;
    EXPECT_TRUE(start());
}

TEST(DebugMode, is_assumed_of_no_NSM_that_does_not_answer_but_nothing_starts) {
    Options options;
    options.tls_roots_pem = kms().roots();
    const auto made = Enclave::create(std::make_unique<SilentNsm>(), std::move(options));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::NsmFailed);
}

} // namespace
} // namespace redoubt::enclave::tests
