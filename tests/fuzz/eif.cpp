// SPDX-License-Identifier: Apache-2.0
// Enclave images of any bytes: what is read lies within the file, measures without its headers, and is read
// the same after a signature was put into it. Seeds: corpus/eif.
#include "image/metadata.h"
#include "image/signature.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

bool same(ByteView a, ByteView b) {
    return as_text(a) == as_text(b);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView file(data, size);
    // The file's parts alone, whatever surrounds them.
    if (const auto metadata = image::read_metadata(file)) {
        image::Metadata again = *metadata;
        if (again.custom == "null")
            again.custom = "{}";
        if (const auto text = image::write_metadata(again))
            require(image::read_metadata(as_bytes(*text))->name == metadata->name);
    }
    if (const auto signature = image::read_signature(file))
        require(!image::check_signature(*signature, {}) || signature->payload.size() > 48);
    (void)image::kernel_version(file);

    const auto eif = image::read_eif(file);
    if (!eif)
        return 0;
    std::size_t total = 548;
    for (const auto& section : eif->sections) {
        require(section.data.data() >= data && section.data.data() + section.data.size() <= data + size);
        total += 12 + section.data.size();
    }
    require(total == size && eif->sections.size() >= 2 && eif->sections.size() <= 32);
    require(!eif->kernel().empty() && (eif->version < 4 || eif->metadata().data() != nullptr));

    const auto measured = image::measure(*eif);
    require(!measured.pcr8 || !eif->signature().empty());
    if (eif->sections.size() == 32 && eif->signature().empty())
        return 0;
    const auto with_signature = image::replace_signature(*eif, as_bytes("none"));
    require(with_signature.has_value() || size + 64 > image::kMaxEif);
    if (!with_signature)
        return 0;
    const auto again = image::read_eif(*with_signature);
    require(again && again->crc_stored == again->crc_computed && same(again->signature(), as_bytes("none")));
    require(same(again->kernel(), eif->kernel()) && same(again->cmdline(), eif->cmdline()) &&
            same(again->metadata(), eif->metadata()));
    const auto unsigned_now = image::measure(*again);
    require(unsigned_now.pcr0 == measured.pcr0 && unsigned_now.pcr1 == measured.pcr1 &&
            unsigned_now.pcr2 == measured.pcr2 && !unsigned_now.pcr8);
    return 0;
}
