// SPDX-License-Identifier: Apache-2.0
// What a person should see of a manifest before trusting it, and of a change of one before approving it: an
// enclave with the new manifest has another PCR16, and gets the keys once a KMS key policy pins that.
#pragma once

#include "trust/manifest.h"

namespace redoubt::trust {

// Sentences on what weakens the manifest or is left open. Empty: nothing to say.
std::vector<std::string> manifest_warnings(const Manifest& manifest);

struct ManifestChange {
    enum class Kind { Added, Removed, Changed } kind;
    std::string path;          // "limits.vault_lease_seconds", "kms_keys[arn:…]", "owners[alice]"
    std::string before, after; // canonical JSON; empty where there is none
};
// Differences in what is measured, member by member, sorted by path; elements of lists are told by their arn,
// id or address, and order alone counts as a change of "kms_keys order" and the like. Empty exactly if the
// digests are equal.
std::vector<ManifestChange> manifest_changes(const Manifest& before, const Manifest& after);

} // namespace redoubt::trust
