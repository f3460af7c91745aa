// SPDX-License-Identifier: Apache-2.0
// KMS key policies as design.md "Keys" demands them: one Allow for each pair of (PCR0, PCR16), explicit
// denials of every way to plant, copy or open a vault without those measurements, policy changes by the named
// administrators only, and nobody who both administers and uses the key. docs/kms-policy.md explains every
// statement, and a test has devcloud's KMS attacked under them.
// Documents: AWS KMS "Condition keys for AWS Nitro Enclaves", IAM policy grammar 2012-10-17.
#pragma once

#include "trust/manifest.h"

#include <optional>

namespace redoubt::trust {

struct MeasurementPair {
    crypto::Hash48 pcr0, pcr16;
    std::optional<crypto::Hash48> pcr8{}; // the certificate that signed the image; empty: any, or none
};

// Principals are full ARNs of roles, users or account roots. Whoever is named by the root of an account is
// every identity of it that its IAM policies allow this.
struct KeyPolicyInput {
    KmsPurpose purpose = KmsPurpose::Vault;
    std::vector<std::string> administrators; // manage the key, never use it
    std::vector<std::string> users;          // the hosts' role, whose credentials the enclave signs with
    std::vector<std::string> encryptors;     // purpose reference: may Encrypt (the AWS sample's set_key)
    std::vector<std::string> auditors;       // read the key's state and policy, and no more
    // At most 8; two while an image or manifest is being replaced. None: the key is closed for use, as it is
    // before its ARN stands in a manifest.
    std::vector<MeasurementPair> pairs;
    // PCR3 = SHA384(0^48 ‖ the instance role's ARN), PCR4 the same of the instance's id (AWS Nitro Enclaves
    // User Guide, "Where to get an enclave's measurements"). One of each must fit; empty: any.
    std::vector<crypto::Hash48> pcr3, pcr4;
};

inline constexpr std::size_t kMaxPolicyPairs = 8;

// What render_key_policy must be given. `development` lets debug measurements, an account's root as user, a
// root of the users' account as administrator and an administrator who encrypts pass. Error: Usage, in words
// for the person who wrote it.
Status check_key_policy(const KeyPolicyInput& input, bool development);

std::string render_key_policy(const KeyPolicyInput& input);

} // namespace redoubt::trust
