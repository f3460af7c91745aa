// SPDX-License-Identifier: Apache-2.0
// The steps of a roll-out, forward and back, in their order. Each can be begun again at any point of it: it looks first how far things
// are, does what lacks, and ends only when what it was to bring about has been read back. So a step may rely on the one before it,
// and looks again nevertheless where somebody could have changed something meanwhile.
import { Refusal, failed } from "./refusal.mjs";
import { short } from "./policies.mjs";

export const is = (one, pair) => one.pcr0 === pair.pcr0 && one.pcr16 === pair.pcr16;
const seconds = (ms) => `${Math.ceil(ms / 1000)} s`;

// Every enclave has proved this pair, and can sign. Hosts that were just replaced get some time: the last of the old ones may still be
// drained, and the last new enclave still open its vaults.
async function requireFleet(world, pair, what, patient = true) {
  const deadline = world.now() + (patient ? world.waits.settle_seconds * 1000 : 0);
  for (;; await world.sleep(world.waits.poll_seconds * 1000)) {
    try {
      const enclaves = await world.fleet.survey();
      const others = enclaves.filter((one) => !is(one, pair));
      if (others.length > 0) throw failed(`not every enclave runs ${what}`, others.map((one) => `${one.module} on ${one.host} has ${short(one)}`).join(", "));
      const ill = enclaves.filter(({ healthy }) => !healthy);
      if (ill.length > 0) throw failed("a host has an enclave that cannot sign, or whose vaults are closed", [...new Set(ill.map(({ host }) => host))].join(", "));
      return world.say(`${enclaves.length} enclaves on ${new Set(enclaves.map(({ host }) => host)).size} hosts have proved ${short(pair)} and have every vault open`);
    } catch (error) {
      if (!(error instanceof Refusal) || world.now() >= deadline) throw error;
    }
  }
}

// Leases that began under the policy before have ended; those that go on began, or were renewed, under this one.
async function leasesEnd(world, mark, policies) {
  const { state, waits } = world;
  // The policy was read back before this: the moment that is written down is not too early.
  state.marks[mark] ??= world.now();
  world.save();
  const lease = Math.max(state.leases.old, state.leases.new);
  const until = state.marks[mark] + (waits.propagation_seconds + lease + waits.margin_seconds) * 1000;
  while (world.now() < until) {
    world.say(`waiting for leases to end: ${seconds(until - world.now())}`);
    await world.sleep(Math.min(until - world.now(), 60_000));
  }
  await world.policies.require(policies, "was put before the wait");
}

const step = (name, says, run) => ({ name, says, run });

export const forward = {
  examine: step("examine", "the keys' policies let in the old pair alone, every enclave runs it, and the new manifest locks out no vault", async (world) => {
    world.state.found = await world.policies.found(world.state.pairs.old);
    await world.fleet.examine();
    await requireFleet(world, world.state.pairs.old, "the old image and manifest", false);
    await world.lockout("new");
  }),
  allowBoth: step("allow-both", "the keys' policies let in the old pair and the new one", (world) => world.policies.put("both", ["old-only", "found"], world.say)),
  replace: step("replace", "hosts are replaced; every enclave then runs the new image and manifest", async (world) => {
    await world.policies.require("both", "lets in both pairs");
    await world.fleet.replace(world.state.pairs.new, { ...world.files.new, back: false });
    await requireFleet(world, world.state.pairs.new, "the new image and manifest");
  }),
  allowNewOnly: step("allow-new-only", "the keys' policies let in the new pair alone", async (world) => {
    await requireFleet(world, world.state.pairs.new, "the new image and manifest");
    await world.policies.put("new-only", ["both"], world.say);
  }),
  oldLeasesEnd: step("old-leases-end", "what an old enclave had opened before is wiped, and the new ones have renewed their leases", async (world) => {
    await leasesEnd(world, "newOnly", "new-only");
    await requireFleet(world, world.state.pairs.new, "the new image and manifest");
  }),
  putPolicy: step("put-policy", "the keys' policies are the plan's", (world) => world.policies.put("new-only", ["found"], world.say)),
  leasesRenewed: step("leases-renewed", "every enclave has renewed its leases under the new policies", async (world) => {
    await leasesEnd(world, "newOnly", "new-only");
    await requireFleet(world, world.state.pairs.new, "the image and manifest");
  }),
};

export const back = {
  allowBothAgain: step("allow-both-again", "the keys' policies let in the old pair again", async (world) => {
    await world.lockout("old");
    await world.policies.put("both", ["old-only", "found", "new-only"], world.say);
  }),
  restore: step("restore", "hosts are replaced; every enclave then runs the old image and manifest", async (world) => {
    await world.policies.require("both", "lets in both pairs");
    await world.fleet.replace(world.state.pairs.old, { ...world.files.old, back: true });
    await requireFleet(world, world.state.pairs.old, "the old image and manifest");
  }),
  allowOldOnly: step("allow-old-only", "the keys' policies are those that were found before", async (world) => {
    await requireFleet(world, world.state.pairs.old, "the old image and manifest");
    await world.policies.put("found", ["both", "old-only"], world.say);
  }),
  newLeasesEnd: step("new-leases-end", "what a new enclave had opened is wiped, and the old ones have renewed their leases", async (world) => {
    await leasesEnd(world, "oldOnly", "found");
    await requireFleet(world, world.state.pairs.old, "the old image and manifest");
  }),
  putFound: step("put-found-policy", "the keys' policies are those that were found before", (world) => world.policies.put("found", ["new-only"], world.say)),
  foundRenewed: step("leases-renewed-again", "every enclave has renewed its leases under the former policies", async (world) => {
    await leasesEnd(world, "oldOnly", "found");
    await requireFleet(world, world.state.pairs.old, "the image and manifest");
  }),
};

// How a roll-out goes on its way, and how back from wherever it is. Before anything was changed there is nothing to go back from.
export function stepsOf(direction, policyOnly, reached) {
  if (direction === "forward") {
    const { examine, allowBoth, replace, allowNewOnly, oldLeasesEnd, putPolicy, leasesRenewed } = forward;
    return policyOnly ? [examine, putPolicy, leasesRenewed] : [examine, allowBoth, replace, allowNewOnly, oldLeasesEnd];
  }
  if (reached === "examine") return [];
  const { allowBothAgain, restore, allowOldOnly, newLeasesEnd, putFound, foundRenewed } = back;
  if (policyOnly) return [putFound, foundRenewed];
  if (reached === "allow-both") return [allowOldOnly, newLeasesEnd]; // no host was touched; one may have begun to use the new pair by itself
  return [allowBothAgain, restore, allowOldOnly, newLeasesEnd];
}

// One step after the other, each written down as done before the next.
export async function walk(world, steps, finished) {
  const { state, save, say } = world;
  for (let i = steps.findIndex(({ name }) => name === state.step); i < steps.length; ++i) {
    const { name, says, run } = steps[i];
    say(`step ${name}: ${says}`);
    await run(world);
    state.history.push({ at: new Date(world.now()).toISOString(), step: name });
    state.step = steps[i + 1]?.name ?? finished;
    save();
    say(`step ${name}: done`);
  }
}
