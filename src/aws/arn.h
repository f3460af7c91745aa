// SPDX-License-Identifier: Apache-2.0
// KMS key ARNs, and the host name computed from one (design invariant 4).
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace redoubt::aws {

struct KmsKeyArn {
    std::string text;      // the whole, as given
    std::string partition; // aws, aws-cn, aws-us-gov, aws-eusc, aws-iso, aws-iso-b …
    std::string region;
    std::string account; // 12 digits
    std::string key_id;  // UUID or mrk-<32 hex>
};

// A full key ARN only: no alias, no bare id. Error: InvalidField.
Result<KmsKeyArn> parse_kms_key_arn(std::string_view text);

// The DNS suffix of a partition ("amazonaws.com"), or of the image's own list in development images. Error:
// InvalidField.
Result<std::string> partition_suffix(std::string_view partition);
// "kms.<region>.<suffix>"
std::string kms_host(const KmsKeyArn& arn, std::string_view suffix);
std::string kms_host(std::string_view region, std::string_view suffix);

// A region's name, "us-east-1": lower-case words, then a number. It becomes a label of host names, so nothing
// else may pass.
bool is_region(std::string_view text) noexcept;
// The partition that a region belongs to, known by the region's first word; "aws" where no other fits.
std::string_view partition_of_region(std::string_view region) noexcept;

} // namespace redoubt::aws
