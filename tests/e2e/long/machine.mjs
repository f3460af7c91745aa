// SPDX-License-Identifier: Apache-2.0
// A machine for tests: a clean Debian root that runs under its own systemd (boot_machine.sh), so that units are started, confined
// and watched by what starts, confines and watches them on a host. No virtual machine: the kernel is this one's.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { root as sources, until } from "../lib.mjs";

const here = path.join(sources, "tests/e2e/long");

// The root's files, unpacked into a new folder.
export function debianRoot(folder) {
  const tar = execFileSync(path.join(sources, "deploy/package/debian-root.sh"), { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  fs.mkdirSync(folder);
  execFileSync("tar", ["-xf", tar, "-C", folder]);
}

// Writes a program (a shell script's text) or a file into a root.
export function put(root, name, text, mode = 0o644) {
  const file = path.join(root, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
}

// A shell line that runs one of this machine's programs (Node.js) inside: by this machine's own loader and libraries.
export function hostProgram(program) {
  const file = fs.realpathSync(program);
  const loader = execFileSync("readelf", ["-p", ".interp", file], { encoding: "utf8" }).match(/(\/\S+)/)[1];
  const libraries = new Set(execFileSync("ldd", [file], { encoding: "utf8" }).split("\n")
    .flatMap((line) => line.match(/=> (\/\S+)\//)?.[1] ?? []).map((folder) => `/host${fs.realpathSync(folder)}`));
  return `/host${fs.realpathSync(loader)} --library-path ${[...libraries].join(":")} /host${file}`;
}

export async function boot(root) {
  const child = spawn(path.join(here, "boot_machine.sh"), [root], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stdout.on("data", (data) => (log += data));
  child.stderr.on("data", (data) => (log += data));
  const ended = once(child, "exit");
  let init;
  // Process 1 of the machine: the child of unshare, which is this child.
  const enter = (args) => ["--target", String(init), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", ...args];
  const clean = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", HOME: "/root", LC_ALL: "C.UTF-8" };
  const machine = {
    root,
    log: () => log,
    // Ends with an error unless the command ends with `code`; null: whatever it ends with.
    run(command, args = [], { code = 0, input, env = {}, timeout = 120_000 } = {}) {
      const done = spawnSync("nsenter", enter([command, ...args]), { encoding: "utf8", input: input ?? "", env: { ...clean, ...env }, timeout, maxBuffer: 1 << 26 });
      if (code !== null) assert.equal(done.status, code, `${command} ${args.join(" ")}\n${done.stdout}${done.stderr}${done.error ?? ""}`);
      return { code: done.status, stdout: done.stdout, stderr: done.stderr };
    },
    // The same, while this process goes on.
    start(command, args = [], options = {}) {
      return spawn("nsenter", enter([command, ...args]), { stdio: ["ignore", "pipe", "pipe"], env: clean, ...options });
    },
    // A program of this machine, with its files, in the machine's network.
    outside(command, args, options = {}) {
      return spawn("nsenter", ["--target", String(init), "--net", "setpriv", "--pdeathsig", "KILL", command, ...args], { stdio: ["ignore", "pipe", "pipe"], ...options });
    },
    property: (unit, name) => machine.run("systemctl", ["show", "--property", name, "--value", unit]).stdout.trim(),
    journal: () => machine.run("journalctl", ["--no-pager", "--output=short-monotonic"], { code: null }).stdout,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      const groups = fs.readFileSync("/proc/mounts", "utf8").split("\n").map((line) => line.split(" ")).find((mount) => mount[2] === "cgroup2")[1];
      await until("its processes are gone", () => spawnSync("find", [`${groups}/redoubt-test-${child.pid}`, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]).status === 0 &&
        !fs.existsSync(`${groups}/redoubt-test-${child.pid}`), 20_000);
    },
  };
  await until("the machine runs", () => {
    if (child.exitCode !== null) throw new Error(`the machine ended with ${child.exitCode}:\n${log}`);
    try {
      init = Number(fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0]);
    } catch {
      init = 0;
    }
    return init > 0 && /systemd/.test(fs.readFileSync(`/proc/${init}/cmdline`, "utf8")) &&
      /running|degraded/.test(machine.run("systemctl", ["is-system-running"], { code: null }).stdout);
  }, 60_000).catch(async (error) => {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${log}`);
  });
  return machine;
}
