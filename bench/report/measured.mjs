// SPDX-License-Identifier: Apache-2.0
// Figures in running text that a run measured. Behind such a figure stands a comment, which readers don't see, that says where it is in
// results.json: 64.2 %<!--measured rows.h2.of_sign_verify-->. A path leads through objects by name and through lists by id; where it
// ends at a figure with a median, the median is meant. So text and results are compared, and the text can be brought up to date.
import fs from "node:fs";
import path from "node:path";

// The number, what stands between it and the comment, and the path.
const marked = /(\d[\d,]*(?:\.\d+)?)([^\d\n<]{0,24})<!--measured ([\w.-]+)-->/g;

export function valueAt(results, where) {
  let value = results;
  for (const name of where.split(".")) {
    value = Array.isArray(value) ? value.find((each, i) => each.id === name || String(i) === name) : value?.[name];
    value = value?.figures ?? value;
  }
  value = value?.median ?? value;
  if (typeof value !== "number") throw new Error(`there is no figure ${where} in results.json`);
  return value;
}

// The value as the text has it now: with as many decimals, in per cent where it says so, grouped where it is long.
function shown(value, text, unit) {
  const decimals = text.split(".")[1]?.length ?? 0, scaled = /^\s*%/.test(unit) ? value * 100 : value;
  return scaled.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function markdownFiles(root) {
  const below = (folder) => fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? below(path.join(folder, entry.name))
    : entry.name.endsWith(".md") ? [path.join(folder, entry.name)] : []));
  return [path.join(root, "README.md"), ...below(path.join(root, "docs"))];
}

// Sentences on figures that are not what the results say; with `mend` these figures are written anew.
export function compareText(file, results, mend = false) {
  const found = [], text = fs.readFileSync(file, "utf8");
  const mended = text.replace(marked, (whole, number, unit, where) => {
    const now = shown(valueAt(results, where), number, unit);
    if (now !== number) found.push(`${number}${unit} should be ${now}${unit} (${where})`);
    return `${now}${unit}<!--measured ${where}-->`;
  });
  const comments = text.match(/<!--measured/g)?.length ?? 0, read = text.match(marked)?.length ?? 0;
  if (comments !== read) found.push("a comment of a measured figure has no figure before it, or no path");
  if (mend && mended !== text) fs.writeFileSync(file, mended);
  return found;
}
