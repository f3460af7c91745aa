// SPDX-License-Identifier: Apache-2.0
// Every byte of each kind of real document, changed in three ways; and many random changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AttestationError, Verifier } from "../../../../sdk/js/attestation/attestation.mjs";
import { genuine, kinds, mutant, random, skip } from "../vectors.mjs";

const verifier = new Verifier();

async function verdict(document, at) {
  try {
    await verifier.verifyDocument(document, { at });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof AttestationError, error?.stack);
    return error.code;
  }
}
const isRefusal = (code) => code === "attestation_invalid" || code === "attestation_untrusted";

test("any byte of any kind of document, changed in any way, is refused", { skip }, async () => {
  assert.equal(kinds.length, 3);
  for (const { document, at, name } of kinds) {
    const next = random(at % 2 ** 32);
    for (let i = 0; i < document.length; ++i) {
      for (const change of [1 << next(8), 0xff, 1 + next(255)]) {
        const changed = document.slice();
        changed[i] ^= change;
        const code = await verdict(changed, at);
        assert.ok(isRefusal(code), `${name} byte ${i} ^ ${change}: ${code}`);
      }
    }
  }
});

test("twenty thousand random changes are refused", { skip }, async () => {
  const next = random(20260102);
  for (let i = 0; i < 20_000; ++i) {
    const { document, at, name } = genuine[i % genuine.length];
    const changed = mutant(document, next);
    const code = await verdict(changed, at);
    assert.ok(isRefusal(code) || Buffer.from(changed).equals(document), `${name} mutant ${i}: ${code}`);
  }
});
