// SPDX-License-Identifier: Apache-2.0
// Ethereum addresses: of a private key, of whoever made a signature, and their checksum (EIP-55).
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

function checksummed(bytes) {
  const digits = Buffer.from(bytes).toString("hex");
  const hash = Buffer.from(keccak_256(Buffer.from(digits))).toString("hex");
  return "0x" + [...digits].map((digit, i) => (parseInt(hash[i], 16) >= 8 ? digit.toUpperCase() : digit)).join("");
}

// `point`: 65 bytes, uncompressed.
const addressOf = (point) => checksummed(keccak_256(point.subarray(1)).subarray(12));

// undefined: no private key (zero, or not below the group's order).
export function addressOfPrivateKey(bytes) {
  return secp256k1.utils.isValidSecretKey(bytes) ? addressOf(secp256k1.getPublicKey(bytes, false)) : undefined;
}

// The address whose key made this signature of `hash`; undefined where there is none. `r`, `s`: "0x" and 64 digits.
export function recoverAddress(hash, { r, s, v }) {
  try {
    const signature = Buffer.from(`${(v - 27).toString(16).padStart(2, "0")}${r.slice(2)}${s.slice(2)}`, "hex");
    const point = secp256k1.Signature.fromBytes(signature, "recovered").recoverPublicKey(hash);
    return addressOf(point.toBytes(false));
  } catch {
    return undefined;
  }
}

// As EIP-55 has it, or in one case throughout, which says nothing of a checksum.
export function isAddress(text) {
  const digits = text.slice(2);
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return false;
  return digits === digits.toLowerCase() || digits === digits.toUpperCase() || checksummed(Buffer.from(digits, "hex")) === text;
}

export const sameAddress = (a, b) => a.toLowerCase() === b.toLowerCase();
