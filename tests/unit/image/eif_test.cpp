// SPDX-License-Identifier: Apache-2.0
#include "image/eif.h"

#include "by_hand.h"

#include "image/metadata.h"

namespace redoubt::image {
namespace {

using namespace tests;

EifParts some_parts() {
    EifParts out;
    out.cmdline = "reboot=k";
    out.metadata = kSomeMetadata;
    out.kernel = to_bytes("kernel");
    out.ramdisks = {to_bytes("init"), to_bytes("application")};
    return out;
}

TEST(Eif, IsWrittenByteForByteAsNitroCliLaysItOut) {
    EXPECT_EQ(write_eif(some_parts()), some_image().bytes());
    EifParts parts = some_parts();
    ByHand image = some_image();
    parts.arm64 = true;
    image.flags = 1;
    parts.signature = to_bytes("signature");
    image.parts.push_back({kSignature, to_bytes("signature")});
    EXPECT_EQ(write_eif(parts), image.bytes());
}

TEST(Eif, FillsUpARamdiskWhereLinuxWouldNotFindTheNext) {
    const auto ramdisks = [](std::vector<std::string> texts) {
        EifParts parts = some_parts();
        parts.ramdisks.clear();
        for (const auto& text : texts)
            parts.ramdisks.push_back(to_bytes(text));
        const Bytes file = *write_eif(parts);
        const auto eif = *read_eif(file);
        std::vector<std::string> out;
        for (const ByteView ramdisk : eif.ramdisks())
            out.emplace_back(as_text(ramdisk));
        // What is measured is what is in the file.
        Bytes content = to_bytes("kernel"
                                 "reboot=k");
        append(content, as_bytes(out[0]));
        EXPECT_EQ(measure(eif).pcr1, pcr_by_hand(content));
        return out;
    };
    using Texts = std::vector<std::string>;
    const std::string plain = "070701", plain_crc = "070702xx", packed = "\x1f\x8b\x08zz";
    const std::string zeros(3, '\0');
    EXPECT_EQ(ramdisks({plain, packed}), (Texts{plain + zeros.substr(0, 2), packed}));
    EXPECT_EQ(ramdisks({packed, plain}), (Texts{packed + zeros, plain}));
    // It is the place in all of them that counts.
    EXPECT_EQ(ramdisks({packed, packed, plain_crc, plain}),
              (Texts{packed, packed + zeros.substr(0, 2), plain_crc, plain}));
    // All others stay as they are, and so do their PCRs: as nitro-cli has them.
    EXPECT_EQ(ramdisks({packed, packed, packed}), (Texts{packed, packed, packed}));
    EXPECT_EQ(ramdisks({plain_crc, plain}), (Texts{plain_crc, plain}));
    EXPECT_EQ(ramdisks({plain}), (Texts{plain}));
}

TEST(Eif, WithFilledUpRamdisksIsTheSameAfterItWasTakenApart) {
    EifParts parts = some_parts();
    parts.ramdisks = {to_bytes("070701abc"), to_bytes("070701"), to_bytes("070701d")};
    const Bytes once = *write_eif(parts);
    const auto eif = *read_eif(once);
    parts.ramdisks.clear();
    for (const ByteView ramdisk : eif.ramdisks())
        parts.ramdisks.push_back(to_bytes(ramdisk));
    EXPECT_EQ(*write_eif(parts), once);
}

TEST(Eif, IsReadAsItWasWritten) {
    EifParts parts = some_parts();
    parts.arm64 = true;
    parts.signature = to_bytes("signature");
    const Bytes file = *write_eif(parts);
    const auto eif = read_eif(file);
    ASSERT_TRUE(eif);
    EXPECT_EQ(eif->version, 4);
    EXPECT_TRUE(eif->arm64);
    EXPECT_EQ(eif->default_memory, 1u << 30);
    EXPECT_EQ(eif->default_cpus, 2u);
    EXPECT_EQ(as_text(eif->kernel()), "kernel");
    EXPECT_EQ(as_text(eif->cmdline()), "reboot=k");
    ASSERT_EQ(eif->ramdisks().size(), 2u);
    EXPECT_EQ(as_text(eif->ramdisks()[0]), "init");
    EXPECT_EQ(as_text(eif->ramdisks()[1]), "application");
    EXPECT_EQ(as_text(eif->metadata()), kSomeMetadata);
    EXPECT_EQ(as_text(eif->signature()), "signature");
    EXPECT_EQ(eif->sections.size(), 6u);
    EXPECT_EQ(eif->crc_stored, eif->crc_computed);
}

TEST(Eif, OfTheSamePartsIsTheSame) {
    EXPECT_EQ(*write_eif(some_parts()), *write_eif(some_parts()));
}

TEST(Eif, WithoutMetadataOfItsOwnGetsTheLeastThatNitroCliReads) {
    EifParts parts = some_parts();
    parts.metadata.clear();
    const Bytes file = *write_eif(parts);
    EXPECT_TRUE(read_metadata(read_eif(file)->metadata()));
}

TEST(Eif, OfVersion2And3NeedsNoMetadata) {
    for (const std::uint16_t version : {std::uint16_t{2}, std::uint16_t{3}}) {
        ByHand image = some_image();
        image.version = version;
        image.parts.erase(image.parts.begin() + 2);
        const Bytes file = image.bytes();
        const auto eif = read_eif(file);
        ASSERT_TRUE(eif) << version;
        EXPECT_EQ(eif->version, version);
        EXPECT_TRUE(eif->metadata().empty());
        EXPECT_EQ(eif->crc_stored, eif->crc_computed);
    }
}

TEST(Eif, MayHaveItsSectionsInAnotherOrderAndNoRamdisk) {
    ByHand image = some_image();
    image.parts = {{kMetadata, to_bytes(kSomeMetadata)}, {kCmdline, {}}, {kKernel, to_bytes("kernel")}};
    const Bytes file = image.bytes();
    const auto eif = read_eif(file);
    ASSERT_TRUE(eif);
    EXPECT_TRUE(eif->ramdisks().empty());
    EXPECT_TRUE(eif->cmdline().empty());
}

TEST(Eif, CutOffAnywhereIsRefused) {
    ByHand image = some_image();
    image.parts.push_back({kSignature, to_bytes("signature")});
    const Bytes file = image.bytes();
    ASSERT_TRUE(read_eif(file));
    for (std::size_t size = 0; size < file.size(); ++size) {
        // A copy, so that a read past the end is one past the memory's.
        const Bytes cut = to_bytes(ByteView(file).first(size));
        const auto eif = read_eif(cut);
        ASSERT_FALSE(eif) << size;
        ASSERT_EQ(eif.error().code, Code::ImageInvalid) << size;
    }
}

TEST(Eif, WithAnotherSizeOfAnySectionIsRefused) {
    const Bytes file = some_image().bytes();
    std::size_t at = kHeader;
    for (std::size_t i = 0; i < some_image().parts.size(); ++i) {
        const std::size_t size = some_image().parts[i].data.size();
        for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{size - 1}, std::uint64_t{size + 1},
                                          std::uint64_t{1} << 32 | size, ~std::uint64_t{0}}) {
            Bytes table = file, section = file, both = file;
            overwrite(table, kSizesAt + 8 * i, wrong, 8);
            overwrite(section, at + 4, wrong, 8);
            overwrite(both, kSizesAt + 8 * i, wrong, 8);
            overwrite(both, at + 4, wrong, 8);
            EXPECT_FALSE(read_eif(table)) << i << " " << wrong;
            EXPECT_FALSE(read_eif(section)) << i << " " << wrong;
            EXPECT_FALSE(read_eif(both)) << i << " " << wrong;
        }
        at += kSectionHeader + size;
    }
}

struct Malformation {
    const char* what;
    std::function<void(ByHand&)> parts; // before the bytes are made
    std::function<void(Bytes&)> bytes;  // after
    const char* sentence;               // a part of it
};

const Malformation kMalformations[] = {
    {"another magic", {}, [](Bytes& f) { f[3] = 'F'; }, "does not begin with .eif"},
    {"version 1", [](ByHand& i) { i.version = 1; }, {}, "2 to 4 are read"},
    {"version 5", [](ByHand& i) { i.version = 5; }, {}, "2 to 4 are read"},
    {"no sections", {}, [](Bytes& f) { overwrite(f, 26, 0, 2); }, "2 to 32 sections"},
    {"one section", {}, [](Bytes& f) { overwrite(f, 26, 1, 2); }, "2 to 32 sections"},
    {"33 sections", {}, [](Bytes& f) { overwrite(f, 26, 33, 2); }, "2 to 32 sections"},
    {"65535 sections", {}, [](Bytes& f) { overwrite(f, 26, 65535, 2); }, "2 to 32 sections"},
    {"a section too few", {}, [](Bytes& f) { overwrite(f, 26, 4, 2); }, "follows the EIF's last section"},
    {"a section too many", {}, [](Bytes& f) { overwrite(f, 26, 6, 2); }, "where its sections are"},
    {"overlapping sections",
     {},
     [](Bytes& f) { overwrite(f, kOffsetsAt + 8, kHeader + 12, 8); },
     "where its sections are"},
    {"the same section twice",
     {},
     [](Bytes& f) { overwrite(f, kOffsetsAt + 8, kHeader, 8); },
     "where its sections are"},
    {"a first section within the header",
     {},
     [](Bytes& f) { overwrite(f, kOffsetsAt, 0, 8); },
     "where its sections are"},
    {"an offset past the end",
     {},
     [](Bytes& f) { overwrite(f, kOffsetsAt + 32, f.size() + 1, 8); },
     "where its sections are"},
    {"an offset that wraps",
     {},
     [](Bytes& f) { overwrite(f, kOffsetsAt + 32, ~std::uint64_t{0} - 4, 8); },
     "where its sections are"},
    {"unordered sections",
     {},
     [](Bytes& f) {
         const Bytes first(f.begin() + kOffsetsAt, f.begin() + kOffsetsAt + 8);
         std::copy(f.begin() + kOffsetsAt + 8, f.begin() + kOffsetsAt + 16, f.begin() + kOffsetsAt);
         std::copy(first.begin(), first.end(), f.begin() + kOffsetsAt + 8);
     },
     "where its sections are"},
    {"a byte after the last section", {}, [](Bytes& f) { f.push_back(0); }, "follows the EIF's last section"},
    {"section type 0", [](ByHand& i) { i.parts[4].type = 0; }, {}, "type that nothing here knows"},
    {"section type 6", [](ByHand& i) { i.parts[4].type = 6; }, {}, "type that nothing here knows"},
    {"section type 257", [](ByHand& i) { i.parts[4].type = 257; }, {}, "type that nothing here knows"},
    {"a ramdisk before the kernel",
     [](ByHand& i) { std::swap(i.parts[0], i.parts[3]); },
     {},
     "after its kernel"},
    {"two kernels", [](ByHand& i) { i.parts[4].type = kKernel; }, {}, "exactly one kernel"},
    {"no kernel", [](ByHand& i) { i.parts.erase(i.parts.begin()); }, {}, "exactly one kernel"},
    {"an empty kernel", [](ByHand& i) { i.parts[0].data.clear(); }, {}, "kernel is empty"},
    {"two command lines", [](ByHand& i) { i.parts[4].type = kCmdline; }, {}, "one command line"},
    {"no command line", [](ByHand& i) { i.parts.erase(i.parts.begin() + 1); }, {}, "one command line"},
    {"no metadata",
     [](ByHand& i) { i.parts.erase(i.parts.begin() + 2); },
     {},
     "must have a metadata section"},
    {"two metadata sections",
     [](ByHand& i) { i.parts[4].type = kMetadata; },
     {},
     "at most one signature and one metadata"},
    {"two signatures",
     [](ByHand& i) { i.parts[4].type = i.parts[3].type = kSignature; },
     {},
     "at most one signature and one metadata"},
    {"a signature of 32769 bytes",
     [](ByHand& i) {
         i.parts[4] = {kSignature, Bytes(32'769)};
     },
     {},
     "at most 32768 bytes"},
};

TEST(Eif, MalformedInAnyWayIsRefusedWithASentence) {
    for (const auto& malformation : kMalformations) {
        ByHand image = some_image();
        if (malformation.parts)
            malformation.parts(image);
        Bytes file = image.bytes();
        if (malformation.bytes)
            malformation.bytes(file);
        const auto eif = read_eif(file);
        ASSERT_FALSE(eif) << malformation.what;
        EXPECT_EQ(eif.error().code, Code::ImageInvalid) << malformation.what;
        EXPECT_NE(eif.error().text.view().find(malformation.sentence), std::string_view::npos)
            << malformation.what << ": " << eif.error().text.view();
    }
}

TEST(Eif, TakesThirtyTwoSectionsAndASignatureOf32768Bytes) {
    ByHand image = some_image();
    image.parts.push_back({kSignature, Bytes(32'768)});
    EXPECT_TRUE(read_eif(image.bytes()));
    while (image.parts.size() < 32)
        image.parts.push_back({kRamdisk, to_bytes("more")});
    EXPECT_TRUE(read_eif(image.bytes()));
}

TEST(Eif, TellsAWrongChecksumAndLeavesTheVerdictToTheCaller) {
    const Bytes right = some_image().bytes();
    for (std::size_t at = 0; at < 4; ++at) {
        Bytes file = right;
        file[kChecksumAt + at] ^= 0x10;
        const auto eif = read_eif(file);
        ASSERT_TRUE(eif);
        EXPECT_NE(eif->crc_stored, eif->crc_computed);
    }
    // Also where nothing reads: reserved fields, and the table's unused entries.
    for (const std::size_t at : {std::size_t{24}, kOffsetsAt + 8 * 31, kSizesAt + 8 * 31, std::size_t{540}}) {
        Bytes file = right;
        file[at] ^= 1;
        const auto eif = read_eif(file);
        ASSERT_TRUE(eif) << at;
        EXPECT_NE(eif->crc_stored, eif->crc_computed) << at;
    }
}

TEST(Eif, ThatNoKernelWouldTakeIsNotWritten) {
    const auto refused = [](const std::function<void(EifParts&)>& change) {
        EifParts parts = some_parts();
        change(parts);
        const auto file = write_eif(parts);
        return !file && file.error().code == Code::ImageInvalid;
    };
    EXPECT_TRUE(refused([](EifParts& p) { p.kernel.clear(); }));
    EXPECT_TRUE(refused([](EifParts& p) { p.ramdisks[1].clear(); }));
    EXPECT_TRUE(refused([](EifParts& p) { p.cmdline.assign(2048, 'x'); }));
    EXPECT_FALSE(refused([](EifParts& p) { p.cmdline.assign(2047, 'x'); }));
    EXPECT_TRUE(refused([](EifParts& p) { p.cmdline.push_back('\0'); }));
    EXPECT_TRUE(refused([](EifParts& p) { p.metadata = "{}"; }));
    EXPECT_TRUE(refused([](EifParts& p) { p.ramdisks.resize(30, to_bytes("x")); }));
    EXPECT_FALSE(refused([](EifParts& p) { p.ramdisks.resize(29, to_bytes("x")); }));
    EXPECT_TRUE(refused([](EifParts& p) { p.signature.resize(32'769); }));
}

TEST(Eif, GetsASignatureAtItsEndOrInThePlaceOfTheOldOne) {
    ByHand image = some_image();
    const Bytes file = image.bytes();
    image.parts.push_back({kSignature, to_bytes("first")});
    const auto first = replace_signature(*read_eif(file), as_bytes("first"));
    EXPECT_EQ(first, image.bytes());
    image.parts.back().data = to_bytes("the second, longer");
    std::swap(image.parts[1], image.parts.back()); // stays where it is
    const Bytes moved = image.bytes();
    image.parts[1].data = to_bytes("3rd");
    EXPECT_EQ(replace_signature(*read_eif(moved), as_bytes("3rd")), image.bytes());

    EXPECT_FALSE(replace_signature(*read_eif(file), {}));
    EXPECT_FALSE(replace_signature(*read_eif(file), Bytes(32'769)));
    ByHand full = some_image();
    full.parts.resize(32, {kRamdisk, to_bytes("x")});
    const Bytes full_file = full.bytes();
    EXPECT_FALSE(replace_signature(*read_eif(full_file), as_bytes("x")));
}

} // namespace
} // namespace redoubt::image
