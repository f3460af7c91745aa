// SPDX-License-Identifier: Apache-2.0
// image/cpio.mjs OUTPUT <LIST: writes a ramdisk, an uncompressed cpio archive ("newc", Linux
// Documentation/driver-api/early-userspace/buffer-format.rst), of what the list's lines name:
//   dir PATH MODE            file PATH MODE SOURCE            node PATH MODE MAJOR MINOR (a character device)
// The same list and files give the same bytes: entries are sorted by path, their numbers are their places, and owner
// (root) and time (1970) are fixed.
import { readFileSync, renameSync, writeFileSync } from "node:fs";

const fail = (why) => {
  console.error(`image/cpio.mjs: ${why}`);
  process.exit(1);
};

const TYPES = { dir: 0o040000, file: 0o100000, node: 0o020000 };
const WORDS = { dir: 3, file: 4, node: 5 };

export function parse(list) {
  const entries = new Map();
  for (const line of list.split("\n").filter((text) => text !== "" && !text.startsWith("#"))) {
    const [kind, path, mode, ...rest] = line.split(" ");
    if (!Object.hasOwn(TYPES, kind) || line.split(" ").length !== WORDS[kind]) throw new Error(`what is "${line}"?`);
    if (!/^(\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/.test(path)) throw new Error(`"${path}" is no plain absolute path`);
    if (!/^0[0-7]{3}$/.test(mode)) throw new Error(`"${mode}" is no mode such as 0755`);
    if (entries.has(path)) throw new Error(`${path} is there twice`);
    const entry = { path, mode: TYPES[kind] | Number.parseInt(mode, 8), links: kind === "dir" ? 2 : 1, major: 0, minor: 0, data: Buffer.alloc(0) };
    if (kind === "file") entry.data = readFileSync(rest[0]);
    if (kind === "node") [entry.major, entry.minor] = rest.map(Number);
    if (!Number.isInteger(entry.major) || !Number.isInteger(entry.minor)) throw new Error(`what is "${line}"?`);
    entries.set(path, entry);
  }
  const sorted = [...entries.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  for (const { path } of sorted) {
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (parent !== "" && ((entries.get(parent)?.mode ?? 0) & TYPES.dir) !== TYPES.dir) throw new Error(`${path} needs the folder ${parent}`);
  }
  return sorted;
}

const pad = (bytes, unit) => Buffer.concat([bytes, Buffer.alloc((unit - (bytes.length % unit)) % unit)]);

function record(name, { number = 0, mode = 0, links = 1, data = Buffer.alloc(0), major = 0, minor = 0 }) {
  const text = Buffer.from(`${name}\0`);
  const fields = [number, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, text.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
  return [pad(Buffer.concat([Buffer.from(head), text]), 4), pad(data, 4)];
}

export function archive(entries) {
  const parts = entries.flatMap((entry, place) => record(entry.path.slice(1), { ...entry, number: place + 1 }));
  parts.push(...record("TRAILER!!!", {}));
  return pad(Buffer.concat(parts), 512);
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("/cpio.mjs")) {
  const output = process.argv[2] ?? fail("usage: image/cpio.mjs OUTPUT <LIST");
  try {
    writeFileSync(`${output}.part`, archive(parse(readFileSync(0, "utf8"))));
    renameSync(`${output}.part`, output);
  } catch (error) {
    fail(error.message);
  }
}
