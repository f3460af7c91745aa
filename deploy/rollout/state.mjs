// SPDX-License-Identifier: Apache-2.0
// What a roll-out remembers between two runs of the program: a JSON file that is replaced in one step, so that it can be killed
// at any moment, and a lock that ends with the process that holds it.
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { failed, usage } from "./refusal.mjs";

export const stateFileOf = (planFile) => `${path.resolve(planFile).replace(/\.json$/, "")}.state.json`;

export function readState(file) {
  let text;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw failed("the state file cannot be read", error.message);
  }
  let state;
  try {
    state = JSON.parse(text);
  } catch {
    throw failed("the state file is no JSON: it was changed by something else", file);
  }
  if (state?.rollout_state !== 1) throw failed("the state file is of another version", file);
  return state;
}

export function writeState(file, state) {
  const next = `${file}.new`;
  const handle = fs.openSync(next, "w", 0o600);
  fs.writeSync(handle, `${JSON.stringify(state, null, 1)}\n`);
  fs.fsyncSync(handle);
  fs.closeSync(handle);
  fs.renameSync(next, file);
  const folder = fs.openSync(path.dirname(file), "r");
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}

// One process at a time works on a state file of this machine. An abstract socket: the kernel takes it back however its holder ends.
export async function lock(file) {
  const name = `\0redoubt-rollout-${crypto.createHash("sha256").update(path.resolve(file)).digest("hex").slice(0, 32)}`;
  const server = net.createServer((connection) => connection.destroy());
  await new Promise((resolve, reject) => {
    server.once("error", () => reject(usage("this roll-out is being worked on by another process", file)));
    server.listen(name, resolve);
  });
  server.unref();
  return server;
}
