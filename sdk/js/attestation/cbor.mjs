// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949), the strict subset that attestation documents use: unsigned integers, byte and text strings,
// arrays, maps, tags, null. Shortest heads and definite lengths only; a map may be of indefinite length where the
// caller asks for it (attestation payloads since 2025-07). Nothing here recurses.
import { Cursor, concatBytes } from "./bytes.mjs";

export const Major = Object.freeze({ unsigned: 0, bytes: 2, text: 3, array: 4, map: 5, tag: 6 });

const kNull = 0xf6, kBreak = 0xff, kIndefiniteMap = 0xbf;

// Strict UTF-8 (RFC 3629). A byte order mark is a character like another: dropping it would let two names be one.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// A pull reader. Each call reads one head or leaf; on failure it gives undefined (false for null()), and every
// later call fails.
export class Reader {
  #in;

  constructor(bytes) {
    this.#in = new Cursor(bytes);
  }

  get ok() {
    return this.#in.ok;
  }
  get finished() {
    return this.#in.finished;
  }
  // undefined at the end.
  get major() {
    return this.#in.empty ? undefined : this.#in.next >> 5;
  }
  get nextIsNull() {
    return this.#in.next === kNull;
  }

  // RFC 8949, section 3: three bits of major type, five of argument; 24 to 27 announce 1, 2, 4 or 8 bytes of it.
  #head(wanted) {
    const initial = this.#in.u8();
    const additional = initial & 0x1f;
    let value = additional, smallest = 0;
    if (additional >= 24 && additional <= 27) {
      const size = 1 << (additional - 24);
      value = this.#in.integer(size);
      smallest = size === 1 ? 24 : 2 ** (4 * size);
    }
    if (additional > 27 || value < smallest || initial >> 5 !== wanted) this.#in.fail();
    return this.#in.ok ? value : undefined;
  }

  null() {
    if (this.#in.u8() !== kNull) this.#in.fail();
    return this.#in.ok;
  }

  unsigned() {
    return this.#head(Major.unsigned);
  }

  tag() {
    return this.#head(Major.tag);
  }

  bytes() {
    const size = this.#head(Major.bytes);
    return size === undefined ? undefined : this.#taken(size);
  }

  #taken(size) {
    const view = this.#in.take(size);
    return this.#in.ok ? view : undefined;
  }

  // With its size in bytes: {text, size}.
  text() {
    const size = this.#head(Major.text);
    const view = size === undefined ? undefined : this.#taken(size);
    if (view === undefined) return undefined;
    try {
      return { text: utf8.decode(view), size };
    } catch {
      this.#in.fail();
      return undefined;
    }
  }

  // The number of items. An item is at least one byte.
  array() {
    return this.#size(Major.array, 1);
  }

  // The number of pairs; "indefinite" only where it is allowed.
  map(allowIndefinite = false) {
    if (allowIndefinite && this.#in.next === kIndefiniteMap) {
      this.#in.u8();
      return "indefinite";
    }
    return this.#size(Major.map, 2);
  }

  #size(major, smallestItem) {
    const size = this.#head(major);
    if (size !== undefined && size > Math.floor(this.#in.rest.length / smallestItem)) this.#in.fail();
    return this.#in.ok ? size : undefined;
  }

  // Consumes the break when it is next.
  atBreak() {
    if (this.#in.next !== kBreak) return false;
    this.#in.u8();
    return true;
  }
}

// A map with text keys: members in any order, each at most once, none that is not listed. `members` maps a name to
// {read(reader) → boolean, required}; at most as many pairs are read as there are members. false where the map is
// not of this shape; the reader is of no use then.
export function readMap(reader, members, allowIndefinite = false) {
  const size = reader.map(allowIndefinite);
  if (size === undefined || (size !== "indefinite" && size > members.size)) return false;
  const seen = new Set();
  for (let pairs = 0; size === "indefinite" ? !reader.atBreak() : pairs < size; ++pairs) {
    const name = reader.text()?.text;
    const member = name === undefined ? undefined : members.get(name);
    if (member === undefined || seen.has(name) || !member.read(reader) || !reader.ok) return false;
    seen.add(name);
  }
  for (const [name, member] of members) if (member.required && !seen.has(name)) return false;
  return reader.ok;
}

// The head of an item of fewer than 65,536 bytes or items.
function head(major, size) {
  if (size < 24) return Uint8Array.of(major << 5 | size);
  if (size < 0x100) return Uint8Array.of(major << 5 | 24, size);
  return Uint8Array.of(major << 5 | 25, size >> 8, size & 0xff);
}

export const encodeBytes = (bytes) => concatBytes(head(Major.bytes, bytes.length), bytes);
export function encodeText(text) {
  const bytes = new TextEncoder().encode(text);
  return concatBytes(head(Major.text, bytes.length), bytes);
}
export const encodeArray = (...items) => concatBytes(head(Major.array, items.length), ...items);
