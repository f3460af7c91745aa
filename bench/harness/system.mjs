// SPDX-License-Identifier: Apache-2.0
// `redoubt up` as the rows need it, in one folder for the whole run: a manifest that demands policies, a clients document (the
// principal `host` is a client whom the gateway knows), receipts kept. A row may ask for something else by its `system`:
//   { verify: false }    signatures leave the enclave unverified, as the development image alone may be told by its manifest
//   { open: true }       keys need no policy, so that the open one signs
//   { receipts: false }  requests go through a gateway that keeps no log of the enclave's receipts
//   { enclaves: 2 }      so many enclaves
//   { tls: true }        the listener whose TLS ends inside the enclave
//   { shed: true }       --short-queues, and the enclaves' threads after all others: on a Nitro host they have processors of their own,
//                        so that gateway and clients are never kept from theirs by what signs
//   { store: URL }       sealed records lie there, not in a SQLite file
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { request, until, up } from "../../tests/e2e/lib.mjs";
import { secondGateway } from "../../tests/e2e/second_gateway.mjs";
import { running } from "./running.mjs";

export const usual = { verify: true, open: false, receipts: true, enclaves: 1, tls: false, shed: false, store: undefined };

// The clients document and the one client's token, made once for a folder.
function clientsOf(folder) {
  const file = path.join(folder, "bench-clients.json"), secret = path.join(folder, "bench-token");
  if (!fs.existsSync(secret)) {
    const id = randomBytes(8).toString("hex"), token = `rdt_${id}_${randomBytes(32).toString("hex")}`;
    const all = { keys: ["*"], operations: ["*"] };
    fs.writeFileSync(file, JSON.stringify({ version: 1, anonymous: all,
      clients: [{ name: "bench", tokens: [{ id, sha256: createHash("sha256").update(token).digest("hex") }], ...all }] }));
    fs.writeFileSync(secret, token, { mode: 0o600 });
  }
  return { file, token: fs.readFileSync(secret, "utf8") };
}

// The first start makes KMS keys, manifest and vault; what the manifest demands is changed afterwards, and pinned by the next start.
async function prepare(folder, extra) {
  if (fs.existsSync(path.join(folder, "manifest.json"))) return;
  const first = await up({ dataDir: folder, extra });
  await running(first.stop)();
}

function writeManifest(folder, { verify, open }) {
  const file = path.join(folder, "manifest.json"), manifest = JSON.parse(fs.readFileSync(file, "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...manifest, reference_keys: "none", require_policy: !open, verify_before_release: verify }));
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const kAfterOthers = 15;
function goAfterOthers(pid) {
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) os.setPriority(Number(thread), kAfterOthers);
}

export const healthy = async (ready) => until("the enclaves sign", async () => (await request(ready, "GET", "/healthz")).status === 200, 60_000);

export async function start(folder, wanted) {
  const config = { ...usual, ...wanted };
  fs.mkdirSync(folder, { recursive: true });
  const always = ["--quiet", ...(config.store ? ["--store", config.store] : [])];
  await prepare(folder, always);
  writeManifest(folder, config);
  const clients = clientsOf(folder);
  const port = config.tls ? await freePort() : undefined;
  const system = await up({ dataDir: folder, enclaves: config.enclaves, extra: [...always, "--clients", clients.file, ...(config.shed ? ["--short-queues"] : []),
    ...(config.tls ? ["--tls-enclave", `127.0.0.1:${port}`] : [])] });
  const stopSystem = running(system.stop);
  let second, stopSecond;
  try {
    await healthy(system.ready());
    if (config.shed) system.ready().pids.enclaves.forEach(goAfterOthers);
    second = config.receipts ? undefined : await secondGateway(system, [], { env: { PATH: "/usr/bin:/bin" } });
    if (second) {
      stopSecond = running(second.stop);
      await healthy(second.ready);
    }
  } catch (error) {
    await stopSecond?.();
    await stopSystem();
    throw error;
  }
  const ready = second?.ready ?? system.ready();
  return {
    config, ready, token: clients.token, tlsUrl: config.tls ? `https://127.0.0.1:${port}` : undefined,
    // [{ name, pid }] of what serves requests.
    processes: () => {
      const { pids } = system.ready();
      return [{ name: "gateway", pid: second?.child.pid ?? pids.gateway }, ...pids.enclaves.map((pid, i) => ({ name: `enclave ${i + 1}`, pid })),
        { name: "devcloud", pid: pids.devcloud }, { name: "vsock-proxy", pid: pids.vsock_proxy }];
    },
    stop: async () => {
      await stopSecond?.();
      await stopSystem();
    },
  };
}

// { name: { rss_mib, most_mib } }: resident now, and the most that it was.
export function memoryOf(processes) {
  const mib = (text, name) => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? NaN) / 102.4) / 10;
  return Object.fromEntries(processes.map(({ name, pid }) => {
    const text = fs.readFileSync(`/proc/${pid}/status`, "utf8");
    return [name, { rss_mib: mib(text, "VmRSS"), most_mib: mib(text, "VmHWM") }];
  }));
}
