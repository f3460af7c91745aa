// SPDX-License-Identifier: Apache-2.0
// Five times what the system can do: what is accepted is answered about as soon as at 70 % load, the rest is refused
// at once, and no memory grows. Then a gateway that is told to stop in the middle of it.
// SECONDS (60; 30 are the least that makes sense, as the beginning's queue counts): of overload; half of that at 70 %.
//
// The load comes from bench/load_generator.cpp. It asks at random times of a constant mean rate, as clients do who know
// nothing of each other, and counts a request's time from when it was due, so that nothing that holds a request up is
// left out, its own delays included. The generator stands for other machines, and an enclave has processors of its own
// on a Nitro host, so here each gets a processor of its own where there are three; where there are two the gateway
// shares the generator's. That needs a request which keeps the enclave busy for long enough that one processor can
// make, carry and refuse five times as many: typed data with four thousand numbers, a millisecond.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { test } from "node:test";
import { bin, request, run, sleep, up } from "../lib.mjs";
import { Generator } from "./generator.mjs";

const seconds = Number(process.env.SECONDS ?? 60);

const typed = (numbers) => JSON.stringify({ typed_data: {
  types: { EIP712Domain: [{ name: "chainId", type: "uint256" }], Load: [{ name: "numbers", type: "uint256[]" }] },
  primaryType: "Load", domain: { chainId: 1 }, message: { numbers: Array.from({ length: numbers }, (_, i) => i % 10) } } });
const target = (ready) => `/v1/keys/${ready.key_id}/sign-typed-data`;
const bytesFor = (ready, body) => `POST ${target(ready)} HTTP/1.1\r\nHost: ${new URL(ready.gateway).host}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const body = typed(4_000);

const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const memory = ({ pids }) => ({ gateway: memoryOf(pids.gateway), enclave: memoryOf(pids.enclaves[0]) });

const processors = os.cpus().length, forGenerator = String(processors - 1);
async function giveProcessors({ pids }) {
  const give = async (processor, pid) => assert.equal((await run("taskset", ["-acp", processor, String(pid)])).code, 0);
  for (const pid of pids.enclaves) await give("0", pid);
  await give("1", pids.gateway);
}

// What the steps came to; `ended` is told as each of them ends.
async function generate(ready, folder, steps, ended) {
  const file = path.join(folder, "request.http");
  fs.writeFileSync(file, bytesFor(ready, body));
  const child = spawn("taskset", ["-c", forGenerator, path.join(bin, "load_generator"), "--url", ready.gateway, "--ca", ready.ca_cert,
    "--request", file, ...steps], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const results = [];
  for await (const line of readline.createInterface({ input: child.stdout })) {
    results.push(JSON.parse(line));
    ended(results.length, results.at(-1));
  }
  assert.deepEqual(await exited, [0, null]);
  return results;
}

const ms = (us) => (us / 1000).toFixed(1);
const told = (times) => `p50 ${ms(times.p50)} p90 ${ms(times.p90)} p99 ${ms(times.p99)} p99.9 ${ms(times.p999)} max ${ms(times.max)} ms`;

test("at five times capacity accepted requests stay fast, the rest is refused within 50 ms, memory is flat", async (t) => {
  assert.ok(processors >= 2, "the generator needs a processor of its own");
  const system = await up({ extra: ["--short-queues"] });
  const ready = system.ready();
  const samples = [];
  let sampler;
  try {
    await giveProcessors(ready);
    const [, , calm, storm, after] = await generate(ready, system.folder,
      ["closed:16:2", "closed:16:5", `open:0.7:${Math.max(5, seconds / 2)}`, `open:5:${seconds}`, "open:0.7:5"], (count) => {
        if (count === 3) sampler = setInterval(() => samples.push(memory(ready)), 500);
        if (count === 4) clearInterval(sampler);
      });
    const capacity = calm.rate / 0.7, early = samples[Math.floor(samples.length / 3)], late = samples.at(-1);
    const accepted = storm.status[200], refused = storm.status[503];
    for (const [name, step] of Object.entries({ "70 %": calm, "five times": storm, after }))
      t.diagnostic(`${name}: ${step.rate}/s offered for ${step.seconds} s; left late by ${told(step.late_us)}; the generator's processor busy ` +
        `${(step.cpu_us / step.seconds / 10_000).toFixed(0)} %; ${Object.entries(step.status).map(([status, times]) =>
          `${status}: ${(times.count / step.seconds).toFixed(0)}/s ${told(times)}`).join("; ")}`);
    t.diagnostic(`capacity ${capacity.toFixed(0)}/s; memory ${JSON.stringify(early)} then ${JSON.stringify(late)} kB; ` +
      `p99 of accepted ones in each second ${storm.p99_by_second.map(ms).join(" ")}`);

    assert.deepEqual(Object.keys(calm.status), ["200"], "nothing is refused at 70 %");
    assert.deepEqual(Object.keys(storm.status), ["200", "503"]);
    for (const step of [calm, storm, after]) {
      assert.equal(step.unanswered, 0, "every request got an answer");
      assert.equal(step.wrong, 0, "the same request gets the same signature");
      assert.equal(step.without_retry_after, 0);
    }
    assert.ok(accepted.p99 <= 3 * calm.status[200].p99, `${ms(accepted.p99)} ms against ${ms(calm.status[200].p99)} ms`);
    assert.ok(refused.max <= 50_000, `${ms(refused.max)} ms to refuse`);
    assert.ok(accepted.count / seconds >= capacity / 2, "overload does not stop the work");
    for (const name of Object.keys(early))
      assert.ok(late[name] <= early[name] * 1.05 + 2_000, `${name} grew from ${early[name]} to ${late[name]} kB`);
    assert.ok((after.status[503]?.count ?? 0) <= after.offered / 2, "it is over soon after it is over");
    assert.equal((await request(ready, "POST", target(ready), body)).status, 200);
  } finally {
    clearInterval(sampler);
    await system.stop();
    system.remove();
  }
});

test("a gateway that is told to stop answers all that it has accepted", async (t) => {
  const system = await up();
  const ready = system.ready();
  const generator = new Generator({ url: ready.gateway, ca: fs.readFileSync(ready.ca_cert),
    bytes: bytesFor(ready, typed(8_000)) }); // each takes milliseconds
  try {
    await generator.connect(32);
    generator.ask();
    await sleep(5); // some are in work, others on their way
    process.kill(ready.pids.gateway, "SIGTERM");
    const done = await generator.settle();
    t.diagnostic(`${done.statuses.length} answered, ${done.lost} connections ended without`);
    assert.equal(done.unanswered, 0);
    assert.ok(done.statuses.every((status) => status === 200 || status === 503), "none fails otherwise");
    assert.equal(done.lost, 0, "what had been sent before the end was answered");
    assert.ok(done.statuses.includes(200));
  } finally {
    generator.close();
    await system.stop();
    system.remove();
  }
});
