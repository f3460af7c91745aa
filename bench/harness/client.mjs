// SPDX-License-Identifier: Apache-2.0
// Runs the load generator (bench/client) with a specification and reads the lines that it prints.
import fs from "node:fs";
import path from "node:path";
import { bin, run } from "../../tests/e2e/lib.mjs";

const program = process.env.BENCH_CLIENT ?? path.join(bin, "bench_client");

// { steps: [line, …], verified }. Throws where an answer's signature was wrong or missing, or any request failed to get one.
export async function load(spec, folder) {
  const file = path.join(folder, "bench-spec.json");
  fs.writeFileSync(file, JSON.stringify(spec), { mode: 0o600 });
  const { code, stdout, stderr } = await run(program, [file]);
  fs.rmSync(file);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const told = lines.find((line) => "verified" in line && !("step" in line)), steps = lines.filter((line) => "step" in line);
  if (code !== 0 || (told && told.wrong !== 0)) throw new Error(`bench_client ended with ${code}: ${stderr.trim() || JSON.stringify(told)}`);
  return { steps, verified: told?.verified ?? 0 };
}
