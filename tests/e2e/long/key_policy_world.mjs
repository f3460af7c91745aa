// SPDX-License-Identifier: Apache-2.0
// Who attacks the KMS keys of key_policy.test.mjs, and how: principals of three accounts in devcloud, each with AWS's SDK
// and with IAM policies that allow everything, so that the keys' policies alone decide.
import crypto from "node:crypto";
import * as sdk from "@aws-sdk/client-kms";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";

export const accounts = { keys: "111122223333", hosts: "444455556666", strangers: "777788889999" };
const role = (account, name) => `arn:aws:iam::${account}:role/${name}`;
export const arns = {
  keyAdministrator: role(accounts.keys, "KeyAdmin"), auditor: role(accounts.keys, "Auditor"),
  host: role(accounts.hosts, "redoubt-host"), lambda: role(accounts.hosts, "redoubt-lambda"), canary: role(accounts.hosts, "redoubt-canary"),
  keyStranger: role(accounts.keys, "Developer"), hostStranger: role(accounts.hosts, "Developer"), stranger: role(accounts.strangers, "Developer"),
  grantee: role(accounts.hosts, "Grantee"),
};
const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
// A register's value that a text makes, as PCR16 is made of a manifest's digest.
export const measured = (text) => crypto.createHash("sha384").update(text).digest("hex");

export class World {
  constructor(ready) { this.ready = ready; this.clients = new Map(); }

  static async of(ready) {
    const world = new World(ready);
    for (const account of Object.values(accounts)) {
      const keys = (name) => [{ access_key_id: `AKIA${name}${account}`, secret_access_key: `the secret of ${name} in ${account}` }];
      await world.iam(`accounts/${account}`, { access_keys: keys("ROOT") });
      await world.iam(`accounts/${account}/users/starter`, { access_keys: keys("STARTER"), policies: { everything } });
      world.clients.set(`arn:aws:iam::${account}:root`, world.client({ accessKeyId: `AKIAROOT${account}`, secretAccessKey: `the secret of ROOT in ${account}` }));
    }
    for (const arn of Object.values(arns)) {
      const [account, name] = [arn.split(":")[4], arn.split("/")[1]];
      await world.iam(`accounts/${account}/roles/${name}`, { trust_policy: { Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "sts:AssumeRole" }] }, policies: { everything } });
      const sts = new STSClient({ region: ready.region, endpoint: ready.devcloud.kms, maxAttempts: 1,
        credentials: { accessKeyId: `AKIASTARTER${account}`, secretAccessKey: `the secret of STARTER in ${account}` } });
      const { Credentials: { AccessKeyId, SecretAccessKey, SessionToken } } = await sts.send(new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: "attack" }));
      world.clients.set(arn, world.client({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken }));
    }
    // A key that everybody may use: where to carry ciphertexts to, and whence to plant them.
    world.open = await world.createKey(JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }] }),
      `arn:aws:iam::${accounts.strangers}:root`);
    return world;
  }

  async iam(where, body) {
    const answer = await fetch(`${this.ready.devcloud.kms}/redoubt/iam/${where}`, { method: "PUT", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${where}: ${answer.status} ${await answer.text()}`);
  }
  client(credentials) {
    return new sdk.KMSClient({ region: this.ready.region, endpoint: this.ready.devcloud.kms, credentials, maxAttempts: 1 });
  }
  call(arn, operation, input) {
    return this.clients.get(arn).send(new sdk[`${operation}Command`](input));
  }
  // The key's account's root makes keys here: an installation, before its policy is put.
  async createKey(Policy, by = `arn:aws:iam::${accounts.keys}:root`) {
    return (await this.call(by, "CreateKey", { ...(Policy ? { Policy } : {}), BypassPolicyLockoutSafetyCheck: true })).KeyMetadata.Arn;
  }
}

const EncryptionContext = { "redoubt:vault": "vault-00" };

// A key under `policy`, with what attackers bring: a ciphertext from before the policy, and a grant.
export async function target(world, policy) {
  const root = `arn:aws:iam::${accounts.keys}:root`;
  const arn = await world.createKey();
  const { CiphertextBlob } = await world.call(root, "GenerateDataKey", { KeyId: arn, KeySpec: "AES_256", EncryptionContext });
  await world.call(root, "CreateGrant", { KeyId: arn, GranteePrincipal: arns.grantee, Operations: ["Decrypt", "GenerateDataKey", "Encrypt", "DescribeKey"] });
  await world.call(root, "PutKeyPolicy", { KeyId: arn, PolicyName: "default", Policy: policy, BypassPolicyLockoutSafetyCheck: true });
  const foreign = await world.call(`arn:aws:iam::${accounts.strangers}:root`, "Encrypt", { KeyId: world.open, Plaintext: Buffer.from("known to the attacker") });
  return { arn, policy, blob: CiphertextBlob, foreign: foreign.CiphertextBlob };
}

// By the name in the table: what is called, the action that KMS asks the policy about, and how it is undone.
export const attacks = {
  "Decrypt": { recipient: true, action: "kms:Decrypt", run: (call, key, Recipient) => call("Decrypt", { KeyId: key.arn, CiphertextBlob: key.blob, EncryptionContext, ...Recipient }) },
  "GenerateDataKey": { recipient: true, action: "kms:GenerateDataKey", run: (call, key, Recipient) =>
    call("GenerateDataKey", { KeyId: key.arn, KeySpec: "AES_256", EncryptionContext, ...Recipient }) },
  "GenerateDataKey, no plaintext": { action: "kms:GenerateDataKeyWithoutPlaintext", run: (call, key) => call("GenerateDataKeyWithoutPlaintext", { KeyId: key.arn, KeySpec: "AES_256" }) },
  "GenerateDataKeyPair": { recipient: true, action: "kms:GenerateDataKeyPair", run: (call, key, Recipient) =>
    call("GenerateDataKeyPair", { KeyId: key.arn, KeyPairSpec: "ECC_NIST_P256", ...Recipient }) },
  "Encrypt": { action: "kms:Encrypt", run: (call, key) => call("Encrypt", { KeyId: key.arn, Plaintext: Buffer.from("planted") }) },
  "ReEncrypt from": { action: "kms:ReEncryptFrom", run: (call, key, _, world) =>
    call("ReEncrypt", { CiphertextBlob: key.blob, SourceEncryptionContext: EncryptionContext, DestinationKeyId: world.open }) },
  "ReEncrypt to": { action: "kms:ReEncryptTo", run: (call, key) => call("ReEncrypt", { CiphertextBlob: key.foreign, DestinationKeyId: key.arn }) },
  "CreateGrant": { action: "kms:CreateGrant", run: (call, key) => call("CreateGrant", { KeyId: key.arn, GranteePrincipal: arns.stranger, Operations: ["Decrypt"] }) },
  "DescribeKey": { action: "kms:DescribeKey", run: (call, key) => call("DescribeKey", { KeyId: key.arn }) },
  "GetKeyPolicy": { action: "kms:GetKeyPolicy", run: (call, key) => call("GetKeyPolicy", { KeyId: key.arn, PolicyName: "default" }) },
  "PutKeyPolicy": { action: "kms:PutKeyPolicy", run: async (call, key) => {
    await call("PutKeyPolicy", { KeyId: key.arn, PolicyName: "default", Policy: key.policy, BypassPolicyLockoutSafetyCheck: true });
  } },
  "DisableKey": { action: "kms:DisableKey", run: async (call, key) => { await call("DisableKey", { KeyId: key.arn }); await call("EnableKey", { KeyId: key.arn }); } },
  "ScheduleKeyDeletion": { action: "kms:ScheduleKeyDeletion", run: async (call, key) => {
    await call("ScheduleKeyDeletion", { KeyId: key.arn, PendingWindowInDays: 7 });
    await call("CancelKeyDeletion", { KeyId: key.arn });
    await call("EnableKey", { KeyId: key.arn });
  } },
};

// True: it worked. False: KMS denied it. Anything else is an error of the test.
export async function attempt(world, attack, arn, key, recipient) {
  const given = attack.recipient && recipient ? { Recipient: recipient } : {};
  try {
    const answer = await attack.run((operation, input) => world.call(arn, operation, input), key, given, world);
    if (given.Recipient && (answer.Plaintext?.length || answer.PrivateKeyPlaintext?.length)) throw new Error("KMS gave a plaintext beside a recipient");
    return true;
  } catch (error) {
    if (error.name === "AccessDeniedException") return false;
    throw error;
  }
}
