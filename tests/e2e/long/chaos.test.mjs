// SPDX-License-Identifier: Apache-2.0
// Parts are killed while keys are created and secrets updated. What was acknowledged must be there afterwards, what is
// listed must be whole, each answer must be one that the API documents, and the service must come back every time.
// CHAOS_KILLS (100), CHAOS_SEED.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GetSecretValueCommand, PutSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { Transaction } from "ethers";
import { secrets } from "../cloud.mjs";
import { request, sleep, until, up } from "../lib.mjs";

const wantedKills = Number(process.env.CHAOS_KILLS ?? 100);
const transaction = (nonce) => ({ type: "0x2", chainId: 1, nonce, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" });

test("nothing acknowledged is lost while parts are killed at random moments", async (t) => {
  let seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`CHAOS_SEED=${seed}`);
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * n);
  };
  let system = await up({ enclaves: 2 });
  t.after(async () => {
    if (system.child.exitCode === null) await system.stop();
    system.remove();
  });
  const sign = (id, nonce) => request(system.ready(), "POST", `/v1/keys/${id}/sign-transaction`,
    JSON.stringify({ transaction: transaction(nonce) }));
  const keys = new Map(); // id → address, as acknowledged
  const counts = {};
  let running = true, broken = 0, puts = 0, lastPut = 0, acknowledgedPut = 0;

  const creator = async () => {
    while (running) {
      let answer;
      try {
        answer = await request(system.ready(), "POST", "/v1/keys", "{}");
      } catch {
        ++broken; // the gateway itself was killed under this connection
        await sleep(20);
        continue;
      }
      counts[answer.status] = (counts[answer.status] ?? 0) + 1;
      const body = JSON.parse(answer.body);
      if (answer.status === 201) keys.set(body.key_id, body.address);
      else {
        assert.ok([429, 502, 503, 504].includes(answer.status), `${answer.status} ${answer.body}`);
        assert.match(body.code, /^[a-z_]+$/);
      }
      await sleep(60); // an enclave attests some 50 creations a second and refuses more with 429
    }
  };
  const signer = async (number) => {
    for (let i = 0; running; ++i) {
      const known = [...keys.keys()];
      const id = known[(number + i) % Math.max(1, known.length)] ?? system.ready().key_id;
      const answer = await sign(id, i).catch(() => undefined);
      if (answer === undefined) {
        ++broken;
        await sleep(20);
        continue;
      }
      counts[answer.status] = (counts[answer.status] ?? 0) + 1;
      if (answer.status === 200) {
        if (keys.has(id) && i % 20 === 0)
          assert.equal(Transaction.from(JSON.parse(answer.body).raw_transaction).from, keys.get(id));
      } else {
        assert.ok([502, 503, 504].includes(answer.status), `${answer.status} ${answer.body}`);
        await sleep(20);
      }
      await sleep(5);
    }
  };
  // One writer: values count upwards, so the one that is read later must not be lower than the last acknowledged.
  const writer = async () => {
    while (running) {
      const value = ++lastPut;
      try {
        await secrets(system.ready()).send(new PutSecretValueCommand({ SecretId: system.ready().secret_id,
          SecretString: `value ${value}` }));
        acknowledgedPut = value;
        ++puts;
      } catch {
        await sleep(50); // devcloud was killed under it; the value may have been stored or not
      }
      await sleep(5);
    }
  };
  const work = Promise.all([creator(), creator(), creator(), signer(0), signer(1), writer()]);
  let failure;
  work.catch((error) => {
    failure = error;
    running = false;
  });

  const killed = { gateway: 0, devcloud: 0, enclave: 0, vsock_proxy: 0 };
  for (let i = 0; i < wantedKills && !failure; ++i) {
    await sleep(2_100 + random(400)); // long enough that a part is started again at once
    const { pids } = system.ready();
    const part = ["gateway", "devcloud", "gateway", "devcloud", "enclave", "vsock_proxy"][random(6)];
    const pid = part === "enclave" ? pids.enclaves[random(pids.enclaves.length)] : pids[part];
    if (pid <= 0) continue;
    process.kill(pid, "SIGKILL");
    ++killed[part];
    if (i % 10 === 9)
      await until("signing works again", async () => {
        const answer = await sign(system.ready().key_id, 0).catch(() => undefined);
        return failure || answer?.status === 200;
      }, 30_000);
  }
  running = false;
  if (failure) throw failure;
  await work;
  t.diagnostic(`killed ${JSON.stringify(killed)}, answers ${JSON.stringify(counts)}, cut connections ${broken}, ` +
    `keys ${keys.size}, secret updates ${puts}`);
  assert.ok(keys.size > wantedKills && puts > wantedKills, "there was work at every kill");

  // The whole, once more from its disk.
  await system.stop();
  system = await up({ dataDir: system.folder, enclaves: 2 });
  const ready = system.ready();
  const { SecretString } = await secrets(ready).send(new GetSecretValueCommand({ SecretId: ready.secret_id }));
  const stored = Number(/^value (\d+)$/.exec(SecretString)[1]);
  assert.ok(stored >= acknowledgedPut && stored <= lastPut, `${stored}, acknowledged ${acknowledgedPut}`);
  const listed = new Map();
  for (let after = ""; ;) {
    const page = JSON.parse((await request(ready, "GET", `/v1/keys?limit=1000${after && "&after=" + after}`)).body);
    for (const key of page.keys) listed.set(key.key_id, key.address);
    if (!page.next) break;
    after = page.next;
  }
  for (const [id, address] of keys) assert.equal(listed.get(id), address, `${id} was acknowledged and is not listed`);
  for (const [id, address] of listed) {
    const answer = await request(ready, "GET", `/v1/keys/${id}`);
    assert.equal(answer.status, 200, `${id} is listed and does not open: ${answer.body}`);
    assert.equal(JSON.parse(answer.body).address, address);
  }
  t.diagnostic(`${listed.size} keys listed, each opens`);
});
