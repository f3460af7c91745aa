// SPDX-License-Identifier: Apache-2.0
// The program tests/differential/ethereum_lines.cpp: a line of JSON in, a line of JSON out, in order.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { bin } from "../lib.mjs";

export function startTool() {
  const child = spawn(path.join(bin, "ethereum_lines"), { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = [];
  let failure;
  const fail = (error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  child.on("error", fail);
  child.stdin.on("error", () => {}); // told by the exit
  createInterface({ input: child.stdout }).on("line", (line) => {
    const next = waiting.shift();
    if (next) next.resolve(JSON.parse(line));
    else fail(new Error("ethereum_lines answered what was not asked"));
  });
  const ended = once(child, "close").then(([code, signal]) => {
    fail(new Error(`ethereum_lines ended with ${signal ?? code}`));
    return code;
  }, () => -1);
  return {
    // The answers to lines, in order.
    ask: (lines) => {
      if (failure) return Promise.reject(failure);
      const answers = Promise.all(lines.map(() => new Promise((resolve, reject) => waiting.push({ resolve, reject }))));
      child.stdin.write(lines.join("\n") + "\n");
      return answers;
    },
    stop: () => {
      child.stdin.end();
      return ended;
    },
  };
}
