// SPDX-License-Identifier: Apache-2.0
// A KMS key as KMS's callers may name it (AWS KMS Developer Guide, "Key identifiers (KeyId)"): key ARN, key
// id, alias or alias ARN. Redoubt's own keys are always full key ARNs (aws/arn.h); this is for tools that
// take what the user has.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace redoubt::aws {

struct KmsKeyName {
    enum class Kind { KeyArn, KeyId, Alias, AliasArn } kind = Kind::KeyArn;
    std::string text; // as given; what KMS is asked with
    // Empty where the name does not say it.
    std::string partition, region, account, key_id;
};

// One spelling of each; an alias has 1 to 256 of A-Z a-z 0-9 / _ - after "alias/". Error: InvalidField.
Result<KmsKeyName> parse_kms_key_name(std::string_view text);

// Whether the key ARN that KMS answered with can be the key so named, asked in that region: it is a key ARN
// of the region and its partition, equal to a named key ARN, with a named key id, of a named account. What an
// alias stands for is KMS's word alone. No name (nullptr): any key of the region.
bool may_be_key(std::string_view answered_arn, const KmsKeyName* name, std::string_view region);

} // namespace redoubt::aws
