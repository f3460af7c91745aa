// SPDX-License-Identifier: Apache-2.0
// Byte strings: copies of what a caller gives, hexadecimal, and the one bounds-checked reader that every parser
// of this module uses.

// The accessors of all typed arrays: they read the array itself, whatever a subclass or another realm makes of
// its properties, and answer undefined or throw for what is none.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const kindOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag).get;
const sizeOf = Object.getOwnPropertyDescriptor(typedArray, "byteLength").get;

// A copy that nobody else can change while it is being verified (also of a Buffer, or of shared memory, which
// WebCrypto refuses), or undefined where the value is no Uint8Array of at most `largest` bytes.
export function copyBytes(value, largest) {
  try {
    if (kindOf.call(value) !== "Uint8Array" || sizeOf.call(value) > largest) return undefined;
    const copy = new Uint8Array(value);
    return copy.length <= largest ? copy : undefined;
  } catch {
    return undefined;
  }
}

export function sameBytes(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; ++i) if (a[i] !== b[i]) return false;
  return true;
}

export function concatBytes(...parts) {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes) {
  let out = "";
  for (const byte of bytes) out += digits[byte];
  return out;
}

// Strict: digits of either case, no prefix, no space. undefined where the text is not `size` bytes.
export function fromHex(text, size) {
  if (typeof text !== "string" || text.length !== 2 * size || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const out = new Uint8Array(size);
  for (let i = 0; i < size; ++i) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

// Integers are big-endian. A read past the end fails, gives zero or no bytes, and makes every later read fail too,
// so a parser may read a whole structure and ask `ok` once. Views are of the bytes that are read.
export class Cursor {
  #rest;
  #ok = true;

  constructor(bytes) {
    this.#rest = bytes;
  }

  get ok() {
    return this.#ok;
  }
  get rest() {
    return this.#rest;
  }
  get empty() {
    return this.#rest.length === 0;
  }
  // All read, and nothing was short.
  get finished() {
    return this.#ok && this.empty;
  }
  // The next byte, which stays; undefined at the end.
  get next() {
    return this.#rest[0];
  }

  fail() {
    this.#ok = false;
    this.#rest = new Uint8Array(0);
  }

  take(size) {
    if (size > this.#rest.length) {
      this.fail();
      return this.#rest;
    }
    const out = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return out;
  }

  // Of at most 8 bytes. Above 2^53 the number is rounded, never to below 2^53: fit to compare with any bound here.
  integer(size) {
    let value = 0;
    for (const byte of this.take(size)) value = value * 256 + byte;
    return value;
  }

  u8() {
    return this.integer(1);
  }
}
