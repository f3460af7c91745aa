// SPDX-License-Identifier: Apache-2.0
// HTTPS to the gateway, verified: a certificate of the CA that is named (or of a public one) for the host's name. No
// setting and no variable of Node.js turns that off.
import https from "node:https";
import { Refusal, refuse } from "./refusal.mjs";

const kMaxReply = 8 << 20; // bytes: a raw transaction is twice its 1 MiB of body, and JSON around it
const kMostMs = 20_000;
const kUntrusted = /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/;

function connectionRefusal(error) {
  if (error instanceof Refusal) return error;
  if (kUntrusted.test(String(error?.code)))
    return new Refusal("tls_untrusted", "the gateway's certificate does not verify: name its CA in NITRO_CA_CERT_PATH, and a host that the certificate is for");
  return new Refusal("gateway_unavailable", "the gateway does not answer: is it up, and does its security group let this function in?");
}

// The gateway's own words go on to the caller, if they are what a gateway says: its sentences are fixed ones.
function gatewayRefusal(status, body) {
  let read;
  try {
    read = JSON.parse(body);
  } catch {
    read = undefined;
  }
  const { code, error } = read ?? {};
  if (typeof code === "string" && /^[a-z0-9_]{1,64}$/.test(code) && typeof error === "string" && /^[ -~]{1,512}$/.test(error)) return new Refusal(code, error);
  return new Refusal("gateway_reply_invalid", `the gateway answers with HTTP status ${status} and no reason that can be read`);
}

export class Gateway {
  #settings;
  #identity;
  #log;
  #agent;
  #agentOf;

  constructor(settings, identity, log) {
    this.#settings = settings;
    this.#identity = identity;
    this.#log = log;
  }

  // `remainingMs`: how long the invocation still has.
  async request(method, path, body, { requestId, remainingMs = kMostMs } = {}) {
    const deadline = Date.now() + Math.min(kMostMs, remainingMs);
    const text = body === undefined ? undefined : JSON.stringify(body);
    let answer = await this.#send(method, path, text, requestId, deadline);
    // What this function holds may have been replaced meanwhile, in Secrets Manager and at the gateway.
    if (answer.status === 401 && !answer.fresh && this.#identity.forget()) answer = await this.#send(method, path, text, requestId, deadline);
    if (answer.status !== 200 && answer.status !== 201) throw gatewayRefusal(answer.status, answer.body);
    try {
      const read = JSON.parse(answer.body);
      if (Object.prototype.toString.call(read) === "[object Object]") return read;
    } catch {
      // refused below, without quoting it
    }
    return refuse("gateway_reply_invalid", "the gateway's answer is no JSON object");
  }

  async #send(method, path, text, requestId, deadline) {
    const before = this.#agentOf;
    const identity = await this.#identity.get();
    const agent = this.#agentFor(identity);
    const started = Date.now();
    try {
      const answer = await this.#once(agent, identity, method, path, text, requestId, deadline).catch((error) => {
        // A kept connection that the gateway closed while it lay idle. Had the request arrived after all, a repeat signs
        // the same bytes, and makes nothing that is used twice.
        if (error.reused && error.code === "ECONNRESET") return this.#once(agent, identity, method, path, text, requestId, deadline);
        throw error;
      });
      this.#log.debug("gateway", { method, path: path.split("?")[0], status: answer.status, ms: Date.now() - started });
      return { ...answer, fresh: before !== this.#agentOf };
    } catch (error) {
      this.#log.warning("gateway", { method, path: path.split("?")[0], failed: String(error?.code ?? error?.name), ms: Date.now() - started });
      throw connectionRefusal(error);
    }
  }

  #agentFor(identity) {
    if (this.#agentOf !== identity) {
      this.#agent?.destroy();
      const ca = [this.#settings.ca, identity.ca].filter(Boolean);
      this.#agent = new https.Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: true, minVersion: "TLSv1.2",
        ...(ca.length > 0 && { ca }), ...(identity.certificate && { cert: identity.certificate, key: identity.private_key }) });
      this.#agentOf = identity;
    }
    return this.#agent;
  }

  #once(agent, identity, method, path, text, requestId, deadline) {
    return new Promise((resolve, reject) => {
      const headers = { accept: "application/json", "user-agent": "redoubt-lambda" };
      if (text !== undefined) Object.assign(headers, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      if (identity.token) headers.authorization = `Bearer ${identity.token}`;
      if (requestId) headers["x-request-id"] = requestId;
      const { host, port } = this.#settings;
      const sent = https.request({ host, port, method, path, headers, agent, rejectUnauthorized: true }, (answer) => {
        const parts = [];
        let size = 0;
        answer.on("data", (part) => {
          size += part.length;
          if (size > kMaxReply) sent.destroy(new Refusal("gateway_reply_invalid", "the gateway's answer is longer than 8 MiB"));
          else parts.push(part);
        });
        answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(parts).toString("utf8") }));
        answer.on("error", reject);
      });
      const timer = setTimeout(() => sent.destroy(new Refusal("gateway_timeout", "the gateway did not answer in time")), Math.max(1, deadline - Date.now()));
      sent.on("error", (error) => reject(Object.assign(error, { reused: sent.reusedSocket })));
      sent.on("close", () => clearTimeout(timer));
      sent.end(text);
    });
  }
}
