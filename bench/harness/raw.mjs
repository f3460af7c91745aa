// SPDX-License-Identifier: Apache-2.0
// The limits that rows are compared with, measured beside them in time: libsecp256k1 alone signing, and signing and verifying, on
// all cores (bench/curve_bench), and OpenSSL alone verifying P-256 signatures on all cores (`openssl speed`).
import os from "node:os";
import path from "node:path";
import { bin, run } from "../../tests/e2e/lib.mjs";

// { library, threads, sign, sign_verify, sign_stock_nonce, … }: operations a second on all cores, medians of five windows of `ms`
// each. `sign` has Redoubt's nonce function, which is the fastest form that anybody could have.
export async function rawCurve(ms) {
  const { code, stdout, stderr } = await run(path.join(bin, "curve_bench"), ["--json", "--ms", String(ms), "--threads", String(os.cpus().length)]);
  if (code !== 0) throw new Error(`curve_bench ended with ${code}: ${stderr}`);
  const { library, threads, ...rates } = JSON.parse(stdout);
  const found = Object.entries(rates).filter(([, value]) => typeof value === "number").map(([name, value]) => [name.replace(/_per_s$/, ""), value]);
  return { library, threads, ...Object.fromEntries(found) };
}

// For how much of `ms` the machine keeps one busy thread a core from running, and how long at once: { share, mean_us, longest_us, … }.
export async function machineStops(ms) {
  const { code, stdout, stderr } = await run(path.join(bin, "curve_bench"), ["--stops", "--json", "--ms", String(ms), "--threads", String(os.cpus().length)]);
  if (code !== 0) throw new Error(`curve_bench --stops ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}
export const stopsMs = ({ quick }) => (quick ? 200 : 3_000);

// How long a window is: beside a trial, and at a run's beginning and end.
export const besideMs = ({ quick }) => (quick ? 15 : 40);
export const aloneMs = ({ quick }) => (quick ? 15 : 150);

// P-256 verifications a second on all cores.
export async function rawP256Verify() {
  const { code, stdout, stderr } = await run("openssl", ["speed", "-mr", "-seconds", "1", "-multi", String(os.cpus().length), "ecdsap256"]);
  // "+F4:INDEX:BITS:SIGNATURES:VERIFICATIONS" a second, of all processes together.
  const found = /^\+F4:[^:]*:256:([\d.e+-]+):([\d.e+-]+)$/m.exec(stdout);
  if (code !== 0 || !found) throw new Error(`openssl speed ended with ${code}: ${stderr}${stdout}`);
  return Number(found[2]);
}

// One after the other on the same cores: the rate of doing both.
export const both = (a, b) => 1 / (1 / a + 1 / b);
