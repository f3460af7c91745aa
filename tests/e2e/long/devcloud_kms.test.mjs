// SPDX-License-Identifier: Apache-2.0
// Every KMS operation of devcloud, driven by AWS's JavaScript SDK and by Debian's awscli: only the endpoint
// differs from AWS.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import * as sdk from "@aws-sdk/client-kms";
import { run, up } from "../lib.mjs";

const account = "000000000000", rootArn = `arn:aws:iam::${account}:root`;
const annArn = `arn:aws:iam::${account}:user/ann`, annKey = "AKIAANN0000000000001", annSecret = "the secret of ann, a user";

let system, ready, root, ann;
before(async () => {
  system = await up();
  ready = system.ready();
  root = client({ accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key });
  await iam("PUT", `accounts/${account}/users/ann`, { access_keys: [{ access_key_id: annKey, secret_access_key: annSecret }] });
  ann = client({ accessKeyId: annKey, secretAccessKey: annSecret });
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const client = (credentials, region = ready.region) =>
  new sdk.KMSClient({ region, endpoint: ready.devcloud.kms, credentials, maxAttempts: 1 });

// Every call of the SDK by its operation's name; what was called is checked at the end.
const called = new Set();
function call(operation, input, by = root) {
  called.add(operation);
  return by.send(new sdk[`${operation}Command`](input));
}
async function refused(promise, type) {
  const error = await promise.then(() => assert.fail("the call was not refused"), (reason) => reason);
  assert.ok(error instanceof (sdk[type] ?? sdk.KMSServiceException), `${error.name}: ${error.message}`);
  assert.equal(error.name, type, error.message);
  return error;
}
async function iam(method, where, body) {
  const answer = await fetch(`${ready.devcloud.kms}/redoubt/iam/${where}`, { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${where}: ${answer.status} ${await answer.clone().text()}`);
}
const createKey = async (more = {}) => (await call("CreateKey", more)).KeyMetadata.Arn;
const Plaintext = Buffer.from("a secret");

const operations = ["CancelKeyDeletion", "CreateAlias", "CreateGrant", "CreateKey", "Decrypt", "DeleteAlias", "DescribeKey",
  "DisableKey", "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateRandom", "GetKeyPolicy",
  "GetKeyRotationStatus", "ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListKeys", "ListResourceTags",
  "ListRetirableGrants", "PutKeyPolicy", "ReEncrypt", "RetireGrant", "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion",
  "TagResource", "UntagResource", "UpdateAlias", "UpdateKeyDescription"];

test("keys: states, deletion, descriptions and tags", async () => {
  const KeyId = await createKey({ Description: "one", Tags: [{ TagKey: "a", TagValue: "1" }] });
  const described = async () => (await call("DescribeKey", { KeyId })).KeyMetadata;
  assert.equal((await described()).KeyState, "Enabled");
  assert.ok(Math.abs((await described()).CreationDate - Date.now()) < 60_000);
  await call("UpdateKeyDescription", { KeyId, Description: "two" });
  assert.equal((await described()).Description, "two");
  await call("DisableKey", { KeyId });
  await refused(call("Encrypt", { KeyId, Plaintext }), "DisabledException");
  await call("EnableKey", { KeyId });
  await call("TagResource", { KeyId, Tags: [{ TagKey: "b", TagValue: "2" }] });
  await call("UntagResource", { KeyId, TagKeys: ["a"] });
  assert.deepEqual((await call("ListResourceTags", { KeyId })).Tags, [{ TagKey: "b", TagValue: "2" }]);
  await refused(call("TagResource", { KeyId, Tags: [{ TagKey: "aws:b", TagValue: "2" }] }), "TagException");
  const scheduled = await call("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 });
  assert.ok(Math.abs(scheduled.DeletionDate - Date.now() - 7 * 86_400_000) < 60_000);
  assert.equal((await described()).KeyState, "PendingDeletion");
  await refused(call("Encrypt", { KeyId, Plaintext }), "KMSInvalidStateException");
  await call("CancelKeyDeletion", { KeyId });
  assert.equal((await described()).KeyState, "Disabled");
  await refused(call("CancelKeyDeletion", { KeyId }), "KMSInvalidStateException");
  await refused(call("CreateKey", { KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" }), "UnsupportedOperationException");
  await refused(call("DescribeKey", { KeyId: "none" }), "NotFoundException");
  const listed = [];
  for await (const page of sdk.paginateListKeys({ client: root, pageSize: 2 }, {})) listed.push(...page.Keys.map((key) => key.KeyArn));
  called.add("ListKeys");
  assert.ok(listed.includes(KeyId));
  await refused(call("ListKeys", { Marker: "x" }), "InvalidMarkerException");
});

test("aliases", async () => {
  const [one, two] = [await createKey(), await createKey()];
  await call("CreateAlias", { AliasName: "alias/app", TargetKeyId: one });
  await refused(call("CreateAlias", { AliasName: "alias/app", TargetKeyId: two }), "AlreadyExistsException");
  await refused(call("CreateAlias", { AliasName: "app", TargetKeyId: two }), "InvalidAliasNameException");
  const { CiphertextBlob, KeyId } = await call("Encrypt", { KeyId: "alias/app", Plaintext });
  assert.equal(KeyId, one);
  await call("UpdateAlias", { AliasName: "alias/app", TargetKeyId: two });
  await refused(call("Decrypt", { CiphertextBlob, KeyId: "alias/app" }), "IncorrectKeyException");
  const { Aliases } = await call("ListAliases", { KeyId: two });
  assert.deepEqual(Aliases.map((alias) => alias.AliasName), ["alias/app"]);
  await call("DeleteAlias", { AliasName: "alias/app" });
  await refused(call("DescribeKey", { KeyId: "alias/app" }), "NotFoundException");
});

test("data: encryption, data keys, pairs, random bytes", async () => {
  const [KeyId, DestinationKeyId] = [await createKey(), await createKey()];
  const EncryptionContext = { purpose: "é" };
  const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext, EncryptionContext });
  const decrypted = await call("Decrypt", { CiphertextBlob, EncryptionContext });
  assert.deepEqual(Buffer.from(decrypted.Plaintext), Plaintext);
  await refused(call("Decrypt", { CiphertextBlob }), "InvalidCiphertextException");
  await refused(call("Decrypt", { CiphertextBlob, EncryptionContext, DryRun: true }), "DryRunOperationException");
  const moved = await call("ReEncrypt", { CiphertextBlob, SourceEncryptionContext: EncryptionContext, DestinationKeyId });
  assert.equal(moved.SourceKeyId, KeyId);
  assert.deepEqual(Buffer.from((await call("Decrypt", { CiphertextBlob: moved.CiphertextBlob })).Plaintext), Plaintext);

  const key = await call("GenerateDataKey", { KeyId, KeySpec: "AES_256" });
  assert.deepEqual((await call("Decrypt", { CiphertextBlob: key.CiphertextBlob })).Plaintext, key.Plaintext);
  const without = await call("GenerateDataKeyWithoutPlaintext", { KeyId, NumberOfBytes: 24 });
  assert.equal(without.Plaintext, undefined);
  assert.equal((await call("Decrypt", { CiphertextBlob: without.CiphertextBlob })).Plaintext.length, 24);
  for (const KeyPairSpec of ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"]) {
    const pair = await call("GenerateDataKeyPair", { KeyId, KeyPairSpec });
    const privateKey = createPrivateKey({ key: Buffer.from(pair.PrivateKeyPlaintext), format: "der", type: "pkcs8" });
    const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    assert.deepEqual(der, Buffer.from(pair.PublicKey), KeyPairSpec);
    assert.deepEqual((await call("Decrypt", { CiphertextBlob: pair.PrivateKeyCiphertextBlob })).Plaintext, pair.PrivateKeyPlaintext);
  }
  await refused(call("GenerateDataKeyPair", { KeyId, KeyPairSpec: "SM2" }), "UnsupportedOperationException");
  assert.equal((await call("GenerateDataKeyPairWithoutPlaintext", { KeyId, KeyPairSpec: "ECC_NIST_P256" })).PrivateKeyPlaintext,
    undefined);
  assert.equal((await call("GenerateRandom", { NumberOfBytes: 100 })).Plaintext.length, 100);
  // A Recipient is an attestation document or nothing.
  const AttestationDocument = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "der", type: "spki" });
  const Recipient = { KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256", AttestationDocument };
  for (const [operation, input] of [["Decrypt", { CiphertextBlob, EncryptionContext }], ["GenerateDataKey", { KeyId, KeySpec: "AES_256" }],
    ["GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P256" }], ["GenerateRandom", { NumberOfBytes: 1 }]])
    assert.equal((await call(operation, { ...input, Recipient }).catch((error) => error)).name, "ValidationException", operation);
});

test("grants let a user in until they are gone", async () => {
  const KeyId = await createKey();
  const encrypt = (more) => call("Encrypt", { KeyId, Plaintext, ...more }, ann);
  const denied = await encrypt().catch((error) => error);
  assert.equal(denied.name, "AccessDeniedException");
  assert.ok(denied.message.includes(`User: ${annArn} is not authorized to perform: kms:Encrypt`), denied.message);
  const made = await call("CreateGrant", { KeyId, GranteePrincipal: annArn, Operations: ["Encrypt", "RetireGrant"], Name: "one",
    RetiringPrincipal: annArn, Constraints: { EncryptionContextSubset: { a: "1" } } });
  await encrypt({ EncryptionContext: { a: "1", b: "2" }, GrantTokens: [made.GrantToken] });
  assert.equal((await encrypt().catch((error) => error)).name, "AccessDeniedException");
  await refused(encrypt({ GrantTokens: ["bm8="] }), "InvalidGrantTokenException");
  const [grant] = (await call("ListGrants", { KeyId })).Grants;
  assert.equal(grant.GrantId, made.GrantId);
  assert.deepEqual(grant.Constraints, { EncryptionContextSubset: { a: "1" } });
  assert.equal((await call("ListRetirableGrants", { RetiringPrincipal: annArn })).Grants.length, 1);
  await call("RetireGrant", { GrantToken: made.GrantToken }, ann);
  const second = await call("CreateGrant", { KeyId, GranteePrincipal: annArn, Operations: ["Encrypt"] });
  await encrypt();
  await call("RevokeGrant", { KeyId, GrantId: second.GrantId });
  assert.equal((await encrypt().catch((error) => error)).name, "AccessDeniedException");
  await refused(call("RevokeGrant", { KeyId, GrantId: second.GrantId }), "NotFoundException");
});

test("policies: the key's, the user's, both", async () => {
  const KeyId = await createKey();
  const { Policy } = await call("GetKeyPolicy", { KeyId, PolicyName: "default" });
  assert.equal(JSON.parse(Policy).Statement[0].Principal.AWS, rootArn);
  assert.deepEqual((await call("ListKeyPolicies", { KeyId })).PolicyNames, ["default"]);
  await refused(call("PutKeyPolicy", { KeyId, PolicyName: "default", Policy: "{}" }), "MalformedPolicyDocumentException");
  const user = (statements) => iam("PUT", `accounts/${account}/users/ann`, {
    access_keys: [{ access_key_id: annKey, secret_access_key: annSecret }],
    policies: { inline: { Version: "2012-10-17", Statement: statements } } });
  await user([{ Effect: "Allow", Action: "kms:Describe*", Resource: `arn:aws:kms:*:${account}:key/*` }]);
  await call("DescribeKey", { KeyId }, ann);
  await user([{ Effect: "Allow", Action: "kms:*", Resource: "*" }, { Effect: "Deny", Action: "kms:DescribeKey", Resource: "*" }]);
  const denied = await call("DescribeKey", { KeyId }, ann).catch((error) => error);
  assert.ok(denied.message.endsWith("with an explicit deny in an identity-based policy"), denied.message);
  const statement = { Sid: "Pinned", Effect: "Allow", Principal: { AWS: annArn }, Action: "kms:Encrypt", Resource: "*",
    Condition: { StringEquals: { "kms:EncryptionContext:app": "x" } } };
  await call("PutKeyPolicy", { KeyId, PolicyName: "default", Policy: JSON.stringify({ Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: rootArn }, Action: "kms:P*", Resource: "*" }, statement] }) });
  await call("Encrypt", { KeyId, Plaintext, EncryptionContext: { app: "x" } }, ann);
  const missed = await call("Encrypt", { KeyId, Plaintext }, ann).catch((error) => error);
  assert.equal(missed.name, "AccessDeniedException");
});

test("rotation keeps old ciphertexts good", async () => {
  const KeyId = await createKey();
  const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext });
  assert.equal((await call("GetKeyRotationStatus", { KeyId })).KeyRotationEnabled, false);
  await call("EnableKeyRotation", { KeyId, RotationPeriodInDays: 180 });
  const status = await call("GetKeyRotationStatus", { KeyId });
  assert.equal(status.RotationPeriodInDays, 180);
  assert.ok(status.NextRotationDate instanceof Date);
  await call("RotateKeyOnDemand", { KeyId });
  assert.equal((await call("ListKeyRotations", { KeyId })).Rotations.length, 1);
  assert.deepEqual(Buffer.from((await call("Decrypt", { CiphertextBlob })).Plaintext), Plaintext);
  await call("DisableKeyRotation", { KeyId });
  assert.equal((await call("GetKeyRotationStatus", { KeyId })).KeyRotationEnabled, false);
});

test("regions and accounts are worlds of their own", async () => {
  await iam("PUT", "accounts/222222222222", { access_keys: [{ access_key_id: "AKIAOTHER00000000001",
    secret_access_key: "the secret of another account" }] });
  const other = client({ accessKeyId: "AKIAOTHER00000000001", secretAccessKey: "the secret of another account" });
  const KeyId = await createKey();
  assert.equal((await call("ListKeys", {}, other)).Keys.length, 0);
  assert.equal((await call("DescribeKey", { KeyId }, other).catch((error) => error)).name, "AccessDeniedException");
  const { KeyMetadata } = await call("CreateKey", {}, other);
  assert.equal(KeyMetadata.AWSAccountId, "222222222222");
  const west = client({ accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key }, "eu-west-1");
  assert.equal((await call("ListKeys", {}, west)).Keys.length, 0);
  assert.match((await call("CreateKey", {}, west)).KeyMetadata.Arn, /^arn:aws:kms:eu-west-1:/);
  await refused(call("DescribeKey", { KeyId }, west), "NotFoundException");
});

test("the SDK drove every operation", () => {
  assert.deepEqual([...called].sort(), operations);
});

test("awscli drives every operation", async (t) => {
  if (!fs.existsSync("/usr/bin/aws")) return t.skip("awscli is not installed: tools/deps.sh installs it");
  const env = { PATH: process.env.PATH, HOME: system.folder, AWS_ACCESS_KEY_ID: ready.access_key_id,
    AWS_SECRET_ACCESS_KEY: ready.secret_access_key, AWS_DEFAULT_REGION: ready.region, AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "", AWS_MAX_ATTEMPTS: "1" };
  const done = new Set();
  const aws = async (command, ...args) => {
    done.add(command);
    const { code, stdout, stderr } = await run("/usr/bin/aws", ["--endpoint-url", ready.devcloud.kms, "--output", "json", "kms",
      command, ...args], { env });
    assert.equal(code, 0, `${command}: ${stderr}`);
    return stdout.trim() === "" ? undefined : JSON.parse(stdout);
  };
  const blobFile = (base64) => {
    const file = path.join(system.folder, `blob-${done.size}-${Math.random()}`);
    fs.writeFileSync(file, Buffer.from(base64, "base64"));
    return `fileb://${file}`;
  };
  const key = (await aws("create-key", "--description", "of awscli")).KeyMetadata.KeyId;
  const id = ["--key-id", key];
  assert.equal((await aws("describe-key", ...id)).KeyMetadata.Description, "of awscli");
  assert.ok((await aws("list-keys")).Keys.some((entry) => entry.KeyId === key));
  await aws("update-key-description", ...id, "--description", "x");
  await aws("create-alias", "--alias-name", "alias/cli", "--target-key-id", key);
  await aws("update-alias", "--alias-name", "alias/cli", "--target-key-id", key);
  assert.equal((await aws("list-aliases", ...id)).Aliases.length, 1);
  await aws("tag-resource", ...id, "--tags", "TagKey=a,TagValue=b");
  assert.equal((await aws("list-resource-tags", ...id)).Tags.length, 1);
  await aws("untag-resource", ...id, "--tag-keys", "a");
  const { Policy } = await aws("get-key-policy", ...id, "--policy-name", "default");
  await aws("put-key-policy", ...id, "--policy-name", "default", "--policy", Policy);
  assert.deepEqual((await aws("list-key-policies", ...id)).PolicyNames, ["default"]);
  const sealed = await aws("encrypt", "--key-id", "alias/cli", "--plaintext", blobFile("aGVsbG8="), "--encryption-context", "a=1");
  const blob = ["--ciphertext-blob", blobFile(sealed.CiphertextBlob)];
  assert.equal((await aws("decrypt", ...blob, "--encryption-context", "a=1")).Plaintext, "aGVsbG8=");
  await aws("re-encrypt", ...blob, "--source-encryption-context", "a=1", "--destination-key-id", key);
  await aws("generate-data-key", ...id, "--key-spec", "AES_256");
  await aws("generate-data-key-without-plaintext", ...id, "--number-of-bytes", "32");
  await aws("generate-data-key-pair", ...id, "--key-pair-spec", "ECC_SECG_P256K1");
  await aws("generate-data-key-pair-without-plaintext", ...id, "--key-pair-spec", "ECC_NIST_P256");
  assert.equal(Buffer.from((await aws("generate-random", "--number-of-bytes", "9")).Plaintext, "base64").length, 9);
  const grant = ["--grantee-principal", annArn, "--retiring-principal", rootArn, "--operations", "Encrypt"];
  const one = await aws("create-grant", ...id, ...grant), two = await aws("create-grant", ...id, ...grant);
  assert.equal((await aws("list-grants", ...id)).Grants.length, 2);
  assert.equal((await aws("list-retirable-grants", "--retiring-principal", rootArn)).Grants.length, 2);
  await aws("revoke-grant", ...id, "--grant-id", one.GrantId);
  await aws("retire-grant", "--grant-token", two.GrantToken);
  await aws("enable-key-rotation", ...id);
  assert.equal((await aws("get-key-rotation-status", ...id)).KeyRotationEnabled, true);
  await aws("disable-key-rotation", ...id);
  await aws("delete-alias", "--alias-name", "alias/cli");
  await aws("disable-key", ...id);
  await aws("enable-key", ...id);
  await aws("schedule-key-deletion", ...id, "--pending-window-in-days", "7");
  await aws("cancel-key-deletion", ...id);
  const kebab = (name) => name.replace(/(?<!^)([A-Z])/g, "-$1").toLowerCase();
  // Debian 12's awscli (2.9) is older than these two.
  const newer = ["list-key-rotations", "rotate-key-on-demand"];
  assert.deepEqual([...done].sort(), operations.map(kebab).filter((name) => !newer.includes(name)).sort());
  const { code, stderr } = await run("/usr/bin/aws", ["--endpoint-url", ready.devcloud.kms, "kms", "describe-key", "--key-id", "none"], { env });
  assert.notEqual(code, 0);
  assert.match(stderr, /NotFoundException/);
});
