// SPDX-License-Identifier: Apache-2.0
// The module in a browser, unchanged: Chromium's WebCrypto comes to the same verdicts as Node's, on real documents, on
// forged ones and on mutants. REDOUBT_CHROMIUM names another browser than /usr/bin/chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as forge from "../forge.mjs";
import { genuine, mutant, random, vectors } from "../vectors.mjs";
import { judge } from "../judge.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const module = path.resolve(here, "../../../../sdk/js/attestation");
const chromium = process.env.REDOUBT_CHROMIUM ?? "/usr/bin/chromium";
const skip = !fs.existsSync(chromium) && `there is no browser at ${chromium}`;
const kMutantsEach = 20;
const kPatienceMs = 120_000;

const page = `<!doctype html><meta charset="utf-8"><title>attestation</title><script type="module">
const post = (body) => fetch("/verdicts", { method: "POST", body: JSON.stringify(body) });
try {
  const { judge } = await import("/tests/judge.mjs");
  await post({ verdicts: await judge(await (await fetch("/cases.json")).json()), agent: navigator.userAgent });
} catch (error) {
  await post({ error: String(error?.stack ?? error) });
}
</script>`;

// {document: hex, options} for verifyAttestation and verifyDocument alike.
async function makeCases() {
  const cases = [];
  const add = (document, options) => cases.push({ document: Buffer.from(document).toString("hex"), options });
  for (const { document, at } of vectors ?? []) for (const time of [at, 0, at + 4 * forge.kHour]) add(document, { at: time });
  const next = random(2026);
  for (const { document, at } of genuine)
    for (let i = 0; i < kMutantsEach; ++i) add(mutant(document, next), { at });

  const point = await forge.pointOf(await forge.makeKey());
  const withPoint = (index, xor) => (s) => (s[4].point = point.map((byte, i) => (i === index ? byte ^ xor : byte)));
  const outside = forge.bytes([4], new Uint8Array(96).fill(0xff));
  const chains = [
    undefined, withPoint(96, 1), withPoint(0, 2), withPoint(0, 6), (s) => (s[4].point = outside),
    (s) => (s[4].point = new Uint8Array(97)), (s) => (s[1].point = outside),
    (s) => (s[2].signature = (raw) => forge.sequence(forge.integer(raw.slice(0, 48)), forge.integer([0]))),
    (s) => (s[2].hash = "SHA-256"), (s) => (s[1].extensions = [forge.constraints(false), forge.certSign]),
  ];
  for (const change of chains) {
    const { document, rootSha256 } = await forge.forge(await forge.makeChain(change));
    add(document, { at: forge.kNow, rootSha256 });
    for (const at of [96, 48]) {
      const zero = document.slice();
      zero.fill(0, zero.length - at, zero.length - at + 48);
      add(zero, { at: forge.kNow, rootSha256 });
    }
    for (let i = 0; i < kMutantsEach; ++i) add(mutant(document, next), { at: forge.kNow, rootSha256 });
  }
  return cases;
}

async function serve(cases) {
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  const scripts = new Map(fs.readdirSync(module).filter((name) => name.endsWith(".mjs"))
    .map((name) => [`/sdk/js/attestation/${name}`, path.join(module, name)]));
  scripts.set("/tests/judge.mjs", path.join(here, "../judge.mjs"));
  const server = http.createServer(async (request, reply) => {
    const send = (type, body) => reply.writeHead(200, { "content-type": type }).end(body);
    const script = scripts.get(request.url);
    if (request.method === "POST" && request.url === "/verdicts") {
      let body = "";
      for await (const part of request) body += part;
      send("text/plain", "");
      answer(JSON.parse(body));
    } else if (script !== undefined) {
      send("text/javascript", fs.readFileSync(script));
    } else if (request.url === "/cases.json") {
      send("application/json", JSON.stringify(cases));
    } else if (request.url === "/") {
      send("text/html", page);
    } else {
      reply.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, answered, url: `http://127.0.0.1:${server.address().port}/` };
}

// What the page answers. The browser is in a process group of its own, which ends with it.
async function browse(url, answered) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-browser-"));
  const child = spawn(chromium, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    `--user-data-dir=${folder}/profile`, url],
  { detached: true, stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder } });
  let stderr = "";
  child.stderr.on("data", (data) => (stderr = (stderr + data).slice(-4000)));
  const ended = new Promise((resolve) => child.on("close", resolve).on("error", resolve));
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, kPatienceMs)));
  const answer = await Promise.race([answered, late, ended.then(() => undefined)]);
  clearTimeout(timer);
  if (child.pid !== undefined) {
    signal("SIGTERM");
    const kill = setTimeout(() => signal("SIGKILL"), 5000);
    await ended;
    clearTimeout(kill);
    signal("SIGKILL");
  }
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  assert.ok(answer, `the browser did not answer:\n${stderr}`);
  return answer;
}

test("a browser comes to the same verdicts as Node", { skip, timeout: kPatienceMs + 30_000 }, async (t) => {
  const cases = await makeCases();
  const expected = await judge(cases);
  const { server, answered, url } = await serve(cases);
  try {
    const { verdicts, agent, error } = await browse(url, answered);
    assert.equal(error, undefined);
    assert.match(agent, /Chrome/);
    assert.equal(verdicts.length, cases.length);
    for (const [i, verdict] of verdicts.entries()) assert.deepEqual(verdict, expected[i], `case ${i}`);
    const count = (code) => verdicts.filter((verdict) => verdict.code === code).length;
    t.diagnostic(`${cases.length} cases: ${count("ok")} ok, ${count("attestation_invalid")} invalid, ` +
      `${count("attestation_untrusted")} untrusted, ${count("attestation_expired")} expired; ${agent}`);
    for (const code of ["ok", "attestation_invalid", "attestation_untrusted"]) assert.ok(count(code) > 0, code);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
