// SPDX-License-Identifier: Apache-2.0
// The function's environment, read strictly: a setting that is not understood is an error, never a default. The
// variables are described in docs/lambda.md.
import fs from "node:fs";
import { isLevel } from "./log.mjs";
import { refuse } from "./refusal.mjs";

const kMaxFile = 1 << 20; // bytes of a CA file
const kMaxPairs = 8; // as many as a KMS key's policy has

const invalid = (sentence) => refuse("config_invalid", sentence);

function text(env, name) {
  const value = env[name];
  return value === undefined || value === "" ? undefined : value;
}

function flag(env, name) {
  const value = (text(env, name) ?? "false").toLowerCase();
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  return invalid(`${name} must be true or false`);
}

// "host" or "host:port": the AWS sample has the host alone, and port 443.
function gateway(env) {
  const given = text(env, "NITRO_INSTANCE_PRIVATE_DNS") ?? invalid("NITRO_INSTANCE_PRIVATE_DNS must name the gateway");
  const [, host, port = "443"] = /^([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))(?::([0-9]{1,5}))?$/.exec(given) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65535)
    return invalid("NITRO_INSTANCE_PRIVATE_DNS must be a host name, with or without a port");
  return { host, port: Number(port) };
}

function arn(env, name, service) {
  const value = text(env, name);
  if (value !== undefined && !new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]+:[0-9]{12}:[!-~]{1,1024}$`).test(value))
    return invalid(`${name} must be an ARN of ${service}`);
  return value;
}

function certificateAuthorities(env) {
  const path = text(env, "NITRO_CA_CERT_PATH");
  if (path === undefined) return undefined; // the public roots of Node.js
  let pem;
  try {
    if (fs.statSync(path).size > kMaxFile) return invalid("the file of NITRO_CA_CERT_PATH is longer than 1 MiB");
    pem = fs.readFileSync(path, "utf8");
  } catch {
    return invalid("the file of NITRO_CA_CERT_PATH cannot be read");
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) return invalid("the file of NITRO_CA_CERT_PATH has no certificate in PEM");
  return pem;
}

// One or more pairs, the n-th of the one with the n-th of the other: while images or manifests are being replaced
// enclaves of both kinds answer, and a mixture of the two is neither.
function pins(env) {
  const list = (name) => (text(env, name)?.split(",") ?? []).map((entry) => {
    const value = entry.trim().toLowerCase();
    return /^[0-9a-f]{96}$/.test(value) ? value : invalid(`${name} must be 96 hexadecimal digits, or several with commas between`);
  });
  const [pcr0, pcr16] = [list("EXPECTED_PCR0"), list("EXPECTED_PCR16")];
  if (pcr0.length !== pcr16.length || pcr0.length > kMaxPairs)
    return invalid("EXPECTED_PCR0 and EXPECTED_PCR16 must have as many values as each other, at most eight");
  return pcr0.map((value, i) => ({ 0: value, 16: pcr16[i] }));
}

function attestationRoot(env) {
  const value = text(env, "ATTESTATION_ROOT_SHA256");
  if (value !== undefined && !/^[0-9a-fA-F]{64}$/.test(value))
    return invalid("ATTESTATION_ROOT_SHA256 must be 64 hexadecimal digits");
  return value;
}

export function logLevel(env) {
  const level = text(env, "LOG_LEVEL") ?? "WARNING";
  return isLevel(level) ? level : invalid("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR");
}

export function readSettings(env) {
  if (flag(env, "NITRO_SKIP_TLS_VERIFY"))
    refuse("tls_verification_required", "NITRO_SKIP_TLS_VERIFY asks for TLS without verification, which this function does not do: " +
      "remove it, and name the gateway's CA in NITRO_CA_CERT_PATH");
  return {
    ...gateway(env),
    logLevel: logLevel(env),
    ca: certificateAuthorities(env),
    secretArn: arn(env, "SECRET_ARN", "secretsmanager") ?? invalid("SECRET_ARN must name the secret that holds the key"),
    keyArn: arn(env, "KEY_ARN", "kms"),
    clientSecretArn: arn(env, "CLIENT_SECRET_ARN", "secretsmanager"),
    pins: pins(env),
    attestationRoot: attestationRoot(env),
    referenceKeys: flag(env, "ALLOW_PLAINTEXT_SET_KEY"),
    rawSigning: flag(env, "KEY_RAW_SIGNING"),
  };
}
