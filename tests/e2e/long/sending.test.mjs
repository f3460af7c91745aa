// SPDX-License-Identifier: Apache-2.0
// Nonce torture: many send from one account while the chain's node is killed, loses its last second and comes back, and the gateway
// is killed -9 twice. Every transaction is mined exactly once, and no nonce is left out. COUNT (2,000), SENDERS (32), SEED.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { request, root, sleep, until, up } from "../lib.mjs";
import { ownGateway } from "../own_gateway.mjs";
import { randomNumbers } from "./kills_world.mjs";

const count = Number(process.env.COUNT ?? 2_000);
const senders = Number(process.env.SENDERS ?? 32);
const chainId = 31337;
const to = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
const anvilProgram = path.join(root, "tests/e2e/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");

// A node with a block a second, which writes its state down once a second: what came later a kill -9 takes with it.
class Node {
  constructor(folder) {
    this.state = path.join(folder, "chain.json");
    this.whole = path.join(folder, "chain.whole.json"); // the last one that was not half written
    this.port = 0;
  }
  async start() {
    if (fs.existsSync(this.whole)) fs.copyFileSync(this.whole, this.state);
    this.child = spawn(anvilProgram, ["--host", "127.0.0.1", "--port", String(this.port), "--chain-id", String(chainId), "--block-time", "1",
      "--state", this.state, "--state-interval", "1"], { stdio: ["ignore", "pipe", "ignore"] });
    let said = "";
    this.child.stdout.on("data", (data) => { if (said.length < 100_000) said += data; });
    this.ended = once(this.child, "exit");
    const at = await until("anvil listens", () => said.match(/Listening on 127\.0\.0\.1:(\d+)/), 30_000);
    this.port = Number(at[1]);
    this.url = `http://127.0.0.1:${this.port}`;
    await until("anvil answers", () => this.call("eth_chainId").catch(() => undefined), 30_000);
    this.keeping = setInterval(() => this.keep(), 250);
  }
  keep() {
    try {
      const text = fs.readFileSync(this.state, "utf8");
      JSON.parse(text);
      fs.writeFileSync(this.whole + ".new", text);
      fs.renameSync(this.whole + ".new", this.whole);
    } catch {
      // not there yet, or being written
    }
  }
  async end(signal) {
    clearInterval(this.keeping);
    this.child.kill(signal);
    await this.ended;
  }
  async call(method, ...params) {
    const answer = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
    const { result, error } = await answer.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }
}

let folder, node, system, gateway, from;
const startGateway = async () => (gateway = await ownGateway(system, ["--node", `${chainId}=${node.url}`]));
const ask = (method, target, body, headers) => request(gateway.ready, method, target, body === undefined ? undefined : JSON.stringify(body), headers);
const askJson = async (method, target, body, headers) => {
  const answer = await ask(method, target, body, headers);
  return { status: answer.status, body: JSON.parse(answer.body) };
};
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-sending-"));
  node = new Node(folder);
  await node.start();
  system = await up();
  await startGateway();
  from = system.ready().address;
  await node.call("anvil_setBalance", from, "0x56bc75e2d63100000");
  await until("the balance is in the node's file", () => fs.existsSync(node.whole) &&
    fs.readFileSync(node.whole, "utf8").toLowerCase().includes(from.slice(2).toLowerCase()), 20_000);
});
after(async () => {
  gateway?.kill();
  await system?.stop();
  system?.remove();
  await node?.end("SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
});

const used = async () => Number(await node.call("eth_getTransactionCount", from, "latest"));

// Every transaction of the account on the chain, in its order.
async function onChain() {
  const out = [];
  const last = Number(await node.call("eth_blockNumber"));
  for (let number = 1; number <= last; ++number) {
    const block = await node.call("eth_getBlockByNumber", "0x" + number.toString(16), true);
    out.push(...(block?.transactions ?? []).filter((each) => each.from.toLowerCase() === from.toLowerCase()));
  }
  return out;
}

test("every transaction is mined exactly once, whatever is killed", { timeout: 1_800_000 }, async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = randomNumbers(seed);
  const answers = {}, ids = new Map();
  let next = 0, taken = 0, broken = 0, failure;

  // One that was cut off, or told to come again, comes again with the same key.
  const sender = async () => {
    while (next < count && !failure) {
      const value = ++next;
      for (;;) {
        const answer = await ask("POST", "/v1/transactions", { transaction: { from, to, value, chainId } }, { "idempotency-key": `torture-${value}` })
          .catch(() => undefined);
        if (answer === undefined) ++broken;
        else answers[answer.status] = (answers[answer.status] ?? 0) + 1;
        if (answer !== undefined && [200, 201, 202].includes(answer.status)) {
          ids.set(value, JSON.parse(answer.body));
          ++taken;
          break;
        }
        if (answer !== undefined) assert.ok([502, 503, 504].includes(answer.status), `${answer.status} ${answer.body}`);
        await sleep(50 + random(200));
      }
    }
  };
  const work = Promise.all(Array.from({ length: senders }, sender));
  work.catch((error) => (failure = error));

  const reach = (share) => until(`${share} of ${count} are taken`, () => failure || taken >= share * count, 600_000);
  const killGateway = async () => {
    const ended = once(gateway.child, "exit");
    gateway.kill();
    await ended;
    await startGateway();
  };
  await reach(0.2);
  await killGateway();
  await reach(0.4);
  await node.end("SIGKILL");
  await sleep(1_500);
  await node.start();
  await reach(0.7);
  await killGateway();
  await work;
  t.diagnostic(`answers ${JSON.stringify(answers)}, cut connections ${broken}`);
  assert.equal(taken, count);

  await until("the chain has used every nonce", async () => (await used().catch(() => 0)) >= count, 300_000);
  const mined = await onChain();
  assert.equal(mined.length, count);
  assert.deepEqual(mined.map(({ nonce }) => Number(nonce)), Array.from({ length: count }, (_, i) => i), "in order, without a gap");
  const values = mined.map(({ value }) => Number(value));
  assert.equal(new Set(values).size, count, "none twice");
  assert.deepEqual([...values].sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i + 1), "each of them");
  // What the gateway told is what was mined, and it knows so.
  const hashes = new Map(mined.map(({ hash, value }) => [Number(value), hash]));
  for (const [value, { hash }] of ids) assert.equal(hash, hashes.get(value));
  await until("the gateway has seen them mined", async () => {
    const open = await Promise.all(["signed", "broadcast"].map((state) => askJson("GET", `/v1/transactions?state=${state}&limit=1`)));
    return open.every(({ body }) => body.transactions.length === 0);
  }, 120_000);
  for (const value of [1, Math.ceil(count / 2), count]) {
    const { body } = await askJson("GET", `/v1/transactions/${ids.get(value).id}`);
    assert.deepEqual([body.state, body.succeeded, body.versions.length], ["mined", true, 1], JSON.stringify(body));
  }
  for (const state of ["failed", "dropped", "replaced", "cancelled"])
    assert.deepEqual((await askJson("GET", `/v1/transactions?state=${state}`)).body.transactions, [], state);
});

test("a client that names its nonce, or its key, again gets the same transaction; cancelling and replacing take its place", async () => {
  const send = (transaction) => askJson("POST", "/v1/transactions", { transaction: { from, to, chainId, ...transaction } });
  const nonce = Math.max(await used(), Number(await node.call("eth_getTransactionCount", from, "pending")));
  // The nonce after the next: so it waits until something fills the gap.
  const waiting = { nonce: nonce + 1, value: 5, gas: 21_000, maxFeePerGas: 2_000_000_000, maxPriorityFeePerGas: 1_000_000_000 };
  const first = await send(waiting);
  assert.ok([201, 202].includes(first.status), JSON.stringify(first.body));
  const again = await send(waiting);
  assert.deepEqual([again.status, again.body.hash], [200, first.body.hash]);
  assert.equal((await send({ ...waiting, value: 6 })).body.code, "conflict");
  const replaced = await askJson("POST", `/v1/transactions/${first.body.id}/replace`,
    { transaction: { to, value: 7, gas: 21_000, maxFeePerGas: 3_000_000_000, maxPriorityFeePerGas: 2_000_000_000 } });
  assert.equal(replaced.status, 200, JSON.stringify(replaced.body));
  const filling = await send({ value: 8 });
  assert.equal(filling.body.nonce, nonce, JSON.stringify(filling.body));
  await until("the replacement is mined", async () => (await askJson("GET", `/v1/transactions/${first.body.id}`)).body.state === "replaced", 60_000);
  const last = (await onChain()).slice(-2);
  assert.deepEqual(last.map((each) => [Number(each.nonce), Number(each.value)]), [[nonce, 8], [nonce + 1, 7]]);
  const late = await askJson("POST", `/v1/transactions/${first.body.id}/cancel`, {});
  assert.deepEqual([late.status, late.body.code], [409, "conflict"]);
});
