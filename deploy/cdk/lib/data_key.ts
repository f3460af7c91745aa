// SPDX-License-Identifier: Apache-2.0
// The KMS key for what AWS keeps at rest beside the signing keys: logs, the database, the reference secret. Nothing that it
// protects signs anything. It stays when the stack goes: snapshots and logs would be unreadable without it.
import { Aws, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";

export function dataKey(scope: Construct, id: string): kms.Key {
  const stack = Stack.of(scope);
  const key = new kms.Key(scope, id, {
    description: `${stack.stackName}: logs, database, reference secret; no signing key`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  // CloudWatch Logs, for the log groups of this stack alone.
  key.addToResourcePolicy(
    new iam.PolicyStatement({
      sid: "LogGroupsOfThisStack",
      principals: [new iam.ServicePrincipal(`logs.${stack.region}.amazonaws.com`)],
      actions: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
      resources: ["*"],
      conditions: {
        ArnLike: {
          "kms:EncryptionContext:aws:logs:arn": [`/redoubt/${stack.stackName}/*`, `/aws/rds/cluster/${stack.stackName.toLowerCase()}-store/*`].map(
            (name) => `arn:${Aws.PARTITION}:logs:${stack.region}:${stack.account}:log-group:${name}`,
          ),
        },
      },
    }),
  );
  return key;
}
