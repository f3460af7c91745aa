// SPDX-License-Identifier: Apache-2.0
// What was promised beside what was measured: [{ what, wanted, measured, met }], `met` true, false, or null where it was not measured.
import { beside } from "../harness/statistics.mjs";

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const spreadOf = (show, { median, min, max }) => (min === max ? show(median) : `${show(median)} (${show(min)}–${show(max)})`);
const us = (value) => `${Math.round(value)} µs`, times = (value) => `${value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1)}×`;

// How many times faster Redoubt is than each peer: what each is of the raw limit next to it. Verification before release is on; or off,
// as no peer verifies what it signed.
export function factors({ rows, peers }, verified = true) {
  const ours = (id) => rows.find((row) => row.id === (verified ? id : `${id}-unverified`) && !row.failed)?.figures.of_sign.median;
  const hot = ours("h2"), batch = ours("batch"), found = {};
  if (!peers) return found;
  const anvil = (batched) => Math.max(...peers.anvil.filter((each) => (each.batch > 1) === batched).map(({ of_sign }) => of_sign.median));
  if (hot) {
    Object.assign(found, { anvil: hot / anvil(false), reference_design: hot / peers.reference_design.of_sign.median });
    for (const library of ["ethers", "viem"]) found[library] = hot / (peers[library].of_sign.median * peers.cores); // core for core
  }
  if (batch) found.anvil_batch = batch / anvil(true);
  return found;
}

export function acceptance({ rows: list, peers, parts, machine }) {
  const cores = machine.processor.cores;
  const rows = new Map(list.filter(({ failed }) => !failed).map((row) => [row.id, row.figures]));
  const lines = [];
  const add = (what, wanted, measured, met) => lines.push({ what, wanted, measured: measured ?? "not measured", met: met ?? null });
  const ratio = (what, id, name, least) => {
    const figure = rows.get(id)?.[name];
    add(what, `≥ ${Math.round(least * 100)} %`, figure && spreadOf(percent, figure), figure && figure.median >= least);
  };
  const compared = (id, other, name) => (rows.has(id) && rows.has(other) ? beside(rows.get(id)[name], rows.get(other)[name]) : undefined);
  ratio("HTTP/2, `host`, 10 rules, receipts, verification before release off, of raw sign", "h2-unverified", "of_sign", 0.55);
  ratio("the same, of what libsecp256k1 signs with its own nonce function", "h2-unverified", "of_sign_stock_nonce", 0.55);
  ratio("the same with verification on, of raw sign + verify", "h2", "of_sign_verify", 0.65);
  for (const [suffix, how, name] of [["", "on", "of_sign_verify"], ["-unverified", "off", "of_sign"]]) {
    const share = compared(`session${suffix}`, `h2${suffix}`, name);
    add(`HMAC sessions beside \`host\`, verification ${how}`, "≥ 95 %", share && spreadOf(percent, share), share && share.median >= 0.95);
  }
  ratio("P-256 signatures, verification off, of raw sign + raw P-256 verify", "p256-unverified", "of_sign_and_client_verify", 0.65);
  for (const [id, what, least] of [["h1-64", "HTTP/1.1, 64 connections", 0.4], ["batch", "JSON-RPC in batches of 100", 0.55], ["tls-enclave", "TLS inside the enclave", 0.4]]) {
    ratio(`${what}, verification off, of raw sign`, `${id}-unverified`, "of_sign", least);
    ratio("the same, of what libsecp256k1 signs with its own nonce function", `${id}-unverified`, "of_sign_stock_nonce", least);
    ratio(`${what}, verification on, of raw sign + verify`, id, "of_sign_verify", least);
  }
  for (const [id, what] of [["h2-1x1", "HTTP/2"], ["h1-1", "HTTP/1.1"]]) {
    const figures = rows.get(id), verify = figures && cores * 1e6 * (1 / figures.raw_sign_verify.median - 1 / figures.raw_sign.median); // on one core
    for (const [name, most] of [["p50", 200], ["p99", 500]]) {
      const figure = figures?.[`latency_${name}_us`];
      add(`one idle connection, ${what}, verification on, ${name}`, figure ? `≤ ${most} µs + ${us(verify)} of one verify` : `≤ ${most} µs + one verify`, figure && spreadOf(us, figure),
        figure && figure.median <= most + verify);
    }
  }
  for (const [id, what] of [["load-70", "HTTP/2, of what 4 × 32 in flight come to"], ["load-70-h1", "HTTP/1.1, 64 connections"]]) {
    const figure = rows.get(id)?.latency_p99_us;
    add(`p99 at 70 % load, ${what}`, "≤ 5 ms", figure && spreadOf(us, figure), figure && figure.median <= 5_000);
  }
  const over = rows.get("overload"), later = compared("overload", "load-70", "latency_p99_us");
  const answered = over && beside(over.signatures_per_s, over.closed_loop_per_s);
  add("twice what 4 × 32 in flight come to (short queues, enclaves after all others): 503s, and what is accepted is answered about as soon as at 70 %", "503s, p99 ≤ 3 times that at 70 %",
    later && answered && `${percent(over.refused.median)} refused, ${percent(answered.median)} of the closed loop's rate answered, p99 ${spreadOf(times, later)}`,
    later && over.refused.median > 0.1 && later.median <= 3);
  // In turns with the many, where there is such a row: their trials come after all others.
  const kept = compared("keys-1m", rows.has("keys-1m-one") ? "keys-1m-one" : "h2", "of_sign_verify");
  add("1,000,000 keys, uniform, beside one hot key", "≥ 60 %", kept && spreadOf(percent, kept), kept && kept.median >= 0.6);
  const rules = parts.find(({ id }) => id === "100-rules-fields-of-the-transaction")?.us;
  add("100 rules, in the enclave", "< 10 µs", rules && `${rules.toFixed(1)} µs`, rules && rules < 10);
  const all = [[factors({ rows: list, peers }), "verification on"], [factors({ rows: list, peers }, false), "off"]];
  const fasterThan = (what, least, name) => {
    for (const [faster, how] of all) add(`${what}; ${how}`, `≥ ${least.toLocaleString("en-US")}×`, faster[name] && times(faster[name]), faster[name] && faster[name] >= least);
  };
  fasterThan("anvil's eth_signTransaction, single requests (no TLS, authentication or policy there)", 3, "anvil");
  fasterThan("the same, batches of 100", 3, "anvil_batch");
  for (const library of ["ethers", "viem"]) fasterThan(`${library}'s local signer, core for core`, 12, library);
  fasterThan("the AWS sample's design, re-enacted", 1_000, "reference_design");
  return lines;
}
