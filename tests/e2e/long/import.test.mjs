// SPDX-License-Identifier: Apache-2.0
// Keys from outside: by the command line, and by an HPKE implementation that shares no code with ours.
import assert from "node:assert/strict";
import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { HDNodeWallet, Mnemonic, Wallet, encryptKeystoreJsonSync, getBytes, hexlify, keccak256, verifyMessage } from "ethers";
import { redoubt, run, up } from "../lib.mjs";

let system, ready;
before(async () => {
  system = await up();
  ready = system.ready();
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const file = (name, text) => {
  const at = path.join(system.folder, name);
  fs.writeFileSync(at, text, { mode: 0o600 });
  return at;
};
const importKey = async (...args) => {
  const { code, stdout, stderr } = await run(redoubt, ["key", "import", "--ready-file", system.readyFile, "--json", ...args]);
  assert.equal(code, 0, stderr + stdout);
  return JSON.parse(stdout);
};
async function signMessage(id, body) {
  const answer = await system.json("POST", `/v1/keys/${id}/sign-message`, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

test("a private key from a file signs as that key", async () => {
  const wallet = Wallet.createRandom();
  const made = await importKey("--hex", file("key.txt", wallet.privateKey + "\n"));
  assert.equal(made.address, wallet.address);
  const signed = await signMessage(made.key_id, { text: "hello" });
  assert.equal(signed.signature, await wallet.signMessage("hello"));
  assert.ok(!system.logs().includes(wallet.privateKey.slice(2)));
});

test("a mnemonic with a passphrase signs for any path as ethers derives it", async () => {
  const mnemonic = Mnemonic.fromEntropy(crypto.getRandomValues(new Uint8Array(16)), "a passphrase");
  const made = await importKey("--mnemonic", file("words.txt", mnemonic.phrase + "\n"), "--passphrase-file", file("pass.txt", "a passphrase\n"));
  for (const at of ["m/44'/60'/0'/0/0", "m/44'/60'/0'/0/7", "m/0/1'/2"]) {
    const wallet = HDNodeWallet.fromMnemonic(mnemonic, at);
    const signed = await signMessage(made.key_id, { text: "hello", path: at });
    assert.equal(signed.address, wallet.address);
    assert.equal(verifyMessage("hello", signed.signature), wallet.address);
  }
  const { code, stdout } = await run(redoubt, ["key", "derive", "--ready-file", system.readyFile, "--json", made.key_id,
    "--account", "m/44'/60'/0'/0", "--count", "3"]);
  assert.equal(code, 0, stdout);
  assert.deepEqual(JSON.parse(stdout).addresses.map((entry) => entry.address),
    [0, 1, 2].map((i) => HDNodeWallet.fromMnemonic(mnemonic, `m/44'/60'/0'/0/${i}`).address));
});

// A keystore as its definition has it, made with PBKDF2 by Node.js's own cryptography; without an address unless one is given.
function pbkdf2Keystore(privateKey, password, address) {
  const salt = randomBytes(32), iv = randomBytes(16);
  const derived = pbkdf2Sync(password, salt, 1000, 32, "sha256");
  const cipher = createCipheriv("aes-128-ctr", derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(getBytes(privateKey)), cipher.final()]);
  return JSON.stringify({ version: 3, ...(address && { address }), crypto: {
    cipher: "aes-128-ctr", cipherparams: { iv: iv.toString("hex") }, ciphertext: ciphertext.toString("hex"),
    kdf: "pbkdf2", kdfparams: { c: 1000, dklen: 32, prf: "hmac-sha256", salt: salt.toString("hex") },
    mac: keccak256(Buffer.concat([derived.subarray(16), ciphertext])).slice(2) } }, null, 2);
}

test("a keystore that ethers wrote, with and without a mnemonic, signs as its key", async () => {
  for (const wallet of [Wallet.createRandom(), new Wallet(hexlify(randomBytes(32)))]) {
    const account = { address: wallet.address, privateKey: wallet.privateKey,
      ...(wallet.mnemonic && { mnemonic: { entropy: wallet.mnemonic.entropy } }) };
    const keystore = encryptKeystoreJsonSync(account, "correct horse", { scrypt: { N: 2048, r: 8, p: 1 } });
    const made = await importKey("--keystore", file("keystore.json", keystore), "--password-file", file("password.txt", "correct horse\n"));
    assert.equal(made.address, wallet.address);
    assert.equal(made.algorithm, "secp256k1");
    const signed = await signMessage(made.key_id, { text: "hello" });
    assert.equal(signed.signature, await wallet.signMessage("hello"));
    assert.ok(!system.logs().includes(wallet.privateKey.slice(2)));
  }
});

test("a keystore with PBKDF2 and any bytes for a password is imported", async () => {
  for (const named of [true, false]) {
    const wallet = Wallet.createRandom();
    const password = Buffer.from("caf\u00e9 \u0001x");
    const keystore = pbkdf2Keystore(wallet.privateKey, password, named && wallet.address);
    const made = await importKey("--keystore", file("keystore.json", keystore), "--password-file", file("password.bin", password));
    assert.equal(made.address, wallet.address);
  }
});

test("a keystore is not imported with another password, for another address, or beside another secret", async () => {
  const wallet = Wallet.createRandom();
  const keystore = file("keystore.json", pbkdf2Keystore(wallet.privateKey, "right"));
  const right = file("right.txt", "right\n");
  const keys = async () => (await system.json("GET", "/v1/keys?limit=1000")).body.keys.length;
  const before = await keys();
  const refused = async (expected, ...args) => {
    const { code, stdout, stderr } = await run(redoubt, ["key", "import", "--ready-file", system.readyFile, "--json", ...args]);
    assert.notEqual(code, 0, stdout);
    assert.ok(stderr.includes(expected), `${args.join(" ")}: ${stderr}`);
    assert.ok(!stderr.includes(wallet.privateKey.slice(2)));
  };
  await refused('"unauthorized"', "--keystore", keystore, "--password-file", file("wrong.txt", "wrong\n"));
  const other = file("other.json", pbkdf2Keystore(wallet.privateKey, "right", Wallet.createRandom().address));
  await refused('"key_invalid"', "--keystore", other, "--password-file", right);
  await refused('"invalid_field"', "--keystore", file("cut.json", "{"), "--password-file", right);
  await refused('"key_invalid"', "--keystore", file("zero.json", pbkdf2Keystore("0x" + "00".repeat(32), "right")), "--password-file", right);
  await refused('"usage"', "--keystore", "-", "--password-file", "-");
  await refused("", "--keystore", keystore);
  await refused("", "--password-file", right);
  await refused("", "--keystore", keystore, "--password-file", right, "--hd");
  await refused("", "--keystore", keystore, "--password-file", right, "--hex", right);
  assert.equal(await keys(), before);
});

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const keyIdOf = (token) => "key-" + createHash("sha256").update("redoubt client token v1\0").update(token).digest("hex").slice(0, 32);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const openPolicy = '{"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]}';

// A request for the import of `secret`, sealed by npm's HPKE for what the key shall be.
async function sealedImport(secret, token, what = {}) {
  const offer = (await system.json("GET", "/v1/import?nonce=00")).body;
  const info = JSON.stringify({ epoch: offer.epoch, exportable: false, hd: false, key_id: keyIdOf(token), policy_digest: sha256(openPolicy),
    raw_signing: false, redoubt_import: 1, vault_id: offer.vault_id, ...what });
  const recipientPublicKey = await suite.kem.deserializePublicKey(getBytes(offer.public_key).buffer);
  const sender = await suite.createSenderContext({ recipientPublicKey, info: new TextEncoder().encode(info) });
  const ciphertext = await sender.seal(getBytes(secret).buffer);
  return { client_token: token, vault_id: offer.vault_id, encapsulated_key: hexlify(new Uint8Array(sender.enc)),
    ciphertext: hexlify(new Uint8Array(ciphertext)) };
}
const send = (body) => system.json("POST", "/v1/keys/import", body);

test("an offer says what the secret is sealed to, and attests it", async () => {
  const { status, body } = await system.json("GET", "/v1/import?nonce=0a0b");
  assert.equal(status, 200);
  const statement = JSON.parse(Buffer.from(body.statement, "base64"));
  const { vault_commitment: commitment, ...rest } = statement;
  assert.deepEqual(rest, { epoch: body.epoch, nonce: "0a0b", public_key: body.public_key, redoubt_import_offer: 1, vault_id: body.vault_id });
  const listed = (await system.json("GET", "/v1/vaults")).body.vaults.find((vault) => vault.vault_id === body.vault_id);
  assert.deepEqual([listed.epoch, listed.vault_commitment], [body.epoch, commitment]);
});

test("npm's HPKE seals what the enclave opens, and nothing else opens", async () => {
  const wallet = Wallet.createRandom();
  const made = await send(await sealedImport(wallet.privateKey, "import.1"));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual([made.body.address, made.body.key_id], [wallet.address, keyIdOf("import.1")]);
  // What the key shall be, which key it shall be, and where: none of it can be changed on the way.
  const sealed = await sealedImport(wallet.privateKey, "import.2");
  const policy = { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }], export_recipients: [{ id: "eve", public_key: "0x" + "09".repeat(32) }] };
  const flipped = sealed.ciphertext.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
  for (const change of [{ exportable: true }, { raw_signing: true }, { hd: true }, { policy }, { client_token: "import.3" }, { ciphertext: flipped }]) {
    const changed = await send({ ...sealed, ...change });
    assert.deepEqual([changed.status, changed.body.code], [400, "invalid_field"], JSON.stringify(change));
  }
  for (const member of ["client_token", "vault_id", "ciphertext"]) {
    const { [member]: gone, ...rest } = sealed;
    assert.equal((await send(rest)).body.code, "missing_field", member);
  }
  assert.equal((await send({ ...sealed, vault_id: "vault-" + "00".repeat(16) })).body.code, "vault_unknown");
  const right = await send(sealed);
  assert.equal(right.status, 201, JSON.stringify(right.body));
});

test("an import that a host replays makes no second key, and another secret under its token is refused", async () => {
  const wallet = Wallet.createRandom();
  const sealed = await sealedImport(wallet.privateKey, "replayed");
  assert.equal((await send(sealed)).status, 201);
  const keys = async () => (await system.json("GET", `/v1/keys?address=${wallet.address}`)).body.keys.map((key) => key.key_id);
  for (const again of [sealed, await sealedImport(wallet.privateKey, "replayed")]) {
    const answer = await send(again);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.address, wallet.address);
  }
  assert.deepEqual(await keys(), [keyIdOf("replayed")]);
  const other = await send(await sealedImport(Wallet.createRandom().privateKey, "replayed"));
  assert.deepEqual([other.status, other.body.code], [409, "conflict"]);
});

test("an import is bound to its policy, and a seed to being one", async () => {
  const policy = { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }], export_recipients: [{ id: "cold", public_key: "0x" + "09".repeat(32) }] };
  const canonical = JSON.stringify({ export_recipients: policy.export_recipients, redoubt_policy: 1, rules: policy.rules });
  const wallet = Wallet.createRandom();
  const what = { exportable: true, policy_digest: sha256(canonical) };
  const bound = await send({ ...(await sealedImport(wallet.privateKey, "bound", what)), exportable: true, policy });
  assert.equal(bound.status, 201, JSON.stringify(bound.body));
  assert.deepEqual([bound.body.address, bound.body.policy_digest, bound.body.exportable], [wallet.address, sha256(canonical), true]);
  const seed = hexlify(randomBytes(64));
  const made = await send({ ...(await sealedImport(seed, "seed", { hd: true })), hd: true });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body.address, HDNodeWallet.fromSeed(seed).derivePath("m/44'/60'/0'/0/0").address);
});

test("what is no key, and a mnemonic with a wrong word, is refused before anything is sent", async () => {
  for (const [option, text] of [["--hex", "0x00"], ["--hex", "zz"], ["--mnemonic", "abandon ".repeat(12).trim()]]) {
    const { code, stderr, stdout } = await run(redoubt, ["key", "import", "--ready-file", system.readyFile, option, file("bad.txt", text)]);
    assert.notEqual(code, 0, stdout);
    assert.ok(!stderr.includes("abandon"), stderr);
  }
});
