// SPDX-License-Identifier: Apache-2.0
// redoubt-kmstool beside AWS's own SDK: what one encrypts the other decrypts, and KMS decides by the measurement.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { CreateAliasCommand, CreateKeyCommand, DecryptCommand, EncryptCommand, KMSClient, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { kms } from "../cloud.mjs";
import { bin, run, up } from "../lib.mjs";

const tool = path.join(bin, "redoubt-kmstool-dev");
const account = "000000000000";
const role = `arn:aws:iam::${account}:role/kmstool`;
const secret = Buffer.from("a secret of the enclave's, é");
const EncryptionContext = { purpose: "test", "app:name": "é, with = and comma" };

let system, ready, root, common, credentials, session, plainKey;
before(async () => {
  system = await up();
  ready = system.ready();
  root = kms(ready);
  // A user who may only take the role, and the role whose session the tool gets.
  const allow = (Action) => ({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action, Resource: "*" }] });
  const userKeys = { accessKeyId: "AKIAREDOUBTUSER00002", secretAccessKey: "the secret key of another user of these tests" };
  await iam("users/operator", { access_keys: [{ access_key_id: userKeys.accessKeyId, secret_access_key: userKeys.secretAccessKey }],
    policies: { assume: allow("sts:AssumeRole") } });
  await iam("roles/kmstool", { policies: { kms: allow(["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateRandom"]) },
    trust_policy: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "sts:AssumeRole",
      Principal: { AWS: `arn:aws:iam::${account}:user/operator` } }] } });
  const sts = new STSClient({ region: ready.region, endpoint: ready.devcloud.sts, credentials: userKeys, maxAttempts: 1 });
  session = (await sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: "kmstool" }))).Credentials;
  credentials = ["--aws-access-key-id", session.AccessKeyId, "--aws-secret-access-key", session.SecretAccessKey,
    "--aws-session-token", session.SessionToken];
  const proxy = fs.readFileSync(`/proc/${ready.pids.vsock_proxy}/cmdline`, "utf8").split("\0").find((word) => word.startsWith("unix:"));
  common = ["--region", ready.region, "--kms-proxy", proxy, "--tls-roots", ready.ca_cert, "--endpoint-suffix", "devcloud.internal",
    "--nsm-root", path.join(system.folder, "attestation")];
  plainKey = await createKey();
  await root.send(new CreateAliasCommand({ AliasName: "alias/kmstool", TargetKeyId: plainKey }));
});
after(async () => {
  await system?.stop();
  system?.remove();
});

async function iam(what, body) {
  const answer = await fetch(`${ready.devcloud.kms}/redoubt/iam/accounts/${account}/${what}`, { method: "PUT", body: JSON.stringify(body) });
  assert.equal(answer.status, 204, await answer.text());
}

const createKey = async () => (await root.send(new CreateKeyCommand({}))).KeyMetadata.Arn;
const encrypt = async (KeyId, context) => Buffer.from((await root.send(new EncryptCommand({ KeyId, Plaintext: secret,
  EncryptionContext: context }))).CiphertextBlob).toString("base64");
const kmstool = (command, args = [], { env = {}, by = credentials } = {}) => run(tool, [command, ...common, ...by, ...args], { env });
// "PLAINTEXT: …" and "CIPHERTEXT: …" as bytes; the whole of stdout must be such lines.
function lines(result, ...names) {
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, "");
  const pattern = new RegExp(`^${names.map((name) => `${name}: ([A-Za-z0-9+/]+={0,2})\n`).join("")}$`);
  const found = result.stdout.match(pattern);
  assert.ok(found, result.stdout);
  return found.slice(1).map((text) => Buffer.from(text, "base64"));
}
function failed(result, type, ...last) {
  assert.equal(result.code, 255, result.stderr);
  assert.equal(result.stdout, "");
  assert.ok(result.stderr.includes(type), result.stderr);
  assert.ok(result.stderr.endsWith(last.map((line) => line + "\n").join("")), result.stderr);
  for (const word of [session.AccessKeyId, session.SecretAccessKey, session.SessionToken]) assert.ok(!result.stderr.includes(word));
}
const undecrypted = ["Could not decrypt ciphertext", "Could not decrypt"];

test("decrypt opens what the SDK encrypted, with the key's name and without, and refuses another key", async () => {
  const ciphertext = await encrypt(plainKey);
  const named = (key) => ["--key-id", key, "--encryption-algorithm", "SYMMETRIC_DEFAULT"];
  const other = await createKey();
  const [nameless, id, wrong] = await Promise.all([[], named(plainKey.split("/")[1]), named(other)].map((more) =>
    kmstool("decrypt", ["--ciphertext", ciphertext, ...more])));
  for (const result of [nameless, id]) assert.deepEqual(lines(result, "PLAINTEXT"), [secret]);
  failed(wrong, "IncorrectKeyException", ...undecrypted);
});

test("decrypt opens under the right encryption context and under no other", async () => {
  const ciphertext = await encrypt(plainKey, EncryptionContext);
  const simple = await encrypt(plainKey, { a: "b", c: "d" });
  const right = [[ciphertext, ["--encryption-context", JSON.stringify(EncryptionContext)]],
    [simple, ["--encryption-context", "c=d", "--encryption-context", "a=b"]]];
  const wrong = [[ciphertext, []], [simple, ["--encryption-context", "a=b,c=D"]]];
  const all = await Promise.all([...right, ...wrong].map(([blob, more]) => kmstool("decrypt", ["-c", blob, ...more])));
  for (const result of all.slice(0, right.length)) assert.deepEqual(lines(result, "PLAINTEXT"), [secret]);
  for (const result of all.slice(right.length)) failed(result, "InvalidCiphertextException", ...undecrypted);
});

test("genkey's ciphertext is its plaintext to the SDK, for both sizes and with a context", async () => {
  const cases = [["AES-256", 32, plainKey], ["AES-128", 16, plainKey], ["AES-256", 32, "alias/kmstool", EncryptionContext]];
  await Promise.all(cases.map(async ([spec, size, key, context]) => {
    const more = context ? ["--encryption-context", JSON.stringify(context)] : [];
    const [CiphertextBlob, plaintext] = lines(await kmstool("genkey", ["--key-id", key, "--key-spec", spec, ...more]),
      "CIPHERTEXT", "PLAINTEXT");
    assert.equal(plaintext.length, size);
    const opened = await root.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context }));
    assert.deepEqual(Buffer.from(opened.Plaintext), plaintext);
    assert.equal(opened.KeyId, plainKey);
  }));
});

test("genrandom gives as many bytes as were asked for", async () => {
  const [one, most] = await Promise.all(["1", "1024"].map((length) => kmstool("genrandom", ["--length", length])));
  assert.equal(lines(one, "PLAINTEXT")[0].length, 1);
  const bytes = lines(most, "PLAINTEXT")[0];
  assert.equal(bytes.length, 1024);
  assert.ok(new Set(bytes).size > 200, "they look random");
});

test("a key pinned to the tool's measurement serves the tool alone", async () => {
  const digest = (data) => crypto.createHash("sha384").update(data).digest();
  const pcr0 = digest(Buffer.concat([Buffer.alloc(48), digest(fs.readFileSync(tool))])).toString("hex");
  const key = await createKey();
  const ciphertext = await encrypt(key);
  const pin = (value) => root.send(new PutKeyPolicyCommand({ KeyId: key, PolicyName: "default", Policy: JSON.stringify({
    Version: "2012-10-17", Statement: [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" },
      { Effect: "Deny", Principal: "*", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: "*",
        Condition: { StringNotEqualsIgnoreCase: { "kms:RecipientAttestation:ImageSha384": value } } }] }) }));
  await pin(pcr0);
  assert.deepEqual(lines(await kmstool("decrypt", ["-c", ciphertext]), "PLAINTEXT"), [secret]);
  const user = new KMSClient({ region: ready.region, endpoint: ready.devcloud.kms, maxAttempts: 1, credentials: {
    accessKeyId: session.AccessKeyId, secretAccessKey: session.SecretAccessKey, sessionToken: session.SessionToken } });
  await assert.rejects(user.send(new DecryptCommand({ CiphertextBlob: Buffer.from(ciphertext, "base64") })),
    { name: "AccessDeniedException" });

  await pin(pcr0.replace(/^./, (digit) => (digit === "0" ? "1" : "0")));
  const [decrypted, made] = await Promise.all([kmstool("decrypt", ["-c", ciphertext]),
    kmstool("genkey", ["-K", key, "-p", "AES-256"])]);
  failed(decrypted, "kms_denied", ...undecrypted);
  failed(made, "kms_denied", "Could not generate data key");
});

test("credentials come from the environment, too, and wrong ones are refused", async () => {
  const ciphertext = await encrypt(plainKey);
  const env = { AWS_ACCESS_KEY_ID: session.AccessKeyId, AWS_SECRET_ACCESS_KEY: session.SecretAccessKey,
    AWS_SESSION_TOKEN: session.SessionToken };
  const rootUser = { AWS_ACCESS_KEY_ID: ready.access_key_id, AWS_SECRET_ACCESS_KEY: ready.secret_access_key, AWS_SESSION_TOKEN: "" };
  const [session_, user, wrong, none] = await Promise.all([
    kmstool("decrypt", ["-c", ciphertext], { env, by: [] }), kmstool("decrypt", ["-c", ciphertext], { env: rootUser, by: [] }),
    kmstool("genrandom", ["-l", "8"], { env, by: ["-s", "wrong"] }), kmstool("decrypt", ["-c", ciphertext], { by: [] })]);
  for (const result of [session_, user]) assert.deepEqual(lines(result, "PLAINTEXT"), [secret]);
  failed(wrong, "InvalidSignatureException", "Could not generate random bytes");
  assert.equal(none.code, 1);
  assert.equal(none.stderr, "--aws-access-key-id must be set\n");
});

test("wrong usage is exit code 1 with the sentence of the tool that is replaced", async () => {
  const cases = [["decrypt", [], "--ciphertext must be set\n"], ["genkey", ["-K", plainKey], "--key-spec must be set\n"],
    ["genrandom", ["--length", "1025"], "--length must be smaller or equal to 1024\n"],
    ["decrypt", ["-c", "AAAA", "-K", plainKey], "--encryption-algorithm must be set where --key-id is\n"]];
  for (const [command, args, words] of cases) {
    const result = await kmstool(command, args);
    assert.deepEqual([result.code, result.stdout, result.stderr], [1, "", words]);
  }
  const production = path.join(bin, "redoubt-kmstool");
  const help = await run(production, ["decrypt", "--help"]);
  assert.equal(help.code, 1);
  assert.ok(help.stderr.startsWith("usage: redoubt-kmstool decrypt") && !help.stderr.includes("--nsm-root"));
  // The program for enclaves has no other NSM than the device.
  const outside = await run(production, ["genrandom", "-l", "1", ...credentials, "--tls-roots", ready.ca_cert], { env: {} });
  assert.equal(outside.code, 255);
  assert.ok(outside.stderr.startsWith("nsm_failed: ") && outside.stderr.endsWith("Could not generate random bytes\n"), outside.stderr);
});
