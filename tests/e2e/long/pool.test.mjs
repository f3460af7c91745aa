// SPDX-License-Identifier: Apache-2.0
// A pool of enclaves under load: each is replaced, one stops answering, and enclaves come and go. No request fails.
// POOL_SECONDS (6): how long each load runs before and after.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { request, sleep, until, up } from "../lib.mjs";
import { enclavesOf, ownGateway } from "../own_gateway.mjs";

const seconds = Number(process.env.POOL_SECONDS ?? 6);
const clients = 12, differentNonces = 50;
const bodyOf = (nonce) => JSON.stringify({ transaction: { type: "0x2", chainId: 1, nonce, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" } });

let system;
before(async () => {
  system = await up({ enclaves: 3 });
  await until("every enclave has the vault open", () => allOpen(system.ready(), 3), 20_000);
});
after(async () => {
  if (system?.child.exitCode === null) assert.equal(await system.stop(), 0);
  system?.remove();
});

async function allOpen(ready, wanted) {
  const answer = await request(ready, "GET", "/healthz");
  if (answer.status !== 200) return false;
  const { total, usable, vault_open: open } = JSON.parse(answer.body).enclaves;
  return total === wanted && usable === wanted && open === wanted;
}

// Clients that sign one transaction after the other, and now and then make a key; every answer is checked.
async function load(ready, key) {
  const target = `/v1/keys/${key.key_id}/sign-transaction`;
  const expected = [];
  for (let nonce = 0; nonce < differentNonces; ++nonce) {
    const answer = await request(ready, "POST", target, bodyOf(nonce));
    assert.equal(answer.status, 200, answer.body);
    assert.equal(Transaction.from(JSON.parse(answer.body).raw_transaction).from, key.address);
    expected.push(answer.body);
  }
  const failed = [], times = [];
  let running = true, keys = 0;
  const client = async (number) => {
    for (let i = number; running; ++i) {
      const started = performance.now();
      const making = i % 40 === 0;
      const answer = await (making ? request(ready, "POST", "/v1/keys", JSON.stringify({ client_token: `pool-${number}-${i}` }))
        : request(ready, "POST", target, bodyOf(i % differentNonces))).catch((error) => ({ status: 0, body: String(error) }));
      const right = making ? [200, 201].includes(answer.status) : answer.status === 200 && answer.body === expected[i % differentNonces];
      if (!right) failed.push(`${making ? "a new key" : "a signature"}: ${answer.status} ${answer.body.slice(0, 300)}`);
      if (making) ++keys;
      times.push({ started, took: performance.now() - started });
    }
  };
  const ended = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  return {
    failed, times,
    // Of the requests that were begun between two times.
    p99: (from, to) => {
      const took = times.filter(({ started }) => started >= from && started < to).map((one) => one.took).sort((a, b) => a - b);
      assert.ok(took.length > 50, `${took.length} requests are too few`);
      return took[Math.floor(took.length * 0.99)];
    },
    stop: async () => {
      running = false;
      await ended;
      assert.deepEqual(failed.slice(0, 5), []);
      return `${times.length} requests answered, ${keys} of them new keys; the longest took ` +
        `${Math.max(...times.map(({ took }) => took)).toFixed(0)} ms`;
    },
  };
}

test("every enclave is replaced, one after the other, and no request fails", async (t) => {
  const ready = system.ready();
  const running = await load(ready, ready);
  await sleep(1000);
  const outages = [];
  for (const old of ready.pids.enclaves) {
    const began = Date.now();
    process.kill(old, "SIGKILL");
    await until("another one is in its place", async () => {
      const now = system.ready().pids.enclaves;
      return now.length === 3 && !now.includes(old) && (await allOpen(ready, 3));
    }, 20_000);
    outages.push(Date.now() - began);
    await sleep((seconds * 1000) / 6);
  }
  t.diagnostic(`${await running.stop()}; replaced in ${outages.join(", ")} ms`);
  assert.equal(system.ready().pids.enclaves.filter((pid) => ready.pids.enclaves.includes(pid)).length, 0);
  assert.equal(system.ready().pids.gateway, ready.pids.gateway);
});

test("of three enclaves one freezes: no request is lost, and within two seconds it is as fast as before", async (t) => {
  const ready = system.ready();
  const running = await load(ready, ready);
  const begun = performance.now();
  await sleep(seconds * 1000);
  const frozen = performance.now(), pid = ready.pids.enclaves[1];
  process.kill(pid, "SIGSTOP");
  t.after(() => {
    try {
      process.kill(pid, "SIGCONT");
    } catch { /* it has ended */ }
  });
  await sleep(2000 + seconds * 1000);
  const usable = JSON.parse((await request(ready, "GET", "/healthz")).body).enclaves.usable;
  const later = performance.now();
  process.kill(pid, "SIGCONT");
  await until("it serves again", () => allOpen(ready, 3), 10_000);
  const before_ = running.p99(begun + 500, frozen), while_ = running.p99(frozen, frozen + 2000), after_ = running.p99(frozen + 2000, later);
  t.diagnostic(`${await running.stop()}; p99 before ${before_.toFixed(1)} ms, in the two seconds after ${while_.toFixed(1)} ms, later ${after_.toFixed(1)} ms`);
  assert.equal(usable, 2, "the frozen one is out of service");
  // A third of the enclaves is gone, and the machine is not ours alone.
  assert.ok(after_ <= 2 * before_ + 20, `p99 is ${after_} ms and was ${before_} ms`);
  assert.deepEqual(system.ready().pids, ready.pids, "nothing was started again");
});

test("enclaves come and go by the list that a gateway reads again on SIGHUP, and no request fails", async (t) => {
  const [first, second, third] = enclavesOf(system.ready());
  const list = path.join(system.folder, "enclaves");
  const write = (...endpoints) => fs.writeFileSync(list, endpoints.join("\n") + "\n");
  write(first);
  const own = await ownGateway(system, ["--enclaves", list], ["--enclave"]);
  t.after(own.kill);
  const become = async (...endpoints) => {
    write(...endpoints);
    own.child.kill("SIGHUP");
    await until(`${endpoints} serve`, () => allOpen(own.ready, endpoints.length), 20_000);
    await sleep((seconds * 1000) / 6);
  };
  const running = await load(own.ready, own.ready);
  await become(first, second); // one more
  await become(second, third); // one for another
  await become(first); // others altogether
  await become(first, second, third);
  // A list that cannot be taken over changes nothing.
  for (const wrong of ["", "nonsense", `${first}\n${first}`]) {
    fs.writeFileSync(list, wrong);
    const length = own.log().length;
    own.child.kill("SIGHUP");
    await until("it is said", () => own.log().slice(length).includes("list of enclaves was not reloaded"), 5_000);
    assert.ok(await allOpen(own.ready, 3));
  }
  const said = own.log().length;
  await become(second);
  const letGo = () => own.log().slice(said).split("\n").filter((line) => line.includes("has been let go"));
  await until("the others are let go", () => letGo().length === 2, 30_000);
  for (const endpoint of [first, third]) assert.ok(letGo().some((line) => line.includes(endpoint)), own.log());
  t.diagnostic(await running.stop());
  await own.stop();
});
