// SPDX-License-Identifier: Apache-2.0
#include "image/metadata.h"

#include "by_hand.h"

namespace redoubt::image {
namespace {

TEST(ImageMetadata, IsWrittenInTheMembersThatNitroCliDemands) {
    Metadata metadata;
    metadata.name = "payouts \"blue\"";
    metadata.version = "3";
    metadata.build_time = "2026-01-02T03:04:05Z";
    metadata.build_tool_version = "1.2.3";
    metadata.kernel_version = "6.12.38";
    metadata.custom = R"({"team": "treasury"})";
    EXPECT_EQ(write_metadata(metadata),
              R"({"ImageName":"payouts \"blue\"","ImageVersion":"3","BuildMetadata":{)"
              R"("BuildTime":"2026-01-02T03:04:05Z","BuildTool":"redoubt","BuildToolVersion":"1.2.3",)"
              R"("OperatingSystem":"Linux","KernelVersion":"6.12.38"},"DockerInfo":{},)"
              R"("CustomMetadata":{"team": "treasury"}})");
}

TEST(ImageMetadata, IsReadAsItWasWritten) {
    Metadata metadata;
    metadata.name = "a\nb";
    metadata.custom = R"({"x":[1,2.5,null]})";
    const auto read = read_metadata(as_bytes(*write_metadata(metadata)));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, metadata.name);
    EXPECT_EQ(read->build_time, "1970-01-01T00:00:00Z");
    EXPECT_EQ(read->custom, metadata.custom);
    EXPECT_EQ(*write_metadata(*read), *write_metadata(metadata));
}

TEST(ImageMetadata, OfNitroCliIsRead) {
    const auto read = read_metadata(as_bytes(tests::kSomeMetadata));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "app");
    EXPECT_EQ(read->version, "1.0");
    EXPECT_EQ(read->build_tool, "nitro-cli");
    EXPECT_EQ(read->build_tool_version, "1.4.2");
    EXPECT_EQ(read->operating_system, "Linux");
    EXPECT_EQ(read->kernel_version, "4.14");
    EXPECT_EQ(read->docker_info, R"({"Id":"sha256:00"})");
    EXPECT_EQ(read->custom, "null");
}

TEST(ImageMetadata, WithoutARequiredMemberIsRefused) {
    for (const std::string name : {"ImageName", "ImageVersion", "BuildMetadata", "BuildTime", "BuildTool",
                                   "BuildToolVersion", "OperatingSystem", "KernelVersion", "DockerInfo"}) {
        std::string text = tests::kSomeMetadata;
        const std::size_t at = text.find("\"" + name + "\"");
        ASSERT_NE(at, std::string::npos) << name;
        text[at + 1] = 'x';
        const auto read = read_metadata(as_bytes(text));
        ASSERT_FALSE(read) << name;
        EXPECT_EQ(read.error().code, Code::ImageInvalid);
    }
    for (const char* text : {"", "[]", "null", "{", "{\"ImageName\":1}"})
        EXPECT_FALSE(read_metadata(as_bytes(text))) << text;
}

TEST(ImageMetadata, TakesOnlyAnObjectOfAtMost4096BytesAsCustomMetadata) {
    Metadata metadata;
    for (const char* custom : {"", "[]", "null", "1", "{", "{\"a\":1,\"a\":2}"}) {
        metadata.custom = custom;
        EXPECT_FALSE(write_metadata(metadata)) << custom;
    }
    metadata.custom = "{\"a\":\"" + std::string(4096 - 8, 'x') + "\"}";
    EXPECT_TRUE(write_metadata(metadata));
    metadata.custom.insert(6, "x");
    EXPECT_FALSE(write_metadata(metadata));
}

TEST(ImageMetadata, ThatIsNotUtf8IsNotWritten) {
    Metadata metadata;
    metadata.name = "\xff";
    EXPECT_FALSE(write_metadata(metadata));
}

TEST(KernelVersion, IsThatOfTheBzImagesHeader) {
    Bytes kernel(0x400);
    const auto put = [&](std::size_t at, std::string_view text) {
        std::copy(text.begin(), text.end(), kernel.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0x202, "HdrS");
    EXPECT_EQ(kernel_version(kernel), "Unknown"); // says nothing
    kernel[0x20f] = 0x01;                         // 0x200 + 0x100
    put(0x300, "6.12.38+deb13-cloud (debian@kernel) #1 SMP");
    EXPECT_EQ(kernel_version(kernel), "6.12.38+deb13-cloud");
    put(0x307, std::string_view("\0", 1));
    EXPECT_EQ(kernel_version(kernel), "6.12.38");
    kernel[0x303] = 7;
    EXPECT_EQ(kernel_version(kernel), "Unknown");
    kernel[0x20f] = 0x02; // just past the end
    EXPECT_EQ(kernel_version(kernel), "Unknown");
    EXPECT_EQ(kernel_version(ByteView(kernel).first(0x20f)), "Unknown");
    EXPECT_EQ(kernel_version({}), "Unknown");
}

} // namespace
} // namespace redoubt::image
