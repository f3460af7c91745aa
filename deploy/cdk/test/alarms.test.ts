// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";

import { type AlarmKey, alarmNames } from "../lib/alarm_names";
import { alarmTopic, ServiceAlarms } from "../lib/alarms";
import { ServiceDashboard } from "../lib/dashboard";
import { attestedCallPattern, KeyAlarms, KeyTrail } from "../lib/key_alarms";

const tree = join(__dirname, "..", "..", "..", "..");
const env = { account: "444455556666", region: "eu-west-1" };
const key = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const group = "Wallet-hosts";

function service(): Template {
  const stack = new Stack(new App(), "Wallet", { env });
  const vpc = new ec2.Vpc(stack, "Vpc", { natGateways: 0, maxAzs: 2 });
  const loadBalancer = new elb.NetworkLoadBalancer(stack, "Front", { vpc });
  const targetGroup = loadBalancer.addListener("Listener", { port: 443 }).addTargets("Hosts", { port: 8443 });
  const alarms = new ServiceAlarms(stack, "Alarms", { topic: alarmTopic(stack, "Topic", "ops@example.com"), groupName: group, loadBalancer, targetGroup, runbooks: "https://runbooks.example/redoubt/" });
  assert.deepEqual(alarms.endsRefresh.length, 2);
  new ServiceDashboard(stack, "Dashboard", { groupName: group, loadBalancer, targetGroup, alarms: alarms.all, keysHere: true });
  return Template.fromStack(stack);
}
function keys(): Template {
  const stack = new Stack(new App(), "Keys", { env });
  new KeyAlarms(stack, "Alarms", { topic: alarmTopic(stack, "Topic"), keys: [key], trailLogs: new KeyTrail(stack, "Trail").logGroup });
  return Template.fromStack(stack);
}
type Found = Record<string, { Properties: Record<string, unknown> }>;
const properties = (template: Template, type: string) => Object.values(template.findResources(type) as unknown as Found).map(({ Properties }) => Properties);

test("each alarm has a runbook, and each runbook an alarm here or among the Prometheus rules", () => {
  const there = readdirSync(join(tree, "docs/runbooks")).filter((name) => name.endsWith(".md") && name !== "README.md").map((name) => name.slice(0, -3));
  const ours = Object.values(alarmNames).map(({ runbook }) => runbook);
  for (const runbook of ours) assert.ok(there.includes(runbook), `docs/runbooks/${runbook}.md is missing`);
  const alerts = [...readFileSync(join(tree, "deploy/observability/alerts.yml"), "utf8").matchAll(/- alert: Redoubt(\w+)/g)].map(([, name]) => name!.replace(/(?!^)[A-Z]/g, "-$&").toLowerCase());
  assert.ok(alerts.length > 10);
  for (const runbook of there) assert.ok(ours.includes(runbook) || alerts.includes(runbook), `docs/runbooks/${runbook}.md is of no alarm`);
});

test("each alarm that a stack has is in the list, with its runbook in what it says", () => {
  const made = new Map<string, string>();
  for (const [template, stack] of [[service(), "Wallet"], [keys(), "Keys"]] as const) {
    const add = (name: unknown, text: unknown) => made.set(String(name).replace(`${stack}-`, ""), String(text));
    for (const { AlarmName, AlarmDescription, AlarmActions } of properties(template, "AWS::CloudWatch::Alarm")) {
      if (/(Long|Short)$/.test(String(AlarmName))) {
        assert.equal(AlarmActions, undefined, "parts of a composite tell nobody");
        continue;
      }
      assert.ok(Array.isArray(AlarmActions) && AlarmActions.length === 1, String(AlarmName));
      add(AlarmName, AlarmDescription);
    }
    for (const { AlarmName, AlarmDescription } of properties(template, "AWS::CloudWatch::CompositeAlarm")) add(AlarmName, AlarmDescription);
    for (const { Name, Targets } of properties(template, "AWS::Events::Rule")) add(Name, JSON.stringify(Targets));
  }
  for (const [name, text] of made) {
    const known = alarmNames[name as AlarmKey];
    assert.ok(known !== undefined, `${name} is not in alarm_names.ts`);
    assert.ok(text.includes(`${known.runbook}.md`) && text.includes(known.summary), `${name}: ${text}`);
  }
  // The rest are the canary's and the comparison's, whose tests name them.
  const elsewhere = ["UnattestedUseWorks", "CanaryNotRun", "AttestedCallsFromUnknownModule", "AttestedCallsNotCompared"];
  assert.deepEqual([...made.keys(), ...elsewhere].sort(), Object.keys(alarmNames).sort());
});

test("runbooks are linked where the operators keep them", () => {
  service().hasResourceProperties("AWS::CloudWatch::Alarm", { AlarmName: "Wallet-VaultClosed", AlarmDescription: Match.stringLikeRegexp("Runbook: https://runbooks.example/redoubt/vault-closed.md$") });
});

test("the error budget is that of the Prometheus rules, and burns when both windows say so", () => {
  const template = service();
  const alerts = readFileSync(join(tree, "deploy/observability/alerts.yml"), "utf8");
  for (const [name, threshold, long, short] of [["ErrorBudgetBurnsFast", 0.0144, 3600, 300], ["ErrorBudgetBurns", 0.006, 21600, 1800]] as const) {
    assert.ok(alerts.includes(`> ${threshold} * sum`), `${threshold} stands in alerts.yml`);
    for (const [part, period] of [["Long", long], ["Short", short]] as const) {
      const alarm = properties(template, "AWS::CloudWatch::Alarm").find(({ AlarmName }) => AlarmName === `Wallet-${name}${part}`)!;
      assert.ok(Math.abs(Number(alarm["Threshold"]) - threshold) < 1e-9);
      const metrics = alarm["Metrics"] as { Expression?: string; MetricStat?: { Period: number; Metric: { MetricName: string; Dimensions: { Name: string; Value: string }[] } } }[];
      const counted = metrics.flatMap(({ MetricStat }) => MetricStat ?? []);
      assert.deepEqual(counted.map(({ Period, Metric }) => [Period, Metric.MetricName, Metric.Dimensions.find(({ Name }) => Name === "outcome")!.Value]).sort(),
        ["failed", "ok", "refused"].map((outcome) => [period, "redoubt_operations_total", outcome]));
    }
    const [composite] = properties(template, "AWS::CloudWatch::CompositeAlarm").filter(({ AlarmName }) => AlarmName === `Wallet-${name}`);
    assert.match(JSON.stringify(composite!["AlarmRule"]), / AND /);
  }
});

test("every metric that an alarm reads is one that the CloudWatch agent sends, with the same dimensions", () => {
  const agent = readFileSync(join(tree, "deploy/host/cloudwatch-agent.json"), "utf8");
  const { metric_declaration: declared } = JSON.parse(agent).metrics_collected?.prometheus?.emf_processor ?? JSON.parse(agent).logs.metrics_collected.prometheus.emf_processor;
  const sent = (name: string, dimensions: string[]) =>
    (declared as { metric_selectors: string[]; dimensions: string[][] }[]).some((one) =>
      one.metric_selectors.some((selector) => new RegExp(selector).test(name)) && one.dimensions.some((set) => JSON.stringify([...set].sort()) === JSON.stringify(dimensions)));
  let checked = 0;
  const check = (metric: { Namespace?: string; MetricName?: string; Dimensions?: { Name: string }[] }) => {
    if (metric.Namespace !== "Redoubt") return;
    const dimensions = (metric.Dimensions ?? []).map(({ Name }) => Name).sort();
    assert.ok(sent(metric.MetricName!, dimensions), `${metric.MetricName} by ${dimensions.join(", ")} is not sent`);
    ++checked;
  };
  for (const alarm of properties(service(), "AWS::CloudWatch::Alarm")) {
    check(alarm);
    for (const { MetricStat } of (alarm["Metrics"] ?? []) as { MetricStat?: { Metric: object } }[]) if (MetricStat) check(MetricStat.Metric);
  }
  assert.ok(checked >= 12, `${checked} metrics`);
});

test("changes of a key are told by its ARN and by its id, denied attempts too", () => {
  const template = keys();
  for (const [name, eventName] of [["KeyPolicyChanged", "PutKeyPolicy"], ["KeyGrantCreated", "CreateGrant"], ["KeyDisabled", "DisableKey"], ["KeyDeletionScheduled", "ScheduleKeyDeletion"]]) {
    template.hasResourceProperties("AWS::Events::Rule", {
      Name: `Keys-${name}`, State: "ENABLED",
      EventPattern: {
        source: ["aws.kms"], "detail-type": ["AWS API Call via CloudTrail"],
        detail: { eventSource: ["kms.amazonaws.com"], eventName: [eventName], $or: [{ resources: { ARN: [key] } }, { requestParameters: { keyId: [key, "1234abcd-12ab-34cd-56ef-1234567890ab"] } }] },
      },
      Targets: Match.anyValue(),
    });
  }
  const [watch] = properties(template, "AWS::Events::Rule").filter(({ Name }) => Name === "Keys-KeyWatchWeakened");
  const { eventSource, eventName } = (watch!["EventPattern"] as { detail: { eventSource: string[]; eventName: (string | { prefix: string })[] } }).detail;
  // As EventBridge compares; CloudTrail's names of Lambda's calls end in a date, some with "v2" behind it.
  const told = (service: string, call: string) =>
    eventSource.includes(`${service}.amazonaws.com`) && eventName.some((name) => (typeof name === "string" ? name === call : call.startsWith(name.prefix)));
  for (const [service, calls] of [
    ["cloudtrail", "StopLogging DeleteTrail UpdateTrail PutEventSelectors"], ["events", "DisableRule DeleteRule RemoveTargets PutRule PutTargets"],
    ["sns", "Unsubscribe SetTopicAttributes DeleteTopic"], ["monitoring", "DisableAlarmActions DeleteAlarms PutMetricAlarm"], ["logs", "DeleteLogGroup"],
    ["lambda", "UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 DeleteFunction20150331 PutFunctionConcurrency20171031"],
  ] as const)
    for (const call of calls.split(" ")) assert.ok(told(service, call), call);
  assert.ok(!told("lambda", "Invoke") && !told("kms", "DeleteLogGroup"));
});

test("the trail records management events in full, and what it wrote cannot be altered unseen", () => {
  const template = keys();
  template.hasResourceProperties("AWS::CloudTrail::Trail", {
    IsLogging: true, EnableLogFileValidation: true, CloudWatchLogsLogGroupArn: Match.anyValue(),
    EventSelectors: [{ IncludeManagementEvents: true, ReadWriteType: "All", ExcludeManagementEventSources: Match.absent() }],
  });
  template.hasResource("AWS::S3::Bucket", { DeletionPolicy: "Retain", Properties: { VersioningConfiguration: { Status: "Enabled" }, PublicAccessBlockConfiguration: Match.objectLike({ BlockPublicPolicy: true }) } });
  template.hasResourceProperties("AWS::Logs::MetricFilter", { FilterPattern: attestedCallPattern, MetricTransformations: [{ MetricNamespace: "Redoubt/Keys", MetricName: "AttestedCalls", MetricValue: "1" }] });
});

test("alarms go out encrypted, over TLS, and only this account's services send them", () => {
  const template = service();
  template.hasResourceProperties("AWS::SNS::Topic", { KmsMasterKeyId: Match.anyValue() });
  template.hasResourceProperties("AWS::SNS::Subscription", { Protocol: "email", Endpoint: "ops@example.com" });
  const [policy] = properties(template, "AWS::SNS::TopicPolicy");
  const statements = (policy!["PolicyDocument"] as { Statement: { Effect: string; Principal: unknown; Condition: Record<string, unknown> }[] }).Statement;
  assert.ok(statements.some(({ Effect, Condition }) => Effect === "Deny" && JSON.stringify(Condition).includes("aws:SecureTransport")));
  for (const { Effect, Condition } of statements) if (Effect === "Allow") assert.deepEqual(Condition, { StringEquals: { "aws:SourceAccount": env.account } });
});

test("the dashboard shows the alarms and what they look at", () => {
  const [page] = properties(service(), "AWS::CloudWatch::Dashboard");
  const body = JSON.stringify(page!["DashboardBody"]);
  for (const part of ["redoubt_operations_total", "redoubt_enclaves_usable", "GroupInServiceInstances", "HealthyHostCount", "UnattestedUse", "AttestedCalls", "alarms"]) assert.ok(body.includes(part), part);
});
