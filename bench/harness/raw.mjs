// SPDX-License-Identifier: Apache-2.0
// The limits that rows are compared with, measured beside them in time: libsecp256k1 alone signing, and signing and verifying, on
// all cores (bench/curve_bench), and OpenSSL alone verifying P-256 signatures on all cores (`openssl speed`).
import os from "node:os";
import path from "node:path";
import { bin, run } from "../../tests/e2e/lib.mjs";

// { library, threads, sign, sign_verify, sign_stock_nonce }, each of the last three in operations a second on all cores.
export async function rawCurve(ms) {
  const { code, stdout, stderr } = await run(path.join(bin, "curve_bench"), ["--json", String(ms)]);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const all = lines.find(({ threads }) => threads === os.cpus().length);
  if (code !== 0 || !all) throw new Error(`curve_bench ended with ${code}: ${stderr}${stdout}`);
  return { library: all.library, threads: all.threads, sign: all.sign_per_s, sign_verify: all.sign_verify_per_s, sign_stock_nonce: all.sign_stock_nonce_per_s };
}

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
