// SPDX-License-Identifier: Apache-2.0
// The verdicts on many cases, as plain data: the same code in Node and in a page.
// A page finds it under its server's root by the same path.
import { Verifier, verifyAttestation } from "../../../sdk/js/attestation/attestation.mjs";

// cases: [{document: hex, options: {at, rootSha256?}}]. Gives [{code, read?, policy}].
export async function judge(cases) {
  const verifier = new Verifier();
  const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Uint8Array ? [...v] : v)));
  const out = [];
  for (const { document, options } of cases) {
    const bytes = Uint8Array.from(document.match(/../g) ?? [], (digits) => parseInt(digits, 16));
    const verdict = { code: "ok" };
    try {
      verdict.read = await verifier.verifyDocument(bytes, options);
    } catch (error) {
      verdict.code = error.name === "AttestationError" ? error.code : `not an AttestationError: ${error}`;
    }
    const policy = { ...options, allowDebug: true, allowUnpinned: true, maxAgeMs: 60_000, allowOtherRoot: true };
    out.push(plain({ ...verdict, policy: await verifyAttestation(bytes, policy) }));
  }
  return out;
}
