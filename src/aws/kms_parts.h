// SPDX-License-Identifier: Apache-2.0
// What the KMS client's sources share: members that several operations have.
#pragma once

#include "aws/kms_client.h"

namespace redoubt::json {
class Writer;
}

namespace redoubt::aws {

// AWS KMS API Reference, Decrypt and GenerateDataKey: CiphertextBlob.
inline constexpr std::size_t kMaxCiphertextBlob = 6144;

// Nothing where the context is empty.
void write_encryption_context(json::Writer& writer, const EncryptionContext& context);
void write_recipient(json::Writer& writer, ByteView attestation_document);

} // namespace redoubt::aws
