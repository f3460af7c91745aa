// SPDX-License-Identifier: Apache-2.0
// A scheduled function that tries what a key's policy must deny: GenerateDataKey, and Decrypt where it has a ciphertext,
// without an attestation. Only a clear denial of KMS is a pass. A success is `UnattestedUse` 1; no answer, a key that is
// disabled, a role that may not even ask and whatever else is neither: `CanaryRuns` 0, and no data for `UnattestedUse`.
// Metrics go out as lines of CloudWatch's embedded metric format, which needs no permission but to log.
// docs/lambda.md "The canary" is its manual.
import { send, unanswered } from "./aws.mjs";
import { Log } from "./log.mjs";
import { asRefusal, refuse } from "./refusal.mjs";
import { logLevel } from "./settings.mjs";

const kMaxTargets = 32;
const kArn = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key\/[A-Za-z0-9-]{1,256}$/;
const isObject = (value) => Object.prototype.toString.call(value) === "[object Object]";

// CANARY_TARGETS: [{"key_arn", "ciphertext"? (base64) or "secret_arn"?, "encryption_context"?: {NAME: TEXT}}]
export function readTargets(env) {
  const invalid = (what) => refuse("config_invalid", `CANARY_TARGETS must be a JSON list of keys to try: ${what}`);
  let list;
  try {
    list = JSON.parse(env.CANARY_TARGETS ?? "");
  } catch {
    return invalid("it is not JSON");
  }
  if (!Array.isArray(list) || list.length === 0 || list.length > kMaxTargets) return invalid(`1 to ${kMaxTargets} of them`);
  const known = ["key_arn", "ciphertext", "secret_arn", "encryption_context"];
  for (const target of list) {
    if (!isObject(target) || Object.keys(target).some((name) => !known.includes(name))) return invalid(`objects of ${known.join(", ")}`);
    const { key_arn, ciphertext, secret_arn, encryption_context: context } = target;
    if (typeof key_arn !== "string" || !kArn.test(key_arn)) return invalid("key_arn is a KMS key's full ARN, no alias");
    if (ciphertext !== undefined && (typeof ciphertext !== "string" || !/^[A-Za-z0-9+/]{20,}={0,2}$/.test(ciphertext))) return invalid("ciphertext is base64");
    if (secret_arn !== undefined && (typeof secret_arn !== "string" || !/^arn:aws[a-z-]*:secretsmanager:/.test(secret_arn))) return invalid("secret_arn is a secret's ARN");
    if (ciphertext !== undefined && secret_arn !== undefined) return invalid("either ciphertext or secret_arn");
    if (context !== undefined && (!isObject(context) || Object.values(context).some((value) => typeof value !== "string"))) return invalid("encryption_context maps names to texts");
  }
  if (new Set(list.map((target) => target.key_arn)).size !== list.length) return invalid("each key once");
  return list;
}

// {outcome: "denied" | "used" | "unclear", because}
export function judge(error) {
  if (error === undefined) return { outcome: "used", because: "KMS did it" };
  // Of a dry run: the call would have been done.
  if (error.name === "DryRunOperationException") return { outcome: "used", because: "KMS would have done it" };
  if (unanswered(error)) return { outcome: "unclear", because: "no answer" };
  if (error.name !== "AccessDeniedException") return { outcome: "unclear", because: /^[A-Za-z]{1,64}$/.test(error.name) ? error.name : "an error without a name" };
  // The canary's role must be allowed to ask: then what denies is the key's policy, which is what is tried.
  if (/(?:because no|explicit deny in an?) (?:(?:identity-based|session|service control|resource control|VPC endpoint) policy|permissions boundary)/.test(error.message))
    return { outcome: "unclear", because: "the denial is not the key policy's but of the canary's own role or network" };
  return { outcome: "denied", because: "AccessDeniedException" };
}

async function tried(command, input, region) {
  try {
    const reply = await send("kms", command, input, region);
    reply.Plaintext?.fill(0); // that there is one is all that matters
    return judge(undefined);
  } catch (error) {
    return judge(error ?? {});
  }
}

// The stored ciphertext, or why there is none to try. A vault key's name or an empty secret is no fault: nothing to try.
async function ciphertextOf(target) {
  if (target.ciphertext !== undefined) return { blob: Buffer.from(target.ciphertext, "base64") };
  if (target.secret_arn === undefined) return {};
  try {
    const { SecretString } = await send("secrets", "GetSecretValue", { SecretId: target.secret_arn });
    return /^[A-Za-z0-9+/]{100,}={0,2}$/.test(SecretString ?? "") ? { blob: Buffer.from(SecretString, "base64") } : {};
  } catch (error) {
    return error?.name === "ResourceNotFoundException" ? {} : { unclear: { outcome: "unclear", because: "the secret with the ciphertext cannot be read" } };
  }
}

async function tryKey(target) {
  const { key_arn: KeyId, encryption_context: EncryptionContext } = target;
  const region = kArn.exec(KeyId)[1];
  const context = EncryptionContext && { EncryptionContext };
  const calls = { GenerateDataKey: await tried("GenerateDataKey", { KeyId, KeySpec: "AES_256", ...context }, region) };
  const { blob, unclear } = await ciphertextOf(target);
  // A dry run: were it allowed, the key's plaintext would come here, and that is the leak which is looked for.
  if (blob) calls.Decrypt = await tried("Decrypt", { KeyId, CiphertextBlob: blob, DryRun: true, ...context }, region);
  else if (unclear) calls.Decrypt = unclear;
  return { key_arn: KeyId, calls, ...verdict(Object.values(calls)) };
}

export function verdict(outcomes) {
  if (outcomes.some(({ outcome }) => outcome === "used")) return { runs: 1, used: 1 };
  return outcomes.every(({ outcome }) => outcome === "denied") ? { runs: 1, used: 0 } : { runs: 0 };
}

// One line in CloudWatch's embedded metric format. A metric without a value is left out: no data is not zero.
function metricLine(namespace, timestamp, dimensions, { runs, used }, members) {
  const metrics = [{ Name: "CanaryRuns", Unit: "Count" }, ...(used === undefined ? [] : [{ Name: "UnattestedUse", Unit: "Count" }])];
  return JSON.stringify({ _aws: { Timestamp: timestamp, CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics: metrics }] },
    ...dimensions, CanaryRuns: runs, ...(used !== undefined && { UnattestedUse: used }), ...members }) + "\n";
}

export async function handler(_event, context) {
  const log = new Log("INFO", { request_id: context?.awsRequestId });
  try {
    log.setLevel(logLevel(process.env));
    const targets = readTargets(process.env);
    const namespace = process.env.CANARY_NAMESPACE || "Redoubt";
    if (!/^[A-Za-z0-9_./#:-]{1,255}$/.test(namespace)) refuse("config_invalid", "CANARY_NAMESPACE must be a CloudWatch namespace");
    const keys = await Promise.all(targets.map(tryKey));
    const now = Date.now();
    for (const key of keys) log.write(metricLine(namespace, now, { KeyArn: key.key_arn }, key, { calls: key.calls }));
    // All keys together: what an alarm is set on that no key can be missing from.
    const all = keys.some((key) => key.used === 1) ? { runs: Math.min(...keys.map((key) => key.runs)), used: 1 }
      : keys.every((key) => key.runs === 1) ? { runs: 1, used: 0 } : { runs: 0 };
    log.write(metricLine(namespace, now, {}, all, { keys: keys.length }));
    if (all.used === 1) refuse("unattested_use", "KMS does without an attestation what the key's policy must deny: " + keys.filter((key) => key.used === 1).map((key) => key.key_arn).join(", "));
    if (all.runs === 0) refuse("canary_unclear", "it is not known whether KMS would refuse: " + keys.filter((key) => key.runs === 0).map((key) => `${key.key_arn} (${whyUnclear(key)})`).join(", "));
    return { keys: keys.map(({ key_arn, calls }) => ({ key_arn, calls })) };
  } catch (error) {
    throw asRefusal(error, log);
  }
}

const whyUnclear = ({ calls }) => Object.entries(calls).filter(([, { outcome }]) => outcome === "unclear").map(([name, { because }]) => `${name}: ${because}`).join("; ");
