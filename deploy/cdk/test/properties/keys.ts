// SPDX-License-Identifier: Apache-2.0
// That the keys are those of keys.test.ts, with this deployment's measurements and roles.
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Template } from "aws-cdk-lib/assertions";

import { all, resourcesOf, type Statement, statementsOf, text } from "../resources";
import { account, keyAccount, oldPcr0, pcr0, region, variant } from "../variants";

function policies(template: Template): Record<string, Statement[]> {
  return Object.fromEntries(
    all(template, "AWS::KMS::Key").filter(({ Properties }) => Properties.KeySpec !== undefined)
      .map(({ Properties }) => [Properties.Tags.find(({ Key }: { Key: string }) => Key === "redoubt:purpose").Value as string, Properties.KeyPolicy.Statement as Statement[]]),
  );
}
const pinned = (statements: Statement[]) =>
  statements.filter(({ Sid }) => /^UseByMeasuredEnclave/.test(Sid!)).map(({ Condition }) => Condition.StringEqualsIgnoreCase["kms:RecipientAttestation:ImageSha384"] as string);
const principals = ({ Principal }: Statement) => [Principal.AWS].flat().map((one) => text(one));

test("the keys are pinned to the image and manifest of the deployment, and while one replaces another to both", () => {
  const { config } = variant("dev");
  for (const statements of Object.values(policies(variant("dev").template))) {
    assert.deepEqual(pinned(statements), [pcr0]);
    const use = statements.find(({ Sid }) => Sid === "UseByMeasuredEnclave1")!;
    assert.equal(use.Condition.StringEqualsIgnoreCase["kms:RecipientAttestation:PCR16"], config.measured[0]!.pcr16);
    assert.deepEqual(principals(use), [`arn:aws:iam::${account}:role/devNitroWalletEth-host-${region}`, `arn:aws:iam::${account}:role/devNitroWalletEth-canary-${region}`]);
  }
  for (const statements of Object.values(policies(variant("staging").template))) assert.deepEqual(pinned(statements), [oldPcr0, pcr0], "as deploy/rollout orders them");
});

test("before there are measurements the keys open for nobody", () => {
  const found = policies(variant("first").template);
  assert.deepEqual(Object.keys(found).sort(), ["reference", "vault"]);
  for (const statements of Object.values(found)) {
    assert.deepEqual(pinned(statements), []);
    assert.ok(statements.some(({ Sid, Effect }) => Sid === "DenyUse" && Effect === "Deny"));
  }
});

test("keys and aliases stay when the stack goes", () => {
  for (const template of [variant("dev").template, variant("keyAccount").keys!]) {
    for (const { id, DeletionPolicy, UpdateReplacePolicy, Properties } of [...all(template, "AWS::KMS::Key"), ...all(template, "AWS::KMS::Alias")]) {
      if (/alarms on their way/.test(Properties.Description)) continue; // carries notices, keeps nothing
      assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ["Retain", "Retain"], id);
    }
  }
});

test("keys of another account are in a stack of that account, and the hosts' stack has none", () => {
  const { template, keys } = variant("keyAccount");
  assert.deepEqual(policies(template), {});
  const found = policies(keys!);
  assert.deepEqual(Object.keys(found).sort(), ["reference", "vault"]);
  for (const statements of Object.values(found)) {
    const use = statements.find(({ Sid }) => Sid === "UseByMeasuredEnclave1")!;
    assert.ok(principals(use).every((arn) => arn.startsWith(`arn:aws:iam::${account}:role/apartNitroWalletEth-`)), "roles of the hosts' account");
    const administer = statements.find(({ Sid }) => Sid === "AdministerWithoutUse")!;
    assert.ok(principals(administer).every((arn) => arn.includes(`::${keyAccount}:`)), "administrators of the keys' account");
  }
  assert.ok(found["reference"]!.some(({ Sid }) => Sid === "EncryptReferenceKeys"), "plaintextSetKey");
  assert.ok(!policies(variant("dev").template)["reference"]!.some(({ Sid }) => Sid === "EncryptReferenceKeys"));
});

test("no role both administers a key and uses it", () => {
  for (const template of [variant("prod").template, variant("keyAccount").keys!]) {
    for (const statements of Object.values(policies(template))) {
      const who = (pattern: RegExp) => statements.filter(({ Sid, Effect }) => Effect === "Allow" && pattern.test(Sid!)).flatMap(principals);
      const administrators = who(/^Administer/);
      assert.ok(administrators.length > 0);
      for (const user of who(/^(UseBy|Encrypt)/)) assert.ok(!administrators.includes(user), user);
    }
  }
});

test("enclaves' calls are compared with the hosts' receipts, which hosts can add and nothing else", () => {
  const { template } = variant("prod");
  const bucket = all(template, "AWS::S3::Bucket").find(({ id }) => id.startsWith("AttestedCalls"))!;
  const policy = all(template, "AWS::S3::BucketPolicy").find(({ Properties }) => Properties.Bucket.Ref === bucket.id)!;
  assert.ok(policy.DependsOn!.some((id) => id.startsWith("HostRole")), "KMS and S3 want a principal to exist");
  const hosts = policy.Properties.PolicyDocument.Statement.filter(({ Effect }: Statement) => Effect === "Allow");
  assert.deepEqual(hosts.map(({ Action }: Statement) => Action), ["s3:PutObject"]);
  const endpoint = all(template, "AWS::EC2::VPCEndpoint").find(({ id }) => /S3/.test(id))!;
  const writes = endpoint.Properties.PolicyDocument.Statement.filter(({ Action }: Statement) => [Action].flat().includes("s3:PutObject"));
  assert.equal(writes.length, 1);
  assert.match(text(writes[0].Resource), /^arn:aws:s3:::<AttestedCallsReceipts.*>\/receipts\/\*$/);
  template.hasOutput("ReceiptsBucket", {});
});

test("hosts of another account are let into the keys' account's bucket, to add", () => {
  const { template, keys, config } = variant("keyAccount");
  template.resourceCountIs("AWS::S3::Bucket", 0);
  const copies = statementsOf(template, `${config.stackName}-host-${region}`).filter(({ Action }) => [Action].flat().includes("s3:PutObject"));
  assert.deepEqual(copies.map(resourcesOf), [["arn:aws:s3:::receipts-of-apart/receipts/*"]]);
  const [policy] = all(keys!, "AWS::S3::BucketPolicy").filter(({ Properties }) => /AttestedCalls/.test(Properties.Bucket.Ref));
  const hosts = policy!.Properties.PolicyDocument.Statement.filter(({ Effect }: Statement) => Effect === "Allow");
  assert.deepEqual(hosts.map(({ Principal }: Statement) => text(Principal.AWS)), [`arn:aws:iam::${account}:role/${config.stackName}-host-${region}`]);
  const compare = all(keys!, "AWS::Lambda::Function").find(({ Properties }) => Properties.FunctionName.endsWith("-attested-calls"))!;
  assert.equal(compare.Properties.Environment.Variables.TRAIL_LOG_GROUP, "aws-controltower/CloudTrailLogs");
});
