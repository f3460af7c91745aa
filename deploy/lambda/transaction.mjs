// SPDX-License-Identifier: Apache-2.0
// A signed transaction taken apart: of types 0, 1 and 2, which are transaction_payload's. What came by way of a host is
// given out only if it is what was asked for, under the hash and signature that it is said to have.
import { keccak_256 } from "@noble/hashes/sha3.js";
import { recoverAddress, sameAddress } from "./address.mjs";
import { weiOf } from "./payload.mjs";

const kFields = [
  ["nonce", "gasPrice", "gas", "to", "value", "data"],
  ["chainId", "nonce", "gasPrice", "gas", "to", "value", "data", "accessList"],
  ["chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data", "accessList"],
];
const kIntegers = ["chainId", "nonce", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"];
const malformed = () => {
  throw new RangeError("no transaction");
};

const number = (bytes) => (Array.isArray(bytes) || bytes[0] === 0 ? malformed() : bytes.length === 0 ? 0n : BigInt("0x" + bytes.toString("hex")));
const bytesOf = (value) => (value === 0n ? Buffer.alloc(0) : Buffer.from(value.toString(16).padStart(2 * Math.ceil(value.toString(16).length / 2), "0"), "hex"));
const hexOf = (bytes) => (Array.isArray(bytes) ? malformed() : "0x" + bytes.toString("hex"));
const word = (bytes) => "0x" + number(bytes).toString(16).padStart(64, "0");

// RLP: a Buffer, or a list of such and of lists.
function decode(bytes, from = 0, end = bytes.length) {
  const first = from < end ? bytes[from] : malformed();
  if (first < 0x80) return { item: bytes.subarray(from, from + 1), next: from + 1 };
  const list = first >= 0xc0, short = first - (list ? 0xc0 : 0x80), start = from + 1 + Math.max(0, short - 55);
  const next = start + (short <= 55 ? short : Number(number(bytes.subarray(from + 1, start))));
  if (!(next <= end)) malformed();
  if (!list) return { item: bytes.subarray(start, next), next };
  const items = [];
  for (let at = start; at < next; ) {
    const one = decode(bytes, at, next);
    items.push(one.item);
    at = one.next;
  }
  return { item: items, next };
}
function encode(item) {
  if (!Array.isArray(item) && item.length === 1 && item[0] < 0x80) return item;
  const content = Array.isArray(item) ? Buffer.concat(item.map(encode)) : item, base = Array.isArray(item) ? 0xc0 : 0x80;
  const size = bytesOf(BigInt(content.length));
  return Buffer.concat([content.length <= 55 ? Buffer.from([base + content.length]) : Buffer.concat([Buffer.from([base + 55 + size.length]), size]), content]);
}

const accessOf = (list) => (Array.isArray(list) ? list : malformed()).map((entry) =>
  (Array.isArray(entry) && entry.length === 2 && Array.isArray(entry[1]) ? [hexOf(entry[0]), ...entry[1].map(hexOf)] : malformed()));

// `raw`: "0x" and digits. {type, hash, signer, …fields}: integers as BigInt, no chainId where the signature has none; undefined
// where it is no transaction of these types, or its signature is none.
export function readTransaction(raw) {
  try {
    const bytes = Buffer.from(raw.slice(2), "hex"), type = bytes[0] >= 0xc0 ? 0 : bytes[0], names = kFields[type] ?? malformed();
    const body = bytes.subarray(type === 0 ? 0 : 1), { item: items, next } = decode(body);
    if (next !== body.length || !Array.isArray(items) || items.length !== names.length + 3 || !encode(items).equals(body)) malformed();
    const out = { type, hash: hexOf(Buffer.from(keccak_256(bytes))) };
    names.forEach((name, i) => (out[name] = name === "accessList" ? accessOf(items[i]) : name === "to" || name === "data" ? hexOf(items[i]) : number(items[i])));
    const signed = items.slice(0, names.length), [v, r, s] = items.slice(names.length);
    let parity = number(v);
    if (type === 0 && parity >= 35n) {
      out.chainId = (parity - 35n) / 2n;
      signed.push(bytesOf(out.chainId), Buffer.alloc(0), Buffer.alloc(0));
      parity = (parity - 35n) % 2n;
    } else if (type === 0) parity -= 27n;
    if (parity !== 0n && parity !== 1n) malformed();
    const digest = keccak_256(Buffer.concat([type === 0 ? Buffer.alloc(0) : Buffer.from([type]), encode(signed)]));
    out.signer = recoverAddress(digest, { r: word(r), s: word(s), v: 27 + Number(parity) }) ?? malformed();
    return out;
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const digits = (text) => "0x" + String(text ?? "").replace(/^0x/i, "").toLowerCase();
const key = (value) => "0x" + BigInt(typeof value === "string" ? digits(value) : value).toString(16).padStart(64, "0");
const askedAccess = (list) => JSON.stringify((list ?? []).map(({ address, storageKeys }) => [digits(address), ...storageKeys.map(key)]));

// The first member of a transaction_payload that `signed` does not have as it was asked for; undefined: it is that transaction.
// What was not asked for must be nothing: no chain, no recipient, no data, no access list.
export function difference(payload, signed) {
  const same = {
    type: () => payload.type == null || Number(payload.type) === signed.type,
    value: () => BigInt(weiOf(payload.value)) === signed.value,
    to: () => digits(payload.to) === signed.to,
    data: () => digits(payload.data) === signed.data,
    accessList: () => askedAccess(payload.accessList) === JSON.stringify(signed.accessList ?? []),
    from: () => payload.from == null || sameAddress(digits(payload.from), signed.signer),
  };
  for (const name of kIntegers) same[name] = () => BigInt(payload[name] ?? 0) === (signed[name] ?? 0n);
  return Object.keys(same).find((name) => {
    try {
      return !same[name]();
    } catch (error) {
      if (error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError) return true; // asked for as no number
      throw error;
    }
  });
}
