// SPDX-License-Identifier: Apache-2.0
// The options of both calls, read once and strictly: what is misspelt, of another type or empty is an error rather
// than a check that is left out.
import { copyBytes, fromHex } from "./bytes.mjs";
import { kMaxField } from "./document.mjs";
import { AttestationError, usage } from "./error.mjs";

// SHA-256 of AWS's root certificate G1 (DER), docs.aws.amazon.com/enclaves/latest/user/verify-root.html. The digest
// that the page prints is the ZIP file's; this is the DER's.
export const AWS_NITRO_ROOT_SHA256 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

const kMaxTime = 8.64e15; // what a Date can hold, in milliseconds
const kMaxPurpose = 64; // bytes of UTF-8

function rootSha256(value) {
  const digest = fromHex(value, 32);
  if (digest === undefined) throw usage("rootSha256 must be 64 hexadecimal digits");
  return digest;
}

function at(value) {
  if (!Number.isSafeInteger(value) || Math.abs(value) > kMaxTime)
    throw usage("at must be a whole number of milliseconds since 1970");
  return value;
}

function maxAgeMs(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw usage("maxAgeMs must be a whole number of milliseconds from 0");
  return value;
}

function pcrs(value) {
  // A Map or an array would pin nothing, or not what it seems to.
  if (Object.prototype.toString.call(value) !== "[object Object]")
    throw usage("pcrs must be an object of register → hexadecimal");
  const out = new Map();
  for (const name in value) {
    const pin = value[name];
    const bytes = [32, 48, 64].map((size) => fromHex(pin, size)).find((read) => read !== undefined);
    if (!/^(?:[0-9]|[12][0-9]|3[01])$/.test(name) || bytes === undefined)
      throw usage("pcrs must pin registers 0 to 31 to 64, 96 or 128 hexadecimal digits each");
    out.set(Number(name), bytes);
  }
  return out;
}

function nonce(value) {
  const bytes = copyBytes(value, kMaxField);
  if (bytes === undefined || bytes.length === 0) throw usage("nonce must be a Uint8Array of 1 to 1,024 bytes");
  return bytes;
}

function purpose(value) {
  if (typeof value !== "string" || value === "" || value.length > kMaxPurpose ||
      new TextEncoder().encode(value).length > kMaxPurpose)
    throw usage("purpose must be a text of 1 to 64 bytes");
  return value;
}

// Its content is judged with the registers.
function manifest(value) {
  if (typeof value !== "string") throw usage("manifest must be the JSON text");
  return value;
}

function flag(name) {
  return (value) => {
    if (typeof value !== "boolean") throw usage(`${name} must be true or false`);
    return value;
  };
}

const kDocument = { rootSha256, at };
const kPolicy = {
  ...kDocument, pcrs, manifest, nonce, maxAgeMs, purpose,
  ...Object.fromEntries(["allowDebug", "allowUnpinned", "allowAnyNonce", "allowOtherRoot"].map((n) => [n, flag(n)])),
};

function read(options, known) {
  if (options === undefined) options = {};
  if (typeof options !== "object" || options === null) throw usage("the options must be an object");
  try {
    for (const name in options)
      if (!Object.hasOwn(known, name)) throw usage(`there is no option ${JSON.stringify(String(name).slice(0, 64))}`);
    const out = {};
    for (const name of Object.keys(known)) {
      const value = options[name];
      if (value !== undefined) out[name] = known[name](value);
    }
    out.at ??= Date.now();
    out.rootSha256 ??= rootSha256(AWS_NITRO_ROOT_SHA256);
    return out;
  } catch (error) {
    // A getter or a proxy of the caller's may throw anything.
    throw error instanceof AttestationError ? error : usage("the options cannot be read");
  }
}

export const readDocumentOptions = (options) => read(options, kDocument);
export const readPolicyOptions = (options) => read(options, kPolicy);
