// SPDX-License-Identifier: Apache-2.0
// Real attestation documents, from the folder REDOUBT_VECTORS; undefined where it is absent.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const base = process.env.REDOUBT_VECTORS ?? path.resolve(here, "../../../../shared/vectors");
const folder = path.join(base, "nitro-attestation");

function load() {
  if (!fs.existsSync(folder)) return undefined;
  return JSON.parse(fs.readFileSync(path.join(folder, "manifest.json"), "utf8")).map((facts) => ({
    facts,
    name: facts.file,
    document: new Uint8Array(fs.readFileSync(path.join(folder, facts.file))),
    // What is not even CBOR states no expectation.
    parses: facts.expect !== undefined,
    genuine: facts.expect?.signature === true,
    at: facts.verify_at_ms ?? 1,
    window: facts.cert_window?.map((text) => Date.parse(text)),
  }));
}

export const vectors = load();
export const skip = vectors === undefined && `${folder} is absent`;
export const genuine = vectors?.filter((vector) => vector.genuine) ?? [];
export const smallest = [...genuine].sort((a, b) => a.document.length - b.document.length)[0];
// Three of different kinds: the smallest, one with a payload of indefinite length, one of an enclave that is not debugged.
export const kinds = [smallest, genuine.find((v) => v.facts.payload_map_indefinite),
  genuine.find((v) => !v.facts.debug_mode)].filter((v, i, all) => v && all.indexOf(v) === i);

// Numbers that look random and are the same in every run (xorshift32).
export function random(seed) {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

// A changed copy: bits, bytes, cuts, repetitions.
export function mutant(document, next) {
  const at = next(document.length);
  const copy = document.slice();
  switch (next(6)) {
    case 0:
    case 1:
      copy[at] ^= 1 << next(8);
      return copy;
    case 2:
      copy[at] = (copy[at] + 1 + next(255)) & 0xff;
      return copy;
    case 3:
      return copy.slice(0, at);
    case 4: {
      const size = 1 + next(8);
      return Uint8Array.from([...copy.slice(0, at), ...copy.slice(at + size)]);
    }
    default: {
      const size = 1 + next(8);
      return Uint8Array.from([...copy.slice(0, at + size), ...copy.slice(at)]);
    }
  }
}
