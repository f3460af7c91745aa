// SPDX-License-Identifier: Apache-2.0
// Instance refreshes with AWS's SDK against the rehearsal's stand-in for Auto Scaling, without hosts: begun once, found again, turned
// back or cancelled, and somebody else's left alone.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { GroupFleet } from "../fleet_group.mjs";
import { makeGroup } from "../../../tests/e2e/long/rollout_group.mjs";

Object.assign(process.env, { AWS_ACCESS_KEY_ID: "AKIATESTTESTTESTTEST", AWS_SECRET_ACCESS_KEY: "x".repeat(40) });
const template = "lt-0123456789abcdef0", sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, holds) {
  for (const end = Date.now() + 30_000; !holds();) {
    if (Date.now() > end) throw new Error(`${what}: not within 30 s`);
    await sleep(5);
  }
}

// held: new hosts boot for as long as it is true.
let it, calls, held, startFails;
beforeEach(async () => {
  calls = [], held = false, startFails = false;
  it = await makeGroup({ name: "signers", template, version: "1", size: 2, around: async (action, answer) => {
    calls.push(action);
    return answer();
  }, hosts: { start: async () => {
    while (held) await sleep(5);
    if (startFails) throw new Error("it does not boot");
    return {};
  }, inService: async () => {}, drain: async () => {}, end: async () => {} } });
});
afterEach(() => {
  held = false;
  return it.stop();
});

const said = [];
function fleet({ next = "2", memory = {} } = {}) {
  const plan = { fleet: { group: "signers", region: "us-east-1", endpoint: it.url, launch_template: template, old_version: "1", new_version: next }, waits: { poll_seconds: 0.02, replace_minutes: 1 } };
  return new GroupFleet(plan, { sleep, say: (sentence) => said.push(sentence), now: Date.now, memory, save: () => {} });
}
const begun = () => calls.filter((action) => action === "StartInstanceRefresh").length;

test("a refresh is begun once, and found again by the next run", async () => {
  const one = fleet();
  await one.examine();
  held = true;
  const first = one.replace({}, { back: false });
  await until("it has begun", () => one.memory.forward && begun() === 1);
  const again = fleet({ memory: one.memory }).replace({}, { back: false }), asked = calls.length;
  await until("both have looked at it", () => calls.length >= asked + 6);
  held = false;
  await Promise.all([first, again]);
  assert.deepEqual(it.versions(), ["2", "2"]);
  assert.equal(it.group.refreshes.length, 1);
  await fleet({ memory: one.memory }).replace({}, { back: false });
  assert.equal(begun(), 1);
  await assert.rejects(fleet().examine(), /not configured with version 1/);
});

test("back from a finished one is another refresh; from one under way AWS turns it", async () => {
  const one = fleet();
  await one.replace({}, { back: false });
  await one.replace({}, { back: true });
  assert.deepEqual([it.versions(), begun()], [["1", "1"], 2]);

  const two = fleet();
  held = true;
  const forward = two.replace({}, { back: false }).catch((error) => error.message);
  await until("it is under way", () => two.memory.forward && it.group.refreshes.at(-1).Status === "InProgress" && begun() === 3);
  const back = fleet({ memory: two.memory }).replace({}, { back: true });
  await until("AWS was told to turn back", () => calls.includes("RollbackInstanceRefresh"));
  held = false;
  await back;
  await forward; // in truth it was killed before: two at once are refused
  assert.deepEqual([it.versions(), it.group.version, it.group.refreshes.at(-1).Status], [["1", "1"], "1", "RollbackSuccessful"]);
});

test("a group that was given its new version already is waited for, and gone back from by a cancellation", async () => {
  const waiting = fleet({ next: "group" });
  await assert.rejects(waiting.replace({}, { back: false }), (error) => error.exitCode === 4);
  assert.equal(begun(), 0);
  it.group.version = "5";
  held = true;
  const forward = waiting.replace({}, { back: false }).catch((error) => error.message);
  await until("it is under way", () => waiting.memory.forward && begun() === 1);
  assert.equal(waiting.memory.forward.version, "5");
  const back = fleet({ next: "group", memory: waiting.memory }).replace({}, { back: true });
  await until("AWS was told to cancel", () => calls.includes("CancelInstanceRefresh"));
  held = false;
  await back;
  await forward; // as above
  assert.ok(calls.includes("CancelInstanceRefresh") && !calls.includes("RollbackInstanceRefresh"));
  assert.deepEqual([it.versions(), it.group.version], [["1", "1"], "1"]);
});

test("somebody else's refresh is left alone, and one that fails is told and not begun again by itself", async () => {
  held = true;
  const other = fleet({ next: "9" }).replace({}, { back: false });
  await until("it has begun", () => it.group.refreshes.length === 1);
  await assert.rejects(fleet().replace({}, { back: false }), /another instance refresh is under way/);
  await assert.rejects(fleet().replace({}, { back: true }), /another instance refresh is under way/);
  held = false;
  await other;
  assert.deepEqual(it.versions(), ["9", "9"]);
  startFails = true;
  const mine = fleet();
  await assert.rejects(mine.replace({}, { back: false }), /ended as Failed.*it does not boot/);
  assert.equal(begun(), 2);
  startFails = false;
  for (const [id, instance] of it.group.instances) if (instance.state === "Pending") it.group.instances.delete(id); // as AWS ends it
  await mine.replace({}, { back: false });
  assert.deepEqual([it.versions(), begun()], [["2", "2"], 3]);
});

test("another group, or another launch template, is told", async () => {
  const wrong = fleet();
  wrong.plan.fleet.launch_template = "lt-00000000000000000";
  await assert.rejects(wrong.examine(), /launch template is not the plan's/);
  wrong.plan.fleet.group = "others";
  await assert.rejects(wrong.examine(), /no Auto Scaling group/);
});
