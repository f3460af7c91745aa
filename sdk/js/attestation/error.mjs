// SPDX-License-Identifier: Apache-2.0
// The one class that this module throws. `code` is stable and one of Redoubt's error names:
//   attestation_invalid    not an attestation document as the NSM writes it
//   attestation_untrusted  another root, a wrong chain or a wrong signature
//   attestation_expired    nothing else is wrong, but a certificate is not valid at the time asked for
//   manifest_invalid       the manifest has no canonical form
//   usage                  an argument or option is not what this module takes
//   internal               this platform has no WebCrypto, or it failed
export class AttestationError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "AttestationError";
    this.code = code;
  }
}

export const invalid = (message) => new AttestationError("attestation_invalid", message);
export const untrusted = (message) => new AttestationError("attestation_untrusted", message);
export const expired = (message) => new AttestationError("attestation_expired", message);
export const usage = (message) => new AttestationError("usage", message);
export const internal = (message) => new AttestationError("internal", message);
