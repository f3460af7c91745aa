// SPDX-License-Identifier: Apache-2.0
// The keys that rows sign with, the policies that these are bound to, and the principals whom the policies name. They are made
// once for a data folder: its bench-keys-….txt list them, "key_id address" a line.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { publicKeyOf } from "../../tests/e2e/signing.mjs";
import { request } from "../../tests/e2e/lib.mjs";

// An address in which nobody is paid.
const elsewhere = (number) => `0x${String(number).padStart(40, "0")}`;

// `rules` rules of three conditions each on fields of the transaction, all of which hold in the last rule alone: so each rule
// is looked at, and in each the last condition decides. 0: the open policy, which looks at nothing.
export function policyOf(rules, kind, { to }, principal) {
  if (rules === 0) return { redoubt_policy: 1, rules: [{ name: "open", effect: "allow" }] };
  const who = principal ? "bench" : kind;
  return { redoubt_policy: 1, ...(principal ? { principals: [{ id: "bench", ...principal }] } : {}),
    rules: Array.from({ length: rules }, (_, i) => ({ name: `rule-${i + 1}`, effect: "allow", principals: [who], operations: ["sign-transaction"],
      conditions: { "transaction.chain_id": { is: "1" }, "transaction.value": { at_most: "1000000000000000000" },
        "transaction.to": { in: [i === rules - 1 ? to : elsewhere(2 * i + 2), elsewhere(2 * i + 3)] } } })) };
}

// The principal's private key, a PEM file of PKCS #8, and its public key as policies have it.
function principalOf(folder, kind) {
  const file = path.join(folder, `bench-${kind}.pem`);
  if (!fs.existsSync(file)) {
    const { privateKey } = kind === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
    fs.writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  }
  const { algorithm, bytes } = publicKeyOf(createPrivateKey(fs.readFileSync(file)));
  return { file, entry: { algorithm, public_key: `0x${bytes.toString("hex")}` } };
}

async function create(system, policy) {
  const answer = await request(system.ready, "POST", "/v1/keys", JSON.stringify({ policy }), { authorization: `Bearer ${system.token}` });
  if (answer.status !== 201) throw new Error(`a key was not made: ${answer.status} ${answer.body}`);
  const { key_id, address } = JSON.parse(answer.body);
  return `${key_id} ${address}`;
}

// The file's lines, at least `count` of them: those that are missing are made, 64 at once. An interrupted run is gone on with.
async function linesOf(system, policy, count, file, say) {
  const read = () => (fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
  const done = read().length;
  if (done >= count) return read();
  const out = fs.openSync(file, "a"), began = Date.now();
  let left = count - done, told = began;
  const maker = async () => {
    while (left > 0) {
      --left;
      fs.writeSync(out, `${await create(system, policy)}\n`);
      if (Date.now() - told > 15_000) {
        told = Date.now();
        say(`${count - left} of ${count} keys are made`);
      }
    }
  };
  await Promise.all(Array.from({ length: 64 }, maker));
  fs.closeSync(out);
  if (count > 1) say(`${count - done} keys made, ${Math.round((count - done) / ((Date.now() - began) / 1000))} a second`);
  return read();
}

// What the load generator signs with: { file, principal }, a file of `row.keys` keys and who asks.
export async function keysFor(system, folder, row, to, say) {
  const { rules, principal: kind, keys: count } = row;
  const signer = kind === "session" ? "p256" : kind;
  const signs = ["p256", "ed25519"].includes(signer) ? principalOf(folder, signer) : undefined;
  const all = path.join(folder, `bench-keys-${rules}-${signer}.txt`), file = path.join(folder, "bench-keys-row.txt");
  const lines = await linesOf(system, policyOf(rules, signer, { to }, signs?.entry), count, all, say);
  fs.writeFileSync(file, lines.slice(0, count).map((line) => `${line}\n`).join(""));
  const principal = signs ? { kind, key_file: signs.file, keyid: "bench" } : { kind: "host" };
  return { file, principal };
}
