// SPDX-License-Identifier: Apache-2.0
// devcloud as AWS's own SDK sees it: nothing but the endpoint is changed, and every error is the SDK's own class.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CreateKeyCommand, DecryptCommand, DescribeKeyCommand, EncryptCommand, GenerateDataKeyCommand, GetKeyPolicyCommand,
  IncorrectKeyException, InvalidCiphertextException, KMSClient, MalformedPolicyDocumentException, NotFoundException,
  PutKeyPolicyCommand, paginateListKeys } from "@aws-sdk/client-kms";
import { CreateSecretCommand, DescribeSecretCommand, GetSecretValueCommand, PutSecretValueCommand, ResourceExistsException,
  ResourceNotFoundException, SecretsManagerClient, UpdateSecretCommand, paginateListSecrets } from "@aws-sdk/client-secrets-manager";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { fromInstanceMetadata } from "@aws-sdk/credential-providers";
import { up } from "./lib.mjs";

const account = "000000000000";
const rootArn = `arn:aws:iam::${account}:root`;
const sessionArn = new RegExp(`^arn:aws:sts::${account}:assumed-role/redoubt-instance/i-[0-9a-f]{17}$`);

let system, ready, root, instance;
before(async () => {
  system = await up();
  ready = system.ready();
  root = clients({ accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key });
  // As on an EC2 instance, where the SDK finds the service by itself.
  process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = ready.devcloud.imds;
  instance = clients(fromInstanceMetadata({ ec2MetadataV1Disabled: true }));
});
after(async () => {
  await system?.stop();
  system?.remove();
});

function clients(credentials, region = ready.region) {
  const options = (endpoint) => ({ region, endpoint, credentials, maxAttempts: 1 });
  return { kms: new KMSClient(options(ready.devcloud.kms)), sts: new STSClient(options(ready.devcloud.sts)),
    secrets: new SecretsManagerClient(options(ready.devcloud.secretsmanager)) };
}

// The error that a call is refused with.
async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("the call was not refused");
}

async function expectDenied(promise, action) {
  const error = await refusal(promise);
  assert.equal(error.name, "AccessDeniedException", error.message);
  assert.equal(error.$metadata.httpStatusCode, 400);
  assert.ok(error.message.includes(`is not authorized to perform: ${action}`), error.message);
  return error;
}

const events = async (limit = 100) => (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=${limit}`)).json();
const createKey = async () => (await root.kms.send(new CreateKeyCommand({ Description: "of a test" }))).KeyMetadata;

test("KMS encrypts and decrypts under a context, and refuses another context or key", async () => {
  const { Arn: KeyId } = await createKey();
  const EncryptionContext = { "redoubt:vault": "v1", purpose: "é \"quoted\"" };
  const Plaintext = Buffer.from("a secret");
  const encrypted = await root.kms.send(new EncryptCommand({ KeyId, Plaintext, EncryptionContext }));
  assert.equal(encrypted.KeyId, KeyId);
  assert.match(encrypted.$metadata.requestId, /^[0-9a-f-]{36}$/);
  const decrypt = (more) => root.kms.send(new DecryptCommand({ CiphertextBlob: encrypted.CiphertextBlob, EncryptionContext,
    ...more }));
  for (const more of [{}, { KeyId }, { EncryptionContext: Object.fromEntries(Object.entries(EncryptionContext).reverse()) }]) {
    const decrypted = await decrypt(more);
    assert.deepEqual(Buffer.from(decrypted.Plaintext), Plaintext);
    assert.equal(decrypted.KeyId, KeyId);
    assert.equal(decrypted.EncryptionAlgorithm, "SYMMETRIC_DEFAULT");
    assert.equal(decrypted.CiphertextForRecipient, undefined);
  }
  for (const wrong of [undefined, {}, { ...EncryptionContext, more: "" }, { ...EncryptionContext, "redoubt:vault": "V1" }]) {
    const error = await refusal(decrypt({ EncryptionContext: wrong }));
    assert.ok(error instanceof InvalidCiphertextException, error.name);
  }
  const altered = Uint8Array.from(encrypted.CiphertextBlob);
  altered[altered.length - 1] ^= 1;
  assert.ok(await refusal(decrypt({ CiphertextBlob: altered })) instanceof InvalidCiphertextException);
  const { Arn: other } = await createKey();
  assert.ok(await refusal(decrypt({ KeyId: other })) instanceof IncorrectKeyException);
  const nowhere = "11111111-2222-3333-4444-555555555555";
  assert.ok(await refusal(decrypt({ KeyId: nowhere })) instanceof NotFoundException);
});

test("KMS makes data keys, describes and lists keys, and keeps policies", async () => {
  const { Arn: KeyId, CreationDate } = await createKey();
  assert.ok(Math.abs(Date.now() - CreationDate.getTime()) < 60_000, "a date as the SDK reads it");
  const made = await root.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
  assert.equal(made.Plaintext.length, 32);
  const opened = await root.kms.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }));
  assert.deepEqual(opened.Plaintext, made.Plaintext);
  const both = await refusal(root.kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", NumberOfBytes: 32 })));
  assert.equal(both.name, "ValidationException");

  assert.equal((await root.kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata.Description, "of a test");
  const listed = [];
  for await (const page of paginateListKeys({ client: root.kms, pageSize: 2 }, {})) {
    assert.ok(page.Keys.length <= 2);
    listed.push(...page.Keys.map((key) => key.KeyArn));
  }
  assert.equal(new Set(listed).size, listed.length);
  for (const arn of [KeyId, ready.kms_key_arn, ready.reference_kms_key_arn]) assert.ok(listed.includes(arn), arn);

  const name = { KeyId, PolicyName: "default" };
  const { Policy } = await root.kms.send(new GetKeyPolicyCommand(name));
  assert.equal(JSON.parse(Policy).Statement[0].Principal.AWS, rootArn);
  const malformed = await refusal(root.kms.send(new PutKeyPolicyCommand({ ...name, Policy: "{}" })));
  assert.ok(malformed instanceof MalformedPolicyDocumentException, malformed.name);
  await root.kms.send(new PutKeyPolicyCommand({ ...name, Policy }));
  assert.equal((await root.kms.send(new GetKeyPolicyCommand(name))).Policy, Policy);
});

test("nobody uses Redoubt's keys without an attestation document, whoever he is", async () => {
  const { SecretString } = await root.secrets.send(new GetSecretValueCommand({ SecretId: ready.secret_id }));
  const CiphertextBlob = Buffer.from(SecretString, "base64");
  for (const { kms } of [root, instance]) {
    const decrypt = (more) => kms.send(new DecryptCommand({ CiphertextBlob, KeyId: ready.reference_kms_key_arn, ...more }));
    const denied = await expectDenied(decrypt(), "kms:Decrypt");
    assert.ok(denied.message.includes("explicit deny"), denied.message);
    await expectDenied(kms.send(new GenerateDataKeyCommand({ KeyId: ready.kms_key_arn, KeySpec: "AES_256" })),
      "kms:GenerateDataKey");
    await expectDenied(kms.send(new EncryptCommand({ KeyId: ready.kms_key_arn, Plaintext: Buffer.from("planted") })), "kms:Encrypt");
    for (const AttestationDocument of [Buffer.from("no document"), Buffer.alloc(5000)]) {
      const error = await refusal(decrypt({ Recipient: { KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256", AttestationDocument } }));
      assert.equal(error.name, "ValidationException");
    }
  }
});

test("the enclave's own calls are attested by the pinned measurements", async () => {
  const all = await events(1000);
  const attested = all.filter((event) => event.moduleId !== null);
  assert.ok(attested.some((event) => event.eventName === "GenerateDataKey" && event.keyArn === ready.kms_key_arn));
  for (const event of attested) {
    assert.equal(event.pcr0, ready.pcr0);
    assert.equal(event.pcr16, ready.pcr16);
    assert.match(event.moduleId, /^i-[0-9a-f]{17}-enc[0-9a-f]{16}$/);
    assert.match(event.principal, sessionArn);
    assert.equal(event.errorCode, null);
  }
});

test("Secrets Manager keeps values, versions and stages", async () => {
  const { secrets } = root;
  const created = await secrets.send(new CreateSecretCommand({ Name: "e2e/one", SecretString: "first",
    Tags: [{ Key: "a", Value: "b" }] }));
  assert.match(created.ARN, new RegExp(`^arn:aws:secretsmanager:${ready.region}:${account}:secret:e2e/one-[A-Za-z0-9]{6}$`));
  const get = (more) => secrets.send(new GetSecretValueCommand({ SecretId: "e2e/one", ...more }));
  const first = await get();
  assert.equal(first.SecretString, "first");
  assert.equal(first.VersionId, created.VersionId);
  assert.ok(first.CreatedDate instanceof Date && Math.abs(Date.now() - first.CreatedDate.getTime()) < 60_000);
  const put = await secrets.send(new PutSecretValueCommand({ SecretId: created.ARN, SecretBinary: Buffer.from([0, 255]) }));
  assert.deepEqual(put.VersionStages, ["AWSCURRENT"]);
  assert.deepEqual([...(await get()).SecretBinary], [0, 255]);
  assert.equal((await get({ VersionStage: "AWSPREVIOUS" })).SecretString, "first");
  assert.equal((await get({ VersionId: created.VersionId })).SecretString, "first");
  await secrets.send(new UpdateSecretCommand({ SecretId: "e2e/one", Description: "updated", SecretString: "third" }));
  const described = await secrets.send(new DescribeSecretCommand({ SecretId: "e2e/one" }));
  assert.equal(described.Description, "updated");
  assert.deepEqual(described.Tags, [{ Key: "a", Value: "b" }]);
  assert.deepEqual(described.VersionIdsToStages[put.VersionId], ["AWSPREVIOUS"]);

  const missing = await refusal(get({ SecretId: "e2e/none" }));
  assert.ok(missing instanceof ResourceNotFoundException, missing.name);
  assert.equal(missing.message, "Secrets Manager can't find the specified secret.");
  const twice = await refusal(secrets.send(new CreateSecretCommand({ Name: "e2e/one", SecretString: "x" })));
  assert.ok(twice instanceof ResourceExistsException, twice.name);
  await secrets.send(new CreateSecretCommand({ Name: "e2e/two", SecretString: "x" }));
  const names = [];
  for await (const page of paginateListSecrets({ client: secrets, pageSize: 1 }, {}))
    names.push(...page.SecretList.map((secret) => secret.Name));
  assert.ok(names.includes("e2e/one") && names.includes("e2e/two"), names.join());
});

test("the SDK gets the instance's credentials by IMDSv2, and version 1 is refused", async () => {
  const credentials = await fromInstanceMetadata({ ec2MetadataV1Disabled: true })();
  assert.match(credentials.accessKeyId, /^ASIA/);
  assert.ok(credentials.sessionToken.length > 0);
  const hours = (credentials.expiration.getTime() - Date.now()) / 3_600_000;
  assert.ok(hours > 0.9 && hours <= 6, `${hours} hours left`);
  const again = await fromInstanceMetadata({ ec2MetadataV1Disabled: true })();
  assert.equal(again.accessKeyId, credentials.accessKeyId);
  const path = "/latest/meta-data/iam/security-credentials/";
  assert.equal((await fetch(ready.devcloud.imds + path)).status, 401);
  const altered = { ...credentials, sessionToken: credentials.sessionToken.slice(0, -4) + "AAAA" };
  assert.equal((await refusal(clients(altered).sts.send(new GetCallerIdentityCommand({})))).name, "InvalidClientTokenId");
});

test("the instance's role may read secrets and no more than that", async () => {
  assert.ok((await instance.secrets.send(new GetSecretValueCommand({ SecretId: ready.secret_id }))).SecretString);
  await expectDenied(instance.secrets.send(new PutSecretValueCommand({ SecretId: ready.secret_id, SecretString: "x" })),
    "secretsmanager:PutSecretValue");
  await expectDenied(instance.kms.send(new CreateKeyCommand({})), "kms:CreateKey");
  await expectDenied(instance.kms.send(new PutKeyPolicyCommand({ KeyId: ready.kms_key_arn, PolicyName: "default", Policy: "{}" })),
    "kms:PutKeyPolicy");
});

test("STS says who calls", async () => {
  const asRoot = await root.sts.send(new GetCallerIdentityCommand({}));
  assert.equal(asRoot.Arn, rootArn);
  assert.equal(asRoot.Account, account);
  assert.equal(asRoot.UserId, account);
  const asInstance = await instance.sts.send(new GetCallerIdentityCommand({}));
  assert.match(asInstance.Arn, sessionArn);
  assert.match(asInstance.UserId, /^AROA[A-Z2-7]{17}:i-[0-9a-f]{17}$/);
});

test("a wrong secret, an unknown key and a region that is none are told as AWS tells them", async () => {
  const callers = {
    "a wrong secret": [{ accessKeyId: ready.access_key_id, secretAccessKey: "wrong" }, "InvalidSignatureException",
      "SignatureDoesNotMatch"],
    "an unknown key": [{ accessKeyId: "AKIANOBODY0000000000", secretAccessKey: "x" }, "UnrecognizedClientException",
      "InvalidClientTokenId"],
    "a region that is none": [{ accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key },
      "InvalidSignatureException", "SignatureDoesNotMatch", "nowhere"],
  };
  for (const [what, [credentials, json, query, region]] of Object.entries(callers)) {
    const caller = clients(credentials, region);
    const decrypt = new DecryptCommand({ CiphertextBlob: Buffer.from("x") });
    const refused = [await refusal(caller.kms.send(decrypt)),
      await refusal(caller.secrets.send(new GetSecretValueCommand({ SecretId: ready.secret_id })))];
    for (const error of refused) {
      assert.equal(error.name, json, `${what}: ${error.message}`);
      assert.equal(error.$metadata.httpStatusCode, 400);
    }
    const sts = await refusal(caller.sts.send(new GetCallerIdentityCommand({})));
    assert.equal(sts.name, query, `${what}: ${sts.message}`);
    assert.equal(sts.$metadata.httpStatusCode, 403);
  }
  const [last] = (await events(1));
  assert.equal(last.eventName, "Decrypt");
  assert.equal(last.principal, null);
  assert.equal(last.errorCode, "InvalidSignatureException");
});
