#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `make bench`: what Redoubt signs in a second and how soon, over HTTPS with policy and receipts, beside the raw limits of the same
// cores and beside its peers, in one run. Every signature that is counted is verified afterwards.
//
//   tools/node bench/run.mjs [--rows ID,…] [--trials 5] [--seconds 3] [--quick] [--keys-1m] [--no-peers] [--store URL] [--data FOLDER] [--out FOLDER]
//
//   --rows      these rows only (`--list` tells which there are); a row's id, or a group's name
//   --quick     a few rows, for a second each: that everything works, for CI. Its figures mean little
//   --keys-1m   the rows with a million keys, too; making them takes some minutes
//   --store     sealed records lie there (postgresql://user@host/database) and not in a SQLite file; with a --data folder of its own
//   --data      keeps `redoubt up`'s folder, and with it the keys, for the next run
//   --out       where results.json, README.md and the plots are written (docs/performance)
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bin, root, run } from "../tests/e2e/lib.mjs";
import { coldStart } from "./harness/cold_start.mjs";
import { created } from "./harness/keys.mjs";
import { machine, versions } from "./harness/machine.mjs";
import { measure, resultOf } from "./harness/measure.mjs";
import { parts } from "./harness/parts.mjs";
import { peers } from "./harness/peers.mjs";
import { aloneMs, machineStops, rawCurve, stopsMs } from "./harness/raw.mjs";
import { optional, quick, rows } from "./harness/rows.mjs";
import { start, usual } from "./harness/system.mjs";
import { writeReport } from "./report/report.mjs";

const { values: asked } = parseArgs({ options: { rows: { type: "string" }, trials: { type: "string" }, seconds: { type: "string" }, quick: { type: "boolean", default: false },
  "keys-1m": { type: "boolean", default: false }, "no-peers": { type: "boolean", default: false }, data: { type: "string" }, store: { type: "string" }, out: { type: "string" },
  list: { type: "boolean", default: false } } });
const options = { quick: asked.quick, trials: Number(asked.trials ?? (asked.quick ? 1 : 5)), seconds: Number(asked.seconds ?? (asked.quick ? 1 : 3)),
  store: asked.store?.split(":")[0] };
if (!(options.trials >= 1 && options.seconds > 0)) throw new Error("--trials and --seconds must be positive");

function selected() {
  const named = asked.rows?.split(",");
  const unknown = named?.filter((name) => !rows.some(({ id, group }) => id === name || group === name)) ?? [];
  if (unknown.length > 0) throw new Error(`there is no row ${unknown.join(", ")}; --list tells which there are`);
  if (named) return rows.filter(({ id, group }) => named.includes(id) || named.includes(group));
  return rows.filter(({ id }) => (options.quick ? quick.has(id) : asked["keys-1m"] || !optional.has(id)));
}

const began = Date.now();
const say = (text) => process.stderr.write(`bench: [${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s] ${text}\n`);

// Rows whose system is the same share one; in the order in which such a system is first asked for.
function bySystem(wanted) {
  const groups = new Map();
  for (const row of wanted) {
    const key = JSON.stringify({ ...usual, ...row.system, store: asked.store });
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

function told({ figures }) {
  const percent = (figure) => (figure ? `${(100 * figure.median).toFixed(1)} %` : "–");
  if (figures.handshakes_per_s) return `${figures.handshakes_per_s.median} handshakes/s`;
  return `${Math.round(figures.signatures_per_s.median)}/s, ${percent(figures.of_sign)} of raw sign, ${percent(figures.of_sign_verify)} of raw sign+verify, ` +
    `p50 ${figures.latency_p50_us?.median} µs, p99 ${figures.latency_p99_us?.median} µs`;
}

// The rows whose allocations are counted, in a process of its own that starts other programs.
async function allocations() {
  const counted = path.join(path.dirname(bin), "counted"), here = path.dirname(fileURLToPath(import.meta.url));
  if (!fs.existsSync(path.join(counted, "redoubt-enclave-dev"))) {
    say("allocations are not counted: tools/build release counted");
    return undefined;
  }
  const { code, stdout, stderr } = await run(process.execPath, [path.join(here, "harness/allocations.mjs"), "h2", "h1-64"],
    { env: { ...process.env, REDOUBT_BIN: counted, BENCH_CLIENT: path.join(bin, "bench_client") } });
  if (code !== 0) throw new Error(`allocations were not counted: ${stderr}`);
  const found = stdout.trim().split("\n").map((line) => JSON.parse(line));
  for (const { title, calls } of found) say(`allocations for a request, ${title}: ${Object.entries(calls).map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ")}`);
  return found;
}

// One trial of each row after the other, and again: the machine's speed drifts over minutes, and so each row has its share of all.
// `alternating`: every other round from the last row to the first, so that of rows on one system none is always on the fresh one.
async function measureRounds(wanted, folder, alternating) {
  const trials = new Map(wanted.map(({ id }) => [id, []])), failed = new Map();
  for (let round = 1; round <= options.trials; ++round)
    for (const group of bySystem(wanted.filter(({ id }) => !failed.has(id)))) {
      const system = await start(folder, { ...group[0].system, store: asked.store });
      try {
        for (const row of alternating && round % 2 === 0 ? group.toReversed() : group)
          try {
            trials.get(row.id).push(await measure(row, system, options, folder, round, say));
            say(`${round}/${options.trials} ${row.id}: ${told(resultOf(row, trials.get(row.id).slice(-1)))}`);
          } catch (error) {
            failed.set(row.id, error.message);
            say(`${round}/${options.trials} ${row.id}: FAILED: ${error.message}`);
          }
      } finally {
        await system.stop();
      }
    }
  return wanted.map((row) => (failed.has(row.id) ? { ...row, failed: failed.get(row.id) } : resultOf(row, trials.get(row.id))));
}

// Rows of so many keys that the disk is busy with them for minutes come after all others.
async function measureAll(wanted, folder) {
  const last = wanted.filter(({ id }) => optional.has(id)), others = wanted.filter(({ id }) => !optional.has(id));
  const results = [...(others.length > 0 ? await measureRounds(others, folder, true) : []), ...(last.length > 0 ? await measureRounds(last, folder, false) : [])];
  for (const result of results) if (!result.failed) say(`${result.id}: ${told(result)}`);
  return wanted.map(({ id }) => results.find((result) => result.id === id));
}

async function main() {
  if (asked.list) {
    for (const { id, group, title } of rows) console.log(`${id.padEnd(24)}${group.padEnd(14)}${title}`);
    return 0;
  }
  const wanted = selected();
  const folder = asked.data ? path.resolve(asked.data) : fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-bench-"));
  // Also where a signal ends this program; what was started is told to end before (harness/running.mjs).
  if (!asked.data) process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  const out = path.resolve(asked.out ?? path.join(root, "docs/performance"));
  const results = { redoubt_bench: 1, date: new Date().toISOString().slice(0, 10), settings: { ...options, rows: asked.rows, rounds: true, alternating: true }, machine: machine(), versions: versions() };
  const raw = [await rawCurve(aloneMs(options))];
  say(`raw libsecp256k1 ${raw[0].library} on ${raw[0].threads} cores: ${Math.round(raw[0].sign)} sign/s, ${Math.round(raw[0].sign_verify)} sign+verify/s`);
  const stops = [await machineStops(stopsMs(options))];
  results.rows = await measureAll(wanted, folder);
  stops.push(await machineStops(stopsMs(options)));
  results.created = created;
  results.parts = await parts(options);
  results.allocations = await allocations();
  results.cold_start = await coldStart(folder, { ...options, store: asked.store }, say);
  if (!asked["no-peers"]) results.peers = await peers(options, say);
  raw.push(await rawCurve(aloneMs(options)));
  stops.push(await machineStops(stopsMs(options)));
  Object.assign(results, { raw, stops });
  writeReport(results, out);
  say(`written to ${out}`);
  const failed = results.rows.filter((row) => row.failed);
  for (const { id, failed: why } of failed) say(`FAILED ${id}: ${why}`);
  return failed.length > 0 ? 1 : 0;
}

process.exitCode = await main();
