// SPDX-License-Identifier: Apache-2.0
// What is told of an enclave image: in nitro-cli's JSON, and as the checks of `redoubt eif verify`.
#pragma once

#include "image/signature.h"

namespace redoubt::cli {

// As `nitro-cli build-enclave` and `nitro-cli describe-eif` print them. PCR8 is shown as nitro-cli shows it:
// from the certificate that the image carries, whether its signature holds (SignatureCheck) or not.
std::string eif_build_report(const image::Measurements& measurements);
Result<std::string> eif_describe_report(const image::Eif& eif); // Error: ImageInvalid

struct EifDemands {
    std::vector<std::pair<unsigned, crypto::Hash48>> pcrs; // 0, 1, 2, 8
    std::optional<image::SigningCertificate> signer;
    UnixMs now = 0;
};

struct EifCheck {
    enum class Outcome { Ok, None, Warning, Failed };
    std::string name;
    Outcome outcome = Outcome::Ok;
    std::string detail;
};

// Every check that applies, in a fixed order; the file may be anything.
std::vector<EifCheck> check_eif(ByteView file, const EifDemands& demands);
bool eif_passes(const std::vector<EifCheck>& checks) noexcept; // none failed
std::string_view eif_outcome_name(EifCheck::Outcome outcome) noexcept;

} // namespace redoubt::cli
