// SPDX-License-Identifier: Apache-2.0
// Certificates and documents of any shape, made with WebCrypto: what an attacker, or another PKI, could bring. Shares
// no code with what it tests.
import { createHash, webcrypto } from "node:crypto";

const { subtle } = webcrypto;
const p384 = { name: "ECDSA", namedCurve: "P-384" };

export const kNow = Date.UTC(2026, 0, 2, 3, 4, 5);
export const kMinute = 60_000, kHour = 60 * kMinute;

export const bytes = (...parts) => new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
export const hex = (text) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"));
export const ascii = (text) => new Uint8Array(Buffer.from(text));
export const sha256 = (data) => createHash("sha256").update(data).digest("hex");
export const sha384 = (data) => createHash("sha384").update(data).digest();

// DER

export function der(tag, ...contents) {
  const content = bytes(...contents);
  const size = content.length;
  const head = size < 0x80 ? [tag, size] : size < 0x100 ? [tag, 0x81, size] : [tag, 0x82, size >> 8, size & 0xff];
  return bytes(head, content);
}
export const sequence = (...contents) => der(0x30, ...contents);
export const name = (commonName) =>
  sequence(der(0x31, sequence(der(0x06, hex("550403")), der(0x0c, ascii(commonName)))));
export function time(ms) {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return digits < "2050" ? der(0x17, ascii(`${digits.slice(2)}Z`)) : der(0x18, ascii(`${digits}Z`));
}
export function integer(value) {
  let at = 0;
  while (at < value.length - 1 && value[at] === 0) ++at;
  const shortest = value.slice(at);
  return der(0x02, shortest[0] >= 0x80 ? [0] : [], shortest);
}
export const extension = (oid, critical, value) =>
  sequence(der(0x06, hex(oid)), critical ? hex("0101ff") : [], der(0x04, value));
export const constraints = (authority, pathLength, critical = true) => extension("551d13", critical,
  sequence(authority ? hex("0101ff") : [], pathLength === undefined ? [] : der(0x02, [pathLength])));
export const usage = (bits, critical = true) => extension("551d0f", critical, der(0x03, bits));
export const certSign = usage([2, 0x04]), digitalSignature = usage([7, 0x80]);

const ecdsaWithSha384 = hex("300a06082a8648ce3d040303");
const p384Key = hex("3076301006072a8648ce3d020106052b81040022036200");

export const makeKey = () => subtle.generateKey(p384, true, ["sign", "verify"]);
export const pointOf = async (key) => new Uint8Array(await subtle.exportKey("raw", key.publicKey));
export const sign = async (key, data, hash = "SHA-384") =>
  new Uint8Array(await subtle.sign({ name: "ECDSA", hash }, key.privateKey, data));

// One certificate. Every part can be given; `signature` turns r ‖ s into what the certificate carries.
export async function makeCertificate(shape, key, issuerName, issuerKey) {
  const algorithm = shape.algorithm ?? ecdsaWithSha384;
  const validity = shape.validity ?? [time(shape.notBefore ?? kNow - kHour), time(shape.notAfter ?? kNow + kHour)];
  const signedPart = sequence(
    shape.version ?? hex("a003020102"), shape.serial ?? der(0x02, [77]), algorithm,
    shape.issuer ?? name(issuerName), sequence(...validity), name(shape.subject),
    shape.publicKey ?? bytes(p384Key, shape.point ?? (await pointOf(key))),
    der(0xa3, sequence(...shape.extensions)), shape.extra ?? []);
  const raw = await sign(shape.signer ?? issuerKey, signedPart, shape.hash);
  const signature = shape.signature?.(raw) ?? sequence(integer(raw.slice(0, 48)), integer(raw.slice(48)));
  return sequence(signedPart, algorithm, der(0x03, [0], signature));
}

export const authorityShape = (subject) => ({ subject, extensions: [constraints(true), certSign] });
export const leafShape = () => ({ subject: "leaf", extensions: [constraints(false), digitalSignature] });

// A chain, root first; `change` may alter the shapes before they become certificates. Gives {certificates, keys}.
export async function makeChain(change = () => {}, authorities = 3) {
  const shapes = [];
  for (let i = 0; i <= authorities; ++i) shapes.push(authorityShape(`authority ${i}`));
  shapes.push(leafShape());
  change(shapes);
  const keys = await Promise.all(shapes.map(makeKey));
  const certificates = await Promise.all(shapes.map((shape, i) =>
    makeCertificate(shape, keys[i], shapes[Math.max(i - 1, 0)].subject, keys[Math.max(i - 1, 0)])));
  return { certificates, keys };
}

// CBOR

export function head(major, value) {
  if (value < 24) return [major << 5 | value];
  if (value < 0x100) return [major << 5 | 24, value];
  if (value < 0x10000) return [major << 5 | 25, value >> 8, value & 0xff];
  const out = Buffer.alloc(value < 2 ** 32 ? 5 : 9);
  out[0] = major << 5 | (out.length === 5 ? 26 : 27);
  if (out.length === 5) out.writeUInt32BE(value, 1);
  else out.writeBigUInt64BE(BigInt(value), 1);
  return out;
}
export const unsigned = (value) => bytes(head(0, value));
export const binary = (value) => bytes(head(2, value.length), value);
export const text = (value) => bytes(head(3, Buffer.from(value).length), ascii(value));
export const array = (...items) => bytes(head(4, items.length), ...items);
export const map = (...pairs) => bytes(head(5, pairs.length), ...pairs.flat());
export const indefiniteMap = (...pairs) => bytes([0xbf], ...pairs.flat(), [0xff]);
export const nothing = hex("f6");

export const userData = (purpose, digest = new Uint8Array(32)) =>
  map([unsigned(1), unsigned(1)], [unsigned(2), text(purpose)], [unsigned(3), binary(digest)]);
export const registers = (values) =>
  map(...Object.entries(values).map(([index, value]) => [unsigned(Number(index)), binary(value)]));

// Payload members in hardware's order, encoded.
export function fields(chain, change = {}) {
  const pcrs = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, new Uint8Array(48).fill(i + 1)]));
  return {
    module_id: text("i-00000000000000001-enc0000000000000002"), digest: text("SHA384"), timestamp: unsigned(kNow),
    pcrs: registers(pcrs), certificate: binary(chain.certificates.at(-1)),
    cabundle: array(...chain.certificates.slice(0, -1).map(binary)), public_key: nothing, user_data: nothing,
    nonce: nothing, ...change,
  };
}
export const pairs = (members) => Object.entries(members).map(([key, value]) => [text(key), value]);

export const es384 = hex("a1013822");
export const cose = (payload, signature, header = es384) =>
  array(binary(header), map(), binary(payload), binary(signature));
export async function signDocument(payload, key, header = es384) {
  const signed = array(text("Signature1"), binary(header), binary([]), binary(payload));
  return cose(payload, await sign(key, signed), header);
}

// A document of this chain, and the digest of the chain's root.
export async function forge(chain, change = {}) {
  return {
    document: await signDocument(map(...pairs(fields(chain, change))), chain.keys.at(-1)),
    rootSha256: sha256(chain.certificates[0]),
  };
}
