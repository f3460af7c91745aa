// SPDX-License-Identifier: Apache-2.0
// What is told of the KMS keys, in the account that holds them: changes that only administrators can make, attempts at them
// that were denied, and calls by enclaves. CloudTrail is the witness; a trail must record this account's management events,
// or EventBridge hears nothing.
import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as cloudtrail from "aws-cdk-lib/aws-cloudtrail";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as logs from "aws-cdk-lib/aws-logs";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

import { acknowledge } from "./acknowledge";
import { alarmNames, type AlarmKey, runbookUrl } from "./alarm_names";
import { named, type RaiseProps, watch } from "./alarms";

export const keyMetrics = "Redoubt/Keys";

// CloudTrail's record of a call that KMS answered to an enclave (AWS KMS Developer Guide, "Monitoring requests for Nitro
// enclaves").
export const attestedCallPattern =
  '{ ($.eventSource = "kms.amazonaws.com") && ($.additionalEventData.recipient.attestationDocumentModuleId = "*") && ($.errorCode NOT EXISTS) }';

export interface KeyAlarmsProps extends RaiseProps {
  readonly keys: readonly string[]; // ARNs
  readonly trailLogs?: logs.ILogGroup; // where the trail's records arrive
}

export class KeyAlarms extends Construct {
  readonly rules: events.Rule[] = [];
  readonly all: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, private readonly props: KeyAlarmsProps) {
    super(scope, id);
    this.keyEvent("KeyPolicyChanged", ["PutKeyPolicy"]);
    this.keyEvent("KeyGrantCreated", ["CreateGrant"]);
    this.keyEvent("KeyDisabled", ["DisableKey"]);
    this.keyEvent("KeyDeletionScheduled", ["ScheduleKeyDeletion"]);
    // A trail can be told to leave KMS out (PutEventSelectors); rules, alarms, their topic and the functions that compare and
    // try can be switched off or altered. Lambda's names end in the date of their version.
    this.rule("KeyWatchWeakened", {
      detailType: ["AWS API Call via CloudTrail"],
      detail: {
        eventSource: ["cloudtrail", "events", "sns", "monitoring", "lambda", "logs"].map((service) => `${service}.amazonaws.com`),
        eventName: [
          "StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DisableRule", "DeleteRule", "RemoveTargets", "PutRule", "PutTargets",
          "Unsubscribe", "SetTopicAttributes", "DeleteTopic", "DisableAlarmActions", "DeleteAlarms", "PutMetricAlarm", "DeleteLogGroup",
          ...["UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction", "PutFunctionConcurrency"].map((prefix) => ({ prefix })),
        ],
      },
    });
    this.undelivered();
    if (props.trailLogs !== undefined) this.attestedCalls(props.trailLogs);
  }

  // Attempts that were denied are told, too: the record then may lack `resources`, and has the key as it was named.
  private keyEvent(key: AlarmKey, eventName: string[]): void {
    const { keys } = this.props;
    const names = keys.flatMap((arn) => [arn, Stack.of(this).splitArn(arn, ArnFormat.SLASH_RESOURCE_NAME).resourceName!]);
    this.rule(key, {
      source: ["aws.kms"],
      detailType: ["AWS API Call via CloudTrail"],
      detail: { eventSource: ["kms.amazonaws.com"], eventName, $or: [{ resources: { ARN: [...keys] } }, { requestParameters: { keyId: names } }] },
    });
  }

  private rule(key: AlarmKey, eventPattern: events.EventPattern): void {
    const { alarmName: ruleName } = named(this, key, this.props);
    const rule = new events.Rule(this, key, { ruleName, description: alarmNames[key].summary, eventPattern });
    const at = (path: string) => events.EventField.fromPath(path);
    rule.addTarget(
      new targets.SnsTopic(this.props.topic, {
        message: events.RuleTargetInput.fromText(
          `${ruleName}: ${alarmNames[key].summary} ${at("$.detail.eventName")} by ${at("$.detail.userIdentity.arn")} from ${at("$.detail.sourceIPAddress")} ` +
            `at ${at("$.detail.eventTime")} in ${at("$.account")}, ${at("$.region")}; error: ${at("$.detail.errorCode")}. Event ${at("$.detail.eventID")}. ` +
            `Runbook: ${runbookUrl(key, this.props.runbooks)}`,
        ),
      }),
    );
    this.rules.push(rule);
  }

  private undelivered(): void {
    const failed = Object.fromEntries(this.rules.map((rule, i) => [
      `r${i}`,
      new cloudwatch.Metric({ namespace: "AWS/Events", metricName: "FailedInvocations", dimensionsMap: { RuleName: rule.ruleName }, statistic: cloudwatch.Stats.SUM, period: Duration.minutes(5) }),
    ]));
    const sum = Object.keys(failed).map((name) => `FILL(${name}, 0)`).join(" + ");
    this.all.push(watch(this, "KeyEventsNotDelivered", {
      ...this.props, threshold: 1, metric: new cloudwatch.MathExpression({ label: "not delivered", expression: sum, usingMetrics: failed, period: Duration.minutes(5) }),
    }));
  }

  private attestedCalls(trailLogs: logs.ILogGroup): void {
    new logs.MetricFilter(this, "AttestedCalls", {
      logGroup: trailLogs, filterPattern: logs.FilterPattern.literal(attestedCallPattern), metricNamespace: keyMetrics, metricName: "AttestedCalls", metricValue: "1",
    });
  }
}

// A trail of this account's management events, for accounts that have none: CloudTrail's files in a bucket of their own, with
// digests that show a file that was altered or removed, and the same records in a log group for questions and for counting.
export class KeyTrail extends Construct {
  readonly trail: cloudtrail.Trail;
  readonly logGroup: logs.LogGroup;
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, "Records", {
      encryption: s3.BucketEncryption.S3_MANAGED, blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL, enforceSSL: true, versioned: true, removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(this.bucket, "AwsSolutions-S1", "the bucket holds CloudTrail's records; reading it is itself recorded by an organisation's trail, where there is one");
    this.logGroup = new logs.LogGroup(this, "Log", { retention: logs.RetentionDays.ONE_YEAR, removalPolicy: RemovalPolicy.RETAIN });
    this.trail = new cloudtrail.Trail(this, "Trail", {
      bucket: this.bucket, cloudWatchLogGroup: this.logGroup, sendToCloudWatchLogs: true, enableFileValidation: true, includeGlobalServiceEvents: true,
      isMultiRegionTrail: false, managementEvents: cloudtrail.ReadWriteType.ALL,
    });
  }
}
