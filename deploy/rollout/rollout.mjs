#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Rolls out an enclave image, a manifest, or a key policy: docs/rollout.md.
import { parseArgs } from "node:util";
import { readPlan } from "./plan.mjs";
import { pairsOf, short } from "./policies.mjs";
import { Refusal, failed, usage } from "./refusal.mjs";
import { lock, readState, stateFileOf, writeState } from "./state.mjs";
import { is, stepsOf, walk } from "./steps.mjs";
import { begin, exists, openWorld, requireSameInputs } from "./world.mjs";

const help = `Usage: rollout.mjs run|status|rollback PLAN.json [--state FILE] [--dry-run] [--json]

  run        begins the roll-out, or goes on with it, up to its end
  rollback   goes back to the old pair, from wherever it is, or goes on with that
  status     what is done, and what KMS, the hosts and their enclaves say now; changes nothing

  --state    where it is remembered how far things are (default: PLAN.state.json)
  --dry-run  measures, examines, and tells what would be done; changes nothing
  --json     status: machine-readable

Exit codes: 0 done; 1 a check failed (what was done stays, run it again); 2 the plan or the command makes no sense; 4 somebody else
has to do something first, which it says. It can be killed at any moment and run again.`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (sentence) => process.stderr.write(`${new Date().toISOString()} ${sentence}\n`);

function notGoingBack(state) {
  return [...(["replace", "allow-new-only", "old-leases-end", "put-policy", "leases-renewed", "done"].includes(state.reached)
    ? ["what new enclaves signed, sealed and decided meanwhile stays: signatures, keys that were made, changed or moved, counters of limits"] : []),
  `hosts may start enclaves of the new pair until its allowance is taken out, and those that run keep what they have open for up to ${state.leases.new} s more`];
}

async function forwardOrBack(command, plan, file, dry) {
  let state = readState(file);
  const fresh = state === undefined;
  if (fresh && command === "rollback") throw usage("there is no roll-out to go back from", file);
  if (fresh) {
    if (dry && plan.new.build && !exists(plan.new.image)) throw usage("the new image is not built yet, and a dry run builds nothing", plan.new.image);
    const begun = await begin(plan, { build: !dry, say });
    state = begun.state;
    say(`${short(state.pairs.old)} -> ${short(state.pairs.new)}`);
    for (const note of begun.notes) say(`manifest: ${note}`);
  } else {
    requireSameInputs(plan, state, { back: command === "rollback" });
  }
  const save = () => dry || writeState(file, state);
  if (command === "run" && state.direction === "back") throw usage(state.step === "rolled-back" ? "this roll-out was rolled back; move its state file away to begin another" : "this roll-out is being rolled back: rollback goes on with that", file);
  if (command === "rollback" && state.direction === "forward") {
    state.reached = state.step;
    state.direction = "back";
    if (plan.fleet.kind === "hosts" && plan.old.image === undefined && !plan.policy_only && !["examine", "allow-both"].includes(state.reached))
      throw usage("going back needs the old image's file on these hosts", "old.image");
    state.step = stepsOf("back", plan.policy_only, state.reached)[0]?.name ?? "rolled-back";
    for (const sentence of notGoingBack(state)) say(`not rolled back: ${sentence}`);
  }
  save();
  const finished = state.direction === "forward" ? "done" : "rolled-back";
  if (state.step === finished) return say(`${finished}: nothing is left to do`);
  const steps = stepsOf(state.direction, plan.policy_only, state.reached);
  const world = await openWorld(plan, state, { save, say, sleep, now: Date.now });
  if (dry) return rehearse(world, steps);
  await walk(world, steps, finished);
  say(finished);
}

// What can be looked at without changing anything; then what is left.
async function rehearse(world, steps) {
  const { state } = world;
  if (state.step === "examine") await steps[0].run(world);
  for (const { name, says } of steps.slice(steps.findIndex(({ name }) => name === state.step))) {
    say(`would do ${name}: ${says}`);
    if (name === "allow-both" || name === "put-policy")
      for (const arn of world.plan.keys) say(`  ${arn}: ${pairsOf(world.policies.targets[name === "allow-both" ? "both" : "new-only"][arn]).pairs.map(short).join(", ")}`);
  }
}

const told = (asked) => asked.catch((error) => {
  if (error instanceof Refusal) return { error: error.message };
  throw error;
});

async function status(plan, file, json) {
  const state = readState(file);
  if (state === undefined) throw failed("nothing was begun", file);
  const world = await openWorld(plan, state, { save: () => {}, say: () => {}, sleep, now: Date.now });
  const name = (pair) => (is(pair, state.pairs.new) ? "new" : is(pair, state.pairs.old) ? "old" : short(pair));
  const keys = {};
  for (const arn of plan.keys) keys[arn] = await told(world.policies.keys.get(arn).then((text) => pairsOf(text).pairs.map(name)));
  const enclaves = await told(world.fleet.survey().then((all) => all.map((one) => ({ host: one.host, module: one.module, pair: name(one), healthy: one.healthy }))));
  const out = { direction: state.direction, step: state.step, pairs: state.pairs, done: state.history, keys, enclaves };
  if (json) return process.stdout.write(`${JSON.stringify(out)}\n`);
  const lines = [`${state.direction}, at step ${state.step}`, `old ${short(state.pairs.old)}, new ${short(state.pairs.new)}`,
    ...state.history.map(({ at, step }) => `done ${step} ${at}`),
    ...Object.entries(keys).map(([arn, pairs]) => `${arn} lets in ${pairs.error ?? (pairs.join(" and ") || "nobody")}`),
    ...(enclaves.error ? [enclaves.error] : enclaves.map((one) => `${one.host} ${one.module}: ${one.pair}${one.healthy ? "" : ", its host is not healthy"}`))];
  process.stdout.write(`${lines.join("\n")}\n`);
}

async function main() {
  let values, positionals;
  try {
    ({ values, positionals } = parseArgs({ allowPositionals: true, options: { state: { type: "string" }, "dry-run": { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } } }));
  } catch (error) {
    throw usage(error.message);
  }
  if (values.help) return process.stdout.write(`${help}\n`);
  const [command, planFile] = positionals;
  if (!["run", "rollback", "status"].includes(command) || planFile === undefined || positionals.length > 2) throw usage(`\n${help}`);
  const plan = readPlan(planFile), file = values.state ?? stateFileOf(planFile);
  if (command === "status") return status(plan, file, values.json);
  const held = values["dry-run"] ? undefined : await lock(file);
  await forwardOrBack(command, plan, file, values["dry-run"] ?? false);
  held?.close();
}

main().catch((error) => {
  process.stderr.write(`rollout: ${error instanceof Refusal ? error.message : error.stack}\n`);
  process.exitCode = error instanceof Refusal ? error.exitCode : 1;
});
