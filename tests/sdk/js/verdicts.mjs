// SPDX-License-Identifier: Apache-2.0
// tests/sdk/js/verdicts.mjs: reads lines "AT_MS DOCUMENT_HEX [ROOT_SHA256_HEX]" ("-" for no bytes) and prints for each "ok"
// or the error code, in order: for comparing with other verifiers on many documents.
import readline from "node:readline";
import { AttestationError, Verifier } from "../../../sdk/js/attestation/attestation.mjs";

const kAtOnce = 32;
const verifier = new Verifier();

async function verdict(line) {
  const [at, hex, rootSha256, more] = line.split(" ");
  const document = hex === "-" ? "" : hex;
  const isHex = document !== undefined && document.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(document);
  if (!/^-?[0-9]{1,16}$/.test(at) || !isHex || more !== undefined) return "usage";
  try {
    await verifier.verifyDocument(new Uint8Array(Buffer.from(document, "hex")), { at: Number(at), rootSha256 });
    return "ok";
  } catch (error) {
    return error instanceof AttestationError ? error.code : `not an AttestationError: ${error}`;
  }
}

let waiting = [];
const flush = async () => {
  const verdicts = await Promise.all(waiting);
  waiting = [];
  if (verdicts.length > 0) process.stdout.write(`${verdicts.join("\n")}\n`);
};
for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  waiting.push(verdict(line));
  if (waiting.length >= kAtOnce) await flush();
}
await flush();
