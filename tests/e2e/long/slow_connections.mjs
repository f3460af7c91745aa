// SPDX-License-Identifier: Apache-2.0
// Connections that only hold on, half of them without TLS, the others idle after it or sending a request byte by byte; whatever of
// them the gateway ends is opened again. On a thread of its own, so that who measures beside them waits for the gateway alone.
// workerData: host, port, ca, target, count. It says when all were opened; asked anything then, it answers {held, opened, ended}.
import net from "node:net";
import tls from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

const { host, port, ca, target, count } = workerData;
const drips = `POST ${target} HTTP/1.1\r\nHost: ${host}:${port}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
const held = new Set();
let opened = 0, ended = 0, session;

function open(kind) {
  const socket = kind === "silent" ? net.connect({ host, port }) : tls.connect({ host, port, ca, session });
  ++opened;
  held.add(socket);
  socket.on("error", () => {});
  socket.on("session", (now) => (session = now));
  socket.on("close", () => {
    held.delete(socket);
    ++ended;
    setTimeout(open, 500, kind);
  });
  socket.sent = 20;
  if (kind === "dripping") socket.once("secureConnect", () => socket.write(drips.slice(0, socket.sent)));
  else socket.sent = drips.length;
}

setInterval(() => {
  for (const socket of held)
    if (socket.sent < drips.length && socket.writable && Math.random() < 0.1) socket.write(drips[socket.sent++]);
}, 1_000);

parentPort.on("message", () => parentPort.postMessage({ held: held.size, opened, ended }));

for (let i = 0; i < count; ++i) {
  open(["silent", "idle", "silent", "dripping"][i % 4]);
  if (i % 20 === 19) await sleep(10);
}
parentPort.postMessage("opened");
