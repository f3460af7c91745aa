// SPDX-License-Identifier: Apache-2.0
// node bundle.mjs FOLDER: puts what Lambda is given into FOLDER, which it replaces: the functions, the attestation
// verifier of sdk/js and the packages of package-lock.json, copied as they are. No bundler, no container; the same
// sources give the same bytes. `npm ci` comes first.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const kFunctions = ["index.mjs", "canary.mjs", "attested_calls.mjs"];
const kTime = new Date("2000-01-01T00:00:00Z"); // an archive of it should not differ by when it was made

const fail = (what) => {
  console.error(`bundle.mjs: ${what}`);
  process.exit(1);
};
const json = (file) => JSON.parse(fs.readFileSync(file, "utf8"));

// The functions and what they import of this folder.
function ownModules() {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name)) return;
    found.add(name);
    for (const [, next] of fs.readFileSync(path.join(here, name), "utf8").matchAll(/\bfrom "\.\/([a-z_]+\.mjs)"/g)) visit(next);
  };
  kFunctions.forEach(visit);
  return [...found].sort();
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
  fs.chmodSync(to, 0o644);
  fs.utimesSync(to, kTime, kTime);
}

// Of a package, what runs: its ES modules, what names them, and its licence.
function copyPackage(name, from, to) {
  const isPart = (file) => /(?:\.m?js|^package\.json|^LICENSE[^/]*)$/.test(file) && !/^(?:script|src|test)\//.test(file) && !/\.test\.m?js$/.test(file);
  const files = fs.readdirSync(from, { recursive: true }).map((file) => file.split(path.sep).join("/"))
    .filter((file) => isPart(file) && fs.statSync(path.join(from, file)).isFile()).sort();
  if (files.length === 0) fail(`${name} has no modules`);
  for (const file of files) copy(path.join(from, file), path.join(to, file));
}

const out = process.argv[2] ?? fail("usage: node bundle.mjs FOLDER");
if (path.resolve(out) === here || here.startsWith(path.resolve(out) + path.sep)) fail("FOLDER must not hold the sources");
fs.rmSync(out, { recursive: true, force: true });
for (const name of ownModules()) copy(path.join(here, name), path.join(out, name));
const { name, type, license } = json(path.join(here, "package.json"));
fs.writeFileSync(path.join(out, "package.json"), JSON.stringify({ name, type, license }, null, 2) + "\n", { mode: 0o644 });
fs.utimesSync(path.join(out, "package.json"), kTime, kTime);
for (const [at, locked] of Object.entries(json(path.join(here, "package-lock.json")).packages)) {
  if (!at.startsWith("node_modules/") || locked.dev) continue;
  const from = fs.existsSync(path.join(here, at)) ? fs.realpathSync(path.join(here, at)) : fail(`${at} is missing: run npm ci in ${here}`);
  const version = json(path.join(from, "package.json")).version;
  if (!locked.link && version !== locked.version) fail(`${at} is ${version}, and package-lock.json has ${locked.version}: run npm ci in ${here}`);
  copyPackage(at, from, path.join(out, at));
}
console.log(out);
