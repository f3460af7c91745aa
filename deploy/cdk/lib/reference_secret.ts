// SPDX-License-Identifier: Apache-2.0
// The AWS sample's secret: the KMS ciphertext of a key, as its Lambda stores it. It begins empty. Others (generate_key's)
// lie beside it under the same prefix, which is all of Secrets Manager that the Lambda may write.
import { Aws, RemovalPolicy, Stack } from "aws-cdk-lib";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";

import { acknowledge } from "./acknowledge";
import { allow } from "./allow";

export class ReferenceSecret extends Construct {
  readonly arn: string;
  readonly all: string; // ARN pattern of every secret of the prefix
  readonly prefix: string;

  constructor(scope: Construct, id: string, private readonly key: kms.IKey) {
    super(scope, id);
    const stack = Stack.of(this);
    this.prefix = `${stack.stackName}/reference`;
    this.all = `arn:${Aws.PARTITION}:secretsmanager:${stack.region}:${stack.account}:secret:${this.prefix}/*`;
    const secret = new secretsmanager.CfnSecret(this, "Secret", {
      name: `${this.prefix}/key`,
      description: "KMS ciphertext of a reference key (base64); only an attested enclave opens it",
      kmsKeyId: key.keyArn,
    });
    secret.applyRemovalPolicy(RemovalPolicy.RETAIN); // with it would go an account's only key
    acknowledge(secret, "AwsSolutions-SMG4", "It holds the encrypted private key of an account; another value would be another account.");
    this.arn = secret.ref;
  }

  grantRead(role: iam.Role): void {
    allow(role, {
      sid: "ReadReferenceKeys", actions: ["secretsmanager:GetSecretValue"], resources: [this.all],
      wildcard: "Reference keys are the secrets of this prefix; a caller names the one to sign with.",
    });
    this.openWith(role);
  }

  grantWrite(role: iam.Role): void {
    allow(role, {
      sid: "KeepReferenceKeys",
      actions: ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret"],
      resources: [this.all],
      wildcard: "The events that make keys name the secret; all lie under this prefix.",
    });
    this.use(role, ["kms:Decrypt", "kms:GenerateDataKey"]);
  }

  // The key of secrets, for a role that may read one.
  openWith(role: iam.Role): void {
    this.use(role, ["kms:Decrypt"]);
  }

  private use(role: iam.Role, actions: string[]): void {
    allow(role, {
      sid: "OpenSecrets",
      actions,
      resources: [this.key.keyArn],
      conditions: { StringEquals: { "kms:ViaService": `secretsmanager.${Stack.of(this).region}.amazonaws.com` } },
    });
  }
}
