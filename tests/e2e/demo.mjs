// SPDX-License-Identifier: Apache-2.0
// The second half of `make demo`: an independent client (ethers) and a real local node (anvil).
import fs from "node:fs";
import { JsonRpcProvider, Transaction, formatEther } from "ethers";
import { anvil, request } from "./lib.mjs";

const ready = JSON.parse(fs.readFileSync(process.env.REDOUBT_READY_FILE, "utf8"));
const call = async (method, target, body) => {
  const answer = await request(ready, method, target, body === undefined ? undefined : JSON.stringify(body));
  if (answer.status >= 400) throw new Error(`${method} ${target}: HTTP ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body);
};
const fail = (what) => {
  console.error(`demo: ${what}`);
  process.exit(1);
};

const { keys } = await call("GET", "/v1/keys");
const key = keys.at(-1); // the one just created
const node = await anvil(31337);
try {
  const provider = new JsonRpcProvider(node.url, 31337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 });
  await provider.send("anvil_setBalance", [key.address, "0xde0b6b3a7640000"]);
  const to = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
  const transaction = { type: "0x2", chainId: 31337, nonce: 0, gas: 21000, maxFeePerGas: "3000000000",
    maxPriorityFeePerGas: "1000000000", to, value: "10000000000000000" };
  const signed = await call("POST", `/v1/keys/${key.key_id}/sign-transaction`, { transaction });
  console.log(`POST /v1/keys/${key.key_id}/sign-transaction`);
  console.log(`  raw      ${signed.raw_transaction.slice(0, 66)}…`);
  console.log(`  hash     ${signed.hash}`);
  const parsed = Transaction.from(signed.raw_transaction);
  console.log(`ethers recovers the sender ${parsed.from}`);
  if (parsed.from !== key.address) fail(`ethers recovered ${parsed.from}, the key's address is ${key.address}`);
  const receipt = await (await provider.broadcastTransaction(signed.raw_transaction)).wait();
  if (receipt.status !== 1 || receipt.hash !== signed.hash) fail("the node did not mine the transaction");
  console.log(`anvil mined it in block ${receipt.blockNumber}: ${formatEther(await provider.getBalance(to))} ETH arrived at ${to}`);
  provider.destroy();
} finally {
  await node.stop();
}

console.log("\n== 4. What the enclave is, and what KMS was asked");
console.log(`PCR0   ${ready.pcr0}\n       (the enclave's program)`);
console.log(`PCR16  ${ready.pcr16}\n       (the manifest: KMS keys, reference keys, limits)`);
const events = await (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=100`)).json();
for (const event of events) {
  const attested = event.moduleId ?? event.attestationModuleId;
  console.log(`KMS    ${event.eventName.padEnd(16)} ${event.errorCode ?? "ok"}${attested ? `  attested by ${attested}` : ""}`);
}
console.log("\nEvery Decrypt and GenerateDataKey above carried an attestation document; KMS answered to the enclave's key alone.");
