// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { all, type Any, text } from "../resources";
import { variant, type Variant, variants } from "../variants";

const names = Object.keys(variants) as Variant[];

test("the stack has the AWS sample's name and outputs, and more", () => {
  assert.equal(variant("staging").config.stackName, "blueNitroWalletEth");
  for (const name of names.filter((one) => one !== "first")) {
    const outputs = Object.keys(variant(name).template.findOutputs("*"));
    for (const wanted of ["EC2InstanceRoleARN", "LambdaExecutionRoleARN", "ASGGroupName", "KMSKeyID", "VaultKeyArn", "ReferenceKeyArn", "ServiceName", "LoadBalancerName", "LambdaName", "ReferenceSecretArn",
      "StoreAddress", "DataKeyArn", "LogPrefix", "LaunchTemplateId"]) assert.ok(outputs.includes(wanted), `${name} ${wanted}`);
  }
});

test("a prod deployment cannot be deleted in one step", () => {
  assert.equal(variant("prod").stack.terminationProtection, true);
  assert.ok(!variant("dev").stack.terminationProtection);
  const group = (name: Variant) => all(variant(name).template, "AWS::AutoScaling::AutoScalingGroup")[0]!.Properties.DeletionProtection;
  assert.equal(group("prod"), "prevent-force-deletion");
  assert.equal(group("dev"), undefined);
});

test("prod differs from dev where docs/deploy.md says so", () => {
  const { config: prod } = variant("prod");
  const { config: dev } = variant("dev");
  assert.deepEqual([prod.hosts.min, prod.enclaves, prod.zoneCount, prod.sessionManager, prod.logDays], [3, 2, 3, false, 731]);
  assert.deepEqual([dev.hosts.min, dev.enclaves, dev.zoneCount, dev.sessionManager, dev.logDays], [2, 1, 2, true, 90]);
});

test("every log group has an end, a key, and outside of dev a longer life than the stack", () => {
  for (const name of names) {
    const groups = all(variant(name).template, "AWS::Logs::LogGroup").filter(({ id }) => !/^(Trail|AttestedCalls)/.test(id));
    assert.ok(groups.length >= 3, name);
    for (const { Properties, DeletionPolicy } of groups) {
      assert.equal(Properties.RetentionInDays, variant(name).config.logDays);
      assert.match(text(Properties.KmsKeyId), /^<DataKey/);
      assert.equal(DeletionPolicy, variant(name).config.deployment === "dev" ? "Delete" : "Retain");
    }
    // What the key lets CloudWatch encrypt are these groups.
    const key = all(variant(name).template, "AWS::KMS::Key").find(({ id }) => id.startsWith("DataKey"))!;
    const patterns = key.Properties.KeyPolicy.Statement.find(({ Sid }: Any) => Sid === "LogGroupsOfThisStack").Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"]
      .map((pattern: Any) => text(pattern).replace(/^.*:log-group:/, "").replace(/\*$/, ""));
    for (const { Properties } of groups) assert.ok(patterns.some((pattern: string) => Properties.LogGroupName.startsWith(pattern)), Properties.LogGroupName);
  }
});

test("notices go to one topic, which takes them over TLS alone", () => {
  for (const name of names) {
    const { template } = variant(name);
    template.resourceCountIs("AWS::SNS::Topic", 1);
    template.resourceCountIs("AWS::SNS::Subscription", name === "prod" ? 1 : 0);
    const policy = JSON.stringify(all(template, "AWS::SNS::TopicPolicy")[0]!.Properties);
    assert.match(policy, /aws:SecureTransport/);
    assert.ok(all(template, "AWS::SNS::Topic")[0]!.Properties.KmsMasterKeyId);
  }
});

test("Auto Scaling may publish to the topic, whose key names it by a condition", () => {
  const key = all(variant("dev").template, "AWS::KMS::Key").find(({ id }) => id.startsWith("EventsKey"))!;
  const statement = key.Properties.KeyPolicy.Statement.find(({ Sid }: Any) => Sid === "AutoScalingPublishes");
  assert.match(text(statement.Condition.ArnEquals["aws:PrincipalArn"]), /^arn:aws:iam::111122223333:role\/aws-service-role\/autoscaling/);
});

test("functions, roles and secrets have names of their own, so that two deployments live in one account", () => {
  const named = (name: Variant) =>
    Object.values(variant(name).json).flatMap(({ Properties: p }) => ["RoleName", "FunctionName", "AutoScalingGroupName", "LogGroupName", "Name", "DBClusterIdentifier", "AliasName", "AlarmName", "DashboardName"].flatMap((key) => {
      const value = p?.[key];
      return typeof value === "string" && !value.endsWith(".internal.") ? [value] : [];
    }));
  const [dev, blue] = [new Set(named("dev")), named("staging")];
  assert.ok(blue.length > 20);
  assert.deepEqual(blue.filter((name) => dev.has(name)), []);
  for (const name of blue) assert.match(name, /blue/i);
});
