// SPDX-License-Identifier: Apache-2.0
// One page: does it sign, is there room, are the hosts there, what was done to the keys. The same questions as the Grafana
// dashboard in deploy/observability, of what CloudWatch is told.
import { Duration, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";
import { Construct } from "constructs";

import { GatewayMetrics, objective } from "./alarms";
import { keyMetrics } from "./key_alarms";
import { metricsNamespace } from "./names";

export interface DashboardProps {
  readonly groupName: string;
  readonly loadBalancer: elb.INetworkLoadBalancer;
  readonly targetGroup: elb.INetworkTargetGroup;
  readonly alarms: readonly cloudwatch.IAlarm[];
  readonly keysHere: boolean; // the keys' trail is in this account
}

export class ServiceDashboard extends Construct {
  readonly dashboard: cloudwatch.Dashboard;

  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    const gateway = new GatewayMetrics(props.groupName);
    const minute = Duration.minutes(1);
    const by = (outcome: string) => gateway.counted("redoubt_operations_total", outcome, minute).with({ label: outcome });
    const { metrics: targets } = props.targetGroup;
    const { metrics: balancer } = props.loadBalancer;
    const group = (metricName: string) =>
      new cloudwatch.Metric({ namespace: "AWS/AutoScaling", metricName, dimensionsMap: { AutoScalingGroupName: props.groupName }, statistic: cloudwatch.Stats.AVERAGE, period: minute });

    this.dashboard = new cloudwatch.Dashboard(this, "Page", {
      dashboardName: Stack.of(this).stackName,
      defaultInterval: Duration.hours(6),
      widgets: [
        [new cloudwatch.AlarmStatusWidget({ title: "Alarms", alarms: [...props.alarms], width: 24, height: 4 })],
        [
          graph("Requests a minute", [by("ok"), by("refused"), by("failed")], { stacked: true }),
          graph("Failed, of all", [gateway.failures(Duration.minutes(5))], { leftAnnotations: [{ value: 1 - objective, label: "the error budget's rate" }] }),
          graph("Requests that wait, a host", [gateway.gauge("redoubt_requests_in_flight", cloudwatch.Stats.AVERAGE), gateway.gauge("redoubt_requests_in_flight", cloudwatch.Stats.MAXIMUM)]),
        ],
        [
          graph("Enclaves", [gateway.gauge("redoubt_enclaves", cloudwatch.Stats.MINIMUM), gateway.gauge("redoubt_enclaves_usable", cloudwatch.Stats.MINIMUM)]),
          graph("Vaults open, and leases", [
            gateway.gauge("redoubt_enclave_vaults_open", cloudwatch.Stats.MINIMUM),
            ...["renewed", "failed", "denied", "ended"].map((outcome) => gateway.counted("redoubt_enclave_lease_renewals_total", outcome, Duration.minutes(5)).with({ label: outcome })),
          ]),
          graph("Credentials last, seconds", [gateway.gauge("redoubt_credentials_remaining_seconds", cloudwatch.Stats.MINIMUM)]),
        ],
        [
          graph("Hosts", [group("GroupDesiredCapacity"), group("GroupInServiceInstances"), targets.healthyHostCount({ statistic: cloudwatch.Stats.MINIMUM, period: minute })]),
          graph("Connections", [balancer.activeFlowCount({ period: minute }), balancer.newFlowCount({ period: minute })]),
          graph("Resets", [balancer.tcpElbResetCount({ period: minute }), balancer.tcpTargetResetCount({ period: minute }), balancer.tcpClientResetCount({ period: minute })]),
        ],
        [
          graph("The canary", [
            new cloudwatch.Metric({ namespace: metricsNamespace, metricName: "CanaryRuns", statistic: cloudwatch.Stats.SUM, period: Duration.minutes(15) }),
            new cloudwatch.Metric({ namespace: metricsNamespace, metricName: "UnattestedUse", statistic: cloudwatch.Stats.MAXIMUM, period: Duration.minutes(15) }),
          ]),
          ...(props.keysHere
            ? [graph("Attested calls that KMS answered", [new cloudwatch.Metric({ namespace: keyMetrics, metricName: "AttestedCalls", statistic: cloudwatch.Stats.SUM, period: Duration.minutes(5) })])]
            : [new cloudwatch.TextWidget({ markdown: "The keys are in another account: their trail and the calls by enclaves are there.", width: 8, height: 6 })]),
        ],
      ],
    });
  }
}

function graph(title: string, left: cloudwatch.IMetric[], more: Partial<cloudwatch.GraphWidgetProps> = {}): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({ title, left, width: 8, height: 6, leftYAxis: { min: 0 }, ...more });
}
