// SPDX-License-Identifier: Apache-2.0
// The AWS sample's five operations. Which of two ways one goes is what the secret holds: a reference key's ciphertext
// goes on to the gateway's routes of that sample, a vault key's name to the routes under /v1/keys.
import { addressOfPrivateKey, isAddress, recoverAddress, sameAddress } from "./address.mjs";
import { call } from "./aws.mjs";
import { checkReplaceable, createKeySecret, isSecret, pointer, readKeySecret, replaceKeySecret } from "./key_secret.mjs";
import { toTransaction } from "./payload.mjs";
import { refuse } from "./refusal.mjs";
import { difference, readTransaction } from "./transaction.mjs";
import { createKey, describeKey, importKey, keyIdOfToken, tokenOf } from "./vault_keys.mjs";

const badReply = () => refuse("gateway_reply_invalid", "the gateway's answer is not what its route answers");
const isHex = (value, bytes) => typeof value === "string" && (bytes ? new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`) : /^0x(?:[0-9a-f]{2})+$/).test(value);

const needKeyArn = (settings) => settings.keyArn ?? refuse("config_invalid", "KEY_ARN must name the KMS key of reference keys");

// The key that an operation signs with.
async function signingKey({ settings }, event) {
  const secretId = event.secret_id ?? settings.secretArn;
  const held = await readKeySecret(secretId);
  if (held.form === "none") return refuse("key_missing", "the secret holds no key yet: set_key or generate_key makes one");
  if (held.form === "other") return refuse("key_invalid", "the secret holds neither a KMS ciphertext nor the name of a vault key");
  return { ...held, secretId };
}

async function encryptForReference(settings, text) {
  const KeyId = needKeyArn(settings);
  const { CiphertextBlob, KeyId: used } = await call("kms", "Encrypt", { KeyId, Plaintext: Buffer.from(text, "ascii") });
  if (used !== KeyId || !(CiphertextBlob?.length > 0)) return refuse("aws_refused", "KMS answered with another key than KEY_ARN: KEY_ARN must be a key's ARN, no alias");
  return Buffer.from(CiphertextBlob).toString("base64");
}

async function setKey(context, event) {
  const { settings, requestId } = context;
  const digits = event.eth_key.replace(/^0x/, "");
  const secret = Buffer.from(digits, "hex");
  try {
    const address = addressOfPrivateKey(secret) ?? refuse("key_invalid", "eth_key is no private key of secp256k1");
    if (settings.referenceKeys && (event.policy || event.authorization))
      return refuse("invalid_field", "a reference key's policy is the manifest's to say: leave out policy and authorization");
    const current = await readKeySecret(settings.secretArn);
    if (settings.referenceKeys) {
      checkReplaceable(current, event.overwrite);
      const value = await encryptForReference(settings, event.eth_key);
      return { ...(await replaceKeySecret(settings.secretArn, value, current)), address };
    }
    const token = tokenOf(requestId);
    const done = await repeated(context, event, current, secret, address, token);
    if (done) return done;
    checkReplaceable(current, event.overwrite);
    const { key_id } = await importKey(context, event, secret, address, token);
    return { ...(await replaceKeySecret(settings.secretArn, pointer({ key_id, address }), current)), address, key_id };
  } finally {
    secret.fill(0); // of the event's text nobody can say so
  }
}

// A repeat of an event that was carried out already: Lambda repeats asynchronous ones.
async function repeated(context, event, current, secret, address, token) {
  if (current.form !== "vault" || context.requestId === undefined) return undefined;
  if (current.key_id !== keyIdOfToken(token) || !sameAddress(current.address, address)) return undefined;
  const { key_id } = await importKey(context, event, secret, address, token);
  return { ARN: context.settings.secretArn, VersionId: current.versionId, address, key_id };
}

async function getKey(context, event) {
  const key = await signingKey(context, event);
  if (key.form === "reference") return key.value;
  const statement = await describeKey(context, key);
  const { key_id, address, algorithm, policy_digest, raw_signing, state, vault_id } = statement;
  return { key_id, address, algorithm, policy_digest, raw_signing, state, vault_id };
}

// A host may answer with another transaction, another hash, or a signature of a key of its own. A reference key's address is
// not known here: whose its signature is can be told only where the payload says `from`.
function checkedTransaction({ transaction_payload }, key, raw, hash) {
  const signed = isHex(raw) && isHex(hash, 32) ? readTransaction(raw) : undefined;
  if (signed === undefined || signed.hash !== hash) return badReply();
  if (key.address !== undefined && !sameAddress(signed.signer, key.address))
    return refuse("address_mismatch", "the signature is another key's than expected; it is not given out");
  const member = difference(transaction_payload, signed);
  if (member !== undefined) return refuse("transaction_mismatch", `the signed transaction has another ${member} than was asked for; it is not given out`);
  return { transaction_signed: raw, transaction_hash: hash };
}

async function signTransaction(context, event) {
  const { gateway, ask } = context;
  const key = await signingKey(context, event);
  if (key.form === "reference") {
    const answer = await gateway.request("POST", "/sign_transaction", { transaction_payload: event.transaction_payload, secret_id: key.secretId }, ask());
    const { transaction_signed, transaction_hash } = answer;
    return checkedTransaction(event, key, transaction_signed, transaction_hash);
  }
  const { raw_transaction, hash } = await gateway.request("POST", `/v1/keys/${key.key_id}/sign-transaction`, { transaction: toTransaction(event.transaction_payload) }, ask());
  return checkedTransaction(event, key, raw_transaction, hash);
}

async function signHash(context, event) {
  const { gateway, ask } = context;
  const expected = event.expected_address;
  if (expected !== undefined && !isAddress(expected)) return refuse("invalid_field", "expected_address has a wrong checksum (EIP-55)");
  const key = await signingKey(context, event);
  const hash = "0x" + event.hash.replace(/^0x/, "").toLowerCase();
  const answer = key.form === "reference" ? (await gateway.request("POST", "/sign_hash", { hash, secret_id: key.secretId }, ask())).signature
    : await gateway.request("POST", `/v1/keys/${key.key_id}/sign-hash`, { hash }, ask());
  const { r, s, v } = answer ?? {};
  if (!isHex(r, 32) || !isHex(s, 32) || (v !== 27 && v !== 28)) return badReply();
  const signer = recoverAddress(Buffer.from(hash.slice(2), "hex"), { r, s, v });
  // A host may answer with a signature of a key of its own: whose it is can be seen.
  for (const address of [key.address, expected])
    if (address !== undefined && (signer === undefined || !sameAddress(signer, address)))
      return refuse("address_mismatch", "the signature is another key's than expected; it is not given out");
  return { signature: { r, s, v } };
}

async function generateKey(context, event) {
  const { settings, gateway, ask, requestId } = context;
  const secret_name = event.secret_name;
  if (settings.referenceKeys && (event.policy || event.authorization))
    return refuse("invalid_field", "a reference key's policy is the manifest's to say: leave out policy and authorization");
  if (await isSecret(secret_name)) return refuse("key_exists", "there is a secret of this name already: name another");
  if (!settings.referenceKeys) {
    const { address, key_id } = await createKey(context, event, tokenOf(requestId));
    await createKeySecret(secret_name, pointer({ key_id, address }));
    return { address, secret_name, key_id };
  }
  const { address, encrypted_key } = await gateway.request("POST", "/generate_key", { key_id: needKeyArn(settings) }, ask());
  if (typeof address !== "string" || !isAddress(address) || typeof encrypted_key !== "string" || !/^[A-Za-z0-9+/]{100,}={0,2}$/.test(encrypted_key)) return badReply();
  await createKeySecret(secret_name, encrypted_key);
  return { address, secret_name };
}

export const kOperations = { set_key: setKey, get_key: getKey, sign_transaction: signTransaction, generate_key: generateKey, sign_hash: signHash };
