// SPDX-License-Identifier: Apache-2.0
// What a host may do in AWS: read what it installs, keep sealed records, write its logs, tell its group that it drains. It may
// call the KMS keys because their policies name this role, for attested calls alone; nothing here grants a use of them.
import { Aws, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

import { allow } from "./allow";
import type { Config } from "./config";
import type { LogGroups } from "./logs";
import { groupName, hostRoleName } from "./names";
import type { ReferenceSecret } from "./reference_secret";
import type { Store } from "./store";

// Without it a host could have itself certified as a subordinate CA.
export const serverCertificate = { "acm-pca:TemplateArn": `arn:${Aws.PARTITION}:acm-pca:::template/EndEntityServerAuthCertificate/V1` };

export interface HostRoleProps {
  readonly config: Config;
  readonly logGroups: LogGroups;
  readonly store: Store;
  readonly referenceSecret: ReferenceSecret;
}

export function hostRole(scope: Construct, id: string, props: HostRoleProps): iam.Role {
  const { config } = props;
  const stack = Stack.of(scope);
  const role = new iam.Role(scope, id, {
    roleName: hostRoleName(config),
    assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com"),
    description: "Redoubt's hosts",
  });
  allow(role, {
    sid: "WriteLogs",
    actions: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
    resources: [props.logGroups.group("hosts").logGroupArn],
  });
  allow(role, {
    sid: "TellTheGroup",
    actions: ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"],
    resources: [`arn:${Aws.PARTITION}:autoscaling:${stack.region}:${stack.account}:autoScalingGroup:*:autoScalingGroupName/${groupName(scope)}`],
    wildcard: "The part of a group's ARN that AWS draws; the name behind it is this group's.",
  });
  props.referenceSecret.grantRead(role);
  props.store.grant(role);
  if (config.tlsSecret !== undefined) allow(role, { sid: "ReadCertificate", actions: ["secretsmanager:GetSecretValue"], resources: [config.tlsSecret] });
  if (config.certificateAuthority !== undefined) {
    allow(role, { sid: "GetCertificate", actions: ["acm-pca:GetCertificate"], resources: [config.certificateAuthority] });
    allow(role, { sid: "IssueCertificate", actions: ["acm-pca:IssueCertificate"], resources: [config.certificateAuthority], conditions: { StringEquals: serverCertificate } });
  }
  if (config.sessionManager) {
    const channels = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"].map((name) => `ssmmessages:${name}`);
    const messages = ["AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply"].map((name) => `ec2messages:${name}`);
    allow(role, {
      sid: "Sessions",
      actions: ["ssm:UpdateInstanceInformation", ...channels, ...messages],
      resources: ["*"],
      wildcard: "The channels of Systems Manager's agent have no ARNs; sessionManager=false takes the right away.",
    });
  }
  return role;
}
