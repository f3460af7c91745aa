// SPDX-License-Identifier: Apache-2.0
// KMS's CiphertextForRecipient: a CMS EnvelopedData (RFC 5652) in BER with indefinite lengths, exactly as KMS
// writes it. Far stricter than OpenSSL's reader: one KeyTransRecipientInfo of version 2 with the subject key
// identifier SHA-256(SubjectPublicKeyInfo), RSAES-OAEP with SHA-256 and MGF1-SHA-256 and no label,
// AES-256-CBC with a 32-byte key, content as [0] constructed (one or more OCTET STRINGs) or primitive, exact
// end-of-contents octets, nothing after them.
//
// CBC is malleable: a flipped IV byte opens to another plaintext. Whoever uses the result must authenticate
// it by other means; KmsClient does (aws/kms_client.h).
#pragma once

#include "crypto/recipient_key.h"

namespace redoubt::crypto {

// The parts of a blob, viewing it.
struct EnvelopedData {
    ByteView key_identifier; // 32 bytes
    ByteView encrypted_key;  // 256 bytes
    ByteView iv;             // 16 bytes
    Bytes content;           // the joined ciphertext, a non-zero multiple of 16, at most 8 KiB
};

// Structure only, no key. Error: KmsReplyInvalid.
Result<EnvelopedData> parse_enveloped_data(ByteView blob);
// Parses, compares the key identifier, decrypts. Error: KmsReplyInvalid with one sentence for every
// cryptographic failure.
Result<Secret> open_enveloped_data(const RecipientKey& key, ByteView blob);
// Builds such a blob as KMS does (for devcloud and tests; `random` gives the content key and IV). Error:
// InvalidField.
class Random;
Result<Bytes> make_enveloped_data(ByteView recipient_public_der, ByteView plaintext, Random& random);

} // namespace redoubt::crypto
