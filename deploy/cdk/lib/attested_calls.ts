// SPDX-License-Identifier: Apache-2.0
// Has every enclave that KMS answered a log of receipts? A function compares the trail's attested calls with the chains in a
// bucket to which hosts copy their logs (deploy/lambda/attested_calls.mjs). It stands where the keys are: whoever owns the
// hosts can leave a log out, but not the trail's record.
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

import { acknowledge } from "./acknowledge";
import { type RaiseProps, watch } from "./alarms";
import { allow } from "./allow";
import { keyMetrics } from "./key_alarms";
import type { Pair } from "./key_policy";

export const receiptsPrefix = "receipts/"; // of the hosts; below it a folder for each instance
const stateKey = "state/modules.json"; // of the function
const every = Duration.minutes(15);
// What a run looks at overlaps with the run before; what is younger than the delay may not have arrived.
const windowMinutes = 60;
const delayMinutes = 30;

export interface AttestedCallsProps extends RaiseProps {
  readonly keys: readonly string[]; // ARNs
  readonly pairs: readonly Pair[];
  readonly trailLogs: logs.ILogGroup;
  readonly writers: readonly string[]; // ARNs of the hosts' roles, which must exist
  readonly code: lambda.Code; // with attested_calls.mjs
  readonly runtime: lambda.Runtime;
}

export class AttestedCalls extends Construct {
  readonly bucket: s3.Bucket;
  readonly function: lambda.Function;
  readonly all: cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, props: AttestedCallsProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, "Receipts", {
      encryption: s3.BucketEncryption.S3_MANAGED, blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL, enforceSSL: true,
      versioned: true, // a host that writes over what it wrote leaves the old
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(this.bucket, "AwsSolutions-S1", "receipts are evidence that proves itself; who read them does not matter, and versions show who replaced what");
    this.bucket.addToResourcePolicy(new iam.PolicyStatement({
      sid: "HostsAppend", principals: props.writers.map((arn) => new iam.ArnPrincipal(arn)), actions: ["s3:PutObject"], resources: [this.bucket.arnForObjects(`${receiptsPrefix}*`)],
    }));
    const logGroup = new logs.LogGroup(this, "Log", { retention: logs.RetentionDays.ONE_YEAR });
    const role = new iam.Role(this, "Role", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"), description: "Redoubt: compares attested calls with receipts" });
    allow(role, { sid: "WriteLogs", actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [logGroup.logGroupArn] });
    allow(role, { sid: "ReadTrail", actions: ["logs:FilterLogEvents"], resources: [props.trailLogs.logGroupArn] });
    allow(role, { sid: "ListReceipts", actions: ["s3:ListBucket"], resources: [this.bucket.bucketArn] });
    allow(role, { sid: "ReadReceipts", actions: ["s3:GetObject"], resources: [this.bucket.arnForObjects(`${receiptsPrefix}*`)], wildcard: "hosts name the files below their folder" });
    allow(role, { sid: "Remember", actions: ["s3:GetObject", "s3:PutObject"], resources: [this.bucket.arnForObjects(stateKey)] });
    this.function = new lambda.Function(this, "Function", {
      functionName: `${Stack.of(this).stackName}-attested-calls`,
      description: "Redoubt: has every enclave that KMS answered a log of receipts?",
      runtime: props.runtime,
      handler: "attested_calls.handler",
      code: props.code,
      role,
      timeout: Duration.minutes(10),
      memorySize: 512,
      retryAttempts: 0,
      logGroup,
      loggingFormat: lambda.LoggingFormat.TEXT,
      environment: {
        KEY_ARNS: props.keys.join(","),
        PAIRS: props.pairs.map(({ pcr0, pcr16 }) => `${pcr0}:${pcr16}`).join(","),
        TRAIL_LOG_GROUP: props.trailLogs.logGroupName,
        RECEIPTS_BUCKET: this.bucket.bucketName,
        RECEIPTS_PREFIX: receiptsPrefix,
        STATE_KEY: stateKey,
        WINDOW_MINUTES: String(windowMinutes),
        DELAY_MINUTES: String(delayMinutes),
        METRICS_NAMESPACE: keyMetrics,
      },
    });
    new events.Rule(this, "Schedule", { description: "Redoubt: attested calls", schedule: events.Schedule.rate(every), targets: [new targets.LambdaFunction(this.function, { retryAttempts: 0 })] });
    const metric = (metricName: string, statistic: string, period: Duration) => new cloudwatch.Metric({ namespace: keyMetrics, metricName, statistic, period });
    this.all = [
      watch(this, "AttestedCallsFromUnknownModule", { ...props, metric: metric("UnknownModules", cloudwatch.Stats.MAXIMUM, every), threshold: 1 }),
      watch(this, "AttestedCallsNotCompared", {
        ...props, metric: metric("Comparisons", cloudwatch.Stats.SUM, Duration.hours(1)), threshold: 1,
        comparison: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD, missing: cloudwatch.TreatMissingData.BREACHING,
      }),
    ];
  }
}
