// SPDX-License-Identifier: Apache-2.0
// The whole system under load: a thousand connections of valid and garbage requests, then slow and hostile ones
// beside well-behaved clients, then an enclave that dies again and again.
// LOAD_SECONDS (60): half of the first load's length. ENCLAVE_KILLS (20).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import { Transaction } from "ethers";
import { request, sleep, until, up } from "../lib.mjs";

const seconds = Number(process.env.LOAD_SECONDS ?? 60);
const kills = Number(process.env.ENCLAVE_KILLS ?? 20);

const bodyOf = (nonce) => JSON.stringify({ transaction: { type: "0x2", chainId: 1, nonce, gas: 21000, maxFeePerGas: 2,
  maxPriorityFeePerGas: 1, to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" } });

// Signed once and checked by ethers; signatures are deterministic, so every later answer must have the same bytes.
async function expectedAnswers(ready, count) {
  const expected = [];
  for (let nonce = 0; nonce < count; ++nonce) {
    const answer = await request(ready, "POST", `/v1/keys/${ready.key_id}/sign-transaction`, bodyOf(nonce));
    assert.equal(answer.status, 200, answer.body);
    const parsed = Transaction.from(JSON.parse(answer.body).raw_transaction);
    assert.equal(parsed.from, ready.address);
    assert.equal(parsed.nonce, nonce);
    expected.push(answer.body);
  }
  return expected;
}

function processes(ready) {
  const { gateway, enclaves, devcloud, vsock_proxy } = ready.pids;
  return { gateway, enclave: enclaves[0], devcloud, "vsock-proxy": vsock_proxy };
}
const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

// A keep-alive connection that sends one request and reads its answer at a time.
class Connection {
  constructor(url, ca) {
    Object.assign(this, { url, ca });
  }
  async open() {
    this.buffer = "";
    this.socket = tls.connect({ host: this.url.hostname, port: Number(this.url.port), ca: this.ca, session: this.session });
    this.socket.on("error", () => {});
    this.socket.on("session", (session) => (this.session = session));
    this.closed = false;
    this.socket.on("data", (data) => {
      this.buffer += data.toString("latin1");
      this.wake?.();
    });
    this.socket.on("close", () => {
      this.closed = true;
      this.wake?.();
    });
    await new Promise((resolve, reject) => {
      this.socket.once("secureConnect", resolve);
      this.socket.once("close", () => reject(new Error("the handshake failed")));
    });
  }
  close() {
    this.socket?.destroy();
  }
  // One answer, or undefined when the connection ended first.
  async exchange(bytes) {
    if (!this.socket || this.closed) await this.open();
    this.socket.write(bytes);
    for (;;) {
      const end = this.buffer.indexOf("\r\n\r\n");
      if (end >= 0) {
        const head = this.buffer.slice(0, end).toLowerCase();
        const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
        if (this.buffer.length >= end + 4 + length) {
          const body = this.buffer.slice(end + 4, end + 4 + length);
          this.buffer = this.buffer.slice(end + 4 + length);
          return { status: Number(head.slice(9, 12)), body, close: head.includes("connection: close") };
        }
      }
      if (this.closed) return undefined;
      await new Promise((resolve) => (this.wake = resolve));
    }
  }
}

test("a thousand connections of valid and garbage requests: all answered, memory and descriptors stay", async (t) => {
  const system = await up();
  try {
    const ready = system.ready();
    const url = new URL(ready.gateway);
    const ca = fs.readFileSync(ready.ca_cert);
    const expected = await expectedAnswers(ready, 100);
    const target = `/v1/keys/${ready.key_id}/sign-transaction`;
    const post = (body, more = "Content-Type: application/json\r\n") =>
      `POST ${target} HTTP/1.1\r\nHost: ${url.host}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const garbage = [
      () => [post('{"transaction":'), 400],
      () => [post("[".repeat(100)), 413],
      () => [post('{"transaction":{"chainId":1}}'), 400],
      () => [post(bodyOf(1), "Content-Type: text/plain\r\n"), 415],
      () => [`GET /v1/keys/key-${"00".repeat(16)} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`, 404],
      () => [`GET /nothing HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`, 404],
      () => [`POST / HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      () => [Buffer.concat([Buffer.from("GET /"), randomBytes(40), Buffer.from("\r\n\r\n")]), 400],
    ];
    const counts = { right: 0, wrong: [], refused: 0, garbage: 0 };
    let running = true;
    const before = Object.entries(processes(ready)).map(([name, pid]) => [name, descriptorsOf(pid)]);
    const client = async (number) => {
      const connection = new Connection(url, ca);
      for (let i = number; running; i += 7) {
        const valid = i % 4 !== 0;
        const [bytes, status] = valid ? [post(bodyOf(i % 100)), 200] : garbage[i % garbage.length]();
        const answer = await connection.exchange(bytes).catch(() => undefined);
        if (valid && answer?.status === 200 && answer.body === expected[i % 100]) ++counts.right;
        else if (valid && answer?.status === 503) ++counts.refused;
        else if (!valid && (answer === undefined || answer.status === status)) ++counts.garbage;
        else if (running) counts.wrong.push(`${valid ? "valid" : bytes.toString("latin1").slice(0, 60)}: ${answer?.status} ${answer?.body}`);
        if (answer?.close || answer === undefined) connection.close();
        await sleep(50 + (i % 100)); // the load's shape: many connections, each now and then
      }
      connection.close();
    };
    const clients = Array.from({ length: 1000 }, (_, number) => client(number));
    const sample = () => Object.fromEntries(Object.entries(processes(ready)).map(([name, pid]) => [name, memoryOf(pid)]));
    await sleep(seconds * 1000);
    const first = sample();
    await sleep(seconds * 1000);
    const second = sample();
    running = false;
    await Promise.all(clients);
    t.diagnostic(`${counts.right} right, ${counts.refused} refused with 503, ${counts.garbage} garbage refused; ` +
      `memory in kB after one and two: ${JSON.stringify(first)} ${JSON.stringify(second)}`);
    assert.deepEqual(counts.wrong.slice(0, 5), []);
    assert.ok(counts.right > 1000);
    assert.equal(counts.refused, 0, "there is room for a thousand connections");
    for (const name of Object.keys(first))
      assert.ok(second[name] <= first[name] * 1.02, `${name} grew from ${first[name]} to ${second[name]} kB`);
    await until("descriptors are as before", () => {
      const now = Object.entries(processes(ready)).map(([name, pid]) => [name, descriptorsOf(pid)]);
      return now.every(([name, count], i) => name === before[i][0] && count <= before[i][1]);
    }, 10_000);
    assert.deepEqual(system.ready().pids, ready.pids, "no process ended");
  } finally {
    await system.stop();
    system.remove();
  }
});

test("hundreds of slow, idle and hostile connections delay no well-behaved client", async (t) => {
  const system = await up();
  try {
    const ready = system.ready();
    const url = new URL(ready.gateway);
    const ca = fs.readFileSync(ready.ca_cert);
    const target = `/v1/keys/${ready.key_id}/sign-transaction`;
    const connect = () => new Promise((resolve) => {
      const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca });
      socket.on("error", () => {});
      socket.once("secureConnect", () => resolve(socket));
      socket.once("close", () => resolve(undefined));
    });
    let running = true;
    // Idle after the handshake; half a request; a request a byte at a time; garbage; answers never read.
    const sockets = (await Promise.all(Array.from({ length: 300 }, connect))).filter(Boolean);
    assert.ok(sockets.length > 250);
    sockets.forEach((socket, i) => {
      const whole = `POST ${target} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${bodyOf(0).length}\r\n\r\n${bodyOf(0)}`;
      if (i % 5 === 1) socket.write(whole.slice(0, 100));
      if (i % 5 === 2)
        (async () => {
          for (const character of whole) {
            if (!running || socket.destroyed) return;
            socket.write(character);
            await sleep(50);
          }
        })();
      if (i % 5 === 3) socket.write(randomBytes(1000));
      if (i % 5 === 4) {
        socket.pause();
        socket.write(whole.repeat(200));
      }
    });
    // Connections that never begin TLS.
    const plain = Array.from({ length: 200 }, () => net.connect(Number(url.port), url.hostname).on("error", () => {}));

    const expected = await expectedAnswers(ready, 100);
    const times = [];
    const client = async (number) => {
      for (let nonce = number; running; nonce = (nonce + 7) % 100) {
        const started = performance.now();
        const answer = await request(ready, "POST", target, bodyOf(nonce));
        assert.equal(answer.status, 200, answer.body);
        assert.equal(answer.body, expected[nonce], "each answer belongs to its request");
        times.push(performance.now() - started);
      }
    };
    const clients = Promise.all(Array.from({ length: 4 }, (_, number) => client(number)));
    clients.catch(() => (running = false));
    await sleep(seconds * 1000);
    running = false;
    await clients;
    times.sort((a, b) => a - b);
    t.diagnostic(`${times.length} signatures beside ${sockets.length + plain.length} bad connections: ` +
      `p50 ${times[times.length >> 1].toFixed(1)} ms, p99 ${times[Math.floor(times.length * 0.99)].toFixed(1)} ms, ` +
      `longest ${times.at(-1).toFixed(1)} ms; gateway's memory ${memoryOf(ready.pids.gateway)} kB`);
    assert.ok(times.at(-1) < 5_000, "nobody waited for a slow client's time limit");
    assert.ok(memoryOf(ready.pids.gateway) < 300_000, "hostile connections cost bounded memory");
    for (const socket of [...sockets, ...plain]) socket.destroy();
    assert.deepEqual(system.ready().pids, ready.pids, "no process ended");
  } finally {
    await system.stop();
    system.remove();
  }
});

test("an enclave killed under load costs 503s alone, and service is back within three seconds each time", async (t) => {
  const system = await up();
  try {
    const ready = system.ready();
    const expected = await expectedAnswers(ready, 20);
    const target = `/v1/keys/${ready.key_id}/sign-transaction`;
    let running = true, right = 0, refused = 0, lastRight = Date.now();
    const client = async (number) => {
      for (let nonce = number; running; nonce = (nonce + 1) % 20) {
        const answer = await request(ready, "POST", target, bodyOf(nonce));
        if (answer.status === 200) {
          assert.equal(answer.body, expected[nonce]);
          ++right;
          lastRight = Date.now();
        } else {
          assert.equal(answer.status, 503, answer.body);
          assert.equal(answer.headers["retry-after"], "1");
          ++refused;
          await sleep(20);
        }
      }
    };
    const clients = Promise.all(Array.from({ length: 16 }, (_, number) => client(number)));
    let failure;
    clients.catch((error) => (failure = error));
    const outages = [];
    for (let i = 0; i < kills && !failure; ++i) {
      await sleep(2_500);
      const pid = system.ready().pids.enclaves[0];
      process.kill(pid, "SIGKILL");
      const killed = Date.now();
      await until("a signature after the kill", () => failure || lastRight > killed + 50, 10_000);
      outages.push(lastRight - killed);
    }
    running = false;
    await clients;
    t.diagnostic(`${right} right, ${refused} refused; outages in ms: ${outages.sort((a, b) => a - b).join(" ")}`);
    assert.equal(outages.length, kills);
    assert.ok(outages.at(-1) < 3_000);
    assert.equal(system.ready().pids.gateway, ready.pids.gateway);
  } finally {
    await system.stop();
    system.remove();
  }
});
