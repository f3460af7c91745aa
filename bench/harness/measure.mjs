// SPDX-License-Identifier: Apache-2.0
// One row: its trials, each between two measurements of the raw limit, so that a machine whose speed drifts shifts both. A trial's
// ratio is taken against the mean of the two; the row's are the medians of its trials', with the least and the most.
import { randomBytes } from "node:crypto";
import os from "node:os";
import { request } from "../../tests/e2e/lib.mjs";
import { load } from "./client.mjs";
import { keysFor } from "./keys.mjs";
import { besideMs, both, rawCurve, rawP256Verify } from "./raw.mjs";
import { memoryOf } from "./system.mjs";
import { merged, spread } from "./statistics.mjs";

export const payee = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"; // whom the load generator's transactions pay

const mean = (a, b) => (a + b) / 2;

async function rawNow(row, options) {
  const raw = await rawCurve(besideMs(options));
  if (row.principal !== "p256" || options.quick) return raw;
  return { ...raw, p256_verify: await rawP256Verify() };
}

// What a trial comes to beside the limits around it.
function compared(rate, before, after) {
  const at = (name) => mean(before[name], after[name]);
  const ratios = { of_sign: rate / at("sign"), of_sign_verify: rate / at("sign_verify"), of_sign_stock_nonce: rate / at("sign_stock_nonce") };
  if (before.p256_verify) ratios.of_sign_and_client_verify = rate / both(at("sign"), at("p256_verify"));
  return { ...ratios, raw_sign: at("sign"), raw_sign_verify: at("sign_verify") };
}

// Each trial has a system that was just started: until all of its keys are open.
const warmup = ({ quick }, { keys }) => (quick ? 0.2 : 1 + Math.min(keys, 20_000) / 10_000);

// The load generator's line of the row's mode, and the closed loop's that its rate comes of.
async function trial(row, spec, options, folder) {
  const { seconds } = options, warmup_s = warmup(options, row);
  const closedLoop = (how, length) => load({ ...spec, ...how, steps: [{ mode: "closed", warmup_s, seconds: length, trials: 1 }] }, folder);
  if (row.mode === "closed") return only(row, await closedLoop({}, seconds));
  if (row.mode === "handshakes") return only(row, await load({ ...spec, steps: [{ mode: "handshakes", resumed: row.resumed, seconds }] }, folder));
  const { line: closed, verified } = only({ ...row, mode: "closed" }, await closedLoop(row.capacity, Math.max(1, seconds / 2)));
  const rate = Math.max(1, Math.round(row.times * closed.signatures_per_s));
  const open = only(row, await load({ ...spec, steps: [{ mode: "open", rate, arrivals: "poisson", warmup_s: warmup_s + (row.settle_s ?? 0), seconds, trials: 1 }] }, folder));
  return { ...open, closed, verified: verified + open.verified };
}

function only(row, { steps: [line], verified }) {
  const others = Object.keys(line.statuses ?? {}).filter((status) => status !== "200");
  if (row.mode === "closed" && others.length > 0) throw new Error(`answers had status ${others.join(", ")}`);
  if (row.mode === "handshakes" && (line.failed > 0 || (line.resumed > 0) !== row.resumed))
    throw new Error(`of ${line.handshakes} handshakes ${line.failed} failed, ${line.resumed} were resumed`);
  return { line, verified };
}

// SHA-256 of the key with which TLS ends in the enclave: what a client pins once it has verified the attestation.
async function enclaveKey(ready) {
  const { status, body } = await request(ready, "GET", `/v1/attestation/tls?nonce=${randomBytes(16).toString("hex")}`);
  if (status !== 200) throw new Error(`the enclave did not attest its TLS key: ${body}`);
  return JSON.parse(body).spki_sha256.replace(/^0x/, "");
}

// The names under which a row's figures stand in the results, each a spread over the trials.
function summary(row, trials) {
  const of = (value) => spread(trials.map(value));
  const figures = { latency_p50_us: of(({ line }) => line.latency_us?.p50), latency_p99_us: of(({ line }) => line.latency_us?.p99),
    latency_p999_us: of(({ line }) => line.latency_us?.p999),
    client_cpu_us_each: of(({ line }) => (line.client_cpu_s * 1e6) / (row.mode === "open" ? line.requests : line.signatures ?? line.handshakes)) };
  if (row.mode === "handshakes") return { handshakes_per_s: of(({ line }) => line.handshakes_per_s), latency_p50_us: figures.latency_p50_us };
  figures.signatures_per_s = of(({ line }) => line.signatures_per_s);
  if (row.mode === "open")
    Object.assign(figures, { asked_per_s: of(({ line }) => line.rate), closed_loop_per_s: of(({ closed }) => closed.signatures_per_s),
      late_p99_us: of(({ line }) => line.late_us_p99), refused: of(({ line }) => (line.statuses["503"] ?? 0) / line.requests),
      refused_p99_us: of(({ line }) => line.refused_latency_us?.p99) });
  for (const name of Object.keys(trials[0].ratios)) figures[name] = of(({ ratios }) => ratios[name]);
  return figures;
}

// What the load generator is told of a row, but for its steps.
export async function specOf(row, system, folder, say) {
  const { file, principal } = await keysFor(system, folder, row, payee, say);
  const spec = { url: system.tlsUrl ?? system.ready.gateway, ca: system.ready.ca_cert, protocol: row.protocol, connections: row.connections, streams: row.streams,
    operation: row.operation, batch: row.batch ?? 1, keys_file: file, pick: row.pick, seed: 1, principal };
  if (row.principal === "host") spec.headers = { authorization: `Bearer ${system.token}` };
  if (system.tlsUrl) spec.tls_enclave = { pins: [await enclaveKey(system.ready)] };
  return spec;
}

// The trial of that number.
export async function measure(row, system, options, folder, number, say) {
  const spec = await specOf(row, system, folder, say), before = await rawNow(row, options);
  // More than can be answered: half as many again as the limit, or as signed requests can be checked.
  const most = ["p256", "ed25519"].includes(row.principal) ? Math.min(before.sign, 12_000 * os.cpus().length) : before.sign;
  const done = await trial(row, { ...spec, seed: number, prepare_per_s: Math.ceil((1.5 * most) / spec.batch) }, options, folder);
  const after = await rawNow(row, options);
  return { ...done, ratios: compared(done.line.signatures_per_s, before, after), memory: memoryOf(system.processes()) };
}

// What the trials of a row come to.
export function resultOf(row, trials) {
  const statuses = {};
  for (const { line } of trials) for (const [status, count] of Object.entries(line.statuses ?? {})) statuses[status] = (statuses[status] ?? 0) + count;
  const verified = trials.reduce((sum, each) => sum + each.verified, 0);
  return { ...row, figures: summary(row, trials), statuses, verified, memory: trials.at(-1).memory, histogram: merged(trials.map(({ line }) => line.histogram ?? [])) };
}
