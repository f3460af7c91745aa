// SPDX-License-Identifier: Apache-2.0
// The plots of the report, from the results of a run: { "NAME.svg": text }. A plot whose rows were not run is left out.
import { chart, ticks } from "./chart.mjs";

const percents = (most) => ticks(most).map((value) => [value, `${Math.round(value * 100)} %`]);
const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

// How long requests took: for each latency the share of those that took no longer.
function latency(rows) {
  const named = [["h2-1x1", "HTTP/2, idle"], ["h1-1", "HTTP/1.1, idle"], ["load-70", "HTTP/2, 70 % of what 4 × 32 come to"], ["load-70-h1", "HTTP/1.1, 70 % load"]];
  const series = named.filter(([id]) => rows.get(id)?.histogram?.length > 0).map(([id, name]) => {
    const { histogram } = rows.get(id), all = histogram.reduce((sum, [, count]) => sum + count, 0);
    let sum = 0;
    return { name, points: histogram.map(([upper, count]) => ({ x: Math.min(Math.max(upper, 50), 100_000), y: (sum += count) / all })) };
  });
  if (series.length === 0) return undefined;
  const marks = [[50, "50 µs"], [100, "100 µs"], [200, "200 µs"], [500, "500 µs"], [1_000, "1 ms"], [2_000, "2 ms"], [5_000, "5 ms"], [10_000, "10 ms"], [20_000, "20 ms"], [50_000, "50 ms"],
    [100_000, "100 ms"]];
  return chart({ title: "Latency over HTTPS", note: "verification before release on; from when a request was due", series, dots: false,
    x: { title: "no longer than", scale: "log", ticks: marks }, y: { title: "share of the requests", scale: "linear", ticks: percents(1) } });
}

const points = (rows, at, value) => at.filter(([id]) => rows.get(id)?.figures).map(([id, x]) => {
  const { median, min, max } = rows.get(id).figures[value];
  return { x, y: median, min, max };
});

function connections(rows) {
  const series = [["HTTP/2, multiplexed", [["h2-1x1", 1], ["h2-1x16", 16], ["h2-1x64", 64], ["h2-4x32", 128], ["h2-16x16", 256], ["h2", 400]]],
    ["HTTP/2, one stream each", [["h2-1x1", 1], ["h2-64x1", 64]]],
    ["HTTP/1.1", [["h1-1", 1], ["h1-16", 16], ["h1-64", 64], ["h1-256", 256]]]]
    .map(([name, at]) => ({ name, points: points(rows, at, "of_sign_verify") })).filter((each) => each.points.length > 1);
  if (series.length === 0) return undefined;
  const scale = [1, 16, 64, 128, 256, 400], most = Math.max(...series.flatMap((each) => each.points.map(({ max }) => max)));
  return chart({ title: "Signatures against requests in flight", note: "verification before release on; the load generator shares the cores", series,
    x: { title: "requests in flight: connections × streams", scale, ticks: scale.map((each) => [each, String(each)]) },
    y: { title: "share of raw sign + verify", scale: "linear", ticks: percents(most) } });
}

// What a signature costs beside the raw one: 1 is the curve arithmetic alone.
function cost(rows, title, xTitle, lines) {
  const series = lines.map(([name, at]) => ({ name, points: points(rows, at, "of_sign_verify").map(({ x, y, min, max }) => ({ x, y: 1 / y, min: 1 / max, max: 1 / min })) }))
    .filter((each) => each.points.length > 1);
  if (series.length === 0) return undefined;
  const scale = [...new Set(series.flatMap((each) => each.points.map(({ x }) => x)))].sort((a, b) => a - b);
  const most = Math.max(...series.flatMap((each) => each.points.map(({ max }) => max)));
  return chart({ title, note: "HTTP/2, 4 × 100 requests in flight, everything on the same cores; 1 is the curve arithmetic alone", series,
    x: { title: xTitle, scale, ticks: scale.map((each) => [each, thousands(each)]) },
    y: { title: "cost, in raw sign + verify", scale: "linear", ticks: ticks(most).map((value) => [value, String(value)]) } });
}

export function plots({ rows: list }) {
  const rows = new Map(list.filter(({ failed }) => !failed).map((row) => [row.id, row]));
  const all = { "latency.svg": latency(rows), "connections.svg": connections(rows),
    "keys.svg": cost(rows, "Cost against the number of keys", "keys in the store, each as likely as any other",
      [["uniform", [["h2", 1], ["keys-1k", 1_000], ["keys-10k", 10_000], ["keys-1m", 1_000_000]]],
        ["Zipf", [["h2", 1], ["keys-10k-zipf", 10_000], ["keys-1m-zipf", 1_000_000]]]]),
    "rules.svg": cost(rows, "Cost against the number of rules", "rules of three conditions, all looked at; 0: the open policy",
      [["host", [["rules-0", 0], ["rules-1", 1], ["h2", 10], ["rules-100", 100]]]]) };
  return Object.fromEntries(Object.entries(all).filter(([, text]) => text));
}
