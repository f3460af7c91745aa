// SPDX-License-Identifier: Apache-2.0
// How often an enclave's bounded cache lacks a key: by simulating it, and where the keys are too many for that by Che's
// approximation, which the simulation checks.
import { Random } from './engine.mjs';

// Ranks 1 to n with weights rank^-s, by rejection-inversion: no table, so any n.
function zipf(random, n, s) {
  const h = (x) => (s === 1 ? Math.log(x) : x ** (1 - s) / (1 - s));
  const inverse = (y) => (s === 1 ? Math.exp(y) : ((1 - s) * y) ** (1 / (1 - s)));
  const low = h(1.5) - 1, high = h(n + 0.5);
  for (;;) {
    const u = high + random.uniform() * (low - high);
    const x = inverse(u), k = Math.min(n, Math.max(1, Math.round(x)));
    if (u >= h(k + 0.5) - k ** -s) return k;
  }
}

// The least recently used goes first. Counted in the second half, when it has filled.
export function lru_hits(seed, { keys, entries, requests, s }) {
  const random = new Random(seed);
  const newer = new Int32Array(keys + 1), older = new Int32Array(keys + 1), cached = new Uint8Array(keys + 1); // 0: the list's ends
  const unlink = (key) => {
    newer[older[key]] = newer[key];
    older[newer[key]] = older[key];
  };
  let size = 0, hits = 0, counted = 0;
  for (let i = 0; i < requests; ++i) {
    const key = s === 0 ? 1 + random.below(keys) : zipf(random, keys, s);
    const there = cached[key] === 1;
    if (there) unlink(key);
    else if (size++ === entries) {
      const oldest = newer[0];
      unlink(oldest);
      cached[oldest] = 0;
      --size;
    }
    cached[key] = 1;
    newer[key] = 0;
    older[key] = older[0];
    newer[older[0]] = key;
    older[0] = key;
    if (2 * i < requests) continue;
    ++counted;
    hits += there ? 1 : 0;
  }
  return hits / counted;
}

// Che, Tung and Wang: a key is there if it was asked for within the time in which as many others were as have room.
export function che_hits({ keys, entries, s }) {
  if (entries >= keys) return 1;
  if (s === 0) return entries / keys;
  // Ranks in steps that grow, each with its first rank's weight and so many keys.
  const steps = [];
  for (let rank = 1; rank <= keys;) {
    const width = Math.min(Math.max(1, Math.floor(rank / 64)), keys - rank + 1);
    steps.push([(rank + (width - 1) / 2) ** -s, width]);
    rank += width;
  }
  const total = steps.reduce((sum, [weight, width]) => sum + weight * width, 0);
  const there = (time) => steps.reduce((sum, [weight, width]) => sum - width * Math.expm1((-weight / total) * time), 0);
  let low = 0, high = 1;
  while (there(high) < entries) high *= 2;
  for (let i = 0; i < 60; ++i) {
    const middle = (low + high) / 2;
    if (there(middle) < entries) low = middle;
    else high = middle;
  }
  return steps.reduce((sum, [weight, width]) => sum - (width * weight * Math.expm1((-weight / total) * low)) / total, 0);
}
