// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";

import { Canary } from "../lib/canary";

const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const secret = "arn:aws:secretsmanager:eu-west-1:444455556666:secret:redoubt/reference-AbCdEf";

function synthesised(): Template {
  const stack = new Stack(new App(), "Wallet", { env: { account: "444455556666", region: "eu-west-1" } });
  new Canary(stack, "Canary", {
    topic: new sns.Topic(stack, "Topic"), logGroup: new logs.LogGroup(stack, "Logs"), roleName: "wallet-canary",
    code: lambda.Code.fromInline("x"), runtime: lambda.Runtime.NODEJS_22_X,
    targets: [{ keyArn: key, encryptionContext: { "redoubt:vault": "vault-00" } }, { keyArn: key.replace("1234abcd", "abcd1234"), secretArn: secret }],
  });
  return Template.fromStack(stack);
}

test("the canary may ask for what must be denied, and for nothing else", () => {
  const template = synthesised();
  template.hasResourceProperties("AWS::IAM::Role", { RoleName: "wallet-canary", ManagedPolicyArns: Match.absent() });
  const [policy] = Object.values(template.findResources("AWS::IAM::Policy"));
  const statements = policy!["Properties"].PolicyDocument.Statement as { Sid: string; Action: unknown; Resource: unknown; Effect: string }[];
  assert.deepEqual(statements.map(({ Sid }) => Sid), ["WriteLogs", "AskWhatMustBeDenied", "ReadCiphertexts"]);
  assert.deepEqual(statements[1]!.Action, ["kms:Decrypt", "kms:GenerateDataKey"]);
  assert.deepEqual(statements[1]!.Resource, [key, key.replace("1234abcd", "abcd1234")]);
  assert.equal(statements[2]!.Resource, secret);
});

test("it runs every five minutes on the keys that it is told", () => {
  const template = synthesised();
  template.hasResourceProperties("AWS::Events::Rule", { ScheduleExpression: "rate(5 minutes)", State: "ENABLED" });
  template.hasResourceProperties("AWS::Lambda::EventInvokeConfig", { MaximumRetryAttempts: 0 });
  const [made] = Object.values(template.findResources("AWS::Lambda::Function"));
  const { Handler, Environment } = made!["Properties"];
  assert.equal(Handler, "canary.handler");
  assert.deepEqual(JSON.parse(Environment.Variables.CANARY_TARGETS as string), [
    { key_arn: key, encryption_context: { "redoubt:vault": "vault-00" } },
    { key_arn: key.replace("1234abcd", "abcd1234"), secret_arn: secret },
  ]);
});

test("it alarms when it succeeds, and when it did not run", () => {
  const template = synthesised();
  template.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "Wallet-UnattestedUseWorks", Namespace: "Redoubt", MetricName: "UnattestedUse", Statistic: "Maximum", Threshold: 1,
    ComparisonOperator: "GreaterThanOrEqualToThreshold", TreatMissingData: "notBreaching", AlarmActions: Match.anyValue(),
  });
  template.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "Wallet-CanaryNotRun", MetricName: "CanaryRuns", Statistic: "Sum", Threshold: 1, ComparisonOperator: "LessThanThreshold", TreatMissingData: "breaching",
  });
});
