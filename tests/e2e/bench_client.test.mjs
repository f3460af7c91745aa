// SPDX-License-Identifier: Apache-2.0
// The load generator of `make bench`: it signs with the real system in every way that it knows, finds every wrong signature of a
// server that lies, over HTTP/1.1 and HTTP/2, and leaves no stall out of an open step's times.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http2 from "node:http2";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { SigningKey, Transaction, Wallet } from "ethers";
import { makeKey, person } from "./decisions.mjs";
import { bin, run, up } from "./lib.mjs";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-bench-client-"));
const file = (name, text) => {
  fs.writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};
let system;
after(async () => {
  await system?.stop();
  system?.remove();
  fs.rmSync(folder, { recursive: true, force: true });
});

// What it printed, the lines of trials apart from the last one, and its exit code.
async function generate(spec) {
  const child = spawn(path.join(bin, "bench_client"), [file("spec.json", JSON.stringify(spec))], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "", errors = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (errors += data));
  const [code] = await once(child, "close");
  const lines = said.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return { code, trials: lines.slice(0, -1), total: lines.at(-1), errors };
}
const closed = (seconds = 0.5, more = {}) => ({ mode: "closed", warmup_s: 0.1, seconds, ...more });

// --- a server of our own, which signs with `key` unless `misbehave` says otherwise

const key = new SigningKey(`0x${"11".repeat(32)}`), other = new SigningKey(`0x${"22".repeat(32)}`);
const address = new Wallet(key.privateKey).address;

function signedBy(by, asked) {
  const transaction = Transaction.from({ type: 2, chainId: 1n, nonce: Number(asked.nonce), gasLimit: BigInt(asked.gas), to: asked.to,
    maxFeePerGas: BigInt(asked.maxFeePerGas), maxPriorityFeePerGas: BigInt(asked.maxPriorityFeePerGas), value: BigInt(asked.value) });
  transaction.signature = by.sign(transaction.unsignedHash);
  return transaction;
}
function rest(by, asked) {
  const made = signedBy(by, asked);
  const { r, s, yParity } = made.signature;
  return { raw_transaction: made.serialized, r, s, y_parity: yParity };
}
const call = (by, { id, params: [asked] }) => ({ jsonrpc: "2.0", id, result: signedBy(by, asked).serialized });

let server, url, ca;
let answers = 0, misbehave = () => undefined; // of (answer's number, request's body): { status, body }
before(async () => {
  const made = await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own.key", "-out", "own.pem",
    "-days", "2", "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"], { cwd: folder });
  assert.equal(made.code, 0, made.stderr);
  ca = path.join(folder, "own.pem");
  server = http2.createSecureServer({ allowHTTP1: true, cert: fs.readFileSync(ca), key: fs.readFileSync(path.join(folder, "own.key")) },
    async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = JSON.parse(Buffer.concat(parts));
      const answer = await misbehave(answers++, body) ?? { status: 200, body: request.url !== "/rpc" ? rest(key, body.transaction)
        : Array.isArray(body) ? body.map((one) => call(key, one)) : call(key, body) };
      const text = JSON.stringify(answer.body);
      response.writeHead(answer.status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      response.end(text);
    });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `https://127.0.0.1:${server.address().port}`;
});
after(() => server?.close());

const own = (protocol, more = {}) => ({ url, ca, protocol, connections: 2, streams: protocol === "h2" ? 8 : 1, operation: "v1-sign-transaction",
  keys_file: file("own.keys", `key-own ${address}\n`), pick: "first", principal: { kind: "host" }, steps: [closed()], ...more });

for (const protocol of ["http/1.1", "h2"]) {
  test(`over ${protocol} it verifies each signature, and counts what it asked for`, async () => {
    for (const operation of ["v1-sign-transaction", "rpc", "rpc-batch"]) {
      answers = 0;
      const { code, trials: [trial], total, errors } = await generate(own(protocol, { operation, batch: 5 }));
      const each = operation === "rpc-batch" ? 5 : 1;
      assert.equal(code, 0, errors);
      assert.deepEqual(total, { verified: answers * each, wrong: 0, missing: 0 }, operation);
      assert.ok(trial.requests > 0 && trial.requests <= answers, operation);
      assert.equal(trial.signatures, trial.requests * each, operation);
      assert.equal(trial.statuses["200"], trial.requests);
      assert.equal(trial.histogram.reduce((sum, [, count]) => sum + count, 0), trial.requests);
      assert.ok(trial.histogram.length <= 200 && trial.histogram.at(-1)[0] >= trial.latency_us.max);
    }
  });

  test(`over ${protocol} it finds the one answer that is wrong`, async () => {
    const wrongs = {
      "another key's signature": (body) => ({ status: 200, body: rest(other, body.transaction) }),
      "a signature of another transaction": (body) => ({ status: 200, body: rest(key, { ...body.transaction, nonce: 7 }) }),
      "another parity": (body) => {
        const right = rest(key, body.transaction);
        return { status: 200, body: { ...right, y_parity: 1 - right.y_parity } };
      },
      "no signature": () => ({ status: 200, body: {} }),
      "a refusal for good": () => ({ status: 403, body: { code: "policy_denied" } }),
    };
    for (const [what, wrong] of Object.entries(wrongs)) {
      answers = 0;
      misbehave = (number, body) => (number === 20 ? wrong(body) : undefined);
      const { code, total } = await generate(own(protocol));
      misbehave = () => undefined;
      assert.deepEqual(total, { verified: answers - 1, wrong: 1, missing: 0 }, what);
      assert.equal(code, 1, what);
    }
  });
}

test("one wrong call of a batch is found, and one that is refused for the moment is not called wrong", async () => {
  const batch = own("h2", { operation: "rpc-batch", batch: 4, connections: 1, streams: 1 });
  for (const [instead, wrong, code] of [[(one) => call(other, one), 1, 1], [(one) => ({ jsonrpc: "2.0", id: one.id, error: { code: -32005, message: "" } }), 0, 0],
    [(one) => ({ ...call(key, one), id: 99 }), 1, 1]]) {
    answers = 0;
    misbehave = (number, body) => (number === 3 ? { status: 200, body: body.map((one, at) => (at === 2 ? instead : call.bind(null, key))(one)) } : undefined);
    const made = await generate(batch);
    misbehave = () => undefined;
    assert.deepEqual(made.total, { verified: answers * 4 - 1, wrong, missing: 0 });
    assert.equal(made.code, code);
  }
});

test("what is refused for the moment is counted by its status, and neither wrong nor missing", async () => {
  answers = 0;
  misbehave = (number) => (number % 2 === 1 ? { status: 503, body: { code: "overloaded" } } : undefined);
  const { code, trials: [trial], total } = await generate(own("h2"));
  misbehave = () => undefined;
  assert.equal(code, 0);
  assert.equal(total.verified, Math.ceil(answers / 2));
  assert.ok(trial.statuses["503"] > 0 && trial.signatures === trial.statuses["200"]);
});

test("a stall of the server is in the times of all requests that were due in it", async () => {
  for (const protocol of ["http/1.1", "h2"]) {
    answers = 0;
    let stalled;
    // From the 60th request on nobody is answered for 600 ms: of 300 requests in the window, about 60.
    misbehave = async (number) => {
      if (number >= 60) await (stalled ??= new Promise((resolve) => setTimeout(resolve, 600)));
    };
    const { code, trials: [trial] } = await generate(own(protocol, { steps: [{ mode: "open", rate: 100, warmup_s: 0.2, seconds: 3 }] }));
    misbehave = () => undefined;
    assert.equal(code, 0);
    assert.equal(trial.requests, 300);
    assert.ok(trial.latency_us.p90 > 200_000, `${protocol}: a client that waits for answers before it asks again would see two slow ones`);
  }
});

test("an open step's rate follows from the closed step before it, and its requests leave though none is answered", async () => {
  const { code, trials } = await generate(own("h2", { steps: [closed(0.5, { trials: 3 }), { mode: "open", times: 0.5, seconds: 1, arrivals: "poisson" }] }));
  assert.equal(code, 0);
  assert.deepEqual(trials.map(({ step, mode, trial }) => [step, mode, trial]), [[0, "closed", 1], [0, "closed", 2], [0, "closed", 3], [1, "open", 1]]);
  const rates = trials.slice(0, 3).map(({ requests, seconds }) => requests / seconds).sort((a, b) => a - b);
  assert.ok(Math.abs(trials[3].rate - rates[1] / 2) < 0.01);
});

test("handshakes are full ones or resumed ones, as was asked", async () => {
  const { code, trials: [full, resumed] } = await generate(own("http/1.1", { steps: [{ mode: "handshakes", seconds: 0.3 },
    { mode: "handshakes", resumed: true, seconds: 0.3 }] }));
  assert.equal(code, 0);
  assert.ok(full.handshakes > 0 && full.resumed === 0 && full.failed === 0);
  assert.ok(resumed.handshakes > 0 && resumed.resumed === resumed.handshakes && resumed.failed === 0);
});

test("it refuses a server whose certificate its CA did not make, or whose key is not pinned", async () => {
  const spki = (await run("bash", ["-c", "openssl x509 -in own.pem -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"], { cwd: folder })).stdout.slice(0, 64);
  const { ca: _, ...spec } = own("http/1.1");
  assert.equal((await generate({ ...spec, tls_enclave: { pins: [spki] } })).code, 0);
  const refused = await generate({ ...spec, tls_enclave: { pins: ["00".repeat(32)] } });
  assert.equal(refused.code, 2);
  assert.match(refused.errors, /TLS handshake/);
  await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "no.key", "-out", "no.pem", "-days", "2", "-subj",
    "/CN=own"], { cwd: folder });
  assert.equal((await generate({ ...spec, ca: path.join(folder, "no.pem") })).code, 2);
});

// --- the real system

test("the real system signs for the host's word, keys and sessions, one key or many, and nothing is wrong", async () => {
  system = await up({ enclaves: 2 });
  const ready = system.ready();
  const bot = person("bot"), desk = person("desk", "P-256");
  const policy = { redoubt_policy: 1, version: 1, principals: [bot.entry, desk.entry], rules: [{ name: "pay", effect: "allow", principals: ["bot", "desk"],
    operations: ["sign-transaction"] }] };
  const keys = [];
  for (let i = 0; i < 5; i++) keys.push(await makeKey(ready, policy));
  const lines = (of) => of.map(({ key_id, address: whose }) => `${key_id} ${whose}\n`).join("");
  const pem = (who) => file(`${who.by.keyid}.pem`, who.by.privateKey.export({ type: "pkcs8", format: "pem" }));
  const base = { url: ready.gateway, ca: ready.ca_cert, protocol: "http/1.1", connections: 4, operation: "v1-sign-transaction", pick: "uniform", seed: 3,
    keys_file: file("policy.keys", lines(keys)), steps: [closed()] };
  const open = file("open.keys", lines([ready]));
  const made = path.join(folder, "made.keys");
  const creation = await generate({ ...base, protocol: "h2", streams: 4, operation: "create-keys", keys_file: made, create_body: { policy }, steps: [{ mode: "create", count: 50 }] });
  assert.equal(creation.code, 0, creation.errors);
  assert.equal(creation.trials[0].keys, 50);
  assert.equal(new Set(fs.readFileSync(made, "utf8").trim().split("\n")).size, 50);
  for (const [what, spec] of Object.entries({
    "the host's word": { ...base, keys_file: open, pick: "first" },
    "the host's word, over HTTP/2": { ...base, keys_file: open, protocol: "h2", streams: 16 },
    "JSON-RPC": { ...base, keys_file: open, operation: "rpc" },
    batches: { ...base, protocol: "h2", keys_file: open, operation: "rpc-batch", batch: 20 },
    "a P-256 key": { ...base, principal: { kind: "p256", keyid: "desk", key_file: pem(desk) } },
    "an Ed25519 key, some keys more than others": { ...base, keys_file: made, pick: "zipf", principal: { kind: "ed25519", keyid: "bot", key_file: pem(bot) } },
    sessions: { ...base, protocol: "h2", streams: 8, principal: { kind: "session", keyid: "desk", key_file: pem(desk), sessions: 4 } },
  })) {
    const { code, trials: [trial], total, errors } = await generate(spec);
    assert.equal(code, 0, `${what}: ${errors}`);
    assert.ok(trial.signatures > 0 && total.verified >= trial.signatures, what);
    assert.deepEqual(Object.keys(trial.statuses), ["200"], what);
  }
});
