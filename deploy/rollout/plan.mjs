// SPDX-License-Identifier: Apache-2.0
// The plan of a roll-out: a JSON document that says from which image and manifest to which, under which keys, on which hosts.
// docs/rollout.md has every member. Read strictly: a member that is not known, or lacks, and the plan is refused.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { canonical } from "./canonical.mjs";
import { usage } from "./refusal.mjs";

const text = (value) => typeof value === "string" && value !== "" && value.length <= 2048;
const flag = (value) => typeof value === "boolean";
const hex48 = (value) => typeof value === "string" && /^[0-9a-f]{96}$/.test(value);
const between = (least, most) => (value) => Number.isSafeInteger(value) && value >= least && value <= most;
const list = (of, least, most) => (value) => Array.isArray(value) && value.length >= least && value.length <= most && value.every(of);
const command = list((value) => typeof value === "string", 1, 64);
const url = (value) => text(value) && URL.canParse(value) && new URL(value).protocol === "https:" && new URL(value).pathname === "/";
const ofAws = (value) => /\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws)\.?$/.test(new URL(value).hostname);
const endpoint = (value) => text(value) && URL.canParse(value) && ["http:", "https:"].includes(new URL(value).protocol);
const keyArn = (value) => text(value) && /^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[A-Za-z0-9-]+$/.test(value);
const principals = list((value) => text(value) && value.startsWith("arn:"), 1, 16);
const version = (value) => value === "group" || (text(value) && /^[1-9][0-9]{0,9}$/.test(value));

// Member → [is it one, is it needed].
const needed = (check) => [check, true], optional = (check) => [check, false];
const shapes = {
  plan: { rollout: needed((value) => value === 1), redoubt: optional(text), old: needed(Object), new: needed(Object), policy_only: optional(flag),
    keys: needed(list(keyArn, 1, 64)), policy: needed(Object), kms: optional(Object), service: optional(Object), fleet: needed(Object), waits: optional(Object) },
  old: { image: optional(text), pcr0: optional(hex48), manifest: needed(text) },
  new: { image: needed(text), build: optional(command), expected_pcr0: optional(hex48), manifest: needed(text) },
  policy: { administrators: needed(principals), users: needed(principals), encryptors: optional(principals), auditors: optional(principals),
    pcr3: optional(list(hex48, 1, 16)), pcr4: optional(list(hex48, 1, 64)), pin_user_role: optional(flag), pin_signer: optional(flag), development: optional(flag), replace_other_policy: optional(flag) },
  kms: { profile: optional(text), endpoint: optional(endpoint), put: optional((value) => value === "script" || value === "hand") },
  service: { url: optional(url), ca: optional(text), token_file: optional(text), client_certificate: optional(text), client_key: optional(text),
    attestation_root: optional(text) },
  "auto-scaling": { kind: needed(text), group: needed(text), region: needed(text), profile: optional(text), endpoint: optional(endpoint),
    launch_template: needed((value) => text(value) && /^lt-[0-9a-f]{8,17}$/.test(value)), old_version: needed((value) => value !== "group" && version(value)),
    new_version: needed(version), min_healthy_percentage: optional(between(0, 100)), max_healthy_percentage: optional(between(100, 200)),
    instance_warmup_seconds: optional(between(0, 3600)), alarms: optional(list(text, 1, 10)) },
  hosts: { kind: needed(text), hosts: needed(list(Object, 1, 64)) },
  host: { name: needed((value) => text(value) && /^[A-Za-z0-9._-]{1,64}$/.test(value)), url: needed(url), replace: needed(command) },
  waits: { propagation_seconds: optional(between(0, 3600)), margin_seconds: optional(between(0, 3600)), settle_seconds: optional(between(0, 7200)), poll_seconds: optional((value) => typeof value === "number" && value >= 0.05 && value <= 60),
    replace_minutes: optional(between(1, 10_080)) },
};

function checked(shape, value, where) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw usage("the plan has no object where one belongs", where);
  const named = (member) => (where === "" ? member : `${where}.${member}`);
  for (const [member, [check, must]] of Object.entries(shapes[shape])) {
    if (value[member] === undefined && must) throw usage("the plan lacks a member", named(member));
    if (value[member] !== undefined && !(check === Object ? typeof value[member] === "object" : check(value[member])))
      throw usage("the plan has a value that is none for its member", named(member));
  }
  for (const member of Object.keys(value))
    if (shapes[shape][member] === undefined) throw usage("the plan has a member that is not known", named(member));
}

function checkTogether(plan) {
  const { old, fleet, service, kms } = plan;
  if ((old.image === undefined) === (old.pcr0 === undefined)) throw usage("name the old image's file or its PCR0, one of them", "old");
  if (new Set(plan.keys).size !== plan.keys.length) throw usage("a KMS key is named twice", "keys");
  if (fleet.kind === "auto-scaling") {
    if (service.url === undefined) throw usage("name where clients reach the group's hosts", "service.url");
    const least = fleet.min_healthy_percentage ?? 100, most = fleet.max_healthy_percentage ?? 200;
    if (most - least > 100) throw usage("AWS takes at most 100 between the two percentages", "fleet.max_healthy_percentage");
    if (fleet.new_version === fleet.old_version) throw usage("the new version of the launch template is the old one", "fleet.new_version");
  } else {
    if (service.url !== undefined) throw usage("each host has its own URL", "service.url");
    for (const key of ["name", "url"])
      if (new Set(fleet.hosts.map((host) => host[key])).size !== fleet.hosts.length) throw usage(`two hosts have the same ${key}`, "fleet.hosts");
  }
  if ((service.client_certificate === undefined) !== (service.client_key === undefined))
    throw usage("a client's certificate needs its key, and the key its certificate", "service");
  // An endpoint makes the plan one for another KMS, where laxer members are taken.
  if (kms.endpoint !== undefined && ofAws(kms.endpoint)) throw usage("the endpoint is AWS's own KMS: leave it out", "kms.endpoint");
  if (kms.endpoint === undefined && (service.attestation_root !== undefined || plan.policy.development))
    throw usage("another attestation root, or a policy for development, is only for another KMS than AWS's (kms.endpoint)");
}

// Paths are named from the plan's folder.
export function readPlan(file) {
  let plan;
  try {
    plan = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw usage("the plan cannot be read", error.message);
  }
  const digest = crypto.createHash("sha256").update(canonical(plan)).digest("hex");
  checked("plan", plan, "");
  plan.kms ??= {}, plan.service ??= {}, plan.waits ??= {};
  for (const member of ["old", "new", "policy", "kms", "service", "waits"]) checked(member, plan[member], member);
  const kind = plan.fleet.kind;
  if (kind !== "auto-scaling" && kind !== "hosts") throw usage("a fleet's kind is auto-scaling or hosts", "fleet.kind");
  checked(kind, plan.fleet, "fleet");
  if (kind === "hosts") plan.fleet.hosts.forEach((host, i) => checked("host", host, `fleet.hosts.${i}`));
  checkTogether(plan);
  const folder = path.dirname(path.resolve(file));
  const from = (holder, ...members) => members.forEach((member) => {
    if (holder[member] !== undefined) holder[member] = path.resolve(folder, holder[member]);
  });
  from(plan.old, "image", "manifest");
  from(plan.new, "image", "manifest");
  from(plan.service, "ca", "token_file", "client_certificate", "client_key", "attestation_root");
  if (plan.redoubt?.includes("/")) from(plan, "redoubt");
  plan.redoubt ??= "redoubt";
  Object.assign(plan, { folder, digest });
  plan.waits = { propagation_seconds: 300, margin_seconds: 60, settle_seconds: 900, poll_seconds: 5, replace_minutes: 240, ...plan.waits };
  return plan;
}
