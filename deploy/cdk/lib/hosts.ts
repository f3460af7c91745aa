// SPDX-License-Identifier: Apache-2.0
// The hosts: a launch template with enclaves on, and the group that keeps as many of them as the load needs.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { Annotations, Aws, Duration, Lazy, Stack, Tags } from "aws-cdk-lib";
import * as autoscaling from "aws-cdk-lib/aws-autoscaling";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as assets from "aws-cdk-lib/aws-s3-assets";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";

import { allow } from "./allow";
import type { Config } from "./config";
import type { LogGroups } from "./logs";
import { gatewayPort, groupName, metricsNamespace } from "./names";
import type { Network } from "./network";
import type { Store } from "./store";
import { type Part, userData } from "./user_data";

const terminationHook = "redoubt-terminate";
// From launch to a signature: packages, enclaves, certificate. Above the five minutes that user data waits for the service.
const startLimit = Duration.minutes(12);
const drainSeconds = 60;

export interface HostsProps {
  readonly config: Config;
  readonly network: Network;
  readonly logGroups: LogGroups;
  readonly store: Store;
  readonly role: iam.Role;
  readonly events: sns.ITopic; // launches and ends of hosts, failures of them
  readonly receiptsBucket: string | undefined; // name
  readonly refreshAlarms: readonly cloudwatch.IAlarm[]; // one of them ends a replacement, and CloudFormation rolls back
}

export class Hosts extends Construct {
  readonly group: autoscaling.AutoScalingGroup;
  readonly template: ec2.LaunchTemplate;
  private readonly readable: string[] = [];

  constructor(scope: Construct, id: string, private readonly props: HostsProps) {
    super(scope, id);
    this.template = this.launchTemplate();
    this.group = this.autoScalingGroup();
    this.hooks();
    this.scaling();
    allow(props.role, { sid: "ReadWhatIsInstalled", actions: ["s3:GetObject"], resources: this.readable });
  }

  private launchTemplate(): ec2.LaunchTemplate {
    const { config, network, role } = this.props;
    const template = new ec2.LaunchTemplate(this, "Template", {
      instanceType: new ec2.InstanceType(config.instanceType),
      machineImage: machineImage(config),
      nitroEnclaveEnabled: true,
      requireImdsv2: true,
      httpEndpoint: true,
      httpPutResponseHopLimit: 1, // no container behind a bridge, nothing beyond the host itself
      instanceMetadataTags: false,
      associatePublicIpAddress: false,
      securityGroup: network.hosts,
      role,
      ebsOptimized: true,
      detailedMonitoring: true,
      blockDevices: [
        {
          deviceName: "/dev/xvda",
          volume: ec2.BlockDeviceVolume.ebs(32, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3, deleteOnTermination: true }),
        },
      ],
      userData: this.userData(),
    });
    Tags.of(template).add("Name", `${Stack.of(this).stackName} host`);
    return template;
  }

  private autoScalingGroup(): autoscaling.AutoScalingGroup {
    const { config, network, events } = this.props;
    const group = new autoscaling.AutoScalingGroup(this, "Group", {
      autoScalingGroupName: groupName(this),
      vpc: network.vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      launchTemplate: this.template,
      minCapacity: config.hosts.min,
      maxCapacity: config.hosts.max,
      // The load balancer's check asks whether the host signs. A host that does not is replaced, after a new one came.
      healthChecks: autoscaling.HealthChecks.withAdditionalChecks({
        gracePeriod: startLimit,
        additionalTypes: [autoscaling.AdditionalHealthCheckType.ELB],
      }),
      minHealthyPercentage: 100,
      maxHealthyPercentage: 200,
      defaultInstanceWarmup: startLimit,
      terminationPolicies: [autoscaling.TerminationPolicy.OLDEST_LAUNCH_TEMPLATE, autoscaling.TerminationPolicy.OLDEST_INSTANCE],
      groupMetrics: [autoscaling.GroupMetrics.all()],
      notifications: [{ topic: events, scalingEvents: autoscaling.ScalingEvents.ALL }],
      signals: autoscaling.Signals.waitForMinCapacity({ timeout: startLimit }),
      ...this.updatePolicy(),
      ...(config.deployment === "prod" ? { deletionProtection: autoscaling.DeletionProtection.PREVENT_FORCE_DELETION } : {}),
    });
    // Auto Scaling publishes with its own role; a principal that may not exist yet is named by a condition.
    events.masterKey?.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: "AutoScalingPublishes",
        principals: [new iam.AnyPrincipal()],
        actions: ["kms:Decrypt", "kms:GenerateDataKey*"],
        resources: ["*"],
        conditions: {
          ArnEquals: { "aws:PrincipalArn": `arn:${Aws.PARTITION}:iam::${Stack.of(this).account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling` },
        },
      }),
    );
    // Signals count when the group is made; a refresh later goes by the load balancer's check and its alarms.
    if (config.hostReplacement === "refresh") Annotations.of(group).acknowledgeWarning("@aws-cdk/aws-autoscaling:signalsNotUsedByInstanceRefresh");
    return group;
  }

  private updatePolicy(): { updatePolicy?: autoscaling.UpdatePolicy } {
    const { config, refreshAlarms } = this.props;
    if (config.hostReplacement === "none") return {};
    if (config.hostReplacement === "refresh") {
      return {
        updatePolicy: autoscaling.UpdatePolicy.instanceRefresh({
          strategy: autoscaling.InstanceRefreshStrategy.ROLLING,
          minHealthyPercentage: 100,
          maxHealthyPercentage: 200,
          instanceWarmup: startLimit,
          skipMatching: true,
          bakeTime: Duration.minutes(5),
          ...(refreshAlarms.length > 0 ? { alarms: [...refreshAlarms] } : {}),
        }),
      };
    }
    return {
      updatePolicy: autoscaling.UpdatePolicy.rollingUpdate({
        minInstancesInService: config.hosts.min,
        maxBatchSize: 1,
        waitOnResourceSignals: true,
        pauseTime: startLimit,
        minSuccessPercentage: 100,
      }),
    };
  }

  // Part of the group, so that its first hosts have them, too.
  private hooks(): void {
    const group = this.group.node.defaultChild as autoscaling.CfnAutoScalingGroup;
    group.lifecycleHookSpecificationList = [
      {
        lifecycleHookName: terminationHook,
        lifecycleTransition: "autoscaling:EC2_INSTANCE_TERMINATING",
        heartbeatTimeout: 300,
        defaultResult: "CONTINUE", // a host that hangs is ended all the same
      },
    ];
  }

  // What waits at a host grows when its enclaves are at their limit; one that refuses for overload says so, too.
  private scaling(): void {
    const { config } = this.props;
    this.group.scaleToTrackMetric("InFlight", {
      metric: new cloudwatch.Metric({
        namespace: metricsNamespace,
        metricName: "redoubt_requests_in_flight",
        dimensionsMap: { AutoScalingGroupName: groupName(this) },
        statistic: cloudwatch.Stats.AVERAGE,
        period: Duration.minutes(1),
      }),
      targetValue: config.requestsInFlight,
    });
  }

  // The lines before the script, and the files that it fetches: assets of the stack, each by its hash.
  private userData(): ec2.UserData {
    const { config, store, logGroups } = this.props;
    const stack = Stack.of(this);
    const asset = (id: string, path: string | undefined) => {
      if (path === undefined) return { url: undefined, sha256: undefined };
      const file = new assets.Asset(this, id, { path });
      this.readable.push(file.bucket.arnForObjects(file.s3ObjectKey));
      return { url: file.s3ObjectUrl, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
    };
    const program = asset("Package", config.package);
    const image = asset("Image", config.image);
    const manifest = asset("Manifest", config.measured[0]!.manifest);
    const clients = asset("Clients", config.clients);
    const roots = asset("DatabaseRoots", store.passwordSecret === undefined ? undefined : config.databaseRoots);
    const parts: Part[] = [];
    if (store.passwordSecret !== undefined) {
      parts.push({ name: "database", values: { DATABASE_SECRET: store.passwordSecret, DATABASE_ROOTS_URL: roots.url, DATABASE_ROOTS_SHA256: roots.sha256 } });
    }
    if (this.props.receiptsBucket !== undefined) parts.push({ name: "receipts", values: { RECEIPTS_BUCKET: this.props.receiptsBucket } });
    return ec2.UserData.custom(
      userData({
        REGION: stack.region,
        PACKAGE_URL: program.url,
        PACKAGE_SHA256: program.sha256,
        IMAGE_URL: image.url,
        IMAGE_SHA256: image.sha256,
        MANIFEST_URL: manifest.url,
        MANIFEST_SHA256: manifest.sha256,
        CLIENTS_URL: clients.url,
        CLIENTS_SHA256: clients.sha256,
        TLS_SECRET: config.tlsSecret,
        CERTIFICATE_AUTHORITY: config.certificateAuthority,
        SERVER_NAME: config.serverName,
        LISTEN: `tcp:0.0.0.0:${gatewayPort}`,
        STORE: store.address,
        ENCLAVES: config.enclaves,
        ENCLAVE_MEMORY: config.enclaveMemory,
        ENCLAVE_CPUS: config.enclaveCpus,
        GATEWAY_OPTIONS: config.gatewayOptions,
        LOG_GROUP: logGroups.group("hosts").logGroupName,
        METRICS_NAMESPACE: metricsNamespace,
        GROUP: groupName(this),
        TERMINATION_HOOK: terminationHook,
        DRAIN_SECONDS: drainSeconds,
        SIGNAL_STACK: stack.stackName,
        SIGNAL_RESOURCE: Lazy.string({ produce: () => stack.resolve((this.group.node.defaultChild as autoscaling.CfnAutoScalingGroup).logicalId) as string }),
      }, parts),
    );
  }
}

function machineImage(config: Config): ec2.IMachineImage {
  const { ami } = config;
  if (ami === undefined) {
    return ec2.MachineImage.latestAmazonLinux2023({
      cpuType: config.architecture === "arm64" ? ec2.AmazonLinuxCpuType.ARM_64 : ec2.AmazonLinuxCpuType.X86_64,
      cachedInContext: false,
    });
  }
  if (ami.startsWith("/")) return ec2.MachineImage.fromSsmParameter(ami, { os: ec2.OperatingSystemType.LINUX });
  return { getImage: () => ({ imageId: ami, osType: ec2.OperatingSystemType.LINUX, userData: ec2.UserData.forLinux() }) };
}
