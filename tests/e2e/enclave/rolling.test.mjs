// SPDX-License-Identifier: Apache-2.0
// A new image is rolled out under load: the watchdog replaces one enclave after the other, and no request fails.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { otherEif } from "../../support/eif.mjs";
import { sleep, until } from "../lib.mjs";
import { allowBoth, replacedMs, signs, upInMachines } from "./vm.mjs";

const cidsThatSign = (events) => new Set(events.filter(({ event }) => event === "an enclave can sign").map(({ cid }) => cid)).size;

let vm;
before(async () => {
  vm = await upInMachines({ enclaves: 2 });
});
after(async () => {
  if (vm?.system.child.exitCode === null) assert.equal(await vm.system.stop(), 0);
  vm?.system.remove();
});

test("one image after the other under load: no request fails", async (t) => {
  const { ready, events } = vm;
  await until("both enclaves sign", () => cidsThatSign(events()) === 2, replacedMs);
  const next = otherEif(fs.readFileSync(vm.image));
  await allowBoth(vm, next);
  let signing = true, signed = 0, nonce = 0;
  const failed = [];
  const load = Promise.all(Array.from({ length: 8 }, async () => {
    while (signing) {
      const mine = nonce++;
      const answer = await signs(ready, mine).catch((error) => ({ status: 0, body: String(error) }));
      if (answer.status !== 200) failed.push([mine, answer.status, answer.body]);
      else if (Transaction.from(JSON.parse(answer.body).raw_transaction).nonce !== mine) failed.push([mine, "another's answer"]);
      else ++signed;
    }
  }));
  await sleep(1000);
  const began = Date.now();
  await vm.boots(next);
  await until("both enclaves run the new image", () => cidsThatSign(events().filter(({ pcr0 }) => pcr0 !== ready.pcr0)) === 2, 2 * replacedMs);
  const took = Date.now() - began;
  await sleep(1000);
  signing = false;
  await load;
  t.diagnostic(`${signed} signatures; both enclaves replaced in ${took} ms`);
  assert.deepEqual(failed, []);
  assert.ok(signed > 100, String(signed));
});
