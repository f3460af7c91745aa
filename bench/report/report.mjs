#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The report of a run, made of results.json alone: README.md and the plots beside it.
//
//   tools/node bench/report/report.mjs FOLDER [ROOT]           makes them again, and brings figures of this run in ROOT's README.md
//                                                              and docs/ up to date (measured.mjs)
//   tools/node bench/report/report.mjs --check FOLDER [ROOT]   exit code 1 unless all are what would be made
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { acceptance, factors } from "./acceptance.mjs";
import { compareText, markdownFiles } from "./measured.mjs";
import { plots } from "./plots.mjs";

const count = (value) => (value >= 100 ? Math.round(value).toLocaleString("en-US") : Number(value.toPrecision(3)).toString());
const percent = (value) => `${(100 * value).toFixed(1)} %`;
// A median with the least and the most of its trials.
const figure = (found, show = count) => (!found ? "–" : found.trials === 1 || show(found.min) === show(found.max) ? show(found.median)
  : `${show(found.median)} (${show(found.min)}–${show(found.max)})`);
const table = (head, lines) => [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...lines.map((line) => `| ${line.join(" | ")} |`)].join("\n");

function rowsTable(rows) {
  return table(["", "of raw sign + verify", "of raw sign", "signatures/s", "p50, µs", "p99, µs", "generator, µs each"], rows.map(({ title, system, failed, figures }) => {
    const name = system.verify === false ? `${title}; verification before release off` : title;
    if (failed) return [name, `failed: ${failed}`, "", "", "", "", ""];
    return [name, figure(figures.of_sign_verify, percent), figure(figures.of_sign, percent), figure(figures.signatures_per_s), figure(figures.latency_p50_us),
      figure(figures.latency_p99_us), figure(figures.client_cpu_us_each)];
  }));
}

function constantTable(rows) {
  return table(["", "asked, a second", "answered with a signature", "refused (503)", "p50, µs", "p99, µs", "p99.9, µs", "refusals' p99, µs", "left late, p99, µs"], rows.map(({ title, failed, figures }) => failed
    ? [title, `failed: ${failed}`, "", "", "", "", "", "", ""]
    : [title, figure(figures.asked_per_s), figure(figures.signatures_per_s), figure(figures.refused, percent), figure(figures.latency_p50_us),
      figure(figures.latency_p99_us), figure(figures.latency_p999_us), figure(figures.refused_p99_us), figure(figures.late_p99_us)]));
}

const image = (made, name, text) => (made[name] ? `![${text}](${name})\n` : "");

function section(title, text) {
  return text.trim() === "" ? "" : `## ${title}\n${text.trim()}\n\n`;
}

function provenance({ date, settings, machine, versions, raw, rows, peers }) {
  const { processor } = machine;
  const options = [`--trials ${settings.trials} --seconds ${settings.seconds}`, ...(settings.rows ? [`--rows ${settings.rows}`] : rows.some(({ id }) => id === "keys-1m") ? ["--keys-1m"] : []),
    ...(peers ? [] : ["--no-peers"]), ...(settings.quick ? ["--quick"] : [])].join(" ");
  return [`Made by \`make bench BENCH="${options}"\` on ${date} at commit \`${versions.commit?.slice(0, 12)}\`${versions.changed_since_commit ? " with changes that were not committed" : ""}: ` +
    `${processor.cores} ${processor.virtual ? "virtual " : ""}cores of ${processor.model} (${processor.flags.join(", ")}), ${machine.memory_gib} GiB, ${machine.system}, Linux ${machine.kernel}; ` +
    `${versions.compiler}, libsecp256k1 ${raw[0].library}, OpenSSL ${versions.openssl}, nghttp2 ${versions.nghttp2}, Node.js ${versions.node}.`,
  `${settings.trials === 1 ? "1 trial" : `${settings.trials} trials`} of ${settings.seconds} s each, after a warm-up: a figure is the trials' median, with the least and the most of them in brackets. ` +
    "**Ratios come first and rates second**: the processor is shared with other machines and its speed drifts, so each trial stands between two measurements " +
    "of the raw limit, and its ratio is taken against their mean." +
    (settings.rounds ? " A row's trials are minutes apart: one of each row after the other, and again. A round starts one system for all rows that have the same settings, " +
      `and these come on it in the order of the tables${settings.alternating ? ", in every other round from the last to the first (but the rows with a million keys)" : ""}; so a process's memory has in it what earlier rows left.` : "") +
    (peers ? " Peers are measured after all rows." : ""),
  `Sealed records lie in ${settings.store ?? "SQLite"}. The load generator runs on the same cores as everything else, as do devcloud (the stand-in for AWS) and ` +
    "the gateway; on a Nitro host an enclave has cores of its own. What the generator itself takes for each signature is in the tables. " +
    "Every signature of Redoubt's that is counted was verified after its trial: the sender that it names, over the digest of the transaction that was asked for."].join("\n\n");
}

// What no service on this machine can do anything about.
function stopped({ stops }) {
  if (!stops) return "";
  const list = (show) => `${stops.slice(0, -1).map(show).join(", ")} and ${show(stops.at(-1))}`;
  const ms = (us) => (us / 1000).toPrecision(2);
  return `\n\nOne thread a core that only looks at the clock, and nothing beside it, was kept from running for ${list(({ share }) => `${(100 * share).toPrecision(2)} %`)} of the time ` +
    `(before the rows, after them, and at the end), by the kernel or by the host of this virtual machine: ${list(({ mean_us: mean }) => ms(mean))} ms at once in the mean, ` +
    `${list(({ longest_us: longest }) => ms(longest))} ms at most. Latencies' tails have that in them.`;
}

function limits({ raw, stops }) {
  const [first, last] = [raw[0], raw.at(-1)];
  return table(["a second, on all cores", "at the beginning", "at the end"], [["sign", "sign"], ["sign and verify", "sign_verify"], ["sign, with the library's own nonce function", "sign_stock_nonce"]]
    .map(([name, key]) => [name, count(first[key]), count(last[key])])) +
    "\n\nlibsecp256k1 alone, recoverable signatures, one thread a core. \"Raw sign\" in the other tables is the first line, which has the faster nonce function that Redoubt has, too." + stopped({ stops });
}

function peersTable({ peers, rows }) {
  if (!peers) return "";
  const all = [factors({ peers, rows }), factors({ peers, rows }, false)], times = (value) => (value ? `${count(value)}×` : "–");
  const line = (name, found, which) => [name, figure(found.of_sign, (share) => `${(100 * share).toPrecision(3)} %`), figure(found.per_s), ...all.map((faster) => times(faster[which]))];
  const best = (each) => !peers.anvil.some((other) => (other.batch > 1) === (each.batch > 1) && other.of_sign.median > each.of_sign.median);
  const ofAnvil = (each) => (best(each) ? (each.batch > 1 ? "anvil_batch" : "anvil") : "");
  return `${table(["", "of raw sign", "signatures/s", "Redoubt is faster by", "verification off"], [...peers.anvil.map((each) => line(`anvil's \`eth_signTransaction\`, ${each.id}`, each, ofAnvil(each))),
    line("ethers' local signer, one core", peers.ethers, "ethers"), line("viem's local signer, one core", peers.viem, "viem"),
    line("the AWS sample's design, re-enacted", peers.reference_design, "reference_design")])}\n\n` +
    "Redoubt's side is the row \"HTTP/2, 4 connections × 100 streams\", with verification before release on and off (none of the others verifies what it has signed), and beside anvil's batches its own row of batches. " +
    "anvil is asked over plain HTTP/1.1 with keep-alive: it has no TLS, no authentication and no policy. ethers and viem sign in the caller's own process with a key that they hold in memory, and are compared core for core.\n\n" +
    "The AWS sample itself needs AWS, so its design is re-enacted on this machine (`bench/harness/reference_design.mjs`): HTTPS to a host server; for each request " +
    "IMDSv2 credentials, the ciphertext from Secrets Manager, over a socket to the enclave's server, a process that makes one attested KMS Decrypt " +
    "(`redoubt-kmstool-dev`, with its RSA key for the attestation, as the sample's tool makes one), one signature, one connection at a time. " +
    "Left out, all in its favour: the network to AWS and KMS's own time, Python (Node.js servers and viem's signer stand in), the virtual machine.";
}

function memory({ rows }) {
  const shown = ["h2", "h1-256", "keys-1m", "enclaves-4"].map((id) => rows.find((row) => row.id === id)).filter((row) => row?.memory);
  const names = [...new Set(shown.flatMap((row) => Object.keys(row.memory)))];
  if (shown.length === 0) return "";
  return table(["MiB resident after the row (the most that it was)", ...names], shown.map(({ title, memory: found }) => [title,
    ...names.map((name) => (found[name] ? `${found[name].rss_mib} (${found[name].most_mib})` : "–"))]));
}

function creation({ created = [], settings }) {
  const most = created.reduce((one, other) => (other.keys > (one?.keys ?? 0) ? other : one), undefined);
  return most ? `\n\n${count(most.keys)} keys, with a policy of ten rules each, were made at ${count(most.per_s)} a second over 64 connections without an attestation, each durable in ${settings.store ?? "SQLite"} ` +
    "before it was acknowledged." : "";
}

function allocationsTable({ allocations }) {
  if (!allocations) return "";
  const names = Object.keys(allocations[0].calls);
  return `Calls of malloc and its like for each request, once everything is warm (\`bench/count_allocations.cpp\`).\n\n${table(["", ...names], allocations.map(({ title, calls }) =>
    [title, ...names.map((name) => calls[name].toFixed(2))]))}`;
}

export function readme(results) {
  const made = plots(results), { rows } = results;
  const of = (...groups) => rows.filter(({ group }) => groups.includes(group));
  const measured = (groups, make) => (of(...groups).length > 0 ? make(of(...groups)) : "");
  const handshakes = of("handshakes").map(({ title, figures, failed }) => [title, failed ? `failed: ${failed}` : figure(figures.handshakes_per_s)]);
  return `# Performance: the report of a run\n\n${provenance(results)}\n\n` +
    section("What was promised", table(["", "promised", "measured", "met"], acceptance(results).map(({ what, wanted, measured: found, met }) =>
      [what, wanted, found, met === null ? "–" : met ? "yes" : "**no**"]))) +
    section("Beside others", peersTable(results)) +
    section("The raw limits", limits(results)) +
    section("Front ends", measured(["front"], rowsTable)) +
    section("Connections", image(made, "connections.svg", "Signatures against requests in flight") + "\n" + measured(["connections"], rowsTable)) +
    section("Latency", image(made, "latency.svg", "Latency over HTTPS") + "\n" + measured(["constant"], (found) => `${constantTable(found)}\n\nRequests are due at random times of a constant mean rate, ` +
      "whatever became of those before, and a request's time runs from when it was due. Over HTTP/2 the rate is a share of what a closed loop with 4 × 32 requests in flight came to just before.")) +
    section("Who asks", measured(["principals"], rowsTable)) +
    section("Rules and receipts", image(made, "rules.svg", "Cost against the number of rules") + "\n" + measured(["rules"], rowsTable) +
      (rows.some(({ id }) => id === "no-receipts") ? "\n\nThe row without a log of receipts goes through a second gateway, beside the first one: a difference within the spread says nothing of the log." : "")) +
    section("Parts of a request", `Each alone, on one core (\`policy_bench\`, \`request_signature_bench\`, \`receipt_bench\`):\n\n${table(["", "µs"], results.parts.map(({ name, us }) => [name, String(us)]))}`) +
    section("Keys", image(made, "keys.svg", "Cost against the number of keys") + "\n" + measured(["keys"], rowsTable) + creation(results)) +
    section("Enclaves", measured(["enclaves"], rowsTable)) +
    section("TLS handshakes", handshakes.length > 0 ? table(["", "a second"], handshakes) : "") +
    section("Cold start", `${figure(results.cold_start.seconds)} s from nothing running (devcloud, proxy, enclave and gateway on this machine) to the first signature, with the attested call to KMS that opens the vault.`) +
    section("Memory", memory(results)) +
    section("Allocations", allocationsTable(results)) +
    section("To run it again", "`make bench`, or `tools/node bench/run.mjs --rows h2,h1-64 --out FOLDER` for some rows (`--list` tells which there are). `results.json` has all figures, the latency histograms too; this page and the plots are made of it alone.");
}

export function filesOf(results) {
  return { "README.md": readme(results).trimEnd() + "\n", ...plots(results) };
}

// A list of numbers on one line.
const json = (value) => JSON.stringify(value, null, 1).replace(/\[(?:[-+.\deE,\s]|null)+\]/g, (list) => list.replace(/\s+/g, "").replaceAll(",", ", "));

export function writeReport(results, folder) {
  fs.mkdirSync(folder, { recursive: true });
  Object.assign(results, { factors: factors(results), acceptance: acceptance(results) });
  fs.writeFileSync(path.join(folder, "results.json"), `${json(results)}\n`);
  for (const name of fs.readdirSync(folder)) if (name.endsWith(".svg")) fs.rmSync(path.join(folder, name));
  for (const [name, text] of Object.entries(filesOf(results))) fs.writeFileSync(path.join(folder, name), text);
}

// Sentences on what is not as it would be made.
export function differences(folder) {
  const results = JSON.parse(fs.readFileSync(path.join(folder, "results.json"), "utf8")), files = filesOf(results), found = [];
  for (const [name, wanted] of Object.entries({ factors: factors(results), acceptance: acceptance(results) }))
    if (JSON.stringify(results[name]) !== JSON.stringify(wanted)) found.push(`results.json: its ${name} are not what its figures say`);
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    if (!fs.existsSync(file)) found.push(`${name} is missing`);
    else if (fs.readFileSync(file, "utf8") !== text) found.push(`${name} is not what results.json says`);
  }
  for (const name of fs.readdirSync(folder)) if (name.endsWith(".svg") && !files[name]) found.push(`${name} is not made of results.json`);
  return found;
}

function main([first, ...rest]) {
  const check = first === "--check", [folder, root] = check ? rest : [first, ...rest];
  if (!folder) throw new Error("usage: report.mjs [--check] FOLDER [ROOT]");
  const results = JSON.parse(fs.readFileSync(path.join(folder, "results.json"), "utf8"));
  if (!check) writeReport(results, folder);
  const found = check ? differences(folder).map((sentence) => `${folder}: ${sentence}`) : [];
  for (const file of root ? markdownFiles(root) : []) found.push(...compareText(file, results, !check).map((sentence) => `${path.relative(root, file)}: ${sentence}`));
  for (const sentence of found) console.error(sentence);
  return check && found.length > 0 ? 1 : 0;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fs.realpathSync(fileURLToPath(import.meta.url))) process.exitCode = main(process.argv.slice(2));
