// SPDX-License-Identifier: Apache-2.0
// The KMS keys' policies: written by `redoubt manifest kms-policy`, put into force key by key, and read back.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { GetKeyPolicyCommand, KMSClient, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { canonicalPolicy } from "./canonical.mjs";
import { failed, usage, waits } from "./refusal.mjs";
import { run } from "./measure.mjs";

const regionOf = (arn) => arn.split(":")[3];
export const short = (pair) => `(${pair.pcr0.slice(0, 12)}…, ${pair.pcr16.slice(0, 12)}…)`;

// AWS's own client; nothing here asks KMS for anything but policies.
export function kmsKeys({ profile, endpoint }) {
  const clients = new Map();
  const client = (arn) => {
    const region = regionOf(arn);
    if (!clients.has(region)) clients.set(region, new KMSClient({ region, ...(profile && { profile }), ...(endpoint && { endpoint }), maxAttempts: 5 }));
    return clients.get(region);
  };
  const told = async (what, arn, asked) => {
    try {
      return await asked;
    } catch (error) {
      throw failed(`KMS refuses ${what}`, `${arn}: ${error.name}: ${error.message}`);
    }
  };
  return {
    get: async (arn) => (await told("to tell a policy", arn, client(arn).send(new GetKeyPolicyCommand({ KeyId: arn, PolicyName: "default" })))).Policy,
    put: (arn, text) => told("a policy", arn, client(arn).send(new PutKeyPolicyCommand({ KeyId: arn, PolicyName: "default", Policy: text }))),
  };
}

// The policy's text for one key, which lets these pairs in. Each is { pcr0, pcr8?, manifest: FILE }.
export async function renderPolicy(plan, purpose, pairs) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-rollout-"));
  try {
    const args = ["manifest", "kms-policy", pairs.at(-1).manifest, "--purpose", purpose];
    pairs.forEach(({ pcr0, pcr8, manifest }, i) => {
      const file = path.join(folder, `${i}.json`);
      fs.writeFileSync(file, JSON.stringify({ Measurements: { PCR0: pcr0, ...(pcr8 && { PCR8: pcr8 }) } }));
      args.push("--measurements", file, "--manifest", manifest);
    });
    const each = (option, arns) => (arns ?? []).forEach((arn) => args.push(option, arn));
    const { administrators, users, encryptors, auditors, pcr3, pcr4, pin_user_role, pin_signer, development } = plan.policy;
    each("--administrator", administrators);
    each("--user", users);
    each("--auditor", auditors);
    each("--pcr3", pcr3);
    each("--pcr4", pcr4);
    if (purpose === "reference") each("--encryptor", encryptors);
    if (pin_user_role) args.push("--pin-user-role");
    if (pin_signer) args.push("--pin-signer");
    if (development) args.push("--development");
    const { code, stdout, stderr } = await run([plan.redoubt, ...args]);
    if (code !== 0) throw usage("no key policy can be written for this plan", stderr.trim());
    return stdout.trim();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const all = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
// An action of a policy, with its wildcards, stands for one that opens a vault.
const uses = (action) => {
  const pattern = new RegExp(`^${action.replace(/[^A-Za-z0-9:*?]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`, "i");
  return pattern.test("kms:Decrypt") || pattern.test("kms:GenerateDataKey");
};
const image = /^kms:RecipientAttestation:(ImageSha384|PCR0)$/i, manifest = /^kms:RecipientAttestation:PCR16$/i;

// What a policy that somebody put there lets in: pairs, and the statements that let anybody use the key unmeasured. It reads
// statements that Allow; whoever wants to know all of it asks `redoubt manifest kms-policy --lint` and `--who-can`.
export function pairsOf(text) {
  const pairs = [], unmeasured = [];
  for (const [i, statement] of all(JSON.parse(text).Statement).entries()) {
    if (statement.Effect !== "Allow") continue;
    if (statement.NotAction === undefined && !all(statement.Action).some(uses)) continue;
    const pinned = { image: [], manifest: [] };
    for (const [operator, keys] of Object.entries(statement.Condition ?? {})) {
      if (!/^StringEquals(IgnoreCase)?$/i.test(operator)) continue;
      for (const [key, values] of Object.entries(keys)) {
        if (image.test(key)) pinned.image.push(...all(values));
        if (manifest.test(key)) pinned.manifest.push(...all(values));
      }
    }
    if (pinned.image.length === 0 || pinned.manifest.length === 0) unmeasured.push(statement.Sid ?? `statement ${i + 1}`);
    for (const pcr0 of pinned.image)
      for (const pcr16 of pinned.manifest) pairs.push({ pcr0: pcr0.toLowerCase(), pcr16: pcr16.toLowerCase() });
  }
  return { pairs, unmeasured };
}

const samePolicy = (one, other) => canonicalPolicy(one) === canonicalPolicy(other);
const samePairs = (one, other) => JSON.stringify(one.map((pair) => pair.pcr0 + pair.pcr16).sort()) === JSON.stringify(other.map((pair) => pair.pcr0 + pair.pcr16).sort());

export class Policies {
  // `targets`: name → (arn → text), in the order of the plan's keys.
  constructor(plan, keys, targets) {
    Object.assign(this, { plan, keys, targets });
  }

  // Every key has this policy, and no other.
  async require(name, when) {
    for (const arn of this.plan.keys)
      if (!samePolicy(await this.keys.get(arn), this.targets[name][arn]))
        throw failed(`a key's policy is not the one that ${when}: somebody changed it, or put another in its place`, `${arn}, wanted: ${name}`);
  }

  // Puts it into force where it is not, but only in the place of one of `from`: what somebody else put there stays. Then it
  // is read back.
  async put(name, from, say) {
    const missing = [];
    for (const arn of this.plan.keys) {
      const wanted = this.targets[name][arn], found = await this.keys.get(arn);
      if (samePolicy(found, wanted)) continue;
      if (!from.some((other) => samePolicy(found, this.targets[other][arn])))
        throw failed("a key's policy is none of this roll-out: somebody else changed it meanwhile, and it stays as it is",
          `${arn} lets in ${pairsOf(found).pairs.map(short).join(", ") || "nobody"}`);
      if (this.plan.kms.put === "hand") {
        missing.push(this.file(name, arn));
        continue;
      }
      await this.keys.put(arn, wanted);
      say(`${arn}: policy put`);
    }
    if (missing.length > 0) throw waits("have these policies put by who administers the keys, then run this again", missing.join(", "));
    await this.require(name, "was put");
  }

  file(name, arn) {
    const file = path.join(this.plan.folder, `${arn.split("/").at(-1)}.${name}.json`);
    fs.writeFileSync(file, `${this.targets[name][arn]}\n`);
    return file;
  }

  // Before anything begins: the policies are those of the old pair, or let in exactly that.
  async found(old) {
    const texts = {};
    for (const arn of this.plan.keys) {
      const text = texts[arn] = await this.keys.get(arn);
      const { pairs, unmeasured } = pairsOf(text);
      if (unmeasured.length > 0) throw failed("a key's policy lets it be used without measurements: redoubt manifest kms-policy --lint", `${arn}: ${unmeasured.join(", ")}`);
      if (!samePairs(pairs, [old])) throw failed("a key's policy does not let in exactly the old pair", `${arn} lets in ${pairs.map(short).join(", ") || "nobody"}`);
      if (!this.plan.policy_only && !this.plan.policy.replace_other_policy && !samePolicy(text, this.targets["old-only"][arn]))
        throw failed("a key's policy differs from the plan's in more than its pairs; where that is meant, say so (policy.replace_other_policy)", arn);
    }
    this.targets.found = texts;
    return texts;
  }
}
