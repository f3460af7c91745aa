// SPDX-License-Identifier: Apache-2.0
// A software NSM for one machine without Nitro hardware: the device's own PCR semantics and errors, and
// documents in the real wire shape (untagged COSE_Sign1, ES384, five P-384 certificates) from a *development*
// root. Anyone who holds that root's key can forge its documents; it is linked into redoubt-enclave-dev and
// tests, never into redoubt-enclave.
#pragma once

#include "base/clock.h"
#include "nitro/nsm.h"

#include <functional>
#include <map>

namespace redoubt::nitro {

// A development root: a self-signed P-384 certificate shaped like AWS's, and its key.
struct DevelopmentRoot {
    Bytes certificate_der;
    Secret private_key_der; // PKCS#8
};
Result<DevelopmentRoot> make_development_root();
// PEM files root.pem and root.key (mode 0600) in a folder. Error: Io.
Status save_development_root(const DevelopmentRoot& root, const std::string& folder);
Result<DevelopmentRoot> load_development_root(const std::string& folder);

struct SoftwareNsmOptions {
    std::string module_id;             // "i-<17 hex>-enc<16 hex>"; empty: drawn at random
    std::string region = "us-east-1";  // stands in the certificates' names; at most 20 characters
    std::map<std::uint16_t, Pcr> pcrs; // values at boot for 0…15; 0..15 are locked, as on hardware. PCR4 is
                                       // the instance id's unless given; the others are zero
    bool indefinite_payload = true;    // payload map bf…ff (hardware since 2025-07) or a9
    std::function<UnixMs()> now;       // empty: system_time_ms
};

// Errors: InvalidField (the options), Internal when a certificate cannot be made.
Result<std::unique_ptr<NsmTransport>> make_software_nsm(const DevelopmentRoot& root,
                                                        SoftwareNsmOptions options);

} // namespace redoubt::nitro
