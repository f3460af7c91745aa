// SPDX-License-Identifier: Apache-2.0
// Hosts for a roll-out on one machine: each a gateway, a watchdog and its enclave processes, with image and manifest of its own; a load
// balancer before them that passes connections on as they are; and clients that try nothing twice.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { redoubt, sleep, until } from "../lib.mjs";

const started = new Set();
const listening = /"event":"listening","endpoint":"tcp:127\.0\.0\.1:(\d+)"/; // its ready line comes only when it can sign

export function endAll() {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}

function start(args, options) {
  const child = spawn(redoubt, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  started.add(child);
  const it = { child, stdout: "", log: "", ended: once(child, "exit") };
  child.stdout.on("data", (data) => (it.stdout += data));
  child.stderr.on("data", (data) => (it.log += data));
  it.stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await it.ended;
  };
  return it;
}

// `image`: { program, manifest }, files that are copied. `module`: the enclave's module id, with one enclave.
export async function startHost(system, folder, image, { enclaves = 1, module, store }) {
  const ready = system.ready(), of = (name) => path.join(system.folder, name);
  fs.mkdirSync(folder);
  const program = path.join(folder, "program"), manifest = path.join(folder, "manifest.json"), run = path.join(folder, "run");
  fs.copyFileSync(image.program, program);
  fs.copyFileSync(image.manifest, manifest);
  const proxy = fs.readdirSync(of("run")).includes("kms.sock") ? of("run/kms.sock") : undefined;
  assert.ok(proxy, "the vsock proxy's socket");
  const watchdog = start(["watchdog", "--runner", "process", "--image", program, "--directory", run, "--enclaves", String(enclaves), "--probe-ms", "200",
    "--silent-limit-ms", "5000", "--image-ms", "200", "--", "--kms-proxy", `unix:${proxy}`, "--tls-roots", of("tls/ca.pem"), "--nsm-root", of("attestation"),
    "--endpoint-suffix", "devcloud.internal", "--region", ready.region, ...(module ? ["--module-id", module] : [])], { cwd: folder });
  await until("the host's enclaves sign", () => {
    if (watchdog.child.exitCode !== null) throw new Error(watchdog.log);
    return watchdog.stdout.includes("ready");
  }, 30_000);
  const sockets = Array.from({ length: enclaves }, (_, i) => ["--enclave", `unix:${run}/redoubt-${16 + i}.sock`]).flat();
  const gateway = start(["gateway", "--listen", "tcp:127.0.0.1:0", "--certificate", of("tls/gateway.pem"), "--key", of("tls/gateway.key"), "--manifest", manifest,
    "--store", store, "--region", ready.region, "--secretsmanager-endpoint", ready.devcloud.secretsmanager, "--imds-endpoint", ready.devcloud.imds, ...sockets],
  { cwd: folder, env: { PATH: process.env.PATH } });
  await until("the host's gateway listens", () => {
    if (gateway.child.exitCode !== null) throw new Error(gateway.log);
    return listening.test(gateway.log);
  }, 30_000);
  const port = Number(listening.exec(gateway.log)[1]);
  return { port, url: `https://127.0.0.1:${port}`, ready: { ...ready, gateway: `https://127.0.0.1:${port}` }, program, log: () => gateway.log + watchdog.log,
    stop: async () => {
      await gateway.stop(); // answers what is under way
      await watchdog.stop();
    } };
}

// One request on a connection of its own, or on the agent's.
export function ask(ready, url, method, target, body, agent) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = https.request({ hostname, port, method, path: target, agent: agent ?? false, ca: fs.readFileSync(ready.ca_cert), timeout: 20_000,
      headers: body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(parts).toString() }));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.end(body);
  });
}

// A load balancer of connections: each new one goes to one of the targets that are healthy and not being drained.
export async function makeBalancer(ready) {
  const targets = new Map();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const healthy = [...targets.values()].filter((one) => one.healthy && !one.draining);
    if (healthy.length === 0) return client.destroy();
    const target = healthy[Math.floor(Math.random() * healthy.length)];
    const behind = net.connect({ port: target.port, host: "127.0.0.1", allowHalfOpen: true });
    for (const [from, to] of [[client, behind], [behind, client]]) from.on("error", () => to.destroy()).pipe(to);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  let running = true;
  const healthy = async (target) => (await ask(ready, `https://127.0.0.1:${target.port}`, "GET", "/healthz").catch(() => ({ status: 0 }))).status === 200;
  const checks = (async () => {
    for (; running; await sleep(200)) for (const target of targets.values()) target.healthy = await healthy(target);
  })();
  return {
    url: `https://127.0.0.1:${server.address().port}`, targets,
    add: (id, port) => targets.set(id, { port, healthy: false, draining: false }),
    drain: (id) => (targets.get(id).draining = true),
    remove: (id) => targets.delete(id),
    isHealthy: (id) => targets.get(id)?.healthy,
    stop: async () => {
      running = false;
      await checks;
      server.close();
    },
  };
}

// Clients that sign one transaction after the other, each answer checked; one in two keeps its connection for a while.
export function load(ready, url, keys, right) {
  const failed = [], target = (key) => `/v1/keys/${key.key_id}/sign-transaction`;
  let running = true, signed = 0, nonce = 0;
  const client = async (keeps) => {
    let agent, since = 0;
    while (running) {
      if (keeps && Date.now() - since > 700) { // less than hosts are drained for
        agent?.destroy();
        agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
        since = Date.now();
      }
      const mine = nonce++, key = keys[mine % keys.length];
      const body = JSON.stringify({ transaction: { type: "0x2", chainId: 1, nonce: mine, gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1,
        to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" } });
      const answer = await ask(ready, url, "POST", target(key), body, agent).catch((error) => ({ status: 0, body: String(error) }));
      if (answer.status === 200 && right(key, mine, JSON.parse(answer.body))) ++signed;
      else failed.push(`${new Date().toISOString()} nonce ${mine}: ${answer.status} ${answer.body.slice(0, 300)}`);
      await sleep(10);
    }
    agent?.destroy();
  };
  const ended = Promise.all([false, true, false, true].map(client));
  return { signed: () => signed, stop: async () => {
    running = false;
    await ended;
    return { signed, failed };
  } };
}
