// SPDX-License-Identifier: Apache-2.0
// What gateway and enclave allocate for a signature once they are warm: the programs of build/release/counted, which count their
// allocations (bench/count_allocations.cpp), under two loads of different lengths. What stands between these in counts and in
// signatures belongs to the signatures alone; what connecting takes is in both.
//
//   REDOUBT_BIN=build/release/counted node allocations.mjs BENCH_CLIENT ROW…    prints one line of JSON for each row
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { bin } from "../../tests/e2e/lib.mjs";
import { load } from "./client.mjs";
import { specOf } from "./measure.mjs";
import { rows } from "./rows.mjs";
import { start } from "./system.mjs";

const [client, ...ids] = process.argv.slice(2);

function counted({ pid }) {
  const bytes = fs.readFileSync(path.join(bin, "allocations", String(pid)));
  return { calls: Number(bytes.readBigUInt64LE(0)), bytes: Number(bytes.readBigUInt64LE(8)) };
}

async function allocations(row, system, folder) {
  const spec = await specOf(row, system, folder, () => {}), watched = system.processes().filter(({ name }) => /^(gateway|enclave)/.test(name));
  const under = async (seconds) => {
    const before = watched.map(counted), { verified } = await load({ ...spec, prepare_per_s: 50_000, steps: [{ mode: "closed", warmup_s: 0.2, seconds, trials: 1 }] }, folder, client);
    return { verified, counts: watched.map((each, i) => ({ calls: counted(each).calls - before[i].calls, bytes: counted(each).bytes - before[i].bytes })) };
  };
  await under(1); // warm
  const short = await under(0.5), long = await under(2.5), signatures = long.verified - short.verified;
  const each = (name) => Object.fromEntries(watched.map(({ name: process }, i) => [process, (long.counts[i][name] - short.counts[i][name]) / signatures]));
  return { id: row.id, title: row.title, signatures, calls: each("calls"), bytes: each("bytes") };
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
