// SPDX-License-Identifier: Apache-2.0
// The host against the vault: with enclaves of its own and records that it wrote itself. What KMS refuses it at once is in
// trust.test.mjs.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-kms";
import { instanceCredentials, keyPolicy, kms, setKeyPolicy } from "../cloud.mjs";
import { up } from "../lib.mjs";
import { commitmentOf, decodeVault, encodeVault, vaultIdText, wrapVaultKey } from "../vault_record.mjs";
import { Enclave, items } from "../wire.mjs";

let system, ready, credentials, root, own, vaultRecord;
const enclaves = [];
const events = async () => (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=1000`)).json();
// What KMS was asked by this enclave of the host's.
const askedBy = async ({ moduleId }) => (await events()).filter((event) => event.moduleId === moduleId);
const manifest = (more = {}) => JSON.stringify({ ...JSON.parse(fs.readFileSync(path.join(ready.data_dir, "manifest.json"), "utf8")), ...more });

async function enclave(name, manifestText) {
  const made = await Enclave.start(ready, name);
  enclaves.push(made);
  made.moduleId = (await made.hello()).body.module_id;
  assert.equal((await made.manifest(manifestText)).status, 200);
  assert.equal((await made.credentials(credentials)).status, 200);
  return made;
}
before(async () => {
  system = await up();
  ready = system.ready();
  credentials = await instanceCredentials(ready);
  root = kms(ready);
  own = await enclave("own", manifest());
  const made = await own.createVault();
  assert.equal(made.status, 200, made.text);
  vaultRecord = made.records[0].bytes;
});
after(async () => {
  await Promise.all(enclaves.map((each) => each.stop()));
  await system?.stop();
  system?.remove();
});

test("an enclave that the host starts with a manifest of its own opens no vault and makes none", async () => {
  const lax = await enclave("lax", manifest({ min_epoch: 0 }));
  const { body } = await lax.hello();
  assert.equal(body.pcr0, ready.pcr0);
  assert.notEqual(body.pcr16, ready.pcr16);
  for (const answer of [await lax.openVault(vaultRecord), await lax.createVault()])
    assert.deepEqual([answer.status, answer.body.code, answer.records.length], [502, "kms_denied", 0], answer.text);
  const asked = await askedBy(lax);
  assert.deepEqual([...new Set(asked.map((event) => `${event.eventName} ${event.errorCode}`))].sort(),
    ["Decrypt AccessDeniedException", "GenerateDataKey AccessDeniedException"]);
  // With the right one it would have.
  const second = await enclave("second", manifest());
  assert.equal((await second.openVault(vaultRecord)).status, 200);
  assert.equal((await lax.manifest(manifest())).body.code, "manifest_refused", "and a manifest is taken once");
});

// A vault whose key the host knows; `seal` gives the wrap's ARN and blob for the data key.
async function planted(seal, change = {}) {
  const vaultKey = crypto.randomBytes(32), dataKey = crypto.randomBytes(32), id = crypto.randomBytes(16);
  const head = { epoch: 1, id, created: Date.now(), commitment: commitmentOf(vaultKey, id), ...change };
  const { arn, blob } = await seal(dataKey, { "redoubt:vault": vaultIdText(id) });
  return { ...head, wraps: [wrapVaultKey(vaultKey, dataKey, head, arn, blob)] };
}
const under = (KeyId, arn = KeyId) => async (Plaintext, EncryptionContext) => ({ arn,
  blob: Buffer.from((await root.send(new sdk.EncryptCommand({ KeyId, Plaintext, EncryptionContext }))).CiphertextBlob) });
// By itself, and by way of a key that is said to be in it.
async function offer(to, record, expected, what) {
  const bytes = encodeVault(record);
  const opened = await to.openVault(bytes);
  assert.deepEqual([opened.status, opened.body.code], expected, `${what}: ${opened.text}`);
  const made = await own.request("POST", "/v1/keys", {});
  assert.equal(made.status, 201, made.text);
  const { name, bytes: key } = made.records[0];
  record.id.copy(key, 18); // the vault's id, after magic, version, revision and epoch
  const sign = await to.request("POST", `/v1/keys/${name}/sign-message`, { text: "hello" }, [{ kind: items.keyRecord, name, bytes: key },
    { kind: items.vaultRecord, name: vaultIdText(record.id), bytes }]);
  assert.deepEqual([sign.status, sign.body.code], expected, `${what}: ${sign.text}`);
}

test("a vault that the host wrapped under a key of its own, or by a name of the key, is refused before KMS is asked", async () => {
  const fresh = await enclave("fresh", manifest());
  const { KeyMetadata: { Arn: ownKey } } = await root.send(new sdk.CreateKeyCommand({}));
  await root.send(new sdk.CreateAliasCommand({ AliasName: "alias/vault", TargetKeyId: ownKey }));
  const real = ready.kms_key_arn, [, , , region, account] = real.split(":");
  const records = {
    "another key of the account": await planted(under(ownKey)),
    "a key by its alias's ARN": await planted(under(ownKey, `arn:aws:kms:${region}:${account}:alias/vault`)),
    "a key by its alias": await planted(under(ownKey, "alias/vault")),
    "the vault key by its id alone": await planted(under(ownKey, real.split("/")[1])),
    "the vault key of another account": await planted(under(ownKey, real.replace(account, "222222222222"))),
    "the vault key of another region": await planted(under(ownKey, real.replace(region, "eu-west-1"))),
    "the vault key in other letters": await planted(under(ownKey, real.toUpperCase())),
    "the reference key, under which the host may encrypt": await planted(under(ready.reference_kms_key_arn)),
  };
  for (const [what, record] of Object.entries(records)) await offer(fresh, record, [403, "kms_key_refused"], what);
  await offer(fresh, await planted(under(ownKey, real), { epoch: 0 }), [409, "record_stale"], "an epoch below the manifest's");
  assert.deepEqual(await askedBy(fresh), [], "KMS was asked nothing");

  // Under the manifest's key, KMS opens no other key's blob, and no blob of another vault.
  const known = decodeVault(vaultRecord);
  await offer(fresh, await planted(under(ownKey, real)), [502, "kms_refused"], "another key's blob");
  await offer(fresh, await planted(() => ({ arn: real, blob: known.wraps[0].blob })), [502, "kms_refused"], "the blob of another vault");
  // A real record, altered: the data key comes, and opens nothing.
  for (const [what, change] of Object.entries({ "another time": { created: known.created + 1 }, "another epoch": { epoch: 2 },
    "another commitment": { commitment: crypto.randomBytes(32) } }))
    await offer(fresh, { ...known, ...change }, [409, "record_invalid"], what);
  const asked = await askedBy(fresh);
  assert.ok(asked.length > 0 && asked.every((event) => event.eventName === "Decrypt" && event.keyArn === real), JSON.stringify(asked));

  // Beside a real wrap, a planted one is passed over, and the vault is the real one.
  const both = { ...known, wraps: [wrapVaultKey(crypto.randomBytes(32), crypto.randomBytes(32), known, ownKey, crypto.randomBytes(100)), known.wraps[0]] };
  assert.equal((await fresh.openVault(encodeVault(both))).status, 200);
  assert.ok((await askedBy(fresh)).every((event) => event.keyArn === real));
});

test("if KMS's policy lets a vault be planted, the commitments in a manifest still refuse it", async () => {
  const right = await keyPolicy(ready, ready.kms_key_arn);
  const lax = JSON.parse(right);
  lax.Statement = lax.Statement.filter(({ Sid }) => Sid !== "DenyPlantingAndGrants");
  lax.Statement.push({ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${ready.kms_key_arn.split(":")[4]}:root` }, Action: "kms:Encrypt", Resource: "*" });
  let record;
  await setKeyPolicy(ready, ready.kms_key_arn, JSON.stringify(lax));
  try {
    record = await planted(under(ready.kms_key_arn));
  } finally {
    await setKeyPolicy(ready, ready.kms_key_arn, right);
  }
  // What the policy is for: without it the enclave cannot tell.
  const trusting = await enclave("trusting", manifest());
  assert.equal((await trusting.openVault(encodeVault(record))).status, 200);
  const known = decodeVault(vaultRecord);
  const listing = await enclave("listing", manifest({ vault_commitments: { [vaultIdText(known.id)]: known.commitment.toString("hex") } }));
  await offer(listing, record, [409, "vault_unknown"], "a vault that is not listed");
  await offer(listing, { ...record, id: known.id }, [409, "vault_unknown"], "under a listed vault's name");
  assert.deepEqual(await askedBy(listing), []);
});

test("within an enclave's life a key's older record is not taken again, whatever the host gives or forgets", async () => {
  const made = await own.request("POST", "/v1/keys", {});
  const { name, bytes: first } = made.records[0];
  const record = (bytes) => [{ kind: items.keyRecord, name, bytes }];
  const sign = (bytes) => own.request("POST", `/v1/keys/${name}/sign-message`, { text: "hello" }, bytes ? record(bytes) : []);
  assert.equal((await sign(first)).status, 200);
  const disabled = await own.request("POST", `/v1/keys/${name}/disable`, {}, record(first));
  assert.equal(disabled.status, 200, disabled.text);
  const [{ kind, bytes: second }] = disabled.records;
  assert.equal(kind, items.keyUpdate);
  assert.equal((await sign(first)).body.code, "key_disabled");
  // The store's answer is kept back: the enclave gives the record again with its answers to probes, and changes nothing on top.
  assert.equal((await own.request("GET", `/v1/keys/${name}`, undefined, record(first))).body.state, "disabled");
  assert.deepEqual((await own.probe()).records.map((each) => each.kind), [items.keyUpdate]);
  assert.equal((await own.request("POST", `/v1/keys/${name}/enable`, {}, record(first))).body.code, "store_failed");
  assert.equal((await own.forget()).status, 200);
  assert.equal((await sign(first)).body.code, "key_disabled");
  assert.equal((await sign(second)).body.code, "key_disabled");
  // Altered, the newer record is nothing: its head is authenticated.
  const enabled = Buffer.from(second);
  assert.equal(enabled[51], 2); // the state, after the two ids and the algorithm
  enabled[51] = 1;
  await own.forget();
  const elsewhere = await enclave("elsewhere", manifest());
  assert.equal((await elsewhere.openVault(vaultRecord)).status, 200);
  const refused = await elsewhere.request("POST", `/v1/keys/${name}/sign-message`, { text: "hello" }, record(enabled));
  assert.deepEqual([refused.status, refused.body.code], [409, "record_invalid"]);
  // An enclave that knows no newer record takes the old one: docs say so, and what bounds it.
  const old = await elsewhere.request("POST", `/v1/keys/${name}/sign-message`, { text: "hello" }, record(first));
  assert.equal(old.status, 200, old.text);
});
