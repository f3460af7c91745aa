// SPDX-License-Identifier: Apache-2.0
// Redoubt's Ethereum code beside ethers and viem: 20,000 transactions of each type, 5,000 typed-data documents and 5,000
// messages, and some more, since either library cannot hold a few of them (nonces above 2^53, recursive structs).
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { compareInWorkers } from "../differential/compare.mjs";
import { judgeAll, seed, summary, wantedCounts } from "../differential/report.mjs";

test("random transactions, typed data and messages give the bytes that ethers and viem give", async (t) => {
  t.diagnostic(`DIFFERENTIAL_SEED=${seed}`);
  const counts = wantedCounts(20_700, 5_800);
  const result = await compareInWorkers({ seed, counts, parts: Math.min(2, availableParallelism()) });
  t.diagnostic(summary(result.compared));
  judgeAll(result, counts);
});
