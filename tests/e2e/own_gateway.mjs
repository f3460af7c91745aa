// SPDX-License-Identifier: Apache-2.0
// A gateway of a test's own before the enclaves of a `redoubt up`, started as that one starts its, but for what is asked.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { redoubt, until } from "./lib.mjs";

const taken = ["--listen", "--ready-fd", "--receipts", "--metrics"]; // of which two gateways cannot have the same

// The command line of the system's own gateway.
export function argumentsOf(ready) {
  return fs.readFileSync(`/proc/${ready.pids.gateway}/cmdline`, "utf8").split("\0").slice(1, -1);
}

export function enclavesOf(ready) {
  const args = argumentsOf(ready);
  return args.flatMap((arg, i) => (arg === "--enclave" ? [args[i + 1]] : []));
}

// `more`: further arguments; `without`: options (each with a value) of the other one's that are left out.
export async function ownGateway(system, more, without = []) {
  const ready = system.ready();
  const environment = Object.fromEntries(fs.readFileSync(`/proc/${ready.pids.gateway}/environ`, "utf8").split("\0").filter(Boolean)
    .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]));
  const args = argumentsOf(ready), kept = [];
  for (let i = 0; i < args.length; ++i)
    if ([...taken, ...without].includes(args[i])) ++i;
    else kept.push(args[i]);
  const child = spawn(redoubt, [...kept, "--listen", "tcp:127.0.0.1:0", ...more], { env: environment, stdio: ["ignore", "pipe", "pipe"], cwd: system.folder });
  let stdout = "", log = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (log += data));
  const ended = once(child, "exit");
  await until("the gateway listens", () => {
    assert.equal(child.exitCode, null, log);
    return /"listen":"[^"]*:(\d+)"/.exec(stdout);
  }, 20_000);
  return {
    child, log: () => log,
    ready: { ...ready, gateway: `https://127.0.0.1:${/"listen":"[^"]*:(\d+)"/.exec(stdout)[1]}` },
    kill: () => child.exitCode ?? child.kill("SIGKILL"),
    stop: async () => {
      child.kill("SIGTERM");
      assert.equal((await ended)[0], 0, log);
    },
  };
}
