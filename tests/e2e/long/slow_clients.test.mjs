// SPDX-License-Identifier: Apache-2.0
// Five thousand connections that only hold on: without TLS, idle after it, or sending a request byte by byte, and
// opened again whenever the gateway ends one. Clients that use theirs must not notice.
// SLOW_CONNECTIONS (5000), SLOW_SECONDS (30).
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { request, sleep, until, up } from "../lib.mjs";
import { percentile } from "./generator.mjs";

const wanted = Number(process.env.SLOW_CONNECTIONS ?? 5_000);
const seconds = Number(process.env.SLOW_SECONDS ?? 30);

test("thousands of slow connections harm nobody", async (t) => {
  const system = await up();
  const ready = system.ready();
  const url = new URL(ready.gateway);
  const ca = fs.readFileSync(ready.ca_cert, "utf8");
  const target = `/v1/keys/${ready.key_id}/sign-message`;
  const body = JSON.stringify({ text: "hello" });
  let running = true;
  const slow = new Worker(new URL("slow_connections.mjs", import.meta.url),
    { workerData: { host: url.hostname, port: Number(url.port), ca, target, count: wanted } });
  const allOpened = once(slow, "message");

  // One on a connection of its own that it keeps, another that makes a new one for each request.
  const kept = [], fresh = [], failures = [];
  const ask = (agent) => new Promise((resolve, reject) => {
    const sent = https.request({ host: url.hostname, port: url.port, method: "POST", path: target, ca, agent, timeout: 10_000,
      headers: { "content-type": "application/json", "content-length": body.length } }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`))));
    });
    sent.on("timeout", () => sent.destroy(new Error("timed out")));
    sent.on("error", reject);
    sent.end(body);
  });
  const client = async (times, agent) => {
    while (running) {
      const began = performance.now();
      await ask(agent).then(() => times.push(performance.now() - began), (error) => failures.push(error.message));
      await sleep(20);
    }
  };
  try {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    await ask(agent);
    const clients = [client(kept, agent), client(fresh, false)];
    await allOpened;
    await sleep(seconds * 1000);
    slow.postMessage("count");
    const [{ held, opened, ended }] = await once(slow, "message");
    const memory = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${ready.pids.gateway}/status`, "utf8"))[1]);
    running = false;
    await Promise.all(clients);
    const line = (times) => `${times.length} times, p50 ${percentile(times, 0.5).toFixed(1)} p99 ${percentile(times, 0.99).toFixed(1)} ` +
      `max ${percentile(times, 1).toFixed(1)} ms`;
    t.diagnostic(`${held} slow connections (${opened} opened, ${ended} ended); kept: ${line(kept)}; fresh: ${line(fresh)}; ` +
      `gateway's memory ${memory} kB`);
    assert.deepEqual(failures.slice(0, 5), []);
    assert.ok(opened >= wanted && held > wanted / 2, `${held} held`);
    assert.ok(kept.length > seconds * 5 && fresh.length > seconds * 5);
    assert.ok(percentile(kept, 1) < 3_000 && percentile(fresh, 1) < 3_000, "nobody waited for a slow client");
    assert.ok(memory < 400_000, `${memory} kB`);
    agent.destroy();
    await until("the gateway is as before", async () => (await request(ready, "GET", "/health")).status === 200);
  } finally {
    running = false;
    await slow.terminate();
    await system.stop();
    system.remove();
  }
});
