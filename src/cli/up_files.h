// SPDX-License-Identifier: Apache-2.0
// The data folder of `redoubt up`: what is made once and kept.
//   attestation/root.pem, root.key   development attestation root
//   tls/ca.pem, ca.key, gateway.*, devcloud.*
//   devcloud/                        state of the stand-ins; access-key.json
//   enclave.eif                      with --enclave vm: the development image that boots
//   manifest.json, state.json, store.db, ready.json, log/, receipts/, run/ (sockets)
#pragma once

#include "base/result.h"
#include "trust/key_policy.h"

#include <string>

namespace redoubt::cli {

// KMS host names in development: kms.<region>.<suffix>. ".internal" is reserved for private use.
inline constexpr const char* kDevelopmentSuffix = "devcloud.internal";

struct UpFolder {
    std::string path;
    std::string run; // short enough for unix sockets' 107 bytes
    std::string file(const std::string& name) const { return path + "/" + name; }
    std::string socket(const std::string& name) const { return run + "/" + name; }
};

// Creates what is missing; takes the folder's lock (its descriptor is returned and must live as long as
// `up`). Errors: Io, Conflict.
Result<UpFolder> open_folder(const std::string& path, int& lock_fd);
Status make_attestation_root(const UpFolder& folder);
// A CA once; server certificates each time, so that they never expire in use.
Status make_certificates(const UpFolder& folder, const std::string& region, const std::string& listen_host);

struct AccessKey {
    std::string id, secret;
};
Result<AccessKey> make_access_key(const UpFolder& folder);

// What `up` remembers between runs.
struct UpState {
    std::string kms_key_arn, reference_kms_key_arn, secret_id, secret_address, key_id, address;
};
Result<UpState> load_state(const UpFolder& folder); // empty when new
Status save_state(const UpFolder& folder, const UpState& state);

// Writes manifest.json unless it exists. Gives its text.
struct UpLimits {
    unsigned vault_lease_seconds, deletion_wait_seconds;
};
Result<std::string> make_manifest(const UpFolder& folder, const UpState& state, const UpLimits& limits);
// PCR0 of redoubt-enclave-dev as it measures itself, and PCR16 of a manifest.
Result<trust::MeasurementPair> measure(const std::string& enclave_program, const std::string& manifest);

// Writes enclave.eif: the image `eif` and one ramdisk more, which makes its enclave trust this folder's CA
// instead of Amazon's and call kms.REGION.kDevelopmentSuffix. Gives its PCR0 with the manifest's PCR16.
// Errors: Io, ImageInvalid.
Result<trust::MeasurementPair> make_development_image(const UpFolder& folder, const std::string& eif,
                                                      const std::string& manifest);

} // namespace redoubt::cli
