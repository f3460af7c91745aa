// SPDX-License-Identifier: Apache-2.0
// Connections that are there before they ask, each once: for tests of what becomes of requests under way. Load, and
// what it is answered with in which time, is bench/load_generator.cpp's.
import tls from "node:tls";

export class Generator {
  // `bytes`: one whole HTTP request.
  constructor({ url, ca, bytes }) {
    Object.assign(this, { url: new URL(url), ca, bytes, sockets: [], statuses: [], lost: 0 });
  }
  async connect(count) {
    await Promise.all(Array.from({ length: count }, async () => {
      const socket = tls.connect({ host: this.url.hostname, port: Number(this.url.port), ca: this.ca });
      this.sockets.push(socket);
      await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    }));
  }
  ask() {
    for (const socket of this.sockets) {
      let text = "", done = false;
      socket.on("error", () => {});
      socket.on("data", (data) => {
        text += data.toString("latin1");
        const end = text.indexOf("\r\n\r\n");
        if (done || end < 0 || text.length < end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0)) return;
        done = true;
        this.statuses.push(Number(text.slice(9, 12)));
      });
      socket.on("close", () => { if (!done) ++this.lost; });
      socket.write(this.bytes);
    }
  }
  async settle(limitMs = 15_000) {
    const open = () => this.sockets.length - this.statuses.length - this.lost;
    for (const until = performance.now() + limitMs; open() > 0 && performance.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return { statuses: this.statuses, lost: this.lost, unanswered: open() };
  }
  close() {
    for (const socket of this.sockets) socket.destroy();
  }
}

export const percentile = (values, fraction) =>
  values.length === 0 ? NaN : [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * fraction))];
