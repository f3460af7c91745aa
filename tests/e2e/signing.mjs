// SPDX-License-Identifier: Apache-2.0
// Requests signed as docs/signing-requests.md says: by Node.js's own cryptography, with switches for wrong ones, and by npm's
// http-message-signatures, which shares no code with either.
import { createHash, createHmac, createPublicKey, randomBytes, sign } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { httpbis } from "http-message-signatures";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
export const contentDigest = (body) => `sha-256=:${sha256(body).toString("base64")}:`;

// { algorithm, bytes } of a KeyObject, private or public, as policies and manifests have it.
export function publicKeyOf(key) {
  const jwk = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  const bytes = (name) => Buffer.from(jwk[name], "base64url");
  if (jwk.crv === "Ed25519") return { algorithm: "ed25519", bytes: bytes("x") };
  if (jwk.crv === "P-256") return { algorithm: "ecdsa-p256-sha256", bytes: Buffer.concat([Buffer.from([4]), bytes("x"), bytes("y")]) };
  throw new Error(`no key of a principal: ${jwk.crv ?? jwk.kty}`);
}
export function principalDigest({ algorithm, bytes }) {
  return sha256(Buffer.concat([Buffer.from(`redoubt principal v1\0${algorithm}\0`), bytes])).toString("hex");
}

// `by`: { privateKey } (a KeyObject) or { hmacKey }.
function signatureOver(data, { privateKey, hmacKey }) {
  if (hmacKey) return createHmac("sha256", hmacKey).update(data).digest();
  if (privateKey.asymmetricKeyType === "ed25519") return sign(null, data, privateKey);
  return sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
}

const quoted = (text) => `"${text}"`;
const isEmpty = (body) => body === undefined || body.length === 0;
const componentsOf = (body) => ["@method", "@authority", "@path", "@query", ...(isEmpty(body) ? [] : ["content-type", "content-digest"])];
const seconds = () => Math.floor(Date.now() / 1000);

// The headers of a request with its signature: `request.headers` (names in lower case) and those that signing adds. To make a wrong one:
//   tag, alg: another, or (null for tag) none            omit: names of components and parameters that are left out
//   extraComponents: items as they stand in the list     componentParameters: { name: ";req" }
//   extraParameters: ";x=1"                              extraLabel: a second signature under this label
//   digest: another content-digest                       change: (base) => what is signed instead
export function signRequest({ method, authority, path, query, headers = {}, body },
  { keyid, nonce = randomBytes(16).toString("hex"), created = seconds(), expires = created + 60, label = "sig1", tag = "redoubt", alg,
    omit = [], extraComponents = [], componentParameters = {}, extraParameters = "", extraLabel, digest, change = (base) => base, ...by }) {
  const all = { ...headers };
  if (!isEmpty(body)) {
    all["content-type"] ??= "application/json";
    all["content-digest"] = digest ?? contentDigest(body);
  }
  const values = { "@method": method, "@authority": authority.toLowerCase(), "@path": path, "@query": `?${query ?? ""}`, ...all };
  const items = componentsOf(body).filter((name) => !omit.includes(name))
    .map((name) => quoted(name) + (componentParameters[name] ?? "")).concat(extraComponents);
  const parameters = Object.entries({ created, expires, nonce: quoted(nonce), keyid: quoted(keyid), tag: tag === null ? undefined : quoted(tag),
    alg: alg === undefined ? undefined : quoted(alg) })
    .filter(([name, value]) => value !== undefined && !omit.includes(name)).map(([name, value]) => `;${name}=${value}`).join("");
  const input = `(${items.join(" ")})${parameters}${extraParameters}`;
  const lines = items.map((item) => `${item}: ${values[item.slice(1, item.indexOf('"', 1))] ?? ""}`);
  const base = [...lines, `"@signature-params": ${input}`].join("\n");
  const signature = `:${signatureOver(Buffer.from(change(base)), by).toString("base64")}:`;
  const labels = [label, ...(extraLabel ? [extraLabel] : [])];
  all["signature-input"] = labels.map((name) => `${name}=${input}`).join(", ");
  all["signature"] = labels.map((name) => `${name}=${signature}`).join(", ");
  return all;
}

// The same by http-message-signatures.
export async function signWithLibrary({ method, authority, path, query, headers = {}, body },
  { keyid, nonce = randomBytes(16).toString("hex"), created = seconds(), expires = created + 60, label = "sig1", ...by }) {
  const all = { ...headers };
  if (!isEmpty(body)) {
    all["content-type"] ??= "application/json";
    all["content-digest"] = contentDigest(body);
  }
  const signed = await httpbis.signMessage({
    key: { sign: async (data) => signatureOver(data, by) },
    name: label,
    fields: componentsOf(body),
    params: ["created", "expires", "nonce", "keyid", "tag"],
    paramValues: { created: new Date(created * 1000), expires: new Date(expires * 1000), nonce, keyid, tag: "redoubt" },
  }, { method, url: `https://${authority}${path}${query ? `?${query}` : ""}`, headers: all });
  return Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value]));
}

// What HPKE binds a session's key to; `enclaveKey` is the offer's public_key.
export const sessionInfo = (enclaveKey, publicKey, expires) => JSON.stringify({ enclave: enclaveKey.replace(/^0x/, ""), expires,
  principal: principalDigest(publicKey), redoubt_session: 1 });

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const hex0x = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;

// A fresh HMAC key, sealed to what GET /v1/keys/{id}/session offered, and the body that agrees it. `principal`: its id in the key's
// policy; `publicKey` as publicKeyOf() has it; `expires` in milliseconds. `changes` replaces what HPKE's info is made of.
export async function sessionKey(offer, principal, publicKey, expires, { hmacKey = randomBytes(32), ...changes } = {}) {
  const recipient = Buffer.from(offer.public_key.replace(/^0x/, ""), "hex");
  const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(recipient).buffer);
  const info = sessionInfo(changes.enclaveKey ?? offer.public_key, changes.publicKey ?? publicKey, changes.expires ?? expires);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: new TextEncoder().encode(info) });
  const ciphertext = await sender.seal(new Uint8Array(hmacKey).buffer);
  return { hmacKey, body: JSON.stringify({ principal, expires, encapsulated_key: hex0x(sender.enc), ciphertext: hex0x(ciphertext) }) };
}
