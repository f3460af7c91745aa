// SPDX-License-Identifier: Apache-2.0
// ES384: ECDSA over P-384 with SHA-384 (RFC 9053, section 2.1), by WebCrypto. What the platforms judge differently is
// judged here: a public key that is not on the curve (not every WebCrypto looks when it imports one), and r or s out
// of range. Keys are imported as "raw" points, which leaves no room for a platform's own reading of an spki.
import { Cursor, toHex } from "./bytes.mjs";
import { Tag, element, isBadPositive } from "./der.mjs";
import { internal } from "./error.mjs";

const kScalarSize = 48;
export const kPointSize = 97; // 04 ‖ x ‖ y

// SEC 2, section 2.5.1.
const kPrime = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
const kB = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;
const kOrder = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

const kAlgorithm = { name: "ECDSA", namedCurve: "P-384" };

// Node.js before 19 has WebCrypto only in its crypto module. The name is not a literal, so that bundlers for
// browsers don't look for it.
async function findSubtle() {
  if (globalThis.crypto?.subtle) return globalThis.crypto.subtle;
  try {
    const name = "node:crypto";
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)).webcrypto.subtle;
  } catch {
    throw internal("WebCrypto is missing; a page needs https or localhost for it");
  }
}
let found;
export async function subtle() {
  found ??= await findSubtle();
  return found;
}

async function digest(name, bytes) {
  const crypto = await subtle();
  try {
    return new Uint8Array(await crypto.digest(name, bytes));
  } catch {
    throw internal("WebCrypto could not make a digest");
  }
}
export const sha256 = (bytes) => digest("SHA-256", bytes);
export const sha384 = (bytes) => digest("SHA-384", bytes);

const number = (bytes) => BigInt(`0x${toHex(bytes)}`);

function inRange(scalar) {
  const value = number(scalar);
  return value > 0n && value < kOrder;
}

// y² = x³ − 3x + b
export function isOnCurve(point) {
  if (point.length !== kPointSize || point[0] !== 0x04) return false;
  const x = number(point.subarray(1, 1 + kScalarSize));
  const y = number(point.subarray(1 + kScalarSize));
  return x < kPrime && y < kPrime && (y * y - (x * x * x - 3n * x + kB)) % kPrime === 0n;
}

// Does this key, a point in uncompressed form, sign the message so (r ‖ s)? false also for a point that is not on the
// curve, and for r or s that is zero or not below the order.
export async function verifyEs384(point, message, signature) {
  if (!inRange(signature.subarray(0, kScalarSize)) || !inRange(signature.subarray(kScalarSize)) || !isOnCurve(point))
    return false;
  const crypto = await subtle();
  try {
    const key = await crypto.importKey("raw", point, kAlgorithm, false, ["verify"]);
    return (await crypto.verify({ name: "ECDSA", hash: "SHA-384" }, key, signature, message)) === true;
  } catch {
    throw internal("WebCrypto could not verify a signature");
  }
}

// Ecdsa-Sig-Value (RFC 3279, section 2.2.3) in DER to r ‖ s: 96 bytes, or undefined for numbers that are negative,
// not shortest or longer than 48 bytes.
export function es384FromDer(der) {
  const outer = new Cursor(der);
  const numbers = new Cursor(element(outer, Tag.sequence));
  const out = new Uint8Array(2 * kScalarSize);
  for (const end of [kScalarSize, 2 * kScalarSize]) {
    let value = element(numbers, Tag.integer);
    if (isBadPositive(value)) return undefined;
    if (value[0] === 0) value = value.subarray(1);
    if (value.length > kScalarSize) return undefined;
    out.set(value, end - value.length);
  }
  return outer.finished && numbers.finished ? out : undefined;
}
