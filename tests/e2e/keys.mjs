// SPDX-License-Identifier: Apache-2.0
// A key's life over HTTPS and on the command line: made once whatever is repeated, found again, disabled, deleted, exported,
// adopted, and moved to another vault. Registered by system.test.mjs, whose system has two enclaves and deletes keys after a second.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { Transaction, computeAddress, hexlify } from "ethers";
import { redoubt, run, until } from "./lib.mjs";
import { Enclave, items, socketOf } from "./wire.mjs";

const transaction = { type: "0x2", chainId: 31337, nonce: 3, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "10000000000000000" };
const idOf = (prefix, token) => prefix + crypto.createHash("sha256").update("redoubt client token v1\0").update(token).digest("hex").slice(0, 32);
const many = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));

export function keyTests(system) {
  const create = (body) => system().json("POST", "/v1/keys", body);
  const show = (id) => system().json("GET", `/v1/keys/${id}`);
  const act = (id, action, body = {}) => system().json("POST", `/v1/keys/${id}/${action}`, body);
  const sign = (id) => act(id, "sign-transaction", { transaction });
  const cli = (...args) => run(redoubt, args, { env: { PATH: process.env.PATH, REDOUBT_READY_FILE: system().readyFile } });
  const cliJson = async (...args) => {
    const { code, stdout, stderr } = await cli(...args, "--json");
    assert.equal(code, 0, stderr + stdout);
    return JSON.parse(stdout);
  };
  const file = (name) => path.join(system().folder, name);
  async function made(body = {}) {
    const answer = await create(body);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body;
  }
  async function changed(id, action, body) {
    const answer = await act(id, action, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  }
  // Every page of a listing.
  async function listed(query) {
    const keys = [];
    for (let after = ""; ;) {
      const page = await system().json("GET", `/v1/keys?${query}${after && "&after=" + after}`);
      assert.equal(page.status, 200, JSON.stringify(page.body));
      keys.push(...page.body.keys);
      if (!page.body.next) return keys;
      after = encodeURIComponent(page.body.next);
    }
  }

  test("a key that is disabled by one request signs for no later one, in either enclave", async (t) => {
    const { key_id: id } = await made();
    const enclaves = await Promise.all(system().ready().pids.enclaves.map((pid) => Enclave.connect(socketOf(pid))));
    t.after(() => enclaves.forEach((enclave) => enclave.close()));
    for (let round = 1; round <= 3; ++round) {
      // Both enclaves have the key open, and sign all the while.
      assert.ok((await many(50, () => sign(id))).every(({ status }) => status === 200));
      let signing = true;
      const early = many(8, async () => {
        while (signing) {
          const { status, body } = await sign(id);
          assert.ok(status === 200 || body.code === "key_disabled", JSON.stringify(body));
        }
      });
      const { state, revision } = await changed(id, "disable");
      const after = await many(50, () => sign(id));
      signing = false;
      assert.deepEqual([state, revision], ["disabled", 2 * round]);
      assert.deepEqual([...new Set(after.map(({ status, body }) => `${status} ${body.code}`))], ["403 key_disabled"]);
      await early;
      // Asked past the gateway, which gives it no record: each refuses, or has let go of the key.
      for (const enclave of enclaves) {
        const answer = await enclave.request("POST", `/v1/keys/${id}/sign-transaction`, { transaction });
        assert.ok(answer.body?.code === "key_disabled" || answer.needs[0]?.kind === items.keyRecord, answer.text);
      }
      assert.equal((await changed(id, "enable")).state, "enabled");
      assert.ok((await many(20, () => sign(id))).every(({ status }) => status === 200));
    }
    const twice = await changed(id, "enable");
    assert.equal(twice.revision, 7, "what changes nothing makes no revision");
    const stale = await act(id, "disable", { revision: 6 });
    assert.deepEqual([stale.status, stale.body.code], [409, "conflict"]);
    assert.equal((await changed(id, "disable", { revision: 7 })).revision, 8);
  });

  test("keys are found by label, tags, state, address and vault, page by page", async () => {
    const keys = [];
    for (let i = 0; i < 7; ++i) keys.push(await made({ label: i < 4 ? "é & co" : "other", tags: { team: "a:b=c", number: String(i % 2) } }));
    const ids = (list) => list.map((key) => key.key_id);
    const label = `label=${encodeURIComponent("é & co")}`, team = `tag=${encodeURIComponent("team:a:b=c")}`;
    assert.deepEqual(ids(await listed(`${team}&limit=2`)), ids(keys), "all, each once, in the order of their creation");
    assert.deepEqual(ids(await listed(`${label}&limit=1`)), ids(keys.slice(0, 4)));
    assert.deepEqual(ids(await listed(`${team}&tag=number:1&limit=1`)), ids(keys.filter((_, i) => i % 2 === 1)));
    assert.deepEqual(ids(await listed(`address=${keys[2].address}`)), [keys[2].key_id]);
    assert.ok(ids(await listed(`vault_id=${keys[0].vault_id}`)).includes(keys[6].key_id));
    await changed(keys[1].key_id, "disable");
    assert.deepEqual(ids(await listed(`${team}&state=disabled`)), [keys[1].key_id]);
    // Given another label and tags; the record says so, and so does the list.
    const relabelled = await changed(keys[5].key_id, "update", { label: "new", tags: { team: "x" } });
    assert.deepEqual([relabelled.label, relabelled.tags, relabelled.revision], ["new", { team: "x" }, 2]);
    assert.deepEqual((await listed("label=new")).map(({ key_id, tags }) => [key_id, tags]), [[keys[5].key_id, { team: "x" }]]);
    assert.equal((await listed(team)).length, 6);
    assert.equal((await cliJson("key", "update", keys[5].key_id, "--label", "", "--no-tags")).revision, 3);
    assert.deepEqual([(await show(keys[5].key_id)).body.label, (await show(keys[5].key_id)).body.tags], ["", {}]);
    for (const [query, code] of [["limit=0", "invalid_field"], ["limit=1001", "invalid_field"], ["after=1", "invalid_field"], ["state=on", "invalid_field"],
      ["label=a&label=b", "invalid_field"], ["label=%ff", "invalid_field"], ["tag=x", "invalid_field"], ["owner=x", "unknown_field"]]) {
      const answer = await system().json("GET", `/v1/keys?${query}`);
      assert.deepEqual([answer.status, answer.body.code], [400, code], query);
    }
  });

  test("a repeat with the same client token finds the key that it made", async () => {
    const first = await made({ client_token: "once", label: "first" });
    assert.equal(first.key_id, idOf("key-", "once"));
    const again = await many(6, () => create({ client_token: "once", nonce: "00" }));
    for (const { status, body } of again) {
      assert.deepEqual([status, body.key_id, body.address, body.label], [200, first.key_id, first.address, "first"]);
      assert.equal(JSON.parse(Buffer.from(body.statement, "base64")).address, first.address);
    }
    for (const other of [{ exportable: true }, { hd: true }, { raw_signing: true }]) {
      const { status, body } = await create({ client_token: "once", ...other });
      assert.deepEqual([status, body.code], [409, "conflict"]);
    }
    for (const token of ["", "a b", "x".repeat(65), 1]) assert.equal((await create({ client_token: token })).body.code, "invalid_field");
    assert.equal((await cliJson("key", "create", "--client-token", "once")).address, first.address);
  });

  test("twenty at once with one client token make one key", async () => {
    for (const token of ["crowd.1", "crowd.2", "crowd.3"]) {
      const answers = await many(20, () => create({ client_token: token }));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))].sort(), [200, 201]);
      assert.equal(answers.filter(({ status }) => status === 201).length, 1);
      assert.equal(new Set(answers.map(({ body }) => body.address)).size, 1);
      const signed = await many(20, () => sign(answers[0].body.key_id));
      assert.equal(new Set(signed.map(({ body }) => body.raw_transaction)).size, 1);
      assert.equal(Transaction.from(signed[0].body.raw_transaction).from, answers[0].body.address);
    }
  });

  test("an exportable key goes to a recipient of its policy, sealed, and to nobody else", async () => {
    const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
    const { publicKey, privateKey } = crypto.generateKeyPairSync("x25519");
    const { x, d } = privateKey.export({ format: "jwk" });
    const recipient = "0x" + Buffer.from(x, "base64url").toString("hex");
    const policy = { rules: [{ name: "open", effect: "allow" }], redoubt_policy: 1, export_recipients: [{ id: "cold", public_key: recipient }] };
    const canonical = JSON.stringify({ export_recipients: policy.export_recipients, redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }] });
    const policy_digest = crypto.createHash("sha256").update(canonical).digest("hex");
    const nonce = crypto.randomBytes(16).toString("hex");
    for (const hd of [false, true]) {
      const key = await made({ exportable: true, hd, policy });
      assert.equal(key.policy_digest, policy_digest);
      const [answer, ...more] = await many(3, () => act(key.key_id, "export", { recipient: "cold", nonce }));
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.equal(new Set([answer, ...more].map(({ body }) => body.encapsulated_key)).size, 3, "each is sealed anew");
      const statement = JSON.parse(Buffer.from(answer.body.statement, "base64"));
      const { address, algorithm, key_id, vault_id } = key;
      assert.deepEqual(statement, { address, algorithm, ciphertext: answer.body.ciphertext, encapsulated_key: answer.body.encapsulated_key, key_id, nonce,
        policy_digest, recipient: "cold", recipient_public_key: recipient, redoubt_export_statement: 1, vault_id });
      // An HPKE that shares no code with the enclave's.
      const bytes = (hex) => new Uint8Array(Buffer.from(hex.slice(2), "hex"));
      const info = new TextEncoder().encode(JSON.stringify({ address, algorithm, key_id, policy_digest, recipient: "cold", redoubt_export: 1, vault_id }));
      const recipientKey = await suite.kem.importKey("raw", new Uint8Array(Buffer.from(d, "base64url")).buffer, false);
      const context = await suite.createRecipientContext({ recipientKey, enc: bytes(answer.body.encapsulated_key).buffer, info });
      const secret = hexlify(new Uint8Array(await context.open(bytes(answer.body.ciphertext).buffer)));
      if (!hd) assert.equal(computeAddress(secret), address);
      // And the command line's.
      const name = `exported-${hd}`;
      fs.writeFileSync(file(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const exported = await cli("key", "export", key_id, "--recipient", "cold", "--out", file(`${name}.json`));
      assert.equal(exported.code, 0, exported.stderr);
      const unsealed = await cli("key", "unseal", file(`${name}.json`), "--key", file(`${name}.pem`), "--out", file(`${name}.hex`));
      assert.equal(unsealed.code, 0, unsealed.stderr);
      assert.equal("0x" + fs.readFileSync(file(`${name}.hex`), "utf8").trim(), secret);
      assert.ok(!system().logs().includes(secret.slice(2)));
      assert.equal((await act(key_id, "export", { recipient: "eve", nonce })).body.code, "export_refused");
      assert.equal((await act(key_id, "export", { recipient: "cold" })).body.code, "missing_field");
      await changed(key_id, "disable");
      assert.equal((await act(key_id, "export", { recipient: "cold", nonce })).body.code, "key_disabled");
    }
    for (const body of [{ policy }, { exportable: true }]) {
      const { key_id } = await made(body);
      const answer = await act(key_id, "export", { recipient: "cold", nonce });
      assert.deepEqual([answer.status, answer.body.code], [403, "export_refused"], JSON.stringify(body));
    }
  });

  test("an adopted reference key signs what it signed before, and is adopted once", async () => {
    const { secret_id } = system().ready();
    const payload = { ...transaction, value: 0.01 };
    const before = await system().json("POST", "/", { secret_id, transaction_payload: payload });
    assert.equal(before.status, 200, JSON.stringify(before.body));
    const [first, ...more] = await many(8, () => system().json("POST", "/v1/keys/adopt", { secret_id, label: "adopted" }));
    const answers = [first, ...more];
    assert.equal(answers.filter(({ status }) => status === 201).length, 1, JSON.stringify(answers.map(({ status }) => status)));
    assert.equal(new Set(answers.map(({ body }) => body.key_id)).size, 1);
    const { key_id: id, address, exportable, raw_signing } = first.body;
    assert.equal(address, Transaction.from(before.body.transaction_signed).from);
    assert.deepEqual([exportable, raw_signing], [false, true], "what the manifest lets reference keys do");
    const after = await sign(id);
    assert.equal(after.body.raw_transaction, before.body.transaction_signed);
    assert.equal(after.body.hash, before.body.transaction_hash);
    assert.equal((await cliJson("key", "adopt", "--secret-id", secret_id)).key_id, id);
    for (const more of [{ exportable: true }, { hd: true }, { raw_signing: false }, { client_token: "mine" },
      { policy: { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }] } }])
      assert.equal((await system().json("POST", "/v1/keys/adopt", { secret_id, ...more })).body.code, "unknown_field");
    assert.equal((await system().json("POST", "/v1/keys/adopt", { secret_id: "no-such-secret" })).body.code, "secret_not_found");
  });

  test("a vault is created once a token, and rotation moves every key while they sign", async () => {
    const vault = await cliJson("vault", "create", "--client-token", "second");
    assert.equal(vault.vault_id, idOf("vault-", "vault/1/second"));
    assert.deepEqual([vault.attested, vault.pinned, vault.epoch], [true, true, 1]);
    assert.deepEqual(await cliJson("vault", "create", "--client-token", "second"), vault);
    assert.equal((await system().json("POST", "/v1/vaults", { client_token: "second" })).status, 200);

    const { key_id: signer, vault_id: from } = (await show(system().ready().key_id)).body;
    const old = await listed(`vault_id=${from}&limit=1000`);
    assert.ok(old.length >= 15, String(old.length));
    const signed = (await sign(signer)).body.raw_transaction;
    let moving = true, signatures = 0;
    const meanwhile = many(4, async () => {
      while (moving) {
        const { status, body } = await sign(signer);
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.raw_transaction, signed);
        ++signatures;
      }
    });
    const rotated = await cliJson("vault", "rotate", from).finally(() => (moving = false));
    await meanwhile;
    assert.ok(signatures > 0);
    assert.deepEqual([rotated.keys_moved, rotated.attested, rotated.vault_id !== from], [old.length, true, true]);
    assert.deepEqual(await listed(`vault_id=${from}`), []);
    const now = new Map((await listed(`vault_id=${rotated.vault_id}&limit=1000`)).map((key) => [key.key_id, key]));
    for (const { vault_id, revision, ...key } of old)
      assert.deepEqual(now.get(key.key_id), { ...key, vault_id: rotated.vault_id, revision: revision + 1 });
    assert.ok((await many(20, () => sign(signer))).every(({ body }) => body.raw_transaction === signed));
    // Begun again it finds nothing left to do; to a vault that is there, it goes there.
    assert.equal((await cliJson("vault", "rotate", from)).keys_moved, 0);
    assert.deepEqual(await cliJson("vault", "rotate", rotated.vault_id, "--to", vault.vault_id), { vault_id: vault.vault_id, keys_moved: now.size });
    const shown = await cliJson("key", "show", signer);
    assert.deepEqual([shown.vault_id, shown.vault_commitment], [vault.vault_id, vault.vault_commitment]);
    const { vaults } = await cliJson("vault", "list");
    for (const id of [from, rotated.vault_id, vault.vault_id])
      assert.equal(vaults.find(({ vault_id }) => vault_id === id)?.enclaves_open, 2, id);
    const nowhere = await act(signer, "move", { vault_id: "vault-" + "00".repeat(16) });
    assert.equal(nowhere.body.code, "vault_unknown");
  });

  test("a deletion can be cancelled until its time comes; then the key is gone everywhere", async () => {
    const { key_id: id } = await made();
    assert.equal((await sign(id)).status, 200);
    assert.equal((await act(id, "schedule-deletion", { wait_seconds: 0 })).body.code, "invalid_field", "less than the manifest's");
    const pending = await changed(id, "schedule-deletion", { wait_seconds: 3600 });
    assert.equal(pending.state, "pending-deletion");
    assert.ok(Math.abs(Date.parse(pending.deletes) - Date.now() - 3_600_000) < 10_000, pending.deletes);
    for (const { status, body } of await many(20, () => sign(id))) assert.deepEqual([status, body.code], [403, "key_pending_deletion"]);
    assert.equal((await act(id, "enable")).body.code, "conflict");
    assert.equal((await act(id, "schedule-deletion", { wait_seconds: 60 })).body.code, "conflict");
    assert.equal((await changed(id, "cancel-deletion")).state, "disabled");
    assert.equal((await sign(id)).body.code, "key_disabled");
    await changed(id, "enable");
    assert.equal((await sign(id)).status, 200);

    const deletes = Date.parse((await changed(id, "schedule-deletion")).deletes);
    assert.ok(Math.abs(deletes - Date.now() - 1000) < 1500, "the manifest's wait");
    await until("the key is gone", async () => (await show(id)).status === 404, 5_000);
    assert.ok(Date.now() >= deletes - 100, "not before its time"); // the text is cut to seconds
    for (const { status, body } of await many(20, () => sign(id))) assert.deepEqual([status, body.code], [404, "unknown_key"]);
    for (const action of ["enable", "cancel-deletion"]) assert.equal((await act(id, action)).body.code, "unknown_key", action);
  });
}
