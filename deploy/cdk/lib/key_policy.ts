// SPDX-License-Identifier: Apache-2.0
// The key policies that `redoubt manifest kms-policy` writes, byte for byte, so that synthesis needs no program of ours:
// test/keys.test.ts compares with test/key_policy_vectors.json, and tests/e2e/long/key_policy.test.mjs has the program say
// the same of each vector. docs/kms-policy.md explains every statement.
import { createHash } from "node:crypto";

import { Token } from "aws-cdk-lib";

import { fail } from "./checks";

export interface Pair {
  readonly pcr0: string; // 96 hexadecimal digits
  readonly pcr16: string;
  readonly pcr8?: string; // the certificate that signed the image
}

export interface KeyPolicyInput {
  readonly purpose: "vault" | "reference";
  readonly administrators: readonly string[]; // manage the key, never use it
  readonly users: readonly string[]; // the hosts' role, and the canary's
  readonly encryptors?: readonly string[]; // purpose reference: the Lambda's role
  readonly auditors?: readonly string[];
  readonly pairs: readonly Pair[]; // none: the key opens for nobody
  readonly pcr3?: readonly string[];
  readonly pcr4?: readonly string[];
}

const mostPairs = 8;
const measurementShape = /^[0-9a-f]{96}$/;
const principalShape = /^arn:aws[a-z-]*:iam::(\d{12}):(root|(?:role|user)\/[^*?$" ]+)$/;

type Members = Record<string, unknown>;

export function keyPolicyDocument(input: KeyPolicyInput): Members {
  check(input);
  return { Version: "2012-10-17", Statement: [...allowances(input), ...denials(input)] };
}

export function renderKeyPolicy(input: KeyPolicyInput): string {
  return JSON.stringify(keyPolicyDocument(input));
}

function statement(sid: string, effect: "Allow" | "Deny", actions: string[], principals?: readonly string[], condition?: Members): Members {
  const principal = principals === undefined ? "*" : { AWS: principals.length === 1 ? principals[0]! : principals };
  return { Sid: sid, Effect: effect, Principal: principal, Action: actions, Resource: "*", ...(condition ? { Condition: condition } : {}) };
}

const encrypts = ({ purpose, encryptors }: KeyPolicyInput) => purpose === "reference" && (encryptors?.length ?? 0) > 0;

function allowances(input: KeyPolicyInput): Members[] {
  const out = [
    statement("AdministerWithoutUse", "Allow", [
      "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListKeyPolicies", "kms:GetKeyRotationStatus", "kms:ListKeyRotations", "kms:EnableKeyRotation",
      "kms:DisableKeyRotation", "kms:UpdateKeyDescription", "kms:TagResource", "kms:UntagResource", "kms:ListResourceTags", "kms:CreateAlias", "kms:UpdateAlias",
      "kms:DeleteAlias", "kms:ListGrants", "kms:RevokeGrant", "kms:EnableKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
    ], input.administrators),
  ];
  if (input.auditors !== undefined && input.auditors.length > 0) {
    out.push(statement("ReadWithoutUse", "Allow", [
      "kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListKeyPolicies", "kms:GetKeyRotationStatus", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:ListGrants",
    ], input.auditors));
  }
  if (encrypts(input)) out.push(statement("EncryptReferenceKeys", "Allow", ["kms:Encrypt"], input.encryptors));
  input.pairs.forEach((pair, i) => {
    out.push(statement(`UseByMeasuredEnclave${i + 1}`, "Allow", ["kms:Decrypt", "kms:GenerateDataKey"], input.users, {
      StringEqualsIgnoreCase: {
        "kms:RecipientAttestation:ImageSha384": pair.pcr0,
        "kms:RecipientAttestation:PCR16": pair.pcr16,
        ...(input.pcr3?.length ? { "kms:RecipientAttestation:PCR3": input.pcr3 } : {}),
        ...(input.pcr4?.length ? { "kms:RecipientAttestation:PCR4": input.pcr4 } : {}),
        ...(pair.pcr8 === undefined ? {} : { "kms:RecipientAttestation:PCR8": pair.pcr8 }),
      },
    }));
  });
  return out;
}

const uses = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DeriveSharedSecret"];

function denials(input: KeyPolicyInput): Members[] {
  const out: Members[] = [];
  const unlessPinned = (sid: string, key: string, values: readonly string[]) =>
    out.push(statement(sid, "Deny", uses, undefined, { StringNotEqualsIgnoreCase: { [`kms:RecipientAttestation:${key}`]: [...new Set(values)] } }));
  if (input.pairs.length === 0) {
    out.push(statement("DenyUse", "Deny", uses));
  } else {
    unlessPinned("DenyOtherImages", "ImageSha384", input.pairs.map(({ pcr0 }) => pcr0));
    unlessPinned("DenyOtherManifests", "PCR16", input.pairs.map(({ pcr16 }) => pcr16));
    if (input.pcr3?.length) unlessPinned("DenyOtherRoles", "PCR3", input.pcr3);
    if (input.pcr4?.length) unlessPinned("DenyOtherInstances", "PCR4", input.pcr4);
    const signers = input.pairs.flatMap(({ pcr8 }) => pcr8 ?? []);
    if (signers.length === input.pairs.length) unlessPinned("DenyOtherSigners", "PCR8", signers);
    out.push(toOthers("DenyUseByOthers", uses, input.users));
  }
  const planting = ["kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair*", "kms:CreateGrant", "kms:ReplicateKey", "kms:ImportKeyMaterial"];
  if (encrypts(input)) {
    out.push(statement("DenyPlantingAndGrants", "Deny", planting));
    out.push(toOthers("DenyEncryptByOthers", ["kms:Encrypt"], input.encryptors!));
  } else {
    out.push(statement("DenyPlantingAndGrants", "Deny", ["kms:Encrypt", ...planting]));
  }
  out.push(toOthers("DenyChangeByOthers", ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"], input.administrators));
  return out;
}

// An account's root stands for all its identities.
function toOthers(sid: string, actions: string[], spared: readonly string[]): Members {
  const accounts = spared.filter((arn) => arn.endsWith(":root")).map((arn) => arn.split(":")[4]!);
  return statement(sid, "Deny", actions, undefined, {
    ArnNotEquals: { "aws:PrincipalArn": spared },
    ...(accounts.length > 0 ? { StringNotEquals: { "aws:PrincipalAccount": accounts } } : {}),
  });
}

// What the program refuses, too. Of a name that CloudFormation fills in (its account, say) only the text is compared.
function check(input: KeyPolicyInput): void {
  const { administrators, users, encryptors = [], auditors = [], pairs, pcr3 = [], pcr4 = [] } = input;
  const accountOf = (arn: string) => arn.split(":")[4];
  const apart = (one: readonly string[], other: readonly string[], why: string) => {
    for (const arn of one) {
      const isOne = (second: string) => arn === second || ((arn.endsWith(":root") || second.endsWith(":root")) && accountOf(arn) === accountOf(second));
      if (other.some(isOne)) fail(`key policy: ${why} (${arn})`);
    }
  };
  for (const [list, rootToo] of [[administrators, true], [auditors, true], [users, false], [encryptors, false]] as const) {
    for (const arn of list) {
      if (!Token.isUnresolved(arn) && !principalShape.test(arn)) fail(`key policy: "${arn}" is not the full ARN of a role, user or account root`);
      if (!rootToo && arn.endsWith(":root")) fail(`key policy: ${arn} stands for everybody there; name a role`);
      if (list.indexOf(arn) !== list.lastIndexOf(arn)) fail(`key policy: ${arn} is named twice`);
    }
  }
  if (administrators.length === 0) fail("key policy: a key without an administrator could never be changed");
  if (input.purpose === "vault" && encryptors.length > 0) fail("key policy: nobody may encrypt under a vault's key: who could, would plant vaults");
  apart(administrators, users, "who administers the key must not use it");
  apart(administrators, encryptors, "who administers the key must not encrypt with it");
  apart(users, encryptors, "the hosts' role must not encrypt: it could plant keys that it knows");
  if (pairs.length > mostPairs) fail(`key policy: at most ${mostPairs} pairs of measurements`);
  if (pairs.length > 0 && users.length === 0) fail("key policy: pairs are for somebody: the hosts' role is missing");
  const seen = new Set<string>();
  for (const { pcr0, pcr16, pcr8 } of pairs) {
    for (const value of [pcr0, pcr16, ...(pcr8 === undefined ? [] : [pcr8])]) checkMeasurement(value);
    if (seen.has(pcr0 + pcr16)) fail(`key policy: the pair of ${pcr0} is named twice`);
    seen.add(pcr0 + pcr16);
  }
  for (const value of [...pcr3, ...pcr4]) checkMeasurement(value);
}

function checkMeasurement(value: string): void {
  if (!measurementShape.test(value)) fail(`key policy: "${value}" is not a measurement of 96 hexadecimal digits, in lower case`);
  if (/^0+$/.test(value)) fail("key policy: a measurement of zeros is a debug enclave's, or of none: it must never be pinned");
}

// PCR16 of an enclave that took this manifest: SHA384(48 zero bytes ‖ SHA384(canonical form)); docs/manifest.md.
export function manifestPcr16(text: string): string {
  const digest = createHash("sha384").update(canonical(JSON.parse(text))).digest();
  return createHash("sha384").update(Buffer.alloc(48)).update(digest).digest("hex");
}

// Members sorted by their names' bytes, no white space, whole numbers only. JSON.parse has lost a name that stands there
// twice; no enclave takes such a manifest.
function canonical(value: unknown): string {
  if (typeof value === "number" && !Number.isSafeInteger(value)) fail(`manifest: ${value} is not a whole number that JSON carries exactly`);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical((value as Members)[name])}`).join(",")}}`;
}
