// SPDX-License-Identifier: Apache-2.0
// Five times what the system can do: what is accepted is answered about as soon as at 70 % load, the rest is refused
// at once, and no memory grows. Then a gateway that is told to stop in the middle of it.
// SECONDS (60): of overload.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { request, sleep, up } from "../lib.mjs";
import { Generator, percentile } from "./generator.mjs";

const seconds = Number(process.env.SECONDS ?? 60);

// Costs the enclave milliseconds and the generator little: thousands of numbers to hash, two bytes each to send.
const body = JSON.stringify({ typed_data: {
  types: { EIP712Domain: [{ name: "chainId", type: "uint256" }], Load: [{ name: "numbers", type: "uint256[]" }] },
  primaryType: "Load", domain: { chainId: 1 }, message: { numbers: Array.from({ length: 8_000 }, (_, i) => i % 10) } } });
const bytesFor = (ready) => `POST /v1/keys/${ready.key_id}/sign-typed-data HTTP/1.1\r\nHost: ${new URL(ready.gateway).host}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const memory = ({ pids }) => ({ gateway: memoryOf(pids.gateway), enclave: memoryOf(pids.enclaves[0]) });

test("at five times capacity accepted requests stay fast, the rest is refused within 50 ms, memory is flat", async (t) => {
  const system = await up({ extra: ["--short-queues"] });
  const ready = system.ready();
  const generator = new Generator({ url: ready.gateway, ca: fs.readFileSync(ready.ca_cert), bytes: bytesFor(ready) });
  try {
    const first = await request(ready, "POST", `/v1/keys/${ready.key_id}/sign-typed-data`, body);
    assert.equal(first.status, 200, first.body);
    await generator.closedLoop(8, 2); // warm
    const full = await generator.closedLoop(8, 5);
    const capacity = full.answers.filter(({ status }) => status === 200).length / 5;
    assert.ok(capacity > 20, `${capacity} a second`);

    const calm = await generator.openLoop(capacity * 0.7, Math.max(5, seconds / 2));
    // A moment without a processor leaves a queue for a while, so a few may be refused here, too.
    const calmly = calm.answers.filter(({ status }) => status === 200);
    assert.ok(calm.answers.every(({ status }) => status === 200 || status === 503));
    assert.ok(calmly.length >= calm.answers.length * 0.95, `${calm.answers.length - calmly.length} of ${calm.answers.length} refused at 70 %`);
    const usual = percentile(calm.measured.filter(({ status }) => status === 200).map(({ fromSent }) => fromSent), 0.99);

    const samples = [];
    const sampler = setInterval(() => samples.push(memory(ready)), 500);
    await generator.warm(400);
    const storm = await generator.openLoop(capacity * 5, seconds);
    clearInterval(sampler);
    // All of it in the full run; of a shorter one the first second, when the queue is found out, would be too much.
    const from = seconds >= 60 ? 0 : storm.began + 1000;
    const accepted = storm.measured.filter(({ status, at, fromSent }) => status === 200 && at - fromSent >= from);
    const refused = storm.measured.filter(({ status }) => status === 503);
    const p99 = percentile(accepted.map(({ fromSent }) => fromSent), 0.99);
    const refusals = refused.map(({ fromSent }) => fromSent);
    const slow = refused.filter(({ fromSent }) => fromSent > 50).map(({ at }) => Math.floor((at - storm.began) / 1000));
    t.diagnostic(`the generator stood still ${storm.stalls.length} times, ${storm.stalls.reduce((sum, [from, to]) => sum + to - from, 0).toFixed(0)} ms ` +
      `in all; ${storm.answers.length - storm.measured.length} of ${storm.answers.length} answers are not measured; refusals above 50 ms in seconds ` +
      `${[...new Set(slow)].join(" ") || "none"}`);
    t.diagnostic(`capacity ${capacity.toFixed(0)}/s; at 70 % ${calm.answers.length - calmly.length} of ${calm.answers.length} refused; offered ${(storm.offered / seconds).toFixed(0)}/s; accepted ` +
      `${(accepted.length / seconds).toFixed(0)}/s; p99 at 70 % ${usual.toFixed(1)} ms, at five times ${p99.toFixed(1)} ms ` +
      `(p50 ${percentile(accepted.map(({ fromSent }) => fromSent), 0.5).toFixed(1)}); refused p50 ${percentile(refusals, 0.5).toFixed(1)} ` +
      `p99 ${percentile(refusals, 0.99).toFixed(1)} max ${percentile(refusals, 1).toFixed(1)} ms; lost ${storm.lost}, ` +
      `unanswered ${storm.unanswered}; memory ${JSON.stringify(samples[Math.floor(samples.length / 3)])} then ${JSON.stringify(samples.at(-1))}`);
    assert.ok(storm.offered / seconds > capacity * 4.5, "the generator offered what it should");
    assert.deepEqual([...new Set(storm.answers.map(({ status }) => status))].sort(), [200, 503]);
    assert.ok(refused.every(({ retryAfter }) => retryAfter === "1"));
    assert.equal(storm.unanswered + storm.lost, 0, "every request got an answer");
    assert.ok(storm.measured.length > storm.answers.length * 0.8, "the generator kept up");
    assert.ok(storm.answers.filter(({ status }) => status === 200).length / seconds > capacity * 0.4, "overload does not stop the work");
    assert.ok(p99 <= 3 * usual, `${p99} ms against ${usual} ms`);
    assert.ok(percentile(refusals, 0.99) <= 50, `${percentile(refusals, 0.99)} ms to refuse`);
    const early = samples[Math.floor(samples.length / 3)], late = samples.at(-1);
    for (const name of Object.keys(early))
      assert.ok(late[name] <= early[name] * 1.05 + 2_000, `${name} grew from ${early[name]} to ${late[name]} kB`);
    const after = await request(ready, "POST", `/v1/keys/${ready.key_id}/sign-typed-data`, body);
    assert.equal(after.status, 200, "it is over when it is over");
  } finally {
    generator.close();
    await system.stop();
    system.remove();
  }
});

test("a gateway that is told to stop answers all that it has accepted", async (t) => {
  const system = await up();
  const ready = system.ready();
  const generator = new Generator({ url: ready.gateway, ca: fs.readFileSync(ready.ca_cert), bytes: bytesFor(ready), maxConnections: 32 });
  try {
    await generator.warm(32);
    generator.begin();
    for (let i = 0; i < 32; ++i) generator.request(performance.now());
    await sleep(5); // some are in work, others on their way
    process.kill(ready.pids.gateway, "SIGTERM");
    const done = await generator.settle();
    t.diagnostic(`${done.answers.length} answered, ${done.lost} connections ended without`);
    assert.equal(done.unanswered, 0);
    assert.ok(done.answers.every(({ status }) => status === 200 || status === 503), "none fails otherwise");
    assert.equal(done.lost, 0, "what had been sent before the end was answered");
    assert.ok(done.answers.some(({ status }) => status === 200));
  } finally {
    generator.close();
    await system.stop();
    system.remove();
  }
});
