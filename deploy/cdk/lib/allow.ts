// SPDX-License-Identifier: Apache-2.0
// A role's statements. One with a "*" gives its reason, or is refused: so no wildcard comes in unseen.
import * as iam from "aws-cdk-lib/aws-iam";

import { acknowledgeWildcards } from "./acknowledge";
import { fail } from "./checks";

export interface Statement {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Record<string, Record<string, string | string[]>>;
  readonly wildcard?: string; // why there is one
}

export function allow(role: iam.Role, { sid, actions, resources, conditions, wildcard }: Statement): void {
  // How a log group's ARN ends: AWS means its streams by that. CDK writes it out for groups of another stack's.
  const streams = resources.filter((text) => /:log-group:[^*]+:\*$/.test(text));
  const wild = [...actions, ...resources].some((text) => text.includes("*") && !streams.includes(text));
  if (wild !== (wildcard !== undefined)) fail(`${role.node.path}: ${sid} has ${wild ? "a wildcard without a reason" : "a reason without a wildcard"}`);
  role.addToPolicy(new iam.PolicyStatement({ sid, actions: [...actions], resources: [...resources], ...(conditions === undefined ? {} : { conditions }) }));
  acknowledgeWildcards(role, [], streams, "The streams of one log group, and of no other.");
  if (wildcard !== undefined) acknowledgeWildcards(role, actions, resources.filter((text) => !streams.includes(text)), wildcard);
}
