// SPDX-License-Identifier: Apache-2.0
// A load generator with an open loop: requests are due at a constant rate, whatever became of those before, and a
// request's time runs from when it was due. So a stall of the server is seen in every request that it holds up. Where
// the generator itself stood still it says so, and `measured` leaves out what was under way then.
import tls from "node:tls";

const stallMs = 15;

class Connection {
  constructor(generator) {
    Object.assign(this, { generator, busy: undefined, buffer: Buffer.alloc(0), open: false, ended: false });
    this.socket = tls.connect({ host: generator.url.hostname, port: Number(generator.url.port), ca: generator.ca,
      session: generator.session }, () => {
      this.open = true;
      generator.freed(this);
    });
    this.socket.setNoDelay(true);
    this.socket.on("session", (session) => (generator.session = session));
    this.socket.on("error", () => {});
    this.socket.on("data", (data) => this.received(data));
    this.socket.on("close", () => {
      this.ended = true;
      generator.lost(this);
    });
  }
  send(request) {
    this.busy = { ...request, sent: performance.now() };
    this.socket.write(this.generator.bytes);
  }
  received(data) {
    this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
    const end = this.buffer.indexOf("\r\n\r\n");
    if (end < 0 || !this.busy) return;
    const head = this.buffer.subarray(0, end).toString("latin1").toLowerCase();
    const whole = end + 4 + Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
    if (this.buffer.length < whole) return;
    this.buffer = this.buffer.subarray(whole);
    const request = this.busy;
    this.busy = undefined;
    this.generator.answered(request, Number(head.slice(9, 12)), /\r\nretry-after: (\d+)/.exec(head)?.[1]);
    if (head.includes("\r\nconnection: close")) this.socket.end();
    else this.generator.freed(this);
  }
}

export class Generator {
  // `bytes`: one whole HTTP request.
  constructor({ url, ca, bytes, maxConnections = 512 }) {
    Object.assign(this, { url: new URL(url), ca, bytes: Buffer.from(bytes), maxConnections, connections: new Set(), free: [],
      due: [], dueFrom: 0, results: undefined });
  }
  freed(connection) {
    if (this.results && this.dueFrom < this.due.length) connection.send(this.due[this.dueFrom++]);
    else this.free.push(connection);
  }
  lost(connection) {
    this.connections.delete(connection);
    const at = this.free.indexOf(connection);
    if (at >= 0) this.free.splice(at, 1);
    if (connection.busy && this.results) {
      ++this.results.lost;
      this.outstanding--;
    }
  }
  answered({ due, sent, next }, status, retryAfter) {
    const now = performance.now();
    this.outstanding--;
    this.results.answers.push({ status, ms: now - due, fromSent: now - sent, at: now, retryAfter });
    next?.();
  }
  // Connections that are there when the load begins.
  async warm(count) {
    while (this.connections.size < count) {
      const connection = new Connection(this);
      this.connections.add(connection);
      await new Promise((resolve) => {
        connection.socket.once("secureConnect", resolve);
        connection.socket.once("close", resolve);
      });
    }
  }
  begin() {
    this.results = { answers: [], lost: 0, offered: 0, stalls: [], began: performance.now() };
    this.due = [];
    this.dueFrom = 0;
    this.outstanding = 0;
  }
  request(due, next) {
    ++this.results.offered;
    ++this.outstanding;
    let connection;
    while ((connection = this.free.pop()) && connection.ended);
    if (connection) return connection.send({ due, next });
    this.due.push({ due, next });
    if (this.connections.size < this.maxConnections) this.connections.add(new Connection(this));
  }
  async settle(limitMs = 15_000) {
    const until = performance.now() + limitMs;
    while (this.outstanding > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    const out = { ...this.results, unanswered: this.outstanding };
    this.results = undefined;
    return out;
  }
  // As many as are answered by so many clients that each wait for an answer before they ask again.
  async closedLoop(clients, seconds) {
    await this.warm(clients);
    this.begin();
    const end = performance.now() + seconds * 1000;
    const again = () => { if (performance.now() < end) this.request(performance.now(), again); };
    for (let i = 0; i < clients; ++i) again();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return this.settle();
  }
  async openLoop(perSecond, seconds) {
    this.begin();
    const begin = performance.now();
    let made = 0, last = begin;
    while (performance.now() - begin < seconds * 1000) {
      // Times that hold such a moment are the generator's own: it was not on a processor, or collected garbage.
      if (performance.now() - last > stallMs) this.results.stalls.push([last, performance.now()]);
      const wanted = Math.floor(((performance.now() - begin) / 1000) * perSecond);
      for (; made < wanted; ++made) this.request(begin + (made * 1000) / perSecond);
      last = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const out = await this.settle();
    const stalled = ({ at, fromSent }) => out.stalls.some(([from, to]) => at > from && at - fromSent < to);
    return { ...out, measured: out.answers.filter((answer) => !stalled(answer)) };
  }
  close() {
    for (const connection of this.connections) connection.socket.destroy();
  }
}

export const percentile = (values, fraction) =>
  values.length === 0 ? NaN : [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * fraction))];
