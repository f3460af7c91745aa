// SPDX-License-Identifier: Apache-2.0
// Names and numbers that more than one part of a stack, or another account's stack, must agree on.
import { Aws, Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";

import type { Config } from "./config";

export const servicePort = 443;
// Above 1023: the gateway has no capability to take a lower one.
export const gatewayPort = 8443;
export const metricsNamespace = "Redoubt";

export function groupName(scope: Construct): string {
  return `${Stack.of(scope).stackName}-hosts`;
}

// Roles have fixed names: a key's policy in another account names them by their ARN.
const suffix = (config: Config) => (config.region === undefined ? "" : `-${config.region}`);
export const hostRoleName = (config: Config): string => `${config.stackName}-host${suffix(config)}`;
export const lambdaRoleName = (config: Config): string => `${config.stackName}-lambda${suffix(config)}`;
export const canaryRoleName = (config: Config): string => `${config.stackName}-canary${suffix(config)}`;

export function roleArn(config: Config, name: string): string {
  return `arn:${Aws.PARTITION}:iam::${config.account ?? Aws.ACCOUNT_ID}:role/${name}`;
}
