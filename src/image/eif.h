// SPDX-License-Identifier: Apache-2.0
// Enclave image files (EIF, version 4 written, 2 to 4 read), as AWS's nitro-cli makes them and the Nitro
// hypervisor boots them: kernel, command line, ramdisks, and beside them, unmeasured, metadata and a
// signature. Format: docs/formats/eif.md. A file is read by its header's table of sections; nothing of it is
// believed: offsets, sizes, counts, order and the checksum are checked.
#pragma once

#include "base/result.h"
#include "crypto/hash.h"

#include <optional>
#include <string>
#include <vector>

namespace redoubt::image {

inline constexpr std::uint64_t kMaxEif = std::uint64_t{4} << 30;
inline constexpr std::size_t kMaxSignatureSection = 32'768; // bytes
inline constexpr std::size_t kMaxCmdline = 2'047; // what a kernel takes (COMMAND_LINE_SIZE); to write

enum class SectionType : std::uint16_t { Kernel = 1, Cmdline = 2, Ramdisk = 3, Signature = 4, Metadata = 5 };

struct Section {
    SectionType type{};
    std::uint16_t flags = 0;
    ByteView data; // a view of the file
};

struct Eif {
    std::uint16_t version = 0;
    bool arm64 = false;
    std::uint64_t default_memory = 0, default_cpus = 0; // as the header says; nitro-cli ignores them
    std::vector<Section> sections;                      // in the file's order
    std::uint32_t crc_stored = 0, crc_computed = 0;     // not compared by read_eif: `describe` shows both

    ByteView kernel() const noexcept;
    ByteView cmdline() const noexcept;
    std::vector<ByteView> ramdisks() const;
    ByteView signature() const noexcept; // CBOR; empty: unsigned
    ByteView metadata() const noexcept;  // JSON; empty before version 4
};

// Views of `file`, which must outlive the result. Error: ImageInvalid, and TooLarge.
Result<Eif> read_eif(ByteView file);

struct EifParts {
    bool arm64 = false;
    std::string cmdline;
    std::string metadata; // JSON; empty: the least that nitro-cli reads (image/metadata.h)
    Bytes kernel;
    std::vector<Bytes> ramdisks; // the first is the boot ramdisk of PCR1
    Bytes signature;             // CBOR of the section; empty: unsigned
};

// The same parts give the same bytes, laid out as nitro-cli does but for one thing: where an uncompressed
// ramdisk stands before or behind another at an offset that Linux cannot read it at, the one before is filled
// up to a multiple of 4 with zeros, which are of the file and so measured. Of nitro-cli's image of the
// same parts Linux leaves out what stands behind. Errors: ImageInvalid, TooLarge.
Result<Bytes> write_eif(const EifParts& parts);
// The same image with this signature section, in the place of the one it has or at the end; the checksum is
// made anew. Errors: ImageInvalid, TooLarge.
Result<Bytes> replace_signature(const Eif& eif, ByteView signature);

// As the NSM reports them of an enclave that booted the file (PCR8 only of a signed one: what a valid
// signature's certificate gives; nullopt otherwise).
struct Measurements {
    crypto::Hash48 pcr0, pcr1, pcr2;
    std::optional<crypto::Hash48> pcr8;
};
Measurements measure(const Eif& eif);

} // namespace redoubt::image
