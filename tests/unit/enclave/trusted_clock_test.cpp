// SPDX-License-Identifier: Apache-2.0
#include "enclave/trusted_clock.h"

#include "enclave/attestor.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

namespace redoubt::enclave {
namespace {

// An NSM whose time the test sets.
struct Hardware {
    UnixMs time = 1'790'000'000'000;
    nitro::DevelopmentRoot root = *nitro::make_development_root();
    nitro::Nsm nsm{device()};
    Attestor attestor{nsm};

  private:
    std::unique_ptr<nitro::NsmTransport> device() {
        nitro::SoftwareNsmOptions options;
        options.now = [this] { return time; };
        return std::move(*nitro::make_software_nsm(root, options));
    }
};

constexpr std::int64_t kSlackMs = 2'000; // what a loaded machine takes between two lines

TEST(TrustedClock, is_zero_until_the_nsm_was_asked_and_then_the_nsms) {
    Hardware hardware;
    TrustedClock clock;
    EXPECT_EQ(clock.now(), 0);
    ASSERT_TRUE(clock.refresh(hardware.attestor));
    EXPECT_NEAR(static_cast<double>(clock.now() - hardware.time), 0, kSlackMs);
    EXPECT_EQ(clock.drift().over_ms, 0);
    EXPECT_EQ(clock.drift().step_ms, 0);
}

TEST(TrustedClock, measures_how_far_it_drifted_and_corrects_it) {
    Hardware hardware;
    TrustedClock clock;
    ASSERT_TRUE(clock.refresh(hardware.attestor));
    hardware.time += 60'000; // in next to no time of this machine's clock: it was slow by a minute
    ASSERT_TRUE(clock.refresh(hardware.attestor));
    EXPECT_NEAR(static_cast<double>(clock.drift().step_ms), 60'000, kSlackMs);
    EXPECT_LT(clock.drift().over_ms, kSlackMs);
    EXPECT_NEAR(static_cast<double>(clock.now() - hardware.time), 0, kSlackMs);
}

TEST(TrustedClock, never_goes_back_though_it_was_fast) {
    Hardware hardware;
    TrustedClock clock;
    ASSERT_TRUE(clock.refresh(hardware.attestor));
    const UnixMs before = clock.now();
    hardware.time -= 30'000;
    ASSERT_TRUE(clock.refresh(hardware.attestor));
    EXPECT_NEAR(static_cast<double>(clock.drift().step_ms), -30'000, kSlackMs);
    EXPECT_GE(clock.now(), before);
}

} // namespace
} // namespace redoubt::enclave
