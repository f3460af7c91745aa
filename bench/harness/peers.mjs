// SPDX-License-Identifier: Apache-2.0
// Redoubt's peers, in the same run and beside the same raw limit: anvil, ethers and viem, and the AWS sample's design.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../tests/e2e/lib.mjs";
import { anvilRates } from "./anvil.mjs";
import { besideMs, rawCurve } from "./raw.mjs";
import { referenceDesign } from "./reference_design.mjs";
import { spread } from "./statistics.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

// A rate between two measurements of the raw limit; each is the one before the next.
class Beside {
  constructor(ms) {
    this.ms = ms;
  }
  async begin() {
    this.before = await rawCurve(this.ms);
  }
  async rate(perSecond) {
    const after = await rawCurve(this.ms), sign = (this.before.sign + after.sign) / 2;
    this.before = after;
    return { per_s: perSecond, raw_sign: sign, of_sign: perSecond / sign };
  }
}

function figures(trials) {
  const of = (name) => spread(trials.map((trial) => trial[name]));
  return { per_s: of("per_s"), raw_sign: of("raw_sign"), of_sign: of("of_sign") };
}

async function localSigner(library, { trials, seconds }, beside) {
  const done = [];
  for (let i = 0; i < trials; ++i) {
    const { code, stdout, stderr } = await run(process.execPath, [path.join(here, "local_signer.mjs"), library, String(seconds)]);
    if (code !== 0) throw new Error(`${library}: ${stderr}`);
    done.push(await beside.rate(JSON.parse(stdout).per_cpu_s));
  }
  return { ...figures(done), cores: 1 };
}

export async function peers(options, say) {
  const beside = new Beside(besideMs(options));
  await beside.begin();
  const found = { cores: os.cpus().length };
  say("anvil's eth_signTransaction");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-bench-anvil-"));
  try {
    const all = await anvilRates(options, folder, (perSecond) => beside.rate(perSecond));
    found.anvil = all.map(({ id, batch, trials }) => ({ id, batch, ...figures(trials) }));
    for (const { id, per_s } of found.anvil) say(`  ${id}: ${Math.round(per_s.median)}/s`);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  for (const library of ["ethers", "viem"]) {
    say(`${library}'s local signer`);
    found[library] = await localSigner(library, options, beside);
    say(`  ${Math.round(found[library].per_s.median)}/s of one core`);
  }
  say("the AWS sample's design");
  const rates = await referenceDesign(options, say), done = [];
  for (const rate of rates) done.push(await beside.rate(rate));
  found.reference_design = figures(done);
  return found;
}
