// SPDX-License-Identifier: Apache-2.0
// Starting and stopping the real system, and talking to it as any HTTPS client would.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const bin = process.env.REDOUBT_BIN ?? path.join(root, "build/release/bin");
export const redoubt = path.join(bin, "redoubt");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what, condition, limitMs = 10_000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(20);
  }
}

// `redoubt up` in a folder of its own (or a given one), on a free port.
export async function up({ dataDir, enclaves = 1, extra = [], readyMs = 40_000 } = {}) {
  const folder = dataDir ?? fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-e2e-"));
  const readyFile = path.join(folder, "e2e-ready.json");
  fs.rmSync(readyFile, { force: true });
  const child = spawn(redoubt, ["up", "--data-dir", folder, "--listen", "127.0.0.1:0", "--enclaves", String(enclaves),
    "--ready-file", readyFile, ...extra], { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
  let stderr = "", stdout = "";
  child.stderr.on("data", (data) => (stderr += data));
  child.stdout.on("data", (data) => (stdout += data));
  const ended = once(child, "exit");
  await until("redoubt up is ready", () => {
    if (child.exitCode !== null) throw new Error(`redoubt up ended with ${child.exitCode}:\n${stderr}${logs(folder)}`);
    return stdout.includes("ready https://");
  }, readyMs).catch((error) => {
    child.kill("SIGTERM");
    throw new Error(`${error.message}\n${stderr}${logs(folder)}`);
  });
  const system = {
    folder, readyFile, child,
    ready: () => JSON.parse(fs.readFileSync(readyFile, "utf8")),
    request: (method, target, body, headers) => request(system.ready(), method, target, body, headers),
    json: async (method, target, body) => {
      const answer = await system.request(method, target, body === undefined ? undefined : JSON.stringify(body));
      return { status: answer.status, headers: answer.headers, body: JSON.parse(answer.body) };
    },
    logs: () => logs(folder) + stderr,
    stop: async () => {
      child.kill("SIGTERM");
      const [code] = await ended;
      return code;
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
  return system;
}

function logs(folder) {
  const logFolder = path.join(folder, "log");
  if (!fs.existsSync(logFolder)) return "";
  return fs.readdirSync(logFolder).map((name) => fs.readFileSync(path.join(logFolder, name), "utf8")).join("");
}

const agents = new Map();
export function request(ready, method, target, body, headers = {}) {
  const url = new URL(ready.gateway);
  if (!agents.has(ready.gateway))
    agents.set(ready.gateway, new https.Agent({ keepAlive: true, ca: fs.readFileSync(ready.ca_cert) }));
  const all = { ...headers };
  if (body !== undefined && all["content-type"] === undefined) all["content-type"] = "application/json";
  if (all["content-type"] === null) delete all["content-type"];
  if (body !== undefined) all["content-length"] = Buffer.byteLength(body);
  return new Promise((resolve, reject) => {
    const sent = https.request({ host: url.hostname, port: url.port, method, path: target, headers: all,
      agent: agents.get(ready.gateway), timeout: 20_000 }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers,
        body: Buffer.concat(parts).toString() }));
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("request timed out")));
    sent.end(body);
  });
}

// A real local Ethereum node. It picks its port itself: one that we had found free could be somebody else's by now.
export async function anvil(chainId = 31337) {
  const program = path.join(root, "tests/e2e/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
  const child = spawn(program, ["--host", "127.0.0.1", "--port", "0", "--chain-id", String(chainId)],
    { stdio: ["ignore", "pipe", "ignore"] });
  let said = "";
  child.stdout.on("data", (data) => { if (said.length < 100_000) said += data; });
  const port = (await until("anvil listens", () => said.match(/Listening on 127\.0\.0\.1:(\d+)/), 20_000))[1];
  const url = `http://127.0.0.1:${port}`;
  await until("anvil answers", async () => {
    try {
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }) });
      return answer.ok;
    } catch {
      return false;
    }
  }, 20_000);
  return { url, stop: async () => { child.kill("SIGTERM"); await once(child, "exit"); } };
}

export async function run(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let stdout = "", stderr = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}

export const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
