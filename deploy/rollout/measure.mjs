// SPDX-License-Identifier: Apache-2.0
// PCR0 of an image file and PCR16 of a manifest, as `redoubt` computes them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import crypto from "node:crypto";
import fs from "node:fs";
import { failed, usage } from "./refusal.mjs";

const mostOutput = 1 << 20;

// What a program printed. `show`: its output goes to the terminal instead, for what takes minutes.
export async function run(argv, { show = false, cwd } = {}) {
  const child = spawn(argv[0], argv.slice(1), { cwd, stdio: ["ignore", show ? 2 : "pipe", show ? 2 : "pipe"] });
  let stdout = "", stderr = "";
  child.stdout?.on("data", (data) => { if (stdout.length < mostOutput) stdout += data; });
  child.stderr?.on("data", (data) => { if (stderr.length < mostOutput) stderr += data; });
  const [code] = await once(child, "close").catch((error) => { throw failed("a program cannot be started", error.message); });
  return { code, stdout, stderr };
}

export const sha256OfFile = (file) => {
  try {
    return crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  } catch (error) {
    throw usage("a file that the plan names cannot be read", error.message);
  }
};

const zero = Buffer.alloc(48);
export const debugPcr = zero.toString("hex");
const extended = (digest) => crypto.createHash("sha384").update(zero).update(digest).digest("hex");

// { pcr0, pcr8? }
export async function measureImage(redoubt, file, { development }) {
  let head;
  try {
    head = fs.readFileSync(file).subarray(0, 4).toString("latin1");
  } catch (error) {
    throw usage("an image cannot be read", error.message);
  }
  if (head === "\x7fELF") { // redoubt-enclave-dev, which measures its own file
    if (!development) throw usage("a program is no image: enclaves as processes are for another KMS than AWS's (kms.endpoint)", file);
    return { pcr0: extended(crypto.createHash("sha384").update(fs.readFileSync(file)).digest()) };
  }
  const { code, stdout, stderr } = await run([redoubt, "eif", "describe", file, "--json"]);
  if (code !== 0) throw failed("the image cannot be measured", `${file}: ${stderr.trim() || stdout.trim()}`);
  const { Measurements: measured, CheckCRC: whole, SignatureCheck: signed } = JSON.parse(stdout);
  if (whole !== true) throw failed("the image's checksum is wrong: it is damaged, or still being written", file);
  if (signed === false) throw failed("the image's signature does not verify", file);
  return { pcr0: measured.PCR0, ...(measured.PCR8 === undefined ? {} : { pcr8: measured.PCR8 }) };
}

// What a manifest demands, and what `redoubt manifest check` finds weak in it.
export async function measureManifest(redoubt, file) {
  const { code, stdout, stderr } = await run([redoubt, "manifest", "check", file, "--json"]);
  if (code !== 0) throw failed("an enclave would refuse the manifest", `${file}: ${stderr.trim() || stdout.trim()}`);
  const { pcr16, warnings } = JSON.parse(stdout);
  const manifest = JSON.parse(fs.readFileSync(file, "utf8"));
  return { pcr16, warnings, keys: manifest.kms_keys, minEpoch: manifest.min_epoch ?? 0, commitments: manifest.vault_commitments ?? {},
    leaseSeconds: manifest.limits?.vault_lease_seconds ?? 3600 };
}

// The members that change, one a line.
export async function manifestChanges(redoubt, before, after) {
  const { code, stdout, stderr } = await run([redoubt, "manifest", "diff", before, after]);
  if (code !== 0 && code !== 1) throw failed("the manifests cannot be compared", stderr.trim());
  return code === 0 ? [] : stdout.trim().split("\n");
}
