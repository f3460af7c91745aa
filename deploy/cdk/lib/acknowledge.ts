// SPDX-License-Identifier: Apache-2.0
// Findings of cdk-nag that stay, each on the construct that it was made for, by its full name, with a reason.
import { Stack, Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

export function acknowledge(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions::${id}`, reason });
}

// A role's statements with "*" in them: one finding for each action or resource.
export function acknowledgeWildcards(construct: IConstruct, actions: readonly string[], resources: readonly string[], reason: string): void {
  const found = [
    ...actions.map((action) => `Action::${action}`),
    ...resources.map((resource) => `Resource::${flat(Stack.of(construct).resolve(resource))}`),
  ];
  for (const one of found.filter((name) => name.includes("*"))) acknowledge(construct, `AwsSolutions-IAM5[${one}]`, reason);
}

// As cdk-nag writes CloudFormation's functions in a finding's name.
function flat(value: unknown): string {
  if (typeof value === "string") return value.replaceAll("${", "<").replaceAll("}", ">");
  const node = value as { Ref?: string; "Fn::GetAtt"?: string[]; "Fn::Join"?: [string, unknown[]] };
  if (node.Ref !== undefined) return `<${node.Ref}>`;
  if (node["Fn::GetAtt"] !== undefined) return `<${node["Fn::GetAtt"].join(".")}>`;
  if (node["Fn::Join"] !== undefined) return node["Fn::Join"][1].map(flat).join(node["Fn::Join"][0]);
  return JSON.stringify(value);
}
