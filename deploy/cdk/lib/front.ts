// SPDX-License-Identifier: Apache-2.0
// The internal load balancer: TCP 443 as it comes, TLS ends at the gateways (or in the enclaves behind them). It asks each
// host over HTTPS whether an enclave signs and has vaults open.
import { Duration } from "aws-cdk-lib";
import type * as autoscaling from "aws-cdk-lib/aws-autoscaling";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";
import * as route53 from "aws-cdk-lib/aws-route53";
import * as targets from "aws-cdk-lib/aws-route53-targets";
import { Construct } from "constructs";

import { acknowledge } from "./acknowledge";
import type { Config } from "./config";
import { gatewayPort, servicePort } from "./names";
import type { Network } from "./network";

export interface FrontProps {
  readonly config: Config;
  readonly network: Network;
}

export class Front extends Construct {
  readonly loadBalancer: elb.NetworkLoadBalancer;
  readonly targetGroup: elb.NetworkTargetGroup;
  readonly name: string; // that clients call

  constructor(scope: Construct, id: string, props: FrontProps) {
    super(scope, id);
    const { config, network } = props;
    this.loadBalancer = new elb.NetworkLoadBalancer(this, "LoadBalancer", {
      vpc: network.vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      internetFacing: false,
      crossZoneEnabled: true,
      securityGroups: [network.front],
      enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: true,
      deletionProtection: config.deployment === "prod",
    });
    this.targetGroup = new elb.NetworkTargetGroup(this, "Gateways", {
      vpc: network.vpc,
      port: gatewayPort,
      protocol: elb.Protocol.TCP,
      targetType: elb.TargetType.INSTANCE,
      preserveClientIp: true,
      // The gateway closes what is left when it stops; hosts wait as long before they do.
      deregistrationDelay: Duration.seconds(60),
      healthCheck: {
        protocol: elb.Protocol.HTTPS,
        path: "/healthz",
        healthyHttpCodes: "200",
        interval: Duration.seconds(10),
        timeout: Duration.seconds(6),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
    this.loadBalancer.addListener("Https", { port: servicePort, protocol: elb.Protocol.TCP, defaultTargetGroups: [this.targetGroup] });
    acknowledge(
      this.loadBalancer,
      "AwsSolutions-ELB2",
      "A network load balancer logs TLS listeners only, and this one passes TCP through; the VPC's flow logs and the gateways' logs say who called.",
    );
    this.name = config.serverName === undefined ? this.loadBalancer.loadBalancerDnsName : this.named(config.serverName, network);
  }

  // A zone of that one name, for this VPC: clients in other networks need a record of their own.
  private named(serverName: string, network: Network): string {
    const zone = new route53.PrivateHostedZone(this, "Zone", { zoneName: serverName, vpc: network.vpc, comment: "The name of Redoubt's service" });
    new route53.ARecord(this, "Name", { zone, target: route53.RecordTarget.fromAlias(new targets.LoadBalancerTarget(this.loadBalancer)) });
    return serverName;
  }

  serve(group: autoscaling.AutoScalingGroup): void {
    group.attachToNetworkTargetGroup(this.targetGroup);
  }
}
