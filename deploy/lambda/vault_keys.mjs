// SPDX-License-Identifier: Apache-2.0
// Keys that are sealed in a vault of the enclave: importing one (encrypted to the enclave, so that neither host nor
// gateway learns it), drawing one, and looking at one. Each ends with the enclave's attested word for what key there is.
import { randomBytes } from "node:crypto";
import { sameAddress } from "./address.mjs";
import { canonical, sha256 } from "./canonical.mjs";
import { refuse } from "./refusal.mjs";
import { needPins, verifiedStatement } from "./statement.mjs";

const kOpenPolicy = { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }] };

// docs/api.md "Repeats"
export const keyIdOfToken = (token) => "key-" + sha256(Buffer.concat([Buffer.from("redoubt client token v1\0"), Buffer.from(token)])).subarray(0, 16).toString("hex");
const policyDigestOf = (event) => sha256(canonical(event.policy ?? kOpenPolicy)).toString("hex");
// Lambda repeats an asynchronous event under the same request id: with it as token no second key is made.
export const tokenOf = (requestId) => `lambda-${requestId ?? randomBytes(16).toString("hex")}`;

// Did the enclave make what was asked for? The host may have asked for something else.
function checkKey(statement, wanted) {
  for (const [name, value] of Object.entries(wanted))
    if (statement[name] !== value)
      refuse("attestation_untrusted", `the enclave attested a key whose ${name} is another one than asked for; the key is not used`);
  return statement;
}

const kindOf = (settings, event, token) => ({ key_id: keyIdOfToken(token), algorithm: "secp256k1", exportable: false, raw_signing: settings.rawSigning,
  policy_digest: policyDigestOf(event), state: "enabled" });

const rest = (settings, event) => ({ ...(settings.rawSigning && { raw_signing: true }), ...(event.policy && { policy: event.policy }),
  ...(event.authorization && { authorization: event.authorization }) });

// RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: docs/api.md "Import".
async function seal(publicKey, info, secret) {
  const { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } = await import("@hpke/core"); // when needed: a cold start that signs has no use for it
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const exact = (bytes) => Uint8Array.from(bytes).buffer;
  const recipientPublicKey = await suite.kem.deserializePublicKey(exact(publicKey));
  const sender = await suite.createSenderContext({ recipientPublicKey, info: exact(Buffer.from(info)) });
  const ciphertext = await sender.seal(exact(secret));
  return { encapsulated_key: "0x" + Buffer.from(sender.enc).toString("hex"), ciphertext: "0x" + Buffer.from(ciphertext).toString("hex") };
}

// `secret`: 32 bytes, whose address is `address`. Gives the key's statement.
export async function importKey({ settings, gateway, ask }, event, secret, address, token) {
  needPins(settings);
  const offerNonce = randomBytes(32);
  const offer = await verifiedStatement(settings, await gateway.request("GET", `/v1/import?nonce=${offerNonce.toString("hex")}`, undefined, ask()), offerNonce, "import-offer");
  if (!/^0x[0-9a-f]{64}$/.test(offer.public_key) || !/^vault-[0-9a-f]{32}$/.test(offer.vault_id))
    return refuse("attestation_invalid", "the enclave's offer has no key to seal to");
  const kind = { ...kindOf(settings, event, token), vault_id: offer.vault_id };
  const info = canonical({ epoch: offer.epoch, exportable: false, hd: false, key_id: kind.key_id, policy_digest: kind.policy_digest,
    raw_signing: kind.raw_signing, redoubt_import: 1, vault_id: offer.vault_id });
  const sealed = await seal(Buffer.from(offer.public_key.slice(2), "hex"), info, secret);
  const nonce = randomBytes(32);
  const answer = await gateway.request("POST", "/v1/keys/import",
    { client_token: token, vault_id: offer.vault_id, nonce: nonce.toString("hex"), ...sealed, ...rest(settings, event) }, ask());
  return checkKey(await verifiedStatement(settings, answer, nonce, "key-statement"), { ...kind, address });
}

export async function createKey({ settings, gateway, ask }, event, token) {
  needPins(settings);
  const nonce = randomBytes(32);
  const answer = await gateway.request("POST", "/v1/keys", { client_token: token, nonce: nonce.toString("hex"), ...rest(settings, event) }, ask());
  return checkKey(await verifiedStatement(settings, answer, nonce, "key-statement"), kindOf(settings, event, token));
}

// Of the key that a secret names; its address must be the one that the secret has.
export async function describeKey({ settings, gateway, ask }, { key_id, address }) {
  needPins(settings);
  const nonce = randomBytes(32);
  const answer = await gateway.request("GET", `/v1/keys/${key_id}?nonce=${nonce.toString("hex")}`, undefined, ask());
  const statement = checkKey(await verifiedStatement(settings, answer, nonce, "key-statement"), { key_id });
  if (!sameAddress(statement.address, address))
    return refuse("attestation_untrusted", "the enclave's key of this id has another address than the secret says; do not use either");
  return statement;
}
