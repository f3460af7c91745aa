// SPDX-License-Identifier: Apache-2.0
// Medians and spreads of trials, and histograms put together.

// { median, min, max, trials }; undefined of nothing.
export function spread(values) {
  const known = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const half = Math.floor(known.length / 2);
  return { median: known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2, min: known[0], max: known.at(-1), trials: known.length };
}

// [[upper_us, count], …] of several trials as one.
export function merged(histograms) {
  const counts = new Map();
  for (const [upper, count] of histograms.flat()) counts.set(upper, (counts.get(upper) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b);
}

export const round = (value, digits = 4) => (Number.isFinite(value) ? Number(value.toPrecision(digits)) : value);
