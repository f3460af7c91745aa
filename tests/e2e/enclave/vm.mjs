// SPDX-License-Identifier: Apache-2.0
// The whole system with its enclaves in virtual machines, for the tests of this folder. REDOUBT_EIF, REDOUBT_QEMU: image and QEMU.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { redoubt, request, run, until, up } from "../lib.mjs";
import { setKeyPolicy } from "../cloud.mjs";
import { measureEif } from "../../support/eif.mjs";

export const { REDOUBT_EIF: eif, REDOUBT_QEMU: qemu } = process.env;
export const replacedMs = 60_000;

export const transaction = { type: "0x2", chainId: 1, nonce: 7, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" };

export async function upInMachines(options = {}) {
  assert.ok(eif && qemu, "REDOUBT_EIF and REDOUBT_QEMU are needed: run tests/e2e/enclave/run.sh");
  const system = await up({ readyMs: 125_000, ...options, extra: ["--enclave", "vm", "--eif", eif, "--qemu", qemu, ...(options.extra ?? [])] });
  const image = path.join(system.folder, "enclave.eif");
  const events = () => fs.readFileSync(path.join(system.folder, "log/watchdog.log"), "utf8").split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  return { system, ready: system.ready(), image, events,
    cli: (...args) => run(redoubt, args, { env: { PATH: process.env.PATH, REDOUBT_READY_FILE: system.readyFile } }),
    // Puts another image in the place of the one that runs; the watchdog boots it.
    async boots(file) {
      const before = events().length;
      fs.writeFileSync(`${image}.new`, file, { mode: 0o600 });
      fs.renameSync(`${image}.new`, image);
      await until("another image runs", () => events().slice(before).some(({ event }) => event === "an enclave is started"), replacedMs);
    } };
}

export const signs = (ready, nonce = 7) => request(ready, "POST", `/v1/keys/${ready.key_id}/sign-transaction`,
  JSON.stringify({ transaction: { ...transaction, nonce } }));

// The keys' policies let enclaves of both images in.
export async function allowBoth({ system, ready }, next) {
  const args = (purpose) => ["manifest", "kms-policy", path.join(system.folder, "manifest.json"), "--purpose", purpose, "--pcr0", ready.pcr0, "--also",
    `${measureEif(next).PCR0}:${ready.pcr16}`, "--administrator", "arn:aws:iam::000000000000:root", "--user", "arn:aws:iam::000000000000:role/redoubt-instance", "--development"];
  for (const [purpose, arn] of [["vault", ready.kms_key_arn], ["reference", ready.reference_kms_key_arn]]) {
    const { code, stdout, stderr } = await run(redoubt, args(purpose));
    assert.equal(code, 0, stderr);
    await setKeyPolicy(ready, arn, stdout);
  }
}
