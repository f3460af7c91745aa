// SPDX-License-Identifier: Apache-2.0
// KMS key policies as design.md "Keys" demands them: one Allow for each pair of (PCR0, PCR16), explicit
// denials of every way to plant or open a vault without those measurements, and nobody who both administers
// and uses the key. Documents: AWS KMS "Condition keys for AWS Nitro Enclaves", IAM policy grammar
// 2012-10-17.
#pragma once

#include "trust/manifest.h"

namespace redoubt::trust {

struct MeasurementPair {
    crypto::Hash48 pcr0, pcr16;
};

struct KeyPolicyInput {
    KmsPurpose purpose = KmsPurpose::Vault;
    std::string administrator; // principal ARN: manages the key, never uses it (reference keys: may Encrypt)
    std::string user;          // principal ARN: the host's role, whose credentials the enclave signs with
    std::vector<MeasurementPair> pairs; // 1 … 8; two while an image is being replaced
};

std::string render_key_policy(const KeyPolicyInput& input);

} // namespace redoubt::trust
