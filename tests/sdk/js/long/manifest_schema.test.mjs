// SPDX-License-Identifier: Apache-2.0
// The manifest's JSON Schema and the program that takes manifests agree, row by row: what one accepts the other accepts. Rows that
// only the program can refuse are listed as such.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { redoubt, root, run } from "../../../e2e/lib.mjs";
import { forEach, mutate, randomFrom } from "../mutate.mjs";

const require = createRequire(path.join(root, "tests/e2e/package.json"));
const { default: Ajv2020 } = require("ajv/dist/2020.js");
const schema = JSON.parse(fs.readFileSync(path.join(root, "docs/schema/manifest.schema.json"), "utf8"));
const validate = new Ajv2020({ strict: true }).compile(schema);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-schema-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const toBytes = (row) => (Buffer.isBuffer(row) ? row : Buffer.from(typeof row === "string" ? row : JSON.stringify(row)));

function schemaAccepts(bytes) {
  let value;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    return false;
  }
  return validate(value);
}

let files = 0;
async function programAccepts(bytes) {
  const file = path.join(folder, `${++files}.json`);
  fs.writeFileSync(file, bytes);
  const { code, stderr } = await run(redoubt, ["manifest", "check", file]);
  assert.ok(code === 0 || code === 1, `exit code ${code}: ${stderr}`);
  if (code === 1) assert.match(stderr, /manifest_invalid/);
  fs.rmSync(file);
  return code === 0;
}

const hex = (digit, bytes) => digit.repeat(2 * bytes);
const arn = (name) => `arn:aws:kms:us-east-1:000000000000:key/${name}`;
const kms = (name, purpose = "vault") => ({ arn: arn(name), purpose });
const minimal = { redoubt_manifest: 1, kms_keys: [kms("a")] };
const plus = (members) => ({ ...minimal, ...members });
const text = (members) => JSON.stringify(minimal).slice(0, -1) + "," + members + "}";
const ed25519 = (id, digit = "a") => ({ id, algorithm: "ed25519", public_key: hex(digit, 32) });
const p256 = (id, digit = "b") => ({ id, algorithm: "ecdsa-p256-sha256", public_key: "04" + hex(digit, 64) });
const reference = (number, more = {}) => ({ address: "0x" + number.toString(16).padStart(40, "0"), policy_digest: hex("4", 32), ...more });
const vault = (number) => "vault-" + number.toString(16).padStart(32, "0");
const vaults = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [vault(i), hex("c", 32)]));
const list = (count, make) => Array.from({ length: count }, (_, i) => make(i));
const full = {
  redoubt_manifest: 1,
  kms_keys: [kms("a"), kms("b"), kms("c", "reference")],
  owners: [ed25519("alice"), p256("bob")],
  principals: [ed25519("carol"), p256("dave")],
  min_epoch: 4,
  vault_commitments: vaults(2),
  reference_keys: [reference(1), reference(2, { raw_signing: true })],
  require_policy: true,
  verify_before_release: true,
  limits: { vault_lease_seconds: 60, deletion_wait_seconds: 3600, key_cache_entries: 5, key_cache_seconds: 6, max_transaction_gas: 21000 },
  authorities: ["sign.example", "sign.example:443"],
};

const good = {
  "the least": minimal,
  "every member": full,
  "white space": "\r\n\t " + JSON.stringify(full, null, 3) + "\n",
  "an escaped name": JSON.stringify(minimal).replace("kms_keys", "kms\\u005fkeys"),
  "16 KMS keys": plus({ kms_keys: list(16, kms) }),
  "no vault key": plus({ kms_keys: [kms("a", "reference")] }),
  "an ARN of 256 bytes": plus({ kms_keys: [{ arn: "arn:" + "x".repeat(252), purpose: "vault" }] }),
  "the shortest ARN": plus({ kms_keys: [{ arn: "arn:", purpose: "vault" }] }),
  "empty lists": plus({ owners: [], vault_commitments: {}, reference_keys: [], limits: {}, authorities: [] }),
  "16 owners": plus({ owners: list(16, (i) => ed25519(`o${i}`, i.toString(16))) }),
  "an id of 64 bytes": plus({ owners: [ed25519("x".repeat(64))] }),
  "an id in other letters": plus({ owners: [ed25519("Zoë \"the\" 鍵")] }),
  "digits of either case": plus({ owners: [ed25519("a", "A"), p256("b", "F")] }),
  "epoch 0": plus({ min_epoch: 0 }),
  "the last epoch": plus({ min_epoch: 9007199254740991 }),
  "64 vaults": plus({ vault_commitments: vaults(64) }),
  "a vault in capitals": plus({ vault_commitments: { ["vault-" + hex("A", 16)]: hex("B", 32) } }),
  "no reference keys": plus({ reference_keys: "none" }),
  "any reference key": plus({ reference_keys: "any" }),
  "any, with require_policy false": plus({ reference_keys: "any", require_policy: false }),
  "none, with require_policy": plus({ reference_keys: "none", require_policy: true }),
  "a list, with require_policy": plus({ reference_keys: [reference(7)], require_policy: true }),
  "an address in capitals": plus({ reference_keys: [{ address: "0x" + hex("A", 20), policy_digest: hex("D", 32) }] }),
  "raw_signing false": plus({ reference_keys: [reference(7, { raw_signing: false })] }),
  "many reference keys": plus({ reference_keys: list(1500, reference) }),
  "no verification": plus({ verify_before_release: false }),
  "the lowest limits": plus({ limits: { vault_lease_seconds: 10, deletion_wait_seconds: 0, key_cache_entries: 1, key_cache_seconds: 1, max_transaction_gas: 0 } }),
  "the highest limits": plus({ limits: { vault_lease_seconds: 86400, deletion_wait_seconds: 31536000, key_cache_entries: 10000000, key_cache_seconds: 86400, max_transaction_gas: 4294967295 } }),
  "64 authorities": plus({ authorities: list(64, (i) => `h${i}`) }),
  "an authority twice": plus({ authorities: ["a", "a"] }),
  "an authority of 255 bytes": plus({ authorities: ["x".repeat(255)] }),
  "256 KiB": JSON.stringify(minimal).padEnd(256 * 1024),
};

const bad = {
  "nothing": "",
  "no JSON": "manifest",
  "no object": "[]",
  "null": "null",
  "something after": JSON.stringify(minimal) + "{}",
  "a byte order mark": "\ufeff" + JSON.stringify(minimal),
  "a comment": JSON.stringify(minimal).replace(",", ",/**/"),
  "a leading zero": text('"min_epoch":01'),
  "an unescaped control character": text('"authorities":["a\nb"]'),
  "an empty object": {},
  "no version": { kms_keys: [kms("a")] },
  "version 2": { ...minimal, redoubt_manifest: 2 },
  "version as text": { ...minimal, redoubt_manifest: "1" },
  "version true": { ...minimal, redoubt_manifest: true },
  "an unknown member": plus({ comment: "x" }),
  "a member in other case": plus({ Min_epoch: 1 }),
  "no kms_keys": { redoubt_manifest: 1 },
  "empty kms_keys": plus({ kms_keys: [] }),
  "17 KMS keys": plus({ kms_keys: list(17, kms) }),
  "kms_keys no list": plus({ kms_keys: { 0: kms("a") } }),
  "a KMS key as text": plus({ kms_keys: [arn("a")] }),
  "a KMS key without ARN": plus({ kms_keys: [{ purpose: "vault" }] }),
  "a KMS key without purpose": plus({ kms_keys: [{ arn: arn("a") }] }),
  "a KMS key with more": plus({ kms_keys: [{ ...kms("a"), region: "us-east-1" }] }),
  "an alias": plus({ kms_keys: [{ arn: "alias/x", purpose: "vault" }] }),
  "an ARN in capitals": plus({ kms_keys: [{ arn: "ARN:aws", purpose: "vault" }] }),
  "an ARN after a space": plus({ kms_keys: [{ arn: " arn:aws", purpose: "vault" }] }),
  "an ARN after a line": plus({ kms_keys: [{ arn: "x\narn:aws", purpose: "vault" }] }),
  "an ARN of 257 bytes": plus({ kms_keys: [{ arn: "arn:" + "x".repeat(253), purpose: "vault" }] }),
  "an ARN as number": plus({ kms_keys: [{ arn: 1, purpose: "vault" }] }),
  "another purpose": plus({ kms_keys: [kms("a", "both")] }),
  "the same KMS key twice": plus({ kms_keys: [kms("a"), kms("b"), kms("a")] }),
  "17 owners": plus({ owners: list(17, (i) => ({ ...ed25519(`o${i}`), public_key: i.toString(16).padStart(64, "0") })) }),
  "owners no list": plus({ owners: {} }),
  "owners null": plus({ owners: null }),
  "an owner without id": plus({ owners: [{ algorithm: "ed25519", public_key: hex("a", 32) }] }),
  "an owner without algorithm": plus({ owners: [{ id: "a", public_key: hex("a", 32) }] }),
  "an owner without key": plus({ owners: [{ id: "a", algorithm: "ed25519" }] }),
  "an owner with more": plus({ owners: [{ ...ed25519("a"), name: "x" }] }),
  "an empty id": plus({ owners: [ed25519("")] }),
  "an id of 65 bytes": plus({ owners: [ed25519("x".repeat(65))] }),
  "an id as number": plus({ owners: [ed25519(7)] }),
  "another algorithm": plus({ owners: [{ ...ed25519("a"), algorithm: "rsa" }] }),
  "an algorithm in capitals": plus({ owners: [{ ...ed25519("a"), algorithm: "Ed25519" }] }),
  "a P-256 key as ed25519's": plus({ owners: [{ ...p256("a"), algorithm: "ed25519" }] }),
  "an ed25519 key as P-256's": plus({ owners: [{ ...ed25519("a"), algorithm: "ecdsa-p256-sha256" }] }),
  "a compressed P-256 key": plus({ owners: [{ ...p256("a"), public_key: "02" + hex("a", 32) }] }),
  "a P-256 key of another kind": plus({ owners: [{ ...p256("a"), public_key: "06" + hex("a", 64) }] }),
  "a key with 0x": plus({ owners: [{ ...ed25519("a"), public_key: "0x" + hex("a", 32) }] }),
  "a key with an odd digit": plus({ owners: [{ ...ed25519("a"), public_key: hex("a", 32) + "a" }] }),
  "a key with a line end": plus({ owners: [{ ...ed25519("a"), public_key: hex("a", 32) + "\n" }] }),
  "a key that is no hexadecimal": plus({ owners: [ed25519("a", "g")] }),
  "an empty key": plus({ owners: [{ ...ed25519("a"), public_key: "" }] }),
  "the same owner twice": plus({ owners: [ed25519("a"), ed25519("a")] }),
  "a negative epoch": plus({ min_epoch: -1 }),
  "half an epoch": plus({ min_epoch: 1.5 }),
  "an epoch too high": plus({ min_epoch: 9007199254740992 }),
  "an epoch far too high": text('"min_epoch":1e300'),
  "an epoch as text": plus({ min_epoch: "1" }),
  "an epoch of null": plus({ min_epoch: null }),
  "65 vaults": plus({ vault_commitments: vaults(65) }),
  "vaults as list": plus({ vault_commitments: [] }),
  "a short vault id": plus({ vault_commitments: { "vault-00": hex("c", 32) } }),
  "a long vault id": plus({ vault_commitments: { [vault(1) + "0"]: hex("c", 32) } }),
  "a vault id in capitals": plus({ vault_commitments: { [vault(1).replace("v", "V")]: hex("c", 32) } }),
  "a vault id with a line end": plus({ vault_commitments: { [vault(1).slice(0, -1) + "\n"]: hex("c", 32) } }),
  "a vault id without prefix": plus({ vault_commitments: { [hex("c", 16)]: hex("c", 32) } }),
  "a short commitment": plus({ vault_commitments: { [vault(1)]: hex("c", 31) } }),
  "a commitment with 0x": plus({ vault_commitments: { [vault(1)]: "0x" + hex("c", 32) } }),
  "a commitment as list": plus({ vault_commitments: { [vault(1)]: [hex("c", 32)] } }),
  "other reference keys": plus({ reference_keys: "all" }),
  "reference keys in capitals": plus({ reference_keys: "ANY" }),
  "reference keys true": plus({ reference_keys: true }),
  "reference keys null": plus({ reference_keys: null }),
  "reference keys as object": plus({ reference_keys: reference(1) }),
  "any in a list": plus({ reference_keys: ["any"] }),
  "any, with require_policy": plus({ reference_keys: "any", require_policy: true }),
  "an address without 0x": plus({ reference_keys: [reference(1, { address: hex("1", 20) })] }),
  "an address with 0X": plus({ reference_keys: [reference(1, { address: "0X" + hex("1", 20) })] }),
  "a short address": plus({ reference_keys: [reference(1, { address: "0x" + hex("1", 19) })] }),
  "an address with a space": plus({ reference_keys: [reference(1, { address: "0x" + hex("1", 19) + "1 " })] }),
  "a digest with 0x": plus({ reference_keys: [reference(1, { policy_digest: "0x" + hex("1", 32) })] }),
  "an empty digest": plus({ reference_keys: [reference(1, { policy_digest: "" })] }),
  "no digest": plus({ reference_keys: [{ address: reference(1).address }] }),
  "no address": plus({ reference_keys: [{ policy_digest: hex("4", 32) }] }),
  "raw_signing as number": plus({ reference_keys: [reference(1, { raw_signing: 1 })] }),
  "raw_signing null": plus({ reference_keys: [reference(1, { raw_signing: null })] }),
  "a reference key with more": plus({ reference_keys: [reference(1, { label: "x" })] }),
  "the same reference key twice": plus({ reference_keys: [reference(1), reference(1)] }),
  "require_policy as number": plus({ require_policy: 1 }),
  "require_policy as text": plus({ require_policy: "true" }),
  "verify_before_release null": plus({ verify_before_release: null }),
  "limits as list": plus({ limits: [] }),
  "limits null": plus({ limits: null }),
  "an unknown limit": plus({ limits: { vault_lease: 3600 } }),
  "a limit as text": plus({ limits: { vault_lease_seconds: "60" } }),
  ...Object.fromEntries([["vault_lease_seconds", 9], ["vault_lease_seconds", 86401], ["deletion_wait_seconds", -1], ["deletion_wait_seconds", 31536001], ["key_cache_entries", 0], ["key_cache_entries", 10000001],
    ["key_cache_seconds", 0], ["key_cache_seconds", 86401], ["max_transaction_gas", -1], ["max_transaction_gas", 4294967296],
    ["max_transaction_gas", 0.5]].map(([name, value]) => [`${name} ${value}`, plus({ limits: { [name]: value } })])),
  "authorities as text": plus({ authorities: "sign.example" }),
  "65 authorities": plus({ authorities: list(65, (i) => `h${i}`) }),
  "an empty authority": plus({ authorities: ["a", ""] }),
  "an authority of 256 bytes": plus({ authorities: ["x".repeat(256)] }),
  "an authority as number": plus({ authorities: [443] }),
};

// Valid by the schema, which sees a value and not the text that it was written as, and counts characters.
const onlyTheProgramSees = {
  "a KMS key with two purposes": plus({ kms_keys: [kms("a"), kms("a", "reference")] }),
  "an owner's id twice": plus({ owners: [ed25519("a"), p256("a")] }),
  "an owner's key twice": plus({ owners: [ed25519("a"), ed25519("b")] }),
  "an owner's key twice, in other case": plus({ owners: [ed25519("a", "a"), ed25519("b", "A")] }),
  "a vault twice, in other case": plus({ vault_commitments: { ["vault-" + hex("a", 16)]: hex("c", 32), ["vault-" + hex("A", 16)]: hex("c", 32) } }),
  "an address twice, with other digests": plus({ reference_keys: [reference(1), reference(1, { policy_digest: hex("5", 32) })] }),
  "an address twice, in other case": plus({ reference_keys: [reference(1, { address: "0x" + hex("a", 20) }), reference(1, { address: "0x" + hex("A", 20) })] }),
  "a member twice": text('"min_epoch":1,"min_epoch":1'),
  "a member twice, once escaped": text('"min_epoch":1,"min\\u005fepoch":1'),
  "a limit twice": text('"limits":{"key_cache_seconds":1,"key_cache_seconds":2}'),
  "a vault twice": text(`"vault_commitments":{"${vault(1)}":"${hex("c", 32)}","${vault(1)}":"${hex("c", 32)}"}`),
  "version 1.0": JSON.stringify(minimal).replace(":1,", ":1.0,"),
  "an epoch with a point": text('"min_epoch":1.0'),
  "an epoch with an exponent": text('"min_epoch":1e3'),
  "an epoch of minus zero": text('"min_epoch":-0'),
  "an epoch that is rounded": text('"min_epoch":9007199254740991.4'),
  "a limit with an exponent": text('"limits":{"vault_lease_seconds":6e1}'),
  "a lone surrogate": text('"authorities":["\\ud800"]'),
  "invalid UTF-8": Buffer.from(text('"authorities":["\u0001"]').replace("\u0001", "\xff"), "latin1"),
  "an ARN of 253 characters and 257 bytes": plus({ kms_keys: [{ arn: "arn:" + "é".repeat(4) + "x".repeat(245), purpose: "vault" }] }),
  "an id of 33 characters and 66 bytes": plus({ owners: [ed25519("é".repeat(33))] }),
  "an authority of 128 characters and 256 bytes": plus({ authorities: ["é".repeat(128)] }),
  "more than 256 KiB": JSON.stringify(minimal).padEnd(256 * 1024 + 1),
  "more reference keys than fit": plus({ reference_keys: list(2000, reference) }),
};

test("schema and program accept the same manifests", async () => {
  await forEach(Object.entries(good), async ([name, row]) => {
    const bytes = toBytes(row);
    assert.ok(schemaAccepts(bytes), `${name}: the schema says ${JSON.stringify(validate.errors)}`);
    assert.ok(await programAccepts(bytes), `${name}: the program refuses`);
  });
});

test("schema and program refuse the same manifests", async () => {
  await forEach(Object.entries(bad), async ([name, row]) => {
    const bytes = toBytes(row);
    assert.ok(!schemaAccepts(bytes), `${name}: the schema accepts`);
    assert.ok(!(await programAccepts(bytes)), `${name}: the program accepts`);
  });
});

test("what only the program can see, it refuses", async () => {
  await forEach(Object.entries(onlyTheProgramSees), async ([name, row]) => {
    const bytes = toBytes(row);
    assert.ok(schemaAccepts(bytes), `${name}: the schema sees it: ${JSON.stringify(validate.errors)}`);
    assert.ok(!(await programAccepts(bytes)), `${name}: the program accepts`);
  });
});

// Does a manifest name something twice that has to be distinct? The one thing of a JSON value that the schema leaves to the program.
function namesTwice(manifest) {
  const twice = (names) => new Set(names).size !== names.length;
  const { kms_keys: keys, owners = [], principals = [], vault_commitments: commitments = {}, reference_keys: references } = manifest;
  return twice(keys.map((key) => key.arn)) || twice(owners.map((owner) => owner.id)) || twice(owners.map((owner) => owner.public_key.toLowerCase())) ||
    twice(principals.map((principal) => principal.id)) || twice(principals.map((principal) => principal.public_key.toLowerCase())) ||
    twice(Object.keys(commitments).map((id) => id.toLowerCase())) || (Array.isArray(references) && twice(references.map((entry) => entry.address.toLowerCase())));
}

const values = [null, true, false, 0, 1, 2, 9, 10, 86400, 86401, -1, 0.5, 4294967295, 4294967296, 2 ** 53 - 1, 2 ** 53, "", "x", "any", "none", "vault", "reference",
  "ed25519", "ecdsa-p256-sha256", hex("e", 32), "04" + hex("e", 64), "0x" + hex("e", 20), "arn:x", [], {}, ["x"], [{}], { x: 1 }];
const names = (name) => [name + "x", name.toUpperCase(), name.slice(1), "raw_signing", "min_epoch", vault(9)];

test("schema and program agree on random mutations", async () => {
  const accepted = { yes: 0, no: 0 };
  await forEach(list(150, (i) => i + 1), async (seed) => {
    const random = randomFrom(seed);
    const manifest = structuredClone(full);
    for (let left = 1 + random(2); left > 0; --left) mutate(manifest, random, { values, names });
    const bytes = toBytes(manifest);
    const expected = schemaAccepts(bytes) && !namesTwice(manifest);
    assert.equal(await programAccepts(bytes), expected, `seed ${seed}: ${JSON.stringify(manifest)}: ${JSON.stringify(validate.errors)}`);
    ++accepted[expected ? "yes" : "no"];
  });
  assert.ok(accepted.yes >= 25 && accepted.no >= 25, `both happen often enough: ${JSON.stringify(accepted)}`);
});

test("what the program writes is valid by the schema", async () => {
  for (const args of [[], ["--require-policy", "--owner", `alice:ed25519:${hex("a", 32)}`, "--authority", "sign.example:443", "--min-epoch", "7"],
    ["--reference-kms-key", arn("b"), "--reference-key", "any"], ["--reference-key", `0x${hex("1", 20)}=${hex("4", 32)}`]]) {
    const { code, stdout, stderr } = await run(redoubt, ["manifest", "init", "--kms-key", arn("a"), ...args]);
    assert.equal(code, 0, stderr);
    assert.ok(schemaAccepts(Buffer.from(stdout)), JSON.stringify(validate.errors));
  }
});

test("the schema says of each member what it means", () => {
  const silent = [];
  const walk = (node, at) => {
    for (const [name, member] of Object.entries(node.properties ?? {})) {
      const meant = member.$ref?.startsWith("#/$defs/") ? { ...schema.$defs[member.$ref.slice(8)], ...member } : member;
      if (!meant.description) silent.push(`${at}.${name}`);
    }
    for (const [name, definition] of Object.entries(node.$defs ?? {})) {
      if (!definition.description) silent.push(name);
      walk(definition, name);
    }
  };
  walk(schema, "manifest");
  assert.deepEqual(silent, []);
});
