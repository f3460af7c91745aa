// SPDX-License-Identifier: Apache-2.0
// What the steps work with: measurements, key policies, hosts, and the state of this roll-out.
import crypto from "node:crypto";
import fs from "node:fs";
import { GroupFleet } from "./fleet_group.mjs";
import { HostsFleet } from "./fleet_hosts.mjs";
import { lockedOut, unnamedKeys } from "./lockout.mjs";
import { debugPcr, manifestChanges, measureImage, measureManifest, run, sha256OfFile } from "./measure.mjs";
import { Policies, kmsKeys, renderPolicy, short } from "./policies.mjs";
import { failed, usage } from "./refusal.mjs";
import { vaultsBehind } from "./survey.mjs";

const named = { plan: "the plan", old_image: "the old image", old_manifest: "the old manifest", new_image: "the new image", new_manifest: "the new manifest" };

function digestsOf(plan, withNewImage) {
  return { plan: plan.digest, old_manifest: sha256OfFile(plan.old.manifest), new_manifest: sha256OfFile(plan.new.manifest),
    ...(plan.old.image && { old_image: sha256OfFile(plan.old.image) }), ...(withNewImage && { new_image: sha256OfFile(plan.new.image) }) };
}

// A roll-out goes on only with what it began with. Going back does not need the new image.
export function requireSameInputs(plan, state, { back }) {
  const now = digestsOf(plan, !back);
  const others = Object.keys(named).filter((name) => now[name] !== state.inputs[name] && !(back && name === "new_image"));
  if (others.length > 0) throw usage("this roll-out began with something else; put that back, or roll back with it first", others.map((name) => named[name]).join(", "));
}

async function measured(plan, which) {
  const { image, pcr0, manifest } = plan[which], development = plan.kms.endpoint !== undefined;
  const of = image === undefined ? { pcr0 } : await measureImage(plan.redoubt, image, { development });
  if (of.pcr0 === debugPcr) throw usage(`the ${which} PCR0 is all zero: a debug enclave's, which everybody can have`);
  return { ...of, ...(await measureManifest(plan.redoubt, manifest)), manifest };
}

// Builds and measures. Refuses what no roll-out can be meant by. { state, notes }
export async function begin(plan, { build, say }) {
  if (build && plan.new.build !== undefined) {
    say(`building: ${plan.new.build.join(" ")}`);
    const { code } = await run(plan.new.build, { show: true, cwd: plan.folder });
    if (code !== 0) throw failed("building the new image failed", `exit code ${code}`);
  }
  const inputs = digestsOf(plan, true);
  const old = await measured(plan, "old"), next = await measured(plan, "new");
  if (plan.new.expected_pcr0 !== undefined && plan.new.expected_pcr0 !== next.pcr0) throw failed("the new image is not the expected one", `PCR0 ${next.pcr0}`);
  const same = old.pcr0 === next.pcr0 && old.pcr16 === next.pcr16;
  if (same && !plan.policy_only) throw usage("old and new are the same image and manifest; where only the policy is to change, say so (policy_only)");
  if (!same && plan.policy_only) throw usage("policy_only, and old and new differ", `${short(old)}, ${short(next)}`);
  const unnamed = unnamedKeys(plan, old, next);
  if (unnamed.length > 0) throw usage("old manifest, new manifest and plan must name the same KMS keys", unnamed.join("; "));
  const notes = [...(await manifestChanges(plan.redoubt, plan.old.manifest, plan.new.manifest)), ...next.warnings.map((warning) => `weak: ${warning}`)];
  if (next.minEpoch < old.minEpoch) notes.push(`weak: min_epoch falls from ${old.minEpoch} to ${next.minEpoch}: records that were refused open again`);
  const pair = ({ pcr0, pcr8, pcr16 }) => ({ pcr0, ...(pcr8 && { pcr8 }), pcr16 });
  const state = { rollout_state: 1, inputs, direction: "forward", step: "examine", pairs: { old: pair(old), new: pair(next) },
    leases: { old: old.leaseSeconds, new: next.leaseSeconds }, marks: {}, memory: {}, history: [] };
  return { state, notes };
}

export async function openWorld(plan, state, { save, say, sleep, now }) {
  const manifests = { old: await measureManifest(plan.redoubt, plan.old.manifest), new: await measureManifest(plan.redoubt, plan.new.manifest) };
  const pairs = { old: { ...state.pairs.old, manifest: plan.old.manifest }, new: { ...state.pairs.new, manifest: plan.new.manifest } };
  const targets = { "old-only": {}, both: {}, "new-only": {}, found: state.found ?? {} };
  for (const { arn, purpose } of manifests.new.keys) {
    targets["new-only"][arn] = await renderPolicy(plan, purpose, [pairs.new]);
    if (plan.policy_only) continue;
    targets["old-only"][arn] = await renderPolicy(plan, purpose, [pairs.old]);
    targets.both[arn] = await renderPolicy(plan, purpose, [pairs.old, pairs.new]);
  }
  const policies = new Policies(plan, kmsKeys(plan.kms), targets);
  const tools = { sleep, say, now, memory: (state.memory.fleet ??= {}), save };
  const fleet = plan.fleet.kind === "hosts" ? new HostsFleet(plan, tools) : new GroupFleet(plan, tools);
  const lockout = async (which) => {
    const out = lockedOut(await vaultsBehind(plan.service, fleet.vaultsUrl()), manifests[which]);
    for (const { id, why, used } of out) if (!used) say(`${id} will not open, and no key that this client sees is in it: ${why}`);
    const used = out.filter((vault) => vault.used);
    if (used.length > 0) throw failed(`the ${which} manifest locks out vaults with keys in them; move the keys first (docs/vaults.md)`, used.map(({ id, why }) => `${id}: ${why}`).join(", "));
  };
  const files = { old: { image: plan.old.image ?? "", manifest: plan.old.manifest }, new: { image: plan.new.image, manifest: plan.new.manifest } };
  return { plan, state, save, say, sleep, now, waits: plan.waits, policies, fleet, lockout, files };
}

export const exists = (file) => fs.existsSync(file);
