// SPDX-License-Identifier: Apache-2.0
// Medians and spreads of trials, and histograms put together.

export const round = (value, digits = 4) => (Number.isFinite(value) ? Number(value.toPrecision(digits)) : value);

// { median, min, max, trials, each }, rounded, `each` in the order of the trials; undefined of nothing.
export function spread(values, digits = 4) {
  const each = values.filter((value) => Number.isFinite(value)), known = [...each].sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const half = Math.floor(known.length / 2), shown = (value) => round(value, digits);
  return { median: shown(known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2), min: shown(known[0]), max: shown(known.at(-1)),
    trials: known.length, each: each.map(shown) };
}

// A row's figure beside another row's, round by round, so that what changed from one round to the next is in both.
export function beside(figure, other) {
  if (figure.trials !== other.trials) throw new Error(`${figure.trials} trials are not compared with ${other.trials}`);
  return spread(figure.each.map((value, i) => value / other.each[i]));
}

// [[upper_us, count], …] of several trials as one.
export function merged(histograms) {
  const counts = new Map();
  for (const [upper, count] of histograms.flat()) counts.set(upper, (counts.get(upper) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b);
}
