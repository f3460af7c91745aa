// SPDX-License-Identifier: Apache-2.0
// The keys that rows sign with, the policies that these are bound to, and the principals whom the policies name. They are made
// once for a data folder: its bench-keys-….txt list them, "key_id address" a line.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { publicKeyOf } from "../../tests/e2e/signing.mjs";
import { load } from "./client.mjs";

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

export const created = []; // [{ keys, per_s }]: where a run made many

const atOnce = 100_000; // keys; what an interrupted run has of them is made again

// The file's lines, at least `count` of them: those that are missing are made by the load generator and added.
async function linesOf(system, policy, count, file, say) {
  const read = () => (fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
  const made = `${file}.new`, first = read().length;
  let seconds = 0;
  for (let done = first; done < count; done = read().length) {
    const spec = { url: system.ready.gateway, ca: system.ready.ca_cert, protocol: "http/1.1", connections: Math.min(64, count - done), streams: 1,
      operation: "create-keys", keys_file: made, create_body: { policy }, headers: { authorization: `Bearer ${system.token}` }, steps: [{ mode: "create", count: Math.min(atOnce, count - done) }] };
    const { steps: [step] } = await load(spec, path.dirname(file));
    seconds += step.seconds;
    fs.appendFileSync(file, fs.readFileSync(made));
    fs.rmSync(made);
    if (count > 1) say(`${read().length} of ${count} keys are made`);
  }
  if (count - first >= 1_000) created.push({ keys: count - first, per_s: Math.round((count - first) / seconds) });
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
