// SPDX-License-Identifier: Apache-2.0
// A limit under ten thousand requests at once: with one enclave and with four exactly as many are signed as it allows, and when
// the enclave that counts, the gateway or everything is killed meanwhile, never more. REQUESTS (10000), of which a tenth is allowed.
import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { Interface, Transaction } from "ethers";
import { ask, askUnsigned, exportLog, makeKey, openSession, payment, person, send, signed, verifyLog } from "../decisions.mjs";
import { alive, sleep, until, up } from "../lib.mjs";
import { Enclave, items, socketOf } from "../wire.mjs";

const requests = Number(process.env.REQUESTS ?? 10_000), most = Math.floor(requests / 10), inFlight = 96;
const mostRecoveryMs = 90_000;
const bot = person("bot"), desk = person("desk", "P-256");
const token = `0x${"70".repeat(20)}`, erc20 = new Interface(["function transfer(address to, uint256 amount)"]);

let system, ready;
const start = async (options) => {
  system = await up(options);
  ready = system.ready();
};
const stop = async () => {
  if (system?.child.exitCode === null && system.child.signalCode === null) assert.equal(await system.stop(), 0);
  system?.remove();
  system = undefined;
};
after(stop);

const policy = (limits, more = {}) => ({ redoubt_policy: 1, principals: [bot.entry, desk.entry],
  rules: [{ name: "pay", effect: "allow", principals: ["bot", "desk"], operations: ["sign-transaction"], limits, ...more }] });
const few = (count) => policy([{ name: "few", window_seconds: 86_400, count }]);
const target = (key, action = "sign-transaction") => `/v1/keys/${key.key_id}/${action}`;
const again = [502, 503, 504];

// Asks for `bodies`, all of them, `inFlight` at a time, each until it is signed or refused for good. A request whose answer was lost is
// sent again as it was; only to another gateway it is signed again, with the same nonce. Gives how each ended: `signed` (index → raw
// transaction) and `refused` (index → answer).
async function flood(key, bodies, { by = () => bot.by, each = () => {} } = {}) {
  const run = { signed: new Map(), refused: new Map(), last: undefined, lost: 0, later: 0 };
  let next = 0;
  const one = async (index) => {
    const nonce = randomBytes(16).toString("hex"), deadline = Date.now() + mostRecoveryMs;
    for (let request, gateway; ;) {
      assert.ok(Date.now() < deadline, `request ${index} has no answer`);
      if (gateway !== ready.gateway) {
        gateway = ready.gateway;
        request = signed(ready, by(index), "POST", target(key), bodies[index], { nonce, expires: Math.floor(Date.now() / 1000) + 250 });
      }
      const answer = await send(ready, request).catch(() => undefined);
      if (answer === undefined || again.includes(answer.status)) {
        answer === undefined ? ++run.lost : ++run.later;
        await sleep(20);
        continue;
      }
      if (answer.status === 200) {
        run.last = request;
        run.signed.set(index, answer.body.raw_transaction);
      } else {
        assert.deepEqual([answer.status, answer.body.code], [429, "limit_reached"], answer.text);
        run.refused.set(index, answer);
      }
      each(run);
      return;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (next < bodies.length) await one(next++);
  }));
  assert.equal(run.signed.size + run.refused.size, bodies.length);
  assert.equal(new Set(run.signed.values()).size, run.signed.size, "distinct transactions");
  for (const [index, raw] of run.signed) assert.equal(Transaction.from(raw).nonce, index);
  return run;
}
const payments = (count) => Array.from({ length: count }, (_, nonce) => payment({ nonce }));
// It has nothing left, however it is asked.
async function full(key, used) {
  for (const by of [bot, desk]) {
    const answer = await ask(ready, by.by, "POST", target(key), payment({ nonce: 1_000_000 }));
    assert.deepEqual([answer.status, answer.body.code], [429, "limit_reached"], answer.text);
    assert.equal(answer.body.decision.used, String(used));
  }
}
// One that was killed has another process by now, or will have: the ready file is read anew until it is there.
async function connected() {
  return Promise.all(system.ready().pids.enclaves.map((_, index) => until("the enclave listens", async () => {
    const pid = system.ready().pids.enclaves[index];
    try {
      return { pid, enclave: await Enclave.connect(socketOf(pid)) };
    } catch {
      return undefined;
    }
  })));
}
// The process of the enclave that counts for a key. Who allowed a request before repeats it, and takes nothing for it; of those that
// began at the same time, one has gone on.
async function countingNow(request) {
  const { method, target: path, authority, headers, body } = request;
  const answers = await Promise.all((await connected()).map(async ({ pid, enclave }) => {
    const { status, records } = await enclave.ask({ method, authority, target: path, headers, body });
    enclave.close();
    const record = records.find(({ kind }) => kind === items.counters)?.bytes; // docs/formats/sealed.md: term at 22, sequence at 30
    return { pid, status, order: record ? [record.readBigUInt64BE(22), record.readBigUInt64BE(30)] : [0n, 0n] };
  }));
  const [{ pid, status }] = answers.sort(({ order: [a, b] }, { order: [c, d] }) => (a !== c ? (a > c ? -1 : 1) : b > d ? -1 : 1));
  return status === 200 ? pid : undefined;
}
// While one takes over, none counts.
const counting = (request) => until("an enclave counts", () => countingNow(request), 15_000);
// All of them: one that was killed a moment ago is there again first.
const running = () => until("every enclave runs", () => {
  const { enclaves } = system.ready().pids;
  return enclaves.every((pid) => pid > 0 && alive(pid)) ? enclaves : undefined;
});
const killed = async (pid) => {
  process.kill(pid, "SIGKILL");
  await until("it is gone", () => !alive(pid), 10_000);
};

test("one enclave signs exactly what the limit allows, for principals and their sessions", async (t) => {
  await start({ enclaves: 1 });
  const key = await makeKey(ready, few(most)), session = await openSession(ready, key.key_id, desk, { lifeMs: 600_000 });
  const began = Date.now();
  const run = await flood(key, payments(requests), { by: (index) => (index % 2 ? session.by : bot.by) });
  t.diagnostic(`${requests} requests in ${Date.now() - began} ms; asked again ${run.later}, lost ${run.lost}`);
  assert.deepEqual([run.signed.size, run.refused.size], [most, requests - most]);
  await full(key, most);
  const log = await exportLog(ready, "--key", key.key_id);
  assert.equal(log.filter(({ decision, operation }) => decision === "allowed" && operation === "sign-transaction").length, most);
  assert.ok(log.filter(({ code }) => code === "limit_reached").length >= requests - most);
});

test("when the only enclave is killed twice, the next goes on where it was, and never beyond", killEnclaves);

test("an HD key's limit counts all its paths, in whichever enclave", async () => {
  const key = await makeKey(ready, few(4), { hd: true });
  const pays = (nonce, path) => ask(ready, bot.by, "POST", target(key), { ...payment({ nonce }), ...(path ? { path } : {}) });
  const path = (index) => `m/44'/60'/0'/0/${index}`;
  for (const [nonce, where] of [[0, undefined], [1, path(1)]]) assert.equal((await pays(nonce, where)).status, 200);
  // The next enclave finds what the last one counted for another path.
  await killed(ready.pids.enclaves[0]);
  ready = await until("another enclave runs", () => {
    const now = system.ready();
    return now.pids.enclaves[0] > 0 && now.pids.enclaves[0] !== ready.pids.enclaves[0] ? now : undefined;
  });
  const insist = (nonce, where) => until("it is answered", async () => {
    const answer = await pays(nonce, where);
    return again.includes(answer.status) ? undefined : answer;
  }, 30_000);
  for (const [nonce, where] of [[2, path(2)], [3, path(1)]]) {
    const answer = await insist(nonce, where);
    assert.equal(answer.status, 200, answer.text);
  }
  for (const where of [undefined, path(1), path(2), path(3)]) assert.equal((await insist(4, where)).body.code, "limit_reached", where);
});

test("a request is repeated as long as its signature lasts, also when nobody has asked meanwhile", async () => {
  const key = await makeKey(ready, few(2));
  const request = signed(ready, bot.by, "POST", target(key), payment());
  const insist = () => until("it is answered", async () => {
    const answer = await send(ready, request);
    return again.includes(answer.status) ? undefined : answer;
  }, 30_000);
  const first = await insist();
  assert.equal(first.status, 200, first.text);
  await sleep(5_500); // longer than the lease of who counts
  const second = await insist();
  assert.deepEqual([second.status, second.text, second.receipt.decision], [200, first.text, "repeated"]);
  assert.equal((await ask(ready, bot.by, "POST", target(key), payment({ nonce: 1 }))).status, 200, "it has taken nothing");
  await full(key, 2);
  await sleep(5_500);
  const third = await insist();
  assert.deepEqual([third.status, third.text], [200, first.text], "and needs nothing");
});

// What is no signature: such a rule is refused where it is read, or its limit holds.
test("a limit of a rule that allows something else than signatures holds, or there is no such rule", async () => {
  const { x } = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" });
  const document = policy([{ name: "few", window_seconds: 86_400, count: 2 }], { operations: ["derive", "export", "update"] });
  document.export_recipients = [{ id: "cold", public_key: `0x${Buffer.from(x, "base64url").toString("hex")}` }];
  const made = await askUnsigned(ready, "POST", "/v1/keys", { policy: document, hd: true, exportable: true });
  if (made.status === 400) return assert.equal(made.body.code, "invalid_field");
  const challenge = async () => (await system.json("GET", "/v1/challenge")).body.challenge;
  for (const [action, body] of [["derive", { path: "m/44'/60'/0'/0/1", nonce: "00" }], ["export", { recipient: "cold", nonce: "00" }], ["update", { label: "x" }]]) {
    const key = action === "derive" ? made.body : (await askUnsigned(ready, "POST", "/v1/keys", { policy: document, hd: true, exportable: true })).body;
    const statuses = [];
    for (let i = 0; i < 3; ++i) statuses.push((await ask(ready, bot.by, "POST", target(key, action), body, { nonce: await challenge() })).status);
    assert.deepEqual(statuses, [200, 200, 429], action);
  }
});

test("a token's transfers come to exactly the limit's amount", async () => {
  const sum = 20_000n * 10n ** 18n, unit = 10n ** 18n;
  const document = policy([{ name: "day", window_seconds: 86_400, amount: String(sum), amount_of: "call.amount" }],
    { function: "transfer(address to, uint256 amount)", conditions: { "transaction.to": { is: token }, "transaction.value": { is: "0" } } });
  const key = await makeKey(ready, document);
  const transfer = (amount, nonce) => payment({ to: token, value: 0, nonce, data: erc20.encodeFunctionData("transfer", [`0x${"11".repeat(20)}`, amount]) });
  // Odd amounts, then single units, which fill what is left.
  const amounts = Array.from({ length: 900 }, (_, i) => (i < 600 ? BigInt(1 + randomBytes(2).readUInt16BE() % 100) * unit : unit));
  const run = await flood(key, amounts.map(transfer));
  const taken = [...run.signed.values()].reduce((total, raw) => total + erc20.decodeFunctionData("transfer", Transaction.from(raw).data).amount, 0n);
  assert.ok(run.refused.size > 0);
  assert.equal(taken, sum);
  const answer = await ask(ready, bot.by, "POST", target(key), transfer(1n, 1_000_000));
  assert.deepEqual([answer.body.code, answer.body.decision.used, answer.body.decision.most], ["limit_reached", String(sum), String(sum)]);
  // Another function, another token, or calldata that is no strict encoding, is not this rule's.
  for (const change of [{ to: `0x${"71".repeat(20)}` }, { data: "0x" }, { data: transfer(1n, 0).transaction.data + "00" }, { value: 1 }]) {
    const { to = token, value = 0, data = transfer(0n, 0).transaction.data } = change;
    assert.equal((await ask(ready, bot.by, "POST", target(key), payment({ to, value, data, nonce: 1 }))).body.code, "policy_denied", JSON.stringify(change));
  }
});

test("four enclaves sign together exactly what the limit allows", async (t) => {
  await stop();
  await start({ enclaves: 4 });
  (await connected()).forEach(({ enclave }) => enclave.close());
  const key = await makeKey(ready, few(most)), began = Date.now();
  const run = await flood(key, payments(requests), { by: (index) => (index % 2 ? bot.by : desk.by) });
  t.diagnostic(`${requests} requests in ${Date.now() - began} ms; asked again ${run.later}, lost ${run.lost}`);
  assert.deepEqual([run.signed.size, run.refused.size], [most, requests - most]);
  await full(key, most);
});

// Kills the enclave that counts, and later every enclave at once.
async function killEnclaves(t) {
  const key = await makeKey(ready, few(most)), began = Date.now();
  let kills = 0, killing = Promise.resolve();
  const run = await flood(key, payments(requests), { each: (state) => {
    if (state.signed.size < most * 0.3 * (kills + 1) || kills === 2) return;
    ++kills;
    const { last } = state, first = kills === 1;
    killing = killing.then(async () => (first ? killed(await counting(last)) : Promise.all((await running()).map(killed))));
    killing.catch(() => {}); // it is awaited below
  } });
  await killing;
  ready = system.ready();
  t.diagnostic(`${kills} kills: ${run.signed.size} of ${most} in ${Date.now() - began} ms; asked again ${run.later}, lost ${run.lost}`);
  assert.equal(kills, 2);
  assert.ok(run.signed.size <= most, String(run.signed.size));
  assert.ok(run.signed.size >= most - kills * inFlight, `what was counted and not answered is under way at most: ${run.signed.size}`);
  await full(key, most);
}

test("when its enclaves are killed, first the one that counts and then all, others go on where they were, and never beyond", killEnclaves);

test("when the gateway is killed, and then everything, no more is signed than the limit allows", async (t) => {
  const key = await makeKey(ready, few(most)), began = Date.now();
  let kills = 0, killing = Promise.resolve();
  const run = await flood(key, payments(requests), { each: (state) => {
    if (state.signed.size < most * 0.3 * (kills + 1) || kills === 2) return;
    ++kills;
    if (kills === 1) killing = killed(system.ready().pids.gateway);
    else
      killing = killing.then(async () => {
      const { folder } = system, pids = Object.values(system.ready().pids).flat();
      system.child.kill("SIGKILL");
      await until("all of it is gone", () => system.child.signalCode !== null && !pids.some((pid) => pid > 0 && alive(pid)), 10_000);
      await start({ dataDir: folder, enclaves: 4 });
    });
    killing.catch(() => {});
  } });
  await killing;
  t.diagnostic(`${run.signed.size} of ${most} in ${Date.now() - began} ms; asked again ${run.later}, lost ${run.lost}`);
  assert.equal(kills, 2);
  assert.ok(run.signed.size <= most, String(run.signed.size));
  assert.ok(run.signed.size >= most - kills * inFlight, String(run.signed.size));
  await full(key, most);
});

test("the log of what is left verifies", async () => {
  const said = await until("every receipt has a head", async () => {
    const answer = await verifyLog(system);
    return answer.code === 0 ? answer : undefined;
  }, 5_000).catch(() => verifyLog(system));
  if (said.code === 0) return;
  // A chain whose enclave was killed may end without a head: all else is as strict.
  const tail = await verifyLog(system, undefined, "--accept-unsigned-tail", "4096");
  assert.equal(tail.code, 0, `${said.stderr}\n${tail.stderr}`);
});
