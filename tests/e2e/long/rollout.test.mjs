// SPDX-License-Identifier: Apache-2.0
// deploy/rollout rehearsed on one machine: devcloud's KMS, an Auto Scaling group's stand-in, hosts of processes, and clients that sign
// all the while. The program is killed at every call that it makes, and goes on.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { keyPolicy, setKeyPolicy } from "../cloud.mjs";
import { bin, redoubt, root, sleep, until, up } from "../lib.mjs";
import { makeGroup } from "./rollout_group.mjs";
import { ask, endAll, load, makeBalancer, startHost } from "./rollout_hosts.mjs";

const program = path.join(root, "deploy/rollout/rollout.mjs");
const store = "secretsmanager:rollout", template = "lt-0123456789abcdef0", leaseSeconds = 10, drainMs = 1_000;

let system, ready, balancer, fleet, kms, keys;
let stuckAt, reached = 0; // the second host of this version comes only when the refresh is turned back
let around = (_call, answer) => answer(); // carries out a call of the program; gives what sends the reply, or nothing
const images = {}; // version → { program, manifest }
const file = (name) => path.join(system.folder, name);
const write = (name, content, mode = 0o644) => {
  fs.writeFileSync(file(name), content, { mode });
  return file(name);
};

// Passes calls on to devcloud as they are.
async function kmsInBetween() {
  const behind = new URL(ready.devcloud.kms);
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const action = request.headers["x-amz-target"].split(".")[1];
    const send = await around(action, () => new Promise((resolve) => {
      const sent = http.request({ host: behind.hostname, port: behind.port, method: request.method, path: request.url, headers: request.headers }, (answer) => {
        const body = [];
        answer.on("data", (part) => body.push(part));
        answer.on("end", () => resolve(() => response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(body))));
      });
      sent.on("error", () => resolve(() => response.destroy()));
      sent.end(Buffer.concat(parts));
    }));
    send?.();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => {
    server.close();
    server.closeAllConnections();
  } };
}

before(async () => {
  system = await up({ extra: ["--store", store, "--vault-lease-seconds", String(leaseSeconds)] });
  ready = system.ready();
  keys = [];
  for (let i = 0; i < 4; ++i) keys.push((await system.json("POST", "/v1/keys", { client_token: `rollout-${i}` })).body);
  const dev = fs.readFileSync(path.join(bin, "redoubt-enclave-dev")), first = JSON.parse(fs.readFileSync(file("manifest.json"), "utf8"));
  // What is appended to an ELF file is loaded by nobody, and measured.
  const version = (n, manifest) => ({ program: write(`enclave-${n}`, Buffer.concat([dev, Buffer.from(n === 1 ? "" : `version ${n}`)]), 0o755), manifest: write(`manifest-${n}.json`, JSON.stringify(manifest)) });
  const second = { ...first, limits: { ...first.limits, key_cache_seconds: 1800 } };
  Object.assign(images, { 1: version(1, first), 2: version(2, second), 3: version(3, second) });
  balancer = await makeBalancer(ready);
  kms = await kmsInBetween();
  fleet = await makeGroup({ name: "signers", template, version: "1", size: 2, around: (action, answer) => around(action, answer), hosts: {
    start: async (id, version) => {
      if (fleet?.group.instances.size > 0 && stuckAt === version && ++reached > 1) await until("AWS is told to go back", () => fleet.group.refreshes.at(-1).Status === "RollbackInProgress", 120_000);
      const host = await startHost(system, file(id.slice(0, 8)), images[version], { module: `${id}-enc0123456789abcdef`, store });
      balancer.add(id, host.port);
      return host;
    },
    inService: (id, host) => until("the host is healthy", () => balancer.isHealthy(id), 30_000).catch((error) => { throw new Error(`${error.message}\n${host.log()}`); }),
    drain: async (id) => {
      balancer.drain(id);
      await sleep(drainMs);
    },
    end: async (id, host) => {
      await host.stop();
      balancer.remove(id);
    },
  } });
});
after(async () => {
  await fleet?.stop();
  await balancer?.stop();
  kms?.stop();
  endAll();
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

const arns = () => [ready.kms_key_arn, ready.reference_kms_key_arn];
const account = () => ready.kms_key_arn.split(":")[4];

function plan(name, from, to, change = {}) {
  const { fleet: fleetChange, ...others } = change;
  const whole = { rollout: 1, redoubt, old: { image: images[from].program, manifest: images[from].manifest }, new: { image: images[to].program, manifest: images[to].manifest },
    keys: arns(), policy: { administrators: [`arn:aws:iam::${account()}:root`], users: [`arn:aws:iam::${account()}:role/redoubt-instance`],
      encryptors: [`arn:aws:iam::${account()}:root`], development: true },
    kms: { endpoint: kms.url }, service: { url: balancer.url, ca: ready.ca_cert, attestation_root: ready.attestation_root },
    fleet: fleetChange ?? { kind: "auto-scaling", group: "signers", region: ready.region, endpoint: fleet.url, launch_template: template, old_version: String(from), new_version: String(to) },
    waits: { propagation_seconds: 0, margin_seconds: 2, settle_seconds: 20, poll_seconds: 0.2, replace_minutes: 1 }, ...others };
  const at = write(`${name}.json`, JSON.stringify(whole));
  return { at, whole, state: () => JSON.parse(fs.readFileSync(file(`${name}.state.json`), "utf8")), begun: () => fs.existsSync(file(`${name}.state.json`)) };
}

let running; // the program, while it runs
async function rollout(...args) {
  const child = running = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, AWS_ACCESS_KEY_ID: ready.access_key_id, AWS_SECRET_ACCESS_KEY: ready.secret_access_key } });
  let stdout = "", stderr = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  const [code, signal] = await once(child, "close");
  return { code, signal, stdout, stderr };
}

// Runs the program until it is done; it is killed -9 once at each different call that it makes in each step: before the call is
// carried out, and when it is but nobody knows yet.
async function killedAtEveryCall(p, command) {
  const met = [];
  let log = "";
  around = async (action, answer) => {
    const victim = running, step = p.begun() ? p.state().step : "begin";
    const kill = async (when) => {
      const point = `${step}: ${when} ${action}`;
      if (met.includes(point)) return false;
      met.push(point);
      victim.kill("SIGKILL");
      return true;
    };
    if (await kill("before")) return undefined;
    const send = await answer();
    if (await kill("after")) return undefined;
    return send;
  };
  try {
    for (;;) {
      const { code, signal, stderr } = await rollout(command, p.at);
      log += stderr;
      if (signal !== "SIGKILL") {
        assert.equal(code, 0, `${stderr}\nkilled at ${met.join(", ")}`);
        return { met, log };
      }
    }
  } finally {
    around = (_call, answer) => answer();
  }
}

const right = (key, nonce, { raw_transaction: raw }) => {
  const transaction = Transaction.from(raw);
  return transaction.nonce === nonce && transaction.from === key.address;
};
const loaded = (t, url) => {
  const clients = load(ready, url, keys, right);
  t.after(() => clients.stop());
  return clients;
};
const pairsIn = async (p) => {
  const { code, stdout, stderr } = await rollout("status", p.at, "--json");
  assert.equal(code, 0, stderr);
  const { keys: policies, enclaves } = JSON.parse(stdout);
  return { policies: arns().map((arn) => policies[arn]), enclaves };
};
const sign = async (host, key) => {
  const { status, body } = await ask(ready, host.url, "POST", `/v1/keys/${key.key_id}/sign-message`, JSON.stringify({ text: "after" }));
  return { status, body: JSON.parse(body) };
};

// An enclave of this version, started now, gets no data key; KMS names the reason.
async function opensNothing(version) {
  const module = `i-0fedcba987654321${version}-enc0123456789abcdef`;
  const host = await startHost(system, file(`late-${version}`), images[version], { module, store });
  try {
    const answer = await until("it has been refused", async () => {
      const one = await sign(host, keys[0]);
      return one.body.code === "kms_denied" && one;
    }, 10_000);
    assert.equal(answer.status, 502);
    assert.equal((await ask(ready, host.url, "GET", "/healthz")).status, 503);
    const events = await (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=1000`)).json();
    const mine = events.filter(({ moduleId }) => moduleId === module);
    assert.ok(mine.length > 0, "KMS was asked");
    for (const { eventName, errorCode } of mine) assert.deepEqual([eventName, errorCode], ["Decrypt", "AccessDeniedException"]);
  } finally {
    await host.stop();
  }
}

test("what no roll-out can be meant by is refused, before anything is touched", async () => {
  const touched = [];
  around = (action, answer) => {
    if (!/^(Get|Describe)/.test(action)) touched.push(action);
    return answer();
  };
  const manifest = JSON.parse(fs.readFileSync(images[2].manifest, "utf8"));
  const other = (name, change) => ({ image: images[2].program, manifest: write(name, JSON.stringify({ ...manifest, ...change })) });
  const { manifest: old } = images[1];
  for (const [change, code, sentence] of [
    [{ new: { image: images[1].program, manifest: old } }, 2, /same image and manifest/],
    [{ old: { pcr0: "0".repeat(96), manifest: old } }, 2, /PCR0 is all zero/],
    [{ policy_only: true }, 2, /policy_only, and old and new differ/],
    [{ keys: [ready.kms_key_arn] }, 2, new RegExp(`does not name ${ready.reference_kms_key_arn}`)],
    [{ new: other("less.json", { kms_keys: manifest.kms_keys.slice(0, 1), reference_keys: "none" }) }, 2, /only the old manifest names/],
    [{ new: other("epoch.json", { min_epoch: 2 }) }, 1, /locks out vaults with keys.*its epoch is 1, and min_epoch 2/],
    [{ new: other("commitments.json", { vault_commitments: { [`vault-${"0".repeat(32)}`]: "0".repeat(64) } }) }, 1, /vault_commitments does not list it/],
    [{ new: other("unknown.json", { colour: 1 }) }, 1, /an enclave would refuse the manifest/],
    [{ new: { ...images[2], image: images[2].program, program: undefined, expected_pcr0: "a".repeat(96) } }, 1, /not the expected one/],
    [{ kms: {}, service: { url: balancer.url }, policy: { administrators: [`arn:aws:iam::${account()}:role/a`], users: [`arn:aws:iam::${account()}:role/b`] } }, 2, /a program is no image/],
    [{ kms: {} }, 2, /only for another KMS than AWS's/],
    [{ surprise: true }, 2, /not known: surprise/],
    [{ old: { image: images[2].program, manifest: images[2].manifest }, new: { image: images[3].program, manifest: images[3].manifest } }, 1, /does not let in exactly the old pair/],
    [{ policy: { administrators: [`arn:aws:iam::${account()}:root`], users: [`arn:aws:iam::${account()}:role/other`], development: true } }, 1, /differs from the plan's in more than its pairs/],
    [{ fleet: { kind: "auto-scaling", group: "signers", region: ready.region, endpoint: fleet.url, launch_template: template, old_version: "7", new_version: "8" } }, 1, /not configured with version 7/],
  ]) {
    const p = plan("nonsense", 1, 2, change);
    const ran = await rollout("run", p.at, "--dry-run");
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, sentence);
    assert.equal(p.begun(), false);
  }
  const dry = await rollout("run", plan("dry", 1, 2).at, "--dry-run");
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stderr, /would do allow-both.*would do replace.*would do old-leases-end/s);
  around = (_call, answer) => answer();
  assert.deepEqual(touched, []);
  assert.deepEqual((await rollout("rollback", plan("dry", 1, 2).at)).code, 2);
});

test("from one image and manifest to the next under load: no signature fails, and the old ones open nothing any more", async (t) => {
  const p = plan("two", 1, 2), { url } = balancer, began = Date.now();
  const clients = loaded(t, url);
  const { met, log } = await killedAtEveryCall(p, "run");
  const took = Date.now() - began;
  const { signed, failed } = await clients.stop();
  t.diagnostic(`${signed} signatures in ${took} ms; the program was killed ${met.length} times: ${met.join("; ")}`);
  assert.deepEqual(failed, []);
  assert.ok(signed > 200, String(signed));
  for (const call of ["PutKeyPolicy", "StartInstanceRefresh"])
    for (const when of ["before", "after"]) assert.ok(met.some((point) => point.endsWith(`${when} ${call}`)), `${when} ${call}`);
  assert.deepEqual(p.state().history.map(({ step }) => step), ["examine", "allow-both", "replace", "allow-new-only", "old-leases-end"]);
  assert.equal(fleet.group.refreshes.length, 1, "one refresh, however often the program was killed");
  assert.deepEqual(fleet.versions(), ["2", "2"]);
  assert.ok(log.split("\n").every((line) => !line.includes(ready.secret_access_key)));
  const { policies, enclaves } = await pairsIn(p);
  assert.deepEqual(policies, [["new"], ["new"]]);
  assert.deepEqual(enclaves.map(({ pair, healthy }) => [pair, healthy]), [["new", true], ["new", true]]);
  for (const arn of arns()) assert.ok(!(await keyPolicy(ready, arn)).includes(ready.pcr0));

  // The enclave of `redoubt up` is one of version 1 that ran all the while: its lease has ended.
  for (const key of keys) {
    const answer = await sign({ url: ready.gateway }, key);
    assert.ok(["kms_denied", "vault_closed"].includes(answer.body.code), JSON.stringify(answer.body));
  }
  await opensNothing(1);
  const fresh = loaded(t, url);
  await until("each key has signed", () => fresh.signed() > 20, 10_000);
  assert.deepEqual((await fresh.stop()).failed, []);
  assert.equal((await rollout("run", p.at)).code, 0, "it is done, and says so");
});

test("a roll-out goes on with what it began with alone, and by one process alone", async () => {
  const p = plan("three", 2, 3);
  around = async (action, answer) => (action === "PutKeyPolicy" ? void running.kill("SIGKILL") : answer());
  assert.equal((await rollout("run", p.at)).signal, "SIGKILL");
  around = (_call, answer) => answer();
  assert.equal(p.state().step, "allow-both");
  plan("three", 2, 3, { keys: [...arns()].reverse() });
  const other = await rollout("run", p.at);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /began with something else.*the plan/);
  plan("three", 2, 3);
  const program3 = fs.readFileSync(images[3].program);
  fs.appendFileSync(images[3].program, "another build");
  assert.match((await rollout("run", p.at)).stderr, /began with something else.*the new image/);
  fs.writeFileSync(images[3].program, program3);
  let second;
  around = async (_call, answer) => {
    if (second !== undefined) return answer();
    const first = running;
    second = await rollout("run", p.at);
    return void first.kill("SIGKILL");
  };
  assert.equal((await rollout("run", p.at)).signal, "SIGKILL");
  around = (_call, answer) => answer();
  assert.equal(second.code, 2);
  assert.match(second.stderr, /worked on by another process/);
});

test("half-way to a third image it is rolled back under load: no signature fails, and the third opens nothing", async (t) => {
  const inService = (version) => [...fleet.group.instances.values()].some((one) => one.version === version && one.state === "InService");
  const p = plan("three", 2, 3), before = await Promise.all(arns().map((arn) => keyPolicy(ready, arn)));
  const clients = loaded(t, balancer.url);
  stuckAt = "3";
  // Killed when the first host is new.
  around = async (action, answer) => {
    const send = await answer();
    return inService("3") && inService("2") ? void running.kill("SIGKILL") : send;
  };
  assert.equal((await rollout("run", p.at)).signal, "SIGKILL");
  around = (_call, answer) => answer();
  assert.deepEqual((await pairsIn(p)).policies, [["old", "new"], ["old", "new"]]);

  const { met } = await killedAtEveryCall(p, "rollback").finally(() => (stuckAt = undefined));
  const { signed, failed } = await clients.stop();
  t.diagnostic(`${signed} signatures; the program was killed ${met.length} times on its way back`);
  assert.deepEqual(failed, []);
  assert.ok(met.some((point) => point.endsWith("after RollbackInstanceRefresh")), met.join("; "));
  assert.deepEqual(fleet.versions(), ["2", "2"]);
  assert.equal(fleet.group.refreshes.at(-1).Status, "RollbackSuccessful");
  assert.deepEqual(await Promise.all(arns().map((arn) => keyPolicy(ready, arn))), before, "to the byte");
  assert.deepEqual((await pairsIn(p)).enclaves.map(({ pair, healthy }) => [pair, healthy]), [["old", true], ["old", true]]);
  await opensNothing(3);
  const again = await rollout("run", p.at);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /was rolled back/);
});

test("hosts that stay: the watchdogs replace enclaves one by one, under load", async (t) => {
  const hosts = await Promise.all(["a", "b"].map((name) => startHost(system, file(`host-${name}`), images[2], { enclaves: 2, store })));
  const both = await makeBalancer(ready);
  t.after(() => both.stop().then(() => Promise.all(hosts.map((host) => host.stop()))));
  hosts.forEach((host, i) => both.add(i, host.port));
  await until("both hosts are healthy", () => hosts.every((_, i) => both.isHealthy(i)), 20_000);
  const install = write("install.sh", '#!/bin/sh\nset -eu\ncp "$1" "$2.new"\nchmod 755 "$2.new"\nmv "$2.new" "$2"\n', 0o755);
  const p = plan("stay", 2, 3, { service: { ca: ready.ca_cert, attestation_root: ready.attestation_root },
    fleet: { kind: "hosts", hosts: hosts.map((host, i) => ({ name: `host-${i}`, url: host.url, replace: [install, "{image}", host.program] })) } });
  const clients = loaded(t, both.url);
  const { code, stderr } = await rollout("run", p.at);
  const { signed, failed } = await clients.stop();
  assert.equal(code, 0, stderr);
  t.diagnostic(`${signed} signatures`);
  assert.deepEqual(failed, []);
  const { policies, enclaves } = await pairsIn(p);
  assert.deepEqual(policies, [["new"], ["new"]]);
  assert.deepEqual(enclaves.map(({ host, pair, healthy }) => [host, pair, healthy]), [["host-0", "new", true], ["host-0", "new", true], ["host-1", "new", true], ["host-1", "new", true]]);
});

test("a policy alone is changed by somebody else's hand, and taken back", async (t) => {
  const auditor = `arn:aws:iam::${account()}:role/auditor`, policy = { ...plan("any", 3, 3).whole.policy, auditors: [auditor] };
  // The group's hosts still run the second image, which the last test has shut out: hosts of the third are what there is.
  const host = await startHost(system, file("alone"), images[3], { enclaves: 2, store });
  t.after(() => host.stop());
  await until("its vaults are open", async () => (await ask(ready, host.url, "GET", "/healthz")).status === 200, 20_000);
  const fleetOf = { kind: "hosts", hosts: [{ name: "alone", url: host.url, replace: ["false"] }] }, service = { ca: ready.ca_cert, attestation_root: ready.attestation_root };
  const before = await Promise.all(arns().map((arn) => keyPolicy(ready, arn)));
  const p = plan("policy", 3, 3, { policy_only: true, policy, service, fleet: fleetOf, kms: { endpoint: kms.url, put: "hand" } });
  const first = await rollout("run", p.at);
  assert.equal(first.code, 4, first.stderr);
  assert.deepEqual(await Promise.all(arns().map((arn) => keyPolicy(ready, arn))), before);
  const [, named] = /then run this again: (.*)/.exec(first.stderr), files = named.trim().split(", ");
  assert.equal(files.length, 2);
  for (const [i, arn] of arns().entries()) {
    const text = fs.readFileSync(files[i], "utf8");
    assert.ok(text.includes(auditor));
    await setKeyPolicy(ready, arn, text);
    if (i === 0) assert.equal((await rollout("run", p.at)).code, 4, "one of two is not all");
  }
  const done = await rollout("run", p.at);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(p.state().history.map(({ step }) => step), ["examine", "put-policy", "leases-renewed"]);
  const back = await rollout("rollback", p.at);
  assert.equal(back.code, 4, back.stderr);
  await Promise.all(arns().map((arn, i) => setKeyPolicy(ready, arn, before[i])));
  assert.equal((await rollout("rollback", p.at)).code, 0);
  assert.equal(p.state().step, "rolled-back");
});
