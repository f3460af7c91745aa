// SPDX-License-Identifier: Apache-2.0
// `redoubt watchdog` with real enclave processes: by itself, and through a stand-in for nitro-cli. Enclaves that are killed, hang,
// or run an image that was replaced on disk; a watchdog that is killed, and one that can do nothing.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { alive, bin, redoubt, root, sleep, until, up } from "../lib.mjs";
import { makeEif, measureEif } from "../../support/eif.mjs";
import { Enclave } from "../wire.mjs";

const enclaveProgram = path.join(bin, "redoubt-enclave-dev");
let folder, material;
const started = new Set(); // watchdogs and enclaves, for the end

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-wd-"));
  fs.mkdirSync(path.join(folder, "up"));
  // Roots that fit each other, as redoubt up makes them.
  const system = await up({ dataDir: path.join(folder, "up") });
  await system.stop();
  const file = (name) => path.join(folder, "up", name);
  material = ["--kms-proxy", `unix:${folder}/kms.sock`, "--tls-roots", file("tls/ca.pem"), "--nsm-root", file("attestation"),
    "--endpoint-suffix", "devcloud.internal", "--region", "us-east-1"];
});
after(() => {
  for (const pid of started) if (alive(pid)) process.kill(pid, "SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
});

function get(socketPath, target) {
  return new Promise((resolve, reject) => {
    http.get({ socketPath, path: target, timeout: 5_000 }, (answer) => {
      let body = "";
      answer.on("data", (part) => (body += part));
      answer.on("end", () => resolve({ status: answer.statusCode, type: answer.headers["content-type"], body }));
    }).on("error", reject).on("timeout", function () { this.destroy(new Error("timed out")); });
  });
}

let count = 0;
const timing = ["--probe-ms", "100", "--silent-limit-ms", "1500"];
function watchdog(args, { last = [], env = {}, times = timing } = {}) {
  const socket = path.join(folder, `m${++count}.sock`);
  const child = spawn(redoubt, ["watchdog", "--listen", `unix:${socket}`, ...times, "--list-ms", "200", "--image-ms", "200",
    ...args, ...last], { stdio: ["ignore", "pipe", "pipe"], cwd: folder, env: { PATH: process.env.PATH, ...env } });
  started.add(child.pid);
  const it = { child, socket, stdout: "", stderr: "", ended: once(child, "exit") };
  child.stdout.on("data", (data) => (it.stdout += data));
  child.stderr.on("data", (data) => (it.stderr += data));
  it.status = async () => {
    try {
      return JSON.parse((await get(socket, "/status")).body);
    } catch {
      return undefined;
    }
  };
  it.until = async (what, condition, limitMs = 20_000) => {
    try {
      return await until(what, async () => {
        if (child.exitCode !== null) throw new Error(`the watchdog ended with ${child.exitCode}`);
        const status = await it.status();
        return status !== undefined && (await condition(status)) ? status : undefined;
      }, limitMs);
    } catch (error) {
      throw new Error(`${error.message}\n${JSON.stringify(await it.status(), null, 1)}\n${it.stderr}`);
    }
  };
  it.allSign = (limitMs) => it.until("all enclaves can sign", (status) => status.enclaves.every((one) => one.can_sign), limitMs);
  it.stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const [code] = await it.ended;
    return code;
  };
  return it;
}

// The process runner.

const pidOf = (enclave) => Number(enclave.id.match(/^process-(\d+)$/)[1]);

function processes(name, extra = []) {
  const directory = path.join(folder, name);
  const image = path.join(folder, `${name}-program`);
  fs.copyFileSync(enclaveProgram, image);
  return { directory, image, start: (more = []) => watchdog(["--runner", "process", "--image", image, "--directory", directory, "--enclaves", "2",
    ...extra, ...more], { last: ["--", ...material] }) };
}

test("processes: killed ones come back, hanging ones are replaced, and none outlives a watchdog that is stopped", async () => {
  const it = processes("p").start();
  const first = await it.allSign();
  assert.match(it.stdout, /^\{"ready":true,"listen":"unix:/);
  assert.deepEqual(first.enclaves.map((one) => one.cid), [16, 17]);
  for (const one of first.enclaves) {
    assert.equal(one.pcr0, first.image.pcr0);
    assert.equal(one.current, true);
    assert.equal(one.debug, false);
  }

  const killed = pidOf(first.enclaves[0]);
  process.kill(killed, "SIGKILL");
  const second = await it.until("the killed one is back", (status) => status.enclaves[0].can_sign && status.enclaves[0].id !== first.enclaves[0].id);
  assert.equal(second.enclaves[0].endpoint, first.enclaves[0].endpoint);
  assert.equal(second.enclaves[0].failures, 1);
  assert.equal(second.enclaves[1].id, first.enclaves[1].id);

  const hanging = pidOf(second.enclaves[1]);
  process.kill(hanging, "SIGSTOP");
  const third = await it.until("the hanging one is replaced", (status) => status.enclaves[1].can_sign && status.enclaves[1].id !== second.enclaves[1].id);
  assert.equal(alive(hanging), false);
  assert.equal(third.enclaves[0].id, second.enclaves[0].id);

  const metrics = await get(it.socket, "/metrics");
  assert.equal(metrics.status, 200);
  assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^redoubt_enclave_can_sign\{cid="16"\} 1$/m);
  assert.match(metrics.body, /^redoubt_enclave_failures_total\{cid="17"\} 1$/m);
  for (const line of metrics.body.trim().split("\n"))
    assert.match(line, /^(# (HELP|TYPE) redoubt_\w+ .+|redoubt_\w+(\{cid="\d+"\})? -?\d+)$/);

  const pids = third.enclaves.map(pidOf);
  assert.equal(await it.stop(), 0);
  for (const pid of pids) assert.equal(alive(pid), false);
});

// Every process that works in a folder of the process runner: enclaves and their minders.
function inFolder(directory) {
  return fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${directory}/`) && pid !== process.pid;
    } catch {
      return false; // it has ended
    }
  });
}

// Has an enclave sign a probe every 20 ms, over a new connection each time: as a client that comes just then.
function prober({ endpoint }) {
  const it = { signed: 0, failed: [], longest: 0 };
  let running = true;
  const done = (async () => {
    for (let since = Date.now(); running; await sleep(20)) {
      try {
        const enclave = await Enclave.connect(endpoint.replace("unix:", ""));
        const answer = await enclave.probe();
        enclave.close();
        assert.equal(answer.body.ok, true);
        ++it.signed;
        it.longest = Math.max(it.longest, Date.now() - since);
        since = Date.now();
      } catch (error) {
        it.failed.push(error.message);
      }
    }
  })();
  it.end = async () => {
    running = false;
    await done;
    return it;
  };
  return it;
}

test("processes: they outlive a watchdog that is killed, and the next one takes them over without a gap", async () => {
  const setup = processes("k");
  let it = setup.start();
  const first = await it.allSign();
  const pids = first.enclaves.map(pidOf), all = inFolder(setup.directory);
  assert.equal(all.length, 4); // two enclaves and their minders
  const probers = first.enclaves.map(prober);
  for (let i = 0; i < 3; ++i) {
    it.child.kill("SIGKILL");
    await it.ended;
    await sleep(300);
    it = setup.start();
    const again = await it.allSign();
    assert.deepEqual(again.enclaves.map(pidOf), pids);
    assert.deepEqual(again.enclaves.map(({ starts, failures, current, pcr0 }) => ({ starts, failures, current, pcr0 })),
      first.enclaves.map(({ pcr0 }) => ({ starts: 0, failures: 0, current: true, pcr0 })));
    assert.deepEqual(inFolder(setup.directory), all); // and so do the minders
  }
  for (const one of probers) {
    const { signed, failed, longest } = await one.end();
    assert.deepEqual(failed, []);
    assert.ok(signed > 20, String(signed));
    assert.ok(longest < 1_500, `${longest} ms without a signature`);
  }

  // What was taken over is kept as what was started: an end is noticed, and another takes the slot.
  process.kill(pids[0], "SIGKILL");
  const healed = await it.until("the killed one is back", (status) => status.enclaves[0].can_sign && pidOf(status.enclaves[0]) !== pids[0]);
  assert.match(it.stderr, /redoubt-enclave-dev|k-program was ended by signal 9/);
  assert.equal(pidOf(healed.enclaves[1]), pids[1]);

  // A second watchdog is told that there is one, and changes nothing.
  const second = setup.start();
  assert.equal((await second.ended)[0], 1);
  assert.match(second.stderr, /another watchdog keeps the enclaves of this name/);
  assert.deepEqual((await it.status()).enclaves.map(({ id, can_sign }) => [id, can_sign]), healed.enclaves.map(({ id }) => [id, true]));

  assert.equal(await it.stop(), 0);
  assert.deepEqual(inFolder(setup.directory), []);
  assert.deepEqual(fs.readdirSync(setup.directory).filter((name) => name.endsWith(".minder.sock")), []);
});

test("processes: a watchdog that is stopped right after its start ends what it had not found yet", async () => {
  const setup = processes("e");
  let it = setup.start();
  const pids = (await it.allSign()).enclaves.map(pidOf);
  it.child.kill("SIGKILL");
  await it.ended;
  it = setup.start();
  await until("it has begun", () => fs.existsSync(it.socket) || it.child.exitCode !== null);
  assert.equal(await it.stop(), 0);
  assert.deepEqual(pids.filter(alive), []);
  assert.deepEqual(inFolder(setup.directory), []);
});

test("processes: when no watchdog comes back they end by themselves", async () => {
  const setup = processes("o");
  const it = setup.start();
  const pids = (await it.allSign()).enclaves.map(pidOf);
  const began = Date.now();
  it.child.kill("SIGKILL");
  await it.ended;
  await sleep(10_000);
  assert.ok(pids.every(alive));
  await until("enclaves and minders are gone", () => inFolder(setup.directory).length === 0, 20_000);
  assert.ok(Date.now() - began > 18_000);
});

test("processes: another image on disk replaces them one by one, and never all at once", async () => {
  const setup = processes("r");
  const it = setup.start();
  const first = await it.allSign();
  // The same program and yet another image: what is appended to an ELF file is loaded by nobody.
  fs.writeFileSync(`${setup.image}.new`, Buffer.concat([fs.readFileSync(enclaveProgram), Buffer.from("version 2")]), { mode: 0o755 });
  fs.renameSync(`${setup.image}.new`, setup.image);
  let fewest = 2;
  const second = await it.until("both run the new image", (status) => {
    fewest = Math.min(fewest, status.enclaves.filter((one) => one.can_sign).length);
    return status.image.pcr0 !== first.image.pcr0 && status.replacing === null && status.enclaves.every((one) => one.current && one.can_sign);
  });
  assert.equal(fewest, 1);
  assert.deepEqual(second.enclaves.map((one) => [one.replacements, one.failures]), [[1, 0], [1, 0]]);
  assert.notEqual(second.image.pcr0, first.image.pcr0);
  const order = [...it.stderr.matchAll(/"event":"an enclave is ended","cid":"(\d+)"/g)].map((match) => match[1]);
  assert.deepEqual(order, ["16", "17"]);
  assert.equal(await it.stop(), 0);
});

test("processes: an image that does not work costs one enclave and no more, and the former one on disk heals it", async () => {
  const setup = processes("b");
  const it = setup.start();
  const first = await it.allSign();
  const good = fs.readFileSync(setup.image);
  fs.writeFileSync(`${setup.image}.new`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  fs.renameSync(`${setup.image}.new`, setup.image);
  await it.until("the first one failed with it twice", (status) => status.enclaves[0].failures >= 2);
  const stuck = await it.status();
  assert.equal(stuck.replacing, 16);
  assert.equal(stuck.enclaves[1].id, first.enclaves[1].id);
  assert.equal(stuck.enclaves[1].can_sign, true);
  fs.writeFileSync(`${setup.image}.new`, good, { mode: 0o755 });
  fs.renameSync(`${setup.image}.new`, setup.image);
  const healed = await it.until("both work", (status) => status.replacing === null && status.enclaves.every((one) => one.current && one.can_sign));
  assert.equal(healed.enclaves[1].id, first.enclaves[1].id);
  assert.equal(await it.stop(), 0);
});

test("processes: the start limit is told, and is the exit code", async () => {
  const setup = processes("l", ["--start-limit", "3", "--longest-delay-ms", "50"]);
  fs.writeFileSync(setup.image, "#!/bin/sh\necho cannot go on >&2\nexit 7\n");
  const it = setup.start();
  const [code] = await it.ended;
  assert.equal(code, 1);
  assert.equal(it.stdout, "");
  assert.match(it.stderr, /"event":"the start limit of an enclave is reached: it rests","cid":"16","failures":"3"/);
  assert.match(it.stderr, /redoubt: runner_failed: the start limit is reached for every enclave/);
  assert.match(it.stderr, /ended with exit code 7/);
});

test("wrong usage is told before anything is started", async () => {
  for (const [args, sentence, times] of [
    [["--runner", "process", "--image", enclaveProgram], /needs --directory/],
    [["--runner", "process", "--image", path.join(folder, "none"), "--directory", path.join(folder, "u")], /redoubt-enclave-dev/],
    [["--runner", "nitro", "--image", "x.eif", "--nitro-cli", path.join(folder, "none")], /nitro-cli is not there/],
    [["--runner", "vm", "--image", "x.eif", "--directory", path.join(folder, "u"), "--qemu", path.join(folder, "none")], /--qemu/],
    [["--runner", "nitro", "--image", "x.eif"], /--silent-limit-ms is at least three times --probe-ms/, ["--probe-ms", "501", "--silent-limit-ms", "1500"]],
    [["--runner", "nitro", "--image", "x.eif", "--name", "-x"], /--name/],
    [["--runner", "nitro", "--image", "x.eif", "--name", "a/b"], /--name/],
    [["--runner", "nitro", "--image", "x.eif", "--name", "x".repeat(65)], /--name/],
    [["--runner", "nitro", "--image", "x.eif", "--boot-limit", "0"], /--boot-limit/],
    [["--runner", "hyper", "--image", "x.eif"], /--runner/],
    [["--runner", "process", "--image", enclaveProgram, "--directory", path.join(folder, "u"), "--enclaves", "0"], /1 to 64/],
    [["--runner", "process", "--image", enclaveProgram, "--directory", path.join(folder, "u"), "--first-cid", "3"], /begin at 4/],
  ]) {
    const it = watchdog(args, { times });
    const [code] = await it.ended;
    assert.equal(code, 2, it.stderr);
    assert.match(it.stderr, sentence);
  }
});

// The nitro runner, with a stand-in for nitro-cli.

function nitro(name, config = {}) {
  const state = path.join(folder, name);
  fs.mkdirSync(state);
  const image = path.join(folder, `${name}.eif`);
  const cli = path.join(folder, `${name}-cli`);
  const write = (more) => {
    fs.writeFileSync(path.join(state, "config.new"), JSON.stringify({ program: enclaveProgram, arguments: material, ...config, ...more }));
    fs.renameSync(path.join(state, "config.new"), path.join(state, "config.json"));
  };
  write({});
  fs.writeFileSync(cli, `#!/bin/sh\nexec '${process.execPath}' '${path.join(root, "tests/support/fake_nitro_cli.mjs")}' '${state}' "$@"\n`, { mode: 0o755 });
  const setImage = (options) => {
    fs.writeFileSync(`${image}.new`, makeEif(options));
    fs.renameSync(`${image}.new`, image);
    return measureEif(fs.readFileSync(image)).PCR0;
  };
  const records = () => fs.readdirSync(state).filter((entry) => /^enclave-i-.*\.json$/.test(entry))
    .map((entry) => {
      try {
        return JSON.parse(fs.readFileSync(path.join(state, entry), "utf8"));
      } catch {
        return undefined; // it ended just now
      }
    }).filter((record) => record?.state === "RUNNING");
  const pidOfEnclave = (id) => {
    const pid = records().find((record) => record.id === id).pid;
    started.add(pid);
    return pid;
  };
  return { state, image, cli, write, setImage, pidOfEnclave, records,
    calls: () => fs.readFileSync(path.join(state, "calls.log"), "utf8").trim().split("\n"),
    start: (more = []) => watchdog(["--runner", "nitro", "--image", image, "--nitro-cli", cli, "--memory", "64", "--cpus", "2",
      "--enclaves", "2", "--endpoint-prefix", `unix:${state}/enclave-`, ...more]),
    end: () => {
      for (const record of records()) if (alive(record.pid)) process.kill(record.pid, "SIGKILL");
    } };
}

test("nitro: starts, replaces what is killed or hangs, and is found again by the next watchdog", async () => {
  const setup = nitro("n", { slow_ms: 300, ending_ms: 300 });
  const pcr0 = setup.setImage({ cmdline: "version 1" });
  let it = setup.start();
  const first = await it.allSign();
  assert.equal(first.image.pcr0, pcr0);
  assert.deepEqual(first.enclaves.map((one) => [one.cid, one.pcr0, one.current]), [[16, pcr0, true], [17, pcr0, true]]);
  assert.deepEqual(first.enclaves.map((one) => one.failures), [0, 0]); // one boots after the other

  process.kill(setup.pidOfEnclave(first.enclaves[0].id), "SIGKILL");
  const second = await it.until("the killed one is back", (status) => status.enclaves[0].can_sign && status.enclaves[0].id !== first.enclaves[0].id);
  const hanging = setup.pidOfEnclave(second.enclaves[1].id);
  process.kill(hanging, "SIGSTOP");
  const third = await it.until("the hanging one is replaced", (status) => status.enclaves[1].can_sign && status.enclaves[1].id !== second.enclaves[1].id);
  assert.equal(third.enclaves[0].id, second.enclaves[0].id);

  // Killed or stopped, the watchdog leaves the enclaves; the next one takes them over and starts nothing.
  const runs = () => setup.calls().filter((call) => call.startsWith("run-enclave")).length;
  const before = runs();
  for (const end of ["SIGKILL", "SIGTERM"]) {
    it.child.kill(end);
    const [code] = await it.ended;
    assert.equal(code, end === "SIGTERM" ? 0 : null);
    await sleep(200);
    it = setup.start();
    const again = await it.allSign();
    assert.deepEqual(again.enclaves.map((one) => one.id), third.enclaves.map((one) => one.id));
    assert.deepEqual(again.enclaves.map((one) => one.starts), [0, 0]);
  }
  assert.equal(runs(), before);
  assert.equal(await it.stop(), 0);

  // Told to, it ends them.
  it = setup.start(["--end-enclaves"]);
  const pids = (await it.allSign()).enclaves.map((one) => setup.pidOfEnclave(one.id));
  assert.equal(await it.stop(), 0);
  assert.deepEqual(setup.records(), []);
  await until("they are gone", () => pids.every((pid) => !alive(pid)), 5_000); // and reaped, by whoever took them over
});

test("nitro: an image that changed while no watchdog ran is rolled out one by one by the next", async () => {
  const setup = nitro("c", { ending_ms: 200 });
  setup.setImage({ cmdline: "version 1" });
  let it = setup.start();
  await it.allSign();
  assert.equal(await it.stop(), 0);
  const pcr0 = setup.setImage({ cmdline: "version 2" });
  it = setup.start();
  let fewest = 2, seen = false;
  const after_ = await it.until("both run the new image", (status) => {
    const working = status.enclaves.filter((one) => one.can_sign).length;
    seen ||= working === 2;
    if (seen) fewest = Math.min(fewest, working);
    return status.replacing === null && status.enclaves.every((one) => one.pcr0 === pcr0 && one.can_sign);
  });
  assert.equal(fewest, 1);
  assert.deepEqual(after_.enclaves.map((one) => one.failures), [0, 0]);
  // A file that is half copied is no image: nothing is replaced for it.
  fs.writeFileSync(setup.image, fs.readFileSync(setup.image).subarray(0, 600));
  await it.until("the file is refused", (status) => status.image.error !== "");
  await sleep(1_000);
  assert.deepEqual((await it.status()).enclaves.map((one) => one.id), after_.enclaves.map((one) => one.id));
  assert.equal(await it.stop(), 0);
  setup.end();
});

test("nitro: boot failures and lists that fail or cannot be read start no doubles, and are told", async () => {
  const setup = nitro("f", { fail: { "run-enclave": ["E36", "E29"], "describe-enclaves": ["E39"] } });
  setup.setImage({ cmdline: "version 1" });
  const it = setup.start();
  const first = await it.allSign(30_000);
  assert.match(it.stderr, /\[ E39 \]/);
  assert.match(it.stderr, /the enclave did not boot: check the image with redoubt eif verify/);
  setup.write({ fail: { "describe-enclaves": ["E39"] } });
  await it.until("the failing list is told", (status) => /E39/.test(status.summary));
  setup.write({ garbage: { "describe-enclaves": '[{"EnclaveID": "i-1"}]' } });
  await it.until("the unreadable list is told", (status) => /not as expected/.test(status.summary));
  setup.write({});
  await it.until("all is well", (status) => /^2 of 2 enclaves can sign; image PCR0 [0-9a-f]{16}…$/.test(status.summary));
  assert.deepEqual((await it.status()).enclaves.map((one) => one.id), first.enclaves.map((one) => one.id));
  assert.equal(setup.records().length, 2);
  assert.equal(await it.stop(), 0);
  setup.end();
});

test("nitro: debug mode is told loudly, and replaced where nobody asked for it", async () => {
  const setup = nitro("d");
  setup.setImage({ cmdline: "version 1" });
  let it = setup.start(["--debug-mode"]);
  const debug = await it.allSign();
  assert.deepEqual(debug.enclaves.map((one) => one.debug), [true, true]);
  assert.match(debug.summary, /^DEBUG MODE/);
  assert.match((await get(it.socket, "/metrics")).body, /^redoubt_enclave_debug\{cid="16"\} 1$/m);
  await until("it is told", () => /"level":"error"[^\n]*DEBUG MODE/.test(it.stderr));
  assert.equal(await it.stop(), 0);
  it = setup.start();
  await it.until("both were replaced", (status) => status.enclaves.every((one) => one.can_sign && !one.debug && one.replacements === 1));
  assert.equal(await it.stop(), 0);
  setup.end();
});

test("nitro: too little memory reaches the start limit, and says what to raise", async () => {
  const setup = nitro("m", { memory_mib: 100 });
  setup.setImage({ cmdline: "version 1" });
  const it = setup.start(["--start-limit", "3", "--longest-delay-ms", "50"]);
  await it.until("one works, the other rests", (status) => status.enclaves.some((one) => one.can_sign) && status.enclaves.some((one) => one.start_limited));
  const status = await it.status();
  assert.match(status.summary, /start limit reached.*memory_mib in \/etc\/nitro_enclaves\/allocator\.yaml/);
  setup.write({ memory_mib: 10 });
  process.kill(setup.pidOfEnclave(status.enclaves.find((one) => one.can_sign).id), "SIGKILL");
  const [code] = await it.ended;
  assert.equal(code, 1);
  assert.match(it.stderr, /the start limit is reached for every enclave/);
});
