// SPDX-License-Identifier: Apache-2.0
// The signing Lambda: the AWS sample's events (deploy/lambda). It calls the service as a client like any other.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";

import { Aws, Duration, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

import { allow } from "./allow";
import type { Config } from "./config";
import { lambdaRoleName } from "./names";
import type { Network } from "./network";
import type { ReferenceSecret } from "./reference_secret";
import { scratchFolder } from "./scratch";

const sources = join(__dirname, "..", "..", "..", "lambda");
let bundled: string | undefined;

// Both functions, with the packages they need: deploy/lambda says what goes in.
export function lambdaCode(): lambda.Code {
  if (bundled === undefined) {
    bundled = join(scratchFolder(), "code");
    execFileSync(process.execPath, [join(sources, "bundle.mjs"), bundled], { stdio: ["ignore", "ignore", "inherit"] });
  }
  return lambda.Code.fromAsset(bundled);
}

export const runtime = lambda.Runtime.NODEJS_24_X;

// What a function in the VPC needs of EC2 and of its own log group, and no managed policy.
export function functionRole(scope: Construct, id: string, logGroup: logs.ILogGroup, roleName?: string): iam.Role {
  const role = new iam.Role(scope, id, {
    ...(roleName === undefined ? {} : { roleName }),
    assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
    description: "Redoubt's functions",
  });
  allow(role, {
    sid: "WriteLogs", actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [logGroup.logGroupArn],
  });
  allow(role, {
    sid: "NetworkInterfaces",
    actions: ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses", "ec2:DescribeSubnets"],
    resources: ["*"],
    wildcard: "Lambda asks for these rights to put a function into a VPC, on interfaces that do not exist yet; the function's own code is denied them.",
  });
  // Lambda makes the interfaces with this role; the function's own code has no use for the right.
  role.addToPolicy(
    new iam.PolicyStatement({
      sid: "NoNetworkInterfacesForTheCode",
      effect: iam.Effect.DENY,
      actions: ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"],
      resources: ["*"],
      conditions: { ArnLike: { "lambda:SourceFunctionArn": `arn:${Aws.PARTITION}:lambda:${Stack.of(scope).region}:${Stack.of(scope).account}:function:*` } },
    }),
  );
  return role;
}

export interface SigningLambdaProps {
  readonly config: Config;
  readonly network: Network;
  readonly logGroup: logs.ILogGroup;
  readonly secret: ReferenceSecret;
  readonly serviceName: string; // host name of the load balancer
}

export class SigningLambda extends Construct {
  readonly role: iam.Role;
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: SigningLambdaProps) {
    super(scope, id);
    const { config, network, secret } = props;
    this.role = functionRole(this, "Role", props.logGroup, lambdaRoleName(config));
    secret.grantWrite(this.role);
    if (config.clientSecret !== undefined) {
      allow(this.role, { sid: "ReadIdentity", actions: ["secretsmanager:GetSecretValue"], resources: [config.clientSecret] });
    }
    this.function = new lambda.Function(this, "Function", {
      functionName: `${config.stackName}-sign`,
      description: "Redoubt: the AWS sample's events",
      runtime,
      architecture: config.architecture === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: "index.handler",
      code: lambdaCode(),
      role: this.role,
      vpc: network.vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      securityGroups: [network.callers],
      memorySize: 256,
      timeout: Duration.seconds(60),
      logGroup: props.logGroup,
      loggingFormat: lambda.LoggingFormat.TEXT,
      environment: {
        NITRO_INSTANCE_PRIVATE_DNS: props.serviceName,
        SECRET_ARN: secret.arn,
        LOG_LEVEL: config.deployment === "prod" ? "WARNING" : "INFO",
        ...(config.clientSecret === undefined ? {} : { CLIENT_SECRET_ARN: config.clientSecret }),
        ...(config.plaintextSetKey ? { ALLOW_PLAINTEXT_SET_KEY: "true" } : {}),
        ...(config.rawSigning ? { KEY_RAW_SIGNING: "true" } : {}),
        ...(config.measured.length === 0 ? {} : { EXPECTED_PCR0: config.measured.map(({ pcr0 }) => pcr0).join(","), EXPECTED_PCR16: config.measured.map(({ pcr16 }) => pcr16).join(",") }),
        ...(config.caCertificate === undefined ? {} : { NITRO_CA_CERT_PATH: "/opt/redoubt/ca.pem" }),
      },
      ...(config.caCertificate === undefined ? {} : { layers: [this.certificate(config.caCertificate)] }),
    });
  }

  // /opt/redoubt/ca.pem
  private certificate(file: string): lambda.LayerVersion {
    const folder = scratchFolder();
    copyFileSync(file, join(folder, "ca.pem"));
    chmodSync(join(folder, "ca.pem"), 0o644);
    return new lambda.LayerVersion(this, "Certificate", { code: lambda.Code.fromAsset(folder), description: "CA that signs the service's certificates" });
  }
}
