// SPDX-License-Identifier: Apache-2.0
// Secrets Manager, STS, IMDSv2 and the container endpoint of devcloud, by AWS's own SDK and command line: only the
// endpoint differs.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import * as sm from "@aws-sdk/client-secrets-manager";
import { SignatureV4 } from "@smithy/signature-v4";
import { fromContainerMetadata, fromHttp, fromInstanceMetadata, fromWebToken } from "@aws-sdk/credential-providers";
import { redoubt, run, up } from "../lib.mjs";

const account = "000000000000";
const roleArn = `arn:aws:iam::${account}:role/reader`;
let system, ready, root, user, sts;

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("the call was not refused");
}

async function admin(method, target, body) {
  const answer = await fetch(ready.devcloud.kms + target, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${target}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

const client = (Client, credentials) => new Client({ region: ready.region, endpoint: ready.devcloud.sts, maxAttempts: 1, credentials });
const rootKeys = () => ({ accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key });
const userKeys = { accessKeyId: "AKIAREDOUBTUSER00001", secretAccessKey: "the secret key of a user of these tests" };

before(async () => {
  system = await up();
  ready = system.ready();
  root = client(sm.SecretsManagerClient, rootKeys());
  sts = client(STSClient, userKeys);
  user = client(sm.SecretsManagerClient, userKeys);
  const allow = (Action, Resource = "*") => ({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action, Resource }] });
  await admin("PUT", `/redoubt/iam/accounts/${account}/users/alice`, {
    access_keys: [{ access_key_id: userKeys.accessKeyId, secret_access_key: userKeys.secretAccessKey }],
    policies: { assume: allow("sts:AssumeRole") } });
  await admin("PUT", `/redoubt/iam/accounts/${account}/roles/reader`, {
    trust_policy: { Version: "2012-10-17", Statement: [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:user/alice` }, Action: "sts:AssumeRole",
        Condition: { StringEquals: { "sts:ExternalId": "the-external-id" } } },
      { Effect: "Allow", Principal: { Federated: `arn:aws:iam::${account}:oidc-provider/oidc.example/id` },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: { StringEquals: { "oidc.example/id:sub": "system:serviceaccount:default:signer" } } }] },
    policies: { read: allow(["secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"]) } });
});
after(async () => {
  await system?.stop();
  system?.remove();
});

test("every operation of Secrets Manager answers the SDK", async () => {
  const send = (name, input) => root.send(new sm[`${name}Command`](input));
  const SecretId = "every/operation";
  const created = await send("CreateSecret", { Name: SecretId, SecretString: "one", Description: "First", Tags: [{ Key: "team", Value: "red" }] });
  const put = await send("PutSecretValue", { SecretId, SecretString: "two" });
  assert.equal((await send("GetSecretValue", { SecretId })).SecretString, "two");
  await send("UpdateSecret", { SecretId: created.ARN, Description: "Second" });
  await send("TagResource", { SecretId, Tags: [{ Key: "env", Value: "test" }] });
  await send("UntagResource", { SecretId, TagKeys: ["team"] });
  const described = await send("DescribeSecret", { SecretId });
  assert.deepEqual(described.Tags, [{ Key: "env", Value: "test" }]);
  assert.ok(described.LastAccessedDate instanceof Date);
  const listed = await send("ListSecrets", { Filters: [{ Key: "name", Values: ["every/"] }, { Key: "tag-key", Values: ["en"] },
    { Key: "description", Values: ["sec"] }, { Key: "tag-value", Values: ["!prod"] }] });
  assert.deepEqual(listed.SecretList.map((secret) => secret.Name), [SecretId]);
  const versions = await send("ListSecretVersionIds", { SecretId, IncludeDeprecated: true });
  assert.deepEqual(versions.Versions.map((version) => version.VersionStages), [["AWSPREVIOUS"], ["AWSCURRENT"]]);
  await send("UpdateSecretVersionStage", { SecretId, VersionStage: "AWSCURRENT", RemoveFromVersionId: put.VersionId,
    MoveToVersionId: created.VersionId });
  assert.equal((await send("GetSecretValue", { SecretId })).SecretString, "one");
  assert.equal((await send("GetSecretValue", { SecretId, VersionStage: "AWSPREVIOUS" })).SecretString, "two");

  const policy = (Principal) => JSON.stringify({ Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal, Action: "secretsmanager:GetSecretValue", Resource: "*" }] });
  assert.ok(await refusal(user.send(new sm.GetSecretValueCommand({ SecretId }))).then((e) => e.name === "AccessDeniedException"));
  const ResourcePolicy = policy({ AWS: `arn:aws:iam::${account}:user/alice` });
  await send("PutResourcePolicy", { SecretId, ResourcePolicy, BlockPublicPolicy: true });
  assert.equal((await send("GetResourcePolicy", { SecretId })).ResourcePolicy, ResourcePolicy);
  assert.equal((await user.send(new sm.GetSecretValueCommand({ SecretId }))).SecretString, "one");
  assert.ok((await send("ValidateResourcePolicy", { SecretId, ResourcePolicy })).PolicyValidationPassed);
  assert.equal((await send("ValidateResourcePolicy", { ResourcePolicy: policy("*") })).PolicyValidationPassed, false);
  assert.ok(await refusal(send("PutResourcePolicy", { SecretId, ResourcePolicy: policy("*"), BlockPublicPolicy: true }))
    instanceof sm.PublicPolicyException);
  assert.ok(await refusal(send("PutResourcePolicy", { SecretId, ResourcePolicy: "{}" })) instanceof sm.MalformedPolicyDocumentException);
  await send("DeleteResourcePolicy", { SecretId });
  assert.equal((await send("GetResourcePolicy", { SecretId })).ResourcePolicy, undefined);

  const { RandomPassword } = await send("GetRandomPassword", { PasswordLength: 40, ExcludePunctuation: true });
  assert.match(RandomPassword, /^[A-Za-z0-9]{40}$/);

  const { DeletionDate } = await send("DeleteSecret", { SecretId, RecoveryWindowInDays: 7 });
  assert.ok(Math.abs(DeletionDate - Date.now() - 7 * 86_400_000) < 60_000);
  assert.ok(await refusal(send("GetSecretValue", { SecretId })) instanceof sm.InvalidRequestException);
  assert.ok(await refusal(send("CreateSecret", { Name: SecretId, SecretString: "x" })) instanceof sm.InvalidRequestException);
  await send("RestoreSecret", { SecretId });
  assert.equal((await send("GetSecretValue", { SecretId })).SecretString, "one");
  await send("DeleteSecret", { SecretId, ForceDeleteWithoutRecovery: true });
  assert.ok(await refusal(send("DescribeSecret", { SecretId })) instanceof sm.ResourceNotFoundException);
});

test("STS gives a role's session to whom its trust policy names, with the external id it asks for", async () => {
  const input = { RoleArn: roleArn, RoleSessionName: "session-1", ExternalId: "the-external-id", DurationSeconds: 900 };
  const assumed = await sts.send(new AssumeRoleCommand(input));
  assert.equal(assumed.AssumedRoleUser.Arn, `arn:aws:sts::${account}:assumed-role/reader/session-1`);
  assert.ok(Math.abs(assumed.Credentials.Expiration - Date.now() - 900_000) < 10_000);
  const credentials = { accessKeyId: assumed.Credentials.AccessKeyId, secretAccessKey: assumed.Credentials.SecretAccessKey,
    sessionToken: assumed.Credentials.SessionToken };
  const who = await client(STSClient, credentials).send(new GetCallerIdentityCommand({}));
  assert.equal(who.Arn, assumed.AssumedRoleUser.Arn);
  assert.equal(who.UserId, assumed.AssumedRoleUser.AssumedRoleId);
  await client(sm.SecretsManagerClient, credentials).send(new sm.ListSecretsCommand({}));

  for (const wrong of [{ ExternalId: undefined }, { ExternalId: "another" }, { RoleArn: roleArn + "-none" }])
    assert.equal((await refusal(sts.send(new AssumeRoleCommand({ ...input, ...wrong })))).name, "AccessDenied");
  assert.equal((await refusal(client(STSClient, rootKeys()).send(new AssumeRoleCommand(input)))).name, "AccessDenied");
  for (const wrong of [{ DurationSeconds: 899 }, { DurationSeconds: 43_201 }, { DurationSeconds: 7_200 }, { RoleSessionName: "x" },
    { RoleSessionName: "a b" }, { Tags: [{ Key: "a", Value: "b" }] }, { SerialNumber: "000000000" }])
    assert.equal((await refusal(sts.send(new AssumeRoleCommand({ ...input, ...wrong })))).name, "ValidationError", JSON.stringify(wrong));

  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "secretsmanager:GetSecretValue",
    Resource: "*" }] });
  const bounded = await sts.send(new AssumeRoleCommand({ ...input, Policy }));
  assert.ok(bounded.PackedPolicySize > 0);
  const few = { accessKeyId: bounded.Credentials.AccessKeyId, secretAccessKey: bounded.Credentials.SecretAccessKey,
    sessionToken: bounded.Credentials.SessionToken };
  const denied = await refusal(client(sm.SecretsManagerClient, few).send(new sm.ListSecretsCommand({})));
  assert.equal(denied.name, "AccessDeniedException");
  assert.ok(denied.message.includes("session policy"), denied.message);
});

// A provider with one key of each kind, and tokens of it.
const base64url = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
function provider() {
  const keys = { RS256: crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }), ES256: crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }) };
  const now = Math.floor(Date.now() / 1000);
  return {
    jwks: { keys: Object.entries(keys).map(([kid, { publicKey }]) => ({ ...publicKey.export({ format: "jwk" }), kid, use: "sig" })) },
    token: (alg, claims = {}, header = {}) => {
      const signed = `${base64url({ alg, kid: alg, typ: "JWT", ...header })}.${base64url({ iss: "https://oidc.example/id",
        sub: "system:serviceaccount:default:signer", aud: ["sts.amazonaws.com"], iat: now, nbf: now, exp: now + 600, ...claims })}`;
      const signature = crypto.sign("sha256", signed, { key: keys[alg].privateKey, dsaEncoding: "ieee-p1363" });
      return `${signed}.${signature.toString("base64url")}`;
    },
  };
}

test("STS takes a web identity that a registered provider signed, and no other", async () => {
  const oidc = provider();
  await admin("PUT", "/redoubt/oidc-providers", [{ issuer: "https://oidc.example/id", audiences: ["sts.amazonaws.com"], jwks: oidc.jwks }]);
  const unsigned = new STSClient({ region: ready.region, endpoint: ready.devcloud.sts, maxAttempts: 1,
    credentials: async () => { throw new Error("no credentials are needed"); } });
  const assume = (WebIdentityToken) => unsigned.send(new AssumeRoleWithWebIdentityCommand({ RoleArn: roleArn, RoleSessionName: "pod",
    WebIdentityToken }));
  for (const alg of ["RS256", "ES256"]) {
    const assumed = await assume(oidc.token(alg));
    assert.equal(assumed.AssumedRoleUser.Arn, `arn:aws:sts::${account}:assumed-role/reader/pod`);
    assert.equal(assumed.SubjectFromWebIdentityToken, "system:serviceaccount:default:signer");
    assert.equal(assumed.Provider, "https://oidc.example/id");
    assert.equal(assumed.Audience, "sts.amazonaws.com");
  }
  const now = Math.floor(Date.now() / 1000);
  const good = oidc.token("RS256");
  const altered = good.slice(0, -8) + (good.at(-8) === "A" ? "B" : "A") + good.slice(-7);
  const other = provider();
  const cases = [
    [altered, "InvalidIdentityToken"],
    [other.token("RS256"), "InvalidIdentityToken"],
    [other.token("ES256", {}, { kid: "RS256" }), "InvalidIdentityToken"],
    [good.split(".").slice(0, 2).join(".") + ".", "InvalidIdentityToken"],
    [`${base64url({ alg: "none" })}.${good.split(".")[1]}.`, "InvalidIdentityToken"],
    ["nonsense", "InvalidIdentityToken"],
    [oidc.token("RS256", { iss: "https://oidc.example/other" }), "InvalidIdentityToken"],
    [oidc.token("RS256", { aud: "another" }), "InvalidIdentityToken"],
    [oidc.token("RS256", { exp: now - 1 }), "ExpiredTokenException"],
    [oidc.token("RS256", { nbf: now + 3600 }), "IDPRejectedClaim"],
    [oidc.token("RS256", { sub: undefined }), "IDPRejectedClaim"],
    [oidc.token("RS256", { sub: "system:serviceaccount:default:other" }), "AccessDenied"],
  ];
  for (const [token, name] of cases) {
    const error = await refusal(assume(token));
    assert.equal(error.name.replace(/Exception$/, ""), name.replace(/Exception$/, ""), `${token}: ${error.message}`);
  }
  const viaChain = await fromWebToken({ roleArn, roleSessionName: "chain", webIdentityToken: oidc.token("ES256"),
    clientConfig: { region: ready.region, endpoint: ready.devcloud.sts } })();
  assert.match(viaChain.accessKeyId, /^ASIA/);
});

// As EKS's tokens and Vault's AWS login do it.
test("STS says who signed a URL, until it expires or a byte of it changes", async () => {
  class Sha256 {
    constructor(secret) { this.hash = secret ? crypto.createHmac("sha256", secret) : crypto.createHash("sha256"); }
    update(data) { this.hash.update(data); }
    async digest() { return this.hash.digest(); }
  }
  const { protocol, hostname, port } = new URL(ready.devcloud.sts);
  const presign = async (options) => {
    const signer = new SignatureV4({ service: "sts", region: ready.region, credentials: userKeys, sha256: Sha256 });
    const { query } = await signer.presign({ method: "GET", protocol, hostname, port: Number(port), path: "/",
      headers: { host: `${hostname}:${port}`, "x-k8s-aws-id": "cluster" },
      query: { Action: "GetCallerIdentity", Version: "2011-06-15" } }, options);
    return `${ready.devcloud.sts}/?${new URLSearchParams(query)}`.replaceAll("+", "%20");
  };
  const ask = async (url, id = "cluster") => {
    const answer = await fetch(url, { headers: { "x-k8s-aws-id": id } });
    return { status: answer.status, text: await answer.text() };
  };
  const url = await presign({ expiresIn: 60, unhoistableHeaders: new Set(["x-k8s-aws-id"]) });
  const good = await ask(url);
  assert.equal(good.status, 200, good.text);
  assert.match(good.text, /<Arn>arn:aws:iam::000000000000:user\/alice<\/Arn>/);
  assert.equal((await ask(url, "another")).status, 403);
  assert.match((await ask(url.replace("2011-06-15", "2011-06-16"))).text, /<Code>SignatureDoesNotMatch<\/Code>/);
  const old = await presign({ expiresIn: 60, signingDate: new Date(Date.now() - 61_000) });
  const expired = await ask(old);
  assert.equal(expired.status, 403, expired.text);
  assert.match(expired.text, /Signature expired/);
});

test("the SDK's providers take credentials of IMDSv2 and of both container endpoints", async () => {
  await admin("PUT", "/redoubt/container-credentials", [
    { id: "task-1", role: "reader" }, { id: "pod-1", role: "reader", authorization: "a pod's token" }]);
  const arnOf = async (credentials) => (await client(STSClient, credentials).send(new GetCallerIdentityCommand({}))).Arn;
  const endpoint = ready.devcloud.imds;
  process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = `${endpoint}/v2/credentials/task-1`;
  try {
    assert.equal(await arnOf(await fromContainerMetadata({ timeout: 5000, maxRetries: 0 })()),
      `arn:aws:sts::${account}:assumed-role/reader/task-1`);
  } finally {
    delete process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  }
  const pod = (awsContainerAuthorizationToken) => fromHttp({ awsContainerCredentialsFullUri: `${endpoint}/v1/credentials`,
    awsContainerAuthorizationToken, maxRetries: 0 })();
  assert.equal(await arnOf(await pod("a pod's token")), `arn:aws:sts::${account}:assumed-role/reader/pod-1`);
  await refusal(pod("another"));

  process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = endpoint;
  try {
    const imds = () => fromInstanceMetadata({ ec2MetadataV1Disabled: true, maxRetries: 0, timeout: 5000 })();
    assert.match(await arnOf(await imds()), /assumed-role\/redoubt-instance\/i-/);
    await admin("PUT", "/redoubt/imds", { hop_limit: 1, hops: 2 });
    await refusal(imds());
    await admin("PUT", "/redoubt/imds", { hop_limit: 2 });
    await imds();
  } finally {
    delete process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT;
    await admin("DELETE", "/redoubt/imds");
  }
});

test("AWS's command line drives the same operations", async (t) => {
  const aws = "/usr/bin/aws";
  if (!fs.existsSync(aws)) return t.skip("Debian's awscli is not installed (tools/deps.sh)");
  const env = { PATH: process.env.PATH, HOME: system.folder, AWS_ACCESS_KEY_ID: ready.access_key_id,
    AWS_SECRET_ACCESS_KEY: ready.secret_access_key, AWS_DEFAULT_REGION: ready.region, AWS_MAX_ATTEMPTS: "1" };
  const cli = async (extra, ...args) => {
    const ended = await run(aws, ["--endpoint-url", ready.devcloud.kms, "--output", "json", ...args], { env: { ...env, ...extra } });
    return { ...ended, body: ended.code === 0 && ended.stdout ? JSON.parse(ended.stdout) : undefined };
  };
  const secrets = async (...args) => {
    const ended = await cli({}, "secretsmanager", ...args);
    assert.equal(ended.code, 0, `${args}: ${ended.stderr}`);
    return ended.body;
  };
  const id = ["--secret-id", "cli/one"];
  const { VersionId } = await secrets("create-secret", "--name", "cli/one", "--secret-string", "one", "--tags", "Key=a,Value=b");
  const put = await secrets("put-secret-value", ...id, "--secret-string", "two");
  assert.equal((await secrets("get-secret-value", ...id)).SecretString, "two");
  await secrets("update-secret", ...id, "--description", "by the command line");
  assert.equal((await secrets("describe-secret", ...id)).Description, "by the command line");
  assert.equal((await secrets("list-secrets", "--filters", "Key=name,Values=cli/")).SecretList.length, 1);
  assert.equal((await secrets("list-secret-version-ids", ...id)).Versions.length, 2);
  await secrets("update-secret-version-stage", ...id, "--version-stage", "mine", "--move-to-version-id", VersionId);
  await secrets("update-secret-version-stage", ...id, "--version-stage", "AWSCURRENT", "--move-to-version-id", VersionId,
    "--remove-from-version-id", put.VersionId);
  await secrets("tag-resource", ...id, "--tags", "Key=c,Value=d");
  await secrets("untag-resource", ...id, "--tag-keys", "a");
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Deny", Principal: "*",
    Action: "secretsmanager:PutSecretValue", Resource: "*" }] });
  await secrets("put-resource-policy", ...id, "--resource-policy", policy);
  assert.equal((await secrets("get-resource-policy", ...id)).ResourcePolicy, policy);
  const denied = await cli({}, "secretsmanager", "put-secret-value", ...id, "--secret-string", "x");
  assert.notEqual(denied.code, 0);
  assert.ok(denied.stderr.includes("AccessDeniedException"), denied.stderr);
  await secrets("validate-resource-policy", "--resource-policy", policy);
  await secrets("delete-resource-policy", ...id);
  assert.equal((await secrets("get-random-password", "--password-length", "12")).RandomPassword.length, 12);
  await secrets("delete-secret", ...id, "--recovery-window-in-days", "7");
  await secrets("restore-secret", ...id);
  await secrets("delete-secret", ...id, "--force-delete-without-recovery");

  assert.equal((await cli({}, "sts", "get-caller-identity")).body.Account, account);
  const keys = { AWS_ACCESS_KEY_ID: userKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: userKeys.secretAccessKey };
  const assumed = await cli(keys, "sts", "assume-role", "--role-arn", roleArn, "--role-session-name", "cli", "--external-id", "the-external-id");
  assert.equal(assumed.code, 0, assumed.stderr);
  const oidc = provider();
  await admin("PUT", "/redoubt/oidc-providers", [{ issuer: "https://oidc.example/id", audiences: ["sts.amazonaws.com"], jwks: oidc.jwks }]);
  const web = await cli({ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }, "sts", "assume-role-with-web-identity", "--role-arn", roleArn,
    "--role-session-name", "cli", "--web-identity-token", oidc.token("RS256"));
  assert.equal(web.code, 0, web.stderr);
});

test("all state goes out and in again, and only when nobody uses it", async () => {
  const dataDir = path.join(system.folder, "devcloud");
  const file = path.join(system.folder, "export.json");
  const busy = await run(redoubt, ["devcloud", "export", "--data-dir", dataDir, file]);
  assert.equal(busy.code, 1, busy.stderr);
  assert.ok(busy.stderr.includes("stop it first"), busy.stderr);
  await root.send(new sm.CreateSecretCommand({ Name: "exported", SecretString: "carried along" }));
  await system.stop();
  const exported = await run(redoubt, ["devcloud", "export", "--data-dir", dataDir, file]);
  assert.equal(exported.code, 0, exported.stderr);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  for (const name of ["devcloud.db", "devcloud.db-wal", "devcloud.db-shm"]) fs.rmSync(path.join(dataDir, name), { force: true });
  const imported = await run(redoubt, ["devcloud", "import", "--data-dir", dataDir, file]);
  assert.equal(imported.code, 0, imported.stderr);
  assert.equal((await run(redoubt, ["devcloud", "import", "--data-dir", dataDir, file])).code, 1, "not over another");
  system = await up({ dataDir: system.folder });
  ready = system.ready();
  root = client(sm.SecretsManagerClient, rootKeys());
  assert.equal((await root.send(new sm.GetSecretValueCommand({ SecretId: "exported" }))).SecretString, "carried along");
  const signed = await system.json("POST", `/v1/keys/${ready.key_id}/sign-transaction`, { transaction: { type: "0x2", chainId: "0x1", nonce: "0x0",
    gas: "0x5208", maxFeePerGas: "0x1", maxPriorityFeePerGas: "0x1", to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "0x1" } });
  assert.equal(signed.status, 200, JSON.stringify(signed.body));
});
