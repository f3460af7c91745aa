// SPDX-License-Identifier: Apache-2.0
// Parts are killed at random while clients create keys and sign. Each key whose creation was answered must sign
// afterwards, each answer must be one that the API documents, and the service must come back every time.
// CHAOS_SECONDS: how long (300).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Transaction } from "ethers";
import { request, sleep, until, up } from "../lib.mjs";

const seconds = Number(process.env.CHAOS_SECONDS ?? 300);
const transaction = (nonce) => ({ type: "0x2", chainId: 1, nonce, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" });

test("no acknowledged key is lost and every answer is a documented one while parts are killed", async (t) => {
  let seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`CHAOS_SEED=${seed}`);
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  const system = await up({ enclaves: 2 });
  const keys = new Map(); // id → address
  const counts = {};
  let running = true, broken = 0;
  const client = async (number) => {
    for (let i = 0; running; ++i) {
      const known = [...keys.keys()];
      const create = i % 10 === 0;
      const id = known[(number + i) % Math.max(1, known.length)] ?? system.ready().key_id;
      let answer;
      try {
        answer = create ? await request(system.ready(), "POST", "/v1/keys", "{}")
          : await request(system.ready(), "POST", `/v1/keys/${id}/sign-transaction`,
            JSON.stringify({ transaction: transaction(i) }));
      } catch {
        ++broken; // the gateway itself was killed under this connection
        await sleep(50);
        continue;
      }
      counts[answer.status] = (counts[answer.status] ?? 0) + 1;
      const body = JSON.parse(answer.body);
      if (answer.status === 201) keys.set(body.key_id, body.address);
      else if (answer.status === 200) {
        const expected = keys.get(id);
        if (expected) assert.equal(Transaction.from(body.raw_transaction).from, expected);
      } else {
        assert.ok([502, 503, 504].includes(answer.status), `${answer.status} ${answer.body}`);
        assert.match(body.code, /^[a-z_]+$/);
        await sleep(20);
      }
    }
  };
  const clients = Array.from({ length: 8 }, (_, number) => client(number));
  const failed = Promise.all(clients);
  failed.catch(() => (running = false));
  const kills = { enclave: 0, gateway: 0, devcloud: 0, vsock_proxy: 0 };
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline && running) {
    await sleep(300 + random(1500));
    const { pids } = system.ready();
    const part = ["enclave", "enclave", "gateway", "devcloud", "vsock_proxy"][random(5)];
    const pid = part === "enclave" ? pids.enclaves[random(pids.enclaves.length)] : pids[part];
    if (pid > 0) {
      try {
        process.kill(pid, "SIGKILL");
        ++kills[part];
      } catch {
        // it ended by itself meanwhile
      }
    }
    if (random(4) === 0) // from time to time all of it must come back
      await until("signing works again", async () => {
        try {
          return (await request(system.ready(), "POST", `/v1/keys/${system.ready().key_id}/sign-transaction`,
            JSON.stringify({ transaction: transaction(0) }))).status === 200;
        } catch {
          return false;
        }
      }, 30_000);
  }
  running = false;
  await failed;
  t.diagnostic(`kills ${JSON.stringify(kills)}, answers ${JSON.stringify(counts)}, cut connections ${broken}, keys ${keys.size}`);
  assert.ok(counts[200] > 100 && keys.size > 10, "there was work meanwhile");

  // The whole, once more from its disk.
  const readySecrets = system.ready();
  await system.stop();
  const again = await up({ dataDir: system.folder, enclaves: 2 });
  try {
    for (const [id, address] of keys) {
      const answer = await request(again.ready(), "POST", `/v1/keys/${id}/sign-transaction`,
        JSON.stringify({ transaction: transaction(1) }));
      assert.equal(answer.status, 200, `${id}: ${answer.body}`);
      assert.equal(Transaction.from(JSON.parse(answer.body).raw_transaction).from, address);
    }
    assert.ok(!again.logs().includes(readySecrets.secret_access_key));
  } finally {
    await again.stop();
    again.remove();
  }
});
