// SPDX-License-Identifier: Apache-2.0
// What runs behind a gateway: every enclave that it names, and what each of those proves of itself by an attestation document that
// it makes for our nonce. The list is the host's word; a document is the enclave's.
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import { Verifier } from "../../sdk/js/attestation/attestation.mjs";
import { failed } from "./refusal.mjs";

const requestMs = 15_000, mostBody = 8 << 20, connections = 4, mostRounds = 30, pauseMs = 250;
const pause = () => new Promise((resolve) => setTimeout(resolve, pauseMs));

class Connection {
  constructor(service, url, sockets) {
    const file = (name) => (service[name] === undefined ? undefined : fs.readFileSync(service[name]));
    this.url = new URL(url);
    this.token = file("token_file")?.toString().trim();
    // Requests on one socket come to one host, whatever balances the load. Verified whatever the environment says.
    this.agent = new https.Agent({ keepAlive: true, maxSockets: sockets, rejectUnauthorized: true, minVersion: "TLSv1.2", ca: file("ca"), cert: file("client_certificate"), key: file("client_key") });
  }
  get(target) {
    return new Promise((resolve, reject) => {
      const asked = https.request({ host: this.url.hostname, port: this.url.port || 443, path: target, agent: this.agent, timeout: requestMs,
        headers: this.token === undefined ? {} : { authorization: `Bearer ${this.token}` } }, (answer) => {
        const parts = [];
        let size = 0;
        answer.on("data", (part) => ((size += part.length) > mostBody ? asked.destroy(new Error("the answer is too long")) : parts.push(part)));
        answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(parts).toString() }));
        answer.on("error", reject);
      });
      asked.on("timeout", () => asked.destroy(new Error("no answer in time")));
      asked.on("error", (error) => reject(failed(`${this.url.origin} does not answer`, error.message)));
      asked.end();
    });
  }
  async json(target) {
    const { status, body } = await this.get(target);
    if (status !== 200) throw failed(`${this.url.origin} refuses ${target.split("?")[0]}; its client needs the operations attest, list and status`, `${status} ${body.slice(0, 200)}`);
    return JSON.parse(body);
  }
  close() {
    this.agent.destroy();
  }
}

const label = (line, name) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1];

// [{ module, pcr0, pcr16 }], as the gateway's metrics name them.
async function listed(connection) {
  const { status, body } = await connection.get("/metrics");
  if (status !== 200) throw failed(`${connection.url.origin} does not show its metrics; its client needs the operation status`, String(status));
  return body.split("\n").filter((line) => line.startsWith("redoubt_enclave_info{"))
    .map((line) => ({ module: label(line, "module"), pcr0: label(line, "pcr0"), pcr16: label(line, "pcr16") }));
}

const verifier = new Verifier();

// { module, pcr0, pcr16 } of the enclave that answered. Any image and manifest will do here: the caller compares. Debug enclaves won't.
async function attested(connection, service) {
  const nonce = crypto.randomBytes(32);
  const { attestation } = await connection.json(`/v1/attestation?nonce=${nonce.toString("hex")}`);
  const root = service.attestation_root === undefined ? {} : { allowOtherRoot: true,
    rootSha256: crypto.createHash("sha256").update(new crypto.X509Certificate(fs.readFileSync(service.attestation_root)).raw).digest("hex") };
  const verdict = await verifier.verifyAttestation(new Uint8Array(Buffer.from(attestation, "base64")),
    { nonce: new Uint8Array(nonce), purpose: "identity", allowUnpinned: true, ...root });
  if (!verdict.ok) {
    const { name, detail } = verdict.checks.find((check) => check.result === "failed");
    throw failed(`an attestation from ${connection.url.origin} does not verify`, `${name}: ${detail}`);
  }
  const { moduleId, pcrs } = verdict.attestation;
  return { module: moduleId, pcr0: pcrs[0], pcr16: pcrs[16] };
}

async function health(connection) {
  const { status, body } = await connection.get("/healthz");
  const enclaves = status === 200 || status === 503 ? JSON.parse(body).enclaves : undefined;
  return { ok: status === 200 && enclaves.usable === enclaves.total && enclaves.vault_open === enclaves.total, enclaves };
}

const sameEnclave = (one, other) => one.module === other.module && one.pcr0 === other.pcr0 && one.pcr16 === other.pcr16;

// One host, directly: asks until every enclave that it lists has proved itself. { enclaves, healthy }
export async function surveyHost(service, url) {
  const connection = new Connection(service, url, connections);
  try {
    const proved = new Map();
    for (let round = 0; round < mostRounds; ++round) {
      // At once, so that they go to different enclaves.
      for (const one of await Promise.all(Array.from({ length: connections }, () => attested(connection, service)))) proved.set(one.module, one);
      const enclaves = await listed(connection);
      if (enclaves.length > 0 && enclaves.every((one) => proved.has(one.module) && sameEnclave(one, proved.get(one.module))))
        return { enclaves, healthy: (await health(connection)).ok };
      for (const module of proved.keys()) if (!enclaves.some((one) => one.module === module)) proved.delete(module); // it has gone
      await pause(); // a gateway names an enclave that has just come within two seconds
    }
    throw failed(`${url} lists enclaves that do not prove themselves`);
  } finally {
    connection.close();
  }
}

// One connection through a load balancer: whichever host it comes to. { enclaves, proved, healthy }
export async function surveyBehind(service) {
  const connection = new Connection(service, service.url, 1);
  try {
    const proved = await attested(connection, service);
    let enclaves = await listed(connection);
    for (let round = 0; round < mostRounds && !enclaves.some(({ module }) => module === proved.module); ++round) {
      await pause();
      enclaves = await listed(connection);
    }
    if (!enclaves.some((one) => sameEnclave(one, proved))) throw failed(`an enclave behind ${service.url} is not the one that its host lists`, proved.module);
    return { enclaves, proved, healthy: (await health(connection)).ok };
  } finally {
    connection.close();
  }
}

// The store's vaults as a gateway lists them, each with `used`: there is a key in it that this client may see.
export async function vaultsBehind(service, url) {
  const connection = new Connection(service, url, 1);
  try {
    const { vaults } = await connection.json("/v1/vaults");
    for (const vault of vaults) vault.used = (await connection.json(`/v1/keys?limit=1&vault_id=${vault.vault_id}`)).keys.length > 0;
    return vaults;
  } finally {
    connection.close();
  }
}

// The instance that an enclave runs on: NSM writes it in front of the enclave's part.
export const instanceOf = (module) => module.replace(/-enc[0-9a-f]+$/, "");
