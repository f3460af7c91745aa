// SPDX-License-Identifier: Apache-2.0
// What evaluating a policy costs in the enclave for each request, alone on one core: microseconds, as bench/policy_bench tells them.
import path from "node:path";
import { bin, run } from "../../tests/e2e/lib.mjs";

// { "1 rule, fields of the transaction": µs, … }
export async function policyCost({ quick }) {
  const { code, stdout, stderr } = await run(path.join(bin, "policy_bench"), [quick ? "50" : "1000"]);
  const found = Object.fromEntries([...stdout.matchAll(/^(\d+ rules?, .*?)\s+([\d.]+)\s+\d+$/gm)].map(([, name, us]) => [name, Number(us)]));
  if (code !== 0 || Object.keys(found).length !== 4) throw new Error(`policy_bench ended with ${code}: ${stderr}${stdout}`);
  return found;
}
