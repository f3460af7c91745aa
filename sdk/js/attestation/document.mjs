// SPDX-License-Identifier: Apache-2.0
// The structure of attestation documents: aws-nitro-enclaves-nsm-api, docs/attestation_process.md, section 3.1 for
// the COSE_Sign1 and 3.2.2 for the payload's rules. Nothing is trusted yet.
import { copyBytes, sameBytes, toHex } from "./bytes.mjs";
import { Major, Reader, encodeArray, encodeBytes, encodeText, readMap } from "./cbor.mjs";
import { invalid } from "./error.mjs";

const kTagCoseSign1 = 18; // RFC 9052, section 2
const kProtected = Uint8Array.of(0xa1, 0x01, 0x38, 0x22); // {1 (alg): -35 (ES384)}
const kMaxPayload = 16384;
const kSignatureSize = 96;
const kMaxModuleId = 256;
const kMaxTimestamp = 253_402_300_799_999; // the end of the year 9999
const kPcrCount = 32;
const kPcrSizes = [32, 48, 64];
const kMaxPurpose = 64;
const kUserDataVersion = 1;
export const kMaxField = 1024; // public_key, user_data, nonce
export const kMaxCertificate = 1024; // DER
export const kMaxBundle = 9; // hardware sends 4, the root included
// Tag, array, four items with their heads.
export const kMaxDocument = 1 + 1 + (1 + kProtected.length) + 1 + (3 + kMaxPayload) + (2 + kSignatureSize);

function readBytes(reader, smallest, largest) {
  const value = reader.bytes();
  return value !== undefined && value.length >= smallest && value.length <= largest ? value : undefined;
}

function readPcrs(reader) {
  const size = reader.map();
  if (size === undefined || size < 1 || size > kPcrCount) return undefined;
  const out = new Map();
  for (let i = 0; i < size; ++i) {
    const index = reader.unsigned();
    const value = reader.bytes();
    if (index === undefined || value === undefined || index >= kPcrCount || out.has(index) ||
        !kPcrSizes.includes(value.length))
      return undefined;
    out.set(index, value);
  }
  return out;
}

function readBundle(reader) {
  const size = reader.array();
  if (size === undefined || size < 1 || size > kMaxBundle) return undefined;
  const out = [];
  for (let i = 0; i < size; ++i) {
    const certificate = readBytes(reader, 1, kMaxCertificate);
    if (certificate === undefined) return undefined;
    out.push(certificate);
  }
  return out;
}

// null for an absent option, which is null or left out; hardware has sent an empty public_key, too (2021).
function readOptional(reader) {
  if (reader.nextIsNull) return reader.null() ? null : undefined;
  return readBytes(reader, 0, kMaxField);
}

function readModuleId(reader) {
  const value = reader.text();
  return value !== undefined && value.size >= 1 && value.size <= kMaxModuleId ? value.text : undefined;
}

function readTimestamp(reader) {
  const value = reader.unsigned();
  return value !== undefined && value > 0 && value <= kMaxTimestamp ? value : undefined;
}

function readPayload(payload) {
  const out = { publicKey: null, userData: null, nonce: null };
  const member = (into, read, required = true) => ({
    required,
    read: (reader) => (out[into] = read(reader)) !== undefined,
  });
  const reader = new Reader(payload);
  const read = readMap(reader, new Map([
    ["module_id", member("moduleId", readModuleId)],
    ["digest", { required: true, read: (r) => r.text()?.text === "SHA384" }],
    ["timestamp", member("timestamp", readTimestamp)],
    ["pcrs", member("pcrs", readPcrs)],
    ["certificate", member("certificate", (r) => readBytes(r, 1, kMaxCertificate))],
    ["cabundle", member("cabundle", readBundle)],
    ["public_key", member("publicKey", readOptional, false)],
    ["user_data", member("userData", readOptional, false)],
    ["nonce", member("nonce", readOptional, false)],
  ]), true);
  return read && reader.finished ? out : undefined;
}

// {moduleId, timestamp, pcrs: Map of index → bytes, certificate, cabundle, publicKey, userData, nonce, payload,
// signature}; bytes are views of the argument, which must not change.
export function parseDocument(bytes) {
  const reader = new Reader(bytes);
  if (reader.major === Major.tag && reader.tag() !== kTagCoseSign1)
    throw invalid("the attestation document has a tag that is not COSE_Sign1's");
  if (reader.array() !== 4) throw invalid("the attestation document is not a COSE_Sign1");
  const header = reader.bytes();
  if (header === undefined || !sameBytes(header, kProtected))
    throw invalid("the attestation document is not signed with ES384");
  const unprotected = reader.map();
  const payload = reader.bytes();
  const signature = reader.bytes();
  if (unprotected !== 0 || payload === undefined || payload.length === 0 || payload.length > kMaxPayload ||
      signature === undefined || signature.length !== kSignatureSize || !reader.finished)
    throw invalid("the attestation document is not a COSE_Sign1 as the NSM writes it");
  const fields = readPayload(payload);
  if (fields === undefined) throw invalid("the attestation document's payload breaks the rules for its fields");
  return { ...fields, payload, signature };
}

// What the signature is over (RFC 9052, section 4.4): the parts as they were received.
export function signedPart(document) {
  return encodeArray(encodeText("Signature1"), encodeBytes(kProtected), encodeBytes(new Uint8Array(0)),
    encodeBytes(document.payload));
}

// PCR0, 1 and 2 all zero (or missing): the enclave's memory can be read from outside.
export function isDebug(document) {
  return [0, 1, 2].every((index) => (document.pcrs.get(index) ?? []).every((byte) => byte === 0));
}

// What the caller gets: values of its own.
export function attestationOf(document, chain) {
  const copy = (bytes) => (bytes === null ? null : bytes.slice());
  const pcrs = {};
  for (const [index, value] of [...document.pcrs].sort(([a], [b]) => a - b)) pcrs[index] = toHex(value);
  return {
    moduleId: document.moduleId,
    timestamp: document.timestamp,
    pcrs,
    publicKey: copy(document.publicKey),
    userData: copy(document.userData),
    nonce: copy(document.nonce),
    debug: isDebug(document),
    certificate: copy(document.certificate),
    cabundle: document.cabundle.map(copy),
    notBefore: chain.notBefore,
    notAfter: chain.notAfter,
  };
}

// user_data as a Redoubt enclave writes it: the CBOR map {1: 1, 2: purpose, 3: SHA-256 digest} in one encoding only
// (RFC 8949, section 4.2.1). Gives {purpose, digest}. Error: attestation_invalid.
export function parseUserData(userData) {
  const refused = () => invalid("the attestation document's user_data is not what a Redoubt enclave writes");
  const bytes = copyBytes(userData, kMaxField);
  if (bytes === undefined) throw refused();
  const reader = new Reader(bytes);
  const version = reader.map() === 3 && reader.unsigned() === 1 && reader.unsigned() === kUserDataVersion;
  const purpose = version && reader.unsigned() === 2 ? reader.text() : undefined;
  const digest = purpose !== undefined && reader.unsigned() === 3 ? reader.bytes() : undefined;
  if (digest === undefined || digest.length !== 32 || purpose.size === 0 || purpose.size > kMaxPurpose ||
      !reader.finished)
    throw refused();
  return { purpose: purpose.text, digest };
}
