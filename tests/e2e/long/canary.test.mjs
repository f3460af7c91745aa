// SPDX-License-Identifier: Apache-2.0
// The canary of deploy/lambda, as a function of its own role that may ask: key policies that deny, one that does not, and
// everything that is neither a denial nor a success.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { CreateKeyCommand, DisableKeyCommand, EncryptCommand } from "@aws-sdk/client-kms";
import { CreateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { keyPolicy, kms, secrets, setKeyPolicy, storeReferenceKey } from "../cloud.mjs";
import { judge } from "../../../deploy/lambda/canary.mjs";
import { awsEnvironment, bundle, functionOf, iamUser } from "../lambda.mjs";
import { up } from "../lib.mjs";

let system, ready, folder, role, faults, badKey, blob, referenceSecret;
const running = [];
before(async () => {
  system = await up();
  ready = system.ready();
  folder = await bundle(path.join(system.folder, "lambda"));
  // It may ask, so that what denies is the key's policy.
  const ask = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Resource: "*", Action: ["kms:Decrypt", "kms:GenerateDataKey", "secretsmanager:GetSecretValue"] }] };
  role = await iamUser(ready, "canary", { ask });
  faults = (rules) => fetch(`${ready.devcloud.kms}/redoubt/faults`, { method: rules ? "PUT" : "DELETE", body: rules && JSON.stringify(rules) }).then(({ ok, status }) => assert.ok(ok, `devcloud's faults: ${status}`));
  badKey = await newKey(); // AWS's default policy: whoever the account allows
  blob = await encrypted(badKey);
  referenceSecret = await storeReferenceKey(ready, "redoubt/reference/canary", crypto.randomBytes(32));
});
afterEach(() => faults());
after(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await system?.stop();
  system?.remove();
});

const newKey = async () => (await kms(ready).send(new CreateKeyCommand({}))).KeyMetadata.Arn;
const encrypted = async (KeyId, EncryptionContext) =>
  Buffer.from((await kms(ready).send(new EncryptCommand({ KeyId, Plaintext: crypto.randomBytes(32), EncryptionContext }))).CiphertextBlob).toString("base64");

// One run: what it answered, and the metrics that CloudWatch would read from its log, by key ("" for all together).
async function canary(targets, more = {}) {
  const one = await functionOf(folder, "canary.mjs", { ...awsEnvironment(ready), ...role, CANARY_TARGETS: typeof targets === "string" ? targets : JSON.stringify(targets), ...more });
  running.push(one);
  const { result, error } = await one.invoke({ "detail-type": "Scheduled Event" }, { remainingMs: 30_000 });
  const metrics = {};
  for (const line of one.logs().split("\n").filter((text) => text.startsWith('{"_aws"'))) {
    const { _aws, ...members } = JSON.parse(line);
    const [{ Namespace, Dimensions, Metrics }] = _aws.CloudWatchMetrics;
    assert.equal(Namespace, more.CANARY_NAMESPACE ?? "Redoubt");
    assert.ok(Math.abs(_aws.Timestamp - Date.now()) < 60_000);
    for (const name of Dimensions[0]) assert.equal(typeof members[name], "string");
    metrics[members.KeyArn ?? ""] = Object.fromEntries(Metrics.map(({ Name }) => [Name, members[Name]]));
  }
  return { result, code: error?.errorType, sentence: error?.errorMessage, metrics, log: one.logs() };
}
const passed = { CanaryRuns: 1, UnattestedUse: 0 }, alarmed = { CanaryRuns: 1, UnattestedUse: 1 }, unclear = { CanaryRuns: 0 };
const good = () => [{ key_arn: ready.kms_key_arn, encryption_context: { "redoubt:vault": "vault-" + "00".repeat(16) } }, { key_arn: ready.reference_kms_key_arn, secret_arn: referenceSecret }];

test("the policies of a system's own keys pass: neither a data key nor a stored ciphertext comes without an attestation", async () => {
  const { result, code, sentence, metrics } = await canary(good());
  assert.equal(code, undefined, sentence);
  assert.deepEqual(metrics, { [ready.kms_key_arn]: passed, [ready.reference_kms_key_arn]: passed, "": passed });
  assert.deepEqual(result.keys.map(({ calls }) => Object.entries(calls).map(([name, { outcome }]) => `${name} ${outcome}`)),
    [["GenerateDataKey denied"], ["GenerateDataKey denied", "Decrypt denied"]]);
});

test("a key policy that lets somebody in without an attestation raises the alarm, for that key and for all", async () => {
  const { code, sentence, metrics, log } = await canary([...good(), { key_arn: badKey, ciphertext: blob }]);
  assert.equal(code, "unattested_use");
  assert.ok(sentence.includes(badKey) && !sentence.includes(ready.kms_key_arn), sentence);
  assert.deepEqual([metrics[badKey], metrics[ready.kms_key_arn], metrics[""]], [alarmed, passed, alarmed]);
  assert.ok(!log.includes(blob));
});

test("a policy that denies data keys, and not the opening of what is stored, raises the alarm, too", async () => {
  const KeyId = await newKey(), context = { purpose: "canary" };
  const ciphertext = await encrypted(KeyId, context);
  const target = { key_arn: KeyId, ciphertext, encryption_context: context };
  const half = JSON.parse(await keyPolicy(ready, KeyId));
  half.Statement.push({ Effect: "Deny", Principal: "*", Action: "kms:GenerateDataKey", Resource: "*" });
  await setKeyPolicy(ready, KeyId, JSON.stringify(half));
  assert.deepEqual((await canary([target])).metrics, { [KeyId]: alarmed, "": alarmed });
  // Without a ciphertext that can be tried nobody finds it out.
  assert.deepEqual((await canary([{ key_arn: KeyId }])).metrics[KeyId], passed);
});

test("a policy that is weakened raises the alarm at the next run, and mended it passes again", async () => {
  const right = await keyPolicy(ready, ready.reference_kms_key_arn);
  const weak = JSON.parse(right);
  weak.Statement = weak.Statement.filter(({ Effect }) => Effect === "Allow").concat({ Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:Decrypt", Resource: "*" });
  await setKeyPolicy(ready, ready.reference_kms_key_arn, JSON.stringify(weak));
  assert.equal((await canary(good())).metrics[ready.reference_kms_key_arn].UnattestedUse, 1);
  await setKeyPolicy(ready, ready.reference_kms_key_arn, right);
  assert.equal((await canary(good())).code, undefined);
});

test("no answer, a throttled or failing KMS, and cut connections are neither a pass nor an alarm", async () => {
  const cases = { "nobody listens": [null, { AWS_ENDPOINT_URL_KMS: "http://127.0.0.1:9" }], throttling: [{ fault: "throttling" }], "a failing KMS": [{ fault: "server_error", status: 500 }],
    "a cut connection": [{ fault: "cut" }], "expired credentials": [{ fault: "expired_credentials" }] };
  for (const [what, [fault, env]] of Object.entries(cases)) {
    if (fault) await faults([{ service: "kms", ...fault }]);
    for (const key_arn of [ready.kms_key_arn, badKey]) {
      const { code, metrics } = await canary([{ key_arn }], env);
      assert.equal(code, "canary_unclear", what);
      assert.deepEqual(metrics, { [key_arn]: unclear, "": unclear }, what);
    }
    await faults();
  }
});

test("a key that is disabled or not there, a role that may not ask, and a secret that cannot be read prove nothing", async () => {
  const disabled = await newKey();
  await kms(ready).send(new DisableKeyCommand({ KeyId: disabled }));
  const missing = badKey.replace(/[^/]*$/, crypto.randomUUID());
  for (const key_arn of [disabled, missing]) assert.deepEqual((await canary([{ key_arn }])).metrics, { [key_arn]: unclear, "": unclear }, key_arn);
  const mute = await iamUser(ready, "mute", {});
  assert.deepEqual((await canary([{ key_arn: badKey }], mute)).metrics, { [badKey]: unclear, "": unclear });
  const denied = await iamUser(ready, "denied", { no: { Version: "2012-10-17", Statement: [{ Effect: "Deny", Action: "kms:*", Resource: "*" }] } });
  assert.deepEqual((await canary([{ key_arn: badKey }], denied)).metrics[badKey], unclear);
  const blind = await iamUser(ready, "blind", { ask: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Resource: "*", Action: ["kms:Decrypt", "kms:GenerateDataKey"] }] } });
  const { code, sentence, metrics } = await canary(good(), blind);
  assert.equal(code, "canary_unclear");
  assert.match(sentence, /secret/);
  assert.deepEqual([metrics[ready.reference_kms_key_arn], metrics[ready.kms_key_arn], metrics[""]], [unclear, passed, unclear]);
});

test("only a denial that is the key policy's counts as one", () => {
  const denial = (why) => judge({ name: "AccessDeniedException", $metadata: { httpStatusCode: 400 }, message: `User: arn:aws:sts::111122223333:assumed-role/canary/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:x ${why}` }).outcome;
  assert.equal(denial("with an explicit deny in a resource-based policy"), "denied");
  assert.equal(denial("because no resource-based policy allows the kms:Decrypt action"), "denied");
  for (const policy of ["a service control", "a resource control", "an identity-based", "a session", "a VPC endpoint"]) assert.equal(denial(`with an explicit deny in ${policy} policy`), "unclear", policy);
  assert.equal(denial("because no identity-based policy allows the kms:Decrypt action"), "unclear");
});

test("one unclear key beside one that is open is an alarm", async () => {
  await faults([{ service: "kms", fault: "throttling", operation: "Decrypt" }]);
  const { code, metrics } = await canary([{ key_arn: badKey, ciphertext: blob }, ...good()]);
  assert.equal(code, "unattested_use");
  assert.deepEqual([metrics[badKey], metrics[""].UnattestedUse, metrics[ready.reference_kms_key_arn]], [alarmed, 1, unclear]);
});

test("an empty secret and one that names a vault key hold no ciphertext to try", async () => {
  const made = async (SecretString) => (await secrets(ready).send(new CreateSecretCommand({ Name: `redoubt/reference/${crypto.randomUUID()}`, SecretString }))).ARN;
  for (const secret_arn of [await made(), await made("{}"), await made('{"redoubt_key":1}')]) {
    const { result, code, sentence } = await canary([{ key_arn: ready.reference_kms_key_arn, secret_arn }]);
    assert.equal(code, undefined, sentence);
    assert.deepEqual(Object.keys(result.keys[0].calls), ["GenerateDataKey"]);
  }
});

test("a canary that is told nothing sensible says so, and counts as not run", async () => {
  const key_arn = badKey, one = (more) => [{ key_arn, ...more }];
  const cases = ["", "{", "{}", "[]", [1], one({ more: 1 }), [{ key_arn: "alias/x" }], [{}], one({ ciphertext: "?" }), one({ secret_arn: "x" }), one({ ciphertext: blob, secret_arn: referenceSecret }),
    one({ encryption_context: { a: 1 } }), [{ key_arn }, { key_arn }], Array.from({ length: 33 }, () => ({ key_arn: badKey.replace(/[^/]*$/, crypto.randomUUID()) }))];
  for (const targets of cases) {
    const { code, metrics } = await canary(targets);
    assert.equal(code, "config_invalid", JSON.stringify(targets));
    assert.deepEqual(metrics, {});
  }
  assert.equal((await canary(good(), { CANARY_NAMESPACE: "Redoubt/test" })).code, undefined);
  assert.equal((await canary(good(), { CANARY_NAMESPACE: "no such namespace\n" })).code, "config_invalid");
});
