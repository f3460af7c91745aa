// SPDX-License-Identifier: Apache-2.0
// A host's user data: lines NAME='value', lines of the app's own for a database or a bucket of receipts, then
// deploy/host/user-data.sh, whose description says what each name means.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { fail } from "./checks";

// EC2's limit, before base64.
export const mostBytes = 16384;
// What CloudFormation fills in is no longer: host names, ARNs of secrets, names of buckets and log groups.
export const longestValue = 128;

export function bytesOf(text: string): number {
  return Buffer.byteLength(text.replace(/\$\{Token\[[^\]]*\]\}/g, "x".repeat(longestValue)));
}

const cdk = join(__dirname, "..", "..");
const script = join(cdk, "..", "host", "user-data.sh");

export type Values = Readonly<Record<string, string | number | undefined>>;

// A name that the script does not read would be passed over in silence.
export function knownNames(body: string): Set<string> {
  return new Set([...body.matchAll(/"\$\{([A-Z0-9_]+):=/g)].map((match) => match[1]!));
}

// The script without the description at its head: what is left is what runs.
function withoutDescription(text: string): string {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => !line.startsWith("#"));
  return lines.slice(first).join("\n");
}

function settings(values: Values, known: ReadonlySet<string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined || value === "") return [];
    if (!known.has(name)) fail(`user data: nothing reads ${name}`);
    if (/['\n]/.test(String(value))) fail(`user data: the value of ${name} has a quote or a line end`);
    return [`${name}='${value}'`];
  });
}

// Lines of the app's own: host/NAME.sh, which reads these settings.
export interface Part {
  readonly name: "database" | "receipts";
  readonly values: Values;
}

export const databaseRoots = "/run/redoubt-database/roots.pem";

function lines({ name, values }: Part): string[] {
  const text = readFileSync(join(cdk, "host", `${name}.sh`), "utf8");
  const known = new Set(/^declare -p (.+) >/m.exec(text)![1]!.split(" "));
  return [...settings(values, known), withoutDescription(text).trimEnd()];
}

export function userData(values: Values, parts: readonly Part[] = []): string {
  const body = readFileSync(script, "utf8");
  const text = ["#!/bin/bash", ...settings(values, knownNames(body)), ...parts.flatMap(lines), withoutDescription(body)].join("\n");
  return bytesOf(text) < mostBytes ? text : fail(`user data: up to ${bytesOf(text)} bytes, and EC2 takes ${mostBytes}; shorten gatewayOptions, or put packages into the machine image (ami)`);
}
