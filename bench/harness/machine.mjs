// SPDX-License-Identifier: Apache-2.0
// What a run was made on and with: processor, kernel, compiler, libraries, commit. Nothing that names the machine.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../../tests/e2e/lib.mjs";

// What signing, hashing, TLS and sealing gain from.
const flagsOfInterest = ["sha_ni", "aes", "vaes", "pclmulqdq", "vpclmulqdq", "avx2", "avx512f", "avx512ifma", "bmi2", "adx"];

// The output's first line; undefined where the program is not there or fails.
function said(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: "utf8", cwd: root, stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0].trim();
  } catch {
    return undefined;
  }
}
const packageVersion = (name) => said("dpkg-query", "-W", "-f", "${Version}", name);
const npmVersion = (name) => JSON.parse(fs.readFileSync(path.join(root, "tests/e2e/node_modules", name, "package.json"), "utf8")).version;

function processor() {
  const text = fs.existsSync("/proc/cpuinfo") ? fs.readFileSync("/proc/cpuinfo", "utf8") : "";
  const flags = new Set((/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? "").split(" "));
  return { model: os.cpus()[0].model, cores: os.cpus().length, architecture: os.arch(), flags: flagsOfInterest.filter((flag) => flags.has(flag)),
    virtual: flags.has("hypervisor") };
}

export function machine() {
  return { processor: processor(), memory_gib: Math.round(os.totalmem() / 2 ** 30), kernel: os.release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(fs.readFileSync("/etc/os-release", "utf8"))?.[1], load_at_start: os.loadavg()[0] };
}

export function versions() {
  return { commit: said("git", "rev-parse", "HEAD"), changed_since_commit: said("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "bench", "CMakeLists.txt",
    "CMakePresets.json", "cmake") !== "", compiler: said("g++", "--version"), openssl: packageVersion("libssl3"), nghttp2: packageVersion("libnghttp2-14"),
  node: process.version, anvil: npmVersion("@foundry-rs/anvil"), ethers: npmVersion("ethers"), viem: npmVersion("viem") };
}
