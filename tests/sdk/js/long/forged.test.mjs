// SPDX-License-Identifier: Apache-2.0
// The JavaScript attestation verifier on documents made here: a Redoubt enclave's under another root, and what an
// attacker could bring.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { AttestationError, Verifier, manifestPcr16, parseUserData, verifyAttestation }
  from "../../../../sdk/js/attestation/attestation.mjs";
import * as forge from "../forge.mjs";
import { array, ascii, binary, bytes, hex, integer, kHour, kMinute, kNow, map, nothing, registers, sequence, text,
  unsigned } from "../forge.mjs";

const verifier = new Verifier();
let chain;
before(async () => (chain = await forge.makeChain()));

async function verdict({ document, rootSha256 }, at = kNow) {
  try {
    await verifier.verifyDocument(document, { at, rootSha256 });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof AttestationError, error?.stack);
    return error.code;
  }
}
const kInvalid = "attestation_invalid", kUntrusted = "attestation_untrusted";

// Structure is judged before anything is trusted, so any 96 bytes will do for a signature.
const parsing = async (payload) => {
  const result = await verdict({ document: forge.cose(payload, new Uint8Array(96).fill(1)) });
  return result === kUntrusted ? "parsed" : result;
};
const parsingWith = (change) => parsing(map(...forge.pairs(forge.fields(chain, change))));

const manifest = '{"redoubt_manifest": 1, "kms_keys": [{"purpose": "vault", "arn": "arn:aws:kms:eu-west-1:000000000000:key/1"}]}';
const canonical = '{"kms_keys":[{"arn":"arn:aws:kms:eu-west-1:000000000000:key/1","purpose":"vault"}],"redoubt_manifest":1}';
const pcr16 = forge.sha384(bytes(new Uint8Array(48), forge.sha384(canonical)));
const pcr0 = new Uint8Array(48).fill(7);
const nonce = ascii("a nonce of 16 b.");

const redoubt = (change = {}) => forge.forge(chain, {
  pcrs: registers({ 0: pcr0, 1: pcr0, 2: pcr0, 16: pcr16 }), nonce: binary(nonce),
  user_data: binary(forge.userData("identity")), ...change,
});
const demands = () => ({
  at: kNow + 1000, pcrs: { 0: Buffer.from(pcr0).toString("hex") }, manifest, nonce, maxAgeMs: kMinute, purpose: "identity",
  allowOtherRoot: true,
});

test("a Redoubt enclave's document satisfies every demand at once", async () => {
  const { document, rootSha256 } = await redoubt();
  const read = await verifyAttestation(document, { ...demands(), rootSha256 });
  assert.deepEqual(read.checks.map(({ name, result }) => `${name} ${result}`), ["structure ok", "root allowed", "chain ok",
    "signature ok", "time ok", "debug ok", "pcrs ok", "freshness ok", "purpose ok"]);
  assert.deepEqual([read.ok, read.code, read.exceptions], [true, null, ["other-root"]]);
  assert.equal(read.attestation.pcrs[16], await manifestPcr16(manifest));
  assert.deepEqual(parseUserData(read.attestation.userData), { purpose: "identity", digest: new Uint8Array(32) });
  assert.deepEqual(read.attestation.nonce, nonce);
});

test("under another root nothing verifies unless that root is named and allowed", async () => {
  const { document, rootSha256 } = await redoubt();
  for (const options of [{}, { rootSha256 }, { rootSha256, allowOtherRoot: false }, { allowOtherRoot: true }]) {
    const read = await verifyAttestation(document, { ...demands(), allowOtherRoot: undefined, ...options });
    assert.equal(read.ok, false);
    assert.equal(read.attestation, null);
    assert.deepEqual(read.checks.slice(1).map(({ result }) => result), ["failed", ...Array(7).fill("skipped")]);
  }
});

test("each demand that is not met fails its own check alone", async () => {
  const zeros = new Uint8Array(48);
  const other = binary(forge.userData("clock"));
  for (const [failing, change, options, code = kUntrusted] of [
    ["debug", { pcrs: registers({ 0: zeros, 1: zeros, 2: zeros, 16: pcr16 }) }, { pcrs: { 0: "00".repeat(48) } }],
    ["pcrs", { pcrs: registers({ 0: pcr0, 16: zeros }) }, {}],
    ["pcrs", { pcrs: registers({ 1: pcr0, 16: pcr16 }) }, {}],
    ["pcrs", {}, { manifest: '{"redoubt_manifest":1}' }],
    ["pcrs", {}, { manifest: manifest.replace("}]", ',"arn":"x"}]') }, "manifest_invalid"],
    ["pcrs", {}, { manifest: undefined }],
    ["freshness", { nonce: nothing }, {}],
    ["freshness", { nonce: binary(nonce.slice(1)) }, {}],
    ["freshness", {}, { at: kNow + kMinute + 1 }, "attestation_expired"],
    ["freshness", {}, { at: kNow - kMinute - 1 }, "attestation_expired"],
    ["purpose", { user_data: other }, {}],
    ["purpose", { user_data: nothing }, {}, kInvalid],
    ["purpose", { user_data: binary(bytes(forge.userData("identity"), [0])) }, {}, kInvalid],
    ["purpose", {}, { purpose: "Identity" }],
  ]) {
    const { document, rootSha256 } = await redoubt(change);
    const read = await verifyAttestation(document, { ...demands(), rootSha256, ...options });
    assert.deepEqual(read.checks.filter(({ result }) => result === "failed").map(({ name }) => name), [failing]);
    assert.deepEqual([read.ok, read.code], [false, code]);
  }
});

test("exceptions are listed by name, and only those that were needed", async () => {
  const allow = { allowDebug: true, allowUnpinned: true, allowAnyNonce: true, allowOtherRoot: true };
  const { document, rootSha256 } = await redoubt({ pcrs: registers({ 3: pcr0 }) });
  const all = await verifyAttestation(document, { at: kNow, rootSha256, ...allow });
  assert.deepEqual([all.ok, all.exceptions], [true, ["other-root", "debug", "unpinned", "any-nonce"]]);
  const sound = await redoubt();
  const none = await verifyAttestation(sound.document, { ...demands(), ...allow, rootSha256 });
  assert.deepEqual([none.ok, none.exceptions], [true, ["other-root"]]);
});

test("a chain of any allowed length verifies, and a longer one does not", async () => {
  const withAuthorities = async (count) => verdict(await forge.forge(await forge.makeChain(undefined, count)));
  for (const count of [0, 1, 8]) assert.equal(await withAuthorities(count), "ok");
  assert.equal(await withAuthorities(9), kInvalid);
});

test("a chain that breaks a rule for certificates is refused", async () => {
  const noUsage = [forge.constraints(true)], noConstraints = [forge.certSign];
  const unknown = (critical) => forge.extension("2a0304", critical, hex("0500"));
  const hour = forge.time(kNow + kHour);
  const rules = {
    "the leaf is an authority": (s) => (s[4].extensions = [forge.constraints(true), forge.digitalSignature]),
    "the leaf signs certificates": (s) => (s[4].extensions = [forge.constraints(false), forge.usage([2, 0x84])]),
    "the leaf signs nothing": (s) => (s[4].extensions = [forge.constraints(false), forge.usage([6, 0x40])]),
    "an authority is none": (s) => (s[2].extensions = [forge.constraints(false), forge.certSign]),
    "an authority may not sign certificates": (s) => (s[2].extensions = [forge.constraints(true), forge.usage([1, 0x02])]),
    "a path length does not suffice": (s) => (s[1].extensions = [forge.constraints(true, 1), forge.certSign]),
    "a path length is negative": (s) => (s[1].extensions = [forge.constraints(true, 0x80), forge.certSign]),
    "the root's path length does not suffice": (s) => (s[0].extensions = [forge.constraints(true, 2), forge.certSign]),
    "the root names another issuer": (s) => (s[0].issuer = forge.name("another")),
    "no keyUsage": (s) => (s[1].extensions = noUsage),
    "no basicConstraints": (s) => (s[1].extensions = noConstraints),
    "basicConstraints is not critical": (s) => (s[1].extensions = [forge.constraints(true, undefined, false), forge.certSign]),
    "an unknown critical extension": (s) => s[3].extensions.push(unknown(true)),
    "an extension comes twice": (s) => s[3].extensions.push(unknown(false), unknown(false)),
    "keyUsage has a trailing zero bit": (s) => (s[1].extensions = [forge.constraints(true), forge.usage([1, 0x04])]),
    "keyUsage has no bits": (s) => (s[1].extensions = [forge.constraints(true), forge.usage([0])]),
    "keyUsage's unused bits are too many": (s) => (s[1].extensions = [forge.constraints(true), forge.usage([34, 0x04])]),
    "another issuer's name": (s) => (s[3].issuer = forge.name("another")),
    "version 1": (s) => (s[2].version = hex("a003020100")),
    "no version": (s) => (s[2].version = []),
    "a negative serial": (s) => (s[2].serial = hex("0201ff")),
    "a serial that is not shortest": (s) => (s[2].serial = hex("02020001")),
    "an algorithm with parameters": (s) => (s[2].algorithm = hex("300c06082a8648ce3d0403030500")),
    "SHA-256": (s) => Object.assign(s[2], { algorithm: hex("300a06082a8648ce3d040302"), hash: "SHA-256" }),
    "signed with SHA-256, said to be SHA-384": (s) => (s[2].hash = "SHA-256"),
    "a time that ends before it begins": (s) => Object.assign(s[2], { notBefore: kNow + 2000, notAfter: kNow + 1000 }),
    "a GeneralizedTime before 2050": (s) => (s[2].validity = [forge.der(0x18, ascii("20260101000000Z")), hour]),
    "a day that there is not": (s) => (s[2].validity = [forge.der(0x17, ascii("250229000000Z")), hour]),
    "an hour that there is not": (s) => (s[2].validity = [forge.der(0x17, ascii("250228240000Z")), hour]),
    "a time zone": (s) => (s[2].validity = [forge.der(0x17, ascii("2502280000+01")), hour]),
    "no seconds": (s) => (s[2].validity = [forge.der(0x17, ascii("2502280000Z")), hour]),
    "three times": (s) => (s[2].validity = [forge.time(kNow - kHour), hour, hour]),
    "more after the extensions": (s) => (s[2].extra = nothing),
    "a negative r": (s) =>
      (s[2].signature = (raw) => sequence(forge.der(0x02, [0x80], raw.slice(1, 48)), integer(raw.slice(48)))),
    "an r that is not shortest": (s) =>
      (s[2].signature = (raw) => sequence(forge.der(0x02, [0, 0], raw.slice(0, 48)), integer(raw.slice(48)))),
    "r and s as they are": (s) => (s[2].signature = (raw) => raw),
    "three numbers": (s) => (s[2].signature = (raw) => sequence(integer(raw.slice(0, 48)), integer(raw.slice(48)), integer([1]))),
    "s is zero": (s) => (s[2].signature = (raw) => sequence(integer(raw.slice(0, 48)), integer([0]))),
    "a certificate of more than 1,024 bytes": (s) => s[3].extensions.push(forge.extension("2a0304", false, new Uint8Array(900))),
  };
  for (const [rule, change] of Object.entries(rules)) {
    const expected = rule.includes("1,024") ? kInvalid : kUntrusted;
    assert.equal(await verdict(await forge.forge(await forge.makeChain(change))), expected, rule);
  }
});

test("a chain that only looks unusual verifies", async () => {
  const taken = {
    "path lengths that just suffice": (s) =>
      [3, 2, 1, 0].forEach((length, i) => (s[i].extensions = [forge.constraints(true, length), forge.certSign])),
    "more usages": (s) => (s[4].extensions = [forge.constraints(false), forge.usage([0, 0x82, 0x01], false)]),
    "an unknown extension": (s) => s[3].extensions.push(forge.extension("2a0304", false, [])),
    "times through 2049 and from 2050": (s) => Object.assign(s[1], { notBefore: Date.UTC(1950, 0), notAfter: Date.UTC(2050, 0) }),
    "a serial of 20 bytes": (s) => (s[2].serial = forge.der(0x02, [0], new Uint8Array(20).fill(0xff))),
    "a leap second": (s) => (s[2].validity = [forge.der(0x17, ascii("161231235960Z")), forge.time(kNow + kHour)]),
  };
  for (const [what, change] of Object.entries(taken))
    assert.equal(await verdict(await forge.forge(await forge.makeChain(change))), "ok", what);
});

test("every certificate's time counts, the root's too, to the second", async () => {
  for (const place of [0, 1, 4]) {
    const window = { notBefore: kNow - 3000, notAfter: kNow + 4000 };
    const forged = await forge.forge(await forge.makeChain((s) => Object.assign(s[place], window)));
    const seconds = Math.floor(kNow / 1000) * 1000;
    assert.equal(await verdict(forged, seconds - 3000), "ok");
    assert.equal(await verdict(forged, seconds - 3001), "attestation_expired");
    assert.equal(await verdict(forged, seconds + 4000), "ok");
    assert.equal(await verdict(forged, seconds + 4001), "attestation_expired");
  }
});

test("a certificate that comes twice, in another order, or signed by another key is refused", async () => {
  const [root, first, second, third, leaf] = chain.certificates;
  const [, , , , leafKey] = chain.keys;
  const arranged = (certificates) => forge.forge({ certificates, keys: [leafKey] });
  assert.equal(await verdict(await arranged([root, first, second, third, leaf])), "ok");
  for (const wrong of [[root, first, third, second, leaf], [root, second, third, leaf], [root, first, second, third, third, leaf],
    [root, root, first, second, third, leaf], [first, second, third, leaf], [root, leaf], [leaf]])
    assert.notEqual(await verdict(await arranged(wrong)), "ok");
  // The same names, other keys.
  const twin = await forge.makeChain();
  assert.equal(await verdict(await arranged([root, first, second, twin.certificates[3], leaf])), kUntrusted);
  // An authority of the same name and another key: the leaf, which has verified below the first, is not signed by it.
  const key = await forge.makeKey();
  const namesake = await forge.makeCertificate(forge.authorityShape("authority 3"), key, "authority 2", chain.keys[2]);
  assert.equal(await verdict(await arranged([root, first, second, namesake, leaf])), kUntrusted);
  const mixed = { certificates: [root, first, second, third, twin.certificates[4]], keys: twin.keys };
  assert.equal(await verdict(await forge.forge(mixed)), kUntrusted);
});

test("a self-issued authority twice in a chain is refused before its signature counts", async () => {
  const own = await forge.makeChain((s) => (s[0].subject = s[1].subject = "same"), 1);
  const certificates = [own.certificates[0], own.certificates[0], own.certificates[2]];
  assert.equal(await verdict(await forge.forge({ certificates, keys: own.keys })), kUntrusted);
});

test("a key that is no point of the curve signs nothing", async () => {
  const point = await forge.pointOf(await forge.makeKey());
  const off = point.slice();
  off[96] ^= 1;
  const outside = new Uint8Array(97).fill(0xff); // coordinates not below the prime
  outside[0] = 4;
  const hybrid = point.slice();
  hybrid[0] = 6 + (point[96] & 1);
  for (const key of [off, outside, hybrid, new Uint8Array(97), Uint8Array.of(4, ...new Uint8Array(96))])
    assert.equal(await verdict(await forge.forge(await forge.makeChain((s) => (s[4].point = key)))), kUntrusted);
  // Compressed, which some libraries read.
  const compressed = bytes(hex("3046301006072a8648ce3d020106052b81040022033200"), [2 + (point[96] & 1)], point.slice(1, 49));
  assert.equal(await verdict(await forge.forge(await forge.makeChain((s) => (s[4].publicKey = compressed)))), kUntrusted);
});

test("a document's signature must be in range and over what was received", async () => {
  const { document, rootSha256 } = await forge.forge(chain);
  assert.equal(await verdict({ document, rootSha256 }), "ok");
  const order = hex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973");
  for (const half of [new Uint8Array(48), order, new Uint8Array(48).fill(0xff)]) {
    for (const at of [96, 48]) {
      const changed = document.slice();
      changed.set(half, changed.length - at);
      assert.equal(await verdict({ document: changed, rootSha256 }), kUntrusted);
    }
  }
  // r, s and r, n - s are both signatures of the message; ECDSA has no other form.
  const s = BigInt(`0x${Buffer.from(document.slice(-48)).toString("hex")}`);
  const flipped = document.slice();
  flipped.set(hex((BigInt(`0x${Buffer.from(order).toString("hex")}`) - s).toString(16).padStart(96, "0")), flipped.length - 48);
  assert.equal(await verdict({ document: flipped, rootSha256 }), "ok");
});

test("tag 18 or none, definite or indefinite payload: all verify, and no other envelope does", async () => {
  const key = chain.keys.at(-1), rootSha256 = forge.sha256(chain.certificates[0]);
  for (const encode of [map, forge.indefiniteMap]) {
    const payload = encode(...forge.pairs(forge.fields(chain)));
    const document = await forge.signDocument(payload, key);
    assert.equal(await verdict({ document, rootSha256 }), "ok");
    assert.equal(await verdict({ document: bytes([0xd2], document), rootSha256 }), "ok");
    for (const prefix of [[0xd1], [0xd8, 18], [0xd2, 0xd2], [0xd9, 0, 18]])
      assert.equal(await verdict({ document: bytes(prefix, document), rootSha256 }), kInvalid);
    // Another algorithm, another order of the header's bytes, more in it.
    for (const header of ["a1013823", "a10126", "a20138220442aabb", "a1183822", "", "a101392200"])
      assert.equal(await verdict({ document: await forge.signDocument(payload, key, hex(header)), rootSha256 }), kInvalid);
    const signature = document.slice(-96);
    for (const wrong of [
      array(binary(forge.es384), map([unsigned(1), unsigned(1)]), binary(payload), binary(signature)),
      array(binary(forge.es384), map(), binary(payload), binary(signature), nothing),
      array(binary(forge.es384), map(), nothing, binary(signature)),
      array(binary(forge.es384), map(), binary([]), binary(signature)),
      array(binary(forge.es384), map(), binary(payload), binary(signature.slice(1))),
      array(binary(forge.es384), map(), binary(payload), text("x".repeat(96))),
      array(binary(forge.es384), forge.indefiniteMap(), binary(payload), binary(signature)),
      bytes([0x98, 4], document.slice(1)), bytes([0x9f], document.slice(1), [0xff]), bytes(document, [0]),
    ])
      assert.equal(await verdict({ document: wrong, rootSha256 }), kInvalid);
  }
});

test("payload fields have their types, bounds and number", async () => {
  assert.equal(await parsingWith({}), "parsed");
  const pcr = (size) => new Uint8Array(size);
  const many = (count) => registers(Object.fromEntries(Array.from({ length: count }, (_, i) => [i, pcr(48)])));
  const certificates = (count) => array(...Array(count).fill(binary([1])));
  for (const change of [
    { module_id: text("x".repeat(256)) }, { module_id: text("\ud83d\ude00") }, { timestamp: unsigned(1) }, { timestamp: unsigned(253402300799999) },
    { pcrs: registers({ 31: pcr(32) }) }, { pcrs: registers({ 0: pcr(64) }) }, { pcrs: many(32) }, { cabundle: certificates(9) },
    { certificate: binary(pcr(1024)) }, { public_key: binary([]) }, { user_data: binary(pcr(1024)) }, { nonce: binary(pcr(1024)) },
  ])
    assert.equal(await parsingWith(change), "parsed", JSON.stringify(change));
  for (const change of [
    { module_id: text("") }, { module_id: text("x".repeat(257)) }, { module_id: binary(ascii("i-1")) }, { module_id: hex("63ed a0 80") },
    { module_id: hex("62c0af") }, { module_id: hex("7f6161ff") }, { digest: text("SHA256") }, { digest: text("sha384") },
    { timestamp: unsigned(0) }, { timestamp: unsigned(253402300800000) }, { timestamp: hex("1bffffffffffffffff") }, { timestamp: hex("1800") },
    { timestamp: hex("1a0000ffff") }, { timestamp: hex("1b00000000ffffffff") }, { timestamp: hex("20") }, { timestamp: hex("fb4278f5c3ec3a0000") },
    { pcrs: map() }, { pcrs: many(33) }, { pcrs: registers({ 32: pcr(48) }) }, { pcrs: registers({ 0: pcr(47) }) }, { pcrs: registers({ 0: pcr(0) }) },
    { pcrs: map([unsigned(0), binary(pcr(48))], [unsigned(0), binary(pcr(48))]) }, { pcrs: map([hex("1800"), binary(pcr(48))]) },
    { pcrs: forge.indefiniteMap([unsigned(0), binary(pcr(48))]) }, { pcrs: hex("bb0000001000000000") }, { cabundle: array() },
    { cabundle: certificates(10) }, { cabundle: hex("9f4101ff") }, { cabundle: array(binary([])) }, { cabundle: nothing },
    { certificate: binary([]) }, { certificate: binary(pcr(1025)) }, { certificate: nothing }, { certificate: hex("5f4101ff") },
    { public_key: binary(pcr(1025)) }, { user_data: binary(pcr(1025)) }, { nonce: binary(pcr(1025)) }, { nonce: text("x") }, { nonce: hex("f7") },
    { nonce: hex("f4") },
  ])
    assert.equal(await parsingWith(change), kInvalid, JSON.stringify(change));
  // An unknown name in the place of an option.
  const others = forge.pairs(forge.fields(chain)).slice(0, 8);
  assert.equal(await parsing(map(...others, [text("nonce"), nothing])), "parsed");
  for (const name of ["Nonce", "nonce\0", "", "\ufeffnonce", "__proto__", "constructor", "publicKey"])
    assert.equal(await parsing(map(...others, [text(name), nothing])), kInvalid, name);
  assert.equal(await parsing(map(...others, [binary(ascii("nonce")), nothing])), kInvalid);
});

test("payload fields come in any order, each once; only options may be left out", async () => {
  const pairs = forge.pairs(forge.fields(chain));
  for (const encode of [map, forge.indefiniteMap]) {
    assert.equal(await parsing(encode(...[...pairs].reverse())), "parsed");
    for (const [i, pair] of pairs.entries()) {
      assert.equal(await parsing(encode(...pairs, pair)), kInvalid);
      assert.equal(await parsing(encode(...pairs.filter((_, k) => k !== i))), i >= 6 ? "parsed" : kInvalid);
    }
    // One instead of another, so that the number is right.
    assert.equal(await parsing(encode(...pairs.slice(0, 8), pairs[0])), kInvalid);
  }
  const whole = map(...pairs);
  assert.equal(await parsing(bytes(whole, [0])), kInvalid);
  assert.equal(await parsing(forge.indefiniteMap(...pairs).slice(0, -1)), kInvalid);
  assert.equal(await parsing(bytes(forge.indefiniteMap(...pairs), [0xff])), kInvalid);
  assert.equal(await parsing(map()), kInvalid);
});

test("user_data is read in one encoding only", () => {
  const digest = "77".repeat(32);
  const reads = (encoded) => {
    try {
      return parseUserData(hex(encoded)).purpose;
    } catch (error) {
      assert.equal(error.code, kInvalid);
      return undefined;
    }
  };
  assert.equal(reads(`a30101026178035820${digest}`), "x");
  assert.equal(reads(`a301010278${"40"}${"66".repeat(64)}035820${digest}`), "f".repeat(64));
  for (const bad of ["", `a30102026178035820${digest}`, "a20101026178", `a40101026178035820${digest}0400`, `a30101026178035820${digest}00`,
    `a302617801 01035820${digest}`, `a301010260035820${digest}`, `a30101024178035820${digest}`, `a3010102617803581f${digest.slice(2)}`,
    `a30101026178035821${digest}00`, `bf0101026178035820${digest}ff`, `a301010278${"41"}${"66".repeat(65)}035820${digest}`,
    `a30101026178015820${digest}`, `a3180101026178035820${digest}`])
    assert.equal(reads(bad), undefined, bad);
  for (const bad of [null, undefined, "a3", new Uint8Array(1025)]) assert.throws(() => parseUserData(bad), { code: kInvalid });
});
