// SPDX-License-Identifier: Apache-2.0
// What a caller demands of a document that verifies. Each function answers with one check's outcome:
// {result: "ok" | "failed" | "skipped" | "allowed", detail, code? (of a failure), exception? (where allowed)}.
import { sameBytes } from "./bytes.mjs";
import { isDebug, parseUserData } from "./document.mjs";
import { AttestationError } from "./error.mjs";
import { manifestPcr16Bytes } from "./manifest.mjs";

// How far the enclave's clock may be ahead of the caller's.
const kMaxAheadMs = 60_000;

export const ok = (detail) => ({ result: "ok", detail });
export const failed = (detail, code = "attestation_untrusted") => ({ result: "failed", detail, code });
export const skipped = (detail) => ({ result: "skipped", detail });
const allowed = (exception, detail) => ({ result: "allowed", detail, exception });
// Refused, unless the caller has asked for this exception.
export const unless = (allow, exception, detail) => (allow === true ? allowed(exception, detail) : failed(detail));

export function checkDebug(document, options) {
  if (!isDebug(document)) return ok("the enclave does not run in debug mode");
  return unless(options.allowDebug, "debug", "the enclave runs in debug mode: PCR0 is zero and it protects nothing");
}

function explain(index) {
  if (index === 0) return "another image answers";
  if (index === 16) return "another manifest is in force";
  return "the enclave is another one than expected";
}

export async function checkPcrs(document, options) {
  const pins = [...(options.pcrs ?? [])];
  if (options.manifest !== undefined) {
    try {
      pins.push([16, await manifestPcr16Bytes(options.manifest)]);
    } catch (error) {
      if (!(error instanceof AttestationError) || error.code !== "manifest_invalid") throw error;
      return failed(error.message, error.code);
    }
  }
  for (const [index, wanted] of pins) {
    const found = document.pcrs.get(index);
    if (found === undefined) return failed(`PCR${index} is pinned, and the document has none`);
    if (!sameBytes(found, wanted)) return failed(`PCR${index} is not the pinned one: ${explain(index)}`);
  }
  const pinned = new Set(pins.map(([index]) => index));
  const missing = [0, 16].filter((index) => !pinned.has(index)).map((index) => `PCR${index}`);
  if (missing.length > 0)
    return unless(options.allowUnpinned, "unpinned", `${missing.join(" and ")} not pinned: any enclave could answer`);
  return ok(`${[...pinned].sort((a, b) => a - b).map((index) => `PCR${index}`).join(", ")} as pinned`);
}

export function checkFreshness(document, options) {
  const { nonce, maxAgeMs, at } = options;
  if (nonce === undefined && maxAgeMs === undefined)
    return unless(options.allowAnyNonce, "any-nonce",
      "neither a nonce nor a greatest age is demanded: the document may be an old one");
  if (nonce !== undefined && (document.nonce === null || !sameBytes(document.nonce, nonce)))
    return failed("the attestation document has another nonce: it was not made for this request");
  const age = at - document.timestamp;
  if (maxAgeMs !== undefined && age > maxAgeMs)
    return failed(`the attestation document is ${age} ms old, more than ${maxAgeMs}`, "attestation_expired");
  if (maxAgeMs !== undefined && age < -kMaxAheadMs)
    return failed(`the attestation document is from the future, by ${-age} ms`, "attestation_expired");
  return ok(nonce !== undefined ? "the nonce is the one given" : `the document is ${age} ms old`);
}

export function checkPurpose(document, options) {
  if (options.purpose === undefined) return skipped("no purpose is demanded");
  if (document.userData === null) return failed("the attestation document has no user_data", "attestation_invalid");
  try {
    if (parseUserData(document.userData).purpose !== options.purpose)
      return failed("the attestation document was made for another purpose");
  } catch (error) {
    if (error instanceof AttestationError) return failed(error.message, error.code);
    throw error;
  }
  return ok("the attestation document was made for this purpose");
}
