// SPDX-License-Identifier: Apache-2.0

/** SHA-256 of AWS's root certificate G1 (DER), in hexadecimal: the root that is trusted unless told otherwise. */
export const AWS_NITRO_ROOT_SHA256: string;

export type AttestationErrorCode =
  /** Not an attestation document as the NSM writes it. */
  | "attestation_invalid"
  /** Another root, a wrong chain or a wrong signature. */
  | "attestation_untrusted"
  /** Nothing else is wrong, but a certificate is not valid at the time asked for. */
  | "attestation_expired"
  /** The manifest has no canonical form. */
  | "manifest_invalid"
  /** An argument or option is not what this module takes. */
  | "usage"
  /** This platform has no WebCrypto, or it failed. */
  | "internal";

/** The only thing that this module throws. */
export class AttestationError extends Error {
  constructor(code: AttestationErrorCode, message: string);
  readonly code: AttestationErrorCode;
}

export interface Attestation {
  moduleId: string;
  /** When the NSM made the document, in milliseconds since 1970. */
  timestamp: number;
  /** Register → 64, 96 or 128 lower-case hexadecimal digits. */
  pcrs: Record<number, string>;
  publicKey: Uint8Array | null;
  userData: Uint8Array | null;
  nonce: Uint8Array | null;
  /** PCR0, 1 and 2 are all zero or missing: the enclave's memory can be read from outside. */
  debug: boolean;
  /** DER. */
  certificate: Uint8Array;
  /** DER, root first. */
  cabundle: Uint8Array[];
  /** When all certificates are valid, in milliseconds since 1970, both ends included. */
  notBefore: number;
  notAfter: number;
}

export interface DocumentOptions {
  /** The root to trust, as 64 hexadecimal digits: the SHA-256 of its DER. Default: AWS's. */
  rootSha256?: string;
  /** The time to verify at, in milliseconds since 1970. Default: now. */
  at?: number;
}

export interface AttestationOptions extends DocumentOptions {
  /** Registers that must have these values, in hexadecimal. PCR0 (the image) and PCR16 (the manifest) are needed. */
  pcrs?: Record<number, string>;
  /** The manifest's JSON text: pins PCR16. */
  manifest?: string;
  /** The nonce that the document must repeat, 1 to 1,024 bytes. */
  nonce?: Uint8Array;
  /** How old the document may be at `at`, in milliseconds; it may be up to a minute ahead. */
  maxAgeMs?: number;
  /** What a Redoubt enclave must have made the document for, as user_data says: "identity", for one. */
  purpose?: string;
  /** Each makes `ok` possible without a check, and is listed in `exceptions`. */
  allowDebug?: boolean;
  allowUnpinned?: boolean;
  allowAnyNonce?: boolean;
  allowOtherRoot?: boolean;
}

export type CheckName =
  | "structure" | "root" | "chain" | "signature" | "time" | "debug" | "pcrs" | "freshness" | "purpose";

export interface Check {
  name: CheckName;
  /** "allowed": it failed, and an option allows that. "skipped": not asked for, or an earlier check failed. */
  result: "ok" | "failed" | "skipped" | "allowed";
  detail: string;
}

export interface Verdict {
  /** No check failed. What was allowed is in `exceptions`. */
  ok: boolean;
  /** That of the first failed check; null when ok. A document that is too old is attestation_expired, too. */
  code: AttestationErrorCode | null;
  /** All nine, always in the order of CheckName. */
  checks: Check[];
  exceptions: ("other-root" | "debug" | "unpinned" | "any-nonce")[];
  /** null unless structure, root, chain, signature and time are right. Don't use it unless `ok`. */
  attestation: Attestation | null;
}

/** Remembers up to 64 certificates' signatures that it found right; verdicts don't depend on what came before. */
export class Verifier {
  verifyDocument(bytes: Uint8Array, options?: DocumentOptions): Promise<Attestation>;
  verifyAttestation(bytes: Uint8Array, options?: AttestationOptions): Promise<Verdict>;
}

/** Structure, root, chain, signature and time; nothing of what the document says. Throws AttestationError. */
export function verifyDocument(bytes: Uint8Array, options?: DocumentOptions): Promise<Attestation>;

/** The document and everything that it must say. Throws AttestationError only for "usage" and "internal". */
export function verifyAttestation(bytes: Uint8Array, options?: AttestationOptions): Promise<Verdict>;

/** PCR16, in hexadecimal, of an enclave that took this manifest. Throws AttestationError "manifest_invalid". */
export function manifestPcr16(text: string): Promise<string>;

/** user_data as a Redoubt enclave writes it. Throws AttestationError "attestation_invalid". */
export function parseUserData(userData: Uint8Array): { purpose: string; digest: Uint8Array };
