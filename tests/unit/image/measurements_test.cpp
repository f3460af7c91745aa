// SPDX-License-Identifier: Apache-2.0
#include "image/eif.h"

#include "by_hand.h"

namespace redoubt::image {
namespace {

using namespace tests;

Measurements measured(const ByHand& image) {
    const Bytes file = image.bytes();
    return measure(*read_eif(file));
}

TEST(Measurements, AreThoseOfASecondComputation) {
    const auto values = measured(some_image());
    EXPECT_EQ(values.pcr0, pcr_by_hand(as_bytes("kernelreboot=kinitapplication")));
    EXPECT_EQ(values.pcr1, pcr_by_hand(as_bytes("kernelreboot=kinit")));
    EXPECT_EQ(values.pcr2, pcr_by_hand(as_bytes("application")));
    EXPECT_FALSE(values.pcr8);
}

TEST(Measurements, OfManyRamdisksPutAllButTheFirstIntoPcr2) {
    ByHand image = some_image();
    image.parts.push_back({kRamdisk, to_bytes("third")});
    image.parts.push_back({kRamdisk, to_bytes("fourth")});
    const auto values = measured(image);
    EXPECT_EQ(values.pcr0, pcr_by_hand(as_bytes("kernelreboot=kinitapplicationthirdfourth")));
    EXPECT_EQ(values.pcr1, pcr_by_hand(as_bytes("kernelreboot=kinit")));
    EXPECT_EQ(values.pcr2, pcr_by_hand(as_bytes("applicationthirdfourth")));
}

// What every enclave with one ramdisk reports on AWS, and what its owners publish.
TEST(Measurements, OfOneRamdiskAreThoseSeenOnAws) {
    ByHand image = some_image();
    image.parts.pop_back();
    const auto values = measured(image);
    EXPECT_EQ(values.pcr0, values.pcr1);
    EXPECT_EQ(
        to_hex(values.pcr2),
        "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a");
}

TEST(Measurements, FollowTheFilesOrder) {
    ByHand image = some_image();
    std::swap(image.parts[0], image.parts[1]); // command line, kernel
    const auto values = measured(image);
    EXPECT_EQ(values.pcr0, pcr_by_hand(as_bytes("reboot=kkernelinitapplication")));
    EXPECT_EQ(values.pcr1, pcr_by_hand(as_bytes("reboot=kkernelinit")));
}

TEST(Measurements, LeaveOutVersionArchitectureAndMetadata) {
    const auto before = measured(some_image());
    ByHand image = some_image();
    image.version = 3;
    image.flags = 1;
    image.parts.erase(image.parts.begin() + 2);
    const auto after = measured(image);
    EXPECT_EQ(before.pcr0, after.pcr0);
    EXPECT_EQ(before.pcr1, after.pcr1);
    EXPECT_EQ(before.pcr2, after.pcr2);
}

TEST(Measurements, ChangeWithEveryMeasuredByte) {
    const auto before = measured(some_image());
    for (const std::size_t part : {0u, 1u, 3u, 4u})
        for (std::size_t at = 0; at < some_image().parts[part].data.size(); ++at) {
            ByHand image = some_image();
            image.parts[part].data[at] ^= 1;
            const auto after = measured(image);
            EXPECT_NE(before.pcr0, after.pcr0);
            EXPECT_EQ(before.pcr1 == after.pcr1, part == 4);
            EXPECT_EQ(before.pcr2 == after.pcr2, part != 4);
        }
}

TEST(Measurements, OfASignatureThatCannotBeReadHaveNoPcr8) {
    ByHand image = some_image();
    image.parts.push_back({kSignature, to_bytes("none")});
    EXPECT_FALSE(measured(image).pcr8);
}

} // namespace
} // namespace redoubt::image
