// SPDX-License-Identifier: Apache-2.0
// The key policies that `redoubt manifest kms-policy` writes, put on keys in devcloud and attacked with AWS's SDK as everybody
// who might try. What worked is the table in docs/kms-policy.md: with UPDATE=1 it is written, else compared.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Hypervisor } from "../forged_document.mjs";
import { redoubt, root as tree, run, up } from "../lib.mjs";
import { accounts, arns, attacks, attempt, measured, target, World } from "./key_policy_world.mjs";

const document = path.join(tree, "docs/kms-policy.md");
const vectorsFile = path.join(tree, "deploy/cdk/test/key_policy_vectors.json");
const update = process.env.UPDATE === "1";
let system, world, hypervisor;
before(async () => {
  system = await up();
  world = await World.of(system.ready());
  hypervisor = await Hypervisor.of(system.ready());
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const file = (name, text) => {
  const made = path.join(system.folder, name);
  fs.writeFileSync(made, text);
  return made;
};
const cli = (...args) => run(redoubt, ["manifest", ...args]);
async function said(...args) {
  const { code, stdout, stderr } = await cli(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}
const manifest = (name, min_epoch) => file(name, JSON.stringify({ redoubt_manifest: 1, min_epoch, kms_keys: ["vault", "reference"].map((purpose) =>
  ({ arn: `arn:aws:kms:eu-west-1:${accounts.keys}:key/${purpose}-1`, purpose })) }));
const image = (name, more = {}) => file(name, JSON.stringify({ Measurements: { HashAlgorithm: "Sha384 { ... }", PCR0: measured(name), ...more } }));
const people = ["--administrator", arns.keyAdministrator, "--auditor", arns.auditor, "--user", arns.host, "--user", arns.canary];
const pcr16 = async (file) => JSON.parse(await said("digest", file, "--json")).pcr16;

// Who attacks; `pcrs` is what the enclave measures whose attestation is shown to KMS.
const askers = (one, two) => [
  ["root user of the keys' account", `arn:aws:iam::${accounts.keys}:root`],
  ["key administrator", arns.keyAdministrator],
  ["auditor", arns.auditor],
  ["a developer in the keys' account", arns.keyStranger],
  ["hosts' role, no attestation", arns.host],
  ["hosts' role, enclave of pair 1", arns.host, one],
  ["hosts' role, enclave of pair 2", arns.host, two],
  ["hosts' role, image of pair 1 with manifest of pair 2", arns.host, { 0: one[0], 16: two[16] }],
  ["hosts' role, another image", arns.host, { 0: measured("another image"), 16: one[16] }],
  ["hosts' role, another manifest", arns.host, { 0: one[0], 16: measured("another manifest") }],
  ["hosts' role, no manifest taken", arns.host, { 0: one[0] }],
  ["hosts' role, debug enclave", arns.host, { 16: one[16] }],
  ["canary's role, no attestation", arns.canary],
  ["canary's role, enclave of pair 1", arns.canary, one],
  ["Lambda's role", arns.lambda],
  ["Lambda's role, enclave of pair 1", arns.lambda, one],
  ["who had a grant before", arns.grantee],
  ["who had a grant before, enclave of pair 1", arns.grantee, one],
  ["a developer in the hosts' account", arns.hostStranger],
  ["a developer in the hosts' account, enclave of pair 1", arns.hostStranger, one],
  ["root user of the hosts' account", `arn:aws:iam::${accounts.hosts}:root`],
  ["root user of another account", `arn:aws:iam::${accounts.strangers}:root`],
  ["a developer in another account, enclave of pair 1", arns.stranger, one],
];

async function attackAll(policy, pairs) {
  const key = await target(world, policy);
  const rows = [];
  for (const [who, arn, pcrs] of askers(...pairs)) {
    const recipient = pcrs && (await hypervisor.recipient(pcrs));
    const worked = [];
    for (const [name, attack] of Object.entries(attacks))
      if (await attempt(world, attack, arn, key, recipient)) worked.push(name);
    rows.push({ who, arn, pcrs, worked });
  }
  return rows;
}
const tableOf = (rows) => [`| who | ${Object.keys(attacks).join(" | ")} |`, `|---|${"---|".repeat(Object.keys(attacks).length)}`,
  ...rows.map(({ who, worked }) => `| ${who} | ${Object.keys(attacks).map((name) => (worked.includes(name) ? "**yes**" : "no")).join(" | ")} |`)].join("\n");

function compareWithDocument(name, table) {
  const text = fs.readFileSync(document, "utf8");
  const [begin, end] = [`<!-- table: ${name} -->\n`, "\n<!-- end of table -->"];
  const from = text.indexOf(begin) + begin.length, to = text.indexOf(end, from);
  assert.ok(from >= begin.length && to > from, `docs/kms-policy.md has no place for the table "${name}"`);
  if (update) fs.writeFileSync(document, text.slice(0, from) + table + text.slice(to));
  else assert.equal(text.slice(from, to), table, "docs/kms-policy.md says otherwise; UPDATE=1 writes it");
}
const can = (rows, who) => rows.find((row) => row.who === who).worked;
// What must hold whatever the table says.
function assertHolds(rows, opened, { encryptor = [] } = {}) {
  const administers = ["DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "DisableKey", "ScheduleKeyDeletion"];
  for (const { who, worked } of rows) {
    const expected = who === "key administrator" ? administers : who === "auditor" ? ["DescribeKey", "GetKeyPolicy"]
      : who.startsWith("who had a grant before") ? ["DescribeKey"] // of what the grant allowed, all that is left
      : opened.includes(who) ? ["Decrypt", "GenerateDataKey"] : encryptor.includes(who) ? ["Encrypt"] : [];
    assert.deepEqual(worked, expected, who);
  }
}

// The evaluator's answers, offline, against what KMS did.
async function assertEvaluatorAgrees(policyFile, rows) {
  const others = ["--principal", arns.lambda, "--principal", arns.keyStranger, "--principal", arns.hostStranger, "--principal", arns.stranger,
    "--principal", `arn:aws:iam::${accounts.hosts}:root`, "--principal", `arn:aws:iam::${accounts.strangers}:root`];
  const told = JSON.parse(await said("kms-policy", "--who-can", policyFile, "--all", "--json", ...others));
  assert.equal(told.key_account, accounts.keys);
  let compared = 0;
  for (const { arn, pcrs, worked, who } of rows) {
    if (arn === arns.grantee) continue; // a grant is no part of a policy
    const state = told.attestations.find(({ registers }) => registers.pcr0 === pcrs?.[0] && registers.pcr16 === pcrs?.[16]);
    if (state === undefined) continue; // values that the evaluator did not choose
    for (const [name, { action, recipient }] of Object.entries(attacks)) {
      const row = told.rows.find((each) => each.principal === arn && each.action === action);
      const cell = row.by_attestation[recipient ? state.name : "none"];
      assert.equal(cell.allowed, worked.includes(name), `${who}: ${name}: ${cell.why}`);
      ++compared;
    }
  }
  assert.ok(compared >= 150, `${compared} cells compared`);
}

test("a vault key's policy of one pair lets its enclave in and nobody else", async () => {
  const m1 = manifest("m1.json", 1), pairs = [{ 0: measured("i1.json"), 16: await pcr16(m1) }, { 0: measured("i2.json"), 16: await pcr16(manifest("m2.json", 2)) }];
  const policy = file("one.json", await said("kms-policy", m1, "--measurements", image("i1.json"), ...people));
  const rows = await attackAll(fs.readFileSync(policy, "utf8"), pairs);
  assertHolds(rows, ["hosts' role, enclave of pair 1", "canary's role, enclave of pair 1"]);
  compareWithDocument("one pair", tableOf(rows));
  await assertEvaluatorAgrees(policy, rows);
});

test("a vault key's policy of two pairs lets both enclaves in, and no mixture", async () => {
  const [m1, m2] = [manifest("m1.json", 1), manifest("m2.json", 2)];
  const pairs = [{ 0: measured("i1.json"), 16: await pcr16(m1) }, { 0: measured("i2.json"), 16: await pcr16(m2) }];
  const policy = file("two.json", await said("kms-policy", m1, "--measurements", image("i1.json"), "--measurements", image("i2.json"),
    "--manifest", m1, "--manifest", m2, ...people));
  assert.equal(await said("kms-policy", m1, "--pair", measured("i1.json"), "--pair", `${measured("i2.json")},${pairs[1][16]}`, ...people),
    fs.readFileSync(policy, "utf8"), "the same by value");
  const rows = await attackAll(fs.readFileSync(policy, "utf8"), pairs);
  assertHolds(rows, ["hosts' role, enclave of pair 1", "hosts' role, enclave of pair 2", "canary's role, enclave of pair 1"]);
  compareWithDocument("two pairs", tableOf(rows));
  await assertEvaluatorAgrees(policy, rows);
  // The pair that is left out is denied at once.
  const later = fs.readFileSync(file("later.json", await said("kms-policy", m2, "--measurements", image("i2.json"), ...people)), "utf8");
  assertHolds(await attackAll(later, pairs), ["hosts' role, enclave of pair 2"]);
});

test("a reference key's policy lets the Lambda encrypt and the enclave open", async () => {
  const m1 = manifest("m1.json", 1), pairs = [{ 0: measured("i1.json"), 16: await pcr16(m1) }, { 0: measured("i2.json"), 16: measured("m") }];
  const policy = file("reference.json", await said("kms-policy", m1, "--purpose", "reference", "--measurements", image("i1.json"), ...people,
    "--encryptor", arns.lambda));
  const rows = await attackAll(fs.readFileSync(policy, "utf8"), pairs);
  assertHolds(rows, ["hosts' role, enclave of pair 1", "canary's role, enclave of pair 1"], { encryptor: ["Lambda's role", "Lambda's role, enclave of pair 1"] });
  compareWithDocument("reference key", tableOf(rows));
  await assertEvaluatorAgrees(policy, rows);
});

test("a closed key opens for nobody, and its administrator can open it", async () => {
  const pairs = [{ 0: measured("i1.json"), 16: measured("m1") }, { 0: measured("i2.json"), 16: measured("m2") }];
  const rows = await attackAll(await said("kms-policy", "--closed", "--administrator", arns.keyAdministrator, "--auditor", arns.auditor), pairs);
  assertHolds(rows, []);
});

test("role, instance and signer are pinned beside the pair where asked for", async () => {
  const m1 = manifest("m1.json", 1), id = "i-0123456789abcdef0";
  const extended = (text) => crypto.createHash("sha384").update(Buffer.alloc(48)).update(text).digest("hex");
  const signer = measured("certificate"), signed = image("signed.json", { PCR8: signer });
  const policy = await said("kms-policy", m1, "--measurements", signed, "--pin-signer", "--pin-user-role", "--instance", id, "--administrator", arns.keyAdministrator,
    "--user", arns.host);
  const key = await target(world, policy);
  const right = { 0: measured("signed.json"), 16: await pcr16(m1), 3: extended(arns.host), 4: extended(id), 8: signer };
  const opens = async (pcrs) => attempt(world, attacks.Decrypt, arns.host, key, await hypervisor.recipient(pcrs));
  assert.equal(await opens(right), true);
  for (const wrong of [3, 4, 8]) {
    assert.equal(await opens({ ...right, [wrong]: measured("other") }), false, `PCR${wrong}`);
    const { [wrong]: _, ...without } = right;
    assert.equal(await opens(without), false, `no PCR${wrong}`);
  }
});

test("what is written has nothing for the lint to find, and what weakens it is found", async () => {
  const m1 = manifest("m1.json", 1);
  const written = (await said("kms-policy", m1, "--measurements", image("i1.json"), ...people));
  const lint = async (text, ...more) => {
    const { code, stdout } = await cli("kms-policy", "--lint", file("lint.json", text), "--json", ...more);
    const { clean, findings } = JSON.parse(stdout);
    assert.equal(code, clean ? 0 : 1);
    assert.equal(clean, findings.length === 0);
    return findings.map(({ code }) => code);
  };
  assert.deepEqual(await lint(written), []);
  assert.deepEqual(await lint(await said("kms-policy", "--closed", "--administrator", arns.keyAdministrator)), []);
  assert.deepEqual(await lint(await said("kms-policy", m1, "--purpose", "reference", "--measurements", image("i1.json"), ...people, "--encryptor", arns.lambda),
    "--purpose", "reference"), []);
  // The default policy of KMS, and the AWS sample's.
  const root = { AWS: `arn:aws:iam::${accounts.keys}:root` };
  const all = { Version: "2012-10-17", Statement: [{ Sid: "Root", Effect: "Allow", Principal: root, Action: "kms:*", Resource: "*" }] };
  const codes = await lint(JSON.stringify(all));
  for (const code of ["account-uses", "account-administers", "wildcard-action", "image-not-pinned", "manifest-not-pinned", "allow-planting", "allow-grants",
    "administers-and-uses", "image-not-denied", "manifest-not-denied", "planting-not-denied", "grants-not-denied", "copies-not-denied", "use-not-limited", "change-not-denied"])
    assert.ok(codes.includes(code), code);
});

test("principals that would do both, and measurements that pin nothing, are refused", async () => {
  const m1 = manifest("m1.json", 1), i1 = image("i1.json"), zeros = "00".repeat(48), one = measured("one");
  const refused = async (pattern, ...args) => {
    const { code, stdout, stderr } = await cli("kms-policy", ...args);
    assert.equal(code, 2, stdout + stderr);
    assert.match(stderr, pattern);
    assert.equal(stdout, "");
  };
  const admin = ["--administrator", arns.keyAdministrator], user = ["--user", arns.host];
  await refused(/must not use it/, m1, "--measurements", i1, ...admin, "--user", arns.keyAdministrator);
  await refused(/must not encrypt with it/, m1, "--purpose", "reference", "--pair", one, ...admin, ...user, "--encryptor", arns.keyAdministrator);
  await refused(/could plant keys/, m1, "--purpose", "reference", "--pair", one, ...admin, ...user, "--encryptor", arns.host);
  await refused(/nobody may encrypt under a vault/, m1, "--pair", one, ...admin, ...user, "--encryptor", arns.lambda);
  await refused(/debug enclave/, m1, "--pair", zeros, ...admin, ...user);
  await said("kms-policy", m1, "--pair", zeros, ...admin, ...user, "--development");
  await refused(/took no manifest/, "--pair", `${one},${zeros}`, ...admin, ...user);
  await refused(/of the key's own account/, m1, "--pair", one, "--administrator", arns.hostStranger, ...user);
  await refused(/root stands for everybody/, m1, "--pair", one, ...admin, "--user", `arn:aws:iam::${accounts.hosts}:root`);
  await refused(/without an administrator/, m1, "--pair", one, ...user);
  await refused(/name the hosts' role/, m1, "--pair", one, ...admin);
  await refused(/full ARN/, m1, "--pair", one, ...admin, "--user", "arn:aws:iam::444455556666:role/*");
  await refused(/full ARN/, m1, "--pair", one, ...admin, "--user", "arn:aws:sts::444455556666:assumed-role/redoubt-host/i-1");
  await refused(/named twice/, m1, "--pair", one, "--pair", one, ...admin, ...user);
  await refused(/--closed/, m1, ...admin, ...user);
  await refused(/closed key has no pairs/, m1, "--closed", "--pair", one, ...admin, ...user);
  await refused(/96 hexadecimal/, m1, "--pair", "abc", ...admin, ...user);
  await refused(/no PCR8/, m1, "--measurements", i1, "--pin-signer", ...admin, ...user);
  await refused(/one for each/, m1, "--measurements", i1, "--measurements", image("i2.json"), "--manifest", m1, ...admin, ...user);
});

test("the CDK app's own renderer is held to the program's bytes", async () => {
  const vectors = JSON.parse(fs.readFileSync(vectorsFile, "utf8"));
  assert.ok(vectors.length >= 6);
  for (const vector of vectors) {
    const { name, purpose, administrators, users = [], encryptors = [], auditors = [], pairs, manifests = [], pcr3 = [], pcr4 = [], pcr8 } = vector;
    const each = (option, values) => values.flatMap((value) => [option, value]);
    const sealed = manifests.map((text, i) => file(`vector-${i}.json`, text));
    for (const [i, made] of sealed.entries()) assert.equal(await pcr16(made), pairs[i].pcr16, `${name}: PCR16 of manifest ${i}`);
    const policy = await said("kms-policy", "--purpose", purpose, ...each("--administrator", administrators), ...each("--user", users), ...each("--encryptor", encryptors),
      ...each("--auditor", auditors), ...each("--pair", pairs.map((pair) => `${pair.pcr0},${pair.pcr16}`)), ...(pairs.length === 0 ? ["--closed"] : []),
      ...each("--pcr3", pcr3), ...each("--pcr4", pcr4), ...(pcr8 ? ["--pcr8", pcr8] : []));
    if (update) vector.policy = policy.trimEnd();
    else assert.equal(policy, `${vector.policy}\n`, name);
  }
  if (update) fs.writeFileSync(vectorsFile, `${JSON.stringify(vectors, null, 2)}\n`);
});
