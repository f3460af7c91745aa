// SPDX-License-Identifier: Apache-2.0
// Many connections, slow and hostile ones among them, and well-behaved clients beside them that must not notice.
// LOAD_SECONDS: how long (120).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import { Transaction } from "ethers";
import { request, sleep, up } from "../lib.mjs";

const seconds = Number(process.env.LOAD_SECONDS ?? 120);

test("hundreds of slow, idle and hostile connections delay no well-behaved client", async (t) => {
  const system = await up();
  try {
    const ready = system.ready();
    const url = new URL(ready.gateway);
    const ca = fs.readFileSync(ready.ca_cert);
    const connect = () => new Promise((resolve, reject) => {
      const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca });
      socket.on("error", () => {});
      socket.once("secureConnect", () => resolve(socket));
      socket.once("close", () => reject(new Error("closed")));
    });
    const target = `/v1/keys/${ready.key_id}/sign-transaction`;
    const body = (nonce) => JSON.stringify({ transaction: { type: "0x2", chainId: 1, nonce, gas: 21000, maxFeePerGas: 2,
      maxPriorityFeePerGas: 1, to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "1" } });
    let running = true;
    const hostile = [];
    // Idle after the handshake; half a request; a request a byte at a time; garbage; answers never read.
    for (let i = 0; i < 300; ++i) hostile.push(connect().catch(() => undefined));
    const sockets = (await Promise.all(hostile)).filter(Boolean);
    sockets.forEach((socket, i) => {
      const whole = `POST ${target} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body(0).length}\r\n\r\n${body(0)}`;
      if (i % 5 === 1) socket.write(whole.slice(0, 100));
      if (i % 5 === 2) (async () => {
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

    const times = [];
    let refused = 0;
    const client = async (number) => {
      for (let nonce = number * 1_000_000; running; ++nonce) {
        const started = performance.now();
        const answer = await request(ready, "POST", target, body(nonce));
        if (answer.status === 503) {
          ++refused;
          continue;
        }
        assert.equal(answer.status, 200, answer.body);
        const parsed = Transaction.from(JSON.parse(answer.body).raw_transaction);
        assert.equal(parsed.nonce, nonce, "each answer belongs to its request");
        times.push(performance.now() - started);
      }
    };
    const clients = Promise.all(Array.from({ length: 4 }, (_, number) => client(number)));
    clients.catch(() => (running = false));
    await sleep(seconds * 1000);
    running = false;
    await clients;
    times.sort((a, b) => a - b);
    t.diagnostic(`${times.length} signatures, ${refused} refused, p50 ${times[times.length >> 1].toFixed(1)} ms, ` +
      `p99 ${times[Math.floor(times.length * 0.99)].toFixed(1)} ms, max ${times.at(-1).toFixed(1)} ms`);
    assert.ok(times.length > 100);
    for (const socket of [...sockets, ...plain]) socket.destroy();
    const memory = /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${ready.pids.gateway}/status`, "utf8"))[1];
    t.diagnostic(`gateway's memory: ${memory} kB`);
    assert.ok(Number(memory) < 300_000, "hostile connections cost bounded memory");
    assert.deepEqual(system.ready().pids, ready.pids, "no process ended");
  } finally {
    await system.stop();
    system.remove();
  }
});
