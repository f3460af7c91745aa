// SPDX-License-Identifier: Apache-2.0
// The secret that stands for a key. Its value is one of
//  - base64 of a KMS ciphertext: a reference key, as the AWS sample stores it;
//  - {"redoubt_key":1,"key_id":"key-…","address":"0x…"}: names a key that is sealed in a vault of the enclave;
//  - {} or nothing: no key yet.
// A value is replaced only if it is still the one that was looked at, and what was replaced keeps a staging label of
// its own, without which Secrets Manager would forget it: no key is lost here.
import { randomUUID } from "node:crypto";
import { isAddress } from "./address.mjs";
import { call, send, awsRefusal } from "./aws.mjs";
import { Refusal, refuse } from "./refusal.mjs";

const kCurrent = "AWSCURRENT";
const kLeastCiphertext = 96; // bytes; KMS's are longer
const labelOf = (versionId) => `redoubt-${versionId}`;

export const pointer = ({ key_id, address }) => JSON.stringify({ redoubt_key: 1, key_id, address });

// {form: "vault", key_id, address} | {form: "reference"} | {form: "none"} | {form: "other"}
export function classify(value) {
  if (value === undefined || value.trim() === "" || value.trim() === "{}") return { form: "none" };
  if (/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value.trim()) && Buffer.from(value, "base64").length >= kLeastCiphertext)
    return { form: "reference" };
  let read;
  try {
    read = JSON.parse(value);
  } catch {
    return { form: "other" };
  }
  const { redoubt_key, key_id, address, ...rest } = read ?? {};
  const good = redoubt_key === 1 && /^key-[0-9a-f]{32}$/.test(key_id) && typeof address === "string" && isAddress(address) && Object.keys(rest).length === 0;
  return good ? { form: "vault", key_id, address } : { form: "other" };
}

// What the secret holds now, with `value`, `versionId` and `stages` where there is a value.
export async function readKeySecret(secretId) {
  let got;
  try {
    got = await send("secrets", "GetSecretValue", { SecretId: secretId });
  } catch (error) {
    // Secrets Manager says the same of a secret that is not there and of one that has no value yet.
    if (error?.name !== "ResourceNotFoundException") throw awsRefusal(error, "secrets", "GetSecretValue");
    await call("secrets", "DescribeSecret", { SecretId: secretId });
    return { form: "none" };
  }
  if (got.SecretString === undefined) return { form: "other", versionId: got.VersionId, stages: got.VersionStages ?? [] };
  return { ...classify(got.SecretString), value: got.SecretString, versionId: got.VersionId, stages: got.VersionStages ?? [] };
}

// A value that holds no key may be replaced; any other only by who names its version.
export function checkReplaceable(current, overwrite) {
  if (overwrite !== undefined && overwrite !== current.versionId)
    return refuse("conflict", "overwrite names another version than the secret has now: look at what it holds, and decide again");
  if (overwrite === undefined && current.form !== "none")
    return refuse("key_exists", `the secret holds ${current.form === "other" ? "something that may be a key" : "a key"} already; to have it replaced ` +
      `send "overwrite": "${current.versionId}". What is replaced stays in Secrets Manager under its version id`);
  return undefined;
}

const moveStage = (secretId, stage, to, from) => send("secrets", "UpdateSecretVersionStage",
  { SecretId: secretId, VersionStage: stage, ...(to && { MoveToVersionId: to }), ...(from && { RemoveFromVersionId: from }) });

// Makes `value` the secret's, in place of `current`, which readKeySecret gave. Gives {ARN, Name, VersionId} as Secrets
// Manager's UpdateSecret does. Error: conflict (somebody else was faster).
export async function replaceKeySecret(secretId, value, current) {
  const id = randomUUID();
  // The first value of a secret becomes its current one at once; that is told apart below.
  const put = await call("secrets", "PutSecretValue", { SecretId: secretId, ClientRequestToken: id, SecretString: value, VersionStages: [labelOf(id)] });
  try {
    if (current.versionId !== undefined && !current.stages.includes(labelOf(current.versionId)))
      await moveStage(secretId, labelOf(current.versionId), current.versionId);
    await moveStage(secretId, kCurrent, id, current.versionId);
  } catch (error) {
    await moveStage(secretId, labelOf(id), undefined, id).catch(() => {}); // a version without a label is forgotten
    // "If the staging label is attached to a different version than the one in RemoveFromVersionId, the operation fails."
    if (["InvalidParameterException", "InvalidRequestException"].includes(error?.name))
      throw new Refusal("conflict", "the secret was changed meanwhile by somebody else: look at what it holds, and decide again");
    throw awsRefusal(error, "secrets", "UpdateSecretVersionStage");
  }
  return { ARN: put.ARN, Name: put.Name, VersionId: id };
}

export async function isSecret(name) {
  try {
    await send("secrets", "DescribeSecret", { SecretId: name });
    return true;
  } catch (error) {
    if (error?.name === "ResourceNotFoundException") return false;
    throw awsRefusal(error, "secrets", "DescribeSecret");
  }
}

export async function createKeySecret(name, value) {
  try {
    return await send("secrets", "CreateSecret", { Name: name, ClientRequestToken: randomUUID(), SecretString: value });
  } catch (error) {
    if (error?.name === "ResourceExistsException") return refuse("key_exists", "there is a secret of this name already: name another");
    throw awsRefusal(error, "secrets", "CreateSecret");
  }
}
