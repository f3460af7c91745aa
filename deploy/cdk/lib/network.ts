// SPDX-License-Identifier: Apache-2.0
// A VPC without a way out: private subnets, no internet gateway, no NAT. AWS's services are reached by endpoints, each with
// a policy of its own, so that a host that somebody took over has no other account's AWS to send anything to. Metrics need
// none: they are lines of the log.
import { Aws, Fn, Stack, Token, Validations } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

import type { Config } from "./config";
import { serverCertificate } from "./host_role";
import { gatewayPort } from "./names";

export interface NetworkProps {
  readonly config: Config;
  readonly flowLogs: logs.ILogGroup;
}

// What reaches the service behind an endpoint beyond "a principal of this account": Allow statements.
type Allowed = readonly { readonly actions: readonly string[]; readonly resources: readonly string[]; readonly equal?: Record<string, string> }[];

export class Network extends Construct {
  readonly vpc: ec2.Vpc;
  readonly hosts: ec2.SecurityGroup;
  readonly callers: ec2.SecurityGroup; // the Lambda's
  readonly front: ec2.SecurityGroup; // the load balancer's
  readonly database: ec2.SecurityGroup;
  private readonly endpoints: ec2.SecurityGroup;
  private readonly s3Endpoint: ec2.GatewayVpcEndpoint;
  private readonly config: Config;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    const config = (this.config = props.config);
    this.vpc = new ec2.Vpc(this, "Vpc", {
      ipAddresses: ec2.IpAddresses.cidr(config.vpcCidr),
      natGateways: 0,
      createInternetGateway: false,
      ...(config.zones.length > 0 ? { availabilityZones: [...config.zones] } : { maxAzs: config.zoneCount }),
      subnetConfiguration: [{ name: "private", subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
    });
    if (config.zones.length > 0) {
      for (const subnet of this.vpc.isolatedSubnets) Validations.of(subnet).acknowledge({ id: "CloudFormation-Validate::W3010", reason: "Zones were named on purpose: enclaves do not run in every zone of every region." });
    }
    this.vpc.addFlowLog("Flows", {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(props.flowLogs),
      trafficType: ec2.FlowLogTrafficType.ALL,
    });

    const group = (name: string, description: string) =>
      new ec2.SecurityGroup(this, name, { vpc: this.vpc, description, allowAllOutbound: false });
    this.hosts = group("HostGroup", "Hosts of enclaves");
    this.callers = group("LambdaGroup", "Lambda functions that call the service or AWS");
    this.front = group("FrontGroup", "Load balancer before the hosts");
    this.database = group("DatabaseGroup", "Database of sealed records");
    this.endpoints = group("EndpointGroup", "Endpoints of AWS services");
    this.s3Endpoint = this.vpc.addGatewayEndpoint("S3Endpoint", {
      service: ec2.GatewayVpcEndpointAwsService.S3,
      subnets: [{ subnetType: ec2.SubnetType.PRIVATE_ISOLATED }],
    });
    this.rules();
    this.interfaceEndpoints();
  }

  private rules(): void {
    const https = ec2.Port.tcp(443);
    const pass = (from: ec2.SecurityGroup, to: ec2.SecurityGroup, port: ec2.Port, what: string) => {
      from.addEgressRule(to, port, what);
      to.addIngressRule(from, port, what);
    };
    pass(this.callers, this.front, https, "Lambda to the load balancer");
    pass(this.front, this.hosts, ec2.Port.tcp(gatewayPort), "load balancer to gateways, health checks too");
    pass(this.hosts, this.endpoints, https, "hosts to AWS services");
    pass(this.callers, this.endpoints, https, "Lambda to AWS services");
    for (const cidr of this.config.clientCidrs) this.front.addIngressRule(ec2.Peer.ipv4(cidr), https, `clients in ${cidr}`);
    for (const { network, port } of this.config.nodes) this.hosts.addEgressRule(ec2.Peer.ipv4(network), ec2.Port.tcp(port), "gateways to nodes of chains");
    // S3 is reached by routes to its prefix list, not by an address of this VPC. Without the list's id the rule is wide, and
    // the routes are what bounds it: they lead nowhere else.
    const s3 = this.config.s3PrefixList === undefined ? ec2.Peer.anyIpv4() : ec2.Peer.prefixList(this.config.s3PrefixList);
    this.hosts.addEgressRule(s3, https, "hosts to S3");
    if (this.config.store === "aurora") pass(this.hosts, this.database, ec2.Port.tcp(this.config.databasePort), "gateways to the database");
  }

  private interfaceEndpoints(): void {
    const { config } = this;
    const stack = Stack.of(this);
    const arn = (service: string, rest: string) => `arn:${Aws.PARTITION}:${service}:${stack.region}:${stack.account}:${rest}`;
    const services = ec2.InterfaceVpcEndpointAwsService;

    // Which key may be used, and for what, the key's policy says; keys may be another account's.
    const keys = config.keyAccount ?? stack.account;
    this.endpoint("Kms", services.KMS, [
      {
        actions: ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:DescribeKey", "kms:GetKeyPolicy"],
        resources: [...new Set([stack.account, keys])].map((account) => `arn:${Aws.PARTITION}:kms:${stack.region}:${account}:key/*`),
      },
    ]);
    this.endpoint("SecretsManager", services.SECRETS_MANAGER, [
      { actions: ["secretsmanager:*"], resources: [arn("secretsmanager", "secret:*")] },
      { actions: ["secretsmanager:ListSecrets"], resources: ["*"] },
    ]);
    this.endpoint("Sts", services.STS, [{ actions: ["sts:GetCallerIdentity", "sts:AssumeRole"], resources: ["*"] }]);
    this.endpoint("Logs", services.CLOUDWATCH_LOGS, [{ actions: ["logs:*"], resources: [arn("logs", "log-group:/redoubt/*")] }, { actions: ["logs:DescribeLogGroups"], resources: ["*"] }]);
    this.endpoint("AutoScaling", services.AUTOSCALING, [
      { actions: ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"], resources: ["*"] },
    ]);
    // cfn-signal calls without credentials, by the instance's identity: CloudFormation itself looks whether the instance is the
    // stack's. So nothing is asked of the principal here.
    this.endpoint("CloudFormation", services.CLOUDFORMATION, []).addToPolicy(
      new iam.PolicyStatement({
        principals: [new iam.AnyPrincipal()], actions: ["cloudformation:SignalResource"], resources: [arn("cloudformation", `stack/${stack.stackName}/*`)],
      }),
    );
    if (config.sessionManager) {
      this.endpoint("Ssm", services.SSM, [{ actions: ["ssm:*"], resources: ["*"] }]);
      this.endpoint("SsmMessages", services.SSM_MESSAGES, [{ actions: ["ssmmessages:*"], resources: ["*"] }]);
      this.endpoint("Ec2Messages", services.EC2_MESSAGES, [{ actions: ["ec2messages:*"], resources: ["*"] }]);
    }
    if (config.certificateAuthority !== undefined) {
      this.endpoint("PrivateCa", services.PRIVATE_CERTIFICATE_AUTHORITY, [
        { actions: ["acm-pca:GetCertificate"], resources: [config.certificateAuthority] },
        { actions: ["acm-pca:IssueCertificate"], resources: [config.certificateAuthority], equal: serverCertificate },
      ]);
    }
    if (config.container !== undefined) {
      const pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
      this.endpoint("EcrApi", services.ECR, [{ actions: pull, resources: [arn("ecr", "repository/*")] }, { actions: ["ecr:GetAuthorizationToken"], resources: ["*"] }]);
      this.endpoint("EcrDocker", services.ECR_DOCKER, [{ actions: pull, resources: [arn("ecr", "repository/*")] }]);
    }
    this.s3();
  }

  private endpoint(id: string, service: ec2.InterfaceVpcEndpointAwsService, allowed: Allowed): ec2.InterfaceVpcEndpoint {
    const endpoint = new ec2.InterfaceVpcEndpoint(this, `${id}Endpoint`, {
      vpc: this.vpc,
      service,
      open: false, // by the group's rules alone
      securityGroups: [this.endpoints],
      privateDnsEnabled: true,
      subnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    });
    for (const { actions, resources, equal } of allowed) endpoint.addToPolicy(this.ofThisAccount(actions, resources, equal));
    return endpoint;
  }

  allowS3(actions: readonly string[], resources: readonly string[]): void {
    this.s3Endpoint.addToPolicy(this.ofThisAccount(actions, resources));
  }

  private ofThisAccount(actions: readonly string[], resources: readonly string[], equal: Record<string, string> = {}): iam.PolicyStatement {
    return new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: [...actions],
      resources: [...resources],
      conditions: { StringEquals: { "aws:PrincipalAccount": Stack.of(this).account, ...equal } },
    });
  }

  // Reading only: the stack's assets, Amazon Linux's packages, layers of images in ECR.
  private s3(): void {
    const stack = Stack.of(this);
    const bucket = (name: string) => `arn:${Aws.PARTITION}:s3:::${name}/*`;
    this.allowS3(["s3:GetObject"], [bucket(`cdk-${this.config.qualifier}-assets-${stack.account}-${stack.region}`)]);
    // Packages and layers are fetched without credentials, or with presigned addresses of AWS's own accounts.
    const shared = [bucket(`al2023-repos-${stack.region}-de612dc2`)];
    if (this.config.container !== undefined) shared.push(bucket(`prod-${stack.region}-starport-layer-bucket`));
    this.s3Endpoint.addToPolicy(new iam.PolicyStatement({ principals: [new iam.AnyPrincipal()], actions: ["s3:GetObject"], resources: shared }));
  }
}

// The region's zones without asking AWS at synthesis.
export function zonesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => Token.asString(Fn.select(i, Fn.getAzs())));
}
