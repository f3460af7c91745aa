// SPDX-License-Identifier: Apache-2.0
// What an auditor does with the command line: verify what an enclave attests, review manifests, and pin them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { keyPolicy } from "../cloud.mjs";
import { redoubt, run, up } from "../lib.mjs";

let system, ready, manifest;
before(async () => {
  system = await up();
  ready = system.ready();
  manifest = path.join(system.folder, "manifest.json");
});
after(async () => {
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

const cli = (...args) => run(redoubt, args, { env: { PATH: process.env.PATH } });
const verify = (...args) => cli("attestation", "verify", ...args);
const where = () => ["--gateway", ready.gateway, "--ca", ready.ca_cert];
const pinned = () => ["--pcr", `0=${ready.pcr0}`, "--manifest", manifest, "--root", ready.attestation_root, "--allow-other-root"];
const failedOf = (result) => JSON.parse(result.stdout).checks.filter((check) => check.result === "failed").map((check) => check.name);

test("a running system verifies with both pins, and names its one exception", async () => {
  const said = await verify(...where(), ...pinned());
  assert.equal(said.code, 0, said.stdout + said.stderr);
  assert.match(said.stdout, /^EXCEPTION {2}--allow-other-root$/m);
  assert.match(said.stdout, /^purpose +ok +identity/m);
  const json = JSON.parse((await verify("--ready-file", system.readyFile, "--allow-other-root", "--json")).stdout);
  assert.deepEqual([json.ok, json.exceptions, json.pcrs[0], json.pcrs[16]], [true, ["other-root"], ready.pcr0, ready.pcr16]);
  assert.equal(json.checks.length, 9);
});

test("what is missing or wrong fails its own check, with exit code 3", async () => {
  const other = "ab".repeat(48), without = (name) => pinned().filter((_, i, all) => all[i] !== name && all[i - 1] !== name);
  for (const [what, args, check] of [
    ["AWS's root", without("--root"), "root"],
    ["a root that is not AWS's, unsaid", without("--root").filter((a) => a !== "--allow-other-root").concat("--root", ready.attestation_root), "root"],
    ["no image", without("--pcr"), "pcrs"],
    ["no manifest", without("--manifest"), "pcrs"],
    ["another image, whatever is allowed", [...without("--pcr"), "--pcr", `0=${other}`, "--allow-unpinned"], "pcrs"],
    ["one more pin", [...pinned(), "--pcr", `8=${other}`], "pcrs"],
    ["another purpose", [...pinned(), "--purpose", "key-statement"], "purpose"],
    ["last year", [...pinned(), "--at", String(Date.now() - 366 * 86_400_000)], "time"],
  ]) {
    const said = await verify(...where(), ...args, "--json");
    assert.equal(said.code, 3, `${what}: ${said.stdout}${said.stderr}`);
    assert.deepEqual(failedOf(said), [check], what);
  }
  const unpinned = await verify(...where(), ...without("--pcr"), "--allow-unpinned");
  assert.equal(unpinned.code, 0, unpinned.stdout);
  assert.match(unpinned.stdout, /EXCEPTION {2}--allow-unpinned/);
});

test("a stored document verifies from a file and from standard input, for its nonce or its age alone", async () => {
  const nonce = "0a0b0c";
  const { body } = await system.json("GET", `/v1/attestation?nonce=${nonce}`);
  const file = path.join(system.folder, "document");
  fs.writeFileSync(file, Buffer.from(body.attestation, "base64"));
  fs.writeFileSync(file + ".txt", body.attestation.replace(/(.{76})/g, "$1\n") + "\n");
  assert.deepEqual(failedOf(await verify(file, ...pinned(), "--json")), ["freshness"]);
  for (const args of [["--nonce", nonce], ["--max-age", "60"], ["--nonce", nonce, "--max-age", "60", "--purpose", "identity"], ["--allow-any-nonce"]])
    for (const source of [file, file + ".txt"])
      assert.equal((await verify(source, ...pinned(), ...args)).code, 0, args.join(" "));
  const input = fs.openSync(file + ".txt", "r");
  assert.equal((await run(redoubt, ["attestation", "verify", "-", ...pinned(), "--nonce", nonce], { stdio: [input, "pipe", "pipe"] })).code, 0);
  fs.closeSync(input);
  assert.equal((await verify(file, ...pinned(), "--nonce", "0a0b0d", "--allow-any-nonce")).code, 3);
  assert.equal((await verify(file, ...pinned(), "--max-age", "5", "--at", String(Date.now() + 65_000))).code, 3);
  fs.writeFileSync(file, "no document");
  assert.equal((await verify(file, ...pinned(), "--nonce", nonce)).code, 3);
});

test("wrong usage is exit code 2 and says what to do", async () => {
  for (const args of [[], ["x", "--pcr", "0=12"], ["x", "--pcr", `32=${"ab".repeat(48)}`], ["x", "--nonce", "zz"], ["--nothing"],
    ["x", "--pcr", `0=${"ab".repeat(48)}`, "--pcr", `0=${"cd".repeat(48)}`]]) {
    const said = await verify(...args);
    assert.equal(said.code, 2, args.join(" ") + said.stdout + said.stderr);
    assert.ok(said.stderr.length + said.stdout.length > 20);
  }
  assert.equal((await verify("/nonexistent", ...pinned())).code, 1);
});

test("a manifest is written, checked, digested and compared", async () => {
  const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const [one, two] = ["one.json", "two.json"].map((name) => path.join(system.folder, name));
  const common = ["manifest", "init", "--kms-key", arn, "--owner", `alice:ed25519:${"11".repeat(32)}`, "--authority", "signer.example"];
  assert.equal((await cli(...common, "--out", one)).code, 0);
  assert.equal((await cli(...common, "--require-policy", "--min-epoch", "2", "--out", two)).code, 0);
  const checked = JSON.parse((await cli("manifest", "check", one, "--json")).stdout);
  assert.equal(checked.valid, true);
  assert.ok(checked.warnings.some((warning) => warning.startsWith("require_policy is false")));
  assert.deepEqual(JSON.parse((await cli("manifest", "digest", one, "--json")).stdout), { digest: checked.digest, pcr16: checked.pcr16 });
  const differ = await cli("manifest", "diff", one, two, "--json");
  assert.equal(differ.code, 1);
  assert.deepEqual(JSON.parse(differ.stdout).changes.map((change) => [change.path, change.before, change.after]),
    [["min_epoch", "1", "2"], ["require_policy", "false", "true"]]);
  fs.writeFileSync(two, JSON.stringify(JSON.parse(fs.readFileSync(one, "utf8")), null, 2));
  assert.equal((await cli("manifest", "diff", one, two)).code, 0, "white space changes nothing");
  fs.writeFileSync(two, `{"redoubt_manifest":1,"kms_keys":[],"extra":1}`);
  const refused = await cli("manifest", "check", two);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /does not know/);
  assert.equal((await cli(...common, "--owner", "bob:rsa:00")).code, 1);
});

test("the manifest's digest is what the enclave measured, and the policy rendered for it is the one KMS has", async () => {
  assert.equal(JSON.parse((await cli("manifest", "digest", manifest, "--json")).stdout).pcr16, ready.pcr16);
  for (const [purpose, arn] of [["vault", ready.kms_key_arn], ["reference", ready.reference_kms_key_arn]]) {
    const account = arn.split(":")[4];
    const said = await cli("manifest", "kms-policy", manifest, "--purpose", purpose, "--pcr0", ready.pcr0,
      "--administrator", `arn:aws:iam::${account}:root`, "--user", `arn:aws:iam::${account}:role/redoubt-instance`, "--development",
      ...(purpose === "reference" ? ["--encryptor", `arn:aws:iam::${account}:root`] : []));
    assert.equal(said.code, 0, said.stderr);
    assert.deepEqual(JSON.parse(said.stdout), JSON.parse(await keyPolicy(ready, arn)));
  }
  const zeros = await cli("manifest", "kms-policy", manifest, "--pcr0", "00".repeat(48), "--administrator", "arn:aws:iam::1:root", "--user", "arn:aws:iam::1:role/x");
  assert.equal(zeros.code, 2);
});
