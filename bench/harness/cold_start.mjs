// SPDX-License-Identifier: Apache-2.0
// From nothing running to the first signature: `redoubt up` in a folder that has keys starts devcloud, proxy, enclave and gateway, the
// enclave takes its manifest and opens its vault by an attested call to KMS, and a request is signed over HTTPS.
import fs from "node:fs";
import { request } from "../../tests/e2e/lib.mjs";
import { keysFor } from "./keys.mjs";
import { payee } from "./measure.mjs";
import { spread } from "./statistics.mjs";
import { start } from "./system.mjs";

const body = JSON.stringify({ transaction: { type: "0x2", chainId: 1, nonce: 1, gas: 21_000, maxFeePerGas: 2, maxPriorityFeePerGas: 1, to: payee, value: "1" } });

async function firstSignature(folder, { store }, say) {
  const began = performance.now(), system = await start(folder, { store }), started = performance.now();
  try {
    const { file } = await keysFor(system, folder, { rules: 10, principal: "host", keys: 1 }, payee, say);
    const key = fs.readFileSync(file, "utf8").split(" ")[0];
    const asked = performance.now();
    const { status, body: text } = await request(system.ready, "POST", `/v1/keys/${key}/sign-transaction`, body, { authorization: `Bearer ${system.token}` });
    if (status !== 200) throw new Error(`the first request was answered ${status}: ${text}`);
    return started - began + performance.now() - asked;
  } finally {
    await system.stop();
  }
}

export async function coldStart(folder, options, say) {
  await firstSignature(folder, options, say); // makes the folder and the key where there are none
  const times = [];
  for (let i = 0; i < options.trials; ++i) times.push(await firstSignature(folder, options, say));
  const seconds = spread(times.map((ms) => ms / 1000), 3);
  say(`cold start to the first signature: ${seconds.median.toFixed(2)} s`);
  return { seconds };
}
