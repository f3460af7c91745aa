// SPDX-License-Identifier: Apache-2.0
// node docs.mjs REDOUBT ROOT: the checks of docs.sh. Each finding is a line FILE:LINE: what is wrong; none: exit code 0.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const [redoubt, root] = process.argv.slice(2);
const findings = [];
const counts = { files: 0, links: 0, commands: 0, alarms: 0, proofs: 0 };
const read = (file) => fs.readFileSync(path.join(root, file), "utf8");
const exists = (file) => fs.existsSync(path.join(root, file));
const find = (file, line, what) => findings.push(`${file}:${line}: ${what}`);

function markdownFiles(folder) {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "build", "cdk.out", ".git"].includes(entry.name) ? [] : markdownFiles(name);
    return entry.name.endsWith(".md") ? [name] : [];
  });
}

// [{ number, text, code }]: `code` is the language of the fenced block that the line is in ("" if it names none), or null.
function linesOf(file) {
  let code = null;
  return read(file).split("\n").map((text, i) => {
    const fence = /^\s*```(\S*)/.exec(text);
    if (fence) code = code === null ? fence[1] : null;
    return { number: i + 1, text, code: fence ? null : code, fence: Boolean(fence) };
  });
}

// As GitHub makes an anchor of a heading.
const slug = (heading) => heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "").trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
const anchorsOf = (file) => {
  const seen = new Map();
  return new Set(linesOf(file).filter((line) => line.code === null && /^#{1,6} /.test(line.text)).map((line) => {
    const name = slug(line.text.replace(/^#+ /, "")), times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return times === 0 ? name : `${name}-${times}`;
  }));
};

function checkLinks(file) {
  for (const { number, text, code, fence } of linesOf(file)) {
    if (code !== null || fence) continue;
    for (const [, target] of text.replace(/`[^`]*`/g, "").matchAll(/\]\(([^()\s]+(?:\([^()]*\))?[^()\s]*)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      ++counts.links;
      const [name, anchor] = target.split("#");
      const to = name === "" ? file : path.posix.join(path.posix.dirname(file), name);
      if (!exists(to)) find(file, number, `leads to ${target}, which is not there`);
      else if (anchor !== undefined && to.endsWith(".md") && !anchorsOf(to).has(anchor)) find(file, number, `${to} has no heading #${anchor}`);
    }
  }
}

const helps = new Map();
// The help of `redoubt WORDS`, or null where there is no such command: help of what is unknown is its parent's.
function help(words) {
  const key = words.join(" ");
  if (!helps.has(key)) {
    const { stdout, status } = spawnSync(redoubt, [...words, "--help"], { encoding: "utf8", timeout: 20_000 });
    const usage = ["Usage: redoubt", ...words].join(" ");
    helps.set(key, status === 0 && stdout.split("\n").some((line) => line === usage || line.startsWith(usage + " ")) ? stdout : null);
  }
  return helps.get(key);
}
const subcommands = (text) => new Set([...(text.split(/^Subcommands:$/m)[1] ?? "").matchAll(/^ {2}([a-z][a-z-]*)\s/gm)].map(([, name]) => name));
const hidden = new Set(["enclave-minder"]); // no help lists it: the watchdog starts it

// `text` begins behind the word `redoubt`. A command ends where the shell would end it.
function checkCommand(file, number, text) {
  // `a|b` and `a\|b` in tables are choices of the first kind of token that they end.
  const tokens = text.replace(/\\\|/g, "|").split(/\s[|;&><]+|\s#\s|[)`"'](?=\s|$)|;\s/)[0].trim().split(/\s+/).filter(Boolean);
  const words = [];
  let known = help([]);
  while (tokens.length > 0 && subcommands(known).size > 0 && /^[a-z][a-z|-]*$/.test(tokens[0])) {
    const names = tokens.shift().split("|");
    for (const name of names)
      if (!subcommands(known).has(name) && !hidden.has(name)) return find(file, number, `there is no command redoubt ${[...words, name].join(" ")}`);
    if (names.length > 1 || hidden.has(names[0])) return; // a list of commands: their options are not told apart
    words.push(names[0]);
    known = help(words);
    if (known === null) return find(file, number, `there is no command redoubt ${words.join(" ")}`);
  }
  ++counts.commands;
  for (const token of tokens) {
    if (token === "--") return; // what stands behind it is another program's
    for (const part of token.split("|")) {
      const option = /^\[?(--[a-z][a-z0-9-]*)/.exec(part)?.[1];
      if (option !== undefined && !new RegExp(`(^|[\\s,])${option}(?![a-z0-9-])`, "m").test(known)) find(file, number, `redoubt ${words.join(" ")} has no option ${option}`);
    }
  }
}

function checkCommands(file) {
  const lines = linesOf(file);
  for (let i = 0; i < lines.length; ++i) {
    const { number, code, fence } = lines[i];
    let text = lines[i].text;
    if (fence) continue;
    if (code !== null) {
      if (!["", "sh", "bash", "console"].includes(code)) continue;
      while (/\\$/.test(text) && i + 1 < lines.length) text = text.slice(0, -1) + lines[++i].text;
      // Where a shell takes a word for a command: at the beginning, behind what ends another one, and behind VARIABLE=….
      for (const match of text.matchAll(/(?:^\s*(?:\$ )?|[;&|(]\s*|\$\(\s*|(?:ExecStart|[A-Z_]+)=\S*\s*)(?:[\w./-]*\/)?redoubt(?=\s)/g)) {
        const before = text.slice(0, match.index);
        if (/#\s/.test(before) || (before.trim() === "" && /[a-z]:/.test(text.split(/\s+/)[1] ?? ""))) continue;
        checkCommand(file, number, text.slice(match.index + match[0].length));
      }
    } else {
      // In running text; `redoubt key record v2` and the like are labels of formats.
      for (const [, inline] of text.matchAll(/`([^`]+)`/g))
        if (/^redoubt\s/.test(inline) && !/ v\d+(\\n)?$/.test(inline)) checkCommand(file, number, inline.slice("redoubt".length));
    }
  }
}

// Alarms by the name of their runbook: Prometheus' by their names in kebab case, CloudWatch's as the CDK app names them.
function alarms() {
  const names = new Map(); // runbook → [{ name, where }]
  const add = (runbook, name, where) => names.set(runbook, [...(names.get(runbook) ?? []), { name, where }]);
  const rules = "deploy/observability/alerts.yml";
  if (exists(rules))
    for (const [, name] of read(rules).matchAll(/- alert: (\S+)/g)) add(name.replace(/^Redoubt/, "").replace(/(?<!^)([A-Z])/g, "-$1").toLowerCase(), name, rules);
  const cloud = "deploy/cdk/lib/alarm_names.ts";
  if (exists(cloud)) {
    const found = [...read(cloud).matchAll(/^\s*(\w+): alarm\("([a-z0-9-]+)"/gm)];
    if (found.length === 0) find(cloud, 1, "names no alarm (a line NAME: alarm(\"runbook\", …)");
    for (const [, name, runbook] of found) add(runbook, name, cloud);
  }
  return names;
}

const parts = ["Meaning", "First look", "Likely causes", "Mend", "Escalate", "Test"];
function checkRunbooks() {
  const folder = "docs/runbooks", index = `${folder}/README.md`;
  const names = alarms();
  counts.alarms = [...names.values()].flat().length;
  if (names.size === 0) find(folder, 1, "there are no alarms to have runbooks for");
  const leads = exists(index) ? read(index) : "";
  for (const [runbook, alarm] of names) {
    const file = `${folder}/${runbook}.md`;
    if (!exists(file)) {
      for (const { name, where } of alarm) find(where, 1, `${name} has no runbook ${file}`);
      continue;
    }
    const text = read(file);
    for (const { name } of alarm) if (!new RegExp(`\`${name}\``).test(text)) find(file, 1, `does not name \`${name}\``);
    const headings = linesOf(file).filter(({ code }) => code === null).map((line) => /^## (.*)$/.exec(line.text)?.[1]).filter(Boolean);
    if (headings.join() !== parts.join()) find(file, 1, `has ${headings.join(", ") || "no headings"} in place of ${parts.join(", ")}`);
    if (!leads.includes(`](${runbook}.md)`)) find(index, 1, `does not lead to ${runbook}.md`);
  }
  for (const file of exists(folder) ? markdownFiles(folder) : [])
    if (file !== index && !names.has(path.posix.basename(file, ".md"))) find(file, 1, "is no alarm's runbook");
  const rules = "deploy/observability/alerts.yml";
  if (!exists(rules)) return;
  const urls = [...read(rules).matchAll(/runbook_url: "(\S+)"/g)].map(([, url]) => url);
  const wanted = [...names].flatMap(([runbook, all]) => all.filter(({ where }) => where === rules).map(() => `${folder}/${runbook}.md`));
  if (urls.join(" ") !== wanted.join(" ")) find(rules, 1, "runbook_url of an alert is missing, or leads elsewhere than to its runbook");
}

const sources = new Map();
// Whether FILE has a test called NAME: Suite.name of GoogleTest, the text of node:test, or any text of a script.
function isTest(file, name) {
  if (!sources.has(file)) sources.set(file, read(file));
  const text = sources.get(file);
  if (file.endsWith(".cpp")) {
    const [suite, test] = name.split(".");
    return new RegExp(`^TEST(_F|_P)?\\(\\s*${suite}\\s*,\\s*${test}\\s*\\)`, "m").test(text);
  }
  if (/\.[mc]?[jt]s$/.test(file)) return ['"', "'", "`"].some((quote) => new RegExp(`\\b(test|it)\\(\\s*${quote}`).test(text) && text.includes(`(${quote}${name}${quote}`));
  return text.includes(name);
}

// docs/threat-model.md: under each `### Element` a table whose rows are | letter | threat | met by | proof | residual risk |.
const stride = ["S", "T", "R", "I", "D", "E"];
function checkThreats() {
  const file = "docs/threat-model.md";
  if (!exists(file)) return;
  const cited = new Set();
  let element = null, elements = 0, letters = null;
  const close = () => {
    for (const letter of element ? stride : []) if (!letters.has(letter)) find(file, element.number, `${element.name}: no row for ${letter}`);
  };
  const lines = linesOf(file).filter(({ code, fence }) => code === null && !fence);
  const invariants = new Set(lines.map(({ text }) => /^(\d+)\. /.exec(text)?.[1]).filter(Boolean));
  for (const { number, text } of lines) {
    const heading = /^(#{1,3}) (.*)/.exec(text);
    if (heading) {
      close();
      element = heading[1] === "###" ? { name: heading[2], number } : null;
      letters = new Set();
      if (element) ++elements;
    }
    const cells = /^\| ([STRIDE](?:, [STRIDE])*) \|/.test(text) ? text.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()) : null;
    if (!cells || !element) continue;
    if (cells.length !== 5 || cells.some((cell) => cell === "")) {
      find(file, number, "a threat has five cells: letter, threat, met by, proof, what remains");
      continue;
    }
    for (const letter of cells[0].split(", ")) letters.add(letter);
    for (const invariant of [...cells[2].matchAll(/\binvariants? (\d+)(?: and (\d+))?/g)].flatMap((match) => match.slice(1)).filter(Boolean)) {
      cited.add(invariant);
      if (!invariants.has(invariant)) find(file, number, `there is no invariant ${invariant}`);
    }
    if (/^none: \S/.test(cells[3])) continue;
    const proofs = [...cells[3].matchAll(/`([^`]+)`: “([^”]+)”/g)];
    if (proofs.length === 0) find(file, number, "proof is `FILE`: “NAME OF A TEST”, or none: and why");
    for (const [, where, name] of proofs) {
      ++counts.proofs;
      if (!exists(where)) find(file, number, `${where} is not there`);
      else if (!isTest(where, name)) find(file, number, `${where} has no test “${name}”`);
    }
  }
  close();
  if (elements === 0) find(file, 1, "has no element (### …)");
  for (const invariant of invariants) if (!cited.has(invariant)) find(file, 1, `no threat is met by invariant ${invariant}`);
}

const files = markdownFiles(".").map((name) => name.replace(/^\.\//, ""));
counts.files = files.length;
if (help([]) === null) find(redoubt, 1, "is no redoubt that tells its help");
else
  for (const file of files) {
    checkLinks(file);
    checkCommands(file);
  }
checkRunbooks();
checkThreats();
for (const finding of findings) console.error(finding);
console.log(`docs: ${counts.files} files, ${counts.links} links, ${counts.commands} commands, ${counts.alarms} alarms, ${counts.proofs} tests named; ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
