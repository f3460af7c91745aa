// SPDX-License-Identifier: Apache-2.0
// deploy/lambda/attested_calls.mjs with the receipts of real enclaves and what devcloud's KMS recorded, in CloudTrail's shape.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import * as attestation from "../../../sdk/js/attestation/attestation.mjs";
import { chainStarts, compare, emptyState, flawOf, modulesOfRecords, readSettings } from "../../../deploy/lambda/attested_calls.mjs";
import { instanceCredentials } from "../cloud.mjs";
import { until, up } from "../lib.mjs";
import { Enclave } from "../wire.mjs";

let system, ready, settings, hidden;
const verifier = Object.assign(new attestation.Verifier(), { parseUserData: attestation.parseUserData });
const logs = () => {
  const folder = path.join(ready.data_dir, "receipts");
  return fs.readdirSync(folder, { recursive: true }).filter((name) => /receipts-\d{8}\.log$/.test(name)).map((name) => ({ name, bytes: fs.readFileSync(path.join(folder, name)) }));
};
const records = async () => (await (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=1000`)).json()).map((event) => ({ eventSource: "kms.amazonaws.com",
  eventName: event.eventName, eventTime: event.eventTime, eventID: event.requestID, resources: [{ ARN: event.keyArn }], ...(event.errorCode ? { errorCode: event.errorCode } : {}),
  ...(event.moduleId ? { additionalEventData: { recipient: { attestationDocumentModuleId: event.moduleId } } } : {}) }));
const said = [];
const log = { error: (text, about) => said.push({ text, ...about }) };

// The bucket and the trail, of these.
function sourceOf(files, given, state = emptyState(), chunk = Infinity) {
  const source = { state, files: async () => files.map(({ name, bytes }) => ({ name, size: bytes.length })), records: async () => given,
    read: async (name, offset) => files.find((one) => one.name === name).bytes.subarray(offset, offset + chunk), load: async () => structuredClone(source.state),
    save: async (made) => { source.state = made; } };
  return source;
}
// Where the time of the first receipt of a log stands.
function firstReceiptTime(bytes) {
  for (let at = 0; ; at += 4 + bytes.readUInt32BE(at)) if (bytes[at + 4] === 2) return { offset: at + 4 + 17 + 9, length: 8 };
}
const run = (source, more = {}) => compare({ source, settings: { ...settings, ...more }, verifier, now: Date.now(), log });

before(async () => {
  system = await up({ enclaves: 2 });
  ready = system.ready();
  settings = readSettings({ PAIRS: `${ready.pcr0}:${ready.pcr16}`, KEY_ARNS: `${ready.kms_key_arn},${ready.reference_kms_key_arn}`,
    ATTESTATION_ROOT_SHA256: crypto.createHash("sha256").update(new crypto.X509Certificate(fs.readFileSync(ready.attestation_root)).raw).digest("hex") });
  await until("both chains are in the log", () => logs().flatMap(({ bytes }) => chainStarts(bytes).starts).length >= 2);
});
after(async () => {
  await hidden?.stop();
  await system?.stop();
  system?.remove();
});

test("enclaves whose chains are there are known", async () => {
  const source = sourceOf(logs(), await records());
  const { unknown, compared, modules } = await run(source);
  assert.deepEqual([unknown, compared], [[], 1]);
  assert.equal(modules, 2);
  assert.equal(Object.keys(source.state.modules).length, 2);
  assert.deepEqual(said, []);
});

test("what was read is not read again, and a log is read in any pieces", async () => {
  const files = logs(), given = await records();
  const pieces = sourceOf(files, given, emptyState(), 20_000);
  assert.deepEqual((await run(pieces)).unknown, []);
  const asked = [];
  const second = sourceOf(files, given, pieces.state);
  second.read = async (name, offset) => { asked.push(offset); return files.find((one) => one.name === name).bytes.subarray(offset); };
  assert.deepEqual((await run(second)).unknown, []);
  assert.ok(asked.every((offset) => offset > 0));
});

test("an enclave that the host runs unseen is found by KMS's record", async () => {
  hidden = await Enclave.start(ready, "hidden");
  const moduleId = (await hidden.hello()).body.module_id;
  const manifest = fs.readFileSync(path.join(ready.data_dir, "manifest.json"), "utf8");
  assert.equal((await hidden.manifest(manifest)).status, 200);
  assert.equal((await hidden.credentials(await instanceCredentials(ready))).status, 200);
  assert.equal((await hidden.createVault()).status, 200);
  const { unknown } = await run(sourceOf(logs(), await records()));
  assert.deepEqual(unknown.map(({ module }) => module), [moduleId]);
  assert.ok(unknown[0].calls >= 1 && unknown[0].first);
});

test("chains of other pairs, roots, keys and enclaves make nobody known", async () => {
  const [start] = logs().flatMap(({ bytes }) => chainStarts(bytes).starts);
  const options = { ...settings, verifier };
  assert.equal(await flawOf(start, options), undefined);
  assert.match(await flawOf(start, { ...options, pairs: [[ready.pcr0, "ab".repeat(48)]] }), /no pinned pair/);
  assert.match(await flawOf(start, { ...options, rootSha256: undefined }), /attestation_untrusted/);
  assert.match(await flawOf({ ...start, moduleId: "i-0123-enc0123" }, options), /another enclave/);
  assert.match(await flawOf({ ...start, publicKey: crypto.randomBytes(32) }, options), /not this key's/);
  const document = Buffer.from(start.document);
  document[document.length - 1] ^= 1;
  assert.match(await flawOf({ ...start, document }, options), /attestation_untrusted/);
  // With a key of the host's own, under which it could write any receipts.
  const publicKey = crypto.randomBytes(32), named = (text) => crypto.createHash("sha256").update(`redoubt receipt ${text} v1\0`).update(publicKey).digest();
  assert.match(await flawOf({ ...start, publicKey, chain: named("chain").toString("hex", 0, 16), previous: named("chain start") }, options), /not for this chain's key/);

  const { unknown } = await run(sourceOf(logs(), await records()), { pairs: [["ab".repeat(48), "cd".repeat(48)]] });
  assert.equal(unknown.length, 3, "all that KMS answered");
  assert.ok(said.length >= 2 && said.every(({ because }) => /no pinned pair/.test(because)));
});

test("a log that is none, or is cut off, is told apart", async () => {
  const [{ name, bytes }] = logs();
  assert.throws(() => chainStarts(Buffer.from("not a log of receipts")), { code: "receipts_invalid" });
  const { starts, read } = chainStarts(bytes.subarray(0, bytes.length - 1));
  assert.ok(starts.length >= 1 && read < bytes.length);
  // Of a chain whose first receipt has not arrived nothing is known yet, and it is read again.
  const size = 4 + bytes.readUInt32BE(0);
  assert.deepEqual(chainStarts(bytes.subarray(0, size)), { starts: [], read: 0 });
  const huge = sourceOf([{ name, bytes: Buffer.concat([bytes.subarray(0, size), Buffer.alloc(0)]) }], await records());
  assert.equal((await run(huge)).unknown.length, 3);
});

test("a file that is none, and a time that is none, keep nobody from comparing the rest, and the run is not a whole one", async () => {
  said.length = 0;
  const [good, ...more] = logs(), given = await records();
  const { offset, length } = firstReceiptTime(good.bytes);
  const late = Buffer.from(good.bytes);
  late.fill(0xff, offset, offset + length);
  const bad = { name: "i-0/receipts-20260101.log", bytes: Buffer.from("not a log of receipts") };
  const source = sourceOf([bad, good, ...more], given);
  const { unknown, compared, unread } = await run(source);
  assert.deepEqual([unknown.length, compared, unread], [1, 0, 1], "only the hidden one is unknown");
  assert.deepEqual(said.map(({ file, because }) => [file, because]), [[bad.name, "receipts_invalid"]]);
  assert.equal(source.state.files[bad.name], undefined);
  assert.ok(source.state.files[good.name] > 0 && source.state.compared === undefined);
  said.length = 0;
  const times = await run(sourceOf([{ name: good.name, bytes: late }], given));
  assert.deepEqual([times.compared, times.unread], [1, 0]);
  assert.match(said[0].because, /time is none/);
});

test("what runs that failed or were behind have not compared, the next whole one does; what was read before a failure is kept", async () => {
  const asked = [], minute = 60_000, files = logs();
  const source = sourceOf(files, []);
  source.records = async (from, to) => (asked.push([from / minute, to / minute]), []);
  const at = (minutes) => compare({ source, settings: { ...settings, windowMs: 60 * minute, delayMs: 30 * minute }, verifier, now: minutes * minute, log });
  await at(1000);
  assert.deepEqual(asked.pop(), [910, 970]);
  assert.equal(source.state.compared, 970 * minute);
  const { files: list } = source;
  source.files = async () => [...(await list()), { name: "i-0/receipts-20260101.log", size: 99 }]; // which read() does not have
  assert.equal((await at(1200)).compared, 0);
  assert.deepEqual(asked.pop(), [970, 1170]);
  assert.equal(source.state.compared, 970 * minute);
  source.files = list;
  assert.equal((await at(1400)).compared, 1);
  assert.deepEqual(asked.pop(), [970, 1370]);
  await at(1401);
  assert.deepEqual(asked.pop(), [1311, 1371], "never less than the window");
  const cut = sourceOf(files, []);
  cut.records = async () => Promise.reject(new Error("no trail"));
  await assert.rejects(run(cut));
  assert.ok(files.every(({ name }) => cut.state.files[name] > 0));
});

test("only calls that KMS answered, to these keys, count", () => {
  const record = { eventSource: "kms.amazonaws.com", eventTime: "t", eventID: "e", resources: [{ ARN: "arn:key" }], additionalEventData: { recipient: { attestationDocumentModuleId: "m" } } };
  const counted = (more) => [...modulesOfRecords([{ ...record, ...more }], ["arn:key"]).keys()];
  assert.deepEqual(counted({}), ["m"]);
  assert.deepEqual(counted({ resources: undefined, requestParameters: { keyId: "arn:key" } }), ["m"]);
  for (const more of [{ errorCode: "AccessDenied" }, { resources: [{ ARN: "arn:other" }] }, { eventSource: "s3.amazonaws.com" }, { additionalEventData: {} }, { resources: "x" }])
    assert.deepEqual(counted(more), []);
  assert.throws(() => readSettings({ PAIRS: "x", KEY_ARNS: "a" }), { code: "config_invalid" });
  assert.throws(() => readSettings({ KEY_ARNS: "a" }), { code: "config_invalid" });
});
