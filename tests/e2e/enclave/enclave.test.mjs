// SPDX-License-Identifier: Apache-2.0
// The image itself, booted in a virtual machine: its init, the kernel's vsock and NSM drivers, attested KMS. What other tests show
// of the enclave's process, this shows of what is deployed.
import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { Transaction, recoverAddress } from "ethers";
import { verifyAttestation } from "../../../sdk/js/attestation/attestation.mjs";
import { storeReferenceKey } from "../cloud.mjs";
import { measureEif, otherEif } from "../../support/eif.mjs";
import { redoubt, run, until } from "../lib.mjs";
import { eif, replacedMs, signs, upInMachines } from "./vm.mjs";

const bootLimitMs = 10_000;
const goldenKey = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"; // the AWS sample's published test key

let vm, system, ready, image;
before(async () => {
  vm = await upInMachines();
  ({ system, ready, image } = vm);
});
after(async () => {
  if (system?.child.exitCode === null) assert.equal(await system.stop(), 0);
  system?.remove();
});

test("the image boots in time, and its enclave signs", async (t) => {
  const answer = await signs(ready);
  assert.equal(answer.status, 200, answer.body);
  assert.equal(Transaction.from(JSON.parse(answer.body).raw_transaction).from, ready.address);
  const at = (wanted) => Date.parse(vm.events().find(({ event }) => event === wanted)?.time);
  const took = at("an enclave can sign") - at("an enclave is started");
  t.diagnostic(`from its start to its first signature: ${took} ms`);
  assert.ok(took <= bootLimitMs);
});

test("a key is created and attested with the registers that the image has by three computations", async () => {
  const made = await vm.cli("key", "create", "--json");
  assert.equal(made.code, 0, made.stderr);
  const key = JSON.parse(made.stdout);
  assert.deepEqual([key.attested, key.pinned], [true, true]);
  const described = await run(redoubt, ["eif", "describe", image]);
  assert.equal(described.code, 0, described.stderr);
  const { PCR0, PCR1, PCR2 } = JSON.parse(described.stdout).Measurements;
  assert.deepEqual({ PCR0, PCR1, PCR2 }, measureEif(fs.readFileSync(image)));
  assert.equal(ready.pcr0, PCR0);
  const nonce = "5e".repeat(32);
  const { body } = await system.json("POST", "/v1/keys", { nonce });
  const verdict = await verifyAttestation(Buffer.from(body.attestation, "base64"),
    { rootSha256: createHash("sha256").update(new X509Certificate(fs.readFileSync(ready.attestation_root)).raw).digest("hex"), pcrs: { 0: PCR0, 1: PCR1, 2: PCR2, 16: ready.pcr16 }, nonce: Buffer.from(nonce, "hex"), allowOtherRoot: true });
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.equal(verdict.attestation.pcrs[0], PCR0);
});

test("reference keys are decrypted in the virtual machine and sign", async () => {
  const secret_id = await storeReferenceKey(ready, "vm/golden", Buffer.from(goldenKey));
  const answer = await system.json("POST", "/sign_hash", { hash: "0x" + "11".repeat(32), secret_id });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { r, s, v } = answer.body.signature;
  assert.equal(recoverAddress("0x" + "11".repeat(32), { r, s, v }), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
});

const refusedBecause = (why) => {
  const times = () => [...system.logs().matchAll(why)].length, before_ = times();
  return until(`it gets no key: ${why}`, () => times() > before_, replacedMs);
};
const signsAgain = () => until("the image that KMS knows signs", async () => (await signs(ready)).status === 200, replacedMs);

test("one bit of the image changed: it boots, KMS refuses it, and it signs nothing", async () => {
  const right = fs.readFileSync(image), changed = otherEif(right);
  assert.notEqual(measureEif(changed).PCR0, ready.pcr0);
  await vm.boots(changed);
  await refusedBecause(/kms_denied/g);
  const answer = await signs(ready);
  assert.equal(JSON.parse(answer.body).code, "kms_denied", answer.body);
  await vm.boots(right);
  await signsAgain();
});

test("the production image trusts none of this: it gets no key and says why", async () => {
  const right = fs.readFileSync(image);
  await vm.boots(fs.readFileSync(eif));
  await refusedBecause(/"a vault is not open".*no TLS connection to KMS that the image/g);
  assert.notEqual((await signs(ready)).status, 200);
  await vm.boots(right);
  await signsAgain();
});
