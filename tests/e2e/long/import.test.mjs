// SPDX-License-Identifier: Apache-2.0
// Keys from outside: by the command line, and by an HPKE implementation that shares no code with ours.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { HDNodeWallet, Mnemonic, Wallet, getBytes, hexlify, verifyMessage } from "ethers";
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

test("npm's HPKE seals what the enclave opens, and nothing else opens", async () => {
  const offer = (await system.json("GET", "/v1/import?nonce=00")).body;
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientPublicKey = await suite.kem.deserializePublicKey(getBytes(offer.public_key).buffer);
  const wallet = Wallet.createRandom();
  const sealFor = async (exportable) => {
    const info = JSON.stringify({ epoch: JSON.parse(Buffer.from(offer.statement, "base64")).epoch, exportable, hd: false, policy_digest: offer.policy_digest, raw_signing: false,
      redoubt_import: 1, vault_id: offer.vault_id });
    const sender = await suite.createSenderContext({ recipientPublicKey, info: new TextEncoder().encode(info) });
    const ciphertext = await sender.seal(getBytes(wallet.privateKey).buffer);
    return { vault_id: offer.vault_id, encapsulated_key: hexlify(new Uint8Array(sender.enc)), ciphertext: hexlify(new Uint8Array(ciphertext)) };
  };
  const made = await system.json("POST", "/v1/keys/import", await sealFor(false));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body.address, wallet.address);
  const changed = await system.json("POST", "/v1/keys/import", { ...(await sealFor(false)), exportable: true });
  assert.equal(changed.status, 400);
  assert.equal(changed.body.code, "invalid_field");
});

test("what is no key, and a mnemonic with a wrong word, is refused before anything is sent", async () => {
  for (const [option, text] of [["--hex", "0x00"], ["--hex", "zz"], ["--mnemonic", "abandon ".repeat(12).trim()]]) {
    const { code, stderr, stdout } = await run(redoubt, ["key", "import", "--ready-file", system.readyFile, option, file("bad.txt", text)]);
    assert.notEqual(code, 0, stdout);
    assert.ok(!stderr.includes("abandon"), stderr);
  }
});
