// SPDX-License-Identifier: Apache-2.0
// The values of --encryption-context.
#pragma once

#include "aws/kms_client.h"

namespace redoubt::kmstool {

// KMS takes no more in names and values together.
inline constexpr std::size_t kMaxContextBytes = 8192;

// Adds the pairs of one value: KEY=VALUE[,KEY=VALUE…] (KEY ends at the first '=', VALUE at the next comma),
// or a JSON object of strings where it begins with '{', for what has commas. Refused: no or an empty KEY, a
// KEY twice, text that is not UTF-8, too much. Error: Usage.
Status add_encryption_context(std::string_view value, aws::EncryptionContext& context);

} // namespace redoubt::kmstool
