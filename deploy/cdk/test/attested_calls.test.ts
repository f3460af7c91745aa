// SPDX-License-Identifier: Apache-2.0
// What the function itself finds, with an enclave's real receipts: tests/e2e/long/key_policy.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";

import { alarmNames } from "../lib/alarm_names";
import { AttestedCalls } from "../lib/attested_calls";

const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const host = "arn:aws:iam::444455556666:role/prodNitroWalletEth-host";
const pair = { pcr0: "ab".repeat(48), pcr16: "cd".repeat(48) };

function synthesised(): Template {
  const stack = new Stack(new App(), "Keys", { env: { account: "111122223333", region: "eu-west-1" } });
  new AttestedCalls(stack, "Calls", {
    topic: new sns.Topic(stack, "Topic"), keys: [key], pairs: [pair], trailLogs: new logs.LogGroup(stack, "Trail"), writers: [host], code: lambda.Code.fromInline("x"), runtime: lambda.Runtime.NODEJS_22_X,
  });
  return Template.fromStack(stack);
}

test("hosts add receipts and can neither read nor remove any, nor write what the function remembers", () => {
  const template = synthesised();
  const [policy] = Object.values(template.findResources("AWS::S3::BucketPolicy"));
  const allowed = (policy!["Properties"].PolicyDocument.Statement as { Effect: string; Action: unknown; Principal: unknown; Resource: unknown }[]).filter(({ Effect }) => Effect === "Allow");
  assert.equal(allowed.length, 1);
  assert.equal(allowed[0]!.Action, "s3:PutObject");
  assert.deepEqual(allowed[0]!.Principal, { AWS: host });
  assert.match(JSON.stringify(allowed[0]!.Resource), /receipts\/\*/);
  template.hasResource("AWS::S3::Bucket", { DeletionPolicy: "Retain", Properties: { VersioningConfiguration: { Status: "Enabled" } } });
});

test("the function reads the trail and the receipts every quarter of an hour and uses no key", () => {
  const template = synthesised();
  const [policy] = Object.values(template.findResources("AWS::IAM::Policy"));
  const actions = (policy!["Properties"].PolicyDocument.Statement as { Action: string | string[] }[]).flatMap(({ Action }) => Action);
  assert.deepEqual(actions, ["logs:CreateLogStream", "logs:PutLogEvents", "logs:FilterLogEvents", "s3:ListBucket", "s3:GetObject", "s3:GetObject", "s3:PutObject"]);
  template.hasResourceProperties("AWS::Events::Rule", { ScheduleExpression: "rate(15 minutes)" });
  template.hasResourceProperties("AWS::Lambda::Function", {
    Handler: "attested_calls.handler", Environment: { Variables: Match.objectLike({ KEY_ARNS: key, PAIRS: `${pair.pcr0}:${pair.pcr16}`, RECEIPTS_PREFIX: "receipts/", STATE_KEY: "state/modules.json" }) },
  });
});

test("a comparison that is not made is worth waking somebody: it is how an enclave would be hidden", () => {
  assert.equal(alarmNames.AttestedCallsNotCompared.urgency, "page");
});

test("an enclave without a log alarms, and so does a comparison that was not made", () => {
  const template = synthesised();
  template.hasResourceProperties("AWS::CloudWatch::Alarm", { AlarmName: "Keys-AttestedCallsFromUnknownModule", MetricName: "UnknownModules", Threshold: 1, ComparisonOperator: "GreaterThanOrEqualToThreshold" });
  template.hasResourceProperties("AWS::CloudWatch::Alarm", { AlarmName: "Keys-AttestedCallsNotCompared", MetricName: "Comparisons", Threshold: 1, ComparisonOperator: "LessThanThreshold", TreatMissingData: "breaching" });
});
