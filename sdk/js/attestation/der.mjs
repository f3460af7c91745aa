// SPDX-License-Identifier: Apache-2.0
// The little of DER (X.690) that certificates need, over a Cursor: one-byte tags and shortest definite lengths
// (section 10.1) of up to 65,535. Anything else makes the cursor fail, so a parser asks it once.
import { sameBytes } from "./bytes.mjs";

export const Tag = Object.freeze({
  boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, objectIdentifier: 0x06, utcTime: 0x17,
  generalizedTime: 0x18, sequence: 0x30, context3: 0xa3,
});

function shortestLength(cursor) {
  const first = cursor.u8();
  if (first < 0x80) return first;
  const size = first === 0x81 ? 1 : first === 0x82 ? 2 : 0;
  const length = cursor.integer(size);
  if (size === 0 || length < (size === 1 ? 0x80 : 0x100)) cursor.fail();
  return length;
}

// An element with this tag: its contents. With `size`, they must have it.
export function element(cursor, tag, size) {
  if (cursor.u8() !== tag) cursor.fail();
  const contents = cursor.take(shortestLength(cursor));
  if (size !== undefined && contents.length !== size) {
    cursor.fail();
    return cursor.rest;
  }
  return contents;
}

// An element and its header.
export function wholeElement(cursor, tag) {
  const before = cursor.rest;
  element(cursor, tag);
  return cursor.ok ? before.subarray(0, before.length - cursor.rest.length) : cursor.rest;
}

// Exactly these bytes.
export function expect(cursor, bytes) {
  if (!sameBytes(cursor.take(bytes.length), bytes)) cursor.fail();
}

// Is the number negative, or longer than it need be (section 8.3.2)?
export const isBadPositive = (value) =>
  value.length === 0 || value[0] >= 0x80 || (value.length > 1 && value[0] === 0 && value[1] < 0x80);
