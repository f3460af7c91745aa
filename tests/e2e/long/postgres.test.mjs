// SPDX-License-Identifier: Apache-2.0
// The whole system with its records in PostgreSQL: a server of the test's own, killed and started again while clients create keys.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { until, up } from "../lib.mjs";

const versions = fs.existsSync("/usr/lib/postgresql") ? fs.readdirSync("/usr/lib/postgresql").sort((a, b) => Number(b) - Number(a)) : [];
const programs = versions.length > 0 ? `/usr/lib/postgresql/${versions[0]}/bin` : undefined;
const skip = programs === undefined ? "no PostgreSQL server is installed under /usr/lib/postgresql" : false;

let folder, server, system, user = {};

async function startServer() {
  const start = () => spawn(path.join(programs, "postgres"), ["-D", path.join(folder, "data"), "-k", folder, "-c", "listen_addresses="],
    { stdio: "ignore", cwd: "/", ...user });
  server = start();
  await until("PostgreSQL answers", () => {
    // It ends at once while processes of one that was killed are still about.
    if (server.exitCode !== null) server = start();
    try {
      execFileSync(path.join(programs, "pg_isready"), ["-q", "-h", folder], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }, 20_000);
}

async function killServer() {
  server.kill("SIGKILL");
  await once(server, "exit");
}

before(async () => {
  if (skip) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-pg-"));
  if (process.getuid() === 0) { // the server refuses to run as root
    user = { uid: Number(execFileSync("id", ["-u", "postgres"])), gid: Number(execFileSync("id", ["-g", "postgres"])) };
    fs.chownSync(folder, user.uid, user.gid);
  }
  execFileSync(path.join(programs, "initdb"), ["--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8",
    "-D", path.join(folder, "data")], { stdio: "ignore", cwd: "/", ...user });
  await startServer();
  system = await start();
});

let data;
async function start() {
  const started = await up({ dataDir: data, extra: ["--store", `postgresql://postgres@/postgres?host=${folder}`] });
  data = started.folder;
  return started;
}

after(async () => {
  if (skip) return;
  await system?.stop();
  system?.remove();
  server.kill("SIGQUIT");
  await once(server, "exit");
  fs.rmSync(folder, { recursive: true, force: true });
});

async function signs(key) {
  const answer = await system.json("POST", `/v1/keys/${key.key_id}/sign-transaction`, { transaction: { type: 2, chainId: 1, nonce: 0,
    gas: 21000, maxFeePerGas: 2, maxPriorityFeePerGas: 1, to: key.address, value: 1, data: "0x" } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(Transaction.from(answer.body.raw_transaction).from, key.address);
}

test("keys are created, listed and sign; and all are there after a restart of everything", { skip }, async () => {
  const keys = [];
  for (let i = 0; i < 5; ++i) {
    const { status, body } = await system.json("POST", "/v1/keys", {});
    assert.equal(status, 201, JSON.stringify(body));
    keys.push(body);
  }
  assert.equal(fs.existsSync(path.join(data, "store.db")), false, "nothing lies in SQLite");
  await system.stop();
  system = await start();
  const listed = (await system.json("GET", "/v1/keys?limit=100")).body.keys.map((key) => key.key_id);
  for (const key of keys) {
    assert.ok(listed.includes(key.key_id));
    await signs(key);
  }
});

test("each key acknowledged before a kill of the database is there after it, and the gateway goes on by itself", { skip }, async () => {
  const acknowledged = [], refused = [];
  let going = true;
  const client = (async () => {
    while (going) {
      const { status, body } = await system.json("POST", "/v1/keys", {});
      if (status === 201) acknowledged.push(body);
      else refused.push({ status, code: body.code });
    }
  })();
  for (let kill = 0; kill < 5; ++kill) {
    const before = acknowledged.length;
    await until("keys are created", () => acknowledged.length >= before + 10, 20_000);
    await killServer();
    await until("creation is refused meanwhile", () => refused.length > kill, 20_000);
    await startServer();
  }
  going = false;
  await client;
  for (const { status } of refused) assert.ok(status >= 500, `a refusal of status ${status}`);
  const listed = new Set();
  for (let next = ""; next !== undefined;) {
    const { body } = await system.json("GET", `/v1/keys?limit=1000${next && "&after=" + next}`);
    body.keys.forEach((key) => listed.add(key.key_id));
    next = body.next;
  }
  for (const key of acknowledged) assert.ok(listed.has(key.key_id), `${key.key_id} is lost`);
  for (const key of acknowledged.slice(-20)) await signs(key);
});

test("what happened to a key is there after a restart, and found by it", { skip }, async () => {
  const policy = { redoubt_policy: 1, rules: [{ effect: "allow", name: "open" }], export_recipients: [{ id: "cold", public_key: "0x" + "09".repeat(32) }] };
  const make = async (body) => (await system.json("POST", "/v1/keys", body)).body;
  const act = (key, action, body = {}) => system.json("POST", `/v1/keys/${key.key_id}/${action}`, body);
  const tags = { team: "treasury" };
  const [off, relabelled, pending, exportable] = [await make({ tags }), await make({ tags, label: "old" }), await make({ tags, client_token: "pg" }),
    await make({ tags, exportable: true, policy })];
  assert.equal((await act(off, "disable")).status, 200);
  assert.equal((await act(relabelled, "update", { label: "new" })).status, 200);
  assert.equal((await act(pending, "schedule-deletion")).status, 200);
  await system.stop();
  system = await start();
  const found = async (query) => (await system.json("GET", `/v1/keys?${query}`)).body.keys.map((key) => key.key_id);
  assert.deepEqual(await found("tag=team:treasury"), [off, relabelled, pending, exportable].map((key) => key.key_id));
  assert.deepEqual(await found("label=new"), [relabelled.key_id]);
  assert.deepEqual(await found("label=old"), []);
  assert.deepEqual(await found("state=disabled"), [off.key_id]);
  assert.deepEqual(await found("state=pending-deletion"), [pending.key_id]);
  assert.deepEqual(await found(`address=${exportable.address}`), [exportable.key_id]);
  assert.equal((await act(off, "sign-message", { text: "x" })).body.code, "key_disabled");
  assert.equal((await act(pending, "sign-message", { text: "x" })).body.code, "key_pending_deletion");
  assert.equal((await act(exportable, "export", { recipient: "cold", nonce: "00" })).status, 200, "its policy is there, too");
  assert.deepEqual([(await system.json("POST", "/v1/keys", { client_token: "pg", tags })).status], [200]);
});

test("a vault that the store could not keep seals no key", { skip }, async () => {
  const sql = (text) => execFileSync(path.join(programs, "psql"), ["-q", "-h", folder, "-U", "postgres", "-c", text], { stdio: "ignore", cwd: "/" });
  sql("ALTER TABLE redoubt_vaults ADD CONSTRAINT no_more CHECK (false) NOT VALID");
  const refused = await system.json("POST", "/v1/vaults", { client_token: "lost" });
  assert.ok(refused.status >= 500, JSON.stringify(refused.body));
  sql("ALTER TABLE redoubt_vaults DROP CONSTRAINT no_more");
  const keys = [];
  for (let i = 0; i < 10; ++i) {
    const { status, body } = await system.json("POST", "/v1/keys", {});
    assert.equal(status, 201, JSON.stringify(body));
    keys.push(body);
  }
  for (const key of keys) await signs(key);
  await system.stop();
  system = await start();
  for (const key of keys) await signs(key);
  const made = await system.json("POST", "/v1/vaults", { client_token: "lost" });
  assert.ok([200, 201].includes(made.status), JSON.stringify(made.body));
  const key = (await system.json("POST", "/v1/keys", { vault_id: made.body.vault_id })).body;
  await signs(key);
});
