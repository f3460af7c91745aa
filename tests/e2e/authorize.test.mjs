// SPDX-License-Identifier: Apache-2.0
// What owners sign on the command line, as OpenSSL (in Node.js) makes their keys and reads their signatures.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { redoubt, run } from "./lib.mjs";

let folder;
const owners = {};
const at = (name) => path.join(folder, name);
const cli = (...args) => run(redoubt, args, { env: { PATH: process.env.PATH } });
const context = Buffer.from("redoubt authorization v1\n");

function makeOwner(id, kind, options) {
  const { privateKey, publicKey } = crypto.generateKeyPairSync(kind, options);
  fs.writeFileSync(at(`${id}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const jwk = publicKey.export({ format: "jwk" });
  const part = (text) => Buffer.from(text, "base64url").toString("hex");
  owners[id] = { publicKey, privateKey, ed25519: kind === "ed25519",
    hex: kind === "ed25519" ? part(jwk.x) : `04${part(jwk.x)}${part(jwk.y)}` };
}

function verifies(id, document, signature) {
  const message = Buffer.concat([context, Buffer.from(document)]);
  const { publicKey, ed25519 } = owners[id];
  return crypto.verify(ed25519 ? null : "sha256", message, { key: publicKey, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "hex"));
}

async function writeManifest(name, ...more) {
  const made = await cli("manifest", "init", "--kms-key", "arn:aws:kms:eu-west-1:111122223333:key/1234", "--owner", `ada:ed25519:${owners.ada.hex}`,
    "--owner", `bob:ecdsa-p256-sha256:${owners.bob.hex}`, "--out", at(name), ...more);
  assert.equal(made.code, 0, made.stderr);
}

const by = (id, key = id) => ["--manifest", at("manifest.json"), "--owner", id, "--owner-key", at(`${key}.pem`)];

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-e2e-"));
  makeOwner("ada", "ed25519");
  makeOwner("bob", "ec", { namedCurve: "P-256" });
  makeOwner("eve", "ed25519");
  await writeManifest("manifest.json");
  await writeManifest("later.json", "--min-epoch", "2");
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

test("a vault's creation: two owners sign what OpenSSL verifies, and check says it", async () => {
  const begun = Date.now();
  const made = await cli("authorize", "vault-create", "--token", "first", ...by("ada"), "--valid-hours", "24", "--out", at("vault.json"));
  assert.equal(made.code, 0, made.stderr);
  const added = await cli("authorize", "add-signature", at("vault.json"), ...by("bob"));
  assert.equal(added.code, 0, added.stderr);
  const file = JSON.parse(fs.readFileSync(at("vault.json"), "utf8"));
  assert.deepEqual(file.signatures.map((each) => each.owner), ["ada", "bob"]);
  for (const { owner, signature } of file.signatures) assert.ok(verifies(owner, file.document, signature), owner);
  const document = JSON.parse(file.document);
  const id = crypto.createHash("sha256").update("redoubt client token v1\0vault/1/first").digest("hex").slice(0, 32);
  const manifest = JSON.parse((await cli("manifest", "digest", at("manifest.json"), "--json")).stdout).digest;
  const { not_after: notAfter, ...rest } = document;
  assert.deepEqual(rest, { epoch: 1, manifest, operation: "vault-create", redoubt_authorization: 1, vault_id: `vault-${id}` });
  assert.ok(notAfter >= begun + 86_400_000 && notAfter <= Date.now() + 86_400_000);

  const checked = await cli("authorize", "check", at("vault.json"), "--manifest", at("manifest.json"), "--json");
  assert.equal(checked.code, 0, checked.stderr);
  const said = JSON.parse(checked.stdout);
  assert.equal(said.valid, true);
  assert.deepEqual(said.authorization, document);
  assert.deepEqual(said.signed_by, ["ada", "bob"]);
  const text = (await cli("authorize", "check", at("vault.json"), "--manifest", at("manifest.json"))).stdout;
  for (const part of [`vault-${id}`, "epoch 1", "ada, bob", said.valid_until]) assert.ok(text.includes(part), part);
});

test("a policy and a move go to standard output where no file is named", async () => {
  const policy = { rules: [{ name: "open", effect: "allow" }], redoubt_policy: 1 };
  fs.writeFileSync(at("policy.json"), JSON.stringify(policy, null, 2));
  const canonical = '{"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]}';
  for (const which of [["--open"], ["--policy", at("policy.json")]]) {
    const made = await cli("authorize", "key-policy", ...which, ...by("bob"), "--valid-hours", "1");
    assert.equal(made.code, 0, made.stderr);
    const file = JSON.parse(made.stdout);
    assert.equal(JSON.parse(file.document).policy_digest, crypto.createHash("sha256").update(canonical).digest("hex"));
    assert.ok(verifies("bob", file.document, file.signatures[0].signature));
  }
  const [from, to] = ["1", "2"].map((digit) => `vault-${digit.repeat(32)}`);
  const move = await cli("authorize", "vault-move", "--from", from, "--to", to, ...by("ada"), "--valid-hours", "1");
  assert.equal(move.code, 0, move.stderr);
  const document = JSON.parse(JSON.parse(move.stdout).document);
  assert.deepEqual([document.operation, document.from, document.to], ["vault-move", from, to]);
  const nowhere = await cli("authorize", "vault-move", "--from", from, "--to", from, ...by("ada"), "--valid-hours", "1");
  assert.equal(nowhere.code, 2);
});

test("nobody signs under another's name, for nobody, or twice", async () => {
  const make = (...who) => cli("authorize", "key-policy", "--open", ...who, "--valid-hours", "1", "--out", at("refused.json"));
  const refusals = [[by("eve"), 2, "names no such owner"], [by("ada", "eve"), 1, "not this owner's"], [by("ada", "bob"), 1, "not this owner's"],
    [by("ada", "nobody"), 1, "cannot be read"]];
  for (const [who, code, text] of refusals) {
    const made = await make(...who);
    assert.equal(made.code, code, made.stderr);
    assert.ok(made.stderr.includes(text), made.stderr);
  }
  const encrypted = owners.ada.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "password" });
  fs.writeFileSync(at("encrypted.pem"), encrypted);
  assert.equal((await make(...by("ada", "encrypted"))).code, 1);
  assert.ok(!fs.existsSync(at("refused.json")));

  const before = fs.readFileSync(at("vault.json"), "utf8");
  assert.equal((await cli("authorize", "add-signature", at("vault.json"), ...by("bob"))).code, 1);
  assert.equal(fs.readFileSync(at("vault.json"), "utf8"), before);
});

test("check refuses what an enclave refuses", async () => {
  const check = (file, manifest = "manifest.json") => cli("authorize", "check", at(file), "--manifest", at(manifest), "--json");
  const good = JSON.parse(fs.readFileSync(at("vault.json"), "utf8"));
  const write = (change) => {
    const copy = structuredClone(good);
    change(copy);
    fs.writeFileSync(at("changed.json"), JSON.stringify(copy));
  };
  const changes = {
    "another epoch": (file) => (file.document = file.document.replace('"epoch":1', '"epoch":2')),
    "no signature": (file) => (file.signatures = []),
    "signatures under each other's names": (file) => ([file.signatures[0].owner, file.signatures[1].owner] = ["bob", "ada"]),
    "one twice": (file) => file.signatures.push(file.signatures[0]),
    "a further member": (file) => (file.note = ""),
    "white space in the document": (file) => (file.document += " "),
  };
  for (const [what, change] of Object.entries(changes)) {
    write(change);
    const checked = await check("changed.json");
    assert.equal(checked.code, 1, what);
    assert.equal(JSON.parse(checked.stderr).code, "unauthorized", what);
  }
  // What an owner signed with other tools, but no longer holds.
  write((file) => {
    file.document = JSON.stringify({ ...JSON.parse(file.document), not_after: Date.now() - 1 });
    const message = Buffer.concat([context, Buffer.from(file.document)]);
    file.signatures = [{ owner: "ada", signature: crypto.sign(null, message, owners.ada.privateKey).toString("hex") }];
  });
  const late = await check("changed.json");
  assert.equal(late.code, 1);
  assert.equal(JSON.parse(late.stderr).code, "forbidden");
  const elsewhere = await check("vault.json", "later.json");
  assert.equal(elsewhere.code, 1);
  assert.equal(JSON.parse(elsewhere.stderr).code, "forbidden");
});
