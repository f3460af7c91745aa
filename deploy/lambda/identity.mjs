// SPDX-License-Identifier: Apache-2.0
// How the function shows the gateway who it is: the secret of CLIENT_SECRET_ARN, JSON with any of
// `token` (docs/clients.md), `certificate` with `private_key` (PEM), and `ca` (PEM, the gateway's CA).
import { call } from "./aws.mjs";
import { refuse } from "./refusal.mjs";

const kNone = Object.freeze({});
const kKeptMs = 300_000; // a token that is revoked is read anew at once: the gateway's 401 ends it
const kShapes = {
  token: /^rdt_[0-9a-f]{16}_[0-9a-f]{64}$/,
  certificate: /^\s*-----BEGIN CERTIFICATE-----/,
  private_key: /^\s*-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  ca: /^\s*-----BEGIN CERTIFICATE-----/,
};

export function parseIdentity(text) {
  const malformed = () => refuse("config_invalid", "the secret of CLIENT_SECRET_ARN must be JSON with token, certificate and private_key, or ca");
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    return malformed();
  }
  if (Object.prototype.toString.call(read) !== "[object Object]" || Object.keys(read).length === 0) return malformed();
  for (const [name, value] of Object.entries(read))
    if (!Object.hasOwn(kShapes, name) || typeof value !== "string" || !kShapes[name].test(value)) return malformed();
  if ((read.certificate === undefined) !== (read.private_key === undefined)) return malformed();
  return read;
}

export class Identity {
  #arn;
  #kept;
  #until = 0;

  constructor(arn) {
    this.#arn = arn;
  }

  async get() {
    if (this.#arn === undefined) return kNone;
    if (this.#kept === undefined || Date.now() > this.#until) {
      const { SecretString } = await call("secrets", "GetSecretValue", { SecretId: this.#arn });
      this.#kept = parseIdentity(SecretString ?? "");
      this.#until = Date.now() + kKeptMs;
    }
    return this.#kept;
  }

  // Whether there is another one to be had.
  forget() {
    const kept = this.#kept !== undefined;
    this.#kept = undefined;
    return kept;
  }
}
