// SPDX-License-Identifier: Apache-2.0
// AWS's SDK as Lambda's runtime brings it, loaded when it is first needed: which calls fail how, in this function's
// words. It is found by NODE_PATH, which `import` does not read and `require` does.
import { createRequire } from "node:module";
import { Refusal } from "./refusal.mjs";

const require = createRequire(import.meta.url);
const kRetries = 3; // attempts
const kTimeouts = { connectionTimeout: 2_000, requestTimeout: 4_000 }; // ms, of one attempt

const kPackages = { kms: ["@aws-sdk/client-kms", "KMSClient"], secrets: ["@aws-sdk/client-secrets-manager", "SecretsManagerClient"] };
const loaded = new Map();

// A client of the service in a region (the function's own), and its commands.
function service(name, region) {
  const key = `${name} ${region ?? ""}`;
  if (!loaded.has(key)) {
    const [from, client] = kPackages[name];
    const sdk = require(from);
    loaded.set(key, { sdk, client: new sdk[client]({ maxAttempts: kRetries, requestHandler: kTimeouts, ...(region && { region }) }) });
  }
  return loaded.get(key);
}

// The service's reply, or what it threw: for who tells its refusals apart.
export function send(name, command, input, region) {
  const { sdk, client } = service(name, region);
  return client.send(new sdk[`${command}Command`](input));
}

const kNetwork = new Set(["TimeoutError", "AbortError", "NetworkingError", "ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EPIPE"]);

// Whether no answer came, or none that the service meant. A refusal has a status and a name of the service's own.
export function unanswered(error) {
  const status = error?.$metadata?.httpStatusCode;
  return status === undefined || status >= 500 || kNetwork.has(error?.name) || kNetwork.has(error?.code);
}

const isThrottled = (error) => error?.$metadata?.httpStatusCode === 429 || /Throttl|TooManyRequests/.test(String(error?.name));

// Says which call failed and how, never with what: AWS's own text can name resources, and the reader has the code.
export function awsRefusal(error, name, command) {
  const call = `${name === "kms" ? "kms" : "secretsmanager"}:${command}`;
  if (error instanceof Refusal) return error;
  if (isThrottled(error)) return new Refusal("aws_throttled", `AWS throttles ${call}: try again later`);
  if (error?.name === "CredentialsProviderError") return new Refusal("credentials_missing", `there are no AWS credentials for ${call}`);
  if (unanswered(error)) return new Refusal("aws_unavailable", `no answer of AWS to ${call}: is there a VPC endpoint for the service?`);
  if (error.name === "AccessDeniedException")
    return new Refusal("aws_denied", `${call} is denied: the function's role, the resource's policy or the VPC endpoint's must allow it`);
  if (error.name === "ResourceNotFoundException") return new Refusal("secret_not_found", `${call}: there is no such secret`);
  return new Refusal("aws_refused", `AWS refuses ${call}: ${/^[A-Za-z]{1,64}$/.test(error.name) ? error.name : "without a name"}`);
}

export async function call(name, command, input, region) {
  try {
    return await send(name, command, input, region);
  } catch (error) {
    throw awsRefusal(error, name, command);
  }
}
