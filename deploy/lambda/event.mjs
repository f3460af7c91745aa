// SPDX-License-Identifier: Apache-2.0
// What an event may say: members, types and sizes. What a transaction may say is the enclave's to judge; here it is
// only held to numbers that arrived as they were sent.
import { refuse } from "./refusal.mjs";

const kMaxPayload = 1 << 20; // bytes of JSON, as the gateway takes
const kMaxDepth = 16;

const invalid = (sentence) => refuse("invalid_field", sentence);
const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";

function string(name, pattern, sentence) {
  return (value) => (typeof value === "string" && pattern.test(value) ? value : invalid(`${name} must be ${sentence}`));
}

// Lambda's runtime has read the event with JSON.parse, which rounds. A fraction of at most 15 digits and an integer up
// to 2^53 are what was sent; of others nobody can tell.
function checkNumbers(value, depth = 0) {
  if (depth > kMaxDepth) invalid("the event is nested too deeply");
  if (typeof value === "number") {
    const digits = String(value).replace(/e.*$/, "").replace(/[-.]/g, "").replace(/^0+/, "");
    if (Number.isInteger(value) ? !Number.isSafeInteger(value) : digits.length > 15)
      refuse("precision_lost", "a number of the event has more digits than JavaScript keeps: send it as a string");
  } else if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) checkNumbers(member, depth + 1);
  }
}

function object(name) {
  return (value) => {
    if (!isObject(value)) return invalid(`${name} must be a JSON object`);
    checkNumbers(value);
    if (Buffer.byteLength(JSON.stringify(value)) > kMaxPayload) return refuse("too_large", `${name} is longer than 1 MiB`);
    return value;
  };
}

const kHexKey = /^(?:0x)?[0-9a-fA-F]{64}$/;
const secretId = string("secret_id", /^[!-~]{1,2048}$/, "a secret's name or ARN");
const policy = object("policy");
const authorization = object("authorization");

const kMembers = {
  set_key: { needs: { eth_key: string("eth_key", kHexKey, "64 hexadecimal digits, with or without 0x") },
    takes: { overwrite: string("overwrite", /^[!-~]{32,64}$/, "the version id of the secret's value that is to be replaced"), policy, authorization } },
  get_key: { needs: {}, takes: { secret_id: secretId } },
  sign_transaction: { needs: { transaction_payload: object("transaction_payload") }, takes: { secret_id: secretId } },
  generate_key: { needs: { secret_name: string("secret_name", /^[A-Za-z0-9/_+=.@-]{1,512}$/, "a secret's name: 1 to 512 of A-Z a-z 0-9 / _ + = . @ -") },
    takes: { policy, authorization } },
  sign_hash: { needs: { hash: string("hash", kHexKey, "32 bytes (64 hex chars)") },
    takes: { expected_address: string("expected_address", /^0x[0-9a-fA-F]{40}$/, "an address: 0x and 40 hexadecimal digits"), secret_id: secretId } },
};

// The event's operation and members. Error: Refusal.
export function readEvent(event) {
  if (!isObject(event)) return refuse("bad_request", "the event must be a JSON object");
  const { operation, ...members } = event;
  if (operation === undefined) return refuse("missing_field", "the event needs operation: " + Object.keys(kMembers).join(", "));
  if (typeof operation !== "string" || !Object.hasOwn(kMembers, operation))
    return refuse("invalid_field", "operation must be one of " + Object.keys(kMembers).join(", "));
  const { needs, takes } = kMembers[operation];
  for (const name of Object.keys(members))
    if (!Object.hasOwn(needs, name) && !Object.hasOwn(takes, name))
      return refuse("unknown_field", `${operation} has no member of that name; it has ${[...Object.keys(needs), ...Object.keys(takes)].join(", ")}`);
  const out = { operation };
  for (const [name, read] of Object.entries({ ...needs, ...takes })) {
    if (Object.hasOwn(members, name)) out[name] = read(members[name]);
    else if (Object.hasOwn(needs, name)) return refuse("missing_field", `${operation} needs ${name}`);
  }
  return out;
}
