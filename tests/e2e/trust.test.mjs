// SPDX-License-Identifier: Apache-2.0
// What a hostile host can't do, and what must never be found outside the enclave.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-kms";
import { Wallet } from "ethers";
import { instanceCredentials, keyPolicy, kms, setKeyPolicy, storeReferenceKey } from "./cloud.mjs";
import { Hypervisor } from "./forged_document.mjs";
import { alive, redoubt, request, run, until, up } from "./lib.mjs";

const transaction = { type: "0x2", chainId: 1, nonce: 7, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" };

let system, ready;
before(async () => {
  system = await up();
  ready = system.ready();
});
after(async () => {
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

const cli = (args) => run(redoubt, args, { env: { PATH: process.env.PATH, REDOUBT_READY_FILE: system.readyFile } });

test("key create prints what the enclave attested, and key show and list know the key", async () => {
  const made = await cli(["key", "create", "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const key = JSON.parse(made.stdout);
  assert.equal(key.attested, true);
  assert.equal(key.pinned, true);
  const shown = await cli(["key", "show", key.key_id, "--json"]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal(JSON.parse(shown.stdout).address, key.address);
  const listed = await cli(["key", "list"]);
  assert.ok(listed.stdout.includes(key.address));
});

test("a gateway that answers key create with an address of its own is found out", async () => {
  // A real key pair of the liar's, and every way to pass it off.
  const own = Wallet.createRandom();
  const lies = {
    "another address": (body) => ({ ...body, address: own.address }),
    "an own statement under the real attestation": (body) => {
      const statement = JSON.parse(Buffer.from(body.statement, "base64"));
      statement.address = own.address;
      return { ...body, address: own.address, statement: Buffer.from(JSON.stringify(statement)).toString("base64") };
    },
    "an attestation of an earlier key": async (body) => {
      const earlier = await request(ready, "POST", "/v1/keys", JSON.stringify({ nonce: "00".repeat(32) }));
      return { ...body, ...JSON.parse(earlier.body) };
    },
    "no attestation": ({ attestation, ...rest }) => rest,
    "an altered attestation": (body) => {
      const document = Buffer.from(body.attestation, "base64");
      document[document.length - 10] ^= 1;
      return { ...body, attestation: document.toString("base64") };
    },
    "the document of another purpose": async (body, nonce) => {
      const other = await request(ready, "GET", `/v1/attestation?nonce=${nonce}`);
      return { ...body, attestation: JSON.parse(other.body).attestation };
    },
  };
  for (const [what, lie] of Object.entries(lies)) {
    const server = https.createServer({ cert: fs.readFileSync(path.join(system.folder, "tls/gateway.pem")),
      key: fs.readFileSync(path.join(system.folder, "tls/gateway.key")) }, async (asked, answer) => {
      const parts = [];
      for await (const part of asked) parts.push(part);
      const body = Buffer.concat(parts).toString();
      const real = await request(ready, asked.method, asked.url, body);
      const changed = JSON.stringify(await lie(JSON.parse(real.body), JSON.parse(body).nonce));
      answer.writeHead(real.status, { "content-type": "application/json", "content-length": Buffer.byteLength(changed) });
      answer.end(changed);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const result = await cli(["key", "create", "--gateway", `https://127.0.0.1:${server.address().port}`]);
    server.closeAllConnections();
    server.close();
    assert.equal(result.code, 3, `${what}: ${result.stdout}${result.stderr}`);
    assert.ok(!result.stdout.includes("0x"), `${what}: no address is shown`);
  }
});

test("wrong pins are found out, and missing pins are refused", async () => {
  const pcr = "ab".repeat(48);
  assert.equal((await cli(["key", "create", "--pcr0", pcr])).code, 3);
  assert.equal((await cli(["key", "create", "--pcr16", pcr])).code, 3);
  const unpinned = await run(redoubt, ["key", "create", "--gateway", ready.gateway, "--ca", ready.ca_cert, "--attestation-root",
    ready.attestation_root], { env: { PATH: process.env.PATH } });
  assert.equal(unpinned.code, 2, unpinned.stderr);
  const awsRoot = await run(redoubt, ["key", "create", "--gateway", ready.gateway, "--ca", ready.ca_cert, "--pcr0", ready.pcr0,
    "--pcr16", ready.pcr16], { env: { PATH: process.env.PATH } });
  assert.equal(awsRoot.code, 3, "a development root does not pass for AWS's");
});

test("no secret is found in logs, replies, command lines, environments, core files, or the gateway's memory", async () => {
  const key = crypto.randomBytes(32);
  const hex = key.toString("hex");
  const secret_id = await storeReferenceKey(ready, "scan/one", Buffer.from("0x" + hex));
  const replies = [];
  for (let i = 0; i < 3; ++i)
    replies.push(await request(ready, "POST", "/sign_hash", JSON.stringify({ hash: "22".repeat(32), secret_id })));
  assert.equal(replies[0].status, 200);
  const bad = await storeReferenceKey(ready, "scan/not-a-key", Buffer.from("z" + hex.slice(1)));
  replies.push(await request(ready, "POST", "/sign_hash", JSON.stringify({ hash: "22".repeat(32), secret_id: bad })));
  assert.equal(replies.at(-1).status, 422);

  const pids = system.ready().pids;
  const everyPid = [system.child.pid, pids.gateway, pids.devcloud, pids.vsock_proxy, ...pids.enclaves];
  const secrets = { "key as hex": hex, "key as bytes": key, "key as base64": key.toString("base64"),
    "root's secret access key": ready.secret_access_key, "tail of the bad secret": hex.slice(1),
    ...(await hostsSecrets()) };
  for (const name of ["tls/gateway.key", "attestation/root.key"]) {
    const lines = fs.readFileSync(path.join(system.folder, name), "utf8").split("\n");
    secrets[name] = lines[1];
    assert.ok(lines[1].length > 40);
  }
  const found = (buffer, secret) => buffer.includes(secret);
  assert.ok(found(Buffer.concat([Buffer.from("xx"), key]), key), "the search itself works");
  // Root may read a process's memory: the gateway's and the proxy's must not hold keys in any form.
  for (const [name, pid] of [["gateway", pids.gateway], ["vsock-proxy", pids.vsock_proxy]]) {
    const memory = readMemory(pid);
    assert.ok(memory.length > 100_000, "the memory could be read");
    for (const secret of [hex, key, key.toString("base64")])
      assert.ok(!found(memory, secret), `a private key found in the memory of ${name}`);
  }

  // Refusals while the key is at hand must not speak of it either (after the look into memory: the gateway has seen this body).
  replies.push(await request(ready, "POST", "/", JSON.stringify({ transaction_payload: { value: hex }, secret_id })));
  const places = { logs: Buffer.from(system.logs()), replies: Buffer.from(JSON.stringify(replies.map((r) => r.body))) };
  for (const pid of everyPid) {
    places[`/proc/${pid}/cmdline`] = fs.readFileSync(`/proc/${pid}/cmdline`);
    places[`/proc/${pid}/environ`] = fs.readFileSync(`/proc/${pid}/environ`);
  }
  for (const [place, content] of Object.entries(places))
    for (const [name, secret] of Object.entries(secrets)) assert.ok(!found(content, secret), `${name} found in ${place}`);

  // An enclave that crashes leaves no core file, whatever the limit of its parent was.
  for (const pid of pids.enclaves) {
    const limits = fs.readFileSync(`/proc/${pid}/limits`, "utf8");
    assert.match(limits, /Max core file size\s+0\s+0/);
    process.kill(pid, "SIGABRT");
  }
  await until("the enclave is back", async () => (await request(ready, "POST", "/sign_hash",
    JSON.stringify({ hash: "22".repeat(32), secret_id }))).status === 200);
  const cores = fs.readdirSync(system.folder, { recursive: true }).filter((name) => /(^|\/)core(\.|$)/.test(name));
  assert.deepEqual(cores, []);
});

async function hostsSecrets() {
  const { secretAccessKey, sessionToken } = await instanceCredentials(ready);
  return { "the instance's secret access key": secretAccessKey, "the instance's session token": sessionToken };
}

function readMemory(pid) {
  const maps = fs.readFileSync(`/proc/${pid}/maps`, "utf8");
  const memory = fs.openSync(`/proc/${pid}/mem`, "r");
  const parts = [];
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (!match || line.includes("[v")) continue;
    const [start, end] = [parseInt(match[1], 16), parseInt(match[2], 16)];
    if (end - start > 64 << 20) continue; // reserved arenas, mostly unmapped
    const part = Buffer.alloc(end - start);
    try {
      fs.readSync(memory, part, 0, part.length, start);
      parts.push(part);
    } catch {
      // a guard page or a mapping that went away
    }
  }
  fs.closeSync(memory);
  return Buffer.concat(parts);
}

test("with the instance's role KMS plants nothing, opens nothing and hands nothing on, whatever that role's own policies allow", async (t) => {
  const KeyId = ready.kms_key_arn, account = KeyId.split(":")[4], Plaintext = crypto.randomBytes(32);
  const { pcr0, pcr16 } = ready, other = "ab".repeat(48);
  const EncryptionContext = { "redoubt:vault": "vault-" + "00".repeat(16) };
  const instance = new sdk.KMSClient({ region: ready.region, endpoint: ready.devcloud.kms, credentials: await instanceCredentials(ready), maxAttempts: 1 });
  const role = (init) => fetch(`${ready.devcloud.kms}/redoubt/iam/accounts/${account}/roles/redoubt-instance`, init);
  const { trust_policy, policies } = await (await role()).json();
  const setPolicies = async (to) => assert.equal((await role({ method: "PUT", body: JSON.stringify({ trust_policy, policies: to }) })).status, 204);
  await setPolicies({ use: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Resource: "*",
    Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"] }] } });
  t.after(() => setPolicies(policies));

  const call = (name, input, by = instance) => by.send(new sdk[`${name}Command`](input));
  const denied = async (what, promise, text = "explicit deny") => {
    const error = await promise.then(() => assert.fail(`${what} was not refused`), (reason) => reason);
    assert.equal(error.name, "AccessDeniedException", `${what}: ${error.message}`);
    assert.ok(error.message.includes(text), `${what}: ${error.message}`);
  };
  // The pinned pair shows that the documents are good; even then nothing comes in the clear.
  const hypervisor = await Hypervisor.of(ready);
  const pinned = await hypervisor.recipient({ 0: pcr0, 16: pcr16 });
  const generate = { KeyId, KeySpec: "AES_256", EncryptionContext };
  const { CiphertextBlob, ...made } = await call("GenerateDataKey", { ...generate, Recipient: pinned });
  const open = { CiphertextBlob, KeyId, EncryptionContext };
  for (const answer of [made, await call("Decrypt", { ...open, Recipient: pinned })]) {
    assert.equal(answer.Plaintext, undefined);
    assert.ok(answer.CiphertextForRecipient.length > 100);
  }

  const root = kms(ready);
  const { KeyMetadata: { Arn: ownKey } } = await call("CreateKey", {}, root);
  const { CiphertextBlob: ownBlob } = await call("Encrypt", { KeyId: ownKey, Plaintext, EncryptionContext });
  const moved = (blob, DestinationKeyId) => ({ CiphertextBlob: blob, SourceEncryptionContext: EncryptionContext, DestinationKeyId,
    DestinationEncryptionContext: EncryptionContext });
  await call("ReEncrypt", moved(ownBlob, ownKey)); // what is denied below is for the vault key's sake
  const calls = [
    ["Encrypt", { KeyId, Plaintext, EncryptionContext }],
    ["ReEncrypt", moved(ownBlob, KeyId)],
    ["ReEncrypt", moved(CiphertextBlob, ownKey)],
    ["CreateGrant", { KeyId, GranteePrincipal: `arn:aws:iam::${account}:root`, Operations: ["Decrypt", "Encrypt"] }],
    ["GenerateDataKeyWithoutPlaintext", generate],
    ["GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P256", EncryptionContext }],
    ["GenerateDataKeyPairWithoutPlaintext", { KeyId, KeyPairSpec: "ECC_NIST_P256", EncryptionContext }],
    ["Decrypt", open],
    ["GenerateDataKey", generate],
  ];
  for (const by of [instance, root])
    for (const [name, input] of calls) await denied(`${name} by ${by === root ? "the account" : "the role"}`, call(name, input, by));
  await denied("PutKeyPolicy", call("PutKeyPolicy", { KeyId, PolicyName: "default", Policy: await keyPolicy(ready, ownKey) }), "kms:PutKeyPolicy");

  // Attested, but not by the pair: neither half is enough.
  for (const [what, pcrs] of Object.entries({ "another image": { 0: other, 16: pcr16 }, "another manifest": { 0: pcr0, 16: other },
    "no manifest": { 0: pcr0 }, "the two swapped": { 0: pcr16, 16: pcr0 }, "a debug enclave": { 16: pcr16 } })) {
    const Recipient = await hypervisor.recipient(pcrs);
    await denied(`Decrypt for ${what}`, call("Decrypt", { ...open, Recipient }));
    await denied(`GenerateDataKey for ${what}`, call("GenerateDataKey", { ...generate, Recipient }));
  }
  // A document that the real enclave gives to whoever asks names no key that KMS could answer to.
  const { body } = await request(ready, "GET", "/v1/attestation?nonce=00");
  const given = { ...pinned, AttestationDocument: Buffer.from(JSON.parse(body).attestation, "base64") };
  for (const [name, input] of [["Decrypt", open], ["GenerateDataKey", generate]]) {
    const error = await call(name, { ...input, Recipient: given }).catch((reason) => reason);
    assert.equal(error.name, "ValidationException", error.message);
    assert.match(error.message, /no public key/);
  }
});

test("with the key policy pinned to another PCR0 or PCR16 KMS refuses; with the right pair it decrypts", async () => {
  const right = await keyPolicy(ready, ready.kms_key_arn);
  const sign = () => request(ready, "POST", `/v1/keys/${ready.key_id}/sign-transaction`, JSON.stringify({ transaction }));
  const restart = async () => {
    const old = system.ready().pids.enclaves[0];
    process.kill(old, "SIGKILL");
    await until("a new enclave runs", () => {
      const [pid] = system.ready().pids.enclaves;
      return pid > 0 && pid !== old;
    });
  };
  const other = "00".repeat(47) + "01";
  for (const wrong of [right.replaceAll(ready.pcr0, other), right.replaceAll(ready.pcr16, other)]) {
    assert.notEqual(wrong, right);
    await setKeyPolicy(ready, ready.kms_key_arn, wrong);
    await restart();
    await until("KMS's refusal is told", async () => {
      const answer = await sign();
      assert.notEqual(answer.status, 200, "an enclave with other measurements got the vault's key");
      return JSON.parse(answer.body).code === "kms_denied";
    });
  }
  await setKeyPolicy(ready, ready.kms_key_arn, right);
  await until("signing works again", async () => (await sign()).status === 200, 15_000);
});

test("data survives a restart, and nothing is left running", async () => {
  const sign = () => request(system.ready(), "POST", `/v1/keys/${ready.key_id}/sign-transaction`,
    JSON.stringify({ transaction }));
  const first = await sign();
  const pids = system.ready().pids;
  assert.equal(await system.stop(), 0);
  for (const pid of [pids.gateway, pids.devcloud, pids.vsock_proxy, ...pids.enclaves])
    assert.ok(!alive(pid), `process ${pid} is left`);
  system = await up({ dataDir: system.folder });
  const again = system.ready();
  assert.equal(again.key_id, ready.key_id);
  assert.equal(again.pcr16, ready.pcr16);
  const second = await sign();
  assert.equal(second.status, 200, second.body);
  assert.equal(JSON.parse(second.body).raw_transaction, JSON.parse(first.body).raw_transaction);
  ready = again;
});

test("killed with SIGKILL, redoubt up leaves no process behind", async () => {
  const pids = system.ready().pids;
  system.child.kill("SIGKILL");
  await once(system.child, "exit");
  await until("all children are gone", () => [pids.gateway, pids.devcloud, pids.vsock_proxy, ...pids.enclaves]
    .every((pid) => !alive(pid)));
  system = await up({ dataDir: system.folder });
  assert.equal(system.ready().key_id, ready.key_id);
});
