// SPDX-License-Identifier: Apache-2.0
// Line charts as SVG, put together by hand. They follow the reader's colour scheme, and need no font or script.
const width = 760, height = 420, left = 72, right = 24, top = 76, bottom = 58;
const colours = [["#1f6feb", "#58a6ff"], ["#bc4c00", "#f0883e"], ["#1a7f37", "#3fb950"], ["#8250df", "#bc8cff"], ["#6e7781", "#9ea7b3"]];

const style = `<style>
svg{background:#fff;font:13px system-ui,-apple-system,"Segoe UI",sans-serif}text{fill:#24292f}.note{fill:#57606a}.grid{stroke:#d8dee4}.axis{stroke:#57606a}
${colours.map(([light], i) => `.s${i}{stroke:${light};fill:${light}}`).join("")}.line{fill:none;stroke-width:2.2}.range{stroke-width:1.2;opacity:.7}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.note{fill:#9ea7b3}.grid{stroke:#30363d}.axis{stroke:#9ea7b3}
${colours.map(([, dark], i) => `.s${i}{stroke:${dark};fill:${dark}}`).join("")}.line{fill:none}}
</style>`;

const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const at = (value) => value.toFixed(1);

// Where a value lies on an axis, from 0 to 1. `scale`: "linear", "log", or a list of the values that there are, evenly apart.
function position(scale, [low, high]) {
  if (Array.isArray(scale)) return (value) => (scale.indexOf(value) + 0.5) / scale.length;
  if (scale === "log") return (value) => Math.log(value / low) / Math.log(high / low);
  return (value) => (value - low) / (high - low);
}

// Round values from 0 that span up to `most` in four to eight steps.
export function ticks(most) {
  const rough = most / 5, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

// x, y: { title, scale, ticks: [[value, label], …] }; series: [{ name, points: [{ x, y, min?, max? }] }].
export function chart({ title, note, x, y, series, dots = true }) {
  const ends = ({ scale, ticks: marks }) => position(scale, [marks[0][0], marks.at(-1)[0]]);
  const across = ends(x), up = ends(y);
  const px = (value) => left + across(value) * (width - left - right), py = (value) => height - bottom - up(value) * (height - top - bottom);
  const parts = [`<text x="${left}" y="24" font-size="16" font-weight="600">${escaped(title)}</text>`];
  if (note) parts.push(`<text class="note" x="${left}" y="42">${escaped(note)}</text>`);
  let legend = left;
  series.forEach(({ name }, i) => {
    parts.push(`<line class="s${i} line" x1="${at(legend)}" y1="58" x2="${at(legend + 18)}" y2="58"/><text x="${at(legend + 24)}" y="62">${escaped(name)}</text>`);
    legend += 48 + name.length * 6.9;
  });
  for (const [value, label] of y.ticks)
    parts.push(`<line class="grid" x1="${left}" y1="${at(py(value))}" x2="${width - right}" y2="${at(py(value))}"/>`,
      `<text x="${left - 8}" y="${at(py(value) + 4)}" text-anchor="end">${escaped(label)}</text>`);
  for (const [value, label] of x.ticks)
    parts.push(`<line class="grid" x1="${at(px(value))}" y1="${top}" x2="${at(px(value))}" y2="${height - bottom}"/>`,
      `<text x="${at(px(value))}" y="${height - bottom + 20}" text-anchor="middle">${escaped(label)}</text>`);
  parts.push(`<line class="axis" x1="${left}" y1="${height - bottom}" x2="${width - right}" y2="${height - bottom}"/>`,
    `<text class="note" x="${(left + width - right) / 2}" y="${height - 14}" text-anchor="middle">${escaped(x.title)}</text>`,
    `<text class="note" transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y.title)}</text>`);
  series.forEach(({ points }, i) => {
    parts.push(`<polyline class="s${i} line" points="${points.map((point) => `${at(px(point.x))},${at(py(point.y))}`).join(" ")}"/>`);
    for (const { x: where, y: value, min, max } of dots ? points : []) {
      if (min !== undefined) parts.push(`<line class="s${i} range" x1="${at(px(where))}" y1="${at(py(min))}" x2="${at(px(where))}" y2="${at(py(max))}"/>`);
      parts.push(`<circle class="s${i}" cx="${at(px(where))}" cy="${at(py(value))}" r="3.5"/>`);
    }
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">\n${style}\n` +
    `${parts.join("\n")}\n</svg>\n`;
}
