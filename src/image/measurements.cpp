// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-image-format, README.md, "EIF Measurements": the data of the sections, without their
// headers, in the file's order.
#include "crypto/openssl.h"
#include "image/signature.h"
#include "nitro/nsm.h"

namespace redoubt::image {

namespace {

class Sha384 {
  public:
    Sha384() : context_(EVP_MD_CTX_new()) {
        crypto::require_openssl(context_ != nullptr &&
                                EVP_DigestInit_ex2(context_.get(), EVP_sha384(), nullptr) == 1);
    }
    void add(ByteView data) {
        crypto::require_openssl(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
    }
    crypto::Hash48 pcr() {
        crypto::Hash48 content;
        crypto::require_openssl(EVP_DigestFinal_ex(context_.get(), content.data(), nullptr) == 1);
        return nitro::pcr_of(content);
    }

  private:
    crypto::DigestContext context_;
};

} // namespace

Measurements measure(const Eif& eif) {
    Sha384 image, boot, application;
    bool first_ramdisk = true;
    for (const Section& section : eif.sections) {
        const bool ramdisk = section.type == SectionType::Ramdisk;
        if (!ramdisk && section.type != SectionType::Kernel && section.type != SectionType::Cmdline)
            continue;
        image.add(section.data);
        (ramdisk && !first_ramdisk ? application : boot).add(section.data);
        first_ramdisk = first_ramdisk && !ramdisk;
    }
    Measurements out{image.pcr(), boot.pcr(), application.pcr(), std::nullopt};
    if (const ByteView section = eif.signature(); !section.empty()) {
        const auto signature = read_signature(section);
        if (signature && check_signature(*signature, out.pcr0))
            out.pcr8 = pcr8_of(signature->certificate);
    }
    return out;
}

} // namespace redoubt::image
