// SPDX-License-Identifier: Apache-2.0
// Anything may die at any time: virtual machines, their simulators, the watchdog, the gateway, under load. No answer is wrong, no
// acknowledged key is lost, service is back in time, and nothing is left running. KILLS (20), at most one in KILL_MS (3000); ENCLAVES (4).
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { alive, sleep, until } from "../lib.mjs";
import { replacedMs, signs, upInMachines } from "./vm.mjs";

const kills = Number(process.env.KILLS ?? 20), killMs = Number(process.env.KILL_MS ?? 3000), backMs = 15_000;
const enclaves = Number(process.env.ENCLAVES ?? 4);

let vm;
const later = []; // systems that were started after the first
before(async () => {
  vm = await upInMachines({ enclaves });
});
after(async () => {
  if (vm?.system.child.exitCode === null) await vm.system.stop();
  for (const { system } of later) if (system.child.exitCode === null && system.child.signalCode === null) await system.stop();
  vm?.system.remove();
});

// [pid, command line] of every process that works in the system's folder.
function processes() {
  const out = [];
  for (const pid of fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      if (line.includes(vm.system.folder) && Number(pid) !== process.pid) out.push([Number(pid), line]);
    } catch { /* it has ended */ }
  }
  return out;
}
const victims = [["machine", /qemu-system/], ["simulator", / nitro-sim /], ["watchdog", / watchdog /], ["gateway", / gateway /]];
const pidsOf = (pattern) => processes().filter(([, line]) => pattern.test(line)).map(([pid]) => pid).sort((a, b) => a - b);
const ofEnclaves = () => pidsOf(/qemu-system| nitro-sim | enclave-minder /);

test("the watchdog is killed under load: every machine goes on, and no request fails", async (t) => {
  const { ready, events } = vm;
  await until("all enclaves sign", () => events().filter(({ event }) => event === "an enclave can sign").length === enclaves, enclaves * replacedMs);
  const before = ofEnclaves();
  assert.equal(before.length, 3 * enclaves);
  let running = true, nonce = 0, signed = 0;
  const failed = [];
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (running) {
      const mine = nonce++;
      const answer = await signs(ready, mine).catch((error) => ({ status: 0, body: String(error) }));
      if (answer.status === 200) ++signed;
      else failed.push([mine, answer.status, answer.body]);
    }
  }));
  for (let i = 0; i < 3; ++i) {
    const known = events().length, [watchdog] = pidsOf(/ watchdog /);
    process.kill(watchdog, "SIGKILL");
    await until("the next watchdog has them all", () =>
      new Set(events().slice(known).filter(({ event }) => event === "an enclave can sign").map(({ cid }) => cid)).size === enclaves, replacedMs);
    assert.deepEqual(events().slice(known).filter(({ event }) => event === "an enclave is started"), []);
    assert.equal(events().slice(known).filter(({ event }) => event === "an enclave that runs is taken over").length, enclaves);
    assert.deepEqual(ofEnclaves(), before);
  }
  running = false;
  await load;
  t.diagnostic(`${signed} signatures`);
  assert.deepEqual(failed, []);
  assert.ok(signed > 50, String(signed));
});

test(`${kills} kills under load`, async (t) => {
  const { ready, system } = vm;
  const nowReady = () => ({ ...ready, gateway: system.ready().gateway });
  let running = true, signed = 0, refused = 0, nonce = 0;
  let since = Date.now(), longest = 0; // of a time without any signature
  const wrong = [], keys = [];
  const worker = async () => {
    while (running) {
      const mine = nonce++;
      const answer = await signs(nowReady(), mine).catch(() => undefined);
      if (answer?.status !== 200) {
        ++refused;
        if (answer && ![502, 503, 504].includes(answer.status)) wrong.push(["an answer", answer.status, answer.body]);
        await sleep(50);
        continue;
      }
      const made = Transaction.from(JSON.parse(answer.body).raw_transaction);
      if (made.nonce !== mine || made.from !== ready.address) wrong.push(["a signature", mine]);
      ++signed;
      longest = Math.max(longest, Date.now() - since);
      since = Date.now();
    }
  };
  const maker = async () => {
    while (running) {
      const made = await system.json("POST", "/v1/keys", {}).catch(() => undefined);
      if (made?.status === 201) keys.push([made.body.key_id, made.body.address]);
      await sleep(200);
    }
  };
  const load = Promise.all([worker(), worker(), worker(), worker(), maker()]);
  const killed = {};
  for (let i = 0; i < kills; ++i) {
    await sleep(killMs / 2 + Math.random() * killMs / 2);
    const [what, pattern] = victims[Math.floor(Math.random() * victims.length)];
    const found = processes().filter(([, line]) => pattern.test(line));
    if (found.length === 0) continue; // it is dead already
    const [pid] = found[Math.floor(Math.random() * found.length)];
    try {
      process.kill(pid, "SIGKILL");
      killed[what] = (killed[what] ?? 0) + 1;
    } catch { /* it ended by itself */ }
  }
  await until("service is back", async () => (await signs(nowReady()).catch(() => undefined))?.status === 200, backMs);
  running = false;
  await load;
  t.diagnostic(`${JSON.stringify(killed)}: ${signed} signatures, ${refused} refused, longest outage ${longest} ms; ${keys.length} keys made`);
  assert.deepEqual(wrong, []);
  assert.ok(longest <= backMs, `no signature for ${longest} ms`);
  assert.ok(keys.length > 0);
  for (const [id, address] of keys) {
    const answer = await until("the key signs", async () => {
      const got = await signs({ ...nowReady(), key_id: id }).catch(() => undefined);
      return got && ![502, 503, 504].includes(got.status) ? got : undefined;
    }, replacedMs);
    assert.equal(answer.status, 200, `${id}: ${answer.body}`);
    assert.equal(Transaction.from(JSON.parse(answer.body).raw_transaction).from, address);
  }
});

test("when it is stopped, nothing is left running", async () => {
  await until("the watchdog runs", () => pidsOf(/ watchdog /).length === 1);
  const pids = processes().map(([pid]) => pid);
  assert.ok(pids.length >= 6, String(pids.length));
  // The one that would end the machines is killed just before: whoever started it does.
  process.kill(pidsOf(/ watchdog /)[0], "SIGKILL");
  assert.equal(await vm.system.stop(), 0);
  await until("all of it is gone", () => !pids.some(alive), 15_000);
  assert.deepEqual(processes(), []);
});

test("when everything above a machine is killed, the next start takes it over; without one it ends by itself", async () => {
  const again = async () => {
    later.push(await upInMachines({ enclaves: 1, dataDir: vm.system.folder }));
    return later.at(-1);
  };
  const killed = async ({ system }) => {
    const ended = once(system.child, "exit");
    system.child.kill("SIGKILL");
    await ended;
    await until("what is not a machine's is gone", () => processes().length === 3, 10_000);
  };
  const first = await again();
  const machine = ofEnclaves();
  assert.equal(machine.length, 3);
  await killed(first);
  const second = await again();
  assert.deepEqual(ofEnclaves(), machine);
  assert.equal((await signs(second.ready)).status, 200);
  await killed(second);
  await until("the machine is gone, too", () => processes().length === 0, 40_000);
});
