// SPDX-License-Identifier: Apache-2.0
// Another gateway before the enclaves of `redoubt up`, started with the first one's arguments and others beside
// them: for what `up` itself does not set.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { redoubt, until } from "./lib.mjs";

export async function secondGateway(system, extra, { env = process.env } = {}) {
  const first = fs.readFileSync(`/proc/${system.ready().pids.gateway}/cmdline`, "utf8").split("\0").filter(Boolean);
  const args = ["gateway"];
  for (let i = 2; i < first.length; ++i) {
    if (["--listen", "--metrics", "--receipts", "--ready-fd"].includes(first[i])) ++i;
    else args.push(first[i]);
  }
  if (!extra.includes("--listen")) args.push("--listen", "tcp:127.0.0.1:0");
  const child = spawn(redoubt, [...args, ...extra], { stdio: ["ignore", "pipe", "pipe"], cwd: system.folder, env });
  let stdout = "", stderr = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  const ended = once(child, "exit");
  await until("the second gateway is ready", () => {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}:\n${stderr}`);
    return stdout.includes("\n");
  }, 30_000).catch((error) => {
    child.kill("SIGTERM");
    throw error;
  });
  const url = new URL("https://" + JSON.parse(stdout.split("\n")[0]).listen.replace(/^tcp:/, ""));
  return {
    child, url,
    log: () => stderr,
    // As `ready` of lib.mjs's request.
    ready: { ...system.ready(), gateway: url.origin },
    stop: async () => {
      child.kill("SIGTERM");
      const [code] = await ended;
      return code;
    },
  };
}
