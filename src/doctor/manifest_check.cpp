// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.h"

namespace redoubt::doctor {

namespace {

constexpr const char* kCheck = "manifest";

} // namespace

void check_manifest(const Inputs& inputs, Knowledge& known, Report& report) {
    if (inputs.manifest_file.empty())
        return report.skipped(kCheck, {},
                              "name the manifest (--manifest FILE) to have it and its KMS keys checked");
    const auto text = read_file(inputs.manifest_file, trust::kMaxManifest);
    if (!text)
        return report.fail(kCheck, inputs.manifest_file, "it cannot be read",
                           "see that the file exists and that this user may read it");
    auto manifest = trust::parse_manifest(*text);
    if (!manifest)
        return report.fail(kCheck, inputs.manifest_file,
                           "it is no manifest: " + printable(manifest.error().describe()),
                           "correct it; docs/manifest.md describes every member");
    const Bytes pcr16 = to_bytes(nitro::pcr_of(manifest->digest()));
    const std::string measures = "its digest gives PCR16 " + short_hex(pcr16);
    if (inputs.pcr16 && *inputs.pcr16 != pcr16)
        report.fail(
            kCheck, inputs.manifest_file,
            measures + ", but PCR16 " + short_hex(*inputs.pcr16) + " is expected",
            "it is not the manifest that PCR16 was pinned for: name the right file, or pin the new value "
            "wherever the old one stands (key policies, clients)");
    else
        report.ok(kCheck, inputs.manifest_file,
                  measures + "; it names " + std::to_string(manifest->kms_keys.size()) + " KMS keys");
    known.manifest = std::move(*manifest);
}

} // namespace redoubt::doctor
