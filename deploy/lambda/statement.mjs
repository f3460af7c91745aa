// SPDX-License-Identifier: Apache-2.0
// What the enclave says, verified: an attestation document of AWS's root, fresh (it repeats our nonce), of the pinned
// image and manifest, made for this purpose and for exactly this statement (docs/formats/statement.md). Until then all
// of an answer is the word of a host that may lie.
import { Verifier, parseUserData } from "@redoubt/attestation";
import { canonical, sha256 } from "./canonical.mjs";
import { refuse } from "./refusal.mjs";

const kMembers = {
  "key-statement": ["address", "algorithm", "epoch", "exportable", "key_id", "nonce", "policy_digest", "public_key", "raw_signing",
    "redoubt_key_statement", "revision", "state", "vault_commitment", "vault_id"],
  "import-offer": ["epoch", "nonce", "public_key", "redoubt_import_offer", "vault_commitment", "vault_id"],
};
const kPending = ["pending_from", "pending_policy"]; // of a key whose next policy waits for its time lock
const kVersions = { "key-statement": "redoubt_key_statement", "import-offer": "redoubt_import_offer" };

const untrusted = (sentence) => refuse("attestation_untrusted", sentence);
const verifier = new Verifier(); // remembers certificates' signatures only

export function needPins(settings) {
  if (settings.pins.length === 0)
    refuse("pins_missing", "EXPECTED_PCR0 and EXPECTED_PCR16 must be set: without them any enclave, and any program that says it is one, would be believed");
}

function base64(value) {
  const text = typeof value === "string" ? value : "";
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== text) return refuse("attestation_invalid", "the gateway's answer has no attested statement");
  return bytes;
}

// Against each pinned pair: one has to fit as a whole.
async function verifiedDocument(settings, document, nonce, purpose) {
  const root = settings.attestationRoot && { rootSha256: settings.attestationRoot, allowOtherRoot: true };
  let first;
  for (const pcrs of settings.pins) {
    const verdict = await verifier.verifyAttestation(document, { pcrs, nonce, purpose, ...root });
    if (verdict.ok) return verdict.attestation;
    first ??= verdict;
  }
  const failed = first.checks.find((check) => check.result === "failed");
  return refuse(first.code, `what answers is not the enclave that is pinned (check "${failed.name}"): ${failed.detail}`);
}

// `answer`: with `statement` and `attestation`. Gives the statement's members. Error: attestation_….
export async function verifiedStatement(settings, answer, nonce, purpose) {
  const statement = base64(answer.statement), document = base64(answer.attestation);
  const attestation = await verifiedDocument(settings, document, nonce, purpose);
  if (!sha256(statement).equals(Buffer.from(parseUserData(attestation.userData).digest)))
    return untrusted("the statement is not the one that the enclave attested");
  const text = statement.toString("utf8");
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    read = undefined;
  }
  // It is the enclave's; still nothing is read that this function does not know.
  const names = Object.keys(read ?? {}).filter((name) => !(purpose === "key-statement" && kPending.includes(name)));
  if (names.sort().join() !== [...kMembers[purpose]].sort().join() || canonical(read) !== text || read[kVersions[purpose]] !== 1)
    return refuse("attestation_invalid", "the attested statement is of a form that this function does not know: update the function");
  if (read.nonce !== nonce.toString("hex")) return untrusted("the attested statement was made for another request");
  return read;
}
