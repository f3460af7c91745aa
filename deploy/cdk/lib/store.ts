// SPDX-License-Identifier: Apache-2.0
// Where sealed records lie: Secrets Manager, or Aurora PostgreSQL (docs/store.md). Neither is trusted with anything but
// keeping them. What gateways get of it: the value of --store, and what their role may do.
import { Aws, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as rds from "aws-cdk-lib/aws-rds";
import { Construct } from "constructs";

import { acknowledge } from "./acknowledge";
import { allow } from "./allow";
import type { Config } from "./config";
import type { LogGroups } from "./logs";
import type { Network } from "./network";
import { databaseRoots } from "./user_data";

export interface Store {
  readonly address: string; // redoubt gateway --store
  readonly passwordSecret?: string; // ARN of {"username","password"}
  grant(role: iam.Role): void;
}

const databaseName = "redoubt";
const databaseUser = "redoubt";

export function secretsManagerStore(scope: Construct): Store {
  const stack = Stack.of(scope);
  const prefix = `redoubt/${stack.stackName}`;
  const secrets = (names: string) => `arn:${Aws.PARTITION}:secretsmanager:${stack.region}:${stack.account}:secret:${prefix}/${names}`;
  return {
    address: `secretsmanager:${prefix}`,
    grant(role) {
      allow(role, {
        sid: "SealedRecords",
        actions: ["GetSecretValue", "CreateSecret"].map((name) => `secretsmanager:${name}`),
        resources: [secrets("*")],
        wildcard: "The store is the secrets of this prefix, one for each sealed record.",
      });
      // Vaults and policies are written once (src/store/secrets_store.cpp): no host can replace or delete one.
      allow(role, {
        sid: "ChangeRecords",
        actions: ["PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret"].map((name) => `secretsmanager:${name}`),
        resources: [secrets("keys/*"), secrets("counters/*")],
        wildcard: "Records of keys and of their counters change, and go with their key; one secret for each.",
      });
      allow(role, {
        sid: "ListRecords", actions: ["secretsmanager:ListSecrets"], resources: ["*"],
        wildcard: "IAM grants ListSecrets on all secrets or none; it tells names, no values.",
      });
    },
  };
}

export interface AuroraProps {
  readonly config: Config;
  readonly network: Network;
  readonly key: kms.IKey;
  readonly logGroups: LogGroups;
}

export class AuroraStore extends Construct implements Store {
  readonly address: string;
  readonly passwordSecret: string;
  readonly cluster: rds.DatabaseCluster;

  constructor(scope: Construct, id: string, private readonly props: AuroraProps) {
    super(scope, id);
    const { config, network, key } = props;
    const production = config.deployment === "prod";
    const engine = rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_13 });
    const instance = { publiclyAccessible: false, enablePerformanceInsights: true, performanceInsightEncryptionKey: key, allowMajorVersionUpgrade: false, autoMinorVersionUpgrade: true };
    const name = `${config.stackName}-store`.toLowerCase();
    // RDS would make it, without an end and without our key.
    props.logGroups.named("postgresql", `/aws/rds/cluster/${name}/postgresql`);
    this.cluster = new rds.DatabaseCluster(this, "Cluster", {
      clusterIdentifier: name,
      engine,
      parameters: { "rds.force_ssl": "1" },
      writer: rds.ClusterInstance.serverlessV2("writer", instance),
      // In another zone, and of the writer's size: it takes over within a minute.
      readers: config.deployment === "dev" ? [] : [rds.ClusterInstance.serverlessV2("reader", { ...instance, scaleWithWriter: true })],
      serverlessV2MinCapacity: config.auroraCapacity.min,
      serverlessV2MaxCapacity: config.auroraCapacity.max,
      vpc: network.vpc,
      vpcSubnets: { subnets: network.vpc.isolatedSubnets as ec2.ISubnet[] },
      securityGroups: [network.database],
      port: config.databasePort,
      defaultDatabaseName: databaseName,
      // RDS makes the password, keeps it in Secrets Manager and changes it every seven days; no function of ours sees it.
      manageMasterUserPassword: true,
      credentials: rds.Credentials.fromUsername(databaseUser, { encryptionKey: key }),
      storageEncrypted: true,
      storageEncryptionKey: key,
      iamAuthentication: true,
      backup: { retention: Duration.days(production ? 35 : 7) },
      copyTagsToSnapshot: true,
      cloudwatchLogsExports: ["postgresql"],
      deletionProtection: config.deployment !== "dev",
      removalPolicy: production ? RemovalPolicy.RETAIN : RemovalPolicy.SNAPSHOT,
    });
    this.passwordSecret = this.cluster.secret!.secretArn;
    const { hostname } = this.cluster.clusterEndpoint;
    this.address = `postgresql://${databaseUser}@${hostname}:${config.databasePort}/${databaseName}?sslmode=verify-full&sslrootcert=${databaseRoots}`;

    if (config.deployment === "dev") {
      acknowledge(this.cluster, "AwsSolutions-RDS10", "A dev deployment is taken down with its database; a last snapshot is made.");
    }
  }

  grant(role: iam.Role): void {
    allow(role, { sid: "DatabasePassword", actions: ["secretsmanager:GetSecretValue"], resources: [this.passwordSecret] });
    allow(role, {
      sid: "DatabasePasswordKey",
      actions: ["kms:Decrypt"],
      resources: [this.props.key.keyArn],
      conditions: { StringEquals: { "kms:ViaService": `secretsmanager.${Stack.of(this).region}.amazonaws.com` } },
    });
  }
}
