// SPDX-License-Identifier: Apache-2.0
// The policy's JSON Schema and the program that reads policies agree: what the schema refuses the program refuses, and what only the
// program refuses is of the kinds that the schema's description lists.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { redoubt, root, run } from "../../../e2e/lib.mjs";
import { forEach, mutate, randomFrom } from "../mutate.mjs";

const require = createRequire(path.join(root, "tests/e2e/package.json"));
const { default: Ajv2020 } = require("ajv/dist/2020.js");
const schema = JSON.parse(fs.readFileSync(path.join(root, "docs/schema/policy.schema.json"), "utf8"));
const schemaAccepts = new Ajv2020({ strict: true }).compile(schema);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-policy-schema-"));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

let files = 0;
async function program(policy) { // undefined: accepted; else what it says
  const file = path.join(folder, `${++files}.json`);
  fs.writeFileSync(file, JSON.stringify(policy));
  const { code, stderr } = await run(redoubt, ["policy", "check", file]);
  assert.ok(code === 0 || code === 1, `exit code ${code}: ${stderr}`);
  fs.rmSync(file);
  return code === 0 ? undefined : stderr;
}

const key = (digit) => "0x" + digit.repeat(64);
const generator = "0x046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const address = "0x" + "11".repeat(20);
const transfer = "transfer(address to,uint256 amount)";
const full = {
  redoubt_policy: 1, version: 3, not_after: 5,
  owners: [{ id: "ann", algorithm: "ed25519", public_key: key("a") }], threshold: 1, time_lock_seconds: 60,
  principals: [{ id: "alice", algorithm: "ed25519", public_key: key("a") }, { id: "bob", algorithm: "ecdsa-p256-sha256", public_key: generator }],
  addresses: { ours: [address, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"] },
  limits: [{ name: "n", window_seconds: 60, count: 3, per: "key" },
    { name: "t", window_seconds: 60, amount: "5", amount_of: "call.amount", function: transfer, contract: address }],
  export_recipients: [{ id: "cold", public_key: key("b") }],
  rules: [
    { name: "stop", effect: "deny", principals: ["anyone", "host:app"], operations: ["any"], conditions: {
      time: { of_day: ["22:00", "06:00"], weekdays: ["mon"], from: 1, before: 9 }, "transaction.to": { in: ["@ours", address] },
      "transaction.value": { at_least: 1, at_most: "5", not_in: [3] }, "transaction.selector": { starts_with: "0xa9" }, digest: { is: key("a") },
      message_text: { matches: "a.*", starts_with: "a" }, path: { under: "m/44'" }, "transaction.deploys": { is: true },
      "message.a[all].b[-1]": { in: ["x", "y"] }, "transaction.authorizations[any].nonce": { is: 0 }, "domain.chain_id": { in: [1, "10"] } } },
    { name: "pay", effect: "allow", principals: ["alice", "host"], operations: ["sign-transaction"], function: transfer,
      conditions: { "call.to": { is: "@ours" }, "call.amount": { at_most: "5" } },
      limits: [{ name: "d", window_seconds: 60, amount: "5", amount_of: "call.amount", per: "principal" }] },
  ],
};
const open = { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }] };

const values = [null, true, false, 0, 1, -1, 0.5, 2 ** 53 - 1, 2 ** 53, "", "x", "any", "0x", "0xaa", "5", "-5", "@ours", address, [], {}, ["x"], [{}], { is: 1 }, { is: "x" },
  ["any"], "host", "m"];
const names = (name) => [name + "x", name.toUpperCase(), "is", "in", "transaction.to", "call.to", "limits"];

test("both take the policies that they should", async () => {
  for (const policy of [open, full, { ...open, not_after: 9007199254740991 }, { ...open, export_recipients: full.export_recipients }]) {
    assert.ok(schemaAccepts(policy), JSON.stringify(schemaAccepts.errors));
    assert.equal(await program(policy), undefined);
  }
});

// What the schema's description leaves to the program, as the program says it.
const onlyTheProgramSees = new RegExp([
  "an address is", "twice", "has this name", "names are distinct", "is an id of the document's principals", "no such book", "no such argument",
  "needs `function`", "none of the rule's operations", "of different types", "is never negative", "always below", "number of bytes", "no number is", "no time is",
  "signature of Solidity", "pattern", "need a threshold", "4096 addresses", "32 counters", "a path is written", "a number is a decimal", "point of the curve",
  "fields of this type", "amount is a decimal string", "one unsigned integer", "array or a tuple", "brackets stand behind", "bytes are 0x",
].join("|"));

test("what the schema refuses the program refuses, on random mutations", async () => {
  const seen = { both: 0, neither: 0, program: 0 };
  await forEach(Array.from({ length: 400 }, (_, i) => i + 1), async (seed) => {
    const random = randomFrom(seed);
    const policy = structuredClone(full);
    for (let left = 1 + random(2); left > 0; --left) mutate(policy, random, { values, names });
    const bySchema = schemaAccepts(policy), errors = JSON.stringify(schemaAccepts.errors);
    const refusal = await program(policy);
    if (!bySchema) assert.notEqual(refusal, undefined, `seed ${seed}: the program accepts ${JSON.stringify(policy)}: ${errors}`);
    else if (refusal !== undefined) assert.match(refusal, onlyTheProgramSees, `seed ${seed}: ${JSON.stringify(policy)}`);
    ++seen[refusal === undefined ? "both" : bySchema ? "program" : "neither"];
  });
  assert.ok(seen.both >= 50 && seen.neither >= 100 && seen.program >= 5, `all happen often enough: ${JSON.stringify(seen)}`);
});

test("the schema says of each member what it means", () => {
  const silent = [];
  const walk = (node, at) => {
    for (const [name, member] of Object.entries(node.properties ?? {})) {
      const meant = member.$ref?.startsWith("#/$defs/") ? { ...schema.$defs[member.$ref.slice(8)], ...member } : member;
      if (!meant.description) silent.push(`${at}.${name}`);
    }
    for (const [name, definition] of Object.entries(node.$defs ?? {})) {
      if (!definition.description) silent.push(name);
      walk(definition, name);
    }
  };
  walk(schema, "policy");
  assert.deepEqual(silent, []);
});
