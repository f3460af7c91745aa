// SPDX-License-Identifier: Apache-2.0
// A function that tries every few minutes what the keys' policies must deny: to make and to open data keys without an
// attestation (deploy/lambda/canary.mjs). Its role is named in the policies beside the hosts', so that it sees what a host
// without an enclave would. With an enclave's attestation, which it has not, KMS would answer to that enclave alone
// (docs/kms-policy.md's table).
import { Duration, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

import { type RaiseProps, watch } from "./alarms";
import { metricsNamespace } from "./names";

const every = Duration.minutes(5);

// What the function reads (docs/lambda.md, "The canary").
export interface CanaryTarget {
  readonly keyArn: string;
  readonly secretArn?: string; // of a secret that holds a ciphertext of the key: Decrypt is tried, too
  readonly ciphertext?: string; // base64
  readonly encryptionContext?: Record<string, string>;
}

export interface CanaryProps extends RaiseProps {
  readonly targets: readonly CanaryTarget[];
  readonly roleName: string; // fixed: key policies name it by its ARN
  readonly code: lambda.Code; // with canary.mjs
  readonly runtime: lambda.Runtime;
  readonly architecture?: lambda.Architecture;
  readonly logGroup: logs.ILogGroup;
}

export class Canary extends Construct {
  readonly role: iam.Role;
  readonly function: lambda.Function;
  readonly all: cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, props: CanaryProps) {
    super(scope, id);
    const keys = props.targets.map(({ keyArn }) => keyArn);
    const secrets = props.targets.flatMap(({ secretArn }) => secretArn ?? []);
    this.role = new iam.Role(this, "Role", {
      roleName: props.roleName, assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"), description: "Redoubt's canary: may ask, and must be denied",
    });
    const allow = (sid: string, actions: string[], resources: string[]) => this.role.addToPolicy(new iam.PolicyStatement({ sid, actions, resources }));
    allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [props.logGroup.logGroupArn]);
    // Without this IAM would deny, and the keys' policies would not be asked.
    allow("AskWhatMustBeDenied", ["kms:Decrypt", "kms:GenerateDataKey"], keys);
    if (secrets.length > 0) allow("ReadCiphertexts", ["secretsmanager:GetSecretValue"], secrets);
    this.function = new lambda.Function(this, "Function", {
      functionName: `${Stack.of(this).stackName}-canary`,
      description: "Redoubt: tries the keys without an attestation",
      runtime: props.runtime,
      ...(props.architecture === undefined ? {} : { architecture: props.architecture }),
      handler: "canary.handler",
      code: props.code,
      role: this.role,
      timeout: Duration.seconds(30),
      memorySize: 256,
      retryAttempts: 0, // the next run is the repeat
      logGroup: props.logGroup,
      loggingFormat: lambda.LoggingFormat.TEXT, // metrics are lines of the embedded metric format
      environment: {
        CANARY_NAMESPACE: metricsNamespace,
        CANARY_TARGETS: Stack.of(this).toJsonString(
          props.targets.map(({ keyArn, secretArn, ciphertext, encryptionContext }) => ({
            key_arn: keyArn,
            ...(secretArn === undefined ? {} : { secret_arn: secretArn }),
            ...(ciphertext === undefined ? {} : { ciphertext }),
            ...(encryptionContext === undefined ? {} : { encryption_context: encryptionContext }),
          })),
        ),
      },
    });
    new events.Rule(this, "Schedule", {
      description: "Redoubt's canary", schedule: events.Schedule.rate(every), targets: [new targets.LambdaFunction(this.function, { retryAttempts: 0 })],
    });
    this.all = this.alarms(props);
  }

  private alarms(props: CanaryProps): cloudwatch.Alarm[] {
    const metric = (metricName: string, statistic: string, period: Duration) => new cloudwatch.Metric({ namespace: metricsNamespace, metricName, statistic, period });
    return [
      watch(this, "UnattestedUseWorks", { ...props, metric: metric("UnattestedUse", cloudwatch.Stats.MAXIMUM, every), threshold: 1 }),
      // In three rounds not one that could tell: it did not run, or ran and got no clear answer.
      watch(this, "CanaryNotRun", {
        ...props, metric: metric("CanaryRuns", cloudwatch.Stats.SUM, Duration.minutes(15)), threshold: 1,
        comparison: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD, missing: cloudwatch.TreatMissingData.BREACHING,
      }),
    ];
  }
}
