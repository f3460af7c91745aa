// SPDX-License-Identifier: Apache-2.0
// encodeData of EIP-712's atomic and dynamic types; internal to typed_data.cpp and typed_data_fields.cpp.
#pragma once

#include "ethereum/typed_data_types.h"

namespace redoubt::ethereum::typed_data {

// The word that stands for the value; of string and bytes it is their hash. The type must be no struct; the
// arrays around it are the caller's. Error: InvalidField.
Result<Hash32> encode_value(const FieldType& type, const json::Value& value);

} // namespace redoubt::ethereum::typed_data
