// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { variant, type Variant, variants } from "../variants";

const names = Object.keys(variants) as Variant[];
const nag = (name: Variant) => variant(name).report.pluginReports!.find(({ pluginName }) => pluginName === "AwsSolutions")!;

test("cdk-nag finds nothing in any deployment", () => {
  for (const name of names) {
    assert.deepEqual(nag(name).violations!.map(({ ruleName, violatingConstructs }) => [ruleName, violatingConstructs?.map(({ constructPath }) => constructPath)]), [], name);
    assert.equal(nag(name).conclusion, "success");
  }
});

test("what is acknowledged is acknowledged at one construct, with a reason", () => {
  for (const name of names) {
    const suppressed = nag(name).suppressedViolations!;
    assert.ok(suppressed.length > 0);
    for (const { ruleName, acknowledgedId, acknowledgedAt, reason } of suppressed) {
      assert.ok(reason!.split(" ").length > 5, `${ruleName}: ${reason}`);
      assert.match(acknowledgedAt!, /^[^/]+\/.+/, `${ruleName} at a whole stack`);
      if (ruleName.startsWith("AwsSolutions-IAM5")) assert.match(acknowledgedId!, /\[(Resource|Action)::.+\]$/);
    }
  }
});
