// SPDX-License-Identifier: Apache-2.0
// ${prefix}NitroWalletEth: everything of a deployment but keys that another account holds. Without measurements it has no
// hosts: its keys open for nobody yet, and there is no manifest that names them.
import { Annotations, Aws, CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { TarballImageAsset } from "aws-cdk-lib/aws-ecr-assets";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

import { alarmTopic, type RaiseProps, ServiceAlarms } from "./alarms";
import { allow } from "./allow";
import { AttestedCalls, receiptsPrefix } from "./attested_calls";
import { Canary } from "./canary";
import type { Config } from "./config";
import { ServiceDashboard } from "./dashboard";
import { dataKey } from "./data_key";
import { Front } from "./front";
import { hostRole } from "./host_role";
import { Hosts } from "./hosts";
import { KeyAlarms, KeyTrail } from "./key_alarms";
import { VaultKeys, type VaultKeysProps } from "./keys";
import { lambdaCode, runtime, SigningLambda } from "./lambda";
import { LogGroups } from "./logs";
import { canaryRoleName, groupName, hostRoleName, lambdaRoleName, roleArn } from "./names";
import { Network, zonesOf } from "./network";
import { ReferenceSecret } from "./reference_secret";
import { AuroraStore, secretsManagerStore, type Store } from "./store";

export interface WalletStackProps extends StackProps {
  readonly config: Config;
}

// The same for keys in this account and in another.
export function keyProps(config: Config): VaultKeysProps {
  return {
    name: config.stackName,
    administrators: config.keyAdministrators,
    auditors: config.keyAuditors,
    users: [hostRoleName(config), canaryRoleName(config)].map((name) => roleArn(config, name)),
    encryptors: config.plaintextSetKey ? [roleArn(config, lambdaRoleName(config))] : [],
    pairs: [...config.measured].reverse(), // the older first, as a roll-out puts them (docs/rollout.md)
    ...(config.pcr3.length > 0 ? { pcr3: config.pcr3 } : {}),
    ...(config.pcr4.length > 0 ? { pcr4: config.pcr4 } : {}),
    ...(config.deployRole === undefined ? {} : { deployRole: config.deployRole }),
  };
}

interface Keys {
  readonly construct?: VaultKeys; // where they are this account's
  readonly vault?: string; // ARNs
  readonly reference?: string;
}

// The role alone: its policies may name the keys, which come after it.
const itself = (role: iam.Role) => role.node.defaultChild as iam.CfnRole;

export interface Watched {
  readonly alarms: cloudwatch.AlarmBase[];
  readonly receipts?: AttestedCalls;
}

// What happens to the keys is told where they are. Their attested calls are compared with the hosts' receipts where there is
// a log group of the trail to read, and hosts.
export function watchKeys(scope: Construct, config: Config, keys: VaultKeys, raise: RaiseProps): Watched {
  const arns = [keys.arns.vault, keys.arns.reference];
  const trailLogs = config.trail === "own" ? new KeyTrail(scope, "Trail").logGroup
    : config.trail === "account" ? undefined : LogGroup.fromLogGroupName(scope, "Trail", config.trail.logGroup);
  const { all } = new KeyAlarms(scope, "KeyAlarms", { ...raise, keys: arns, ...(trailLogs === undefined ? {} : { trailLogs }) });
  if (trailLogs === undefined || config.measured.length === 0) return { alarms: all };
  const receipts = new AttestedCalls(scope, "AttestedCalls", {
    ...raise, keys: arns, pairs: config.measured, trailLogs, writers: [roleArn(config, hostRoleName(config))], code: lambdaCode(), runtime,
  });
  new CfnOutput(scope, "ReceiptsBucket", { value: receipts.bucket.bucketName, description: "where hosts copy their logs of receipts" });
  return { alarms: [...all, ...receipts.all], receipts };
}

export class WalletStack extends Stack {
  private readonly config: Config;
  readonly hosts: Hosts | undefined;

  constructor(scope: Construct, id: string, props: WalletStackProps) {
    super(scope, id, props);
    const config = (this.config = props.config);
    const key = dataKey(this, "DataKey");
    const logGroups = new LogGroups(this, "Logs", config, key);
    const network = new Network(this, "Network", { config, flowLogs: logGroups.group("flows") });
    const store: Store = config.store === "aurora" ? new AuroraStore(this, "Store", { config, network, key, logGroups }) : secretsManagerStore(this);
    const secret = new ReferenceSecret(this, "ReferenceSecret", key);
    const events = alarmTopic(this, "Events", config.alarmEmail);

    const role = hostRole(this, "HostRole", { config, logGroups, store, referenceSecret: secret });
    const front = new Front(this, "Front", { config, network });
    const signing = new SigningLambda(this, "Signing", {
      config, network, secret, logGroup: logGroups.group("lambda"), serviceName: front.name,
    });
    const keys = this.keys(role, signing.role);
    if (keys.reference !== undefined) signing.function.addEnvironment("KEY_ARN", keys.reference);
    const raise = { topic: events, ...(config.runbooks === undefined ? {} : { runbooks: config.runbooks }) };
    const alarms = this.canary(keys, secret, logGroups, raise);
    const watched = keys.construct === undefined ? undefined : watchKeys(this, config, keys.construct, raise);
    alarms.push(...(watched?.alarms ?? []));
    watched?.receipts?.node.addDependency(itself(role)); // the bucket's policy names it
    const receiptsBucket = watched?.receipts?.bucket.bucketName ?? config.receiptsBucket;
    if (receiptsBucket !== undefined) {
      const resources = [`arn:${Aws.PARTITION}:s3:::${receiptsBucket}/${receiptsPrefix}*`];
      allow(role, { sid: "CopyReceipts", actions: ["s3:PutObject"], resources, wildcard: "Hosts add files below the folder of receipts, each in its own; they read and list none." });
      network.allowS3(["s3:PutObject"], resources);
    }

    if (config.measured.length > 0) {
      const service = { groupName: groupName(this), loadBalancer: front.loadBalancer, targetGroup: front.targetGroup };
      const { all, endsRefresh } = new ServiceAlarms(this, "Alarms", { ...raise, ...service });
      new ServiceDashboard(this, "Dashboard", { ...service, alarms: [...alarms, ...all], keysHere: keys.construct !== undefined });
      this.hosts = new Hosts(this, "Hosts", { config, network, logGroups, store, role, events, receiptsBucket, refreshAlarms: endsRefresh });
      front.serve(this.hosts.group);
      // Policy first: a host that starts with a new image is one that the keys know.
      if (keys.construct !== undefined) this.hosts.node.addDependency(keys.construct);
      this.hosts.node.addDependency(front.targetGroup, front.loadBalancer);
    } else {
      Annotations.of(this).addInfo("No hosts yet: deploy, write a manifest with the keys' ARNs, and deploy again with measurements and manifest (docs/deploy.md).");
    }
    if (config.container !== undefined) this.container(config.container, role);
    this.outputs({ role, signing, front, keys, secret, store, key, logGroups });
  }

  // Without asking AWS: synthesis works without credentials, and names of zones differ from account to account anyhow.
  override get availabilityZones(): string[] {
    return zonesOf(3);
  }

  private keys(host: iam.Role, lambda: iam.Role): Keys {
    const { config } = this;
    if (config.keyAccount === undefined) {
      if (config.deployment === "prod") {
        Annotations.of(this).addWarningV2("redoubt:keysInTheHostsAccount",
          "The keys are in the hosts' own account: whoever administers that account can take on a role that may change the keys' policies, and with one of those open every vault. Give them an account of their own (keyAccount, docs/deploy.md).");
      }
      const construct = new VaultKeys(this, "Keys", { ...keyProps(config), after: [host, lambda].map(itself) });
      return { construct, ...construct.arns };
    }
    // Another account's key wants both: its policy, and the caller's own account's word.
    const arns = config.manifestKeys.map(({ arn }) => arn);
    if (arns.length > 0) {
      allow(host, { sid: "CallKeysOfTheKeyAccount", actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: arns });
    }
    const of = (purpose: string) => config.manifestKeys.find((key) => key.purpose === purpose)?.arn;
    const reference = of("reference");
    const vault = of("vault");
    if (config.plaintextSetKey && reference !== undefined) {
      allow(lambda, { sid: "EncryptReferenceKeys", actions: ["kms:Encrypt"], resources: [reference] });
    }
    return { ...(vault === undefined ? {} : { vault }), ...(reference === undefined ? {} : { reference }) };
  }

  private canary(keys: Keys, secret: ReferenceSecret, logGroups: LogGroups, raise: RaiseProps): cloudwatch.AlarmBase[] {
    const { config } = this;
    const targets = [
      ...(keys.vault === undefined ? [] : [{ keyArn: keys.vault }]),
      ...(keys.reference === undefined ? [] : [{ keyArn: keys.reference, secretArn: secret.arn }]),
    ];
    if (targets.length === 0) return [];
    const canary = new Canary(this, "Canary", { ...raise, targets, roleName: canaryRoleName(config), code: lambdaCode(), runtime, logGroup: logGroups.group("canary") });
    secret.openWith(canary.role);
    for (const key of keys.construct === undefined ? [] : [keys.construct.vault, keys.construct.reference]) key.node.addDependency(itself(canary.role));
    return canary.all;
  }

  // The host side as an image in ECR, for those who run gateways in containers: hosts of this stack may pull it.
  private container(tarballFile: string, host: iam.Role): void {
    const image = new TarballImageAsset(this, "Container", { tarballFile });
    allow(host, { sid: "PullContainer", actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], resources: [image.repository.repositoryArn] });
    allow(host, { sid: "EnterRegistry", actions: ["ecr:GetAuthorizationToken"], resources: ["*"], wildcard: "The right to log in to ECR has no resource." });
    new CfnOutput(this, "ContainerImage", { value: image.imageUri, description: "the host side's image" });
  }

  private outputs(parts: {
    role: iam.Role; signing: SigningLambda; front: Front; keys: Keys; secret: ReferenceSecret; store: Store; key: kms.Key; logGroups: LogGroups;
  }): void {
    const { role, signing, front, keys, secret, store, key, logGroups } = parts;
    const output = (id: string, value: string | undefined, description: string) => {
      if (value !== undefined) new CfnOutput(this, id, { value, description });
    };
    // The AWS sample's names.
    output("EC2InstanceRoleARN", role.roleArn, "the hosts' role");
    output("LambdaExecutionRoleARN", signing.role.roleArn, "the signing Lambda's role");
    output("ASGGroupName", this.hosts?.group.autoScalingGroupName, "the hosts' Auto Scaling group");
    output("KMSKeyID", keys.reference, "the reference key, as the sample's one key");
    // And more.
    output("VaultKeyArn", keys.vault, "for the manifest, purpose vault");
    output("ReferenceKeyArn", keys.reference, "for the manifest, purpose reference");
    output("ServiceName", front.name, "what clients call, port 443");
    output("LoadBalancerName", front.loadBalancer.loadBalancerDnsName, "the load balancer's own name");
    output("LambdaName", signing.function.functionName, "the signing Lambda");
    output("ReferenceSecretArn", secret.arn, "where the Lambda keeps the reference key's ciphertext");
    output("StoreAddress", store.address, "the gateways' --store");
    output("DataKeyArn", key.keyArn, "of logs, database and secrets; no signing key");
    output("LogPrefix", logGroups.prefix, "log groups are below it");
    output("LaunchTemplateId", this.hosts?.template.launchTemplateId, "the hosts' launch template");
  }
}
