// SPDX-License-Identifier: Apache-2.0
// The Lambda function: the AWS sample's events before a Redoubt gateway. docs/lambda.md is its manual.
import { readEvent } from "./event.mjs";
import { Gateway } from "./gateway.mjs";
import { Identity } from "./identity.mjs";
import { Log } from "./log.mjs";
import { kOperations } from "./operations.mjs";
import { asRefusal } from "./refusal.mjs";
import { logLevel, readSettings } from "./settings.mjs";

const kMarginMs = 500; // of the invocation's time, to say that the gateway was late

// What outlives an invocation: the settings, the client's credentials and the connections. Where a setting is wrong
// nothing does, and every invocation says so.
let shared;
function start() {
  const settings = readSettings(process.env);
  const log = new Log(settings.logLevel);
  if (settings.attestationRoot) log.warning("attestation documents of another root than AWS's are believed: for development only");
  return { settings, gateway: new Gateway(settings, new Identity(settings.clientSecretArn), log) };
}

function levelOf(env) {
  try {
    return logLevel(env);
  } catch {
    return "WARNING";
  }
}

export async function handler(event, context) {
  const requestId = /^[A-Za-z0-9-]{1,48}$/.test(context?.awsRequestId ?? "") ? context.awsRequestId : undefined;
  const log = new Log(levelOf(process.env), { request_id: requestId });
  const started = Date.now();
  let operation;
  try {
    shared ??= start();
    const read = readEvent(event);
    operation = read.operation;
    const ask = () => ({ requestId, remainingMs: context?.getRemainingTimeInMillis ? context.getRemainingTimeInMillis() - kMarginMs : undefined });
    const answer = await kOperations[operation]({ ...shared, requestId, ask }, read);
    log.info("done", { operation, ms: Date.now() - started });
    return answer;
  } catch (error) {
    const refusal = asRefusal(error, log);
    log.warning("refused", { operation, code: refusal.code, ms: Date.now() - started });
    throw refusal;
  }
}
