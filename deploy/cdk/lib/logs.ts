// SPDX-License-Identifier: Apache-2.0
// Every log group has a name below /redoubt/STACK, an end (logDays) and the data key.
import { RemovalPolicy, Stack } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

import type { Config } from "./config";

export function logPrefix(scope: Construct): string {
  return `/redoubt/${Stack.of(scope).stackName}`;
}

export class LogGroups extends Construct {
  readonly prefix: string;
  private readonly groups = new Map<string, logs.LogGroup>();

  constructor(scope: Construct, id: string, private readonly config: Config, private readonly key: kms.IKey) {
    super(scope, id);
    this.prefix = logPrefix(this);
  }

  group(name: string): logs.LogGroup {
    return this.groups.get(name) ?? this.named(name, `${this.prefix}/${name}`);
  }

  // Where a service of AWS's says the name.
  named(name: string, logGroupName: string): logs.LogGroup {
    const group = new logs.LogGroup(this, name, {
      logGroupName,
      retention: this.config.logDays,
      encryptionKey: this.key,
      // Logs are evidence: outside of dev they outlive the stack.
      removalPolicy: this.config.deployment === "dev" ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
    });
    this.groups.set(name, group);
    return group;
  }
}
