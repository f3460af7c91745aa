// SPDX-License-Identifier: Apache-2.0
#include "image/cpio.h"

#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <string>

using namespace redoubt;
using image::CpioEntry;

namespace {

// A second reading, as the kernel's: header of 110 characters, name and content padded to four bytes.
struct Read {
    std::uint32_t mode, inode, links, time;
    std::string name, content;
};
std::vector<Read> read(const Bytes& archive) {
    std::vector<Read> out;
    const std::string text(archive.begin(), archive.end());
    for (std::size_t at = 0; at + 110 <= text.size();) {
        EXPECT_EQ(text.substr(at, 6), "070701");
        const auto field = [&](std::size_t n) {
            return static_cast<std::uint32_t>(std::stoul(text.substr(at + 6 + 8 * n, 8), nullptr, 16));
        };
        const std::size_t size = field(6), name = field(11);
        const std::size_t content = (at + 110 + name + 3) / 4 * 4;
        out.push_back({field(1), field(0), field(4), field(5), text.substr(at + 110, name - 1),
                       text.substr(content, size)});
        at = (content + size + 3) / 4 * 4;
    }
    return out;
}

TEST(Cpio, writes_what_the_kernel_reads) {
    const std::vector<CpioEntry> entries{
        {"etc", 0755, true}, {"etc/name", 0500, false, to_bytes("12345")}, {"empty", 0444}};
    const auto archive = image::write_cpio(entries);
    ASSERT_TRUE(archive) << archive.error().describe();
    EXPECT_EQ(archive->size() % 4, 0u);
    const auto got = read(*archive);
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0].mode, 040755u);
    EXPECT_EQ(got[0].links, 2u);
    EXPECT_EQ(got[1].mode, 0100500u);
    EXPECT_EQ(got[1].links, 1u);
    EXPECT_EQ(got[1].content, "12345");
    EXPECT_EQ(got[2].content, "");
    EXPECT_EQ(got[3].name, "TRAILER!!!");
    for (std::size_t i = 0; i + 1 < got.size(); ++i) {
        EXPECT_EQ(got[i].name, entries[i].path);
        EXPECT_EQ(got[i].inode, i + 1);
        EXPECT_EQ(got[i].time, 0u);
    }
    EXPECT_EQ(*image::write_cpio(entries), *archive) << "the same bytes again";
}

TEST(Cpio, refuses_what_would_unpack_otherwise_than_it_reads) {
    for (const char* path : {"", "/init", "a//b", "./a", "..", "a/..", "a/", "a/b", "TRAILER!!!"}) {
        const auto made = image::write_cpio({{path, 0444}});
        ASSERT_FALSE(made) << path;
        EXPECT_EQ(made.error().code, Code::ImageInvalid);
    }
    EXPECT_FALSE(image::write_cpio({{std::string("a\0b", 3), 0444}}));
    EXPECT_FALSE(image::write_cpio({{"a", 0444}, {"a", 0444}})) << "twice";
    EXPECT_FALSE(image::write_cpio({{"a", 0444}, {"a/b", 0444}})) << "a is no folder";
    EXPECT_FALSE(image::write_cpio({{"a/b", 0444}, {"a", 0755, true}})) << "too late";
    EXPECT_FALSE(image::write_cpio({{"a", 0755, true, to_bytes("x")}}));
    EXPECT_FALSE(image::write_cpio({{"a", 04755}})) << "no set-user-id";
}

} // namespace
