// SPDX-License-Identifier: Apache-2.0
// What tests of policies share: principals and their signed requests, sessions, and the receipts of what was decided.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { redoubt, request, run, until } from "./lib.mjs";
import { publicKeyOf, sessionKey, signRequest } from "./signing.mjs";
import { Reader, block32, u32 } from "./wire.mjs";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

// A key pair of its own under this id: what signs (`by`), and what a policy has in principals or owners (`entry`).
export function person(id, kind = "ed25519") {
  const { privateKey } = kind === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = publicKeyOf(privateKey);
  return { id, privateKey, publicKey, by: { keyid: id, privateKey },
    entry: { id, algorithm: publicKey.algorithm, public_key: `0x${publicKey.bytes.toString("hex")}` } };
}

// The digest of a request that its receipt has (docs/formats/receipt.md).
export function requestDigest({ method, authority, target, contentType = "", body = "" }) {
  const at = target.indexOf("?");
  const query = at < 0 ? "" : target.slice(at);
  return sha256(Buffer.concat([Buffer.from("redoubt request v1\n"), block32(method), block32(authority), block32(at < 0 ? target : target.slice(0, at)),
    u32(query.length), Buffer.from(query), block32(contentType), block32(body)])).toString("hex");
}

// A request as its signer means it: { method, target, authority, headers, body }. `options`: as signRequest() takes them.
export function signed(ready, by, method, target, body, { sign = signRequest, ...options } = {}) {
  const authority = new URL(ready.gateway).host, at = target.indexOf("?");
  const text = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const parts = { method, authority, path: at < 0 ? target : target.slice(0, at), query: at < 0 ? undefined : target.slice(at + 1), body: text };
  const made = sign(parts, { ...by, ...options });
  const whole = (headers) => ({ method, target, authority, headers, body: text });
  return made instanceof Promise ? made.then(whole) : whole(made);
}

// For another authority than the gateway's: Node.js would look for that name in the certificate.
async function sendElsewhere(ready, { method, target, authority, headers, body }) {
  const { hostname, port } = new URL(ready.gateway);
  const sent = https.request({ host: hostname, port, method, path: target, agent: false, ca: fs.readFileSync(ready.ca_cert), servername: "localhost",
    headers: { ...headers, host: authority, ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }) } });
  sent.end(body);
  const [answer] = await once(sent, "response"), parts = [];
  for await (const part of answer) parts.push(part);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() };
}

// Its answer, the digest that its receipt must have, and that receipt.
export async function send(ready, { method, target, authority, headers, body }) {
  const answer = authority === new URL(ready.gateway).host ? await request(ready, method, target, body, headers)
    : await sendElsewhere(ready, { method, target, authority, headers, body });
  const receipt = answer.headers["redoubt-receipt"];
  return { status: answer.status, headers: answer.headers, text: answer.body, body: JSON.parse(answer.body), receipt: receipt && decodeReceipt(receipt),
    digest: requestDigest({ method, authority, target, contentType: body === undefined ? "" : headers["content-type"], body }) };
}
export const ask = async (ready, by, method, target, body, options) => send(ready, await signed(ready, by, method, target, body, options));
export const askUnsigned = (ready, method, target, body) => send(ready, { method, target, authority: new URL(ready.gateway).host,
  headers: body === undefined ? {} : { "content-type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });

export async function makeKey(ready, policy, more = {}) {
  const answer = await askUnsigned(ready, "POST", "/v1/keys", { policy, ...more });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}
export const challengeOf = async (ready) => JSON.parse((await request(ready, "GET", "/v1/challenge")).body).challenge;

// A session as docs/signing-requests.md says: the offer, and what signs under it. `changes`: of the request that opens it.
export async function offerSession(ready, keyId) {
  const nonce = randomBytes(16).toString("hex");
  const { status, body } = await askUnsigned(ready, "GET", `/v1/keys/${keyId}/session?nonce=${nonce}`);
  assert.equal(status, 200, JSON.stringify(body));
  return { ...body, nonce };
}
export async function openSession(ready, keyId, asker, { lifeMs = 60_000 } = {}) {
  const offer = await offerSession(ready, keyId);
  const { hmacKey, body } = await sessionKey(offer, asker.id, asker.publicKey, offer.time + lifeMs);
  const opening = await signed(ready, asker.by, "POST", `/v1/keys/${keyId}/session`, body, { nonce: offer.challenge });
  const answer = await send(ready, opening);
  assert.equal(answer.status, 201, answer.text);
  return { offer, opening, hmacKey, by: { keyid: answer.body.session_id, hmacKey }, expires: answer.body.expires };
}

const decisions = ["refused", "allowed", "repeated", "started"];
// A receipt as the header Redoubt-Receipt has it (docs/formats/receipt.md).
export function decodeReceipt(base64) {
  const bytes = Buffer.from(base64, "base64"), reader = new Reader(bytes), hex = (size) => reader.take(size).toString("hex");
  assert.equal(reader.number(1), 1, "the version");
  const receipt = { sequence: reader.number(8), time: reader.number(8), previous: hex(32), decision: decisions[reader.number(1)], skipped: reader.number(4),
    keyId: `key-${hex(16)}`, requestDigest: hex(32), signedDigest: hex(32), policyDigest: hex(32) };
  for (const name of ["operation", "code", "rule", "principal"]) receipt[name] = reader.block(1).toString();
  assert.ok(reader.finished(), "nothing is left over");
  return { ...receipt, hash: sha256(bytes).toString("hex") };
}
export function decodeHead(base64) {
  const reader = new Reader(Buffer.from(base64, "base64"));
  assert.equal(reader.number(1), 1, "the version");
  return { chain: reader.take(16).toString("hex"), sequence: reader.number(8), hash: reader.take(32).toString("hex"), time: reader.number(8) };
}

export const receiptsOf = (ready) => path.join(ready.data_dir, "receipts");
export const verifyLog = (system, folder, ...more) => run(redoubt, ["audit", "verify", folder ?? receiptsOf(system.ready()), "--ready-file", system.readyFile,
  "--json", ...more], { env: { PATH: process.env.PATH } });
export async function exportLog(ready, ...more) {
  const { code, stdout, stderr } = await run(redoubt, ["audit", "export", receiptsOf(ready), ...more]);
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}
// Once the log says of each request, by its digest, what is expected of it. `expected`: [what, digest, code] of refusals.
export async function untilRefusalsLogged(ready, expected) {
  let missing;
  await until("the log has a receipt of each refusal", async () => {
    const log = await exportLog(ready, "--decision", "refused");
    missing = expected.filter(([, digest, code]) => !log.some((receipt) => receipt.request_digest === digest && receipt.code === code));
    return missing.length === 0;
  }, 5_000).catch((error) => {
    throw new Error(`${error.message}; missing: ${JSON.stringify(missing)}`);
  });
}
// A copy of the log with one byte changed, `change` of its bytes.
export function copyOfLog(ready, change) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-log-"));
  for (const name of fs.readdirSync(receiptsOf(ready)).filter((each) => each.endsWith(".log"))) {
    const bytes = fs.readFileSync(path.join(receiptsOf(ready), name));
    fs.writeFileSync(path.join(folder, name), change(bytes));
  }
  return { folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

// JSON as json::canonical writes it, of values that have no surprises.
export const canonical = (value) => Array.isArray(value) ? `[${value.map(canonical).join(",")}]`
  : value !== null && typeof value === "object" ? `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`
    : JSON.stringify(value);
export const policyDigest = (policy) => sha256(canonical(policy)).toString("hex");

export const hex = (value) => `0x${BigInt(value).toString(16)}`;
export const payment = ({ value = 1, nonce = 0, to = `0x${"11".repeat(20)}`, chainId = 1, data = "0x" } = {}) => ({ transaction: { type: "0x2", chainId: hex(chainId),
  nonce: hex(nonce), to, value: hex(value), gas: "0x186a0", maxFeePerGas: "0x1", maxPriorityFeePerGas: "0x1", data } });
