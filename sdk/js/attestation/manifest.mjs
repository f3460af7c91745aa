// SPDX-License-Identifier: Apache-2.0
// From a manifest's text to the PCR16 of an enclave that took it: SHA384(48 zero bytes ‖ SHA-384 of the canonical
// form). The canonical form (RFC 8785, restricted) has names sorted by their bytes and no white space.
//
// JSON.parse won't do: it takes the last of two members with one name and rounds numbers, so that a reader and the
// enclave could see different manifests in one text. This reader refuses what the enclave's does: names given twice
// (compared after unescaping), lone surrogates, other numbers than integers from 0 to 2^53 − 1. What the members mean
// is not judged here; an enclave with this PCR16 has.
import { concatBytes } from "./bytes.mjs";
import { AttestationError } from "./error.mjs";
import { sha384 } from "./p384.mjs";

const kMaxBytes = 256 * 1024, kMaxDepth = 8, kMaxValues = 65536;

const refused = (message) => new AttestationError("manifest_invalid", message);

// Sticky, so that each looks at one place only.
const kSpace = /[ \t\n\r]*/y;
const kNumber = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const kInteger = /^(?:0|[1-9][0-9]{0,15})$/;
const kLiteral = /true|false|null/y;
// One character of a string that stands for itself, or one escape.
const kPlain = /[^"\\\u0000-\u001f]+/y;
const kEscape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

const isWellFormed = (text) => !/[\ud800-\udfff]/u.test(text); // with /u, a pair is one character

// As the bytes of UTF-8 sort, which is as code points sort: UTF-16's surrogates come after U+FFFF.
function byCodePoints(a, b) {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) ++i;
  if (i === a.length || i === b.length) return a.length - b.length;
  const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

// Reads a text and gives the canonical form of each value, without building the value.
class Canonicalizer {
  #text;
  #at = 0;
  #values = 0;

  constructor(text) {
    this.#text = text;
  }

  run() {
    this.#space();
    const out = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw refused("the manifest has something after the JSON value");
    return out;
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #space() {
    this.#match(kSpace);
  }

  #eat(character) {
    if (this.#text[this.#at] !== character) return false;
    ++this.#at;
    return true;
  }

  #malformed() {
    return refused("the manifest is not valid JSON");
  }

  #value(depth) {
    if (++this.#values > kMaxValues) throw refused("the manifest has too many values");
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (depth >= kMaxDepth) throw refused("the manifest is nested too deeply");
      ++this.#at;
      return first === "{" ? this.#object(depth) : this.#array(depth);
    }
    if (first === '"') return JSON.stringify(this.#string());
    const literal = this.#match(kLiteral);
    if (literal !== undefined) return literal;
    const number = this.#match(kNumber);
    if (number === undefined) throw this.#malformed();
    if (!kInteger.test(number) || Number(number) > Number.MAX_SAFE_INTEGER)
      throw refused("the manifest's numbers must be integers from 0 to 2^53 - 1");
    return number;
  }

  #array(depth) {
    const items = [];
    this.#space();
    while (!this.#eat("]")) {
      if (items.length > 0 && !this.#eat(",")) throw this.#malformed();
      this.#space();
      items.push(this.#value(depth + 1));
      this.#space();
    }
    return `[${items.join(",")}]`;
  }

  #object(depth) {
    const members = new Map();
    this.#space();
    while (!this.#eat("}")) {
      if (members.size > 0 && !this.#eat(",")) throw this.#malformed();
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#malformed();
      const name = this.#string();
      this.#space();
      if (!this.#eat(":")) throw this.#malformed();
      this.#space();
      if (members.has(name)) throw refused("an object of the manifest names the same member twice");
      members.set(name, this.#value(depth + 1));
      this.#space();
    }
    if (depth === 0 && members.get("redoubt_manifest") !== "1")
      throw refused("manifest: redoubt_manifest must be 1");
    const names = [...members.keys()].sort(byCodePoints);
    return `{${names.map((name) => `${JSON.stringify(name)}:${members.get(name)}`).join(",")}}`;
  }

  // The unescaped string.
  #string() {
    ++this.#at; // the quote
    const parts = [];
    for (;;) {
      const plain = this.#match(kPlain);
      if (plain !== undefined) parts.push(plain);
      if (this.#eat('"')) break;
      const escape = this.#match(kEscape);
      if (escape === undefined) throw refused("a string of the manifest is malformed or not closed");
      parts.push(JSON.parse(`"${escape}"`));
    }
    const out = parts.join("");
    if (!isWellFormed(out)) throw refused("a string of the manifest has a lone surrogate");
    return out;
  }
}

// The canonical form of a manifest's text. Error: manifest_invalid.
export function canonicalManifest(text) {
  if (typeof text !== "string" || text.length > kMaxBytes || !isWellFormed(text) ||
      new TextEncoder().encode(text).length > kMaxBytes)
    throw refused("the manifest is not a text of at most 256 KiB");
  const canonical = new Canonicalizer(text).run();
  if (!canonical.startsWith("{")) throw refused("the manifest is not a JSON object");
  return canonical;
}

// The bytes of PCR16 that an enclave with this manifest has. Error: manifest_invalid.
export async function manifestPcr16Bytes(text) {
  const digest = await sha384(new TextEncoder().encode(canonicalManifest(text)));
  return sha384(concatBytes(new Uint8Array(48), digest)); // the NSM extends a register of zeros
}
