// SPDX-License-Identifier: Apache-2.0
// Random values that a seed repeats. Each case draws from a stream of its own, so that it can be repeated alone.
import { createHash } from "node:crypto";

export class Random {
  // sfc32: four words of state, of which one counts; seeded by a hash of the stream's name.
  #a;
  #b;
  #c;
  #counter;

  constructor(...name) {
    const digest = createHash("sha256").update(name.join("/")).digest();
    [this.#a, this.#b, this.#c, this.#counter] = [0, 4, 8, 12].map((at) => digest.readUInt32LE(at));
    for (let i = 0; i < 12; ++i) this.u32();
  }

  u32() {
    const out = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + out | 0;
    return out >>> 0;
  }

  below(n) { return Math.floor(this.u32() / 2 ** 32 * n); }
  between(least, most) { return least + this.below(most - least + 1); }
  chance(probability) { return this.u32() / 2 ** 32 < probability; }
  pick(list) { return list[this.below(list.length)]; }

  shuffle(list) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; --i) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  bytes(size) {
    const out = Buffer.alloc(size);
    for (let i = 0; i < size; ++i) out[i] = this.u32() >>> 24;
    return out;
  }
  hex(size) { return "0x" + this.bytes(size).toString("hex"); }

  // 0 … most, of a random number of bits, and often where an encoding changes its form.
  uint(most) {
    if (most === 0n) return 0n;
    const bits = most.toString(2).length;
    let out;
    switch (this.below(8)) {
      case 0: out = this.pick([0n, 1n, 0x7fn, 0x80n, 0xffn, 0x100n, 0xffffn, 0x10000n]); break;
      case 1: out = most - BigInt(this.below(2)); break;
      case 2: out = (1n << BigInt(this.below(bits + 1))) - BigInt(this.below(2)); break;
      default: out = BigInt(this.hex(Math.ceil(bits / 8))) >> BigInt(this.below(bits));
    }
    return out <= most ? out : out % (most + 1n);
  }

  privateKey() {
    // The group's order is 2^256 less about 2^128: a random number is above it once in 2^128.
    if (this.chance(0.01)) return this.pick(edgeKeys);
    return this.hex(32);
  }
}

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const edgeKeys = [1n, 2n, order - 1n, order / 2n, 1n << 128n].map((key) => "0x" + key.toString(16).padStart(64, "0"));

// JSON in which a BigInt is a number with all its digits, or a string where readers with doubles for numbers would round it. Members
// that are undefined are left out.
export function toJson(value) {
  if (typeof value === "bigint") return BigInt(Number(value)) === value ? value.toString() : `"${value}"`;
  if (Array.isArray(value)) return "[" + value.map(toJson).join(",") + "]";
  if (value !== null && typeof value === "object")
    return "{" + Object.entries(value).filter(([, member]) => member !== undefined)
      .map(([name, member]) => `${JSON.stringify(name)}:${toJson(member)}`).join(",") + "}";
  return JSON.stringify(value);
}
