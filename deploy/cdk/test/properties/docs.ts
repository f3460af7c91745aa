// SPDX-License-Identifier: Apache-2.0
// docs/deploy.md says what there is, and nothing else.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { contextVariables } from "../../lib/config";
import { variant, type Variant, variants } from "../variants";

const page = readFileSync(join(__dirname, "..", "..", "..", "..", "..", "docs", "deploy.md"), "utf8");
const section = (title: string) => page.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? assert.fail(`no section ${title}`);
const names = Object.keys(variants) as Variant[];

test("docs/deploy.md has every context variable, and no other", () => {
  const listed = [...section("Context variables").matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([A-Za-z0-9]+)`/g)].map((match) => match[1]!));
  assert.deepEqual(listed.sort(), [...contextVariables].sort());
});

test("docs/deploy.md has every output, and no other", () => {
  const listed = new Set([...section("Outputs").matchAll(/`([A-Z][A-Za-z0-9]+)`/g)].map((match) => match[1]!));
  const made = new Set(names.flatMap((name) => [variant(name).template, variant(name).keys].flatMap((template) => Object.keys(template?.findOutputs("*") ?? {}))));
  assert.deepEqual([...listed].sort(), [...made].sort());
});

test("docs/deploy.md has every rule that is acknowledged somewhere, and no other", () => {
  const listed = [...section("What cdk-nag finds").matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]!);
  const reports = names.flatMap((name) => variant(name).report.pluginReports!.filter(({ pluginName }) => pluginName === "AwsSolutions"));
  const made = new Set(reports.flatMap(({ suppressedViolations }) => suppressedViolations!.map(({ ruleName }) => ruleName.replace(/\[.*/, ""))));
  assert.deepEqual(listed.sort(), [...made].sort());
});
