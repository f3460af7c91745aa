// SPDX-License-Identifier: Apache-2.0
// What the two tests of random input have in common: the environment's DIFFERENTIAL_SEED, DIFFERENTIAL_COUNT (cases of each
// transaction type) and DIFFERENTIAL_CASE (KIND:NUMBER, one case alone), and how a disagreement is told.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { kinds } from "./compare.mjs";
import { transactionKinds } from "./transactions.mjs";

export const seed = process.env.DIFFERENTIAL_SEED ?? randomBytes(6).toString("hex");

export function wantedCounts(transactions, others) {
  if (process.env.DIFFERENTIAL_CASE) {
    const [kind, number] = process.env.DIFFERENTIAL_CASE.split(":");
    return { [kind]: [Number(number)] };
  }
  const ratio = Number(process.env.DIFFERENTIAL_COUNT ?? transactions) / transactions;
  return Object.fromEntries(kinds.map((kind) =>
    [kind, Math.ceil(ratio * (transactionKinds.includes(kind) ? transactions : others))]));
}

const cut = (text) => (text.length > 3000 ? text.slice(0, 3000) + "…" : text);

// The members in which the answer differs, ours and theirs.
function describe({ kind, number, what, line, answer, differs }) {
  const lines = [`DIFFERENTIAL_SEED=${seed} DIFFERENTIAL_CASE=${kind}:${number}`];
  if (what) return [...lines, what].join("\n");
  const names = Object.values(differs).flatMap(Object.keys);
  const ours = answer.error ? answer : Object.fromEntries(names.map((name) => [name, answer[name]]));
  lines.push(cut(line), `ours: ${cut(JSON.stringify(ours))}`);
  for (const [library, members] of Object.entries(differs)) lines.push(`${library}: ${cut(JSON.stringify(members))}`);
  return lines.join("\n");
}

// All were compared, with both libraries but for the few values that one of them cannot have, and nothing differed.
export function judgeAll({ compared, disagreements }, counts) {
  assert.equal(disagreements.length, 0, `${disagreements.length} disagreements:\n${disagreements.slice(0, 5).map(describe).join("\n")}`);
  if (process.env.DIFFERENTIAL_CASE) return;
  for (const [kind, count] of Object.entries(counts))
    for (const op of transactionKinds.includes(kind) ? ["transaction", "unsigned"] : [kind])
      for (const library of ["ethers", "viem"]) {
        const answers = compared[`${kind} ${op} ${library}`] ?? 0;
        assert.ok(answers > count / 2 - 5, `only ${answers} of ${count} ${kind} ${op} were compared with ${library}`);
      }
}

export const summary = (compared) => Object.entries(compared).map(([name, answers]) => `${name} ${answers}`).join(", ");
