// SPDX-License-Identifier: Apache-2.0
// TLS that ends inside the enclave, as a client with Node's own TLS has it: the key is the attested one, nobody between can
// read, change or stand in for it, and requests are answered as on the main listener.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { after, before, test } from "node:test";
import { verifyMessage } from "ethers";
import { redoubt, run, sleep, until, up } from "./lib.mjs";

let system, gateway, port;

// The gateway that `redoubt up` started, once more: without a log of receipts, which has one writer, and with the listener.
async function secondGateway() {
  const args = fs.readFileSync(`/proc/${system.ready().pids.gateway}/cmdline`, "utf8").split("\0").slice(1, -1);
  const set = (name, value) => {
    const at = args.indexOf(name);
    if (at >= 0) args.splice(at, 2);
    if (value !== undefined) args.push(name, value);
  };
  for (const name of ["--metrics", "--receipts", "--ready-fd"]) set(name);
  const free = net.createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  port = free.address().port;
  free.close();
  await once(free, "close");
  set("--listen", "tcp:127.0.0.1:0");
  set("--tls-enclave", `tcp:127.0.0.1:${port}`);
  const child = spawn(redoubt, args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: "/usr/bin:/bin" } });
  let said = "", errors = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (errors += data));
  await until("the second gateway is ready", () => {
    assert.equal(child.exitCode, null, errors);
    return said.includes("listen");
  }, 20_000);
  return child;
}

before(async () => {
  system = await up();
  gateway = await secondGateway();
});
after(async () => {
  gateway?.kill("SIGTERM");
  if (gateway) await once(gateway, "exit");
  await system?.stop();
  system?.remove();
});

// Whatever certificate is shown: what it is worth the attestation says.
function request(method, target, body, { at = port, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    let spki;
    const sent = https.request({ host: "127.0.0.1", port: at, method, path: target, agent, rejectUnauthorized: false, timeout: 20_000,
      headers: body === undefined ? {} : { "content-type": "application/json" } }, (answer) => {
      if (!agent) spki = digestOf(answer.socket); // Node tells it of a connection's first answer only
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: answer.statusCode, headers: answer.headers, text, body: text ? JSON.parse(text) : undefined, spki });
      });
    });
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("request timed out")));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function digestOf(socket) {
  const der = socket.getPeerX509Certificate().publicKey.export({ type: "spki", format: "der" });
  return crypto.createHash("sha256").update(der).digest("hex");
}

const verify = async (at, ...more) => {
  const { code, stdout, stderr } = await run(redoubt, ["attestation", "verify", "--tls", `127.0.0.1:${at}`, "--ready-file", system.readyFile,
    "--json", ...more]);
  const answer = stdout ? JSON.parse(stdout) : {};
  return { code, answer, stderr, checks: Object.fromEntries((answer.checks ?? []).map((check) => [check.name, check])) };
};

test("the key of the connection is the one that the enclave attests", async () => {
  const { code, answer, checks, stderr } = await verify(port, "--allow-other-root");
  assert.equal(code, 0, JSON.stringify(answer) + stderr);
  assert.deepEqual(answer.checks.map((check) => check.name),
    ["structure", "root", "chain", "signature", "time", "debug", "pcrs", "freshness", "purpose", "tls"]);
  assert.equal(checks.tls.result, "ok");
  const { spki, body } = await request("GET", "/v1/attestation/tls?nonce=00");
  assert.equal(body.spki_sha256, spki);
  assert.ok(checks.tls.detail.includes(spki) && checks.tls.detail.includes("TLSv1.3"), checks.tls.detail);
  assert.ok(answer.user_data.endsWith(spki), "the document's digest is that of the key that Node saw");
  // Pins are pins here, too.
  const strict = await verify(port);
  assert.deepEqual([strict.code, strict.checks.root.result, strict.checks.tls.result], [3, "failed", "ok"]);
  const other = await verify(port, "--allow-other-root", "--pcr", `0=${"ab".repeat(48)}`);
  assert.deepEqual([other.code, other.checks.pcrs.result], [3, "failed"]);
});

test("requests are answered as on the main listener, and stored before they are", async () => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const made = await request("POST", "/v1/keys", { label: "made inside TLS" }, { agent });
    assert.equal(made.status, 201, made.text);
    assert.ok(made.headers["redoubt-receipt"]);
    const id = made.body.key_id;
    const listed = await system.json("GET", `/v1/keys?label=${encodeURIComponent("made inside TLS")}`);
    assert.deepEqual(listed.body.keys.map((key) => key.key_id), [id], "the store has it");
    for (let i = 0; i < 20; ++i) {
      const text = `message ${i}`;
      const { status, body, text: raw } = await request("POST", `/v1/keys/${id}/sign-message`, { text }, { agent });
      assert.equal(status, 200, raw);
      assert.equal(verifyMessage(text, body.signature), made.body.address);
    }
    // The other gateway's client gets the same: it is the same key.
    const outside = await system.json("POST", `/v1/keys/${id}/sign-message`, { text: "both" });
    const inside = await request("POST", `/v1/keys/${id}/sign-message`, { text: "both" }, { agent });
    assert.equal(inside.body.signature, outside.body.signature);
    const disabled = await request("POST", `/v1/keys/${id}/disable`, {}, { agent });
    assert.deepEqual([disabled.status, disabled.body.state], [200, "disabled"]);
    assert.equal((await system.json("POST", `/v1/keys/${id}/sign-message`, { text: "no" })).body.code, "key_disabled");
    for (const [method, target, status] of [["GET", "/v1/keys/key-00000000000000000000000000000000", 404], ["GET", "/v1/keys", 405], ["GET", "/healthz", 404]])
      assert.equal((await request(method, target, undefined, { agent })).status, status, target);
  } finally {
    agent.destroy();
  }
});

test("large bodies pass, and what is too large is told so", async () => {
  const made = await request("POST", "/v1/keys", {});
  const text = "x".repeat(900_000);
  const signed = await request("POST", `/v1/keys/${made.body.key_id}/sign-message`, { text });
  assert.equal(signed.status, 200, signed.text);
  assert.equal(verifyMessage(text, signed.body.signature), made.body.address);
  const refused = await request("POST", `/v1/keys/${made.body.key_id}/sign-message`, { text: "x".repeat(1_100_000) });
  assert.deepEqual([refused.status, refused.body.code], [413, "too_large"]);
});

test("a host that ends TLS itself, and hands on the enclave's document, is found out", async (t) => {
  const files = path.join(system.folder, "tls");
  const liar = https.createServer({ cert: fs.readFileSync(path.join(files, "gateway.pem")), key: fs.readFileSync(path.join(files, "gateway.key")) },
    async (asked, answer) => {
      const got = await request(asked.method, asked.url);
      answer.writeHead(got.status, { "content-type": "application/json" });
      answer.end(got.text);
    });
  liar.listen(0, "127.0.0.1");
  await once(liar, "listening");
  t.after(() => liar.close());
  const { code, checks, answer } = await verify(liar.address().port, "--allow-other-root");
  assert.equal(code, 3);
  assert.deepEqual([answer.ok, answer.code], [false, "attestation_untrusted"]);
  assert.deepEqual(Object.values(checks).map((check) => check.result), ["ok", "allowed", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "failed"],
    "the document itself is genuine and fresh");
  assert.match(checks.tls.detail, /somebody else ends the connection/);
  // And the main listener, whose TLS ends at the gateway, gives no such document for its own key.
  const main = await verify(new URL(system.ready().gateway).port, "--allow-other-root");
  assert.notEqual(main.code, 0, JSON.stringify(main.answer));
});

test("a host that changes a byte breaks the connection, and nothing is signed", async (t) => {
  let change = false, seen = Buffer.alloc(0);
  const between = net.createServer((client) => {
    const inner = net.connect(port, "127.0.0.1");
    client.on("data", (data) => {
      if (change) data[data.length - 1] ^= 1;
      seen = Buffer.concat([seen, data]);
      inner.write(data);
    });
    inner.on("data", (data) => {
      seen = Buffer.concat([seen, data]);
      client.write(data);
    });
    for (const [one, other] of [[client, inner], [inner, client]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(between, "listening");
  t.after(() => between.close());
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const at = between.address().port;
  const made = await request("POST", "/v1/keys", { label: "a name that only the enclave reads" }, { at, agent });
  assert.equal(made.status, 201, made.text);
  assert.ok(!seen.includes("only the enclave reads") && !seen.includes(made.body.key_id));
  change = true;
  await assert.rejects(request("POST", `/v1/keys/${made.body.key_id}/sign-message`, { text: "changed" }, { at, agent }));
});

test("only TLS 1.3 is spoken, and only HTTP/1.1", async () => {
  const refused = (options) => new Promise((resolve) => {
    const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options }, () => resolve("connected"));
    socket.on("error", (error) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve("closed"));
  });
  assert.notEqual(await refused({ maxVersion: "TLSv1.2" }), "connected");
  assert.notEqual(await refused({ ALPNProtocols: ["h2"] }), "connected");
});

test("clients that only hold connections open delay nobody", async (t) => {
  const idle = [];
  t.after(() => idle.forEach((socket) => socket.destroy()));
  for (let i = 0; i < 200; ++i) {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    idle.push(socket);
    if (i % 2) socket.write(Buffer.from("160301", "hex")); // the beginning of a handshake
  }
  await sleep(200);
  const started = Date.now();
  const answers = await Promise.all(Array.from({ length: 20 }, () => request("GET", "/v1/challenge")));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.ok(Date.now() - started < 3_000, `${Date.now() - started} ms`);
});

test("an enclave that is started again has another key, and clients can tell", async () => {
  const { spki } = await request("GET", "/v1/challenge");
  const [pid] = system.ready().pids.enclaves;
  process.kill(pid, "SIGKILL");
  const next = await until("the enclave is back", async () => {
    const answer = await request("GET", "/v1/challenge").catch(() => undefined);
    return answer?.status === 200 && answer;
  }, 30_000);
  assert.notEqual(next.spki, spki);
  const { code, checks } = await verify(port, "--allow-other-root");
  assert.equal(code, 0);
  assert.ok(checks.tls.detail.includes(next.spki));
});
