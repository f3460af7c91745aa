// SPDX-License-Identifier: Apache-2.0
// A running system whose manifest names owners: nobody makes a key or a vault, imports, adopts or moves without one's signature,
// and each signature allows exactly what it says.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Wallet } from "ethers";
import { redoubt, run, up } from "../lib.mjs";

let system, ready, oldManifest;
const at = (name) => path.join(system.folder, name);
const cli = (...args) => run(redoubt, args, { env: { PATH: process.env.PATH, REDOUBT_READY_FILE: system.readyFile } });
async function done(...args) {
  const { code, stdout, stderr } = await cli(...args, "--json");
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
async function refused(expected, ...args) {
  const { code, stdout, stderr } = await cli(...args, "--json");
  assert.equal(code, 1, `${args.join(" ")}: ${stdout}${stderr}`);
  assert.equal(JSON.parse(stderr.trim().split("\n").at(-1)).code, expected, stderr);
}
// A file that the owner signed; its name.
async function authorize(name, what, { by = "ada", manifest = at("manifest.json") } = {}) {
  const { code, stderr } = await cli("authorize", ...what, "--manifest", manifest, "--owner", by, "--owner-key", at(`${by}.pem`), "--valid-hours", "1",
    "--out", at(name));
  assert.equal(code, 0, stderr);
  return at(name);
}
const keys = async () => (await system.json("GET", "/v1/keys?limit=1000")).body.keys.length;

before(async () => {
  system = await up({ extra: ["--deletion-wait-seconds", "60"] });
  assert.equal(await system.stop(), 0);
  const ada = crypto.generateKeyPairSync("ed25519"), bob = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  for (const [id, { privateKey }] of Object.entries({ ada, bob })) fs.writeFileSync(at(`${id}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const part = (key, name) => Buffer.from(key.publicKey.export({ format: "jwk" })[name], "base64url").toString("hex");
  const manifest = JSON.parse(fs.readFileSync(at("manifest.json"), "utf8"));
  fs.renameSync(at("manifest.json"), (oldManifest = at("old-manifest.json")));
  manifest.owners = [{ id: "ada", algorithm: "ed25519", public_key: part(ada, "x") },
    { id: "bob", algorithm: "ecdsa-p256-sha256", public_key: `04${part(bob, "x")}${part(bob, "y")}` }];
  fs.writeFileSync(at("manifest.json"), JSON.stringify(manifest));
  fs.writeFileSync(at("other-manifest.json"), JSON.stringify({ ...manifest, min_epoch: 2 }));
  system = await up({ dataDir: system.folder });
  ready = system.ready();
});
after(async () => {
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

test("keys that are there sign on, and are disabled and enabled, without an owner", async () => {
  const { body } = await system.json("POST", `/v1/keys/${ready.key_id}/sign-message`, { text: "hello" });
  assert.equal(body.address, ready.address);
  assert.equal((await done("key", "disable", ready.key_id)).state, "disabled");
  assert.equal((await done("key", "enable", ready.key_id)).state, "enabled");
});

test("a new key needs an owner's signature under its policy's digest, for this manifest", async () => {
  const policy = (id) => JSON.stringify({ redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }], export_recipients: [{ id, public_key: "0x" + "09".repeat(32) }] });
  fs.writeFileSync(at("cold.json"), policy("cold"));
  fs.writeFileSync(at("warm.json"), policy("warm"));
  const before = await keys();
  const open = await authorize("open.auth", ["key-policy", "--open"]);
  const cold = await authorize("cold.auth", ["key-policy", "--policy", at("cold.json")], { by: "bob" });
  const elsewhere = await authorize("elsewhere.auth", ["key-policy", "--open"], { manifest: at("other-manifest.json") });
  await refused("forbidden", "key", "create");
  await refused("forbidden", "key", "create", "--authorization", cold);
  await refused("forbidden", "key", "create", "--authorization", elsewhere);
  await refused("forbidden", "key", "create", "--policy", at("warm.json"), "--authorization", cold);
  await refused("forbidden", "key", "create", "--policy", at("cold.json"), "--authorization", open);
  await refused("forbidden", "key", "adopt", "--secret-id", ready.secret_id);
  await refused("forbidden", "key", "adopt", "--secret-id", ready.secret_id, "--authorization", cold);
  const wallet = Wallet.createRandom();
  fs.writeFileSync(at("wallet.hex"), wallet.privateKey, { mode: 0o600 });
  await refused("forbidden", "key", "import", "--hex", at("wallet.hex"));
  // One byte of a signature, of the document, or of the owner's name.
  const { document, signatures: [{ owner, signature }] } = JSON.parse(fs.readFileSync(open, "utf8"));
  const flip = (hex) => (hex[9] === "0" ? "1" : "0");
  for (const authorization of [{ document, signatures: [{ owner, signature: signature.slice(0, 9) + flip(signature) + signature.slice(10) }] },
    { document: document.replace(/"not_after":\d/, '"not_after":9'), signatures: [{ owner, signature }] },
    { document, signatures: [{ owner: "bob", signature }] }, { document, signatures: [{ owner: "eve", signature }] }, { document, signatures: [] }]) {
    const answer = await system.json("POST", "/v1/keys", { authorization });
    assert.deepEqual([answer.status, answer.body.code], [401, "unauthorized"], JSON.stringify(answer.body));
  }
  assert.equal(await keys(), before, "nothing was made");

  assert.equal((await done("key", "create", "--authorization", open)).state, "enabled");
  const bound = await done("key", "create", "--policy", at("cold.json"), "--exportable", "--authorization", cold);
  assert.equal(bound.policy_digest, JSON.parse(JSON.parse(fs.readFileSync(cold, "utf8")).document).policy_digest);
  assert.equal((await done("key", "import", "--hex", at("wallet.hex"), "--authorization", open)).address, wallet.address);
  assert.equal((await done("key", "adopt", "--secret-id", ready.secret_id, "--authorization", open)).address, ready.secret_address);
  assert.equal(await keys(), before + 4);
});

test("a vault needs an owner's signature under its id and epoch, and keys move only where one allows it", async () => {
  const { vault_id: from } = (await system.json("GET", `/v1/keys/${ready.key_id}`)).body;
  const first = await authorize("first.auth", ["vault-create", "--token", "first"]);
  await refused("forbidden", "vault", "create", "--client-token", "first");
  await refused("forbidden", "vault", "create", "--client-token", "second", "--authorization", first);
  await refused("forbidden", "vault", "create", "--client-token", "first", "--epoch", "2", "--authorization", first);
  await refused("forbidden", "vault", "create", "--client-token", "first", "--authorization", at("open.auth"));
  assert.equal((await system.json("GET", "/v1/vaults")).body.vaults.length, 1);
  const made = await done("vault", "create", "--client-token", "first", "--authorization", first);
  assert.equal(made.vault_id, JSON.parse(JSON.parse(fs.readFileSync(first, "utf8")).document).vault_id);
  assert.deepEqual(await done("vault", "create", "--client-token", "first", "--authorization", first), made, "a repeat finds it");

  const back = await authorize("back.auth", ["vault-move", "--from", made.vault_id, "--to", from]);
  await refused("forbidden", "vault", "rotate", from, "--to", made.vault_id);
  for (const wrong of [back, first, at("open.auth")]) await refused("forbidden", "vault", "rotate", from, "--to", made.vault_id, "--authorization", wrong);
  assert.equal((await system.json("GET", `/v1/keys/${ready.key_id}`)).body.vault_id, from);
  const there = await authorize("there.auth", ["vault-move", "--from", from, "--to", made.vault_id], { by: "bob" });
  const all = await keys();
  assert.deepEqual(await done("vault", "rotate", from, "--to", made.vault_id, "--authorization", there), { vault_id: made.vault_id, keys_moved: all });
  const { body } = await system.json("POST", `/v1/keys/${ready.key_id}/sign-message`, { text: "hello" });
  assert.equal(body.address, ready.address);
  assert.deepEqual(await done("vault", "rotate", made.vault_id, "--to", from, "--authorization", back), { vault_id: from, keys_moved: all });
});

test("a rotation into a new vault of a higher epoch, and the manifest that then names it, leave old records behind", async () => {
  const { vault_id: from } = (await system.json("GET", `/v1/keys/${ready.key_id}`)).body;
  const token = `rotate.${from.slice(6)}.2`;
  const create = await authorize("create.auth", ["vault-create", "--token", token, "--epoch", "2"]);
  const id = JSON.parse(JSON.parse(fs.readFileSync(create, "utf8")).document).vault_id;
  const move = await authorize("move.auth", ["vault-move", "--from", from, "--to", id]);
  await refused("forbidden", "vault", "rotate", from, "--epoch", "2", "--authorization", move);
  const rotated = await done("vault", "rotate", from, "--epoch", "2", "--create-authorization", create, "--authorization", move);
  assert.deepEqual([rotated.vault_id, rotated.epoch, rotated.keys_moved], [id, 2, await keys()]);

  assert.equal(await system.stop(), 0);
  const manifest = JSON.parse(fs.readFileSync(at("manifest.json"), "utf8"));
  const next = { ...manifest, min_epoch: 2, vault_commitments: { [id]: rotated.vault_commitment } };
  fs.writeFileSync(at("manifest.json"), JSON.stringify(next));
  system = await up({ dataDir: system.folder });
  const { body } = await system.json("POST", `/v1/keys/${ready.key_id}/sign-message`, { text: "hello" });
  assert.equal(body.address, ready.address);
  const { vaults } = (await system.json("GET", "/v1/vaults")).body;
  assert.deepEqual(vaults.filter((vault) => vault.enclaves_open > 0).map((vault) => vault.vault_id), [id]);
  assert.equal((await done("key", "show", ready.key_id)).vault_commitment, rotated.vault_commitment);
  assert.equal((await system.request("GET", "/healthz")).status, 200);
  // What owners signed for the manifest before holds no more.
  await refused("forbidden", "key", "create", "--authorization", at("open.auth"));
});
