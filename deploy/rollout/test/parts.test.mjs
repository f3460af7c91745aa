// SPDX-License-Identifier: Apache-2.0
// The parts that decide without asking anybody: plans, what a policy lets in, what a manifest locks out, the state file.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import { canonicalPolicy } from "../canonical.mjs";
import { lockedOut, unnamedKeys } from "../lockout.mjs";
import { readPlan } from "../plan.mjs";
import { pairsOf } from "../policies.mjs";
import { lock, readState, writeState } from "../state.mjs";
import { instanceOf, vaultsBehind } from "../survey.mjs";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-rollout-parts-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, "plan.json");
const read = (plan) => {
  fs.writeFileSync(file, JSON.stringify(plan));
  return readPlan(file);
};
const examples = [...fs.readFileSync(new URL("../../../docs/rollout.md", import.meta.url), "utf8").matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text));

test("the documentation's plans are plans", () => {
  assert.deepEqual(examples.map((plan) => read(plan).fleet.kind), ["auto-scaling", "hosts"]);
  assert.equal(read(examples[0]).new.image, path.join(folder, "redoubt-2.eif"));
});

test("a plan that lacks a member, has one too many, or contradicts itself is refused", () => {
  const [group, hosts] = examples;
  const change = (plan, where, value) => {
    const copy = structuredClone(plan), names = where.split("."), last = names.pop();
    const holder = names.reduce((one, name) => one[name], copy);
    if (value === undefined) delete holder[last];
    else holder[last] = value;
    return copy;
  };
  for (const [plan, where, value, sentence] of [
    [group, "rollout", 2, /none for its member: rollout/], [group, "keys", undefined, /lacks a member: keys/], [group, "keys", [], /keys/],
    [group, "keys", [group.keys[0], group.keys[0]], /named twice/], [group, "keys", ["alias/x"], /keys/], [group, "colour", "red", /not known: colour/],
    [group, "fleet.colour", "red", /not known: fleet.colour/], [group, "old.pcr0", "0".repeat(96), /one of them/], [group, "old.image", undefined, /one of them/],
    [group, "old", [], /no object/], [group, "policy.users", [], /policy.users/], [group, "policy.development", true, /only for another KMS/],
    [group, "service.attestation_root", "root.pem", /only for another KMS/], [group, "service.url", undefined, /where clients reach/],
    [group, "service.url", "http://signer.example", /service.url/], [group, "service.client_key", "k.pem", /certificate/],
    [group, "fleet.new_version", "7", /is the old one/], [group, "fleet.old_version", "$Latest", /old_version/], [group, "fleet.old_version", "group", /old_version/],
    [group, "fleet.kind", "docker", /kind/], [group, "fleet.min_healthy_percentage", 50, /at most 100 between/], [group, "waits", { poll_seconds: 0 }, /poll_seconds/],
    [group, "kms", { put: "magic" }, /kms.put/], [group, "kms", { endpoint: "https://kms.eu-west-1.amazonaws.com" }, /AWS's own KMS/],
    [group, "kms", { endpoint: "https://KMS.cn-north-1.AMAZONAWS.com.cn.:443/x" }, /AWS's own/], [group, "kms", { endpoint: "http://kms.eusc-de-east-1.amazonaws.eu" }, /AWS's own/],
    [group, "kms", { endpoint: "https://kms.eu-west-1.api.aws" }, /AWS's own/], [hosts, "fleet.hosts.1.name", "a", /same name/], [hosts, "fleet.hosts.1.url", "https://10.0.1.10:8443", /same url/],
    [hosts, "fleet.hosts.0.replace", "install a", /replace/], [hosts, "service", { url: "https://signer.example" }, /own URL/], [hosts, "new.expected_pcr0", "7d", /expected_pcr0/],
  ])
    assert.throws(() => read(change(plan, where, value)), (error) => error.exitCode === 2 && sentence.test(error.message), `${where} ${value}`);
});

const hex = (digit) => digit.repeat(96);
const allow = (condition, action = ["kms:Decrypt", "kms:GenerateDataKey"]) => ({ Effect: "Allow", Principal: { AWS: "*" }, Action: action, Resource: "*", ...(condition && { Condition: condition }) });
const policy = (...statements) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

test("what a policy lets in is told, also where nobody meant it", () => {
  const pinned = (image, manifest, operator = "StringEqualsIgnoreCase") => ({ [operator]: { "kms:RecipientAttestation:ImageSha384": image, "kms:RecipientAttestation:PCR16": manifest } });
  assert.deepEqual(pairsOf(policy(allow(pinned(hex("A"), hex("b"))), allow(undefined, "kms:PutKeyPolicy"), allow(undefined, "kms:De*cribeKey"))), { pairs: [{ pcr0: hex("a"), pcr16: hex("b") }], unmeasured: [] });
  assert.equal(pairsOf(policy(allow(pinned([hex("a"), hex("c")], [hex("b")])))).pairs.length, 2);
  for (const open of [allow(), allow(undefined, "kms:*"), allow(undefined, "*"), allow(undefined, "kms:Decrypt"), allow(undefined, "kms:Gen*Key"), allow(undefined, ["kms:Encrypt", "KMS:D?crypt"]), { ...allow(), Action: undefined, NotAction: "kms:Encrypt" },
    allow({ StringEquals: { "kms:RecipientAttestation:PCR0": hex("a") } }), allow(pinned(hex("a"), hex("b"), "StringLike")), allow(pinned(hex("a"), hex("b"), "StringEqualsIfExists"))])
    assert.deepEqual(pairsOf(policy(open)).unmeasured, ["statement 1"], JSON.stringify(open));
});

test("policies that mean the same are the same, whatever their order, and others are not", () => {
  const one = policy({ Effect: "Allow", Principal: { AWS: ["b", "a"] }, Action: "kms:Decrypt", Resource: "*" });
  assert.equal(canonicalPolicy(one), canonicalPolicy(policy({ Resource: ["*"], Action: ["kms:Decrypt"], Principal: { AWS: ["a", "b"] }, Effect: "Allow" })));
  assert.notEqual(canonicalPolicy(one), canonicalPolicy(policy({ Effect: "Allow", Principal: { AWS: ["a"] }, Action: "kms:Decrypt", Resource: "*" })));
  assert.notEqual(canonicalPolicy(policy(allow(), { Effect: "Deny" })), canonicalPolicy(policy({ Effect: "Deny" }, allow())), "statements have an order");
});

test("a manifest that does not open what is there is found out", () => {
  const vault = { vault_id: "vault-1", epoch: 3, vault_commitment: "ab", kms_keys: ["arn:1", "arn:2"], used: true };
  const manifest = { keys: [{ arn: "arn:2", purpose: "vault" }], minEpoch: 3, commitments: {} };
  assert.deepEqual(lockedOut([vault], manifest), []);
  assert.deepEqual(lockedOut([vault], { ...manifest, commitments: { "vault-1": "AB" } }), []);
  for (const [change, why] of [[{ minEpoch: 4 }, /min_epoch 4/], [{ commitments: { "vault-2": "ab" } }, /does not list it/], [{ commitments: { "vault-1": "cd" } }, /another commitment/],
    [{ keys: [{ arn: "arn:2", purpose: "reference" }] }, /wrapped under none/], [{ keys: [{ arn: "arn:3", purpose: "vault" }] }, /wrapped under none/]]) {
    const [out] = lockedOut([vault], { ...manifest, ...change });
    assert.match(out.why, why);
    assert.equal(out.used, true);
  }
  const plan = { keys: ["arn:2"] };
  assert.deepEqual(unnamedKeys(plan, manifest, manifest), []);
  assert.equal(unnamedKeys(plan, manifest, { keys: [{ arn: "arn:2", purpose: "reference" }] }).length, 2, "another purpose");
  assert.equal(unnamedKeys({ keys: ["arn:2", "arn:9"] }, manifest, manifest).length, 1);
});

test("a state file is whole or not there, and worked on by one process", async () => {
  const state = path.join(folder, "s.json");
  assert.equal(readState(state), undefined);
  writeState(state, { rollout_state: 1, step: "examine" });
  writeState(state, { rollout_state: 1, step: "replace" });
  assert.equal(readState(state).step, "replace");
  assert.deepEqual(fs.readdirSync(folder).filter((name) => name.startsWith("s.json")), ["s.json"]);
  const held = await lock(state);
  await assert.rejects(lock(state), /another process/);
  await new Promise((resolve) => held.close(resolve));
  (await lock(state)).close();
  for (const text of ["", "{", '{"rollout_state":2}', "[]"]) {
    fs.writeFileSync(state, text);
    assert.throws(() => readState(state), (error) => error.exitCode === 1);
  }
});

test("a host is not believed whose certificate is nobody's, whatever the environment says, nor over an old TLS", async (t) => {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${folder}/tls.key`, "-out", `${folder}/tls.pem`, "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" });
  const asked = [], [key, cert] = ["key", "pem"].map((name) => fs.readFileSync(`${folder}/tls.${name}`));
  const listening = async (options) => {
    const server = https.createServer({ key, cert, ...options }, (request, answer) => (asked.push(request.url), answer.writeHead(404).end())).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    return `https://localhost:${server.address().port}`;
  };
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  const url = await listening({});
  await assert.rejects(vaultsBehind({}, url), /does not answer.*self-signed/s);
  const { DEFAULT_MIN_VERSION } = tls;
  tls.DEFAULT_MIN_VERSION = "TLSv1";
  t.after(() => (tls.DEFAULT_MIN_VERSION = DEFAULT_MIN_VERSION));
  const old = await listening({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" });
  await assert.rejects(vaultsBehind({ ca: `${folder}/tls.pem` }, old), /does not answer/);
  assert.deepEqual(asked, []);
  await assert.rejects(vaultsBehind({ ca: `${folder}/tls.pem` }, url), /refuses/);
  assert.deepEqual(asked, ["/v1/vaults"]);
});

test("the instance stands in front of the enclave's part of a module id", () => {
  assert.equal(instanceOf("i-0123456789abcdef0-enc01a2281de6b10262"), "i-0123456789abcdef0");
});
