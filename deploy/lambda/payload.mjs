// SPDX-License-Identifier: Apache-2.0
// The AWS sample's transaction_payload in the terms of POST /v1/keys/{id}/sign-transaction. The two differ in four
// members; whatever else is said, or is wrong, goes on as it is, for the enclave to judge.
import { refuse } from "./refusal.mjs";

const kWeiDecimals = 18;
const kMostDigits = 78; // of 2^256 wei
// RFC 8259's number without a sign. Python writes 1e-07.
const kDecimal = /^(0|[1-9][0-9]{0,127})(?:\.([0-9]{1,127}))?(?:[eE]([+-]?[0-9]{1,4}))?$/;

// ETH, exact, to wei as a decimal string.
export function weiOf(value) {
  const invalid = () => refuse("invalid_field", "value must be a decimal number of ETH that is not negative");
  if (typeof value !== "string" && typeof value !== "number") return value === undefined || value === null ? refuse("missing_field", "the transaction needs value, in ETH") : invalid();
  const [matched, whole, fraction = "", exponent = "0"] = kDecimal.exec(String(value)) ?? [];
  if (matched === undefined) return invalid();
  const digits = (whole + fraction).replace(/0+$/, "");
  const dropped = whole.length + fraction.length - digits.length;
  const significant = digits.replace(/^0+/, "");
  if (significant === "") return "0";
  const zeros = kWeiDecimals + Number(exponent) - fraction.length + dropped;
  if (zeros < 0) return refuse("precision_lost", "value has more than 18 decimals of ETH");
  if (significant.length + zeros > kMostDigits) return refuse("invalid_field", "value must be below 2^256 wei");
  return significant + "0".repeat(zeros);
}

// Integers are JSON numbers or 0x-quantities there; a decimal string, which the other route takes, is refused.
const kIntegers = ["type", "chainId", "nonce", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"];
// Of transactions that the sample does not know, and names of the other route's: only null.
const kLaterTypes = ["maxFeePerBlobGas", "blobVersionedHashes", "authorizationList", "blobs", "commitments", "proofs", "sidecars"];
const kOtherNames = ["gasLimit", "input"];

export function toTransaction(payload) {
  const given = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== null));
  if (kLaterTypes.some((name) => given[name] !== undefined) || Number(given.type) > 2)
    refuse("unsupported_transaction_type", "transaction_payload knows transactions of types 0, 1 and 2; others are signed by POST /v1/keys/{id}/sign-transaction");
  for (const name of kOtherNames) if (given[name] !== undefined) refuse("unknown_field", `transaction_payload has no member ${name}`);
  for (const name of kIntegers)
    if (typeof given[name] === "string" && !given[name].startsWith("0x")) refuse("invalid_field", `${name} must be an integer, or a string of 0x and hexadecimal digits`);
  const out = { ...given, value: weiOf(given.value) };
  if (given.to === "") delete out.to; // creates a contract
  if (typeof given.data === "string" && !given.data.startsWith("0x")) out.data = "0x" + given.data;
  // Without a chain id, a legacy transaction of the sample is good on every chain; the other route wants that said.
  const legacy = given.type === undefined ? given.maxFeePerGas === undefined && given.maxPriorityFeePerGas === undefined && given.accessList === undefined
    : Number(given.type) === 0;
  if (given.chainId === undefined && legacy) out.chainId = null;
  return out;
}
