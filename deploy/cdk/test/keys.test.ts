// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import * as iam from "aws-cdk-lib/aws-iam";

import { type KeyPolicyInput, manifestPcr16, renderKeyPolicy } from "../lib/key_policy";
import { KeyStack, VaultKeys, type VaultKeysProps } from "../lib/keys";

interface Vector extends KeyPolicyInput {
  readonly name: string;
  readonly manifests?: readonly string[];
  readonly pcr8?: string;
  readonly policy: string;
}
// build/test/keys.test.js; the vectors are not compiled.
const vectors = JSON.parse(readFileSync(join(__dirname, "..", "..", "test", "key_policy_vectors.json"), "utf8")) as Vector[];

const keyAccount = "111122223333";
const admin = `arn:aws:iam::${keyAccount}:role/KeyAdmin`;
const host = "arn:aws:iam::444455556666:role/prodNitroWalletEth-host";
const lambda = "arn:aws:iam::444455556666:role/prodNitroWalletEth-lambda";
const pair = { pcr0: "ab".repeat(48), pcr16: "cd".repeat(48) };
const env = { account: keyAccount, region: "eu-west-1" };
const props: VaultKeysProps = { name: "prod", administrators: [admin], users: [host], encryptors: [lambda], pairs: [pair] };

const keyStack = (more: Partial<VaultKeysProps> = {}) => Template.fromStack(new KeyStack(new App(), "Keys", { env, keys: { ...props, ...more } }));
type Policy = { Statement: { Sid: string; Effect: string; Principal: unknown; Action: string[]; Condition?: unknown }[] };
const policies = (template: Template): Record<string, Policy> =>
  Object.fromEntries(Object.values(template.findResources("AWS::KMS::Key")).map(({ Properties: p }) => [p.Tags[0].Value, p.KeyPolicy as Policy]));
const sids = (policy: Policy | undefined) => policy!.Statement.map(({ Sid }) => Sid);

test("policies are, byte for byte, those of redoubt manifest kms-policy", () => {
  assert.ok(vectors.length >= 9);
  for (const { name, manifests, pcr8, policy, pairs, ...input } of vectors) {
    manifests?.forEach((text, i) => assert.equal(manifestPcr16(text), pairs[i]!.pcr16, name));
    assert.equal(renderKeyPolicy({ ...input, pairs: pairs.map((one) => ({ ...one, ...(pcr8 === undefined ? {} : { pcr8 }) })) }), policy, name);
  }
});

test("what the program refuses is refused here", () => {
  const input: KeyPolicyInput = { purpose: "vault", administrators: [admin], users: [host], pairs: [pair] };
  renderKeyPolicy(input);
  const refused = (change: Partial<KeyPolicyInput>, why: RegExp) => assert.throws(() => renderKeyPolicy({ ...input, ...change }), why);
  refused({ administrators: [] }, /without an administrator/);
  refused({ users: [admin] }, /must not use it/);
  refused({ administrators: [admin, "arn:aws:iam::444455556666:root"] }, /must not use it \(arn:aws:iam::444455556666:root\)/);
  renderKeyPolicy({ ...input, administrators: [`arn:aws:iam::${keyAccount}:root`] });
  refused({ users: [] }, /role is missing/);
  refused({ users: ["arn:aws:iam::444455556666:root"] }, /stands for everybody/);
  refused({ users: ["arn:aws:iam::444455556666:role/*"] }, /full ARN/);
  refused({ users: [host, host] }, /named twice/);
  refused({ encryptors: [lambda] }, /would plant vaults/);
  refused({ purpose: "reference", encryptors: [admin] }, /must not encrypt/);
  refused({ purpose: "reference", administrators: [`arn:aws:iam::${keyAccount}:root`], encryptors: [`arn:aws:iam::${keyAccount}:role/lambda`] }, /must not encrypt/);
  refused({ purpose: "reference", encryptors: [host] }, /could plant keys/);
  refused({ pairs: [{ ...pair, pcr0: "00".repeat(48) }] }, /zeros/);
  refused({ pairs: [{ ...pair, pcr0: "AB".repeat(48) }] }, /lower case/);
  refused({ pairs: [pair, pair] }, /named twice/);
  refused({ pcr3: ["12"] }, /96 hexadecimal/);
});

test("both keys stay when the stack goes, rotate, and are no copies of anything", () => {
  const template = keyStack();
  template.resourceCountIs("AWS::KMS::Key", 2);
  template.allResources("AWS::KMS::Key", { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
  template.allResources("AWS::KMS::Alias", { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
  template.allResourcesProperties("AWS::KMS::Key", {
    EnableKeyRotation: true, RotationPeriodInDays: 365, PendingWindowInDays: 30, BypassPolicyLockoutSafetyCheck: false, MultiRegion: false, Origin: "AWS_KMS",
    KeySpec: "SYMMETRIC_DEFAULT", Enabled: true,
  });
  template.hasOutput("VaultKeyArn", {});
  template.hasOutput("ReferenceKeyArn", {});
});

test("a key's policy is nothing but what docs/kms-policy.md says", () => {
  const { vault, reference } = policies(keyStack());
  assert.deepEqual(sids(vault), ["AdministerWithoutUse", "UseByMeasuredEnclave1", "DenyOtherImages", "DenyOtherManifests", "DenyUseByOthers", "DenyPlantingAndGrants", "DenyChangeByOthers"]);
  assert.deepEqual(sids(reference), ["AdministerWithoutUse", "EncryptReferenceKeys", "UseByMeasuredEnclave1", "DenyOtherImages", "DenyOtherManifests", "DenyUseByOthers", "DenyPlantingAndGrants",
    "DenyEncryptByOthers", "DenyChangeByOthers"]);
  for (const policy of [vault!, reference!]) {
    for (const { Effect, Action, Principal, Condition } of policy.Statement) {
      if (Effect !== "Allow") continue;
      assert.ok(Action.every((action) => /^kms:[A-Za-z]+$/.test(action)), "no wildcard");
      assert.notEqual(Principal, "*");
      if (Action.includes("kms:Decrypt")) assert.ok(Condition);
    }
  }
});

test("each pair has an Allow of its own", () => {
  const second = { pcr0: "ef".repeat(48), pcr16: "01".repeat(48) };
  const { vault } = policies(keyStack({ pairs: [pair, second] }));
  const allowed = vault!.Statement.filter(({ Sid }) => Sid.startsWith("UseBy"));
  assert.deepEqual(allowed.map(({ Condition }) => Condition), [pair, second].map(({ pcr0, pcr16 }) =>
    ({ StringEqualsIgnoreCase: { "kms:RecipientAttestation:ImageSha384": pcr0, "kms:RecipientAttestation:PCR16": pcr16 } })));
});

test("without measurements the keys open for nobody and name no role that may not exist yet", () => {
  const { vault, reference } = policies(keyStack({ pairs: [] }));
  for (const policy of [vault, reference]) {
    assert.deepEqual(sids(policy), ["AdministerWithoutUse", "DenyUse", "DenyPlantingAndGrants", "DenyChangeByOthers"]);
    assert.ok(!JSON.stringify(policy).includes("444455556666"));
  }
});

test("whoever deploys is an administrator, for KMS checks that he does not lock himself out", () => {
  const { vault } = policies(keyStack());
  const text = JSON.stringify(vault!.Statement[0]!.Principal);
  assert.match(text, /KeyAdmin/);
  assert.match(text, /cdk-hnb659fds-cfn-exec-role-111122223333-eu-west-1/);
  const named = policies(keyStack({ deployRole: `arn:aws:iam::${keyAccount}:role/Pipeline` }))["vault"]!.Statement[0]!.Principal;
  assert.deepEqual(named, { AWS: [admin, `arn:aws:iam::${keyAccount}:role/Pipeline`] });
  assert.throws(() => keyStack({ users: [`arn:aws:iam::${keyAccount}:role/Pipeline`], deployRole: `arn:aws:iam::${keyAccount}:role/Pipeline` }), /must not use it/);
});

test("keys in another account have a stack that is said where to go and is not deleted by accident", () => {
  assert.throws(() => new KeyStack(new App(), "Keys", { keys: props }), /account and region must be said/);
  assert.equal(new KeyStack(new App(), "Keys", { env, keys: props }).terminationProtection, true);
});

test("in the hosts' own account keys come after the roles that they name", () => {
  const stack = new Stack(new App(), "Wallet", { env });
  const role = new iam.Role(stack, "Host", { roleName: "host", assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com") });
  new VaultKeys(stack, "Keys", { ...props, users: [`arn:aws:iam::${keyAccount}:role/host`], after: [role] });
  Template.fromStack(stack).allResources("AWS::KMS::Key", { DependsOn: Match.arrayWith([stack.getLogicalId(role.node.defaultChild as iam.CfnRole)]) });
});
