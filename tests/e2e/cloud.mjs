// SPDX-License-Identifier: Apache-2.0
// AWS's own SDK against devcloud: only the endpoint differs.
import { EncryptCommand, KMSClient, GetKeyPolicyCommand, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import { PutSecretValueCommand, CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

function options(ready, endpoint) {
  return { region: ready.region, endpoint, maxAttempts: 1,
    credentials: { accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key } };
}

export const kms = (ready) => new KMSClient(options(ready, ready.devcloud.kms));
export const secrets = (ready) => new SecretsManagerClient(options(ready, ready.devcloud.secretsmanager));

// What the AWS sample's set_key does: KMS Encrypt, base64, Secrets Manager.
export async function storeReferenceKey(ready, name, plaintext) {
  const { CiphertextBlob } = await kms(ready).send(new EncryptCommand({ KeyId: ready.reference_kms_key_arn,
    Plaintext: plaintext }));
  const SecretString = Buffer.from(CiphertextBlob).toString("base64");
  if (name === ready.secret_id) {
    await secrets(ready).send(new PutSecretValueCommand({ SecretId: name, SecretString }));
    return name;
  }
  const created = await secrets(ready).send(new CreateSecretCommand({ Name: name, SecretString }));
  return created.ARN;
}

export async function keyPolicy(ready, arn) {
  return (await kms(ready).send(new GetKeyPolicyCommand({ KeyId: arn, PolicyName: "default" }))).Policy;
}

export async function setKeyPolicy(ready, arn, policy) {
  await kms(ready).send(new PutKeyPolicyCommand({ KeyId: arn, PolicyName: "default", Policy: policy }));
}

// What the gateway gets from IMDSv2 and gives to the enclave.
export async function instanceCredentials(ready) {
  const imds = `${ready.devcloud.imds}/latest`;
  const token = await (await fetch(`${imds}/api/token`, { method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" } })).text();
  const get = async (target) => (await fetch(imds + target, { headers: { "x-aws-ec2-metadata-token": token } })).text();
  const roles = "/meta-data/iam/security-credentials/";
  const { AccessKeyId, SecretAccessKey, Token } = JSON.parse(await get(roles + (await get(roles)).trim()));
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
}
