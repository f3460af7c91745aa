// SPDX-License-Identifier: Apache-2.0
// Alarms of the service: its error budget, its enclaves, its load balancer. The level behind the budget is that of
// deploy/observability/alerts.yml: 99.9 % of requests are answered without a 5xx. What watches the keys: key_alarms.ts.
import { Duration, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as sns from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Construct } from "constructs";

import { alarmDescription, type AlarmKey } from "./alarm_names";
import { metricsNamespace } from "./names";

export const objective = 0.999;

export interface RaiseProps {
  readonly topic: sns.ITopic;
  readonly runbooks?: string; // where runbooks are read; default: the project's docs/runbooks
}

// The alarm's name in CloudWatch is the stack's and its own: the list of names is the list of runbooks.
export function named(scope: Construct, key: AlarmKey, props: RaiseProps): { alarmName: string; alarmDescription: string } {
  return { alarmName: `${Stack.of(scope).stackName}-${key}`, alarmDescription: alarmDescription(key, props.runbooks) };
}

export interface WatchProps {
  readonly metric: cloudwatch.IMetric;
  readonly threshold: number;
  readonly comparison?: cloudwatch.ComparisonOperator; // default: at the threshold or above
  readonly periods?: number; // default 1
  readonly missing?: cloudwatch.TreatMissingData; // default: what is not told does not breach
}

export function watch(scope: Construct, key: AlarmKey, props: WatchProps & RaiseProps): cloudwatch.Alarm {
  const alarm = new cloudwatch.Alarm(scope, key, {
    ...named(scope, key, props),
    metric: props.metric,
    threshold: props.threshold,
    comparisonOperator: props.comparison ?? cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    evaluationPeriods: props.periods ?? 1,
    treatMissingData: props.missing ?? cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new SnsAction(props.topic));
  alarm.addOkAction(new SnsAction(props.topic));
  return alarm;
}

// Where alarms go. CloudWatch, EventBridge and Auto Scaling write to it, of this account alone.
export function alarmTopic(scope: Construct, id: string, email?: string): sns.Topic {
  const stack = Stack.of(scope);
  const key = new kms.Key(scope, `${id}Key`, { description: `${stack.stackName}: alarms on their way`, enableKeyRotation: true });
  const services = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "autoscaling.amazonaws.com"].map((name) => new iam.ServicePrincipal(name));
  const ofThisAccount = { StringEquals: { "aws:SourceAccount": stack.account } };
  key.addToResourcePolicy(new iam.PolicyStatement({ sid: "Publishers", principals: services, actions: ["kms:Decrypt", "kms:GenerateDataKey*"], resources: ["*"], conditions: ofThisAccount }));
  const topic = new sns.Topic(scope, id, { masterKey: key, enforceSSL: true });
  topic.addToResourcePolicy(new iam.PolicyStatement({ sid: "Publishers", principals: services, actions: ["sns:Publish"], resources: [topic.topicArn], conditions: ofThisAccount }));
  if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
  return topic;
}

// What gateways tell: the CloudWatch agent's names and dimensions (deploy/host/cloudwatch-agent.json). Counters arrive as what
// was added since the last reading, so that Sum counts.
export class GatewayMetrics {
  constructor(private readonly group: string) {}

  gauge(metricName: string, statistic: string, minutes = 1): cloudwatch.Metric {
    return this.metric(metricName, {}, statistic, Duration.minutes(minutes));
  }
  counted(metricName: string, outcome: string, period: Duration): cloudwatch.Metric {
    return this.metric(metricName, { outcome }, cloudwatch.Stats.SUM, period);
  }
  private metric(metricName: string, more: Record<string, string>, statistic: string, period: Duration): cloudwatch.Metric {
    return new cloudwatch.Metric({ namespace: metricsNamespace, metricName, dimensionsMap: { AutoScalingGroupName: this.group, ...more }, statistic, period });
  }

  // The part of requests that failed; none where there were none.
  failures(period: Duration): cloudwatch.MathExpression {
    const by = (outcome: string) => this.counted("redoubt_operations_total", outcome, period);
    return new cloudwatch.MathExpression({
      label: "failed requests",
      expression: "IF(FILL(ok, 0) + FILL(refused, 0) + FILL(failed, 0) > 0, FILL(failed, 0) / (FILL(ok, 0) + FILL(refused, 0) + FILL(failed, 0)), 0)",
      usingMetrics: { ok: by("ok"), refused: by("refused"), failed: by("failed") },
      period,
    });
  }

  closedVaults(period: Duration): cloudwatch.MathExpression {
    const by = (outcome: string) => this.counted("redoubt_enclave_lease_renewals_total", outcome, period);
    return new cloudwatch.MathExpression({
      label: "vaults closed", expression: "FILL(denied, 0) + FILL(ended, 0)", usingMetrics: { denied: by("denied"), ended: by("ended") }, period,
    });
  }
}

export interface ServiceAlarmsProps extends RaiseProps {
  readonly groupName: string; // of the hosts' Auto Scaling group
  readonly loadBalancer: elb.INetworkLoadBalancer;
  readonly targetGroup: elb.INetworkTargetGroup;
}

export class ServiceAlarms extends Construct {
  readonly all: cloudwatch.AlarmBase[] = [];
  // Those that end a replacement of hosts: what they say is the new image's or the new host's doing.
  readonly endsRefresh: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, private readonly props: ServiceAlarmsProps) {
    super(scope, id);
    const metrics = new GatewayMetrics(props.groupName);
    // Rates of burning and windows: Google's SRE workbook, "Alerting on SLOs", as in alerts.yml.
    this.burn("ErrorBudgetBurnsFast", metrics, 14.4, Duration.hours(1), Duration.minutes(5));
    this.burn("ErrorBudgetBurns", metrics, 6, Duration.hours(6), Duration.minutes(30));

    const below = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD;
    const missing = cloudwatch.TreatMissingData.BREACHING;
    const noEnclave = this.watch("NoEnclaveUsable", { metric: metrics.gauge("redoubt_enclaves_usable", cloudwatch.Stats.MINIMUM), threshold: 1, comparison: below, periods: 3 });
    this.watch("EnclaveInDebugMode", { metric: metrics.gauge("redoubt_enclave_debug", cloudwatch.Stats.MAXIMUM), threshold: 1 });
    this.watch("VaultClosed", { metric: metrics.closedVaults(Duration.minutes(5)), threshold: 1 });
    this.watch("MetricsMissing", { metric: metrics.gauge("redoubt_enclaves", cloudwatch.Stats.SAMPLE_COUNT, 5), threshold: 1, comparison: below, periods: 2, missing });

    const { metrics: targets } = props.targetGroup;
    const each = (statistic: string) => ({ statistic, period: Duration.minutes(1) });
    this.watch("HostsUnhealthy", { metric: targets.unHealthyHostCount(each(cloudwatch.Stats.MAXIMUM)), threshold: 1, periods: 10 });
    const noHost = this.watch("NoHealthyHost", { metric: targets.healthyHostCount(each(cloudwatch.Stats.MINIMUM)), threshold: 1, comparison: below, periods: 3, missing });
    const { metrics: balancer } = props.loadBalancer;
    const resets = { statistic: cloudwatch.Stats.SUM, period: Duration.minutes(5) };
    this.watch("LoadBalancerResets", {
      metric: new cloudwatch.MathExpression({
        label: "connections reset", expression: "FILL(elb, 0) + FILL(target, 0)",
        usingMetrics: { elb: balancer.tcpElbResetCount(resets), target: balancer.tcpTargetResetCount(resets) }, period: Duration.minutes(5),
      }),
      threshold: 100, periods: 3,
    });
    this.endsRefresh.push(noEnclave, noHost);
  }

  private watch(key: AlarmKey, props: WatchProps): cloudwatch.Alarm {
    const alarm = watch(this, key, { ...this.props, ...props });
    this.all.push(alarm);
    return alarm;
  }

  // The long window says that it matters, the short one that it goes on: both must, and only their conjunction is told.
  private burn(key: AlarmKey, metrics: GatewayMetrics, rate: number, long: Duration, short: Duration): void {
    const over = (name: string, period: Duration) =>
      new cloudwatch.Alarm(this, `${key}${name}`, {
        alarmName: `${Stack.of(this).stackName}-${key}${name}`,
        alarmDescription: `Part of ${key}, which tells.`,
        metric: metrics.failures(period),
        threshold: rate * (1 - objective),
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: 1,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      });
    const states = [over("Long", long), over("Short", short)].map((alarm) => cloudwatch.AlarmRule.fromAlarm(alarm, cloudwatch.AlarmState.ALARM));
    const { alarmName, alarmDescription: text } = named(this, key, this.props);
    const both = new cloudwatch.CompositeAlarm(this, key, { compositeAlarmName: alarmName, alarmDescription: text, alarmRule: cloudwatch.AlarmRule.allOf(...states) });
    both.addAlarmAction(new SnsAction(this.props.topic));
    both.addOkAction(new SnsAction(this.props.topic));
    this.all.push(both);
  }
}
