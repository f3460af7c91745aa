// SPDX-License-Identifier: Apache-2.0
// Parts are killed at random moments while keys are created, moved to another vault, imported and deleted, with each store:
// no acknowledged key is lost, none comes back, and none that is listed is half a key.
// KILLS (100) for each operation with each store, KILLS_SEED.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { Transaction, computeAddress, getBytes, hexlify } from "ethers";
import { redoubt, sleep, until } from "../lib.mjs";
import { killUntil, openWorld, randomNumbers, stores } from "./kills_world.mjs";

const mostRotationMs = 240_000; // cut off again and again
const kills = Number(process.env.KILLS ?? 100);
const seed = Number(process.env.KILLS_SEED ?? Date.now() % 1_000_000);
const transaction = { type: 2, chainId: 1, nonce: 7, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: 1 };

// A key's id comes of its client token.
const idOf = (token) => "key-" + createHash("sha256").update(`redoubt client token v1\0${token}`).digest("hex").slice(0, 32);

// `keys`: id → { address, signed?, deletion? }. signed: the bytes of the transaction, the same for ever. deletion: "asked"
// where no answer came, "acknowledged" where it is to hold; how: its answer. `perhaps`: ids of keys of whose making nobody answered.
function newBook(ready) {
  return { keys: new Map([[ready.key_id, { address: ready.address }]]), perhaps: new Set(), acknowledged: 0, abandoned: 0 };
}

const signs = (world, id) => world.ask("POST", `/v1/keys/${id}/sign-transaction`, { transaction });
const isGone = ({ status, body }) => (status === 403 && body.code === "key_pending_deletion") || (status === 404 && body.code === "unknown_key");

function checkSigned(id, key, answer) {
  assert.equal(answer.status, 200, `${id} does not sign: ${JSON.stringify(answer.body)}`);
  if (key.signed === undefined) {
    assert.equal(Transaction.from(answer.body.raw_transaction).from, key.address, `${id} signs with another key`);
    key.signed = answer.body.raw_transaction;
  }
  assert.equal(answer.body.raw_transaction, key.signed, `${id} signs other bytes than before`);
}

async function list(world, filter = "") {
  const listed = new Map();
  for (let after = ""; after !== undefined;) {
    const { status, body } = await world.insist("list keys", () => world.ask("GET", `/v1/keys?limit=1000${filter}${after && "&after=" + after}`));
    assert.equal(status, 200, JSON.stringify(body));
    for (const key of body.keys) {
      assert.ok(!listed.has(key.key_id), `${key.key_id} is listed twice`);
      listed.set(key.key_id, key);
    }
    after = body.next;
  }
  return listed;
}

async function checkKey(world, id, key, entry) {
  const described = await world.insist("describe a key", () => world.ask("GET", `/v1/keys/${id}`));
  const signed = await world.insist("sign", () => signs(world, id));
  if (key.deletion === "acknowledged" || (key.deletion === "asked" && isGone(signed))) {
    assert.ok(isGone(signed), `${id} was deleted (${key.how}) and signs: ${JSON.stringify(signed.body)}`);
    return;
  }
  assert.equal(described.status, 200, `${id} is listed and does not open: ${JSON.stringify(described.body)}`);
  for (const name of ["key_id", "address", "vault_id", "state", "revision"])
    assert.equal(described.body[name], entry[name], `${id}: its list entry has another ${name}`);
  assert.equal(described.body.address, key.address, `${id} has another address than was acknowledged`);
  checkSigned(id, key, signed);
}

// Every key, as it must be. Nothing is under way.
async function check(world, book) {
  const listed = await list(world);
  for (const [id, { address }] of listed)
    if (!book.keys.has(id)) {
      assert.ok(book.perhaps.delete(id), `${id} is listed, and nobody asked for it`);
      book.keys.set(id, { address });
    }
  const rest = [];
  for (const [id, key] of book.keys) {
    const entry = listed.get(id);
    if (entry === undefined) assert.ok(key.deletion, `${id} was acknowledged and is lost`);
    else if (key.deletion === "acknowledged") assert.equal(entry.state, "pending-deletion", `${id} was deleted (${key.how}) and is back`);
    if (entry !== undefined || key.deletion === "acknowledged") rest.push([id, key, entry]);
  }
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let next = rest.pop(); next; next = rest.pop()) await checkKey(world, ...next);
  }));
  return listed;
}

// Kills, with a look at all keys half-way.
async function killDuring(world, book, options) {
  for (const many of [Math.ceil(kills / 2), kills]) {
    await killUntil(world, many, options);
    await check(world, book);
  }
}

// A new key's answer, which came at once or after attempts without one.
function made(book, token, answer, address) {
  const id = idOf(token);
  if (answer === undefined) { // given up: it was made, or not
    book.perhaps.add(id);
    ++book.abandoned;
    return;
  }
  const { status, body, attempts } = answer;
  assert.ok(status === 201 || (attempts > 1 && status === 200), `${status} at attempt ${attempts}: ${JSON.stringify(body)}`);
  assert.equal(body.key_id, id);
  if (address) assert.equal(body.address, address);
  book.keys.set(id, { address: body.address });
  ++book.acknowledged;
}

// The same request again makes no second key.
async function repeat(world, book, token, attempt) {
  const { status, body } = await world.insist("repeat", attempt);
  assert.equal(status, 200, `a repeat: ${JSON.stringify(body)}`);
  assert.equal(body.key_id, idOf(token));
  assert.equal(body.address, book.keys.get(body.key_id).address);
}

async function creation(world, book) {
  let number = 0;
  await killDuring(world, book, { workers: 6, burst: 20, operate: async () => {
    const token = `created-${number++}`;
    const attempt = () => world.ask("POST", "/v1/keys", { client_token: token });
    const answer = await world.insist("create a key", attempt, true);
    made(book, token, answer);
    if (answer && world.random(8) === 0) await repeat(world, book, token, attempt);
  } });
}

// The command line is run until it says that it is done, again and again, each time from the vault before into a new one.
async function rotation(world, book, listed) {
  let vault = listed.get(world.ready().key_id).vault_id;
  for (const { vault_id } of listed.values()) assert.equal(vault_id, vault);
  const ids = [...listed.keys()];
  let command, rotations = 0;
  const rotate = async () => {
    const child = spawn(redoubt, ["vault", "rotate", vault, "--ready-file", world.readyFile(), "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    command = { child, name: "command" };
    let stdout = "", stderr = "";
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => (stderr += data));
    const [code, signal] = await once(child, "close");
    assert.ok(code === 0 || code === 1 || signal === "SIGKILL", `redoubt vault rotate ended with ${code}: ${stderr}`);
    if (code === 0) return JSON.parse(stdout);
    world.refusal = stderr;
    return undefined;
  };
  const operate = async (worker) => {
    if (worker > 0) {
      const id = ids[world.random(ids.length)];
      checkSigned(id, book.keys.get(id), await world.insist("sign", () => signs(world, id)));
      ++book.acknowledged;
      return;
    }
    const { vault_id: next } = await world.insist("rotate", rotate, false, mostRotationMs);
    assert.notEqual(next, vault);
    assert.equal((await list(world, `&vault_id=${vault}`)).size, 0, "a vault that was rotated has keys");
    assert.equal((await list(world, `&vault_id=${next}`)).size, ids.length, "a rotation lost keys");
    vault = next;
    ++rotations;
  };
  await killDuring(world, book, { workers: 3, burst: 200, operate, own: () => command, goOn: [9, 10], pauseMs: 1_000 });
  for (const { vault_id } of (await list(world)).values()) assert.equal(vault_id, vault);
  return rotations;
}

async function importing(world, book) {
  const nonce = randomBytes(16).toString("hex");
  const { body: offer } = await world.insist("ask where to seal", () => world.ask("GET", `/v1/import?nonce=${nonce}`));
  const { body: some } = await world.insist("describe", () => world.ask("GET", `/v1/keys/${world.ready().key_id}`)); // of the open policy
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientPublicKey = await suite.kem.deserializePublicKey(getBytes(offer.public_key).buffer);
  const viaHttp = async (token, secret) => {
    const info = JSON.stringify({ epoch: offer.epoch, exportable: false, hd: false, key_id: idOf(token), policy_digest: some.policy_digest,
      raw_signing: false, redoubt_import: 1, vault_id: offer.vault_id });
    const sender = await suite.createSenderContext({ recipientPublicKey, info: new TextEncoder().encode(info) });
    const ciphertext = await sender.seal(secret);
    return world.ask("POST", "/v1/keys/import", { client_token: token, vault_id: offer.vault_id, encapsulated_key: hexlify(new Uint8Array(sender.enc)),
      ciphertext: hexlify(new Uint8Array(ciphertext)) });
  };
  const viaCommand = async (token, secret) => {
    const child = spawn(redoubt, ["key", "import", "--hex", "-", "--client-token", token, "--ready-file", world.readyFile(), "--json"],
      { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => {}); // it may end before it reads
    child.stdin.end(hexlify(secret) + "\n");
    let stdout = "", stderr = "";
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => (stderr += data));
    const [code] = await once(child, "close");
    assert.ok(code === 0 || code === 1, `redoubt key import ended with ${code}: ${stderr}`);
    if (code === 0) return { status: 201, body: JSON.parse(stdout) };
    world.refusal = stderr;
    return undefined;
  };
  let number = 0;
  await killDuring(world, book, { workers: 6, burst: 20, operate: async (worker) => {
    const token = `imported-${number++}`, secret = new Uint8Array(randomBytes(32));
    const attempt = () => (worker === 0 ? viaCommand : viaHttp)(token, secret);
    const answer = await world.insist("import a key", attempt, true);
    made(book, token, answer, computeAddress(hexlify(secret)));
    if (answer && world.random(8) === 0) await repeat(world, book, token, () => viaHttp(token, secret));
  } });
}

async function deletion(world, book) {
  // A quarter of the keys, with the first of all, is never to be deleted.
  const left = [...book.keys.keys()].filter((id, i) => i % 4 !== 0);
  const deleted = [];
  let number = 0;
  const another = async () => { // where there are no more
    const token = `to-be-deleted-${number++}`;
    made(book, token, await world.insist("create a key", () => world.ask("POST", "/v1/keys", { client_token: token })));
    return idOf(token);
  };
  await killDuring(world, book, { workers: 4, burst: 8, operate: async () => {
    const id = left.length > 0 ? left.splice(world.random(left.length), 1)[0] : await another(), key = book.keys.get(id);
    const wait = [0, 0, 1, 4][world.random(4)];
    key.deletion = "asked";
    const answer = await world.insist("delete a key", () => world.ask("POST", `/v1/keys/${id}/schedule-deletion`, { wait_seconds: wait }), true);
    if (answer === undefined) ++book.abandoned;
    else {
      const { status, body, attempts } = answer;
      // Where an earlier attempt did it, the key waits for its deletion already, or is gone.
      const before = attempts > 1 && ((status === 409 && body.code === "conflict") || (status === 404 && body.code === "unknown_key"));
      assert.ok((status === 200 && body.state === "pending-deletion") || before, `${status} at attempt ${attempts}: ${JSON.stringify(body)}`);
      key.deletion = "acknowledged";
      key.how = `wait_seconds ${wait}, ${status} ${body.code ?? body.state} at attempt ${attempts}`;
      deleted.push(id);
      ++book.acknowledged;
    }
    // This one, and another of those before it.
    for (const gone of [key.deletion === "acknowledged" ? id : undefined, deleted[world.random(Math.max(1, deleted.length))]])
      if (gone) {
        const signed = await world.insist("sign", () => signs(world, gone));
        assert.ok(isGone(signed), `${gone} was deleted (${book.keys.get(gone).how}) and signs: ${JSON.stringify(signed.body)}`);
      }
  } });
}

for (const store of stores)
  test(`with ${store.name} no acknowledged key is lost and none is half a key, whatever is killed`, { skip: store.skip }, async (t) => {
    t.diagnostic(`KILLS_SEED=${seed}`);
    const world = await openWorld(store, randomNumbers(seed));
    t.after(() => world.close());
    const book = newBook(world.ready());
    const after = async (operation, more = "") => {
      const listed = await list(world);
      t.diagnostic(`${operation}: killed ${JSON.stringify(world.killed)}, acknowledged ${book.acknowledged}, lost answers ${world.lost}, refused ` +
        `${world.refused}, given up ${book.abandoned}${more}; ${listed.size} keys listed`);
      assert.ok(world.kills >= kills && book.acknowledged > kills, "there was work at every kill");
      world.count();
      book.acknowledged = book.abandoned = 0;
      return listed;
    };
    await creation(world, book);
    const listed = await after("creation");
    const rotations = await rotation(world, book, listed);
    await after("rotation", `, rotations ${rotations}`);
    await importing(world, book);
    await after("import");
    await deletion(world, book);
    await after("deletion");

    // The whole, once more from its disk.
    await world.restart();
    await check(world, book);
    // Deleted keys go from the list, by the hundred every ten seconds.
    const gone = [...book.keys].filter(([, key]) => key.deletion === "acknowledged").map(([id]) => id);
    await until("no deleted key is listed", async () => {
      const left = await list(world);
      return !gone.some((id) => left.has(id));
    }, 60_000 + gone.length * 150);
    await check(world, book);
  });
