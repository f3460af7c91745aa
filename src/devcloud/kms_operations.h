// SPDX-License-Identifier: Apache-2.0
// Private to KMS: one function an operation, and what they share. Each takes a KmsCall and returns the
// reply's JSON; what it learns about the call on the way goes into the event.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/input.h"
#include "devcloud/kms_ciphertext.h"
#include "devcloud/recipient.h"

namespace redoubt::devcloud {

struct KmsCall {
    Cloud& cloud;
    const Call& call;
    const Input& input;
    Event& event;
};

using KmsOperation = Reply<std::string> (*)(KmsCall& kms);

// kms_keys.cpp
Reply<std::string> create_key(KmsCall& kms);
Reply<std::string> describe_key(KmsCall& kms);
Reply<std::string> list_keys(KmsCall& kms);
Reply<std::string> put_key_policy(KmsCall& kms);
Reply<std::string> get_key_policy(KmsCall& kms);

// kms_data.cpp
Reply<std::string> encrypt(KmsCall& kms);
Reply<std::string> decrypt(KmsCall& kms);
Reply<std::string> generate_data_key(KmsCall& kms);

// kms_authorise.cpp

// By key id or ARN. Error: NotFoundException.
Reply<KeyRecord> find_key(KmsCall& kms, std::string_view key_id);
// Whether the key's policy (and IAM, where it delegates) allows the call. Error: AccessDeniedException.
Reply<void> authorise(KmsCall& kms, const KeyRecord& key, const EncryptionContext& context,
                      const std::optional<Recipient>& recipient);
// For operations on no key: IAM alone decides.
Reply<void> authorise_by_iam(const KmsCall& kms);
// The policy parses, and leaves the caller able to put another one (AWS's lockout check), unless `bypass`.
// Error: MalformedPolicyDocumentException.
Reply<void> check_new_policy(const KmsCall& kms, std::string_view policy, std::string_view key_arn,
                             bool bypass);
// Error: DisabledException.
Reply<void> check_enabled(const KeyRecord& key);

} // namespace redoubt::devcloud
