// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-image-format, README.md, "The File Format". nitro-cli reads section after section and
// never looks at the header's table, the hypervisor goes by the table: an image on which the two could
// disagree (gaps, overlaps, other sizes) is refused.
#include "image/eif.h"

#include "base/cursor.h"
#include "image/crc32.h"
#include "image/metadata.h"

#include <algorithm>

namespace redoubt::image {

namespace {

constexpr ByteArray<4> kMagic = {'.', 'e', 'i', 'f'};
constexpr std::size_t kHeader = 548, kSectionHeader = 12;
constexpr std::size_t kChecksumAt = kHeader - 4; // the header's last field, the one that it leaves out
constexpr std::size_t kMinSections = 2, kMaxSections = 32;
constexpr std::uint16_t kOldest = 2, kNewest = 4, kMetadataSince = 4;
constexpr std::uint16_t kFlagArm64 = 1;
// What nitro-cli writes there, and nobody reads.
constexpr std::uint64_t kDefaultMemory = std::uint64_t{1} << 30, kDefaultCpus = 2;

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::ImageInvalid, text);
}

std::size_t count(const std::vector<Section>& sections, SectionType type) noexcept {
    return static_cast<std::size_t>(
        std::count_if(sections.begin(), sections.end(), [&](const Section& s) { return s.type == type; }));
}

ByteView first(const std::vector<Section>& sections, SectionType type) noexcept {
    const auto found =
        std::find_if(sections.begin(), sections.end(), [&](const Section& s) { return s.type == type; });
    return found == sections.end() ? ByteView{} : found->data;
}

std::uint32_t checksum(ByteView file) noexcept {
    return crc32(file.subspan(kHeader), crc32(file.first(kChecksumAt)));
}

// The rules that hold of an image's sections together, whoever lays them out.
Status check_sections(const std::vector<Section>& sections, std::uint16_t version) {
    if (sections.size() < kMinSections || sections.size() > kMaxSections)
        return invalid("an EIF has 2 to 32 sections");
    if (count(sections, SectionType::Kernel) != 1 || count(sections, SectionType::Cmdline) != 1)
        return invalid("an EIF has exactly one kernel and one command line");
    if (count(sections, SectionType::Signature) > 1 || count(sections, SectionType::Metadata) > 1)
        return invalid("an EIF has at most one signature and one metadata section");
    if (version >= kMetadataSince && count(sections, SectionType::Metadata) == 0)
        return invalid("an EIF of version 4 must have a metadata section");
    if (first(sections, SectionType::Kernel).empty())
        return invalid("the EIF's kernel is empty");
    if (first(sections, SectionType::Signature).size() > kMaxSignatureSection)
        return invalid("an EIF's signature section is at most 32768 bytes long");
    for (const Section& section : sections) {
        if (section.type == SectionType::Kernel)
            break;
        if (section.type == SectionType::Ramdisk)
            return invalid("an EIF's ramdisks come after its kernel");
    }
    return {};
}

bool uncompressed(ByteView ramdisk) noexcept {
    return as_text(ramdisk).starts_with("070701") || as_text(ramdisk).starts_with("070702");
}

// Linux is given all ramdisks one behind the other. It finds an uncompressed cpio archive only at a multiple
// of 4 from the beginning, and of such an archive goes on at the next one; zeros between archives are passed
// over. Compressed ones may follow each other at any byte (init/initramfs.c, unpack_to_rootfs and do_reset).
std::vector<Bytes> aligned(const std::vector<Bytes>& ramdisks) {
    std::vector<Bytes> out = ramdisks;
    std::size_t end = 0;
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
        end += out[i].size();
        if (end % 4 == 0 || !(uncompressed(out[i]) || uncompressed(out[i + 1])))
            continue;
        out[i].resize(out[i].size() + 4 - end % 4, 0);
        end += 4 - end % 4;
    }
    return out;
}

struct Header {
    std::uint16_t version = kNewest, flags = 0;
    std::uint64_t memory = kDefaultMemory, cpus = kDefaultCpus;
};

Result<Bytes> write_sections(const Header& header, const std::vector<Section>& sections) {
    REDOUBT_CHECK(check_sections(sections, header.version));
    std::uint64_t size = kHeader;
    for (const Section& section : sections) {
        if (section.data.size() > kMaxEif) // so that the sum cannot wrap
            return fail(Code::TooLarge, "an EIF of more than 4 GiB is refused");
        size += kSectionHeader + section.data.size();
    }
    if (size > kMaxEif)
        return fail(Code::TooLarge, "an EIF of more than 4 GiB is refused");
    Bytes out;
    out.reserve(size);
    Writer writer(out);
    writer.bytes(kMagic)
        .u16(header.version)
        .u16(header.flags)
        .u64(header.memory)
        .u64(header.cpus)
        .u16(0)
        .u16(static_cast<std::uint16_t>(sections.size()));
    std::uint64_t offset = kHeader;
    for (std::size_t i = 0; i < kMaxSections; ++i) {
        writer.u64(i < sections.size() ? offset : 0);
        if (i < sections.size())
            offset += kSectionHeader + sections[i].data.size();
    }
    for (std::size_t i = 0; i < kMaxSections; ++i)
        writer.u64(i < sections.size() ? sections[i].data.size() : 0);
    writer.u32(0).u32(0);
    for (const Section& section : sections)
        writer.u16(static_cast<std::uint16_t>(section.type))
            .u16(section.flags)
            .u64(section.data.size())
            .bytes(section.data);
    Bytes sum;
    Writer(sum).u32(checksum(out));
    std::copy(sum.begin(), sum.end(), out.begin() + static_cast<std::ptrdiff_t>(kChecksumAt));
    return out;
}

bool known(std::uint16_t type) noexcept {
    return type >= static_cast<std::uint16_t>(SectionType::Kernel) &&
           type <= static_cast<std::uint16_t>(SectionType::Metadata);
}

} // namespace

ByteView Eif::kernel() const noexcept {
    return first(sections, SectionType::Kernel);
}

ByteView Eif::cmdline() const noexcept {
    return first(sections, SectionType::Cmdline);
}

std::vector<ByteView> Eif::ramdisks() const {
    std::vector<ByteView> out;
    for (const Section& section : sections)
        if (section.type == SectionType::Ramdisk)
            out.push_back(section.data);
    return out;
}

ByteView Eif::signature() const noexcept {
    return first(sections, SectionType::Signature);
}

ByteView Eif::metadata() const noexcept {
    return first(sections, SectionType::Metadata);
}

Result<Eif> read_eif(ByteView file) {
    if (file.size() > kMaxEif)
        return fail(Code::TooLarge, "an EIF of more than 4 GiB is refused");
    Cursor in(file);
    const auto magic = in.array<kMagic.size()>();
    if (!in.ok() || magic != kMagic)
        return invalid("the file is no enclave image: it does not begin with .eif");
    if (file.size() < kHeader)
        return invalid("the EIF is cut off within its header");
    Eif out;
    out.version = in.u16();
    if (out.version < kOldest || out.version > kNewest)
        return invalid("the EIF is of a version that nothing here knows: 2 to 4 are read");
    out.arm64 = (in.u16() & kFlagArm64) != 0; // the other flags are reserved
    out.default_memory = in.u64();
    out.default_cpus = in.u64();
    (void)in.u16(); // reserved
    const std::size_t sections = in.u16();
    std::array<std::uint64_t, kMaxSections> offsets{}, sizes{};
    for (auto& offset : offsets)
        offset = in.u64();
    for (auto& size : sizes)
        size = in.u64();
    (void)in.u32(); // reserved
    out.crc_stored = in.u32();
    if (sections < kMinSections || sections > kMaxSections)
        return invalid("an EIF has 2 to 32 sections");
    for (std::size_t i = 0; i < sections; ++i) {
        if (offsets[i] != file.size() - in.rest().size())
            return invalid("the EIF's table does not say where its sections are");
        const std::uint16_t type = in.u16();
        Section section;
        section.flags = in.u16();
        const std::uint64_t size = in.u64();
        if (!in.ok())
            return invalid("the EIF is cut off before its last section");
        if (!known(type))
            return invalid("the EIF has a section of a type that nothing here knows");
        if (size != sizes[i])
            return invalid("the EIF's table and a section disagree on the section's size");
        section.type = static_cast<SectionType>(type);
        section.data = in.take(size);
        if (!in.ok())
            return invalid("the EIF is cut off within a section");
        out.sections.push_back(section);
    }
    if (!in.finished())
        return invalid("something follows the EIF's last section");
    REDOUBT_CHECK(check_sections(out.sections, out.version));
    out.crc_computed = checksum(file);
    return out;
}

Result<Bytes> write_eif(const EifParts& parts) {
    if (parts.cmdline.size() > kMaxCmdline)
        return invalid("the command line is longer than the 2047 bytes that a kernel takes");
    if (parts.cmdline.find('\0') != std::string::npos)
        return invalid("the command line holds a zero byte, where a kernel would end it");
    if (std::any_of(parts.ramdisks.begin(), parts.ramdisks.end(), [](const Bytes& r) { return r.empty(); }))
        return invalid("a ramdisk is empty");
    std::string metadata = parts.metadata;
    if (metadata.empty()) {
        REDOUBT_TRY(metadata, write_metadata({}));
    } else {
        REDOUBT_CHECK(read_metadata(as_bytes(metadata)));
    }
    std::vector<Section> sections = {{SectionType::Kernel, 0, parts.kernel},
                                     {SectionType::Cmdline, 0, as_bytes(parts.cmdline)},
                                     {SectionType::Metadata, 0, as_bytes(metadata)}};
    const std::vector<Bytes> ramdisks = aligned(parts.ramdisks);
    for (const Bytes& ramdisk : ramdisks)
        sections.push_back({SectionType::Ramdisk, 0, ramdisk});
    if (!parts.signature.empty())
        sections.push_back({SectionType::Signature, 0, parts.signature});
    Header header;
    header.flags = parts.arm64 ? kFlagArm64 : 0;
    return write_sections(header, sections);
}

Result<Bytes> replace_signature(const Eif& eif, ByteView signature) {
    if (signature.empty())
        return invalid("a signature section is never empty");
    std::vector<Section> sections = eif.sections;
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [](const Section& s) { return s.type == SectionType::Signature; });
    if (found == sections.end())
        sections.push_back({SectionType::Signature, 0, signature});
    else
        *found = {SectionType::Signature, 0, signature};
    return write_sections(
        {eif.version, eif.arm64 ? kFlagArm64 : std::uint16_t{0}, eif.default_memory, eif.default_cpus},
        sections);
}

} // namespace redoubt::image
