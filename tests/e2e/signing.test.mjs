// SPDX-License-Identifier: Apache-2.0
// The signer that the other tests use, beside the documentation's example and another implementation.
import assert from "node:assert/strict";
import { createHmac, createPrivateKey, generateKeyPairSync, verify } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { root } from "./lib.mjs";
import { publicKeyOf, sessionInfo, sessionKey, signRequest, signWithLibrary } from "./signing.mjs";

const documentation = fs.readFileSync(path.join(root, "docs/signing-requests.md"), "utf8");
const privateKey = createPrivateKey(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(documentation)[0]);
const request = { method: "POST", authority: "redoubt.example:8443", path: "/v1/keys/key-00112233445566778899aabbccddeeff/sign-message",
  headers: { "content-type": "application/json" }, body: '{"text":"hello"}' };
const times = { created: 1800000000, expires: 1800000060, nonce: "order-4711" };

test("the documentation's example is what its key makes", () => {
  const session = { keyid: "session-0011223344556677000102030405060708090a0b0c0d0e0f", hmacKey: Buffer.from([...Array(32).keys()]) };
  for (const by of [{ keyid: "treasury", privateKey }, session]) {
    const headers = signRequest(request, { ...times, ...by });
    for (const name of ["signature-input", "signature", "content-digest"])
      assert.ok(documentation.includes(`${name}: ${headers[name]}\n`), `${name}: ${headers[name]}`);
  }
});

test("npm's http-message-signatures makes the same headers", async () => {
  const options = { ...times, keyid: "treasury", privateKey };
  for (const wanted of [request, { ...request, query: "a=1&b=%20" }, { ...request, method: "GET", headers: {}, body: undefined, query: "nonce=00" },
    { ...request, authority: "Redoubt.Example:8443" }]) {
    const { "content-type": type, ...ours } = signRequest(wanted, options);
    const { "content-type": same, ...theirs } = await signWithLibrary(wanted, options);
    assert.deepEqual(ours, theirs);
    assert.equal(type, same);
  }
});

test("P-256 signatures are r and s, and HMAC is over the same base", () => {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  let base;
  const seen = { change: (text) => (base = text) };
  const signature = (headers) => Buffer.from(headers.signature.slice("sig1=:".length, -1), "base64");
  const made = signature(signRequest(request, { ...times, keyid: "treasury", privateKey: pair.privateKey, ...seen }));
  assert.equal(made.length, 64);
  assert.ok(verify("sha256", Buffer.from(base), { key: pair.publicKey, dsaEncoding: "ieee-p1363" }, made));
  const mac = signature(signRequest(request, { ...times, keyid: "treasury", hmacKey: Buffer.alloc(32, 1), ...seen }));
  assert.deepEqual(mac, createHmac("sha256", Buffer.alloc(32, 1)).update(base).digest());
});

test("a session's key opens with the offered key's private half and its info", async () => {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const pair = await suite.kem.generateKeyPair();
  const offered = Buffer.from(await suite.kem.serializePublicKey(pair.publicKey)).toString("hex");
  const principal = publicKeyOf(privateKey), expires = 1800003600000;
  const { hmacKey, body } = await sessionKey({ public_key: `0x${offered}` }, "treasury", principal, expires);
  const sent = JSON.parse(body);
  const bytes = (text) => new Uint8Array(Buffer.from(text.slice(2), "hex")).buffer;
  const open = async (info) => {
    const recipient = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc: bytes(sent.encapsulated_key),
      info: new TextEncoder().encode(info) });
    return Buffer.from(await recipient.open(bytes(sent.ciphertext)));
  };
  const info = sessionInfo(offered, principal, expires);
  assert.ok(documentation.includes(info.replace(offered, "ENCLAVE")), info);
  assert.deepEqual(await open(info), hmacKey);
  await assert.rejects(open(sessionInfo(offered, principal, expires + 1)));
  assert.deepEqual([sent.principal, sent.expires], ["treasury", expires]);
});
