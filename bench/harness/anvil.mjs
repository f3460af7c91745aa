// SPDX-License-Identifier: Apache-2.0
// anvil's eth_signTransaction, over plain HTTP/1.1 with keep-alive, as it has no TLS: no authentication, no policy, no receipts, and
// its own development key. The load generator (plain_rpc_bench) shares the processors with it, as Redoubt's does.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { anvil, bin, run } from "../../tests/e2e/lib.mjs";
import { running } from "./running.mjs";

const require = createRequire(new URL("../../tests/e2e/package.json", import.meta.url));
const { Transaction } = require("ethers");

const distinct = 200_000; // so many transactions, each with its nonce
const checked = 300;      // of the answers, spread over all, by ethers, at a millisecond each

const hex = (number) => `0x${number.toString(16)}`;
const call = (from, nonce) => ({ jsonrpc: "2.0", id: nonce, method: "eth_signTransaction", params: [{ from, type: "0x2", chainId: "0x1", nonce: hex(nonce), gas: "0x5208",
  maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x3b9aca00", to: "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23", value: "0x1" }] });

// The loads that are tried; the best counts.
export const loads = [{ id: "single, 16 connections", connections: 16, batch: 1 }, { id: "single, 64 connections", connections: 64, batch: 1 },
  { id: "batches of 100, 4 connections", connections: 4, batch: 100 }];

function check(answers, from) {
  const all = answers.flatMap((line) => JSON.parse(line));
  const wrong = all.filter(({ result }) => !/^0x02[0-9a-f]{100,}$/.test(result ?? ""));
  if (wrong.length > 0) throw new Error(`anvil answered without a signature: ${JSON.stringify(wrong[0])}`);
  for (let i = 0; i < checked; ++i) {
    const { id, result } = all[Math.floor((i * all.length) / checked)], transaction = Transaction.from(result);
    if (transaction.from.toLowerCase() !== from || transaction.nonce !== id) throw new Error("anvil signed something else");
  }
  return all.length;
}

// [{ id, batch, trials: [what `beside` makes of each trial's rate] }]
export async function anvilRates({ trials, seconds }, folder, beside) {
  const node = await anvil(1), stop = running(node.stop);
  try {
    const answer = await fetch(node.url, { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_accounts", params: [] }) });
    const from = (await answer.json()).result[0].toLowerCase();
    const results = [];
    for (const { id, connections, batch } of loads) {
      const bodies = path.join(folder, "anvil-bodies.txt"), answers = path.join(folder, "anvil-answers.txt");
      const calls = Array.from({ length: distinct }, (_, nonce) => JSON.stringify(call(from, nonce)));
      fs.writeFileSync(bodies, Array.from({ length: distinct / batch }, (_, i) =>
        batch === 1 ? `${calls[i]}\n` : `[${calls.slice(i * batch, (i + 1) * batch).join(",")}]\n`).join(""));
      const done = [];
      for (let i = 0; i < trials; ++i) {
        const { code, stdout, stderr } = await run(path.join(bin, "plain_rpc_bench"), [new URL(node.url).port, bodies, String(connections), String(seconds), answers]);
        if (code !== 0) throw new Error(`plain_rpc_bench ended with ${code}: ${stderr}`);
        const signatures = check(fs.readFileSync(answers, "utf8").split("\n").slice(0, -1), from);
        done.push(await beside(signatures / JSON.parse(stdout).seconds));
      }
      results.push({ id, batch, trials: done });
    }
    return results;
  } finally {
    await stop();
  }
}
