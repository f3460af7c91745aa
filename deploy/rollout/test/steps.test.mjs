// SPDX-License-Identifier: Apache-2.0
// The steps against a model of KMS and hosts: the program may end at any call that it makes, before or after that has taken effect, and
// is begun again. Wherever that was, the end is the same; and at no moment does an enclave that is needed run under a policy
// that does not let it in.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Policies, pairsOf } from "../policies.mjs";
import { readState, writeState } from "../state.mjs";
import { stepsOf, walk } from "../steps.mjs";

// Thousands of state files are written, each synced.
const folder = fs.mkdtempSync(path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "redoubt-rollout-steps-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const arns = ["arn:aws:kms:us-east-1:111122223333:key/a", "arn:aws:kms:eu-west-1:111122223333:key/b"];
const old = { pcr0: "a".repeat(96), pcr16: "b".repeat(96) }, next = { pcr0: "c".repeat(96), pcr16: "b".repeat(96) };
const policy = (...pairs) => JSON.stringify({ Version: "2012-10-17", Statement: pairs.map(({ pcr0, pcr16 }) => ({ Effect: "Allow", Principal: { AWS: "arn:aws:iam::111122223333:role/hosts" },
  Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: "*", Condition: { StringEqualsIgnoreCase: { "kms:RecipientAttestation:ImageSha384": pcr0, "kms:RecipientAttestation:PCR16": pcr16 } } })) });
const leaseMs = 10_000, hostsCount = 3;

class Killed extends Error {}

// What is outside of the program.
class Outside {
  constructor() {
    this.policies = Object.fromEntries(arns.map((arn) => [arn, policy(old)]));
    this.hosts = Array.from({ length: hostsCount }, () => old);
    this.time = 0;
    this.calls = 0;
    this.narrowed = undefined; // when a pair was taken out last
    this.killAt = Infinity;
    this.killAfter = false;
  }
  // Each call of the program; the program ends at one of them.
  async call(effect) {
    const mine = this.calls++ === this.killAt;
    if (mine && !this.killAfter) throw new Killed();
    const result = effect();
    for (const host of this.hosts)
      for (const arn of arns)
        assert.ok(pairsOf(this.policies[arn]).pairs.some((pair) => pair.pcr0 === host.pcr0 && pair.pcr16 === host.pcr16), "a host's enclave is shut out");
    if (mine) throw new Killed();
    return result;
  }
}

function worldOf(outside, file) {
  const state = readState(file);
  const save = () => writeState(file, state);
  const every = (text) => Object.fromEntries(arns.map((arn) => [arn, text]));
  const targets = { "old-only": every(policy(old)), both: every(policy(old, next)), "new-only": every(policy(next)), found: state.found ?? {} };
  const keys = {
    get: (arn) => outside.call(() => outside.policies[arn]),
    put: (arn, text) => outside.call(() => {
      if (pairsOf(text).pairs.length < pairsOf(outside.policies[arn]).pairs.length) outside.narrowed = outside.time;
      outside.policies[arn] = text;
    }),
  };
  const fleet = {
    examine: () => outside.call(() => {}),
    survey: () => outside.call(() => outside.hosts.map((pair, i) => ({ ...pair, host: `host-${i}`, module: `m${i}`, healthy: true }))),
    replace: async (pair) => {
      for (let i = 0; i < hostsCount; ++i) await outside.call(() => (outside.hosts[i] = { pcr0: pair.pcr0, pcr16: pair.pcr16 }));
    },
  };
  return { plan: { keys: arns }, state, save, say: () => {}, now: () => outside.time, sleep: async (ms) => outside.call(() => (outside.time += ms)),
    waits: { propagation_seconds: 5, margin_seconds: 1, settle_seconds: 0, poll_seconds: 1 }, fleet, lockout: () => outside.call(() => {}), files: { old: {}, new: {} },
    policies: new Policies({ keys: arns, policy: {}, kms: {} }, keys, targets) };
}

// As the program: forward, or back; begun again until it is not killed.
async function run(outside, file, direction) {
  for (;;) {
    const state = readState(file);
    if (direction === "back" && state.direction === "forward") {
      Object.assign(state, { reached: state.step, direction });
      state.step = stepsOf("back", false, state.reached)[0]?.name ?? "rolled-back";
      writeState(file, state);
    }
    if (state.step === "done" && direction !== "back") return;
    if (state.step === "rolled-back") return;
    try {
      await walk(worldOf(outside, file), stepsOf(state.direction, false, state.reached), direction === "back" ? "rolled-back" : "done");
      return;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      outside.killAt = Infinity;
      if (direction === "once") return;
    }
  }
}

function begun(name) {
  const file = path.join(folder, name);
  writeState(file, { rollout_state: 1, inputs: {}, direction: "forward", step: "examine", pairs: { old, new: next }, leases: { old: leaseMs / 1000, new: 8 }, marks: {}, memory: {}, history: [] });
  return file;
}

async function calls(direction) {
  const outside = new Outside(), file = begun("whole");
  await run(outside, file, "forward");
  const there = outside.calls;
  if (direction === "back") await run(outside, file, "back");
  return direction === "back" ? outside.calls - there : there;
}

function assertEnd(outside, file, pair, finished) {
  assert.deepEqual(outside.hosts, outside.hosts.map(() => pair));
  for (const arn of arns) assert.equal(outside.policies[arn], policy(pair));
  assert.equal(readState(file).step, finished);
  if (outside.narrowed !== undefined) assert.ok(outside.time - outside.narrowed >= leaseMs + 6_000, `waited ${outside.time - outside.narrowed} ms only after the pair was taken out`);
}

test("wherever it is killed, it ends as if it had not been", async () => {
  const total = await calls("forward");
  assert.ok(total > 20, String(total));
  for (let at = 0; at < total; ++at)
    for (const killAfter of [false, true]) {
      const outside = Object.assign(new Outside(), { killAt: at, killAfter }), file = begun("forward");
      await run(outside, file, "forward");
      assertEnd(outside, file, next, "done");
    }
});

test("wherever it is left, the way back ends where it began, wherever that is killed in turn", async () => {
  const total = await calls("forward"), most = (await calls("back")) + 1;
  let rolledBack = 0;
  for (let at = 0; at <= total; ++at)
    for (const killAfter of [false, true]) {
      for (let second = at % 3; second < most; second += 3) {
        const outside = Object.assign(new Outside(), { killAt: at, killAfter }), file = begun("back");
        await run(outside, file, "once");
        Object.assign(outside, { killAt: outside.calls + second, killAfter: second % 2 === 0 });
        await run(outside, file, "back");
        assertEnd(outside, file, old, "rolled-back");
        ++rolledBack;
      }
    }
  assert.ok(rolledBack > 300, String(rolledBack));
});

test("a policy that somebody else puts meanwhile stays, and stops it", async () => {
  const stranger = policy(old, next, { pcr0: "d".repeat(96), pcr16: "e".repeat(96) });
  const total = await calls("forward");
  let stopped = 0;
  for (let at = 8; at < total; ++at) {
    const outside = Object.assign(new Outside(), { killAt: at }), file = begun("stranger");
    await run(outside, file, "once");
    outside.policies[arns[1]] = stranger;
    await assert.rejects(run(outside, file, "forward"), /policy/, readState(file).step);
    assert.equal(outside.policies[arns[1]], stranger);
    ++stopped;
  }
  assert.ok(stopped > 15, String(stopped));
});
