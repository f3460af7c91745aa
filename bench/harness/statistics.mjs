// SPDX-License-Identifier: Apache-2.0
// Medians and spreads of trials, and histograms put together.

export const round = (value, digits = 4) => (Number.isFinite(value) ? Number(value.toPrecision(digits)) : value);

// { median, min, max, trials, each }, rounded; `each` in the order of the trials, null for one that has no such figure; undefined of nothing.
export function spread(values, digits = 4) {
  const known = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const half = Math.floor(known.length / 2), shown = (value) => round(value, digits);
  return { median: shown(known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2), min: shown(known[0]), max: shown(known.at(-1)),
    trials: known.length, each: values.map((value) => (Number.isFinite(value) ? shown(value) : null)) };
}

// A row's figure beside another row's, round by round, so that what changed from one round to the next is in both. A round in which one
// of the two is missing, or is compared with nothing, has no part; undefined when there is no other.
export function beside(figure, other) {
  if (!figure || !other) return undefined;
  if (figure.each.length !== other.each.length) throw new Error(`${figure.each.length} trials are not compared with ${other.each.length}`);
  return spread(figure.each.map((value, i) => (value === null || !other.each[i] ? NaN : value / other.each[i])));
}

// [[upper_us, count], …] of several trials as one.
export function merged(histograms) {
  const counts = new Map();
  for (const [upper, count] of histograms.flat()) counts.set(upper, (counts.get(upper) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b);
}
