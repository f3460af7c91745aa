// SPDX-License-Identifier: Apache-2.0
// The canonical form of a JSON value that was parsed already: names sorted by their bytes, no white space, integers
// only (docs/policy.md "Form and digest"). What it gives is what the enclave digests.
import { createHash } from "node:crypto";
import { refuse } from "./refusal.mjs";

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.keys(value).sort(byBytes).map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`;
  if (typeof value === "number" && !(Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)))
    return refuse("invalid_field", "a policy's numbers must be integers from 0 to 2^53 - 1");
  if (typeof value === "string" && !value.isWellFormed()) return refuse("invalid_field", "a string has a lone surrogate");
  return JSON.stringify(value);
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
