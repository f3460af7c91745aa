// SPDX-License-Identifier: Apache-2.0
// node local_signer.mjs ethers|viem SECONDS: how many EIP-1559 transactions the library signs in a second with a key that it
// holds in memory, on this process's one thread, as an application does that keeps its keys itself. Prints one line of JSON.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../tests/e2e/package.json", import.meta.url));
const { Transaction, Wallet } = require("ethers");
const { privateKeyToAccount } = require("viem/accounts");

const [library, seconds] = [process.argv[2], Number(process.argv[3])];
const key = `0x${"4c".repeat(32)}`, to = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
const wallet = new Wallet(key), account = privateKeyToAccount(key);
const fees = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
const sign = {
  ethers: (nonce) => wallet.signTransaction({ type: 2, chainId: 1, nonce, gasLimit: 21_000, ...fees, to, value: 1n }),
  viem: (nonce) => account.signTransaction({ type: "eip1559", chainId: 1, nonce, gas: 21_000n, ...fees, to, value: 1n }),
}[library];
assert.ok(sign, "ethers or viem");

let nonce = 0, signed;
async function signFor(ms) {
  const began = performance.now(), first = nonce;
  let now = began;
  for (; now - began < ms; now = performance.now()) for (let i = 0; i < 10; ++i) signed = await sign(nonce++);
  return ((nonce - first) * 1000) / (now - began);
}
await signFor(500); // until the compiler has seen it
const began = process.cpuUsage(), first = nonce, perSecond = await signFor(seconds * 1000), used = process.cpuUsage(began);
const { from, nonce: last } = Transaction.from(signed);
assert.deepEqual([from, last], [wallet.address, nonce - 1], "the last one is right");
console.log(JSON.stringify({ library, per_s: perSecond, per_cpu_s: ((nonce - first) * 1e6) / (used.user + used.system) }));
