// SPDX-License-Identifier: Apache-2.0
// What the enclave does for a request besides signing, each part alone on one core, as the programs of bench/ tell it.
import path from "node:path";
import { bin, run } from "../../tests/e2e/lib.mjs";

// Each line that says how many microseconds something takes: a name, and behind it the figure, alone in a column or before its unit.
const line = /^(\S.*?\S)\s{2,}(?:([\d.]+)\s+\d+|(?:\d+ a second\s+)?([\d.]+) us each)$/gm;

async function told(program, about, argument, lines) {
  const { code, stdout, stderr } = await run(path.join(bin, program), [String(argument)]);
  const found = [...stdout.matchAll(line)].map(([, name, column, unit]) => ({ id: name.replace(/\W+/g, "-").replace(/-$/, ""), name: `${about}: ${name}`,
    us: Number(column ?? unit) }));
  if (code !== 0 || found.length !== lines) throw new Error(`${program} ended with ${code}, and ${found.length} figures were found: ${stderr}${stdout}`);
  return found;
}

// [{ id, name, us }]
export async function parts({ quick }) {
  const ms = quick ? 50 : 1000;
  return [...await told("policy_bench", "policy", ms, 4), ...await told("request_signature_bench", "who asks", ms, 4),
    ...await told("receipt_bench", "receipts", quick ? 10_000 : 1_000_000, 5)];
}
