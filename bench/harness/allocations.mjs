// SPDX-License-Identifier: Apache-2.0
// What gateway and enclave allocate for a request once they are warm: the programs of build/release/counted, which count their
// allocations (bench/count_allocations.cpp), read by the load generator at the beginning and the end of its timed window.
//
//   REDOUBT_BIN=build/release/counted BENCH_CLIENT=PROGRAM node allocations.mjs ROW…    prints one line of JSON for each row
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { bin } from "../../tests/e2e/lib.mjs";
import { load } from "./client.mjs";
import { specOf } from "./measure.mjs";
import { rows } from "./rows.mjs";
import { start } from "./system.mjs";

const ids = process.argv.slice(2);

async function allocations(row, system, folder) {
  const file = ({ pid }) => path.join(bin, "allocations", String(pid)), of = (name) => system.processes().filter((each) => each.name.startsWith(name)).map(file);
  const spec = { ...await specOf(row, system, folder, () => {}), prepare_per_s: 50_000, allocations: { gateway: of("gateway"), enclave: of("enclave") },
    steps: [{ mode: "closed", warmup_s: 1, seconds: 2, trials: 1 }] };
  const { steps: [line] } = await load(spec, folder);
  return { id: row.id, title: row.title, requests: line.requests, calls: line.allocations_per_request };
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-bench-counted-"));
try {
  const system = await start(folder, {});
  try {
    for (const id of ids) console.log(JSON.stringify(await allocations(rows.find((row) => row.id === id), system, folder)));
  } finally {
    await system.stop();
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
