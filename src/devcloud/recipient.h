// SPDX-License-Identifier: Apache-2.0
// The Recipient parameter: a verified attestation document, the policy conditions it supports, and replies
// that only its key opens.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/condition.h"
#include "devcloud/input.h"
#include "nitro/attestation.h"

namespace redoubt::devcloud {

struct Recipient {
    nitro::Attestation attestation;
    Bytes public_key; // DER SubjectPublicKeyInfo, RSA
};

// nullopt: the call has no Recipient. A document that is malformed, altered, unsigned, expired, of another
// root or without a public key: ValidationException.
Reply<std::optional<Recipient>> read_recipient(const Cloud& cloud, const Input& input, UnixMs now);

// The value of PCR n as policies and the event log see it, lower-case hex; empty where the document lacks it.
// A debug document (PCR0…2 all zero) shows zeros for every register, as AWS documents for debug mode.
std::string recipient_pcr(const Recipient& recipient, std::uint16_t index);

// kms:RecipientAttestation:ImageSha384 (= PCR0) and kms:RecipientAttestation:PCRn.
void add_attestation_values(const Recipient& recipient, ConditionValues& values);

// CiphertextForRecipient. Error: ValidationException (the attested key is no RSA key that can be used).
Reply<Bytes> encrypt_for_recipient(const Cloud& cloud, const Recipient& recipient, const Secret& plaintext);

} // namespace redoubt::devcloud
