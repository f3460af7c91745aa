// SPDX-License-Identifier: Apache-2.0
// Redoubt's Ethereum code beside ethers and viem, in short; e2e/long/differential.test.mjs compares more.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { compare } from "./compare.mjs";
import { refusals } from "./refusals.mjs";
import { judgeAll, seed, summary, wantedCounts } from "./report.mjs";
import { startTool } from "./tool.mjs";

test("random transactions, typed data and messages give the bytes that ethers and viem give", async (t) => {
  t.diagnostic(`DIFFERENTIAL_SEED=${seed}`);
  const counts = wantedCounts(50, 50);
  const result = await compare({ seed, counts });
  t.diagnostic(summary(result.compared));
  judgeAll(result, counts);
});

let tool;
before(() => (tool = startTool()));
after(() => tool.stop());

for (const { subject, cases } of refusals)
  test(`malformed ${subject} are refused, each with its code`, async () => {
    const answers = await tool.ask(cases.map(({ line }) => line));
    for (const [i, { what, line, codes }] of cases.entries()) {
      const answer = answers[i];
      assert.ok(codes.includes(answer.error ?? "signed"), `${what}: ${JSON.stringify(answer)}, not ${codes.join(" or ")}\n${line}`);
    }
  });
