// SPDX-License-Identifier: Apache-2.0
// A stand-in for AWS's nitro-cli on machines without Nitro: run-enclave, describe-enclaves, terminate-enclave and console with
// nitro-cli's arguments, JSON, error codes and exit codes. An enclave is a redoubt-enclave-dev process that outlives it.
//
//   fake_nitro_cli.mjs STATE COMMAND …      STATE is a folder with config.json:
//   program, arguments   what runs for an enclave; it gets --listen unix:STATE/enclave-CID.sock, too
//   memory_mib, cpus     what is set aside for all enclaves (default 2048, 8)
//   slow_ms              run-enclave takes so much longer
//   ending_ms            terminate-enclave takes so much longer; meanwhile the enclave is TERMINATING
//   fail                 {"run-enclave": ["E36", "E29"], …}: what the next calls fail with; those are taken off the file
//   garbage              {"describe-enclaves": "text"}: printed instead of the answer, exit code 0
// STATE/calls.log has a line for each call.
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { measureEif } from "./eif.mjs";

const [state, command, ...rest] = process.argv.slice(2);
const file = (name) => path.join(state, name);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const sentences = {
  E01: "Missing mandatory argument. User did not provide the argument.",
  E14: "Invalid command. Such error appears when an unknown command and / or unknown arguments are sent through a socket.",
  E19: "File operation failure. Such error appears when the system fails to perform the requested file operations.",
  E22: "Insufficient CPUs available in the pool. User provided `cpu-count` is more than the configured CPU pool size.",
  E26: "Insufficient memory requested. User provided `memory` is too little.",
  E27: "Insufficient memory available. User provided `memory` is more than the available hugepage memory.",
  E29: "Ioctl failure. Such error is used as a general ioctl error and appears whenever an ioctl fails.",
  E35: "EIF file parsing error. Such errors appear when attempting to fill a memory region with a section of the EIF file.",
  E36: "Enclave boot failure. Such error appears when attempting to receive the `ready` signal from a freshly booted enclave.",
  E39: "Enclave process connection failure. Such error appears when the enclave manager fails to connect to at least one enclave process.",
  E44: "Enclave console connection failure. Such error appears when the Nitro CLI process fails to establish a connection to a running enclave's console.",
  E58: "Enclave naming error. Such error appears when trying to perform a name-based action on an enclave that does not exist.",
};

function exitWith(code) {
  process.stderr.write(`[ ${code} ] ${sentences[code] ?? "Something failed."}\n\nFor more details, please visit ` +
    `https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html#${code}\n\nIf you open a support ticket, please provide the ` +
    `error log found at "/var/log/nitro_enclaves/err.log"\n`);
  process.exit(1);
}
const print = (value) => process.stdout.write(JSON.stringify(value, null, 2) + "\n");

// Several calls at once are usual: one changes the state at a time.
async function locked(work) {
  for (;;) {
    try {
      fs.mkdirSync(file("lock"));
      break;
    } catch {
      await sleep(5);
    }
  }
  try {
    return await work();
  } finally {
    fs.rmdirSync(file("lock"));
  }
}

const config = () => JSON.parse(fs.readFileSync(file("config.json"), "utf8"));
function save(name, value) {
  fs.writeFileSync(file(`${name}.new${process.pid}`), JSON.stringify(value));
  fs.renameSync(file(`${name}.new${process.pid}`), file(name));
}

// A zombie's parent has not noticed its end; it is as good as gone.
function alive(pid) {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const recordName = (id) => `enclave-${id}.json`;
function enclaves() {
  const out = [];
  for (const name of fs.readdirSync(state).filter((entry) => /^enclave-i-.*\.json$/.test(entry)).sort()) {
    const record = JSON.parse(fs.readFileSync(file(name), "utf8"));
    if (record.pid !== undefined && !alive(record.pid)) fs.rmSync(file(name), { force: true });
    else out.push(record);
  }
  return out;
}

function options(allowed, flags = []) {
  const out = {};
  for (let i = 0; i < rest.length; ++i) {
    const name = rest[i].replace(/^--/, "");
    if (flags.includes(name)) out[name] = true;
    else if (allowed.includes(name) && i + 1 < rest.length) out[name] = rest[++i];
    else {
      process.stderr.write(`error: Found argument '${rest[i]}' which wasn't expected, or isn't valid in this context\n`);
      process.exit(2);
    }
  }
  return out;
}

const shown = (record) => ({ EnclaveName: record.name, EnclaveID: record.id, ProcessID: record.pid, EnclaveCID: record.cid,
  NumberOfCPUs: record.cpus, CPUIDs: record.cpuIds, MemoryMiB: record.memory });

async function run() {
  const asked = options(["eif-path", "memory", "cpu-count", "enclave-cid", "enclave-name"], ["debug-mode"]);
  for (const name of ["eif-path", "memory", "cpu-count"]) if (asked[name] === undefined) exitWith("E01");
  const memory = Number(asked.memory), cpus = Number(asked["cpu-count"]);
  let image, measurements;
  try {
    image = fs.readFileSync(asked["eif-path"]);
  } catch {
    exitWith("E19");
  }
  try {
    measurements = measureEif(image);
  } catch {
    exitWith("E35");
  }
  if (memory * (1 << 20) < 4 * image.length) exitWith("E26");
  const id = `i-0123456789abcdef0-enc${crypto.randomBytes(8).toString("hex")}`;
  process.stderr.write("Start allocating memory...\n");
  const record = await locked(() => {
    const others = enclaves();
    const limits = config();
    const used = others.flatMap((other) => other.cpuIds);
    const free = Array.from({ length: limits.cpus ?? 8 }, (_, i) => i + 1).filter((cpu) => !used.includes(cpu));
    if (free.length < cpus) return "E22";
    if (others.reduce((sum, other) => sum + other.memory, 0) + memory > (limits.memory_mib ?? 2048)) return "E27";
    let cid = Number(asked["enclave-cid"] ?? 0);
    if (cid === 0) for (cid = 16; others.some((other) => other.cid === cid); ++cid);
    if (others.some((other) => other.cid === cid)) return "E29";
    const wanted = asked["enclave-name"] ?? path.basename(asked["eif-path"], ".eif");
    let name = wanted; // as nitro-cli: a name that is in use gets a number
    for (let i = 1; others.some((other) => other.name === name); ++i) name = `${wanted}_${i}`;
    const made = { id, name, cid, cpus, cpuIds: free.slice(0, cpus), memory, state: "EMPTY",
      flags: asked["debug-mode"] ? "DEBUG_MODE" : "NONE", measurements, pid: process.pid };
    // nitro-cli takes the boot's handshake on one port of the host: a second boot meanwhile fails.
    let other;
    try {
      other = fs.readFileSync(file("booting"), "utf8");
    } catch {} // none boots
    if (other && alive(other)) return "E36"; // one that was killed holds nothing
    fs.writeFileSync(file("booting"), String(process.pid));
    save(recordName(id), made);
    return made;
  });
  if (typeof record === "string") exitWith(record);
  await sleep(config().slow_ms ?? 0);
  const socket = file(`enclave-${record.cid}.sock`);
  fs.rmSync(socket, { force: true });
  const log = fs.openSync(file(`console-${id}.log`), "a");
  const child = spawn(config().program, ["--listen", `unix:${socket}`, ...config().arguments],
    { detached: true, stdio: ["ignore", log, log], env: { PATH: "/usr/bin:/bin" } });
  Object.assign(record, { pid: child.pid, state: "RUNNING" }); // it runs on whatever becomes of this program
  save(recordName(id), record);
  let failed = false;
  child.on("error", () => (failed = true));
  child.on("exit", () => (failed = true));
  while (!failed && !fs.existsSync(socket)) await sleep(10); // nitro-cli waits for the boot's handshake
  fs.rmSync(file("booting"));
  if (failed) {
    fs.rmSync(file(recordName(id)), { force: true });
    exitWith("E36");
  }
  child.unref();
  process.stderr.write(`Started enclave with enclave-cid: ${record.cid}, memory: ${memory} MiB, cpu-ids: [${record.cpuIds.join(", ")}]\n`);
  print(shown(record));
  process.exit(0);
}

function describe() {
  options([], ["metadata"]);
  print(enclaves().map((record) => ({ ...shown(record), State: record.state, Flags: record.flags,
    ...(record.state === "EMPTY" ? {} : { Measurements: { HashAlgorithm: "Sha384 { ... }", ...record.measurements } }),
    ImageName: "test", ImageVersion: "1" })));
}

async function terminate() {
  const asked = options(["enclave-id", "enclave-name"], ["all"]);
  const record = enclaves().find((one) => one.id === asked["enclave-id"] || one.name === asked["enclave-name"]);
  if (record === undefined) exitWith(asked["enclave-name"] === undefined ? "E39" : "E58");
  save(recordName(record.id), { ...record, state: "TERMINATING" });
  await sleep(config().ending_ms ?? 0);
  try {
    process.kill(record.pid, "SIGKILL");
  } catch {} // it ended meanwhile
  while (alive(record.pid)) await sleep(5);
  fs.rmSync(file(recordName(record.id)), { force: true });
  process.stderr.write(`Successfully terminated enclave ${record.id}.\n`);
  print({ EnclaveName: record.name, EnclaveID: record.id, Terminated: true });
}

async function readConsole() {
  const asked = options(["enclave-id", "enclave-name", "disconnect-timeout"]);
  const record = enclaves().find((one) => one.id === asked["enclave-id"] || one.name === asked["enclave-name"]);
  if (record === undefined || record.flags !== "DEBUG_MODE") exitWith("E44");
  for (let at = 0; alive(record.pid); await sleep(50)) {
    const text = fs.readFileSync(file(`console-${record.id}.log`));
    process.stdout.write(text.subarray(at));
    at = text.length;
  }
}

fs.appendFileSync(file("calls.log"), [command, ...rest].join(" ") + "\n");
const failure = await locked(() => {
  const now = config();
  const code = now.fail?.[command]?.shift();
  if (code !== undefined) save("config.json", now);
  return code;
});
if (failure !== undefined) exitWith(failure);
const garbage = config().garbage?.[command];
if (garbage !== undefined) process.stdout.write(garbage);
else if (command === "run-enclave") await run();
else if (command === "describe-enclaves") describe();
else if (command === "terminate-enclave") await terminate();
else if (command === "console") await readConsole();
else exitWith("E14");
