// SPDX-License-Identifier: Apache-2.0
// Reading templates.
import assert from "node:assert/strict";

import type { Template } from "aws-cdk-lib/assertions";

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Any = any;

export interface Resource {
  readonly id: string;
  readonly Type: string;
  readonly Properties: Any;
  readonly DependsOn?: string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  readonly CreationPolicy?: Any;
  readonly UpdatePolicy?: Any;
}

export function all(template: Template, type: string): Resource[] {
  return Object.entries(template.findResources(type)).map(([id, resource]) => ({ id, ...(resource as Omit<Resource, "id">) }));
}

export function one(template: Template, type: string): Resource {
  const found = all(template, type);
  assert.equal(found.length, 1, `one ${type}`);
  return found[0]!;
}

// CloudFormation's functions as text; what is only known when it is deployed becomes `<…>`, as long as such values get.
export function text(value: Any, longest = 0): string {
  if (typeof value === "string") return value;
  if (value?.["Fn::Join"] !== undefined) return value["Fn::Join"][1].map((part: Any) => text(part, longest)).join(value["Fn::Join"][0]);
  if (value?.["Fn::Base64"] !== undefined) return text(value["Fn::Base64"], longest);
  if (value?.["Ref"] === "AWS::Partition") return "aws";
  if (value?.["Fn::Sub"] !== undefined) return value["Fn::Sub"];
  const name = value?.["Ref"] ?? value?.["Fn::GetAtt"]?.join(".") ?? assert.fail(`not known: ${JSON.stringify(value)}`);
  return `<${name}>`.padEnd(longest, "x");
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: Any;
  readonly Principal?: Any;
  readonly Condition?: Any;
}

const many = <T>(value: T | T[] | undefined): T[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
export const actions = (statement: Statement): string[] => many(statement.Action);
export const resourcesOf = (statement: Statement): string[] => many(statement.Resource).map((resource) => text(resource));

// What a role is allowed, by its inline policies: it has no others.
export function statementsOf(template: Template, roleName: string): Statement[] {
  const role = all(template, "AWS::IAM::Role").find(({ Properties }) => Properties.RoleName === roleName) ?? assert.fail(`no role ${roleName}`);
  assert.equal(role.Properties.ManagedPolicyArns, undefined, "no managed policy");
  return all(template, "AWS::IAM::Policy")
    .filter(({ Properties }) => Properties.Roles.some((one: Any) => one.Ref === role.id))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
}

export function allowed(template: Template, roleName: string): string[] {
  return statementsOf(template, roleName).filter(({ Effect }) => Effect === "Allow").flatMap(actions).sort();
}
