// SPDX-License-Identifier: Apache-2.0
// redoubt doctor against the whole system: all well, and then one thing broken at a time.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { DisableKeyCommand, EnableKeyCommand } from "@aws-sdk/client-kms";
import { keyPolicy, kms, setKeyPolicy } from "../cloud.mjs";
import { redoubt, run, until, up } from "../lib.mjs";

let system, ready;
before(async () => {
  system = await up();
  ready = system.ready();
});
after(async () => {
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

async function doctor(...args) {
  const result = await run(redoubt, ["doctor", "--json", "--ready-file", system.readyFile, "--timeout-ms", "2000", ...args],
    { env: { PATH: process.env.PATH } });
  const report = JSON.parse(result.stdout);
  assert.equal(result.code, report.ok ? 0 : 1, result.stdout + result.stderr);
  for (const secret of [ready.secret_access_key, "SecretAccessKey"])
    assert.ok(!(result.stdout + result.stderr).includes(secret), "no secret is printed");
  return { ...report, stderr: result.stderr,
    failing: report.checks.filter(({ status }) => status === "fail"),
    of: (check, subject) => report.checks.filter((c) => c.check === check && (!subject || c.subject === subject)) };
}

// Exactly these checks fail, and each says what to change.
function assertFails(report, ...checks) {
  assert.deepEqual([...new Set(report.failing.map(({ check }) => check))].sort(), checks.sort(),
    JSON.stringify(report.failing, null, 1));
  for (const finding of report.failing) assert.ok(finding.change, `${finding.check} says what to change`);
}

test("all is well with what redoubt up starts", async () => {
  const report = await doctor();
  assertFails(report);
  for (const { check, status, sentence } of report.checks)
    if (check.startsWith("nitro-")) assert.match(sentence, /^process mode/);
    else assert.equal(status, "ok", `${check}: ${sentence}`);
  for (const check of ["manifest", "gateway-certificate", "gateway-health", "gateway-vaults", "attestation", "attestation-pcr0",
    "attestation-pcr16", "vsock-proxy", "kms-reachable", "clock", "secrets-reachable", "credentials", "identity", "kms-key",
    "kms-policy", "store", "store-records", "store-vaults"])
    assert.ok(report.of(check).length >= 1, `${check} is checked`);
  assert.match(report.of("identity")[0].sentence, /assumed-role\/redoubt-instance\//);
  assert.match(report.stderr, /doctor: asking/);
});

test("for people it writes a line a check, and progress elsewhere", async () => {
  const result = await run(redoubt, ["doctor", "--ready-file", system.readyFile], { env: { PATH: process.env.PATH } });
  assert.equal(result.code, 0);
  assert.match(result.stdout, /^ok {7}kms-policy {11}arn:/m);
  const quiet = await run(redoubt, ["doctor", "--quiet", "--ready-file", system.readyFile], { env: { PATH: process.env.PATH } });
  assert.equal(quiet.stderr, "");
});

test("with nothing named it says what it needs", async () => {
  const result = await run(redoubt, ["doctor"], { env: { PATH: process.env.PATH } });
  assert.equal(result.code, 2);
  assert.match(result.stderr, /--ready-file/);
  assert.match(result.stderr, /--manifest/);
});

test("a key policy for another image or manifest is found, with both values", async () => {
  const arn = ready.kms_key_arn;
  const good = await keyPolicy(ready, arn);
  for (const [value, name] of [[ready.pcr0, "PCR0"], [ready.pcr16, "PCR16"]]) {
    const other = "ab".repeat(48);
    await setKeyPolicy(ready, arn, good.replaceAll(value, other));
    const report = await doctor();
    assertFails(report, "kms-policy");
    for (const { subject } of report.failing) assert.equal(subject, arn);
    const sentences = report.failing.map(({ sentence }) => sentence).join("\n");
    assert.ok(sentences.includes(`it names ${name} ${other.slice(0, 16)}…, but the enclave measures ${value.slice(0, 16)}…`), sentences);
    assert.ok(!sentences.includes(name === "PCR0" ? "PCR16" : "PCR0 "), sentences);
  }
  const open = JSON.parse(good);
  open.Statement = open.Statement.filter(({ Effect }) => Effect === "Allow");
  await setKeyPolicy(ready, arn, JSON.stringify(open));
  const sentences = (await doctor()).failing.map(({ sentence }) => sentence).join("\n");
  assert.match(sentences, /no statement denies other images/);
  assert.match(sentences, /no statement denies other manifests/);
  assert.match(sentences, /no statement denies everybody kms:Encrypt/);
  await setKeyPolicy(ready, arn, good);
  assertFails(await doctor());
});

test("a disabled key is found", async () => {
  await kms(ready).send(new DisableKeyCommand({ KeyId: ready.kms_key_arn }));
  const report = await doctor();
  await kms(ready).send(new EnableKeyCommand({ KeyId: ready.kms_key_arn }));
  assertFails(report, "kms-key");
  assert.match(report.failing[0].sentence, /disabled/);
  assert.match(report.failing[0].change, /enable-key/);
});

test("another manifest than the one in force is found", async () => {
  const file = path.join(system.folder, "other-manifest.json");
  const manifest = JSON.parse(fs.readFileSync(path.join(system.folder, "manifest.json"), "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...manifest, min_epoch: 2 }));
  const report = await doctor("--manifest", file);
  assertFails(report, "manifest", "manifest-in-force", "store-records", "store-vaults");
  assert.ok(report.of("manifest")[0].sentence.includes(ready.pcr16.slice(0, 16)));
  fs.writeFileSync(file, JSON.stringify({ ...manifest, redoubt_manifest: 2 }));
  assertFails(await doctor("--manifest", file), "manifest");
});

test("wrong pins and a wrong root are found", async () => {
  const pin = "cd".repeat(48);
  const image = await doctor("--pcr0", pin);
  assertFails(image, "attestation-pcr0");
  assert.ok(image.failing[0].sentence.includes(ready.pcr0.slice(0, 16)) && image.failing[0].sentence.includes(pin.slice(0, 16)));
  assertFails(await doctor("--pcr16", pin), "attestation-pcr16", "manifest");
  assertFails(await doctor("--attestation-root", ready.ca_cert), "attestation");
  assertFails(await doctor("--ca", ready.attestation_root), "gateway-health", "vsock-proxy");
});

test("a damaged store is found", async () => {
  const file = path.join(system.folder, "damaged.db");
  fs.writeFileSync(file, Buffer.alloc(8192, 0x5a));
  assertFails(await doctor("--store", file), "store");
  assertFails(await doctor("--store", path.join(system.folder, "missing.db")), "store");
  assert.ok(!fs.existsSync(path.join(system.folder, "missing.db")), "nothing is created");
});

test("missing credentials are told source by source", async () => {
  const container = await doctor("--credentials", "container");
  assertFails(container, "credentials");
  assert.match(container.of("credentials", "container")[0].sentence, /AWS_CONTAINER_CREDENTIALS_RELATIVE_URI/);
  const imds = await run(redoubt, ["doctor", "--json", "--ready-file", system.readyFile, "--imds-endpoint", "http://127.0.0.1:9"],
    { env: { PATH: process.env.PATH } });
  assert.match(imds.stdout, /"check":"credentials","subject":"imds","status":"fail"/);
});

test("a devcloud that hangs is found, and nothing waits for it twice", async () => {
  const pid = system.ready().pids.devcloud;
  process.kill(pid, "SIGSTOP");
  try {
    const began = Date.now();
    const report = await doctor();
    assert.ok(Date.now() - began < 20_000, "in bounded time");
    assertFails(report, "credentials", "kms-reachable", "secrets-reachable", "vsock-proxy");
    assert.equal(report.of("kms-key", ready.kms_key_arn)[0].status, "skipped");
    assert.match(report.of("kms-reachable")[0].sentence, /gives no answer/);
    assert.equal(report.of("gateway-health")[0].status, "ok", "open vaults go on signing");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until("devcloud is back", async () => (await doctor()).ok);
});

test("a vault that KMS refuses has the gateway's log name the doctor", async () => {
  const good = await keyPolicy(ready, ready.kms_key_arn);
  await setKeyPolicy(ready, ready.kms_key_arn, good.replaceAll(ready.pcr0, "ab".repeat(48)));
  process.kill(system.ready().pids.enclaves[0], "SIGKILL");
  await until("the gateway logs the refusal", () => /"code":"kms_denied"[^\n]*redoubt doctor/.test(system.logs()), 20_000);
  const report = await doctor();
  assert.ok(report.failing.some(({ check }) => check === "gateway-vaults"), JSON.stringify(report.failing));
  assert.ok(report.failing.some(({ check }) => check === "kms-policy"));
  await setKeyPolicy(ready, ready.kms_key_arn, good);
  await until("the vault opens again", async () => (await doctor()).ok, 20_000);
});
