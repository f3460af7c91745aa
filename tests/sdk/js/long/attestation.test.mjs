// SPDX-License-Identifier: Apache-2.0
// The JavaScript attestation verifier: real documents, what they must be refused for, and what a caller may demand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AttestationError, Verifier, parseUserData, verifyAttestation, verifyDocument }
  from "../../../../sdk/js/attestation/attestation.mjs";
import { genuine, kinds, mutant, random, skip, smallest, vectors } from "../vectors.mjs";

const verifier = new Verifier();

// "ok" or the error's code. Anything else that is thrown fails the test.
async function verdict(document, options) {
  try {
    await verifier.verifyDocument(document, options);
    return "ok";
  } catch (error) {
    assert.ok(error instanceof AttestationError, error?.stack);
    return error.code;
  }
}

// "name result" of the checks that are neither ok nor skipped.
const complaints = ({ checks }) =>
  checks.filter(({ result }) => result === "failed" || result === "allowed").map((c) => `${c.name} ${c.result}`);

const allowAll = { allowDebug: true, allowUnpinned: true, allowAnyNonce: true };

test("every genuine document verifies at its time and states what is known of it", { skip }, async () => {
  assert.equal(genuine.length, 15);
  for (const { facts, name, document, at } of genuine) {
    const read = await verifyDocument(document, { at });
    assert.equal(read.moduleId, facts.module_id, name);
    assert.equal(read.timestamp, at, name);
    assert.equal(read.debug, facts.debug_mode, name);
    assert.deepEqual(read.pcrs, facts.pcrs, name);
    assert.equal(read.cabundle.length, 4, name);
    assert.deepEqual([read.notBefore <= at, read.notAfter >= at], [true, true], name);
    for (const [field, value] of [["public_key", read.publicKey], ["user_data", read.userData], ["nonce", read.nonce]]) {
      if (facts[field] === null) assert.equal(value, null, `${name} ${field}`);
      else assert.ok(value instanceof Uint8Array, `${name} ${field}`);
      if (/^([0-9a-f]{2})*$/.test(facts[field])) assert.equal(Buffer.from(value).toString("hex"), facts[field], name);
    }
  }
});

test("a document is expired outside its certificates' window, whose ends are inside", { skip }, async () => {
  for (const { document, name, window: [first, last] } of genuine) {
    assert.equal(await verdict(document, { at: first }), "ok", name);
    assert.equal(await verdict(document, { at: last }), "ok", name);
    for (const at of [first - 1, last + 1000, 0, -1]) {
      assert.equal(await verdict(document, { at }), "attestation_expired", name);
      const read = await verifier.verifyAttestation(document, { at, ...allowAll });
      assert.deepEqual([read.ok, read.code, read.attestation, complaints(read)],
        [false, "attestation_expired", null, ["time failed"]], name);
    }
  }
  // Now is long after.
  assert.equal(await verdict(genuine[0].document), "attestation_expired");
});

test("documents that must be refused are", { skip }, async () => {
  const wrong = vectors.filter((vector) => !vector.genuine);
  assert.equal(wrong.length, 3);
  for (const { document, name, at, parses } of wrong) {
    const code = parses ? "attestation_untrusted" : "attestation_invalid";
    assert.equal(await verdict(document, { at }), code, name);
    const read = await verifier.verifyAttestation(document, { at, ...allowAll });
    assert.deepEqual(complaints(read), [parses ? "signature failed" : "structure failed"], name);
    assert.equal(read.ok, false, name);
  }
});

test("a wrong signature outranks a wrong time", { skip }, async () => {
  for (const { document, parses } of vectors.filter((vector) => !vector.genuine)) {
    const code = parses ? "attestation_untrusted" : "attestation_invalid";
    assert.equal(await verdict(document, { at: 0 }), code);
    assert.equal((await verifier.verifyAttestation(document, { at: 0 })).code, code);
  }
});

test("another root is refused, and trusted only where the caller says so twice", { skip }, async () => {
  const { document, at } = genuine[0];
  const rootSha256 = "00".repeat(32);
  assert.equal(await verdict(document, { at, rootSha256 }), "attestation_untrusted");
  for (const allowOtherRoot of [undefined, false, true]) {
    const read = await verifyAttestation(document, { at, rootSha256, allowOtherRoot, ...allowAll });
    assert.deepEqual([read.ok, complaints(read)], [false, ["root failed"]]);
  }
  // AWS's root named by its digest needs no exception, and allowing another does not ask for one.
  const aws = "641A0321A3E244EFE456463195D606317ED7CDCC3C1756E09893F3C68F79BB5B";
  assert.equal(await verdict(document, { at, rootSha256: aws }), "ok");
  const read = await verifyAttestation(document, { at, rootSha256: aws, allowOtherRoot: true, ...allowAll });
  assert.deepEqual([read.ok, read.exceptions.includes("other-root")], [true, false]);
});

// Every byte of every kind: mutations.test.mjs.
test("a changed byte every here and there in a document is refused", { skip }, async () => {
  const next = random(smallest.document.length);
  for (let i = 0; i < smallest.document.length; i += 1 + next(16)) {
    const changed = smallest.document.slice();
    changed[i] ^= 1 + next(255);
    const result = await verdict(changed, { at: smallest.at });
    assert.ok(result === "attestation_invalid" || result === "attestation_untrusted", `byte ${i}: ${result}`);
  }
  assert.equal(await verdict(smallest.document, { at: smallest.at }), "ok");
});

test("a document cut short anywhere, or with a byte after it, is no document", { skip }, async () => {
  for (const { document, at } of kinds) {
    for (let size = 0; size < document.length; size += size < 64 ? 1 : 7)
      assert.equal(await verdict(document.slice(0, size), { at }), "attestation_invalid");
    assert.equal(await verdict(Buffer.concat([document, Buffer.of(0)]), { at }), "attestation_invalid");
  }
});

test("random changes of all kinds are refused", { skip }, async () => {
  const next = random(20260101);
  for (let i = 0; i < 300; ++i) {
    const { document, at } = genuine[i % genuine.length];
    const changed = mutant(document, next);
    const same = Buffer.from(changed).equals(document);
    assert.equal((await verdict(changed, { at })) === "ok", same, `mutant ${i}`);
  }
});

test("a debug enclave's document is refused unless that is allowed", { skip }, async () => {
  let debug = 0;
  for (const { document, at, facts, name } of genuine) {
    const options = { at, allowUnpinned: true, allowAnyNonce: true };
    const refused = await verifier.verifyAttestation(document, options);
    const taken = await verifier.verifyAttestation(document, { ...options, allowDebug: true });
    assert.equal(refused.ok, !facts.debug_mode, name);
    assert.equal(taken.ok, true, name);
    assert.equal(taken.exceptions.includes("debug"), facts.debug_mode, name);
    assert.equal(complaints(refused).includes("debug failed"), facts.debug_mode, name);
    assert.notEqual(refused.attestation, null, name);
    debug += facts.debug_mode ? 1 : 0;
  }
  assert.ok(debug > 0 && debug < genuine.length);
});

test("pinned registers must be there and equal, whatever is allowed", { skip }, async () => {
  const wide = genuine.find(({ facts }) => facts.pcrs[16] !== undefined);
  const narrow = genuine.find(({ facts }) => facts.pcrs[16] === undefined);
  const { pcrs } = wide.facts;
  const check = async (options, on = wide) => {
    const read = await verifier.verifyAttestation(on.document, { at: on.at, allowDebug: true, allowAnyNonce: true, ...options });
    return read.checks.find(({ name }) => name === "pcrs").result;
  };
  assert.equal(await check({ pcrs: { 0: pcrs[0], 16: pcrs[16] } }), "ok");
  assert.equal(await check({ pcrs: { 0: pcrs[0].toUpperCase(), 16: pcrs[16], 1: pcrs[1], 31: pcrs[31] } }), "ok");
  for (const missing of [undefined, {}, { 0: pcrs[0] }, { 16: pcrs[16] }, { 1: pcrs[1] }]) {
    assert.equal(await check({ pcrs: missing }), "failed");
    assert.equal(await check({ pcrs: missing, allowUnpinned: true }), "allowed");
  }
  const other = "ff".repeat(48);
  for (const allowUnpinned of [false, true]) {
    assert.equal(await check({ pcrs: { 0: other, 16: pcrs[16] }, allowUnpinned }), "failed");
    assert.equal(await check({ pcrs: { 0: pcrs[0], 16: other }, allowUnpinned }), "failed");
    assert.equal(await check({ pcrs: { 0: pcrs[0], 16: pcrs[16], 2: other }, allowUnpinned }), "failed");
    assert.equal(await check({ pcrs: { 8: other }, allowUnpinned }), "failed");
    // Of another length, though it starts alike.
    assert.equal(await check({ pcrs: { 0: pcrs[0], 16: pcrs[16].slice(0, 64) }, allowUnpinned }), "failed");
    // A register that the document lacks is not zero.
    assert.equal(await check({ pcrs: { 0: narrow.facts.pcrs[0], 16: "00".repeat(48) }, allowUnpinned }, narrow), "failed");
    assert.equal(await check({ manifest: '{"redoubt_manifest":1}', allowUnpinned }), "failed");
    assert.equal(await check({ pcrs: { 0: pcrs[0], 16: pcrs[16] }, manifest: '{"redoubt_manifest":1}', allowUnpinned }), "failed");
    assert.equal(await check({ pcrs: { 0: pcrs[0], 16: pcrs[16] }, manifest: "{}", allowUnpinned }), "failed");
  }
});

test("freshness is a nonce, an age, or both; without either it must be waived", { skip }, async () => {
  const { document, at: made } = genuine.find(({ facts }) => facts.nonce !== null && facts.nonce !== "" && !facts.debug_mode)
    ?? genuine.find(({ facts }) => facts.nonce !== null && facts.nonce !== "");
  const { nonce } = await verifyDocument(document, { at: made });
  const silent = genuine.find(({ facts }) => facts.nonce === null);
  const check = async (options, on = document, at = made) => {
    const read = await verifier.verifyAttestation(on, { at, allowDebug: true, allowUnpinned: true, ...options });
    assert.equal(read.exceptions.includes("any-nonce"), read.checks[7].result === "allowed");
    return read.checks[7].result;
  };
  const other = nonce.map((byte) => byte ^ 1);
  assert.equal(await check({ nonce }), "ok");
  assert.equal(await check({ nonce, maxAgeMs: 0 }), "ok");
  assert.equal(await check({ maxAgeMs: 0 }), "ok");
  assert.equal(await check({}), "failed");
  assert.equal(await check({ allowAnyNonce: true }), "allowed");
  assert.equal(await check({ maxAgeMs: 1000 }, document, made + 1000), "ok");
  assert.equal(await check({ maxAgeMs: 999 }, document, made + 1000), "failed");
  for (const allowAnyNonce of [false, true]) {
    assert.equal(await check({ nonce: other, allowAnyNonce }), "failed");
    assert.equal(await check({ nonce: nonce.slice(1), allowAnyNonce }), "failed");
    assert.equal(await check({ nonce: other, maxAgeMs: 1e9, allowAnyNonce }), "failed");
    assert.equal(await check({ nonce, maxAgeMs: 999, allowAnyNonce }, document, made + 1000), "failed");
    assert.equal(await check({ nonce, allowAnyNonce }, silent.document, silent.at), "failed");
  }
});

test("a document from the future is fresh for a minute only", { skip }, async () => {
  let tried = 0;
  for (const { document, at: made, window: [first] } of genuine) {
    if (made - 60_001 < first) continue; // its certificate is not valid so early
    ++tried;
    const check = async (at) =>
      (await verifier.verifyAttestation(document, { at, maxAgeMs: 5, allowDebug: true, allowUnpinned: true })).checks[7].result;
    assert.equal(await check(made - 60_000), "ok");
    assert.equal(await check(made - 60_001), "failed");
  }
  assert.ok(tried > 0);
});

test("a purpose that is demanded must be the one in user_data", { skip }, async () => {
  for (const { document, at, name } of genuine) {
    const check = async (purpose) =>
      (await verifier.verifyAttestation(document, { at, purpose, ...allowAll })).checks[8].result;
    assert.equal(await check(undefined), "skipped", name);
    assert.equal(await check("identity"), "failed", name); // none of them is a Redoubt enclave's
  }
});

test("a document that was verified before does not make another one good", { skip }, async () => {
  const [{ document, at }] = genuine;
  const one = new Verifier();
  await one.verifyDocument(document, { at });
  const { certificate } = await one.verifyDocument(document, { at });
  const place = Buffer.from(document).indexOf(certificate);
  const changed = document.slice();
  changed[place + certificate.length - 1] ^= 1; // in the leaf's signature
  await assert.rejects(one.verifyDocument(changed, { at }), { code: "attestation_untrusted" });
  await assert.rejects(one.verifyDocument(document, { at: 0 }), { code: "attestation_expired" });
  await one.verifyDocument(document, { at });
});

test("what is no document is refused as such, quickly", async () => {
  const deep = new Uint8Array(16000).fill(0x81);
  const inputs = [
    undefined, null, 0, "d28444a1013822a0", {}, [], [0x84], { length: 3, byteLength: 3 }, new ArrayBuffer(8),
    new Uint16Array(4), new DataView(new ArrayBuffer(8)), Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(4), {}),
    new Uint8Array(0), Uint8Array.of(0x84), Uint8Array.of(0xd2), Uint8Array.of(0xd2, 0x84), new Uint8Array(20_000),
    new Uint8Array(2 ** 24), deep, new Uint8Array(16000).fill(0xd2), new Uint8Array(16000).fill(0xbf),
    Buffer.from("9bffffffffffffffff", "hex"), Buffer.from("845bffffffffffffffff", "hex"),
    Buffer.from("8444a1013822bb7fffffffffffffff", "hex"), Buffer.from("8444a1013822a05affffffff00", "hex"),
    Buffer.from("8444a1013822bfff", "hex"), Buffer.from("9f44a1013822a0", "hex"),
  ];
  for (const input of inputs) {
    assert.equal(await verdict(input), "attestation_invalid", String(Object.prototype.toString.call(input)));
    const read = await verifier.verifyAttestation(input);
    assert.deepEqual([read.ok, read.code, read.attestation, read.exceptions], [false, "attestation_invalid", null, []]);
    assert.deepEqual(read.checks.map(({ name, result }) => `${name} ${result}`), ["structure failed", "root skipped",
      "chain skipped", "signature skipped", "time skipped", "debug skipped", "pcrs skipped", "freshness skipped",
      "purpose skipped"]);
  }
});

test("an option that is misspelt, of another type or empty is an error", async () => {
  const throws = (options) => assert.rejects(verifyAttestation(new Uint8Array(1), options), (error) =>
    error instanceof AttestationError && error.code === "usage");
  for (const options of [
    null, 7, "at", { At: 1 }, { maxAge: 1 }, { at: NaN }, { at: "0" }, { at: 1.5 }, { at: Infinity }, { at: 9e15 },
    { at: new Date() }, { rootSha256: "" }, { rootSha256: "641a" }, { rootSha256: "zz".repeat(32) },
    { rootSha256: new Uint8Array(32) }, { pcrs: null }, { pcrs: [] }, { pcrs: new Map([[0, "00".repeat(48)]]) },
    { pcrs: { 0: "" } }, { pcrs: { 0: undefined } }, { pcrs: { 0: "0x" + "00".repeat(48) } }, { pcrs: { 32: "00".repeat(48) } },
    { pcrs: { pcr0: "00".repeat(48) } }, { pcrs: { "00": "00".repeat(48) } }, { pcrs: { 0: "00".repeat(47) } },
    { manifest: null }, { manifest: {} }, { nonce: "abcd" }, { nonce: [] }, { nonce: new Uint8Array(0) },
    { nonce: new Uint8Array(1025) }, { maxAgeMs: -1 }, { maxAgeMs: "5" }, { maxAgeMs: NaN }, { purpose: "" },
    { purpose: "p".repeat(65) }, { purpose: 1 }, { allowDebug: 1 }, { allowUnpinned: "no" }, { allowAnyNonce: null },
    Object.create({ purpose: 1 }), Object.create({ maxage: 1 }),
    new Proxy({}, { ownKeys: () => { throw new Error("no"); } }),
    { get at() { throw new Error("no"); } },
  ])
    await throws(options);
  // What belongs to the policy is no option of the document.
  await assert.rejects(verifyDocument(new Uint8Array(1), { nonce: new Uint8Array(1) }), { code: "usage" });
  await assert.rejects(verifyDocument(new Uint8Array(1), { at: 0, allowDebug: true }), { code: "usage" });
});

test("bytes are copied before anything is decided", { skip }, async () => {
  const { document, at } = genuine[0];
  const mine = document.slice();
  const running = verifyDocument(mine, { at });
  mine.fill(0);
  assert.equal((await running).timestamp, at);
  const shared = new Uint8Array(new SharedArrayBuffer(document.length));
  shared.set(document);
  assert.equal(await verdict(shared, { at }), "ok");
  assert.equal(await verdict(Buffer.from(document), { at }), "ok");
  const read = await verifyDocument(document, { at });
  read.certificate.fill(0);
  assert.equal(await verdict(document, { at }), "ok");
});

test("user_data of other enclaves is not taken for Redoubt's", { skip }, async () => {
  for (const { document, at } of genuine) {
    const { userData } = await verifyDocument(document, { at });
    assert.throws(() => parseUserData(userData), { name: "AttestationError", code: "attestation_invalid" });
  }
});
